"""What a run is given, out of files or imports: bars and funding, judged, described and hashed.

    data = read_bars(Path("binance_usdm_BTCUSDT_1h.parquet"))
    funding = read_funding(data.bars, rates, marks)
    backtest(strategy, params, data.bars, interval=data.source.interval, funding=funding.funding, …)

The hashes are of the values that a run sees, whatever file they lay in: the same bars give the same
hash out of Parquet, CSV or an import.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from commenda.kernel import Bars, BookSamples, Funding
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.market import (
    DueFunding,
    Kind,
    Recorded,
    Series,
    composed,
    imported_series,
    interval_name,
    missing_between,
    read_recorded,
    stored_bars,
)
from commenda.strategies.funding import (
    funding_between,
    missing_funding,
    nanoseconds,
    stamps_of,
)

SECOND = timedelta(seconds=1)
TOLD_WITHIN = timedelta(minutes=10)
"""Within which a rate that was settled is stored (`market.stored`)."""
PRICED = ("open", "high", "low", "close", "volume")
_STORED: dict[str, pl.DataType | type[pl.DataType]] = {
    "ts": pl.Datetime("us", "UTC"),
    **dict.fromkeys(PRICED, pl.Float64),
}


@dataclass(frozen=True, slots=True)
class DataSource:
    """Which bars a run saw. `first` and `last` are opens; `missing` counts bars not recorded.

    `venue` and `symbol` are None where the file's name does not say them; `zone` is what was given
    for times that name none. Of `spot` nothing can be sold that is not held.
    """

    name: str
    venue: str | None
    symbol: str | None
    interval: timedelta
    first: datetime
    last: datetime
    bars: int
    missing: int
    sha256: str
    zone: str | None = None
    spot: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class BarData:
    """The bars of a run, and where they come from; `notes` say what was assumed and found."""

    bars: Bars
    source: DataSource
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class FundingData:
    """Funding over a run, complete, and what it is; `name` is its source's."""

    funding: Funding
    name: str
    sha256: str
    every: timedelta | None
    """The longest interval it was settled at over the run; None with fewer than two stamps."""


@dataclass(frozen=True, slots=True, eq=False)
class SampledBook:
    """Books of `levels` levels a side, one `every` so often; `sha256` is of the record's events."""

    samples: BookSamples
    name: str
    sha256: str
    every: timedelta
    levels: int


def read_bars(
    file: Path,
    *,
    interval: timedelta | None = None,
    zone: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> BarData:
    """The bars of a Parquet or CSV file that open in [since, until).

    `interval` where the file's name does not say it and its rows should not; `zone` of times that
    name none, UTC by default. Codes of `market.read_recorded`, and `empty_range` where no two bars
    open in the range.
    """
    step = interval // SECOND if interval else None
    return bars_of(read_recorded(file, Series.CANDLES, step, zone), since=since, until=until)


def imported_bars(
    tx: Tx,
    data_dir: Path,
    venue: str,
    symbol: str,
    interval: timedelta,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> BarData:
    """Imported candles that open in [since, until).

    Codes `unknown_instrument`, `no_dataset`, `dataset_changed` and `empty_range`.
    """
    found = imported_series(tx, data_dir, venue, symbol, Series.CANDLES, interval // SECOND)
    if found is None:
        name = interval_name(interval // SECOND)
        raise CommendaError(
            "no_dataset", f"No {name} candles of {symbol} at {venue} were imported"
        ).at("interval", name, f"commenda market import {venue}_{symbol}_{name}.parquet")
    return bars_of(found, since=since, until=until)


def stored_market(
    tx: Tx, instrument_id: int, interval: timedelta, *, since: datetime, until: datetime
) -> BarData:
    """The live market's bars as they are stored: those that opened from `since` on and had closed
    by `until`, longer ones made of shorter ones.

    Codes `no_bars` where none of the instrument is stored, or none that make up the interval, and
    `empty_range`.
    """
    row = tx.execute(
        "SELECT i.venue, i.symbol, i.kind, b.interval_seconds FROM instruments i"
        " LEFT JOIN LATERAL (SELECT interval_seconds FROM market_bars"
        "  WHERE instrument_id = i.id ORDER BY ts DESC LIMIT 1) b ON true WHERE i.id = %s",
        (instrument_id,),
    ).fetchone()
    seconds = interval // SECOND
    if row is None or row[3] is None or seconds % row[3]:
        raise CommendaError("no_bars", "No bars of this instrument that make these up").at(
            "interval", interval_name(seconds), "wait until some are stored, or import them"
        )
    venue, symbol, kind, base = row
    begin, end = int(since.timestamp()), int(until.timestamp())
    begin = -(-begin // seconds) * seconds  # the first whole one
    bars = composed(
        stored_bars(tx, instrument_id, base, begin, end // seconds * seconds), base, seconds
    )
    columns = {name: [getattr(one, name) for one in bars] for name in PRICED}
    frame = pl.DataFrame(
        {"ts": [utc_of(one.ts * 10**9) for one in bars], **columns}, schema=_STORED
    )
    origin = f"{venue} {symbol} {interval_name(seconds)}, stored"
    return bars_of(Recorded(frame, origin, venue, symbol, seconds, (), kind=Kind(kind)))


def stored_rates(tx: Tx, instrument_id: int, bars: Bars, until: datetime) -> FundingData | None:
    """The funding of a run over the live market's bars, as it was told; None where none was, as at
    spot. A stamp counts once it is `TOLD_WITHIN` old at `until`; one whose mark is not known is
    charged at the close before it."""
    first, last = (utc_of(bars.ts[place]) for place in (0, -1))
    last = min(last, until - TOLD_WITHIN)
    rows = tx.execute(
        "SELECT extract(epoch FROM f.ts)::bigint, f.value::float8, m.value::float8"
        " FROM market_observations f LEFT JOIN market_observations m"
        "  ON m.instrument_id = f.instrument_id AND m.series = 'mark' AND m.ts = f.ts"
        " WHERE f.instrument_id = %s AND f.series = 'funding' AND f.ts > %s AND f.ts <= %s"
        " ORDER BY f.ts",
        (instrument_id, first, last),
    ).fetchall()
    if not rows:
        return None
    stamps = np.array([row[0] for row in rows], dtype=np.int64) * 1_000_000_000
    before = bars.close[np.searchsorted(bars.ts, stamps) - 1]
    marks = [close if row[2] is None else row[2] for row, close in zip(rows, before, strict=True)]
    funding = Funding(stamps, np.array([row[1] for row in rows]), np.array(marks))
    every = max((timedelta(seconds=b[0] - a[0]) for a, b in pairwise(rows)), default=None)
    return FundingData(funding, f"{instrument_id}, stored", digest_of(funding), every)


def bars_of(
    recorded: Recorded, *, since: datetime | None = None, until: datetime | None = None
) -> BarData:
    """The bars of a recorded series that open in [since, until); code `empty_range`."""
    whole = recorded.frame
    frame = whole.filter(
        pl.lit(True) if since is None else pl.col("ts") >= since,
        pl.lit(True) if until is None else pl.col("ts") < until,
    )
    if len(whole) == 1:
        raise CommendaError("empty_range", "The file has one bar, a run needs two").at(
            "file", recorded.origin, "give a file of more bars"
        )
    if len(frame) < 2:
        first, last = (f"{whole['ts'][place]:%Y-%m-%dT%H:%MZ}" for place in (0, -1))
        raise CommendaError(
            "empty_range", f"{len(frame)} bars open in the range, and a run needs two"
        ).at("start, end", f"{since or ''} to {until or ''}", f"choose within {first} to {last}")
    interval = timedelta(seconds=recorded.interval)
    bars = as_bars(frame)
    return BarData(
        bars=bars,
        source=DataSource(
            name=recorded.origin,
            venue=recorded.venue,
            symbol=recorded.symbol,
            interval=interval,
            first=frame["ts"][0],
            last=frame["ts"][-1],
            bars=len(bars),
            missing=int(missing_between(bars.ts, nanoseconds(interval)).sum()),
            sha256=replace(recorded, frame=frame).digest(),
            zone=recorded.zone,
            spot=recorded.kind is Kind.SPOT,
        ),
        notes=(*recorded.notes, *_counted(recorded)),
    )


def _counted(recorded: Recorded) -> tuple[str, ...]:
    """What an import would have found in the file, by kind: `found 3 gap, 1 late_stamp`."""
    counts = Counter(finding.kind for finding in recorded.findings)
    named = ", ".join(f"{times} {kind}" for kind, times in sorted(counts.items()))
    return (f"found {named}",) if named else ()


def as_bars(frame: pl.DataFrame) -> Bars:
    """A frame with ts, open, high, low, close and volume as arrays."""
    columns = (frame[name].cast(pl.Float64).to_numpy() for name in PRICED)
    return Bars(stamps_of(frame), *columns)


def read_funding(
    bars: Bars, rates: Path, marks: Path | None = None, zone: str | None = None
) -> FundingData:
    """Funding of a run over `bars`, out of a file of rates and one of mark prices.

    Codes of `market.read_recorded`, and `missing_funding` naming the first stamp that is missing.
    """
    found = read_recorded(marks, Series.MARK, zone=zone) if marks else None
    return funding_of(bars, read_recorded(rates, Series.FUNDING, zone=zone), found)


def imported_funding(tx: Tx, data_dir: Path, venue: str, symbol: str, bars: Bars) -> FundingData:
    """Imported funding of a run over `bars`; codes `no_dataset` and `missing_funding`."""
    rates = imported_series(tx, data_dir, venue, symbol, Series.FUNDING)
    if rates is None:
        raise CommendaError("no_dataset", f"No funding of {symbol} at {venue} was imported").at(
            "funding",
            symbol,
            f"commenda market import {venue}_{symbol}_funding.parquet, or charge none",
        )
    return funding_of(bars, rates, imported_series(tx, data_dir, venue, symbol, Series.MARK))


def funding_of(bars: Bars, rates: Recorded, marks: Recorded | None) -> FundingData:
    """Funding with stamps inside a run over `bars`; code `missing_funding` where one is missing.

    An instrument may change between any intervals; `market.missing_funding_stamps` says what was
    due between the stamps of the whole record, and at either end of it the step beside it is due.
    """
    funding = funding_between(bars, rates.frame, marks.frame if marks else None)
    recorded = DueFunding(rates.frame["ts"].dt.round("1s").dt.epoch("s").to_list())
    missing = recorded.first_missing(*(int(bars.ts[i]) // 1_000_000_000 for i in (0, -1)))
    if missing is not None:
        raise missing_funding(missing)
    stamps = [int(stamp) // 1_000_000_000 for stamp in funding.ts]
    every = max((timedelta(seconds=b - a) for a, b in pairwise(stamps)), default=None)
    return FundingData(
        funding=funding,
        name=rates.origin if marks is None else f"{rates.origin}, {marks.origin}",
        sha256=digest_of(funding),
        every=every,
    )


def digest_of(funding: Funding) -> str:
    """SHA-256 of the stamps, rates and marks that a run is charged."""
    digest = hashlib.sha256()
    for column in (funding.ts, funding.rate, funding.mark):
        digest.update(column.tobytes())
    return digest.hexdigest()


def utc_of(stamp: int) -> datetime:
    """A stamp in nanoseconds UTC as a moment, to the microsecond."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(stamp) // 1_000)
