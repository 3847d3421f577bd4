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

import numpy as np
import numpy.typing as npt

from commenda.kernel import Array, Result
from commenda.returns import annualise, max_drawdown, sharpe, sortino
from commenda.strategies import round_trips
from commenda.studies.splits import Range

DAYS_PER_YEAR = 365

MOST_PROFIT_FACTOR = 10.0
"""A record without a losing trade is not infinitely good, only short."""

MOST_PERIODS = 1_024
"""Returns kept of a trial: 8 kB, and 64 for each of the 16 blocks that PBO cuts them into."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A run, bar by bar: its returns, what was traded as a multiple of equity, its closed trades.

    `profits` are in quote currency, after fees; `closed` has the bar in which each trade ended.
    """

    returns: Array
    turnover: Array
    closed: npt.NDArray[np.int64]
    profits: Array
    bars_per_year: float

    def within(self, ranges: Sequence[Range]) -> Record:
        """The parts of it in some ranges of bars, one behind another."""
        if len(ranges) == 1 and ranges[0] == (0, self.returns.size):
            return self
        ended = np.zeros(self.closed.size, dtype=np.bool_)
        for start, stop in ranges:
            ended |= (self.closed >= start) & (self.closed < stop)
        return Record(
            returns=np.concatenate([self.returns[start:stop] for start, stop in ranges]),
            turnover=np.concatenate([self.turnover[start:stop] for start, stop in ranges]),
            closed=self.closed[ended],
            profits=self.profits[ended],
            bars_per_year=self.bars_per_year,
        )


def record_of(result: Result, cash: float, bars_per_year: float) -> Record:
    """The record of a run that began with `cash`.

    Where equity reaches zero everything is lost in that bar, and nothing is won back.
    """
    before = np.concatenate(([cash], result.equity[:-1]))
    after = result.equity
    ruined = np.flatnonzero(after <= 0.0)
    last = int(ruined[0]) if ruined.size else after.size
    returns = np.zeros(after.size)
    returns[:last] = after[:last] / before[:last] - 1.0
    if ruined.size:
        returns[last] = -1.0
    turnover = np.zeros(after.size)
    fills = [fill for fill in result.fills if fill.bar <= last]
    traded = [abs(fill.quantity * fill.price) / before[fill.bar] for fill in fills]
    np.add.at(turnover, [fill.bar for fill in fills], traded)
    trades = round_trips(result.fills)
    closed = np.array([trade.closed for trade in trades], dtype=np.int64)
    profits = np.array([trade.profit for trade in trades])
    return Record(returns, turnover, closed, profits, bars_per_year)


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
    measure: Callable[[Record], float]
    says: str

    def signed(self, value: float) -> float:
        """`value`, turned so that more is better."""
        return value if self.maximise else -value

    def better(self, one: float, other: float) -> float:
        """The better of two values."""
        return max(one, other) if self.maximise else min(one, other)


def sharpe_of(record: Record) -> float:
    """Annualised; 0 where returns do not vary."""
    return sharpe(record.returns, periods_per_year=record.bars_per_year) or 0.0


def _sortino(record: Record) -> float:
    return sortino(record.returns, periods_per_year=record.bars_per_year) or 0.0


def _total_return(record: Record) -> float:
    return float(np.prod(1.0 + record.returns) - 1.0)


def _drawdown(record: Record) -> float:
    return max_drawdown(np.concatenate(([1.0], np.cumprod(1.0 + record.returns))))


def _calmar(record: Record) -> float:
    depth = _drawdown(record)
    if depth == 0.0:
        return 0.0
    days = record.returns.size / record.bars_per_year * DAYS_PER_YEAR
    total = _total_return(record)
    # Over a short range a good return annualises to any number, which a ratio cannot bear.
    yearly = annualise(total, days) if days >= DAYS_PER_YEAR else total * DAYS_PER_YEAR / days
    return yearly / depth


def _profit_factor(record: Record) -> float:
    won = float(record.profits[record.profits > 0.0].sum())
    lost = -float(record.profits[record.profits < 0.0].sum())
    if lost == 0.0:
        return MOST_PROFIT_FACTOR if won > 0.0 else 0.0
    return min(MOST_PROFIT_FACTOR, won / lost)


def _turnover(record: Record) -> float:
    return float(record.turnover.sum()) / record.turnover.size * record.bars_per_year


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


def bars_per_year(interval_seconds: int) -> float:
    """How many bars of so many seconds a year of 365 days has."""
    return DAYS_PER_YEAR * 86_400 / interval_seconds


def is_number(value: float) -> bool:
    """Whether a measure came out as one."""
    return math.isfinite(value)
