"""What is wrong with a series: checks over a frame, in the order its source wrote it.

Fatal findings block an import, for every use of such data would be wrong: an impossible row (a
price that no market traded, a rate that is not a number) and a duplicate that contradicts the
row it repeats. The others are facts of the market or are mended on the way in, and only warn: a
gap stays a gap (nothing is invented to fill it), a bar without volume stays, an identical
duplicate is dropped, rows out of order are sorted, and a stamp off its grid is kept as it is.

Frames have `ts` as datetime[us, UTC] and their numbers as float64, without nulls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl

from commenda.market.model import Finding, FindingKind, interval_name

HOUR = 3600
USUAL_FUNDING_STEP = 8 * HOUR
"""Seconds between funding stamps where nothing else is known."""

FUNDING_STEPS = (HOUR, 4 * HOUR, 8 * HOUR)
"""Seconds between funding stamps at the exchanges. One instrument's step can change."""

_PRICES = ("open", "high", "low", "close")


def check_candles(frame: pl.DataFrame, interval: int) -> list[Finding]:
    """Findings in candles of `interval` seconds, by time."""
    return _by_time(
        [*check_bars(frame), *_zero_volume(frame, interval), *check_stamps(frame, interval)]
    )


def check_marks(frame: pl.DataFrame, interval: int) -> list[Finding]:
    """Findings in mark-price candles of `interval` seconds, which have no volume."""
    return _by_time([*check_bars(frame), *check_stamps(frame, interval)])


def check_funding(frame: pl.DataFrame) -> list[Finding]:
    """Findings in funding rates; judge a frame that went through `to_nearest_second`."""
    stamps: list[int] = sorted_once(frame)["ts"].dt.epoch("s").to_list()
    return _by_time(
        [
            *_not_a_rate(frame),
            *_duplicates(frame),
            *_out_of_order(frame),
            *_off_grid(frame, HOUR, "funding stamp"),
            *_funding_gaps(stamps),
        ]
    )


def check_stamps(frame: pl.DataFrame, interval: int) -> list[Finding]:
    """Duplicates, disorder, stamps off the interval's grid, and gaps."""
    return [
        *_duplicates(frame),
        *_out_of_order(frame),
        *_off_grid(frame, interval, f"{interval_name(interval)} bar"),
        *_gaps(sorted_once(frame), interval),
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
    bad = frame.with_columns(wrong.alias("why")).filter(pl.col("why").is_not_null())
    return [
        Finding(
            FindingKind.IMPOSSIBLE_BAR,
            row["ts"],
            f"{row['why']}: " + ", ".join(f"{name} {row[name]!r}" for name in columns),
            fatal=True,
        )
        for row in bad.iter_rows(named=True)
    ]


def to_nearest_second(frame: pl.DataFrame) -> pl.DataFrame:
    """Strip an exchange's jitter (measured: up to 16 ms) from `ts`."""
    return frame.with_columns(pl.col("ts").dt.round("1s"))


def sorted_once(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows in order of time, the first of each time. Duplicates are judged before."""
    return frame.sort("ts", maintain_order=True).unique("ts", keep="first", maintain_order=True)


def missing_funding_stamps(stamps: Sequence[int]) -> list[int]:
    """The stamps (epoch seconds) that were due between the recorded ones and are missing.

    A step of 1, 4 or 8 h is regular, and so is a shorter one that leads onto the grid of a longer
    step. A longer step that stands alone between two equal shorter ones is a missing stamp: an
    exchange that changes the interval keeps the new one for more than one step.
    """
    steps = [later - earlier for earlier, later in pairwise(stamps)]
    missing: list[int] = []
    for i, step in enumerate(steps):
        before = steps[i - 1] if i > 0 else None
        after = steps[i + 1] if i + 1 < len(steps) else None
        due = _due_step(step, before, after, stamps[i + 1])
        missing.extend(range(stamps[i] + due, stamps[i + 1], due))
    return missing


def _due_step(step: int, before: int | None, after: int | None, end: int) -> int:
    """The step at which stamps were due where the recorded ones are `step` apart."""
    if before is not None and before == after and before < step:
        return before
    changing = after in FUNDING_STEPS and step < after and end % after == 0
    if step in FUNDING_STEPS or changing:
        return step
    regular = [near for near in (before, after) if near in FUNDING_STEPS and near < step]
    return min(regular, default=min(USUAL_FUNDING_STEP, step))


def _funding_gaps(stamps: Sequence[int]) -> Iterator[Finding]:
    for stamp in missing_funding_stamps(stamps):
        yield Finding(FindingKind.GAP, datetime.fromtimestamp(stamp, UTC), "no funding rate")


def _gaps(ordered: pl.DataFrame, interval: int) -> list[Finding]:
    """Steps longer than the interval, each at the first bar that is missing."""
    step = timedelta(seconds=interval)
    gaps = ordered.select("ts", before=pl.col("ts").shift(1)).filter(
        pl.col("ts") - pl.col("before") > step
    )
    return [
        Finding(
            FindingKind.GAP,
            before + step,
            f"{-(-(ts - before) // step) - 1} missing, next at {ts:%Y-%m-%d %H:%M:%S}",
        )
        for ts, before in gaps.iter_rows()
    ]


def _duplicates(frame: pl.DataFrame) -> list[Finding]:
    """Times that occur more than once: fatal where their rows differ."""
    numbers = pl.struct(pl.exclude("ts"))
    repeated = (
        frame.group_by("ts")
        .agg(pl.len().alias("times"), numbers.n_unique().alias("contents"))
        .filter(pl.col("times") > 1)
    )
    return [
        Finding(
            FindingKind.DUPLICATE,
            ts,
            f"{times} rows with {contents} contents" if contents > 1 else f"{times} equal rows",
            fatal=contents > 1,
        )
        for ts, times, contents in repeated.iter_rows()
    ]


def _out_of_order(frame: pl.DataFrame) -> list[Finding]:
    late = frame.select("ts", before=pl.col("ts").shift(1)).filter(pl.col("ts") < pl.col("before"))
    return [
        Finding(FindingKind.OUT_OF_ORDER, ts, f"written after {before:%Y-%m-%d %H:%M:%S}")
        for ts, before in late.iter_rows()
    ]


def _off_grid(frame: pl.DataFrame, step: int, what: str) -> list[Finding]:
    """Stamps that are not a whole number of steps from the epoch."""
    off = frame.filter(pl.col("ts").dt.epoch("us") % (step * 1_000_000) != 0)
    return [
        Finding(FindingKind.LATE_STAMP, ts, f"{what} off the {interval_name(step)} grid")
        for ts in off["ts"]
    ]


def _zero_volume(frame: pl.DataFrame, interval: int) -> list[Finding]:
    """Bars without volume, consecutive ones as one finding at the first."""
    step = timedelta(seconds=interval)
    idle = sorted_once(frame).filter(pl.col("volume") == 0).select("ts")
    runs = (
        idle.with_columns(run=(pl.col("ts").diff() != step).fill_null(True).cum_sum())
        .group_by("run", maintain_order=True)
        .agg(pl.col("ts").first(), pl.len().alias("bars"))
    )
    return [
        Finding(FindingKind.ZERO_VOLUME, ts, f"{bars} bars in a row" if bars > 1 else "1 bar")
        for _, ts, bars in runs.iter_rows()
    ]


def _not_a_rate(frame: pl.DataFrame) -> list[Finding]:
    bad = frame.filter(~(pl.col("rate").is_finite() & (pl.col("rate").abs() < 1)))
    return [
        Finding(
            FindingKind.IMPOSSIBLE_BAR, ts, f"rate {rate!r} is not a fraction below 1", fatal=True
        )
        for ts, rate in bad.iter_rows()
    ]


def _by_time(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.at, finding.kind, finding.details))
