"""Many programs at once: what `run` does to the last bit, and its moments by other formulas."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from commenda.kernel import (
    Bars,
    Costs,
    Funding,
    Margin,
    Program,
    Result,
    Stops,
    SweepResult,
    Terms,
    compiled,
    limit_order,
    run,
    sweep,
    working,
)
from commenda.kernel.sweep import (
    BEFORE,
    BLOCK,
    CUBES,
    FOURTHS,
    MEAN,
    MEASURES,
    PEAK,
    RETURNS,
    SQUARES,
    measure,
)
from commenda.returns import max_drawdown, sharpe_sample
from commenda.strategies import CATALOGUE, Strategy

MINUTE = 60_000_000_000
CASH = 10_000.0
BARS = 2 * BLOCK + 1_234
"""Two blocks and a part of one."""


def random_bars(count: int, seed: int) -> Bars:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 2e-3, count)))
    opening = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0.0, 1e-3, count))
    high = np.maximum(opening, close) * np.exp(rng.exponential(2e-3, count))
    low = np.minimum(opening, close) * np.exp(-rng.exponential(2e-3, count))
    return Bars(5 * MINUTE * np.arange(count), opening, high, low, close, rng.exponential(9, count))


def random_funding(bars: Bars, seed: int) -> Funding:
    """Every 96 bars, and at the first and the last bar of a block."""
    rng = np.random.default_rng(seed)
    stamps = np.union1d(np.arange(0, len(bars), 96), [BLOCK - 1, BLOCK, 2 * BLOCK])
    stamps = stamps[stamps < len(bars)]
    return Funding(bars.ts[stamps], rng.normal(0.0, 3e-4, stamps.size), bars.open[stamps])


def random_programs(strategy: Strategy, count: int, seed: int) -> list[Program]:
    """Lengths up to 400, fractions up to three times their default; no pair that is refused."""
    rng = np.random.default_rng(seed)
    programs = []
    while len(programs) < count:
        drawn = {
            each.name: int(rng.integers(each.low, min(each.high, 400), endpoint=True))
            if each.kind is int
            else float(rng.uniform(each.low, min(each.high, 3.0 * each.default or each.high)))
            for each in strategy.params
        }
        if strategy.check is None or strategy.check(drawn) is None:
            programs.append(strategy.bind(**drawn))
    return programs


def check_against(swept: SweepResult, at: int, alone: Result) -> None:
    """Money to the last bit, sums and moments to what rounding allows."""
    assert swept.equity[at] == alone.equity[-1]
    assert swept.fees[at] == alone.fees
    assert swept.slippage[at] == alone.slippage
    assert swept.funding[at] == alone.funding
    assert swept.counts[at] == alone.counts
    assert swept.fills[at] == len(alone.fills)
    traded = math.fsum(abs(fill.quantity * fill.price) for fill in alone.fills)
    assert swept.turnover[at] == pytest.approx(traded, rel=1e-12)
    assert swept.drawdown[at] == max_drawdown(alone.equity)
    returns = returns_of(alone.equity)
    assert swept.mean[at] == pytest.approx(returns.mean(), rel=1e-9, abs=1e-16)
    sample = sharpe_sample(returns)
    if sample is None:
        assert np.isnan((swept.deviation[at], swept.sharpe[at], swept.skew[at])).all()
        return
    assert swept.deviation[at] == pytest.approx(returns.std(ddof=1), rel=1e-9)
    assert swept.sharpe[at] == pytest.approx(sample.sharpe, rel=1e-9, abs=1e-14)
    assert swept.skew[at] == pytest.approx(sample.skew, rel=1e-9, abs=1e-9)
    assert swept.kurtosis[at] == pytest.approx(sample.kurtosis, rel=1e-9)


def returns_of(equity: np.ndarray) -> np.ndarray:
    """From the cash on; all is lost in the bar of ruin, and nothing moves after it."""
    curve = np.concatenate(([CASH], equity))
    ruined = np.flatnonzero(curve <= 0.0)
    if ruined.size:
        curve[ruined[0] :] = 0.0
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(curve[1:] / curve[:-1] - 1.0)


@pytest.mark.parametrize("strategy", CATALOGUE, ids=lambda each: each.name)
@pytest.mark.parametrize("size", [None, 3.0])
def test_a_sweep_comes_to_what_each_run_alone_comes_to(
    strategy: Strategy, size: float | None
) -> None:
    bars = random_bars(BARS, seed=11)
    funding, costs = random_funding(bars, seed=12), Costs(fee_bps=4.0, slippage_bps=0.5)
    programs = random_programs(strategy, 6, seed=13)
    swept = sweep(programs, bars, cash=CASH, funding=funding, costs=costs, size=size)
    assert len(swept) == 6
    assert swept.fills.max() > 0
    for at, program in enumerate(programs):
        alone = run(program, bars, cash=CASH, funding=funding, costs=costs, size=size)
        check_against(swept, at, alone)


@compiled
def always(state, bar, position, params):
    """A target that never rests: a fill in every bar."""
    state[0] = 1.0 - state[0]
    return params[0] * state[0]


@compiled
def one_target(state, bar, position, params):
    return params[0]


@compiled
def resting(state, bar, position, params, orders):
    """Buy a little below the close, sell a little above it."""
    if working(orders) == 0:
        away = params[0] if position[0] == 0.0 else -params[0]
        limit_order(orders, np.copysign(1.0, away), bar[3] * (1.0 - away))
    return np.nan


def test_more_fills_than_there_is_room_for_are_all_counted() -> None:
    bars = random_bars(BARS, seed=21)
    program = Program("always 1", always, np.array([1.0]), 1, 0)
    swept = sweep([program], bars, cash=CASH, costs=Costs(fee_bps=0.01, slippage_bps=0.0))
    assert swept.fills[0] == BARS - 1
    check_against(
        swept, 0, run(program, bars, cash=CASH, costs=Costs(fee_bps=0.01, slippage_bps=0.0))
    )


def test_programs_with_a_desk_are_swept_as_they_run() -> None:
    bars = random_bars(BLOCK + 777, seed=31)
    funding = random_funding(bars, seed=32)
    terms = Terms(participation=0.05, margin=Margin(leverage=5.0))
    costs = Costs(fee_bps=2.0, slippage_bps=0.0, maker_bps=1.0, impact_bps=5.0)
    stops = Stops(fraction=0.05, atr=4.0, chandelier=5.0)
    programs = [
        Program("resting 1", resting, np.array([away]), 0, 0, stops, orders=2)
        for away in (0.001, 0.002, 0.003)
    ]
    programs.append(Program("one target 1", one_target, np.array([2.0]), 0, 0, stops))
    swept = sweep(programs, bars, cash=CASH, funding=funding, costs=costs, terms=terms)
    assert swept.fills.min() > 0
    assert sum(counts.short_filled for counts in swept.counts) > 0
    for at, program in enumerate(programs):
        alone = run(program, bars, cash=CASH, funding=funding, costs=costs, terms=terms)
        check_against(swept, at, alone)


def test_after_ruin_nothing_is_won_back() -> None:
    prices = np.array([100.0, 100.0, 60.0, 60.0, 90.0, 120.0])
    bars = Bars(MINUTE * np.arange(6), prices, prices, prices, prices, np.ones(6))
    program = Program("one target 1", one_target, np.array([3.0]), 0, 0)
    swept = sweep([program], bars, cash=CASH, costs=Costs(fee_bps=0.0, slippage_bps=0.0))
    # 300 units at 100, borrowed for 20,000: worth -2,000 at 60, and closed there.
    assert swept.equity[0] == 0.0
    assert swept.ruined.tolist() == [True]
    assert swept.counts[0].shortfall == pytest.approx(2_000.0)
    assert swept.drawdown[0] == 1.0
    returns = [0.0, 0.0, -1.0, 0.0, 0.0, 0.0]
    assert swept.mean[0] == pytest.approx(np.mean(returns))
    assert swept.deviation[0] == pytest.approx(np.std(returns, ddof=1))


def test_returns_that_do_not_vary_have_no_ratio() -> None:
    bars = random_bars(50, seed=41)
    program = Program("one target 1", one_target, np.array([0.0]), 0, 0)
    swept = sweep([program], bars, cash=CASH)
    assert swept.mean[0] == 0.0
    assert np.isnan((swept.deviation[0], swept.sharpe[0], swept.skew[0], swept.kurtosis[0])).all()
    check_against(swept, 0, run(program, bars, cash=CASH))


def test_a_small_spread_around_a_large_mean_keeps_its_moments() -> None:
    """Sums of powers would cancel: returns of 1 % that vary by a hundred thousandth of that."""
    rng = np.random.default_rng(51)
    equity = 100.0 * np.cumprod(1.01 + rng.gamma(2.0, 1e-7, 3_000))
    returns = np.diff(equity, prepend=100.0) / np.concatenate(([100.0], equity[:-1]))
    measured = np.zeros(MEASURES)
    measured[[BEFORE, PEAK]] = 100.0
    for block in np.split(equity, [1, 2, 900, 1_000]):
        measure(block, np.empty(block.size), measured)
    apart = returns.astype(np.longdouble) - returns.astype(np.longdouble).mean()
    assert measured[RETURNS] == returns.size
    assert measured[MEAN] == pytest.approx(returns.mean(), rel=1e-14)
    # Of a distance of 1e-7 a double holds nine digits here, so a power of it fewer.
    for power, place in ((2, SQUARES), (3, CUBES), (4, FOURTHS)):
        assert measured[place] == pytest.approx(float((apart**power).sum()), rel=1e-7)


def test_sweeps_from_several_threads_do_not_disturb_one_another() -> None:
    bars = random_bars(BLOCK, seed=61)
    batches = [random_programs(strategy, 4, seed=62) for strategy in CATALOGUE]
    with ThreadPoolExecutor(len(batches)) as threads:
        swept = list(threads.map(lambda programs: sweep(programs, bars, cash=CASH), batches))
    for programs, result in zip(batches, swept, strict=True):
        ends = [run(program, bars, cash=CASH).equity[-1] for program in programs]
        assert result.equity.tolist() == ends


def test_the_number_of_threads_changes_nothing() -> None:
    bars = random_bars(BLOCK // 2, seed=71)
    programs = random_programs(CATALOGUE[0], 5, seed=72)
    one, three = (sweep(programs, bars, cash=CASH, jobs=jobs) for jobs in (1, 3))
    for name in ("equity", "mean", "deviation", "skew", "kurtosis", "drawdown", "turnover"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))


def test_a_sweep_of_nothing_is_empty() -> None:
    assert len(sweep([], random_bars(10, seed=81), cash=CASH)) == 0


def test_what_cannot_be_swept_is_refused() -> None:
    bars = random_bars(10, seed=91)
    plain = Program("in python 1", always.py_func, np.array([1.0]), 1, 0)
    with pytest.raises(ValueError, match="in python 1: a plain Python step cannot be swept"):
        sweep([plain], bars, cash=CASH)
    with pytest.raises(ValueError, match="jobs = 0"):
        sweep([], bars, cash=CASH, jobs=0)
    runaway = Program("runaway 1", one_target, np.array([math.inf]), 0, 0)
    with pytest.raises(ValueError, match="infinite target"):
        sweep([runaway], bars, cash=CASH)
