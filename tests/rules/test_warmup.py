"""A strategy that looks back farther than the data goes says so, with both numbers.

`sma_cross` of 5 and 20 declares a warm-up of 20 bars; what others declare is read off them here.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from commenda.kit.errors import CommendaError
from commenda.strategies import backtest, catalogue
from commenda.studies import Sampler, Walk, WalkForward, splits
from commenda.studies.evaluate import evaluate, glimpse
from commenda.studies.model import Outcome, Plan, TrialState
from commenda.studies.search import STARTUP, search_of
from study_outcomes import course, noise, space

SMA = catalogue()["sma_cross"]
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("slow", "bars", "refused"), [(200, 150, True), (200, 201, False)])
def test_a_backtest_of_too_few_bars_is_refused(slow: int, bars: int, refused: bool) -> None:
    params = {"fast": 5, "slow": slow}
    needed = SMA.bind(**params).warmup
    assert slow - 1 <= needed <= slow
    history = noise(bars, 5)
    if not refused:
        assert len(backtest(SMA, params, history, interval=HOUR, funding=None).equity) == bars
        return
    with pytest.raises(CommendaError) as found:
        backtest(SMA, params, history, interval=HOUR, funding=None)
    assert found.value.code == "warmup_exceeds_data"
    assert found.value.message == (
        f"sma_cross 1.0.0 decides nothing in its first {needed} bars, and there are {bars}"
    )


def test_a_trial_that_decides_nothing_fails_and_says_both_numbers() -> None:
    over = course(noise(150, 5), None)
    long, short = evaluate(over, [SMA.bind(fast=5, slow=200), SMA.bind(fast=5, slow=20)])
    assert long.state is TrialState.FAILED
    assert long.reason is not None
    needed = SMA.bind(fast=5, slow=200).warmup
    assert long.reason.endswith(f"nothing in its first {needed} bars, and there are 150")
    assert short.state is TrialState.COMPLETE


@pytest.mark.parametrize("walk", list(Walk))
def test_windows_that_end_within_the_warm_up_are_refused(walk: Walk) -> None:
    # 1,000 bars in three folds; the warm-up of 400 bars is more than a window has left.
    with pytest.raises(CommendaError) as refused:
        splits(1_000, WalkForward(walk, 3), 400)
    assert refused.value.code == "short_history"
    assert "1,000 bars are too few" in refused.value.message
    assert "decides nothing in its first 400 bars" in refused.value.message
    # Of 100 bars enough is left: rolling learns on 500 - 100 bars, of which 100 decide nothing.
    assert len(splits(1_000, WalkForward(walk, 3), 100)) == 3


def test_a_rung_within_the_warm_up_gives_nothing_up() -> None:
    over = course(noise(1_000, 5), None)
    (seen,) = glimpse(over, [SMA.bind(fast=5, slow=600)], 0)
    assert (seen.state, seen.rungs) == (TrialState.PRUNED, (None,))
    plan = Plan(sampler=Sampler.GRID, pruning=True)
    search = search_of(plan, space("fast=5:50"), lambda _: True)
    asked = search.ask(STARTUP)
    for one in asked:
        search.tell(one, Outcome(TrialState.PRUNED, rungs=(1.0,)))
    assert search.hopeless(asked[0], 0, 0.5)
    assert not search.hopeless(asked[0], 0, None)
