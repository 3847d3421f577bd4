"""The authorisation to manage a user's money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field

from commenda.audit import record
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.money import amount as checked_amount
from commenda.kit.money import plain, scale_of
from commenda.kit.wire import Amount, Asset, on_wire
from commenda.ledger import AccountKey, Author, Owner, OwnerKind, available_in


def authorise_custody(tx: Tx, author: Author, user: UUID, asset: str, limit: Decimal) -> None:
    """Let the platform manage up to `limit` of a user's money; a later one replaces it."""
    limit = checked_amount(limit, asset, field="limit")
    tx.execute(
        "INSERT INTO custody_authorisations (user_id, asset, limit_amount, authorised_at)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (user_id, asset) DO UPDATE"
        " SET limit_amount = excluded.limit_amount, authorised_at = excluded.authorised_at",
        (user, asset, limit, author.now),
    )
    record(
        tx,
        [
            author.event(
                "custody.authorised",
                f"{user}:{asset}",
                ids.derive("custody", user, asset),
                plain(limit),
            )
        ],
    )


@on_wire
@dataclass(frozen=True, slots=True)
class Custody:
    """An authorisation, what of it is in use, and what can be subscribed now."""

    asset: Asset
    limit: Amount
    in_use: Annotated[
        Amount, Field(description="Principal of subscriptions that are not yet settled.")
    ]
    available: Annotated[
        Amount, Field(description="The wallet or what is left of the limit, if less.")
    ]
    authorised_at: datetime | None


def custody_of(tx: Tx, user: UUID, asset: str) -> Custody:
    """A user's authorisation as it is: a limit of 0 where none was given."""
    scale_of(asset)
    row = tx.execute(
        "SELECT limit_amount, authorised_at FROM custody_authorisations"
        " WHERE user_id = %s AND asset = %s",
        (user, asset),
    ).fetchone()
    limit, authorised_at = row or (Decimal(0), None)
    used = _open_principal(tx, user, asset)
    wallet = available_in(tx, AccountKey("wallet", Owner(OwnerKind.INVESTOR, user), asset))
    room = max(Decimal(0), min(wallet, limit - used))
    return Custody(asset, limit, used, room, authorised_at)


def available_to_subscribe(tx: Tx, user: UUID, asset: str) -> Decimal:
    """min(available in the wallet, authorisation limit − open principal), never below zero.

    The user's authorisation is locked, so that two subscriptions cannot both count on it.
    """
    row = tx.execute("SELECT room_to_subscribe(%s, %s)", (user, asset)).fetchone()
    assert row is not None
    room: Decimal = row[0]
    return room


def _open_principal(tx: Tx, user: UUID, asset: str) -> Decimal:
    row = tx.execute(
        "SELECT coalesce(sum(r.reserved_amount - r.released_amount), 0)"
        " FROM managed_subscriptions s JOIN principal_reservations r ON r.subscription_id = s.id"
        " WHERE s.investor_id = %s AND s.asset = %s"
        "  AND s.status NOT IN ('SETTLED', 'CANCELLED')",
        (user, asset),
    ).fetchone()
    assert row is not None
    used: Decimal = row[0]
    return used
