"""Whom somebody brought, and what it earned them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from psycopg.rows import class_row
from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.wire import Amount, on_wire, one_of
from commenda.referrals.rules import MOST_LEVELS


@on_wire
@dataclass(frozen=True, slots=True)
class Referred:
    """A person below somebody in the tree: level 1 was brought by them, level 2 by level 1."""

    level: Annotated[int, Field(ge=1, le=MOST_LEVELS, examples=[1])]
    user_id: UUID
    username: str
    referrer_id: UUID
    joined_at: datetime


def referred_by(tx: Tx, user: UUID, limit: int) -> list[Referred]:
    """Everybody below a user as far as commission is paid, the nearest level first."""
    with tx.cursor(row_factory=class_row(Referred)) as cursor:
        return cursor.execute(
            "WITH RECURSIVE down AS ("
            " SELECT 1 AS level, user_id, referrer_id, created_at FROM referrals"
            "  WHERE referrer_id = %(user)s"
            " UNION ALL SELECT down.level + 1, r.user_id, r.referrer_id, r.created_at"
            "  FROM down JOIN referrals r ON r.referrer_id = down.user_id"
            "  WHERE down.level < %(levels)s)"
            " SELECT level, user_id, username, referrer_id, down.created_at AS joined_at"
            " FROM down JOIN users u ON u.id = user_id"
            " ORDER BY level, down.created_at, user_id LIMIT %(limit)s",
            {"user": user, "levels": MOST_LEVELS, "limit": limit},
        ).fetchall()


@on_wire
@dataclass(frozen=True, slots=True)
class Commission:
    """Earned from one settlement, out of the platform's cut; one's own once its hold is over."""

    settlement_id: UUID
    level: Annotated[int, Field(examples=[1])]
    asset: Annotated[str, Field(examples=["USDT"])]
    amount: Amount
    status: Annotated[str, one_of(("pending", "released"))]
    release_at: datetime
    released_at: datetime | None


def commissions_of(
    tx: Tx, user: UUID, limit: int, after: tuple[datetime, UUID] | None
) -> list[Commission]:
    """A user's commissions, the latest release first, after one of them: at most `limit`."""
    at, last = after or (None, None)
    with tx.cursor(row_factory=class_row(Commission)) as cursor:
        return cursor.execute(
            "SELECT settlement_id, level, asset, amount, release_at, released_at,"
            " CASE WHEN released_at IS NULL THEN 'pending' ELSE 'released' END AS status"
            " FROM referral_commissions WHERE payee_id = %(user)s"
            "  AND (%(at)s::timestamptz IS NULL"
            "   OR (release_at, settlement_id) < (%(at)s, %(last)s::uuid))"
            " ORDER BY release_at DESC, settlement_id DESC LIMIT %(limit)s",
            {"user": user, "at": at, "last": last, "limit": limit},
        ).fetchall()
