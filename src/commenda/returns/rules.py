"""The arithmetic of returns. Returns, rates and drawdowns are fractions unless they say percent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyxirr

from commenda.kit.errors import CommendaError

DAYS_PER_YEAR = 365
"""ACT/365 fixed, as the specification's formulas have it."""

Array = npt.NDArray[np.float64]
Numbers = Sequence[float] | Array

ROUNDING = 1e-12
"""What 1 plus a return may be off by: the last digits of two values, magnified by leverage."""


@dataclass(frozen=True, slots=True)
class TimeWeighted:
    """A time-weighted return, and where its chain broke.

    `periods` sub-periods are linked in `total`; `breaks` numbers (from 0) those left out because
    they began with next to nothing. A total with breaks is not the return of the whole span.
    """

    total: float
    periods: int
    breaks: tuple[int, ...]


def time_weighted_return(
    start: float, chain: Iterable[tuple[float, float]], *, dust: float = 1.0
) -> TimeWeighted:
    """Link the returns between external flows.

    `start` is the value at the beginning; each item of `chain` is (value just before a flow, the
    flow: deposits positive); the last has flow 0. A sub-period that begins with `dust` or less (in
    the currency's units) has no meaningful return: it is reported in `breaks`, not multiplied.
    """
    growth, base, breaks, number = 1.0, start, [], -1
    for number, (value, flow) in enumerate(chain):
        if base > dust:
            growth *= value / base
        else:
            breaks.append(number)
        base = value + flow
    return TimeWeighted(growth - 1.0, number + 1 - len(breaks), tuple(breaks))


def holding_return(begin: float, end: float, income: float = 0.0) -> float:
    """Return of one period, from value `begin` to `end`, with `income` paid out in it."""
    return (end - begin + income) / begin


def geometric_mean_return(returns: Numbers) -> float:
    """The constant return for each period that links to the same total."""
    growth = np.prod(1.0 + np.asarray(returns, dtype=np.float64))
    return float(growth ** (1.0 / len(returns)) - 1.0)


def xirr(flows: Sequence[tuple[date, float]]) -> float:
    """Money-weighted annual rate, ACT/365: money paid in is negative, received positive.

    CommendaError `xirr_undefined` where the flows have no change of sign or no rate solves them.
    """
    amounts = [amount for _, amount in flows]
    if not (any(amount < 0.0 for amount in amounts) and any(amount > 0.0 for amount in amounts)):
        raise CommendaError(
            "xirr_undefined", "a money-weighted return needs money paid in and money received"
        ).at("flows", amounts, "end the flows with the value held today")
    rate = pyxirr.xirr([day for day, _ in flows], amounts)
    if rate is None or not math.isfinite(rate):
        raise CommendaError(
            "xirr_undefined", "no annual rate brings these flows to a present value of zero"
        ).at("flows", amounts, "show the time-weighted return instead")
    return float(rate)


def annualise(total_return: float, days: float, *, under_a_year: bool = False) -> float:
    """The yearly rate (ACT/365) that compounds to `total_return` over `days`.

    Under a year it would extrapolate: refused unless asked for with `under_a_year`.
    """
    if days < DAYS_PER_YEAR and not under_a_year:
        raise CommendaError("under_a_year", "a return over less than a year is not annualised").at(
            "days", days, "show the return as it is, or pass under_a_year=True and say so"
        )
    return float((1.0 + total_return) ** (DAYS_PER_YEAR / days) - 1.0)


def period_returns(values: Numbers) -> npt.NDArray[np.float64]:
    """Simple returns from each value to the next; one fewer than the values."""
    curve = np.asarray(values, dtype=np.float64)
    return curve[1:] / curve[:-1] - 1.0


def max_drawdown(values: Numbers) -> float:
    """Deepest fall from a peak so far, as a positive fraction of that peak. Starts above zero."""
    curve = np.asarray(values, dtype=np.float64)
    if curve.size == 0:
        return 0.0
    return float(np.max(1.0 - curve / np.maximum.accumulate(curve)))


def rounding(returns: Array, axis: int | None = None) -> Array:
    """The greatest deviation of `returns` (those along `axis`) that is no more than rounding.

    A return is a quotient of two values less 1, so that it is as uncertain as 1 + |return|.
    """
    found: Array = ROUNDING * (1.0 + np.abs(returns).max(axis=axis))
    return found


def sharpe(returns: Numbers, *, periods_per_year: float, risk_free: float = 0.0) -> float | None:
    """Mean excess return over its sample deviation (ddof 1), times √periods_per_year.

    `risk_free` is for one period. None for fewer than two returns, or when they do not vary by
    more than `rounding`.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.size < 2 or (deviation := values.std(ddof=1)) <= rounding(values):
        return None
    return float((values.mean() - risk_free) / deviation * math.sqrt(periods_per_year))


def sortino(returns: Numbers, *, periods_per_year: float, target: float = 0.0) -> float | None:
    """Mean excess over `target` (for one period) over the downside deviation, annualised.

    The downside deviation is the root mean square of the shortfalls over all periods, those above
    the target counting as zero. None for fewer than two returns, when they do not vary, and
    without a shortfall; both by more than `rounding`.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.size < 2 or values.std() <= rounding(values):
        return None
    excess = values - target
    if excess.min() >= -rounding(values):
        return None
    downside = math.sqrt(np.mean(np.minimum(excess, 0.0) ** 2))
    return float(excess.mean() / downside * math.sqrt(periods_per_year))


def win_rate(profits: Numbers) -> float | None:
    """Share of results above zero; None when there are none."""
    return float(np.mean(np.asarray(profits) > 0.0)) if len(profits) else None


class Level(StrEnum):
    """How far a product is from what was expected of it (specification 003-05)."""

    NORMAL = "NORMAL"
    WARNING = "WARNING"
    ALERT = "ALERT"
    INSUFFICIENT = "INSUFFICIENT"


class Advice(StrEnum):
    """What the specification tells the holder. Doing better than expected never says redeem."""

    HOLD = "hold"
    CHECK = "check"
    CONSIDER_REDEEMING = "consider_redeeming"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Deviation:
    """Actual against expected gain. `rate` is in percent of the expected gain, unrounded.

    Negative means worse than expected, also where a loss was expected. None when INSUFFICIENT.
    """

    expected: Decimal
    actual: Decimal
    difference: Decimal
    rate: Decimal | None
    level: Level
    advice: Advice


def expected_gain(principal: Decimal, annual_rate: Decimal, days: int) -> Decimal:
    """What `principal` should have earned after `days` at a simple `annual_rate`, ACT/365."""
    return principal * annual_rate * days / DAYS_PER_YEAR


@dataclass(frozen=True, slots=True)
class NavReturn:
    """A holding in units: value and gain at the present NAV, `rate` in percent of principal."""

    units: Decimal
    value: Decimal
    gain: Decimal
    rate: Decimal


def nav_return(principal: Decimal, nav_bought: Decimal, nav_now: Decimal) -> NavReturn:
    """`principal` put in at `nav_bought` a unit, valued at `nav_now` (specification 003-04)."""
    units = principal / nav_bought
    gain = units * nav_now - principal
    return NavReturn(units, units * nav_now, gain, gain / principal * 100)


def grade_deviation(
    expected: Decimal,
    actual: Decimal,
    days_held: int,
    *,
    warning: Decimal | int = 2,
    alert: Decimal | int = 5,
    least_days: int = 30,
) -> Deviation:
    """Grade actual against expected gain, both over the same `days_held` (specification 003).

    The rate is (actual − expected) / |expected| in percent, so 4500 for 5000 is −10: the
    specification's own example. Bands are half-open on the size of the unrounded rate: up to and
    including `warning` NORMAL, up to and including `alert` WARNING, beyond it ALERT. Fewer than
    `least_days` held, or nothing expected, is INSUFFICIENT: never 0 %.
    """
    difference = actual - expected
    if days_held < least_days or expected == 0:
        return Deviation(expected, actual, difference, None, Level.INSUFFICIENT, Advice.WAIT)
    rate = difference / abs(expected) * 100
    size = abs(rate)
    if size <= warning:
        level, advice = Level.NORMAL, Advice.HOLD
    elif size <= alert:
        level, advice = Level.WARNING, Advice.CHECK
    else:
        level = Level.ALERT
        advice = Advice.CONSIDER_REDEEMING if rate < 0 else Advice.CHECK
    return Deviation(expected, actual, difference, rate, level, advice)
