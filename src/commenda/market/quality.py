"""What is wrong with a series: checks over a frame, in the order its source wrote it.

Fatal findings block an import, for every use of such data would be wrong: an impossible row (a
price that no market traded, a rate that is not a number) and a duplicate that contradicts the
row it repeats. The others are facts of the market or are mended on the way in, and only warn: a
gap stays a gap (nothing is invented to fill it), a bar without volume stays, an identical
duplicate is dropped, rows out of order are sorted, and a stamp off its grid is kept as it is.

Frames have `ts` as datetime[us, UTC] and their numbers as float64, without nulls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from commenda.market.due import HOUR, missing_funding_stamps
from commenda.market.grid import gaps, interval_name, off_grid, slices
from commenda.market.model import Finding, FindingKind

MOST_FINDINGS = 10_000
"""Of one kind; how many more there are is said at the last one."""

_PRICES = ("open", "high", "low", "close")


def check_candles(
    frame: pl.DataFrame, interval: int, ordered: pl.DataFrame | None = None
) -> list[Finding]:
    """Findings in candles of `interval` seconds, by time.

    `ordered` is `sorted_once(frame)`, where it is known.
    """
    ordered = sorted_once(frame) if ordered is None else ordered
    idle = _zero_volume(ordered, interval)
    return _by_time([*check_bars(frame), *idle, *_check_stamps(frame, interval, ordered)])


def check_marks(
    frame: pl.DataFrame, interval: int, ordered: pl.DataFrame | None = None
) -> list[Finding]:
    """Findings in mark-price candles of `interval` seconds, which have no volume."""
    ordered = sorted_once(frame) if ordered is None else ordered
    return _by_time([*check_bars(frame), *_check_stamps(frame, interval, ordered)])


def check_funding(frame: pl.DataFrame, ordered: pl.DataFrame | None = None) -> list[Finding]:
    """Findings in funding rates; judge a frame that went through `to_nearest_second`."""
    ordered = sorted_once(frame) if ordered is None else ordered
    stamps: list[int] = ordered["ts"].dt.epoch("s").to_list()
    return _by_time(
        [
            *_not_a_rate(frame),
            *_duplicates(frame, ordered),
            *_out_of_order(frame),
            *_off_grid(frame, HOUR, "funding stamp"),
            *_funding_gaps(stamps),
        ]
    )


def _check_stamps(frame: pl.DataFrame, interval: int, ordered: pl.DataFrame) -> list[Finding]:
    """Duplicates, disorder, stamps off the interval's grid, and gaps."""
    return [
        *_duplicates(frame, ordered),
        *_out_of_order(frame),
        *_off_grid(frame, interval, f"{interval_name(interval)} bar"),
        *_gaps(ordered, interval),
    ]


def check_bars(frame: pl.DataFrame) -> list[Finding]:
    """Bars that no market can have traded, each with what is wrong with it first."""
    columns = frame.columns[1:]
    finite = pl.all_horizontal(pl.col(columns).is_finite())
    wrong = (
        pl.when(~finite)
        .then(pl.lit("a number is not finite"))
        .when(pl.min_horizontal(_PRICES) <= 0)
        .then(pl.lit("a price is not positive"))
        .when(pl.col("high") < pl.max_horizontal("open", "close", "low"))
        .then(pl.lit("high is below another price"))
        .when(pl.col("low") > pl.min_horizontal("open", "close"))
        .then(pl.lit("low is above another price"))
    )
    if "volume" in columns:
        wrong = wrong.when(pl.col("volume") < 0).then(pl.lit("volume is negative"))
    bad = pl.concat(part.filter(wrong.is_not_null()) for part in slices(frame))

    def found(ts: datetime, *cells: Any) -> Finding:
        *numbers, why = cells
        written = ", ".join(f"{n} {one!r}" for n, one in zip(columns, numbers, strict=True))
        return Finding(FindingKind.IMPOSSIBLE_BAR, ts, f"{why}: {written}", fatal=True)

    return _each(bad.with_columns(wrong.alias("why")), found)


def to_nearest_second(frame: pl.DataFrame) -> pl.DataFrame:
    """Strip an exchange's jitter (measured: up to 16 ms) from `ts`."""
    return frame.with_columns(pl.col("ts").dt.round("1s"))


def sorted_once(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows in order of time, the first of each time. Duplicates are judged before."""
    if all((part["ts"].diff().drop_nulls() > timedelta()).all() for part in slices(frame, 1)):
        return frame
    order = frame.select(pl.col("ts").arg_sort()).to_series()
    ordered = frame.select("ts")[order]
    order = order.filter(ordered["ts"].is_first_distinct())
    return pl.DataFrame([frame[name].gather(order) for name in frame.columns])


def _funding_gaps(stamps: Sequence[int]) -> list[Finding]:
    missing = pl.DataFrame({"at": missing_funding_stamps(stamps)}, schema={"at": pl.Int64})
    return _each(
        missing,
        lambda at: Finding(FindingKind.GAP, datetime.fromtimestamp(at, UTC), "no funding rate"),
    )


def _gaps(ordered: pl.DataFrame, interval: int) -> list[Finding]:
    """Steps in which bars are missing, each at the first that is."""
    step = timedelta(seconds=interval)
    return _each(
        gaps(ordered["ts"], interval),
        lambda before, missing, after: Finding(
            FindingKind.GAP, before + step, f"{missing} missing, next at {after:%Y-%m-%d %H:%M:%S}"
        ),
    )


def _duplicates(frame: pl.DataFrame, ordered: pl.DataFrame) -> list[Finding]:
    """Times that occur more than once: fatal where their rows differ."""
    if ordered.height == frame.height:
        return []
    numbers = pl.struct(pl.exclude("ts"))
    repeated = (
        frame.filter(pl.col("ts").is_duplicated())
        .group_by("ts")
        .agg(pl.len().alias("times"), numbers.n_unique().alias("contents"))
        .sort(pl.col("contents") == 1, "ts")  # the fatal ones first
    )
    return _each(
        repeated,
        lambda ts, times, contents: Finding(
            FindingKind.DUPLICATE,
            ts,
            f"{times} rows with {contents} contents" if contents > 1 else f"{times} equal rows",
            fatal=contents > 1,
        ),
    )


def _out_of_order(frame: pl.DataFrame) -> list[Finding]:
    """Rows that are earlier than the one before; a file of the newest rows first has one."""
    late = pl.concat(
        part.select("ts", before=pl.col("ts").shift(1)).filter(pl.col("ts") < pl.col("before"))
        for part in slices(frame, overlap=1)
    )
    if late.height == frame.height - 1 > 1:
        return [Finding(FindingKind.OUT_OF_ORDER, late["ts"][-1], "all rows, the newest first")]
    return _each(
        late,
        lambda ts, before: Finding(
            FindingKind.OUT_OF_ORDER, ts, f"written after {before:%Y-%m-%d %H:%M:%S}"
        ),
    )


def _off_grid(frame: pl.DataFrame, step: int, what: str) -> list[Finding]:
    details = f"{what} off the {interval_name(step)} grid"
    late = off_grid(frame["ts"], step).to_frame()
    return _each(late, lambda ts: Finding(FindingKind.LATE_STAMP, ts, details))


def _zero_volume(ordered: pl.DataFrame, interval: int) -> list[Finding]:
    """Bars without volume, consecutive ones as one finding at the first."""
    step = timedelta(seconds=interval)
    idle = ordered.filter(pl.col("volume") == 0).select("ts")
    runs = (
        idle.with_columns(run=(pl.col("ts").diff() != step).fill_null(True).cum_sum())
        .group_by("run", maintain_order=True)
        .agg(pl.col("ts").first(), pl.len().alias("bars"))
        .select("ts", "bars")
    )
    return _each(
        runs,
        lambda ts, bars: Finding(
            FindingKind.ZERO_VOLUME, ts, f"{bars} bars in a row" if bars > 1 else "1 bar"
        ),
    )


def _not_a_rate(frame: pl.DataFrame) -> list[Finding]:
    bad = frame.filter(~(pl.col("rate").is_finite() & (pl.col("rate").abs() < 1)))
    return _each(
        bad,
        lambda ts, rate: Finding(
            FindingKind.IMPOSSIBLE_BAR, ts, f"rate {rate!r} is not a fraction below 1", fatal=True
        ),
    )


def _each(rows: pl.DataFrame, found: Callable[..., Finding]) -> list[Finding]:
    """A finding of each row, of `MOST_FINDINGS` at most; the last one says how many more."""
    findings = [found(*row) for row in rows.head(MOST_FINDINGS).iter_rows()]
    more = rows.height - len(findings)
    if more:
        last = findings[-1]
        findings[-1] = replace(last, details=f"{last.details}; and {more:,} more like it")
    return findings


def _by_time(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.at, finding.kind, finding.details))
