"""Samplers, pruning and plans."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from commenda.kernel import Costs, FeeTier
from commenda.kit.errors import CommendaError
from commenda.studies import (
    OBJECTIVES,
    Outcome,
    Plan,
    Sampler,
    Space,
    TrialState,
    Walk,
    WalkForward,
)
from commenda.studies.gaussian import expected_improvement, fit_lengths, predict
from commenda.studies.plain import plain, plan_of
from commenda.studies.search import Search, search_of
from study_outcomes import space

PLAIN = "fast=5:50,band=0.001:0.1:log"


def height(params: dict[str, float]) -> float:
    """A hill over `PLAIN` with its top of 1 at fast 30, band 0.01."""
    away = ((params["fast"] - 30.0) / 45.0) ** 2 + (math.log10(params["band"] / 0.01) / 2.0) ** 2
    return 1.0 - away


def climb(
    plan: Plan,
    over: Space,
    value: Callable[[dict[str, float]], Sequence[float]],
    recorded: Sequence[dict[str, float]] = (),
) -> list[dict[str, float]]:
    """What a search asks for, told the value of each."""
    search = search_of(plan, over, lambda _: True)
    tried: list[dict[str, float]] = []
    while len(tried) < plan.trials:
        count = min(plan.batch, plan.trials - len(tried))
        asked = search.ask(count, recorded[len(tried) : len(tried) + count])
        if not asked:
            break
        for one in asked:
            outcome = Outcome(TrialState.COMPLETE, values=tuple(value(one.params)))
            search.tell(one, outcome)
            tried.append(one.params)
    return tried


@pytest.mark.parametrize("sampler", [Sampler.TPE, Sampler.GP, Sampler.CMAES, Sampler.NSGA2])
def test_each_sampler_climbs_better_than_chance(sampler: Sampler) -> None:
    over = space(PLAIN)
    rng = np.random.default_rng(0)
    drawn = [{d.name: d.at(rng.random()) for d in over.dimensions} for _ in range(4_000)]
    chance = np.mean([height(one) for one in drawn])
    for seed in range(3):
        tried = climb(Plan(sampler=sampler, trials=100, seed=seed), over, lambda p: [height(p)])
        assert len(tried) == 100
        assert all(5 <= one["fast"] <= 50 and one["fast"] % 1 == 0 for one in tried)
        last = np.mean([height(one) for one in tried[60:]])
        assert last > chance + 0.4 * (1.0 - chance)


@pytest.mark.parametrize("sampler", list(Sampler))
def test_a_search_that_is_asked_again_stands_where_it_stood(sampler: Sampler) -> None:
    over = space("fast=5:50,stop=0|0.02|0.05" if sampler is Sampler.GRID else PLAIN)

    def value(params: dict[str, float]) -> list[float]:
        return [params["fast"] * (1.0 + 10.0 * params.get("stop", params.get("band", 0.0)))]

    plan = Plan(sampler=sampler, trials=60, seed=5)
    first = climb(plan, over, value)
    assert climb(plan, over, value, recorded=first[:36]) == first
    assert climb(dataclasses.replace(plan, seed=6), over, value) != first


def test_recorded_configurations_are_told_though_the_sampler_would_choose_others() -> None:
    over = space(PLAIN)
    plan = Plan(sampler=Sampler.TPE, trials=80, seed=1)
    others = climb(dataclasses.replace(plan, seed=2), over, lambda p: [height(p)])[:40]
    tried = climb(plan, over, lambda p: [height(p)], recorded=others)
    assert tried[:40] == others
    # What it was told is of use to it: it goes on near the top.
    assert np.mean([height(one) for one in tried[40:]]) > 0.9


def test_a_grid_is_tried_whole_without_what_the_strategy_refuses() -> None:
    over = space("fast=5:9,slow=6:10")
    search = search_of(Plan(sampler=Sampler.GRID), over, lambda p: p["fast"] < p["slow"])
    asked = [one.params for one in search.ask(1_000)]
    points = {(one["fast"], one["slow"]) for one in asked}
    assert len(asked) == len(points) == 15
    assert points == {(f, s) for f in range(5, 10) for s in range(6, 11) if f < s}
    assert search.ask(8) == []


def test_two_objectives_find_a_front_and_one_sampler_for_each_is_refused() -> None:
    # Nearer to fast 10 is farther from fast 40: the front lies between them, where slow is least.
    def apart(params: dict[str, float]) -> list[float]:
        worse = params["slow"] / 10.0
        return [abs(params["fast"] - 10.0) + worse, -abs(params["fast"] - 40.0) - worse]

    plan = Plan(sampler=Sampler.NSGA2, trials=300, objectives=("max_drawdown", "sharpe"), seed=3)
    tried = climb(plan, space("fast=2:100,slow=101:1001,band=0:0.1"), apart)
    inside = [10 <= one["fast"] <= 40 for one in tried]
    assert np.mean(inside[250:]) > 0.7 > 0.5 > np.mean(inside[:30])
    slow = [one["slow"] for one in tried]
    assert np.mean(slow[250:]) < 350 < 400 < np.mean(slow[:30])
    for sampler in (Sampler.GP, Sampler.CMAES):
        with pytest.raises(CommendaError) as refused:
            Plan(sampler=sampler, objectives=("sharpe", "turnover"))
        assert (refused.value.code, refused.value.field) == ("bad_study", "sampler")


def prune(search: Search, value: float) -> bool:
    (asked,) = search.ask(1)
    hopeless = search.hopeless(asked, 0, value)
    state = TrialState.PRUNED if hopeless else TrialState.COMPLETE
    values = () if hopeless else (value,)
    search.tell(asked, Outcome(state, values=values, rungs=(value,)))
    return hopeless


@pytest.mark.parametrize("objective", ["sharpe", "max_drawdown"])
def test_what_starts_worse_than_the_median_is_given_up(objective: str) -> None:
    sign = 1.0 if OBJECTIVES[objective].maximise else -1.0
    plan = Plan(objectives=(objective,), pruning=True)
    search = search_of(plan, space(PLAIN), lambda _: True)
    assert not any(prune(search, sign * value) for value in range(10))  # not yet
    assert prune(search, sign * 4.0)
    assert not prune(search, sign * 6.0)


def test_a_gaussian_process_passes_through_what_it_was_shown() -> None:
    rng = np.random.default_rng(1)
    points = rng.random((40, 2))
    values = np.sin(6.0 * points[:, 0])  # the second dimension says nothing
    hyper = fit_lengths(points, values - values.mean(), rng)
    assert hyper[1] > 2.0 * hyper[0]
    mean, deviation = predict(points, values - values.mean(), points, hyper[:-1], 1e-6)
    assert mean + values.mean() == pytest.approx(values, abs=1e-2)
    far = np.array([[5.0, 5.0]])
    assert predict(points, values, far, hyper[:-1], 1e-6)[1] > deviation.max()


def test_expected_improvement_by_drawing() -> None:
    rng = np.random.default_rng(3)
    for mean, deviation in ((0.0, 1.0), (1.5, 0.5), (-2.0, 1.0)):
        drawn = np.maximum(rng.normal(mean, deviation, 400_000) - 1.0, 0.0).mean()
        found = expected_improvement(np.array([mean]), np.array([deviation]), 1.0)
        assert found[0] == pytest.approx(drawn, abs=3e-3)


def test_plans_that_make_no_sense_are_refused_and_the_others_are_kept() -> None:
    for wrong in (
        {"trials": 0},
        {"batch": 0},
        {"seed": -1},
        {"cash": 0.0},
        {"objectives": ()},
        {"objectives": ("luck",)},
        {"objectives": ("sharpe", "sharpe")},
        {"objectives": ("sharpe", "calmar"), "pruning": True},
    ):
        with pytest.raises(CommendaError) as refused:
            Plan(**wrong)  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.field) == (
            "bad_study",
            next(iter(wrong)) if len(wrong) == 1 else "pruning",
        )
    graded = Costs(fee_bps=4.0, tiers=(FeeTier(1e6, 3.0, 1.0),))
    for plan in (Plan(walk=None, seed=9), Plan(walk=WalkForward(Walk.PURGED, 7, 3), costs=graded)):
        assert plan_of(plain(plan)) == plan
