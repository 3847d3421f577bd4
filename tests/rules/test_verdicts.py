"""What is chosen, and what speaks for and against it."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest

from commenda.kit.errors import CommendaError
from commenda.returns import Interval, SharpeSample, deflated_sharpe
from commenda.studies import (
    OBJECTIVES,
    Evidence,
    Grade,
    Outcome,
    Thresholds,
    Trial,
    TrialState,
    Walk,
    WalkForward,
    judge,
)
from commenda.studies.evaluate import evaluate
from commenda.studies.model import Fold
from commenda.studies.rules import (
    best_of,
    efficiency,
    heat_map,
    pareto_front,
    plateau,
    unlike,
    walked,
)
from commenda.studies.verdict import deflated
from commenda.studies.workers import Backend, be_modest, workers
from study_outcomes import TREND, course, noise, space


def trial(number: int, value: float, *folds: tuple[float, float], **params: float) -> Trial:
    made = tuple(Fold(train, test, train, test) for train, test in folds)
    outcome = Outcome(TrialState.COMPLETE, values=(value,), folds=made)
    return Trial(number, params or {"fast": float(number)}, outcome)


def test_the_best_is_the_earliest_of_equals_and_less_may_be_better() -> None:
    trials = [trial(0, 1.0), trial(1, 3.0), trial(2, 3.0), Trial(3, {"fast": 9.0}, None)]
    best = best_of(trials, OBJECTIVES["sharpe"])
    least = best_of(trials, OBJECTIVES["max_drawdown"])
    assert best is not None
    assert least is not None
    assert (best.number, least.number) == (1, 0)
    assert best_of(trials[3:], OBJECTIVES["sharpe"]) is None


def test_each_fold_chooses_where_it_learns_and_is_judged_where_it_is_tested() -> None:
    trials = [trial(0, 1.0, (2.0, 9.0), (4.0, 1.0)), trial(1, 1.0, (3.0, 1.0), (1.0, 9.0))]
    picked = walked(trials, OBJECTIVES["sharpe"])
    assert [one.number for one in picked] == [1, 0]
    assert efficiency(picked) == pytest.approx((1.0 + 1.0) / (3.0 + 4.0))
    assert efficiency(()) is None
    lost = walked([trial(0, 1.0, (-2.0, 9.0))], OBJECTIVES["sharpe"])
    assert efficiency(lost) == 0.0


def test_the_front_is_what_nothing_else_beats() -> None:
    values = [(1.0, 5.0), (2.0, 4.0), (2.0, 3.0), (0.5, 5.0), (2.0, 3.0)]
    trials = [
        Trial(number, {"fast": float(number)}, Outcome(TrialState.COMPLETE, values=pair))
        for number, pair in enumerate(values)
    ]
    # More Sharpe and less drawdown: 1 loses to 2, and 0 to 3 not (it has more Sharpe).
    front = pareto_front(trials, (OBJECTIVES["sharpe"], OBJECTIVES["max_drawdown"]))
    assert front == (2, 4)


def test_a_plateau_is_the_mean_of_the_neighbours_against_the_best() -> None:
    over = space("fast=10:60,slow=100:200")
    trials = [
        trial(0, 10.0, fast=30.0, slow=150.0),
        trial(1, 8.0, fast=33.0, slow=155.0),
        trial(2, 6.0, fast=27.0, slow=145.0),
        trial(3, 6.0, fast=27.0, slow=145.0),  # the same again counts once
        trial(4, -50.0, fast=36.0, slow=150.0),  # 6 of 50 away: no neighbour within a tenth
        trial(5, -50.0, fast=30.0, slow=161.0),
    ]
    reached, count = plateau(trials, trials[0], over, OBJECTIVES["sharpe"], 0.1)
    assert (reached, count) == (pytest.approx(0.7), 2)
    assert plateau(trials[:1], trials[0], over, OBJECTIVES["sharpe"], 0.1) == (None, 0)
    # Where less is better, neighbours that have twice as much reach one half.
    least = [trial(0, 0.1, fast=30.0, slow=150.0), trial(1, 0.2, fast=31.0, slow=150.0)]
    reached, count = plateau(least, least[0], over, OBJECTIVES["max_drawdown"], 0.1)
    assert (reached, count) == (pytest.approx(0.5), 1)


def test_a_heat_map_has_the_mean_of_each_cell() -> None:
    fast, slow = space("fast=10:12,slow=100:200:50").dimensions
    trials = [
        trial(0, 1.0, fast=10.0, slow=100.0),
        trial(1, 3.0, fast=10.0, slow=100.0),
        trial(2, 5.0, fast=12.0, slow=200.0),
    ]
    drawn = heat_map(trials, fast, slow)
    assert (drawn.xs, drawn.ys) == ((10.0, 11.0, 12.0), (100.0, 150.0, 200.0))
    assert drawn.cells == ((2.0, None, None), (None, None, None), (None, None, 5.0))
    assert drawn.counts == ((2, 0, 0), (0, 0, 0), (0, 0, 1))
    # A dimension without end is cut into cells, and every trial falls into one.
    (band,) = space("band=0.001:0.1:log").dimensions
    scattered = [trial(i, 1.0, fast=10.0, band=band.at(i / 99)) for i in range(100)]
    assert sum(map(sum, heat_map(scattered, band, fast).counts)) == 100


def test_near_copies_are_one_configuration() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 400))
    flat = np.zeros(400)
    table = np.stack([first, first * 2 + 0.1 * second, second, flat, flat, -first], axis=1)
    assert unlike(table) == [0, 2, 3, 5]


SOUND = Evidence(
    sample=SharpeSample(0.06, 5_000),
    configurations=500,
    variance=1e-5,
    overfitting=0.1,
    loss=0.02,
    efficiency=0.8,
    holdout=1.5,
    plateau=0.9,
    neighbours=40,
    trades=200,
    interval=Interval(1.0, 4.0, 0.95),
)


def test_what_passes_every_test_is_promoted_for_what_speaks_for_it() -> None:
    verdict = judge(SOUND)
    assert verdict.grade is Grade.PROMOTE
    assert len(verdict.reasons) == len(verdict.findings) == 8
    value = deflated(SOUND)
    assert value == deflated_sharpe(SharpeSample(0.06, 5_000), 500, 1e-5)
    assert "500 configurations" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("change", "test", "grade"),
    [
        ({"variance": 3e-4}, "deflated_sharpe", Grade.OVERFIT),
        ({"variance": 1.9e-4}, "deflated_sharpe", Grade.DOUBTFUL),
        ({"sample": None, "interval": None}, "deflated_sharpe", Grade.DOUBTFUL),
        ({"overfitting": 0.4, "loss": 0.2}, "overfitting", Grade.DOUBTFUL),
        ({"overfitting": 0.6, "loss": 0.2}, "overfitting", Grade.OVERFIT),
        ({"overfitting": None}, "overfitting", Grade.DOUBTFUL),
        ({"efficiency": 0.3}, "efficiency", Grade.DOUBTFUL),
        ({"efficiency": -0.1}, "efficiency", Grade.OVERFIT),
        ({"efficiency": None}, "efficiency", Grade.DOUBTFUL),
        ({"holdout": -0.5}, "holdout", Grade.DOUBTFUL),
        ({"holdout": None}, "holdout", Grade.DOUBTFUL),
        ({"plateau": 0.4}, "plateau", Grade.DOUBTFUL),
        ({"neighbours": 3}, "plateau", Grade.DOUBTFUL),
        ({"trades": 29}, "trades", Grade.DOUBTFUL),
        ({"interval": Interval(-0.1, 4.0, 0.95)}, "interval", Grade.DOUBTFUL),
    ],
)
def test_each_test_that_fails_is_a_reason(
    change: dict[str, object], test: str, grade: Grade
) -> None:
    verdict = judge(dataclasses.replace(SOUND, **change))  # type: ignore[arg-type]
    against = {one.test: one for one in verdict.findings if one.grade is not Grade.PROMOTE}
    assert verdict.grade is grade
    assert against[test].grade is grade
    assert against[test].says in verdict.reasons
    if len(change) == 1:
        assert list(against) == [test]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_reason_has_its_sentence_in_both_languages(language: str) -> None:
    """And the sentence asks for no figure that the reason has not."""
    web = Path(__file__).parents[2] / "web" / "src" / "i18n" / language / "study.ts"
    said = web.read_text("utf-8").split("studyReasons: {")[1]
    sentences = dict(re.findall(r'^    (\w+):\s+"(.*)",$', said.partition("\n  },")[0], re.M))
    ruin = {"efficiency": -math.inf, "plateau": -math.inf}
    nothing = dict.fromkeys(("sample", "overfitting", "efficiency", "holdout", "interval"))
    losing = SharpeSample(-0.01, 1_000, 0.0, 3.0)
    changes: list[dict[str, object]] = [{}, ruin, nothing | {"neighbours": 3}, {"sample": losing}]
    found = [
        one
        for change in changes
        for one in judge(dataclasses.replace(SOUND, **change)).findings  # type: ignore[arg-type]
    ]
    by_reason: dict[str, list[str]] = {}
    for name, sentence in sentences.items():  # of what is counted there is one for each number
        by_reason.setdefault(re.sub("_(one|other)$", "", name), []).append(sentence)
    assert {one.reason for one in found} == set(by_reason)
    for one in found:
        asked = [set(re.findall(r"\{\{(\w+)", sentence)) for sentence in by_reason[one.reason]]
        assert asked[-1] == set(one.values), one.reason
        assert all(each <= asked[-1] for each in asked)  # of one the number need not be said


def test_a_choice_that_hardly_ever_loses_is_sound_though_its_equals_rank_beside_it() -> None:
    among_equals = dataclasses.replace(SOUND, overfitting=0.6, loss=0.04)
    assert judge(among_equals).grade is Grade.PROMOTE


def test_a_record_that_is_too_short_says_how_long_it_would_have_to_be() -> None:
    short = dataclasses.replace(SOUND, sample=SharpeSample(0.06, 500), variance=0.0)
    (finding,) = [one for one in judge(short).findings if one.test == "track_record"]
    # MinTRL: 1 + (1 + 0.06²/2) · (1.644854/0.06)²
    assert finding.value == pytest.approx(1 + 1.0018 * (1.644854 / 0.06) ** 2, rel=1e-6)
    assert finding.grade is Grade.DOUBTFUL


def test_thresholds_can_be_set() -> None:
    strict = Thresholds(trades=1_000)
    assert judge(SOUND, strict).grade is Grade.DOUBTFUL


def test_processes_give_what_this_process_gives() -> None:
    bars = noise(1_200, 4)
    over = course(bars, WalkForward(Walk.ROLLING, 3))
    programs = [TREND.bind(fast=fast, slow=40) for fast in (5, 7, 9, 11, 13)]
    with workers(Backend.PROCESSES, 1) as here:
        alone = here.over(evaluate, over, programs)
    with workers(Backend.PROCESSES, 2) as two:
        shared = two.over(evaluate, over, programs)
        assert two.over(evaluate, over, []) == []
    assert [one.values for one in alone] == [one.values for one in shared]
    assert [one.folds for one in alone] == [one.folds for one in shared]


@pytest.mark.parametrize("backend", [Backend.RAY, Backend.DASK])
def test_a_cluster_whose_package_is_missing_says_which(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    package = {Backend.RAY: "ray", Backend.DASK: "distributed"}[backend]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CommendaError) as refused, workers(backend, 2):
        pass
    assert (refused.value.code, refused.value.field) == ("backend_missing", "backend")
    assert package in str(refused.value)


def test_a_bound_too_low_to_start_in_is_refused() -> None:
    with pytest.raises(CommendaError) as refused:
        be_modest(50, 0)
    assert (refused.value.code, refused.value.field) == ("bad_memory", "memory")


def test_workers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(CommendaError, match="No workers"), workers(jobs=0):
        pass
    with pytest.raises(CommendaError, match="no address"), workers(address="10.0.0.1:6379"):
        pass
