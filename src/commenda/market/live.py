"""The live market for processes that have no feed of their own: closed bars and latest marks, which
are stored, and what is known now (last trades, book, funding), which is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from commenda.kit import bus
from commenda.kit.cache import Name
from commenda.kit.db import Tx
from commenda.market.model import Funding, Instrument, Mark
from commenda.market.track import Bar

NOW = ("tick", "book", "funding")
"""What is known now of an instrument, each whole: the last trades, the best levels of the book with
whether it is right, mark and index price with the funding to come."""
_NUMBERS = ("open", "high", "low", "close", "volume")


def write_bars(
    tx: Tx, interval: int, bars: Sequence[tuple[Instrument, Bar]]
) -> list[tuple[Instrument, Bar]]:
    """Store bars that have closed, and return the new ones; one that is stored stays as it is."""
    rows = tx.execute(
        "INSERT INTO market_bars"
        " SELECT n.instrument, n.ts, %s, n.open, n.high, n.low, n.close, n.volume"
        " FROM unnest(%s::smallint[], %s::timestamptz[], %s::float8[], %s::float8[], %s::float8[],"
        "  %s::float8[], %s::float8[])"
        "  AS n (instrument, ts, open, high, low, close, volume) ON CONFLICT DO NOTHING"
        " RETURNING instrument_id, extract(epoch FROM ts)::bigint",
        (
            interval,
            [instrument.id for instrument, _ in bars],
            [datetime.fromtimestamp(bar.ts, UTC) for _, bar in bars],
            *([getattr(bar, name) for _, bar in bars] for name in _NUMBERS),
        ),
    ).fetchall()
    new = set(rows)
    return [one for one in bars if (one[0].id, one[1].ts) in new]


def topic_of(instrument: Instrument) -> str:
    """What is told of an instrument bears this: its symbol alone may be another venue's, too."""
    return f"market:{instrument.venue}:{instrument.symbol}"


def bar_message(instrument: Instrument, interval: int, bar: Bar) -> dict[str, Any]:
    """A closed bar in the form of a live message."""
    about = {"type": "bar", "venue": instrument.venue, "symbol": instrument.symbol}
    return {**about, "interval": interval, **asdict(bar)}


def tell_bar(tx: Tx, instrument: Instrument, interval: int, bar: Bar) -> None:
    """Tell who listens to an instrument of a bar that has closed."""
    bus.publish(tx, topic_of(instrument), bar_message(instrument, interval, bar))


def write_marks(tx: Tx, marks: Sequence[tuple[Instrument, Mark]]) -> None:
    """Store the latest mark of each instrument; an older one changes nothing."""
    tx.execute(
        "INSERT INTO market_marks (instrument_id, price, as_of, source)"
        " SELECT * FROM unnest(%s::smallint[], %s::numeric[], %s::timestamptz[], %s::text[])"
        " ON CONFLICT (instrument_id) DO UPDATE SET price = excluded.price,"
        "  as_of = excluded.as_of, source = excluded.source"
        " WHERE market_marks.as_of <= excluded.as_of",
        (
            [instrument.id for instrument, _ in marks],
            *([getattr(mark, name) for _, mark in marks] for name in ("price", "as_of", "source")),
        ),
    )


def write_funding(tx: Tx, instrument: Instrument, paid: Sequence[Funding]) -> None:
    """Store funding of a market that no feed follows, and the mark of each stamp; what is stored
    stays as it is."""
    for one in paid:
        tx.execute(
            "INSERT INTO market_observations (instrument_id, series, ts, value)"
            " VALUES (%(id)s, 'funding', %(at)s, %(rate)s), (%(id)s, 'mark', %(at)s, %(mark)s)"
            " ON CONFLICT DO NOTHING",
            {
                "id": instrument.id,
                "at": datetime.fromtimestamp(one.ts, UTC),
                "rate": one.rate,
                "mark": one.mark.price,
            },
        )


def latest_marks(tx: Tx) -> dict[int, Decimal]:
    """The live market's latest mark of each instrument, by its id."""
    return dict(tx.execute("SELECT instrument_id, price FROM market_marks").fetchall())


def now_names(instrument: Instrument) -> tuple[Name, Name, Name]:
    """Under which names feeds keep what they know now of an instrument, in the order of `NOW`."""
    tick, book, funding = (Name(f"md:{kind}:{instrument.symbol}", instrument.venue) for kind in NOW)
    return tick, book, funding


def supersedes(old: str, new: str) -> bool:
    """Whether a message takes the place of one that was told just before: of the same feed if it is
    not older; of another if it knows more, and never a stale book that of a right one."""
    before, after = json.loads(old), json.loads(new)
    if before["feed"] == after["feed"]:
        return bool(after["at"] >= before["at"])
    right = before.get("right", True), after.get("right", True)
    return bool(right[1]) if right[0] != right[1] else bool(after["id"] > before["id"])
