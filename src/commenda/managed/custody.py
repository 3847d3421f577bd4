"""Deposits and the authorisation to manage them."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.money import amount as checked_amount
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Owner,
    OwnerKind,
    balance_of,
    open_accounts,
    post,
)
from commenda.managed.profit_share import require_positive


def deposit(
    tx: Tx, author: Author, owner: Owner, asset: str, amount: Decimal, reference: str
) -> None:
    """Credit money that arrived from outside to a wallet, once for each reference."""
    amount = checked_amount(amount, asset)
    require_positive(amount, "amount")
    external, wallet = open_accounts(
        tx,
        [AccountKey("external", Owner.platform(), asset), AccountKey("wallet", owner, asset)],
    )
    post(
        tx,
        author,
        Journal(
            f"deposit:{reference}",
            "deposit",
            ids.derive("deposit", reference),
            [Line(external, -amount), Line(wallet, amount)],
        ),
    )


def authorise_custody(tx: Tx, author: Author, user: UUID, asset: str, limit: Decimal) -> None:
    """Let the platform manage up to `limit` of a user's money; a later one replaces it."""
    limit = checked_amount(limit, asset, field="limit")
    tx.execute(
        "INSERT INTO custody_authorisations (user_id, asset, limit_amount, authorised_at)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (user_id, asset) DO UPDATE"
        " SET limit_amount = excluded.limit_amount, authorised_at = excluded.authorised_at",
        (user, asset, limit, author.now),
    )


def available_to_subscribe(tx: Tx, user: UUID, asset: str) -> Decimal:
    """min(wallet, authorisation limit − open principal), never below zero.

    The user's authorisation is locked, so that two subscriptions cannot both count on it.
    """
    row = tx.execute(
        "SELECT limit_amount FROM custody_authorisations WHERE user_id = %s AND asset = %s"
        " FOR UPDATE",
        (user, asset),
    ).fetchone()
    if row is None:
        return Decimal(0)
    used = tx.execute(
        "SELECT coalesce(sum(amount), 0) FROM managed_subscriptions"
        " WHERE investor_id = %s AND asset = %s AND status NOT IN ('SETTLED', 'CANCELLED')",
        (user, asset),
    ).fetchone()
    assert used is not None
    wallet = balance_of(tx, AccountKey("wallet", Owner(OwnerKind.INVESTOR, user), asset))
    room: Decimal = row[0] - used[0]
    return max(Decimal(0), min(wallet, room))
