"""Many programs over one history: what each came to, without keeping its equity curve.

Every program goes through the very loop of `run`, block of bars by block of bars, so that its
equity is `run`'s to the last bit and memory does not grow with bars times programs. The loops hold
no lock: plain threads share the cores. (numba's own parallel loops would be compiled a second
time, and their threading layers bear neither a fork nor, all of them, calls from two threads.)

The moments of a block are taken in two passes and joined to those before it by the formulas of
Pébay, Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order
Statistical Moments, Sandia report SAND2008-6212 (2008).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from commenda.kernel import account as book
from commenda.kernel.bars import Array, Bars, Funding
from commenda.kernel.compiling import compiled
from commenda.kernel.loop import NEXT_BAR, NEXT_ROW, open_run
from commenda.kernel.program import Program
from commenda.kernel.results import Counts, as_counts
from commenda.kernel.terms import Costs, Terms

BLOCK = 32_768
"""Bars at a time: enough that a call costs nothing beside them, few enough to stay in the cache."""

(
    RETURNS,  # how many
    MEAN,
    SQUARES,  # sums of powers of the distances from the mean
    CUBES,
    FOURTHS,
    BEFORE,  # equity at the close before
    PEAK,
    DRAWDOWN,
    MEASURES,
) = range(9)


ROUNDING = 1e-12
"""A deviation of returns that is no greater, as a part of 1 + their mean, is of their last digits.
"""


@dataclass(frozen=True, slots=True, eq=False)
class SweepResult:
    """What each program came to, in their order. Money is in quote currency.

    Moments are of the bars' simple returns, the first from the cash begun with: `mean`, `deviation`
    (ddof 1), `skew` and `kurtosis` of the population (3 for a normal distribution), `sharpe` of one
    bar. Where equity reaches zero everything is lost in that bar and the returns after it are 0;
    `ruined` says of which programs that is true.
    Deviation and what divides by it are NaN where returns do not vary, or there is only one.
    `drawdown` is the deepest fall of equity from its peak, as a fraction of it; `turnover` the sum
    of the fills' notionals.
    """

    equity: Array
    mean: Array
    deviation: Array
    skew: Array
    kurtosis: Array
    sharpe: Array
    drawdown: Array
    turnover: Array
    fees: Array
    slippage: Array
    funding: Array
    fills: npt.NDArray[np.int64]
    ruined: npt.NDArray[np.bool_]
    counts: tuple[Counts, ...]

    def __len__(self) -> int:
        return self.equity.size


class _Block(NamedTuple):
    """Some bars and the funding charged in them, as the loop takes them."""

    prices: tuple[Array, ...]
    paid: tuple[Any, Array, Array]


def sweep(
    programs: Sequence[Program],
    bars: Bars,
    *,
    cash: float,
    funding: Funding | None = None,
    costs: Costs | None = None,
    size: float | None = None,
    terms: Terms | None = None,
    jobs: int | None = None,
) -> SweepResult:
    """Run every program over `bars` as `run` would, in `jobs` threads (None: one for each core).

    The programs may be of one strategy or of several; their steps are compiled ones.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs = {jobs!r} is less than one thread")
    for program in programs:
        if not program.compiled:
            raise ValueError(f"{program.identity}: a plain Python step cannot be swept, use run")
    funding, costs, terms = funding or Funding.none(), costs or Costs(), terms or Terms()
    blocks = _blocks(bars, funding)
    for program in programs:
        open_run(program, bars, cash, costs, size, terms)  # compiles, so that no two threads do

    def follow(program: Program) -> tuple[Array, Array, Counts]:
        return _follow(program, bars, blocks, cash, costs, size, terms)

    with ThreadPoolExecutor(jobs or _cores()) as threads:
        ends = list(threads.map(follow, programs))
    accounts = np.array([account for account, _, _ in ends]).reshape(-1, book.SLOTS).T
    measures = np.array([measured for _, measured, _ in ends]).reshape(-1, MEASURES + 2).T
    return _result(accounts, measures, tuple(counts for _, _, counts in ends))


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _blocks(bars: Bars, funding: Funding) -> tuple[_Block, ...]:
    stamps = funding.bar_indexes(bars.ts)
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    blocks = []
    for start in range(0, len(bars), BLOCK):
        stop = min(start + BLOCK, len(bars))
        first, last = np.searchsorted(stamps, (start, stop))
        due = slice(int(first), int(last))
        prices = tuple(column[start:stop] for column in columns)
        blocks.append(_Block(prices, (stamps[due] - start, funding.rate[due], funding.mark[due])))
    return tuple(blocks)


def _follow(
    program: Program,
    bars: Bars,
    blocks: tuple[_Block, ...],
    cash: float,
    costs: Costs,
    size: float | None,
    terms: Terms,
) -> tuple[Array, Array, Counts]:
    """The final account, the measures with count and notional of the fills behind, the counts."""
    start = open_run(program, bars, cash, costs, size, terms)
    fills = np.empty((4 * start.room + BLOCK // 16, book.FILL_COLUMNS))
    equity, targets, returns = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    measured = np.zeros(MEASURES)
    measured[[BEFORE, PEAK]] = cash
    filled, turnover = 0, 0.0
    for prices, paid in blocks:
        count = prices[0].size
        cursor = np.array((0, 0, 0, start.room))
        while cursor[NEXT_BAR] < count:
            kept = (equity, targets, fills, cursor)
            start.loop(program.step, *start.mine, *prices, *paid, *start.inputs, *kept)
            done = fills[: cursor[NEXT_ROW]]
            filled += len(done)
            turnover += float(np.abs(done[:, book.FILL_QUANTITY] * done[:, book.FILL_PRICE]).sum())
            cursor[NEXT_ROW] = 0
        measure(equity[:count], returns, measured)
    counts = as_counts(start.account, start.desk)
    return start.account, np.append(measured, (filled, turnover)), counts


@compiled
def measure(equity, returns, measured):  # type: ignore[no-untyped-def]
    """Take the closes of a block into the measures of a run; `returns` is scratch."""
    before, peak, drawdown = measured[BEFORE], measured[PEAK], measured[DRAWDOWN]
    total = 0.0
    for i in range(equity.size):
        now = equity[i]
        gained = 0.0
        if before > 0.0:
            gained = now / before - 1.0 if now > 0.0 else -1.0
            before = now  # after ruin not above zero, and nothing is won back
        returns[i] = gained
        total += gained
        peak = max(peak, now)
        drawdown = max(drawdown, 1.0 - now / peak)
    measured[BEFORE], measured[PEAK], measured[DRAWDOWN] = before, peak, drawdown
    count, begun = float(equity.size), measured[RETURNS]
    mean, squares, cubes, fourths = total / count, 0.0, 0.0, 0.0
    for i in range(equity.size):
        distance = returns[i] - mean
        square = distance * distance
        squares += square
        cubes += square * distance
        fourths += square * square
    join(measured, begun, count, mean, squares, cubes, fourths)


@compiled
def join(measured, one, two, mean, squares, cubes, fourths):  # type: ignore[no-untyped-def]
    """Add the moments of `two` values to those of the `one` measured before: Pébay, (1.5) on."""
    both = one + two
    step = (mean - measured[MEAN]) / both
    before = measured[SQUARES]
    measured[FOURTHS] += (
        fourths
        + step**4 * both * one * two * (one * one - one * two + two * two)
        + 6.0 * step**2 * (one * one * squares + two * two * before)
        + 4.0 * step * (one * cubes - two * measured[CUBES])
    )
    measured[CUBES] += (
        cubes
        + step**3 * both * one * two * (one - two)
        + 3.0 * step * (one * squares - two * before)
    )
    measured[SQUARES] += squares + step**2 * both * one * two
    measured[MEAN] += step * two
    measured[RETURNS] = both


def _result(accounts: Array, measures: Array, counts: tuple[Counts, ...]) -> SweepResult:
    count, mean, squares, cubes, fourths = measures[: FOURTHS + 1]
    filled, turnover = measures[MEASURES:]
    with np.errstate(invalid="ignore", divide="ignore"):
        least = ROUNDING * (1.0 + np.abs(mean))
        varies = np.where(squares > (count - 1.0) * least**2, squares, np.nan)
        deviation = np.sqrt(varies / (count - 1.0))
        return SweepResult(
            equity=accounts[book.EQUITY].copy(),
            mean=mean.copy(),
            deviation=deviation,
            skew=np.sqrt(count) * cubes / varies**1.5,
            kurtosis=count * fourths / varies**2,
            sharpe=mean / deviation,
            drawdown=measures[DRAWDOWN].copy(),
            turnover=turnover.copy(),
            fees=accounts[book.FEES].copy(),
            slippage=accounts[book.SLIPPAGE].copy(),
            funding=accounts[book.FUNDING_PAID].copy(),
            fills=filled.astype(np.int64),
            ruined=accounts[book.RUIN] > 0.0,
            counts=counts,
        )
