"""The business clock: one persisted moment, moved forward by whoever runs the business.

Nothing below the entry points reads wall time; `now` is passed in, in UTC. A replay drives the
clock from candle to candle, a living operation follows wall time or, in the demo, a faster pace.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from commenda.kit.errors import CommendaError
from commenda.kit.times import iso

if TYPE_CHECKING:
    from commenda.kit.db import Tx


def read(tx: Tx) -> datetime | None:
    """The business time, or None before the first `advance`."""
    row = tx.execute("SELECT now_at FROM business_clock").fetchone()
    return row[0] if row else None


def business_now(tx: Tx) -> datetime:
    """What time the business has: wall time, or what its clock was moved to."""
    row = tx.execute("SELECT business_now()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def mode(tx: Tx) -> str | None:
    """driven, wall or paced; None before the clock is set."""
    row = tx.execute("SELECT mode FROM business_clock").fetchone()
    return row[0] if row else None


def follow_wall(tx: Tx) -> None:
    """Let the business go by wall time from now on; code `clock_backwards` if it is ahead of it.

    One that went by it before, and is ahead because wall time was set back, waits for it.
    """
    row = tx.execute("SELECT now_at, clock_timestamp() FROM business_clock").fetchone()
    if mode(tx) == "wall":
        return
    if row is not None and row[0] > row[1]:
        raise CommendaError("clock_backwards", "This business is ahead of wall time").at(
            "now",
            row[0],
            "it was begun as a demo or replay: use another data directory or database",
        )
    tx.execute(
        "INSERT INTO business_clock (now_at, mode)"
        " VALUES (date_trunc('second', clock_timestamp()), 'wall')"
        " ON CONFLICT (single) DO UPDATE SET mode = 'wall', pace = NULL, quick_until = NULL"
    )


def set_pace(tx: Tx, start: datetime, pace: Decimal, quick_until: datetime) -> None:
    """Let the business clock run `pace` times as fast as wall time, from `start` if it is new.

    Until `quick_until` it does not wait at all.
    """
    tx.execute(
        "INSERT INTO business_clock (now_at, mode, pace, quick_until)"
        " VALUES (%(start)s, 'paced', %(pace)s, %(quick)s)"
        " ON CONFLICT (single) DO UPDATE SET mode = 'paced', pace = %(pace)s",
        {"start": require_utc(start), "pace": pace, "quick": quick_until},
    )


def next_tick(tx: Tx, step: timedelta) -> datetime | None:
    """The tick that is due: the next whole step of a paced clock, wall time's present second.

    None when none is due yet, and always for a clock that a replay drives. Where wall time was set
    back, a paced clock begins to count anew; one that follows wall time waits for it.
    """
    row = tx.execute(
        "SELECT CASE mode"
        "  WHEN 'wall' THEN CASE WHEN clock_timestamp() >= now_at + interval '1 second'"
        "   THEN date_trunc('second', clock_timestamp()) END"
        "  WHEN 'paced' THEN CASE WHEN now_at < quick_until"
        "    OR clock_timestamp() NOT BETWEEN advanced_at"
        "     AND advanced_at + %(step)s / pace::float8"
        "   THEN now_at + %(step)s END END"
        " FROM business_clock",
        {"step": step},
    ).fetchone()
    return row[0] if row else None


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
        raise CommendaError("clock_backwards", "The business clock cannot run backwards").at(
            "now", now
        )


def require_utc(moment: datetime) -> datetime:
    """`moment`, if it is aware and in UTC; code `not_utc` otherwise."""
    if moment.tzinfo is None or moment.utcoffset() != UTC.utcoffset(None):
        raise CommendaError("not_utc", "Times must be in UTC").at("now", moment)
    return moment


def require_period(field: str, begin: datetime | None, end: datetime | None) -> None:
    """A period that was asked for does not end before it begins; code `bad_period`."""
    if begin is not None and end is not None and end < begin:
        raise CommendaError("bad_period", "A period ends after it begins").at(
            field, begin, f"begin before {iso(end)}"
        )
