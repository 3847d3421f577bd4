"""Round places on an axis: of numbers, and of time."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

Tick = tuple[float, str]
"""A place, and what stands there."""

_NICE = (1.0, 2.0, 5.0, 10.0)
_DAY_STEPS = (1, 2, 3, 7, 14, 28, 56, 91, 182, 364)
_HOUR_STEPS = tuple(timedelta(minutes=count) for count in (1, 5, 15, 30, 60, 180, 360, 720, 1440))
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)


def step_of(spread: float, most: int) -> float:
    """The smallest of 1, 2, 5 · 10ⁿ of which at most `most` fit into `spread`."""
    if spread < 1e-300:  # nothing, or too little to be divided
        return 1.0
    power = 10.0 ** math.floor(math.log10(spread / most))
    return next(nice * power for nice in _NICE if nice * power * most >= spread * (1 - 1e-9))


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers that enclose [low, high], in equal steps."""
    step = step_of(high - low, most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [place * step for place in range(first, max(last, first + 1) + 1)]


def day_ticks(begin: datetime, end: datetime, most: int) -> list[Tick]:
    """Midnights (UTC) from `begin` to `end`, as many days apart as it takes."""
    first = begin.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if first < begin:
        first += timedelta(days=1)
    span = (end - begin) / timedelta(days=1)
    step = next((days for days in _DAY_STEPS if span / days <= most), _DAY_STEPS[-1])
    count = int((end - first) / timedelta(days=step)) if end >= first else -1
    days = (first + timedelta(days=step * place) for place in range(count + 1))
    return [(day.timestamp(), f"{day:%m-%d}") for day in days]


def time_ticks(begin: datetime, end: datetime, most: int) -> list[Tick]:
    """Round moments (UTC) from `begin` to `end`: hours within three days, months beyond a year."""
    span = end - begin
    if span <= timedelta(days=3):
        return _hour_ticks(begin.astimezone(UTC), end, most)
    if span <= timedelta(days=365):
        return day_ticks(begin, end, most)
    return _month_ticks(begin.astimezone(UTC), end, most)


def _hour_ticks(begin: datetime, end: datetime, most: int) -> list[Tick]:
    step = next((one for one in _HOUR_STEPS if (end - begin) / one <= most), _HOUR_STEPS[-1])
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + -((midnight - begin) // step) * step
    moments = (first + step * place for place in range(int((end - first) / step) + 1))
    return [
        (at.timestamp(), f"{at:%m-%d}" if (at.hour, at.minute) == (0, 0) else f"{at:%H:%M}")
        for at in moments
        if at <= end
    ]


def _month_ticks(begin: datetime, end: datetime, most: int) -> list[Tick]:
    months = begin.year * 12 + begin.month, end.year * 12 + end.month - 1
    count = months[1] - months[0] + 1
    step = next((one for one in _MONTH_STEPS if count / one <= most), _MONTH_STEPS[-1])
    first = -(-months[0] // step) * step
    firsts = (
        datetime(place // 12, place % 12 + 1, 1, tzinfo=UTC)
        for place in range(first, months[1] + 1, step)
    )
    return [(at.timestamp(), f"{at:%Y-%m}") for at in firsts]
