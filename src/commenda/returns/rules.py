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

from commenda.kit.errors import CommendaError

DAYS_PER_YEAR = 365
"""ACT/365 fixed, as the specification's formulas have it."""

Array = npt.NDArray[np.float64]
Numbers = Sequence[float] | Array

_NOTHING = 1e-14
"""Of the flows together: rounding, where a worth touches 0 and does not cross it."""
_CELLS = 1 << 20
_LARGEST_LOG = 700.0
"""e^700 is about the largest float."""
ROUNDING = 1e-12
"""What 1 plus a return may be off by: the last digits of two values, magnified by leverage."""


@dataclass(frozen=True, slots=True)
class TimeWeighted:
    """A time-weighted return, and where its chain broke.

    `periods` sub-periods are linked in `total`; `breaks` numbers (from 0) those left out because
    they began with next to nothing. A total with breaks is not the return of the whole span.
    `wiped_out` is the sub-period in which everything was lost: the chain ends there, at -1.
    """

    total: float
    periods: int
    breaks: tuple[int, ...]
    wiped_out: int | None = None


def time_weighted_return(
    start: float, chain: Iterable[tuple[float, float]], *, dust: float = 1.0
) -> TimeWeighted:
    """Link the returns between external flows.

    `start` is the value at the beginning; each item of `chain` is (value just before a flow, the
    flow: deposits positive); the last has flow 0. A sub-period that begins with `dust` or less (in
    the currency's units) has no meaningful return: it is reported in `breaks`, not multiplied. One
    that ends with nothing, or with debts, has lost everything: no later money makes that good.
    """
    growth, base, breaks, number = 1.0, start, [], -1
    for number, (value, flow) in enumerate(chain):
        if base <= dust:
            breaks.append(number)
        elif value <= 0.0:
            return TimeWeighted(-1.0, number + 1 - len(breaks), tuple(breaks), number)
        else:
            growth *= value / base
        base = value + flow
    return TimeWeighted(growth - 1.0, number + 1 - len(breaks), tuple(breaks))


def modified_dietz(
    begin: float, end: float, flows: Iterable[tuple[float, float]] = ()
) -> float | None:
    """Return of one period with flows in it whose values at the time are not known.

    Gain over the average capital, F·w of each flow added to `begin`: (fraction of the period that
    its money was there, the flow: deposits positive). Never below -1; None where the average
    capital is not above 0, since no part of it can be said to have been earned. Dietz, "Evaluating
    the Investment Performance of Endowment Funds" (1966), as GIPS has it for days.
    """
    inside = list(flows)
    capital = begin + sum(weight * flow for weight, flow in inside)
    if capital <= 0.0:
        return None
    return max(-1.0, (end - begin - sum(flow for _, flow in inside)) / capital)


def holding_return(begin: float, end: float, income: float = 0.0) -> float | None:
    """Return of one period, from value `begin` to `end`, with `income` paid out in it.

    A loss ends at -1, whatever is owed beyond it; None where there was nothing to begin with.
    """
    return max(-1.0, (end - begin + income) / begin) if begin > 0.0 else None


def geometric_mean_return(returns: Numbers) -> float | None:
    """The constant return for each period that links to the same total; -1 where one lost all."""
    growth = 1.0 + np.asarray(returns, dtype=np.float64)
    if growth.size == 0:
        return None
    return float(np.exp(np.log(growth).mean()) - 1.0) if growth.min() > 0.0 else -1.0


def xirr(flows: Sequence[tuple[date, float]]) -> float:
    """Money-weighted annual rate, ACT/365: money paid in is negative, received positive.

    The last flow is the value held; where that is 0 and nothing was ever received, everything is
    lost: -1. Code `xirr_undefined` where the flows have no change of sign or no rate solves them,
    `xirr_ambiguous` where several do, which the refusal's hint lists.
    """
    amounts = [amount for _, amount in flows]
    paid_in = any(amount < 0.0 for amount in amounts)
    if not (paid_in and any(amount > 0.0 for amount in amounts)):
        last = max((day for day, _ in flows), default=None)
        if paid_in and any(amount == 0.0 and day == last for day, amount in flows):
            return -1.0
        raise CommendaError(
            "xirr_undefined", "a money-weighted return needs money paid in and money received"
        ).at("flows", amounts, "end the flows with the value held today, 0 if nothing is left")
    rates = annual_rates(flows)
    if not rates:
        raise CommendaError(
            "xirr_undefined", "no annual rate brings these flows to a present value of zero"
        ).at("flows", amounts, "show the time-weighted return instead")
    if len(rates) > 1:
        each = ", ".join(f"{100.0 * rate:.4g} %" for rate in rates)
        raise CommendaError(
            "xirr_ambiguous", "several annual rates bring these flows to a present value of zero"
        ).at("flows", amounts, f"{each}: show the time-weighted return instead")
    return rates[0]


def annual_rates(flows: Sequence[tuple[date, float]]) -> list[float]:
    """Every annual rate at which flows are worth nothing together, ascending, each above -1.

    The worth at a rate is a sum of exponentials of its logarithm, which has at most as many roots
    as the flows, by date, have changes of sign (Descartes' rule for real exponents). It is looked
    at on a grid, a quarter of a percent wide near 0 and wider outwards, finer where it comes near
    0 without crossing it, and each crossing is halved to the last bit. Two rates nearer to each
    other than a millionth are one.
    """
    days: dict[date, float] = {}
    for day, amount in sorted(flows):
        days[day] = days.get(day, 0.0) + amount
    held = [(day, amount) for day, amount in days.items() if amount]
    if len({amount > 0.0 for _, amount in held}) < 2:
        return []
    years = np.array([(day - held[0][0]).days / DAYS_PER_YEAR for day, _ in held])
    money = np.array([amount for _, amount in held]) / max(abs(amount) for _, amount in held)

    def worth(logs: Array) -> Array:
        """Discounted to the first day, or for rates below 0 to the last: no term overflows."""
        parts = [
            np.exp(-some[:, None] * np.where(some[:, None] > 0.0, years, years - years[-1])) @ money
            for some in np.array_split(logs, 1 + logs.size * years.size // _CELLS)
        ]
        return np.concatenate(parts)

    logs = 0.5 * np.sinh(np.linspace(-10.5, 10.5, 4_201))
    for _ in range(2):
        value = worth(logs)
        left, here, right = (np.abs(value[at : value.size - 2 + at]) for at in range(3))
        bend = left + right - 2.0 * here
        # Where a parabola through three of one sign dips to less than half: it may reach 0.
        dips = (here < left) & (here <= right) & (value[:-2] * value[2:] > 0.0)
        dips &= (right - left) ** 2 >= 4.0 * here * bend
        finer = [np.linspace(logs[at], logs[at + 2], 1_001) for at in np.flatnonzero(dips)]
        logs = np.unique(np.concatenate([logs, *finer]))
    value = worth(logs)
    crossing = np.flatnonzero(value[:-1] * value[1:] < 0.0)
    low, high, sign = logs[crossing], logs[crossing + 1], np.sign(value[crossing])
    for _ in range(100 if crossing.size else 0):
        middle = (low + high) / 2.0
        before = np.sign(worth(middle)) == sign
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    touching = logs[np.abs(value) <= _NOTHING * np.abs(money).sum()]
    found: list[float] = []
    for log in np.sort(np.concatenate([(low + high) / 2.0, touching])).tolist():
        if not found or log - found[-1] > 1e-6:
            found.append(log)
    return [math.expm1(min(log, _LARGEST_LOG)) for log in found]


def annualise(total_return: float, days: float, *, under_a_year: bool = False) -> float:
    """The yearly rate (ACT/365) that compounds to `total_return` over `days`; -1 of a total loss.

    Under a year it would extrapolate: refused (`under_a_year`) unless asked for. Code `no_time`
    for no days at all, `rate_too_large` for what no number holds.
    """
    if not days > 0.0:
        raise CommendaError("no_time", "a return needs time to be one of a year").at(
            "days", days, "above 0"
        )
    if days < DAYS_PER_YEAR and not under_a_year:
        raise CommendaError("under_a_year", "a return over less than a year is not annualised").at(
            "days", days, "show the return as it is, or pass under_a_year=True and say so"
        )
    if total_return <= -1.0:
        return -1.0
    log = math.log1p(total_return) * DAYS_PER_YEAR / days
    if log > _LARGEST_LOG:
        raise CommendaError("rate_too_large", "the return of so few days is no yearly rate").at(
            "days", days, "show the return as it is"
        )
    return math.expm1(log)


def period_returns(values: Numbers) -> Array:
    """Simple returns from each value to the next; one fewer than the values.

    They end with the -1 of the one that lost everything: nothing earns nothing after it.
    """
    curve = np.asarray(values, dtype=np.float64)
    gone = np.flatnonzero(curve <= 0.0)
    if gone.size:
        curve = np.append(curve[: gone[0]], 0.0)
    return curve[1:] / curve[:-1] - 1.0


def max_drawdown(values: Numbers) -> float:
    """Deepest fall from a peak so far, as a positive fraction of that peak: at most 1.

    Before the first value above 0 there is no peak to fall from.
    """
    return abs(float(underwater(values).min(initial=0.0)))


def underwater(values: Numbers) -> Array:
    """How far each value lies below the highest so far, as a fraction from -1 to 0."""
    curve = np.asarray(values, dtype=np.float64)
    peaks = np.maximum.accumulate(curve)
    sound = peaks > 0.0
    falls: Array = np.where(sound, curve / np.where(sound, peaks, 1.0) - 1.0, 0.0)
    return np.maximum(falls, -1.0)


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
    """`principal` put in at `nav_bought` a unit, valued at `nav_now` (specification 003-04).

    Code `not_positive` where nothing was put in, or a unit cost nothing.
    """
    for field, value in (("principal", principal), ("nav_bought", nav_bought)):
        if value <= 0:
            raise CommendaError("not_positive", "The amount must be above 0").at(field, value)
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
