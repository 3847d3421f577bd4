"""What a run amounts to over some of its bars, and what a study may aim at.

A configuration is run once over the whole history, and each range is measured by its slice of that
run. A strategy knows no more than the bars before, so a slice is what trading through it would have
brought, with the position it was entered with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from commenda.kernel import Array, Result
from commenda.returns import Year, annualise, max_drawdown, sharpe, sortino
from commenda.strategies import round_trips
from commenda.studies.splits import Range

DAYS_PER_YEAR = 365

ROUNDING = 1e-12
"""A drawdown that is no deeper is none."""

MOST_PROFIT_FACTOR = 10.0
"""A record without a losing trade is not infinitely good, only short."""

MOST_PERIODS = 1_024
"""Returns kept of a trial: 8 kB, and 64 for each of the 16 blocks that PBO cuts them into."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A run, bar by bar: its returns, what was traded as a multiple of equity, its closed trades.

    `profits` are in quote currency, after fees; `closed` has the bar in which each trade ended.
    `ruined` is the bar of the run in which nothing was left; None before that, or if never.
    """

    returns: Array
    turnover: Array
    closed: npt.NDArray[np.int64]
    profits: Array
    year: Year
    ruined: int | None = None

    def within(self, ranges: Sequence[Range]) -> Record:
        """The parts of it in some ranges of bars, one behind another."""
        if len(ranges) == 1 and ranges[0] == (0, self.returns.size):
            return self
        last = self.returns.size if self.ruined is None else self.ruined
        ended = np.zeros(self.closed.size, dtype=np.bool_)
        for start, stop in ranges:
            ended |= (self.closed >= start) & (self.closed < stop)
        return Record(
            returns=np.concatenate([self.returns[start:stop] for start, stop in ranges]),
            turnover=np.concatenate([self.turnover[start:stop] for start, stop in ranges]),
            closed=self.closed[ended],
            profits=self.profits[ended],
            year=self.year,
            ruined=self.ruined if any(stop > last for _, stop in ranges) else None,
        )


def record_of(result: Result, cash: float, year: Year) -> Record:
    """The record of a run that began with `cash`.

    Where equity reaches zero everything is lost in that bar, and nothing is won back.
    """
    before = np.concatenate(([cash], result.equity[:-1]))
    after, ruined = result.equity, result.ruined_at
    last = after.size if ruined is None else ruined
    returns = np.zeros(after.size)
    returns[:last] = after[:last] / before[:last] - 1.0
    if ruined is not None:
        returns[last] = -1.0
    turnover = np.zeros(after.size)
    fills = [fill for fill in result.fills if fill.bar <= last]
    traded = [abs(fill.quantity * fill.price) / before[fill.bar] for fill in fills]
    np.add.at(turnover, [fill.bar for fill in fills], traded)
    trades = round_trips(result.fills)
    closed = np.array([trade.closed for trade in trades], dtype=np.int64)
    profits = np.array([trade.profit for trade in trades])
    return Record(returns, turnover, closed, profits, year, ruined)


def periods_of(returns: Array) -> Array:
    """`returns` compounded into at most `MOST_PERIODS` periods of (nearly) equal length."""
    count = min(MOST_PERIODS, returns.size)
    starts = np.arange(count) * returns.size // count
    with np.errstate(divide="ignore"):
        grown: Array = np.expm1(np.add.reduceat(np.log1p(returns), starts))
    return grown


# --- Objectives -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Objective:
    """What to aim at. `maximise` False means that less is better."""

    name: str
    maximise: bool
    formula: Callable[[Record], float | None]
    says: str

    def measure(self, record: Record) -> float | None:
        """What a record comes to; None where that is undefined. Nothing is worse than ruin."""
        if record.ruined is not None:
            return self.worst
        found = self.formula(record)
        if found is not None and not math.isfinite(found):
            raise ValueError(f"{self.name} is not a number")
        return found

    def over(self, figures: Sequence[float | None]) -> float | None:
        """The mean of several; of these what is undefined counts as 0, and all of them as None."""
        if all(one is None for one in figures):
            return None
        return sum(one or 0.0 for one in figures) / len(figures)

    @property
    def worst(self) -> float:
        """Of a run that was ruined."""
        return -math.inf if self.maximise else math.inf

    def signed(self, value: float | None) -> float:
        """`value`, turned so that more is better; what is undefined neither gained nor lost."""
        return (value if self.maximise else -value) if value else 0.0

    def better(self, one: float, other: float) -> float:
        """The better of two values."""
        return max(one, other) if self.maximise else min(one, other)


def sharpe_of(record: Record) -> float | None:
    """Annualised; None where returns do not vary."""
    return sharpe(record.returns, periods_per_year=record.year.periods)


def _sortino(record: Record) -> float | None:
    return sortino(record.returns, periods_per_year=record.year.periods)


def _total_return(record: Record) -> float:
    return float(np.prod(1.0 + record.returns) - 1.0)


def _drawdown(record: Record) -> float:
    return max_drawdown(np.concatenate(([1.0], np.cumprod(1.0 + record.returns))))


def _calmar(record: Record) -> float | None:
    depth = _drawdown(record)
    if depth <= ROUNDING:
        return None
    days = record.returns.size / record.year.periods * DAYS_PER_YEAR
    total = _total_return(record)
    # Over a short range a good return annualises to any number, which a ratio cannot bear.
    yearly = annualise(total, days) if days >= DAYS_PER_YEAR else total * DAYS_PER_YEAR / days
    return yearly / depth


def _profit_factor(record: Record) -> float | None:
    won = float(record.profits[record.profits > 0.0].sum())
    lost = -float(record.profits[record.profits < 0.0].sum())
    if lost == 0.0:
        return MOST_PROFIT_FACTOR if won > 0.0 else None
    return min(MOST_PROFIT_FACTOR, won / lost)


def _turnover(record: Record) -> float:
    return float(record.turnover.sum()) / record.turnover.size * record.year.periods


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        one.name: one
        for one in (
            Objective("sharpe", True, sharpe_of, "annualised Sharpe ratio"),
            Objective("sortino", True, _sortino, "annualised Sortino ratio"),
            Objective("calmar", True, _calmar, "yearly return over the deepest drawdown"),
            Objective("total_return", True, _total_return, "return of the whole, a fraction"),
            Objective("max_drawdown", False, _drawdown, "deepest drawdown, a fraction; less"),
            Objective("profit_factor", True, _profit_factor, "profit over loss of closed trades"),
            Objective("turnover", False, _turnover, "notional traded a year over equity; less"),
        )
    }
)


def is_number(value: float | None) -> TypeGuard[float]:
    """Whether a measure came out as one: neither undefined nor of a ruined run."""
    return value is not None and math.isfinite(value)
