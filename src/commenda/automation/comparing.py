"""Is a strategy worse than the others by more than luck? Pure.

What is compared is the daily return per unit of its own deviation, against the mean of the others'
on the same days: what moves them all alike cancels. The mean of these differences over its standard
error is Student's t, whose tail says how likely luck alone would have it (Jobson and Korkie, 1981,
compare Sharpe ratios so; the differences of two standardised records are their statistic without
the term for the estimated deviations, which is small for daily ratios).

Many are compared, again and again: Holm's procedure (1979) keeps the chance that any of them is
banned by luck below the error that is stated, whatever they have in common, and that error is
shared out over the looks of a year.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import Final, TypeAlias

Record: TypeAlias = Mapping[str, float]
"""Returns by day."""
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Compared:
    """One record against the others: on how many days, by how much a day, and how likely luck
    alone has it as low as that."""

    days: int
    difference: float
    """Mean, in deviations of a day."""
    t: float
    luck: float


def compared(own: Record, others: Sequence[Record], least: int) -> Compared | None:
    """A record against the mean of others; None with fewer than `least` days in common, or where
    one does not vary."""
    units = [one for one in map(_in_units, others) if one is not None]
    mine = _in_units(own)
    if mine is None or not units:
        return None
    differences = []
    for day, value in sorted(mine.items()):
        there = [record[day] for record in units if day in record]
        if there:
            differences.append(value - fmean(there))
    if len(differences) < max(least, 3):
        return None
    mean, spread = fmean(differences), _spread(differences)
    if spread == 0.0:
        return None
    t = mean / spread * math.sqrt(len(differences))
    return Compared(len(differences), mean, t, tail(t, len(differences) - 1))


def _in_units(record: Record) -> Record | None:
    """A record in its own deviations; None where it does not vary."""
    deviation = _spread(list(record.values())) if len(record) > 1 else 0.0
    return {day: one / deviation for day, one in record.items()} if deviation > 0.0 else None


def _spread(values: Sequence[float]) -> float:
    """The sample's deviation; `statistics.stdev` is exact, and a hundred times slower."""
    mean = fmean(values)
    return math.sqrt(math.fsum((one - mean) ** 2 for one in values) / (len(values) - 1))


def tail(t: float, freedom: int) -> float:
    """The chance that Student's t is as low as `t`: Wallace's normal approximation (Annals of
    Mathematical Statistics 30, 1959), right to a few per cent of it from five degrees on."""
    z = math.sqrt(freedom * math.log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return _NORMAL.cdf(math.copysign(z, t))


def is_worse(luck: float, of_all: Sequence[float], error: float) -> bool:
    """Whether Holm's procedure rejects the one whose chance is `luck`, of all that are compared:
    in order from the smallest, each must be within `error` over how many are left."""
    for place, one in enumerate(sorted(of_all)):
        if one > error / (len(of_all) - place):
            return False
        if one >= luck:
            return True
    return False
