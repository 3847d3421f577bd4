"""A creator's score, 0 to 100, from the daily record of what their strategy earned.

Five components of 0 to 100 are weighted and the sum is discounted for a short record:

| component | weight | 0 | 100 | in between |
|---|---|---|---|---|
| Sortino, annualised over 365 days | 40 | ≤ 0 | ≥ 2 | linear |
| drawdown, the deepest | 20 | ≥ 30 % | ≤ 5 % | linear |
| consistency: weeks that gained | 15 | none | all | linear |
| uptime: time the strategy was live | 15 | never | always | linear |
| diversification: effective instruments | 10 | 1 | ≥ 5 | linear |

total = Σ weight · component · n / (n + 90), n days of record. Weights, limits and discount:
acceptance.md, part 2, "Creator's score"; the consistency and diversification measures are ours.

A record never ends: closed and dead creators keep theirs, so that the statistics have no survivor
bias. NAV here is per unit (external flows taken out), in floats: a score is a statistic, and
becomes a Decimal with 4 decimals only as the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from commenda.kit.errors import CommendaError
from commenda.returns import max_drawdown, period_returns, sortino

DAYS_PER_YEAR = 365
"""Crypto trades every day."""

WEIGHTS = {
    "sortino": 40,
    "drawdown": 20,
    "consistency": 15,
    "uptime": 15,
    "diversification": 10,
}
"""Points of each component; together 100."""

FULL_SORTINO = 2.0
DRAWDOWN_BEST, DRAWDOWN_WORST = 0.05, 0.30
FULL_INSTRUMENTS = 5.0
HALF_RECORD_DAYS = 90
"""A record of this many days counts half."""

WEEK = 7


@dataclass(frozen=True, slots=True)
class Record:
    """What a score is computed from.

    `navs`: value of a unit at the end of each day, the first being the value it started from.
    `uptime`: part of the time the strategy was live, 0 to 1. `exposures`: mean absolute exposure
    of each instrument traded, in one currency; its order does not matter.
    """

    navs: Sequence[float]
    uptime: float
    exposures: Sequence[float]


@dataclass(frozen=True, slots=True)
class Score:
    """A score with its components, each 0 to 100 before weighting, and the days behind it."""

    total: Decimal
    sortino: Decimal
    drawdown: Decimal
    consistency: Decimal
    uptime: Decimal
    diversification: Decimal
    days: int


def score(record: Record) -> Score:
    """Score a creator. Fewer than one day of record scores 0 in total.

    Code `bad_record` for a NAV that is not finite, a first NAV not above 0, an uptime outside
    [0, 1] or a negative exposure.
    """
    _require_sound(record)
    navs = record.navs
    returns = [float(change) for change in period_returns(navs)]
    days = max(0, len(record.navs) - 1)
    parts = {
        "sortino": sortino_points(returns),
        "drawdown": drawdown_points(navs),
        "consistency": consistency_points(returns),
        "uptime": 100.0 * record.uptime,
        "diversification": diversification_points(record.exposures),
    }
    points = sum(WEIGHTS[name] * part for name, part in parts.items()) / 100.0
    total = points * days / (days + HALF_RECORD_DAYS)
    rounded = {name: _decimal(part) for name, part in parts.items()}
    return Score(total=_decimal(total), days=days, **rounded)


def sortino_points(returns: Sequence[float]) -> float:
    """100 at an annualised Sortino of 2 or more, 0 at none; a record that never lost but gained
    has no Sortino and gets 100."""
    ratio = sortino(returns, periods_per_year=DAYS_PER_YEAR)
    if ratio is None:
        return 100.0 if sum(returns) > 0.0 else 0.0
    return _between(ratio, 0.0, FULL_SORTINO)


def drawdown_points(navs: Sequence[float]) -> float:
    """100 for a deepest fall of 5 % or less, 0 for 30 % or more."""
    return _between(max_drawdown(navs), DRAWDOWN_WORST, DRAWDOWN_BEST)


def consistency_points(returns: Sequence[float]) -> float:
    """Share of whole weeks (7 days, counted back from the last day) that gained.

    A week of exactly 0 has not gained: a strategy that rests is not consistent. The days before
    the first whole week are left out; a record under one week has no consistency yet.
    """
    weeks = len(returns) // WEEK
    if weeks == 0:
        return 0.0
    whole = returns[len(returns) - weeks * WEEK :]
    gained = sum(
        math.prod(1.0 + change for change in whole[first : first + WEEK]) > 1.0
        for first in range(0, len(whole), WEEK)
    )
    return 100.0 * gained / weeks


def diversification_points(exposures: Sequence[float]) -> float:
    """0 for one instrument, 100 for five of equal weight or more.

    Measured by the effective number of instruments, 1 / Σ share² (inverse Herfindahl index), so
    that many tiny positions beside a big one do not count as spread. Nothing traded is 0.
    """
    whole = sum(exposures)
    if whole <= 0.0:
        return 0.0
    effective = 1.0 / sum((exposure / whole) ** 2 for exposure in exposures)
    return _between(effective, 1.0, FULL_INSTRUMENTS)


def _between(value: float, worst: float, best: float) -> float:
    """0 at `worst` and beyond, 100 at `best` and beyond, linear between."""
    return 100.0 * min(1.0, max(0.0, (value - worst) / (best - worst)))


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.4f}")


def _require_sound(record: Record) -> None:
    faults = {
        "navs": not all(map(math.isfinite, record.navs))
        or bool(record.navs and record.navs[0] <= 0),
        "uptime": not 0.0 <= record.uptime <= 1.0,
        "exposures": not all(math.isfinite(part) and part >= 0.0 for part in record.exposures),
    }
    for field, faulty in faults.items():
        if faulty:
            raise CommendaError("bad_record", "A creator's record is not sound").at(
                field,
                getattr(record, field),
                "NAVs finite and first above 0, uptime in [0, 1], exposures not negative",
            )
