"""What an outcome measures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kernel import Bars, Costs, run
from commenda.studies import (
    OBJECTIVES,
    TrialState,
    Walk,
    WalkForward,
)
from commenda.studies.evaluate import RUNGS, evaluate, glimpse
from commenda.studies.measures import Record, periods_of, record_of
from commenda.studies.splits import Range
from study_outcomes import HOUR, HOURS, TREND, course, noise

LESS = ("max_drawdown", "turnover")


def record(bars: Bars, **params: object) -> Record:
    result = run(TREND.bind(**params), bars, cash=1_000.0, costs=Costs())
    return record_of(result, 1_000.0, HOURS)


def test_objectives_agree_with_their_definitions() -> None:
    bars = noise(1_500, 4)
    result = run(TREND.bind(fast=5, slow=20), bars, cash=1_000.0, costs=Costs())
    found = record_of(result, 1_000.0, HOURS)
    curve = np.concatenate(([1_000.0], result.equity))
    moves = curve[1:] / curve[:-1] - 1.0
    depth = max(1.0 - curve[i] / curve[: i + 1].max() for i in range(curve.size))
    total = curve[-1] / curve[0] - 1.0
    measured = {name: one.measure(found) for name, one in OBJECTIVES.items()}
    assert measured["sharpe"] == pytest.approx(moves.mean() / moves.std(ddof=1) * 8_760**0.5)
    downside = np.sqrt((np.minimum(moves, 0.0) ** 2).mean())
    assert measured["sortino"] == pytest.approx(moves.mean() / downside * 8_760**0.5)
    assert measured["total_return"] == pytest.approx(total)
    assert measured["max_drawdown"] == pytest.approx(depth)
    # Under a year the return is scaled, not compounded.
    assert measured["calmar"] == pytest.approx(total * 8_760 / 1_500 / depth)
    traded = sum(abs(f.quantity * f.price) / curve[f.bar] for f in result.fills)
    assert measured["turnover"] == pytest.approx(traded * 8_760 / 1_500)
    gains = [profit for profit in found.profits.tolist() if profit > 0]
    losses = [-profit for profit in found.profits.tolist() if profit < 0]
    assert measured["profit_factor"] == pytest.approx(sum(gains) / sum(losses))


def test_profits_of_trades_and_the_open_position_add_up_to_the_change_of_equity() -> None:
    bars = noise(1_500, 4)
    result = run(TREND.bind(fast=5, slow=20), bars, cash=1_000.0, costs=Costs())
    found = record_of(result, 1_000.0, HOURS)
    assert found.closed.size == found.profits.size > 20
    last = result.fills[-1]
    assert last.held != 0.0
    entry_fee = last.fee * abs(last.held / last.quantity)
    unrealised = last.held * (bars.close[-1] - last.price) - entry_fee
    assert result.equity[-1] - 1_000.0 == pytest.approx(found.profits.sum() + unrealised)


def test_ranges_of_a_record_are_slices_of_it() -> None:
    found = record(noise(1_500, 4), fast=5, slow=20)
    part = found.within((Range(100, 300), Range(900, 1_000)))
    assert part.returns.tolist() == [*found.returns[100:300], *found.returns[900:1_000]]
    inside = [100 <= bar < 300 or 900 <= bar < 1_000 for bar in found.closed.tolist()]
    assert part.profits.tolist() == found.profits[inside].tolist()
    assert found.within((Range(0, 1_500),)) is found


def test_a_ruined_account_has_lost_everything_and_wins_nothing_back() -> None:
    prices = np.array([100.0, 100.0, 100.0, 101.0, 101.0, 20.0, 120.0])
    bars = Bars(np.arange(7) * HOUR, prices, prices, prices, prices, np.ones(7))
    found = record(bars, fast=2, slow=3, band=0.0, stop=0.0, exposure=3.0)
    assert found.returns[5:].tolist() == [-1.0, 0.0]
    assert found.ruined == 5
    assert OBJECTIVES["total_return"].formula(found) == -1.0
    assert OBJECTIVES["max_drawdown"].formula(found) == 1.0
    # Whatever the formula says of the bars before, nothing is worse than ruin.
    for name, aim in OBJECTIVES.items():
        assert aim.measure(found) == (math.inf if name in LESS else -math.inf)
        assert aim.measure(found.within((Range(6, 7),))) == aim.worst  # nothing comes back
        assert aim.measure(found.within((Range(0, 5),))) != aim.worst
    assert periods_of(found.returns).min() == -1.0


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=3_000))
def test_periods_compound_to_the_same_total(returns: list[float]) -> None:
    values = np.array(returns)
    periods = periods_of(values)
    assert periods.size == min(1_024, values.size)
    assert np.log1p(periods).sum() == pytest.approx(np.log1p(values).sum(), abs=1e-9)


def test_an_outcome_has_its_folds_its_moments_and_its_periods() -> None:
    bars = noise(2_000, 4)
    walked_over = course(bars, WalkForward(Walk.ROLLING, 4), "sharpe", "max_drawdown")
    (outcome,) = evaluate(walked_over, [TREND.bind(fast=5, slow=20)])
    whole = record(bars, fast=5, slow=20)
    assert (outcome.state, outcome.bars) == (TrialState.COMPLETE, 2_000)
    for fold, split in zip(outcome.folds, walked_over.splits, strict=True):
        train, test = whole.within(split.train), whole.within((split.test,))
        assert fold.train == OBJECTIVES["sharpe"].measure(train) == fold.train_sharpe
        assert fold.test == OBJECTIVES["sharpe"].measure(test) == fold.test_sharpe
    assert outcome.values[0] == pytest.approx(np.mean([fold.train for fold in outcome.folds]))
    assert outcome.sharpe == pytest.approx(whole.returns.mean() / whole.returns.std(ddof=1))
    assert outcome.periods is not None
    assert outcome.periods.size == 1_024


def test_without_a_walk_the_whole_history_is_aimed_at() -> None:
    bars = noise(1_000, 4)
    (outcome,) = evaluate(course(bars, None), [TREND.bind(fast=5, slow=20)])
    assert outcome.values == (OBJECTIVES["sharpe"].measure(record(bars, fast=5, slow=20)),)
    assert outcome.folds == ()


def test_a_rung_sees_the_beginning_of_the_history_only() -> None:
    bars = noise(1_000, 4)
    for rung, share in enumerate(RUNGS):
        (seen,) = glimpse(course(bars, None), [TREND.bind(fast=5, slow=20)], rung)
        start = record(bars.between(0, int(1_000 * share)), fast=5, slow=20)
        assert (seen.state, seen.bars) == (TrialState.PRUNED, int(1_000 * share))
        assert seen.rungs == (OBJECTIVES["sharpe"].measure(start),)
