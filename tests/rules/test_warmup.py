"""A strategy that looks back farther than the data goes says so, with both numbers.

`sma_cross` of 5 and 20 declares a warm-up of 20 bars; what others declare is read off them here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commenda.cli import backtest_tables as tables
from commenda.kit.errors import CommendaError
from commenda.strategies import Plan, catalogue, read_bars, report_of
from commenda.studies import Plan as Search
from commenda.studies import Sampler, Walk, WalkForward, splits
from commenda.studies.evaluate import evaluate, glimpse
from commenda.studies.model import Outcome, TrialState
from commenda.studies.search import STARTUP, search_of
from study_histories import candles
from study_outcomes import course, noise, space

SMA = catalogue()["sma_cross"]


@pytest.mark.parametrize(("bars", "says"), [(150, True), (250, False)])
def test_a_report_says_that_the_data_is_too_short(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bars: int, says: bool
) -> None:
    candles(tmp_path / "x_BTCUSDT_1h.parquet", np.zeros(bars))
    data = read_bars(tmp_path / "x_BTCUSDT_1h.parquet")
    plan = Plan(SMA, {"fast": 5, "slow": 200}, data, None)
    report, needed = report_of(plan, plan.run()), SMA.bind(fast=5, slow=200).warmup
    assert 199 <= needed <= 200
    assert report["metrics"]["undecided"] == ({"warmup": needed, "bars": bars} if says else None)
    tables.show_report(report)
    said = f"The strategy warms up for {needed} bars and the data has {bars}"
    assert (said in " ".join(capsys.readouterr().out.split())) is says


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
    plan = Search(sampler=Sampler.GRID, pruning=True)
    search = search_of(plan, space("fast=5:50"), lambda _: True)
    asked = search.ask(STARTUP)
    for one in asked:
        search.tell(one, Outcome(TrialState.PRUNED, rungs=(1.0,)))
    assert search.hopeless(asked[0], 0, 0.5)
    assert not search.hopeless(asked[0], 0, None)
