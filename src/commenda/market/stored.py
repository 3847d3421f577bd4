"""The live market as it is stored: for a worker, which has no feed of its own.

The database is looked at once a second at most, in one question of all instruments; bars are read
when there are new ones. A bar is handed out once it is settled what was before it: filled in
later, or said to be missing, or waited for long enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError, not_found
from commenda.market.feed import CandleFeed
from commenda.market.instruments import instruments
from commenda.market.model import FindingKind, Funding, Instrument, Mark
from commenda.market.track import Bar, composed

LOOK_EVERY = 1.0
"""Wall seconds for which a look at the database is good."""
HOLE_PATIENCE = 120
"""Seconds after a bar's close for which those missing before it are waited for. It is as long as a
strategy's stops may be blind while an exchange does not say what it was."""
TOLD_WITHIN = 600
"""Seconds within which a feed is told a funding rate that was settled: so much later it counts."""
_HOUR = 3600


class Latest(NamedTuple):
    """What is known of an instrument at one look: `close` is when its last stored bar closed."""

    mark: Mark
    close: int | None
    volume: float | None


@dataclass(slots=True)
class _Look:
    at: float = float("-inf")
    latest: Mapping[int, Latest] = field(default_factory=dict)
    instruments: Mapping[int, Instrument] = field(default_factory=dict)
    bars: dict[tuple[int, int, int], tuple[list[Bar], int]] = field(default_factory=dict)


class StoredFeed(CandleFeed):
    """Every instrument that is stored; those that have a mark are traded.

    Strategies step on its closed bars. Orders, margins and values go by the marks.
    """

    live = True

    def __init__(
        self, database: Database, interval: int, wall: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self.interval, self._wall = database, interval, wall
        self._look = _Look()

    def look(self) -> None:
        with self._database.read() as tx:
            rows = tx.execute(
                "SELECT m.instrument_id, m.price, m.as_of, m.source,"
                " extract(epoch FROM b.ts)::bigint, b.volume FROM market_marks m"
                " LEFT JOIN LATERAL (SELECT ts, volume FROM market_bars"
                "  WHERE instrument_id = m.instrument_id AND interval_seconds = %s"
                "  ORDER BY ts DESC LIMIT 1) b ON true",
                (self.interval,),
            ).fetchall()
            known = self._look.instruments
            if any(row[0] not in known for row in rows):
                known = {one.id: one for one in instruments(tx)}
        latest = {
            one: Latest(Mark(*mark), None if ts is None else ts + self.interval, volume)
            for one, *mark, ts, volume in rows
        }
        self._look = _Look(self._wall(), latest, known)

    def _seen(self) -> _Look:
        if self._wall() - self._look.at > LOOK_EVERY:
            self.look()
        return self._look

    @property
    def instruments(self) -> tuple[Instrument, ...]:  # type: ignore[override]
        """Those that have a mark."""
        look = self._seen()
        return tuple(one for id_, one in look.instruments.items() if id_ in look.latest)

    def instrument(self, instrument_id: int) -> Instrument:
        found = self._look.instruments.get(instrument_id)
        if found is None:
            with self._database.read() as tx:
                self._look.instruments = {one.id: one for one in instruments(tx)}
            found = self._look.instruments.get(instrument_id)
        if found is None:
            raise not_found("unknown_instrument", "No such instrument is stored").at(
                "instrument_id", instrument_id
            )
        return found

    def mark_at(self, instrument_id: int, ts: int) -> Mark:
        """The latest mark, whenever it is asked for; code `no_price` where there is none."""
        latest = self._seen().latest.get(instrument_id)
        if latest is None:
            raise CommendaError("no_price", "No price of this instrument is known").at(
                "instrument_id", instrument_id
            )
        return latest.mark

    def closed_until(self, instrument_id: int) -> int | None:
        latest = self._seen().latest.get(instrument_id)
        return 0 if latest is None or latest.close is None else latest.close

    def closed_bars(
        self, instrument_id: int, interval: int, after: int | None, until: int, earlier: int = 0
    ) -> list[Bar]:
        """See `CandleFeed`; up to the first of which it is not settled yet what there was."""
        begin = until - (earlier + 2) * interval + 1 if after is None else after + interval
        key, read = (instrument_id, begin, until), self._seen().bars
        if key not in read:
            read[key] = self._settled(instrument_id, begin, until, follows=after is not None)
        found, whole_until = read[key]
        if after is None:  # what is stored may begin in the middle of a bar
            begin = max([begin, *(-(-one.ts // interval) * interval for one in found[:1])])
        bars = composed(found, self.interval, interval)
        return [one for one in bars if begin <= one.ts <= min(until, whole_until) - interval]

    def _settled(
        self, instrument_id: int, begin: int, until: int, *, follows: bool
    ) -> tuple[list[Bar], int]:
        with self._database.read() as tx:
            bars = stored_bars(tx, instrument_id, self.interval, begin, until)
            first = begin if follows or not bars else bars[0].ts
            found = settled(bars, self.interval, first, until, ())
            if len(found[0]) < len(bars):
                found = settled(
                    bars, self.interval, first, until, _missing(tx, instrument_id, begin, until)
                )
            return found

    def bar(self, instrument_id: int, ts: int) -> Bar | None:
        """What the paper venue trades at now: the mark, and the volume of the last closed bar.

        None without a bar, and where the mark is not of now.
        """
        latest = self._seen().latest.get(instrument_id)
        if latest is None or latest.volume is None:
            return None
        if abs(latest.mark.as_of.timestamp() - ts) > self.interval:
            return None
        price = float(latest.mark.price)
        return Bar(ts, price, price, price, price, latest.volume)

    def closed_bar(self, instrument_id: int, ts: int) -> None:
        return None

    def timestamps(self, start: int, end: int) -> list[int]:
        """The last second alone: of what was before, see `closed_bars`."""
        return [end - 1] if end > start else []

    def funding_between(self, instrument_id: int, after_ts: int, until_ts: int) -> list[Funding]:
        """The stamps in the interval that ended `TOLD_WITHIN` ago, as far as they were told."""
        after, until = after_ts - TOLD_WITHIN, until_ts - TOLD_WITHIN
        if after // _HOUR == until // _HOUR:
            return []
        with self._database.read() as tx:
            rows = tx.execute(
                "SELECT extract(epoch FROM f.ts)::bigint, f.value, m.value"
                " FROM market_observations f LEFT JOIN market_observations m"
                "  ON m.instrument_id = f.instrument_id AND m.series = 'mark' AND m.ts = f.ts"
                " WHERE f.instrument_id = %s AND f.series = 'funding' AND f.ts > %s AND f.ts <= %s"
                " ORDER BY f.ts",
                (instrument_id, _moment(after), _moment(until)),
            ).fetchall()
        present = self.mark_at(instrument_id, until_ts) if rows else None
        return [
            Funding(ts, rate, present if mark is None else Mark(mark, _moment(ts), "mark"))
            for ts, rate, mark in rows
            if present is not None
        ]


def settled(
    bars: Sequence[Bar], interval: int, first: int, now: int, missing: Collection[int]
) -> tuple[list[Bar], int]:
    """(the bars before the first that may still come, until when it is settled which there are).

    `first` is where the first one opens, `missing` are opens of which the exchange has none, each
    standing for its hole. Another hole is waited for until `HOLE_PATIENCE` after the close of the
    bar behind it. Pure.
    """
    found, until = [], first
    for bar in bars:
        told = any(until <= ts < bar.ts for ts in missing)
        if bar.ts > until and not told and now - (bar.ts + interval) <= HOLE_PATIENCE:
            break
        found.append(bar)
        until = bar.ts + interval
    return found, until


def stored_bars(tx: Tx, instrument_id: int, interval: int, begin: int, until: int) -> list[Bar]:
    """The bars of an interval that opened from `begin` on and had closed by `until`."""
    rows = tx.execute(
        "SELECT extract(epoch FROM ts)::bigint, open, high, low, close, volume FROM market_bars"
        " WHERE instrument_id = %s AND interval_seconds = %s AND ts >= %s AND ts <= %s"
        # One that is impossible is as good as missing: no step takes it.
        "  AND 0 < low AND low <= least(open, close) AND greatest(open, close) <= high ORDER BY ts",
        (instrument_id, interval, _moment(begin), _moment(until - interval)),
    ).fetchall()
    return [Bar(*row) for row in rows]


def length_stored(tx: Tx, instrument_id: int) -> int | None:
    """How many seconds the live bars of an instrument are long; None where there are none."""
    row = tx.execute(
        "SELECT interval_seconds FROM market_bars WHERE instrument_id = %s"
        " ORDER BY ts DESC LIMIT 1",
        (instrument_id,),
    ).fetchone()
    return None if row is None else int(row[0])


def _missing(tx: Tx, instrument_id: int, begin: int, until: int) -> list[int]:
    rows = tx.execute(
        "SELECT extract(epoch FROM at)::bigint FROM market_quality_findings"
        " WHERE instrument_id = %s AND kind = %s AND at >= %s AND at < %s",
        (instrument_id, FindingKind.GAP, _moment(begin), _moment(until)),
    ).fetchall()
    return [ts for (ts,) in rows]


def _moment(ts: int) -> datetime:
    return datetime.fromtimestamp(ts, UTC)
