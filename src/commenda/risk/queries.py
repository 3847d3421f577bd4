"""SQL of limits that several verbs need."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString
from uuid import UUID

from commenda.kit.db import Tx
from commenda.kit.rows import first, records
from commenda.risk.model import Limit

_LIMIT: LiteralString = (
    "SELECT id, level, subject, measure, asset, amount, effect, resets_at, cooldown_seconds,"
    " version, valid_from, ended_at, set_by, ended_by, approval_id, end_approval_id, reason"
    " FROM risk_limits "
)


def lock(tx: Tx) -> None:
    """Be the only one who sets limits, or takes room that they leave, until this transaction ends.

    Two signals that are judged at once would both be given the same room.
    """
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('risk.limits', 0))")


def limits_in_force(tx: Tx) -> list[Limit]:
    """Every limit in force, in a stable order."""
    return records(
        tx, Limit, _LIMIT + "WHERE ended_at IS NULL ORDER BY level, subject, measure, asset"
    )


def limit_at(tx: Tx, place: tuple[str, str, str, str | None]) -> Limit | None:
    """The limit in force at a (level, subject, measure, asset)."""
    return first(
        tx,
        Limit,
        _LIMIT + "WHERE ended_at IS NULL AND (level, subject, measure) = (%s, %s, %s)"
        " AND asset IS NOT DISTINCT FROM %s",
        place,
    )


def limit_by_id(tx: Tx, limit_id: UUID) -> Limit | None:
    return first(tx, Limit, _LIMIT + "WHERE id = %s", (limit_id,))


def limits_where(
    tx: Tx, state: str, before: tuple[datetime, UUID] | None, limit: int
) -> list[Limit]:
    """Limits in_force, past or all, the last that were set first."""
    at, last = before or (None, None)
    return records(
        tx,
        Limit,
        _LIMIT + "WHERE (%(state)s = 'all' OR (ended_at IS NULL) = (%(state)s = 'in_force'))"
        "  AND (%(at)s::timestamptz IS NULL OR (valid_from, id) < (%(at)s, %(id)s))"
        " ORDER BY valid_from DESC, id DESC LIMIT %(limit)s",
        {"state": state, "at": at, "id": last, "limit": limit},
    )
