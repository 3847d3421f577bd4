"""The business clock: one persisted moment, moved forward by whoever runs the business.

Nothing below the entry points reads wall time; `now` is passed in, in UTC. A replay sets the
clock to the candles' time, a living operation to wall time (or faster, in the demo).
"""

from __future__ import annotations

from datetime import UTC, datetime

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError


def read(tx: Tx) -> datetime | None:
    """The business time, or None before the first `advance`."""
    row = tx.execute("SELECT now_at FROM business_clock").fetchone()
    return row[0] if row else None


def business_now(tx: Tx) -> datetime:
    """What time the business has: wall time, or what its clock was moved to."""
    row = tx.execute(
        "SELECT coalesce((SELECT CASE mode WHEN 'wall' THEN clock_timestamp() ELSE now_at END"
        " FROM business_clock), clock_timestamp())"
    ).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def advance(tx: Tx, now: datetime) -> None:
    """Move the business clock to `now`; it never runs backwards."""
    require_utc(now)
    moved = tx.execute(
        "INSERT INTO business_clock (now_at) VALUES (%(now)s)"
        " ON CONFLICT (single) DO UPDATE"
        " SET now_at = excluded.now_at, advanced_at = clock_timestamp()"
        " WHERE business_clock.now_at <= excluded.now_at",
        {"now": now},
    ).rowcount
    if not moved:
        raise CommendaError(
            "clock_backwards",
            "The business clock cannot run backwards",
            field="now",
            value=now.isoformat(),
        )


def require_utc(moment: datetime) -> datetime:
    """`moment`, if it is aware and in UTC; code `not_utc` otherwise."""
    if moment.tzinfo is None or moment.utcoffset() != UTC.utcoffset(None):
        raise CommendaError(
            "not_utc", "Times must be in UTC", field="now", value=moment.isoformat()
        )
    return moment
