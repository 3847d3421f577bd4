"""SQL of funding requests."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from commenda.funding.model import Funding
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.rows import first, records

# A deposit that two people had reversed was done, and is no more.
_SELECT: LiteralString = (
    "SELECT id, sequence, user_id, asset, direction, amount, reference,"
    " CASE WHEN status = 'done' AND EXISTS (SELECT FROM journals"
    "   WHERE key = 'reverse:' || direction || ':' || funding_requests.id) THEN 'reversed'"
    "  ELSE status END AS status, approval_id, created_at, done_at, address, not_before"
    " FROM funding_requests "
)


def find(tx: Tx, request_id: UUID, *, lock: bool = False) -> Funding | None:
    """A request, if it was made."""
    end: LiteralString = " FOR UPDATE" if lock else ""
    return first(tx, Funding, _SELECT + "WHERE id = %s" + end, (request_id,))


def requests_of(tx: Tx, user: UUID, before: int | None, limit: int) -> list[Funding]:
    """A user's requests, the latest first, before a sequence number: at most `limit`."""
    page: LiteralString = (
        "WHERE user_id = %(user)s"
        " AND (%(before)s::numeric IS NULL OR sequence < %(before)s)"
        " ORDER BY sequence DESC LIMIT %(limit)s"
    )
    return records(tx, Funding, _SELECT + page, {"user": user, "before": before, "limit": limit})


def paid_at_once(tx: Tx, user: UUID, asset: str, since: datetime) -> Decimal:
    """What a user has taken out after a time without a second person."""
    row = tx.execute(
        "SELECT coalesce(sum(amount), 0) FROM funding_requests WHERE user_id = %s AND asset = %s"
        " AND direction = 'withdrawal' AND approval_id IS NULL AND status <> 'rejected'"
        " AND created_at > %s",
        (user, asset, since),
    ).fetchone()
    assert row is not None
    paid: Decimal = row[0]
    return paid


def wallet_of(tx: Tx, user: UUID, asset: str) -> tuple[str, Decimal]:
    """A user's name, and what is in their wallet, held or not; code `unknown_user`."""
    row = tx.execute(
        "SELECT u.username, coalesce(a.balance, 0) FROM users u LEFT JOIN accounts a"
        " ON a.kind = 'wallet' AND a.owner_id = u.id AND a.asset = %s WHERE u.id = %s",
        (asset, user),
    ).fetchone()
    if row is None:
        raise unknown("user", user, "userId")
    return row[0], row[1]


def known_since(tx: Tx, user: UUID, address: str) -> datetime | None:
    """When a user first asked for money to an address, and did not cancel it."""
    row = tx.execute(
        "SELECT min(created_at) FROM funding_requests"
        " WHERE user_id = %s AND address = %s AND status <> 'rejected'",
        (user, address),
    ).fetchone()
    return row[0] if row else None
