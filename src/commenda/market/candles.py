"""Candles to look at: of the live market or of an import, in any coarser interval."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import polars as pl
from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, unknown
from commenda.kit.wire import Amount, on_wire
from commenda.market import queries
from commenda.market.files import read_imported
from commenda.market.grid import WEEK, interval_name
from commenda.market.instruments import find_instrument, instruments
from commenda.market.model import SYMBOL, VENUE, Dataset, Instrument, Series

_COLUMNS = ("ts", "open", "high", "low", "close", "volume")
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
COARSEST = WEEK


@on_wire
@dataclass(frozen=True, slots=True)
class Candle:
    """One closed bar, named by the time it opened. Numbers are market data, not money."""

    ts: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


@on_wire
@dataclass(frozen=True, slots=True)
class CandleSeries:
    """Candles of one instrument in order of time."""

    venue: str
    symbol: str
    interval: Annotated[str, Field(examples=["1h"])]
    simulated: bool
    items: list[Candle]


@on_wire
@dataclass(frozen=True, slots=True)
class InstrumentView(Instrument):
    """An instrument with its latest mark of the live market."""

    mark: Annotated[Amount | None, Field(description="Latest mark of the live market.")]
    mark_as_of: datetime | None


class _Window(NamedTuple):
    """Bars that open in [first, last): the first `limit` of them `forward`, else the last."""

    first: datetime
    last: datetime
    forward: bool
    limit: int


def quoted(tx: Tx) -> list[InstrumentView]:
    """Every stored instrument, by id, with its latest mark."""
    rows = tx.execute("SELECT instrument_id, price, as_of FROM market_marks").fetchall()
    marks = {row[0]: {"mark": row[1], "mark_as_of": row[2]} for row in rows}
    unknown_mark = {"mark": None, "mark_as_of": None}
    return [
        InstrumentView(**asdict(one), **marks.get(one.id, unknown_mark)) for one in instruments(tx)
    ]


def traded_as(tx: Tx, symbol: str, venue: str | None = None) -> Instrument:
    """The instrument of a symbol at the venue that is named; without one where a feed follows it,
    else where it has live bars, else candles, and of several the one that was known first.

    Code `unknown_instrument`.
    """
    row = None
    named = venue is None or re.fullmatch(VENUE, venue)
    if named and len(symbol) <= 40 and re.fullmatch(SYMBOL, symbol):
        row = tx.execute(
            "SELECT i.venue FROM instruments i"
            " WHERE i.symbol = %(symbol)s AND (%(venue)s::text IS NULL OR i.venue = %(venue)s)"
            " ORDER BY NOT EXISTS (SELECT FROM market_feeds f"
            "   WHERE f.instrument_id = i.id AND f.stopped_at IS NULL),"
            "  NOT EXISTS (SELECT FROM market_bars b WHERE b.instrument_id = i.id),"
            "  NOT EXISTS (SELECT FROM market_datasets d WHERE d.instrument_id = i.id), i.id"
            " LIMIT 1",
            {"symbol": symbol, "venue": venue},
        ).fetchone()
    if row is None:
        raise unknown("instrument", symbol, "symbol", "use one of GET /api/v1/market/instruments")
    return find_instrument(tx, row[0], symbol)


def read(
    tx: Tx,
    data: Path,
    instrument: Instrument,
    interval: int,
    *,
    start: datetime | None,
    end: datetime | None,
    limit: int,
) -> list[Candle]:
    """Bars that open in [start, end): the first `limit` from a start, else the last.

    A coarser interval is made of whole finer bars; one that has not closed is left out. Code
    `no_dataset` where no candles are fine enough.
    """
    if interval > COARSEST and interval not in {
        one.interval_seconds for one in queries.datasets_of(tx, instrument.id)
    }:
        raise CommendaError(
            "bad_interval", "Candles are a week long at most, unless they were imported so"
        ).at("interval", interval_name(interval), "use 1w or less")
    live = tx.execute(
        "SELECT interval_seconds FROM market_bars WHERE instrument_id = %s LIMIT 1",
        (instrument.id,),
    ).fetchone()
    window = _Window(start or _EVER, end or _NEVER, start is not None, limit)
    if live is not None and interval % live[0] == 0:
        return _live(tx, instrument.id, interval, live[0], window)
    return _imported(data, _finest(tx, instrument, interval), interval, window)


def _live(tx: Tx, instrument_id: int, interval: int, stored: int, window: _Window) -> list[Candle]:
    step = timedelta(seconds=interval)
    if not window.forward:
        # Without a start the latest are wanted: no need to group all there ever was.
        newest = tx.execute(
            "SELECT max(ts) FROM market_bars WHERE instrument_id = %s AND ts < %s",
            (instrument_id, window.last),
        ).fetchone()
        if newest is None or newest[0] is None:
            return []
        window = window._replace(first=newest[0] - step * (window.limit + 1))
    rows = tx.execute(
        "SELECT date_bin(%(step)s, ts, %(epoch)s) AS opened,"
        "  (array_agg(open ORDER BY ts))[1], max(high), min(low),"
        "  (array_agg(close ORDER BY ts DESC))[1], sum(volume)"
        " FROM market_bars WHERE instrument_id = %(id)s"
        "  AND ts >= %(first)s AND ts < %(last)s"
        " GROUP BY opened HAVING count(*) = %(bars)s ORDER BY opened"
        " LIMIT CASE WHEN %(forward)s THEN %(limit)s END",
        window._asdict()
        | {
            "step": step,
            "epoch": _MONDAY if interval == WEEK else _EVER,
            "id": instrument_id,
            "bars": interval // stored,
        },
    ).fetchall()
    return [Candle(*row) for row in rows[-window.limit :]]


def _finest(tx: Tx, instrument: Instrument, interval: int) -> Dataset:
    """The coarsest imported candles that the interval is made of."""
    fitting = [
        one
        for one in queries.datasets_of(tx, instrument.id)
        if one.series is Series.CANDLES and interval % one.interval_seconds == 0
    ]
    if not fitting:
        raise CommendaError(
            "no_dataset", f"No candles of {instrument.symbol} make {interval_name(interval)} bars"
        ).at("interval", interval_name(interval), "use a coarser interval, or import finer candles")
    return max(fitting, key=lambda one: one.interval_seconds)


def _imported(data: Path, dataset: Dataset, interval: int, window: _Window) -> list[Candle]:
    frame = read_imported(data, dataset).select(_COLUMNS)
    frame = frame.filter(pl.col("ts") >= window.first, pl.col("ts") < window.last)
    if interval != dataset.interval_seconds:
        frame = (
            frame.group_by_dynamic("ts", every="1w" if interval == WEEK else f"{interval}s")
            .agg(
                pl.col("open").first(),
                pl.col("high").max(),
                pl.col("low").min(),
                pl.col("close").last(),
                pl.col("volume").sum(),
                pl.len().alias("bars"),
            )
            .filter(pl.col("bars") == interval // dataset.interval_seconds)
            .select(_COLUMNS)
        )
    kept = frame.head(window.limit) if window.forward else frame.tail(window.limit)
    return [Candle(*row) for row in kept.iter_rows()]
