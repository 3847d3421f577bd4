"""SQL of funding requests."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from commenda.funding.model import Funding, FundingOrder, FundingStatus
from commenda.kit.db import Tx

# A deposit that two people had reversed was done, and is no more.
_SELECT: LiteralString = (
    "SELECT id, sequence, user_id, asset, direction, amount, reference,"
    " CASE WHEN status = 'done' AND EXISTS (SELECT FROM journals"
    "   WHERE key = 'reverse:' || direction || ':' || funding_requests.id) THEN 'reversed'"
    "  ELSE status END AS status, approval_id, created_at, done_at FROM funding_requests "
)


def find(tx: Tx, request_id: UUID, *, lock: bool = False) -> Funding | None:
    """A request, if it was made."""
    end: LiteralString = " FOR UPDATE" if lock else ""
    with tx.cursor(row_factory=class_row(Funding)) as cursor:
        return cursor.execute(_SELECT + "WHERE id = %s" + end, (request_id,)).fetchone()


def requests_of(tx: Tx, user: UUID, before: int | None, limit: int) -> list[Funding]:
    """A user's requests, the latest first, before a sequence number: at most `limit`."""
    with tx.cursor(row_factory=class_row(Funding)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE user_id = %(user)s"
            " AND (%(before)s::numeric IS NULL OR sequence < %(before)s)"
            " ORDER BY sequence DESC LIMIT %(limit)s",
            {"user": user, "before": before, "limit": limit},
        ).fetchall()


def paid_at_once(tx: Tx, user: UUID, asset: str, since: datetime) -> Decimal:
    """What a user has taken out after a time without a second person."""
    row = tx.execute(
        "SELECT coalesce(sum(amount), 0) FROM funding_requests WHERE user_id = %s AND asset = %s"
        " AND direction = 'withdrawal' AND approval_id IS NULL AND created_at > %s",
        (user, asset, since),
    ).fetchone()
    assert row is not None
    paid: Decimal = row[0]
    return paid


def insert(
    tx: Tx,
    request_id: UUID,
    user: UUID,
    order: FundingOrder,
    approval_id: UUID | None,
    now: datetime,
) -> None:
    """Store a request: pending where it waits for an approval, else done."""
    done = approval_id is None
    tx.execute(
        "INSERT INTO funding_requests (id, user_id, asset, direction, amount, reference, status,"
        " approval_id, created_at, done_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            request_id,
            user,
            order.asset,
            order.direction,
            order.amount,
            order.reference,
            FundingStatus.DONE if done else FundingStatus.PENDING,
            approval_id,
            now,
            now if done else None,
        ),
    )


def close(tx: Tx, request_id: UUID, status: FundingStatus, now: datetime) -> None:
    """Write what was decided of a pending request."""
    tx.execute(
        "UPDATE funding_requests SET status = %s, done_at = %s WHERE id = %s",
        (status, now, request_id),
    )
