"""Intervals of bars: what they are called, which one stamps have, and what is missing between them.

A step from one stamp to the next counts as the nearest whole number of intervals. So a local day
of 23 or 25 hours is one day, a month of 28 to 31 days is one month, and a bar that was stamped
late is no gap. Only whole numbers of intervals are missing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from math import gcd
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from commenda.kit.errors import CommendaError

Stamps: TypeAlias = npt.NDArray[np.int64]

DAY = 86_400
WEEK = 7 * DAY
MONTH = 2_629_746
"""Seconds of `1mo`: a twelfth of the mean Gregorian year, 365.2425 days. It stands for the month
of the calendar, however many days that has."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY, "w": WEEK, "mo": MONTH}
_LONGEST = 9_999 * DAY
_SHORT = 0.9
"""A step below this part of an interval is too short for it: 23 of 24 hours and 28 of 30.4 days
are not."""
_USUAL = 0.9
"""The steps that nearly all bars have: the most frequent ones, down to this part of all."""
_QUARTER = 900_000_000
"""Microseconds of a quarter of an hour: the zones of the world differ by whole ones."""
SLICE = 1_000_000
"""Rows looked at together: what is computed of a long series is no second copy of it."""


def parse_interval(text: str) -> int:
    """Seconds of an interval such as `1m`, `8h`, `1w` or `1mo`; code `bad_interval` for others."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})(s|m|h|d|w|mo)", text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= _LONGEST:
        raise CommendaError("bad_interval", "Not an interval").at(
            "interval", text, "write a number and s, m, h, d, w or mo (a month), such as 5m"
        )
    return seconds


def interval_name(seconds: int) -> str:
    """The shortest name of an interval: 300 is `5m`, 604800 is `1w`."""
    unit = max((u for u in _UNITS if seconds % _UNITS[u] == 0), key=_UNITS.__getitem__)
    return f"{seconds // _UNITS[unit]}{unit}"


def missing_between(stamps: Stamps, interval: int) -> Stamps:
    """How many bars are missing in each step between increasing stamps; both in one unit.

    A bar that is off its place by more than half an interval makes one step too short and the one
    beside it too long: nothing is missing there.
    """
    whole: Stamps = (2 * np.diff(stamps) + interval) // (2 * interval)
    missing: Stamps = whole - 1
    none = whole == 0
    missing[1:] -= none[:-1]
    missing[:-1] -= none[1:]
    missing[missing < 0] = 0
    return missing


def gaps(ordered: pl.Series, interval: int) -> pl.DataFrame:
    """Steps between increasing times in which bars are missing: the bar `before`, how many are
    `missing`, and the bar `after`.
    """
    found = []
    for start in range(0, len(ordered), SLICE):
        first = max(0, start - 1)  # a step is judged with those beside it
        part = ordered[first : start + SLICE + 2]
        missing = missing_between(part.dt.epoch("us").to_numpy(), interval * 1_000_000)
        steps = pl.DataFrame({"before": part[:-1], "missing": missing, "after": part[1:]})
        found.append(steps[start - first :][:SLICE].filter(pl.col("missing") > 0))
    return pl.concat(found)


def closes_of(opens: Stamps, interval: int) -> Stamps:
    """When each bar closed: where the next one opened if that follows it, else an interval on."""
    closes = opens + interval
    if opens.size > 1:
        follows = (missing_between(opens, interval) == 0) & (
            np.diff(opens) < 2 * interval  # a month begins up to an hour of summer time off
        )
        closes[:-1] = np.where(follows, opens[1:], closes[:-1])
    return closes


def told_by(stamps: pl.Series) -> int:
    """The interval of bars in whole seconds, as their times tell it; 0 for one bar.

    The step of more than half of the bars; else the longest that the usual steps are whole
    multiples of, where it is not much shorter than they are: minutes without trades leave steps
    of 2, 3 and 4 minutes behind.
    """
    counts = _steps(stamps)
    if not counts:
        return 0
    mode, times = counts[0]
    if 28 * DAY <= mode <= 31 * DAY and stamps.dt.offset_by("14h").dt.day().n_unique() == 1:
        return MONTH
    usual = _usual(counts)
    common = gcd(*usual)
    most = 2 * times > sum(n for _, n in counts)
    return mode if most or 10 * common < min(usual) else common


def other_interval(stamps: pl.Series, interval: int) -> int | None:
    """The interval that bars have instead of the one they are said to be of; None if they fit.

    Bars of another interval would look like gaps everywhere, or like none at all.
    """
    counts = _steps(stamps)
    steps = sum(n for _, n in counts)
    short = sum(n for step, n in counts if step < _SHORT * interval)
    apart = gcd(*_usual(counts)) > interval / _SHORT
    return told_by(stamps) if apart or short > (1 - _USUAL) * steps else None


def off_grid(stamps: pl.Series, interval: int) -> pl.Series:
    """The stamps that are late (or early) for their bars.

    Bars longer than an hour begin at the same time of some zone's clock, so that an hour or a half
    forward or back is no fault; all others a whole number of intervals from the epoch, or from the
    quarter of an hour that most of them have.
    """
    months = interval % MONTH == 0
    span = (DAY if months or interval % DAY == 0 else interval) * 1_000_000
    usual = int((stamps.head(SLICE).dt.epoch("us") % span).mode().min())  # type: ignore[arg-type]
    begin = usual if usual % _QUARTER == 0 else 0
    shifts = (0, 2, -2, 4, -4) if interval > 3600 else (0,)
    places = [(begin + shift * _QUARTER) % span for shift in shifts]
    found = []
    for part in slices(stamps.to_frame("ts")):
        ts = part["ts"]
        off = ~(ts.dt.epoch("us") % span).is_in(places)
        if months:
            off = off | ~ts.dt.offset_by("14h").dt.day().is_in([1, 2])
        found.append(ts.filter(off))
    return pl.concat(found)


def slices(frame: pl.DataFrame, overlap: int = 0) -> Iterator[pl.DataFrame]:
    """The rows in parts of `SLICE`, each begun by the last `overlap` rows of the one before."""
    for start in range(0, frame.height, SLICE):
        first = max(0, start - overlap)
        yield frame[first : start + SLICE]


def _steps(stamps: pl.Series) -> list[tuple[int, int]]:
    """The distances of times in seconds, each with how often it occurs, most first."""
    ordered = stamps if stamps.is_sorted() else stamps.sort()
    counted: Counter[int] = Counter()
    for part in slices(ordered.to_frame("ts"), overlap=1):
        steps = part["ts"].diff().drop_nulls().dt.total_seconds()
        counted.update(dict(steps.filter(steps > 0).value_counts().iter_rows()))
    return sorted(counted.items(), key=lambda one: (-one[1], one[0]))


def _usual(counts: list[tuple[int, int]]) -> list[int]:
    """The most frequent steps, as many as it takes for nearly all."""
    reached = accumulate((n for _, n in counts), initial=0)
    enough = _USUAL * sum(n for _, n in counts)
    return [step for (step, _), before in zip(counts, reached, strict=False) if before < enough]
