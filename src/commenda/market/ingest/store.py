"""What a feed writes, in one transaction at a time, the same however many feeds write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from commenda.alerts import raise_alerts
from commenda.audit import Event
from commenda.kit import ids
from commenda.kit.clock import business_now
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.kit.rows import columns
from commenda.kit.times import iso
from commenda.market.ingest.bars import INTERVAL, Candle
from commenda.market.ingest.follow import Followed, Observation
from commenda.market.live import tell_bar, write_bars, write_marks
from commenda.market.model import Finding, FindingKind, Instrument, Mark

RULES = "market/1"
LONGEST = timedelta(days=7)
"""How far back bars are asked for after a pause; what is older, an import brings."""
QUIET_KINDS = (FindingKind.ZERO_VOLUME, FindingKind.STALE, FindingKind.SEQUENCE_BREAK)
"""Findings that alert nobody by themselves: while the data cannot be trusted for their sake, that
is an alert (`operations.feeds`); and a minute without a trade is the market's own."""


class Seen(NamedTuple):
    """How a feed stands to one instrument; the columns of `market_feeds` after its name."""

    instrument_id: int
    event_at: datetime | None
    lag_ms: int | None
    book_right: bool
    best_bid: float | None
    best_ask: float | None
    messages: int
    losses: int
    resyncs: int
    distrust: str | None
    distrusted_at: datetime | None
    cache: str | None


@dataclass(slots=True)
class Batch:
    """What waits to be stored."""

    bars: list[tuple[Followed, Candle]] = field(default_factory=list)
    findings: list[tuple[Instrument, Finding]] = field(default_factory=list)
    observations: list[tuple[Instrument, Observation]] = field(default_factory=list)
    marks: list[tuple[Instrument, Mark]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.bars or self.findings or self.observations or self.seen)

    def gather(self, one: Followed) -> None:
        """Take what an instrument has to store."""
        self.bars += ((one, candle) for candle in one.bars.closed)
        found = (*one.bars.findings, *one.watch.found)
        self.findings += ((one.instrument, finding) for finding in found)
        self.observations += ((one.instrument, seen) for seen in one.observations)
        for taken in (one.bars.closed, one.bars.findings, one.watch.found, one.observations):
            taken.clear()


def store(
    database: Database, feed: str, batch: Batch, stopped: bool
) -> list[tuple[Instrument, Candle]]:
    """Store a batch; the bars that nobody had stored before."""
    with database.transaction() as tx:
        new: list[tuple[Instrument, Candle]] = []
        if batch.bars:
            made = {(one.instrument.id, candle.ts): candle for one, candle in batch.bars}
            bars = [(one.instrument, candle.bar()) for one, candle in batch.bars]
            for one, bar in write_bars(tx, INTERVAL, bars):
                tell_bar(tx, one, INTERVAL, bar)
                new.append((one, made[one.id, bar.ts]))
        if batch.marks:
            write_marks(tx, batch.marks)
        if batch.observations:
            _write_observations(tx, batch.observations)
        if batch.findings:
            _write_findings(tx, feed, batch.findings)
        if batch.seen:
            _write_seen(tx, feed, batch.seen, stopped)
    return new


def judge(bars: Sequence[tuple[Followed, Candle]]) -> None:
    """Judge bars, an instrument's in one frame: that takes milliseconds no bar should wait for."""
    for _, group in groupby(sorted(bars, key=_place), key=lambda one: one[0].instrument.id):
        judged = list(group)
        judged[0][0].watch.bars([candle.bar() for _, candle in judged], INTERVAL)


def _place(one: tuple[Followed, Candle]) -> tuple[int, int]:
    return one[0].instrument.id, one[1].ts


def following_bars(
    tx: Tx, instruments: Sequence[Instrument], since: datetime | None = None
) -> dict[int, int]:
    """The open of the first bar that is not stored and not known to be missing, by instrument.

    After the last one; before it where a feed was killed while it asked for some. Where none is
    stored, of the one that opens at `since`. Code `bad_interval` where bars of another interval are
    stored: they have one table's room.
    """
    rows = tx.execute(
        "SELECT i.id, b.interval_seconds, extract(epoch FROM b.ts)::bigint"
        " FROM unnest(%s::smallint[]) AS i (id) CROSS JOIN LATERAL (SELECT ts, interval_seconds"
        "  FROM market_bars WHERE instrument_id = i.id ORDER BY ts DESC LIMIT 1) AS b",
        ([one.id for one in instruments],),
    ).fetchall()
    for instrument_id, stored, _ in rows:
        if stored != INTERVAL:
            symbol = next(one.symbol for one in instruments if one.id == instrument_id)
            raise CommendaError(
                "bad_interval", f"Live bars of {symbol} are stored in another interval already"
            ).at("interval", stored, "give --venue another name than what they are stored under")
    begin = None if since is None else int(since.timestamp()) // INTERVAL * INTERVAL
    following = {} if begin is None else {one.id: begin for one in instruments}
    following |= {instrument_id: ts + INTERVAL for instrument_id, _, ts in rows}
    holes = tx.execute(
        "SELECT i.id, extract(epoch FROM min(b.ts))::bigint"
        " FROM unnest(%s::smallint[], %s::bigint[]) AS i (id, last) CROSS JOIN LATERAL ("
        "  SELECT ts, lead(ts) OVER (ORDER BY ts) AS later FROM market_bars"
        "  WHERE instrument_id = i.id AND ts > to_timestamp(i.last) - %s) b"
        " WHERE b.later > b.ts + %s AND NOT EXISTS (SELECT FROM market_quality_findings f"
        "   WHERE f.kind = 'gap' AND f.instrument_id = i.id"
        "    AND f.at > b.ts AND f.at < b.later) GROUP BY 1",
        (*columns([(id_, ts) for id_, _, ts in rows], 2), LONGEST, timedelta(seconds=INTERVAL)),
    )
    return following | {instrument_id: ts + INTERVAL for instrument_id, ts in holes}


def _write_observations(tx: Tx, rows: Sequence[tuple[Instrument, Observation]]) -> None:
    tx.execute(
        "INSERT INTO market_observations (instrument_id, series, ts, value)"
        " SELECT * FROM unnest(%s::smallint[], %s::text[], %s::timestamptz[], %s::numeric[])"
        " ON CONFLICT DO NOTHING",
        columns([(one.id, *seen) for one, seen in rows], 4),
    )


def _write_findings(tx: Tx, feed: str, found: Sequence[tuple[Instrument, Finding]]) -> None:
    """Store findings, each once, and alert of those that are new."""
    rows = [(one.id, finding.kind, finding.at, finding.details) for one, finding in found]
    new = set(
        tx.execute(
            "INSERT INTO market_quality_findings (instrument_id, kind, at, details)"
            " SELECT * FROM unnest(%s::smallint[], %s::text[], %s::timestamptz[], %s::text[])"
            " ON CONFLICT (instrument_id, kind, at) WHERE instrument_id IS NOT NULL DO NOTHING"
            " RETURNING instrument_id, kind, at",
            columns(rows, 4),
        ).fetchall()
    )
    now = business_now(tx)
    raise_alerts(
        tx,
        (
            Event(
                "alert.market_finding",
                f"{one.venue} {one.symbol} {finding.kind}",
                ids.derive("market_finding", one.id, finding.kind),
                finding.kind,
                f"feed:{feed}",
                RULES,
                now,
                {"at": iso(finding.at), "details": finding.details},
            )
            for one, finding in found
            if finding.kind not in QUIET_KINDS and (one.id, finding.kind, finding.at) in new
        ),
    )


def _write_seen(tx: Tx, feed: str, seen: Sequence[Seen], stopped: bool) -> None:
    tx.execute(
        "INSERT INTO market_feeds AS f (name, seen_at, stopped_at, instrument_id, event_at, lag_ms,"
        "  book_right, best_bid, best_ask, messages, losses, resyncs, distrust, distrusted_at,"
        "  cache)"
        " SELECT %s, clock_timestamp(), CASE WHEN %s THEN clock_timestamp() END, n.* FROM"
        "  unnest(%s::smallint[], %s::timestamptz[], %s::bigint[], %s::boolean[], %s::float8[],"
        "  %s::float8[], %s::bigint[], %s::integer[], %s::integer[], %s::text[],"
        "  %s::timestamptz[], %s::text[]) AS n"
        " ON CONFLICT (name, instrument_id) DO UPDATE SET seen_at = excluded.seen_at,"
        "  stopped_at = excluded.stopped_at, event_at = excluded.event_at,"
        "  lag_ms = excluded.lag_ms, book_right = excluded.book_right,"
        "  best_bid = excluded.best_bid, best_ask = excluded.best_ask,"
        "  messages = excluded.messages, losses = excluded.losses, resyncs = excluded.resyncs,"
        "  distrust = excluded.distrust, distrusted_at = excluded.distrusted_at,"
        "  cache = excluded.cache",
        (feed, stopped, *columns(list(seen), 12)),
    )


def forget_feeds(tx: Tx, feed: str, instruments: Sequence[Instrument]) -> None:
    """Remove what this feed followed and does not any more, and feeds unseen for a day."""
    tx.execute(
        "DELETE FROM market_feeds WHERE (name = %s AND instrument_id <> ALL (%s))"
        " OR seen_at < clock_timestamp() - interval '1 day'",
        (feed, [one.id for one in instruments]),
    )
