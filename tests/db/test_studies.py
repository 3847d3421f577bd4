"""Studies on a real database: the ledger, the verdict, kills and resumption, the command line."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import numpy as np
import psycopg
import pytest

from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.returns import deflated_sharpe
from commenda.strategies import catalogue
from commenda.studies import (
    Backend,
    Material,
    Plan,
    Sampler,
    StudyState,
    TrialState,
    WalkForward,
    count_trials,
    ledger_of,
    material_of_files,
    workers,
)
from commenda.studies.rules import sample_of
from extent import long
from study_histories import NOW, candles, noise, search, start, stored, told, trials

TREND = catalogue()["ema_trend"]


def planted(folder: Path, count: int = 4_000, seed: int = 1) -> Material:
    """A slow random walk with a deviation on top that dies away by a tenth an hour: reversion."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0.0, 0.004, count))
    away = np.zeros(count)
    shocks = rng.normal(0.0, 0.02 * (1.0 - 0.9**2) ** 0.5, count)
    for hour in range(1, count):
        away[hour] = 0.9 * away[hour - 1] + shocks[hour]
    return material_of_files(candles(folder / f"planted{seed}.parquet", walk + away))


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=long)])
def test_five_hundred_trials_on_noise_are_called_overfit(
    db: Database, tmp_path: Path, seed: int
) -> None:
    material = noise(tmp_path, seed=seed)
    study = start(db, material, Plan(trials=500, seed=seed), fixed={"stop": 0})
    result = search(db, study, material)
    assert result is not None
    # The search did find something that looks good where it learned.
    assert result["best"]["values"]["sharpe"] > 1.0
    assert result["verdict"] == "overfit"
    against = {one["test"] for one in result["findings"] if one["grade"] != "promote"}
    assert "deflated_sharpe" in against
    assert result["reasons"] == [
        one["says"] for one in result["findings"] if one["grade"] != "promote"
    ]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=long)])
def test_five_hundred_trials_on_a_planted_edge_are_promoted(
    db: Database, tmp_path: Path, seed: int
) -> None:
    material = planted(tmp_path, seed=seed)
    study = start(db, material, Plan(trials=500, seed=seed), fixed={"stop": 0})
    result = search(db, study, material)
    assert result is not None
    assert result["verdict"] == "promote", result["reasons"]
    # It is as profitable on another history of the same kind, which no study has seen.
    other = planted(tmp_path, seed=seed + 100)
    chosen = result["best"]["params"]
    only = ",".join(f"{name}={chosen[name]!r}" for name in ("window", "entry", "exit"))
    plan = Plan(sampler=Sampler.GRID, trials=1, walk=None)
    fresh = search(db, start(db, other, plan, space=only, fixed={"stop": 0}), other)
    assert fresh is not None
    assert fresh["best"]["values"]["sharpe"] > 4.0


def test_configurations_are_counted_once_over_all_studies_of_a_strategy_and_its_bars(
    db: Database, tmp_path: Path
) -> None:
    material = noise(tmp_path, 1_500)
    grid = Plan(sampler=Sampler.GRID, trials=100)
    few = start(db, material, grid, TREND, "fast=5:9,slow=20:40:10")
    more = start(db, material, grid, TREND, "fast=7:12,slow=30:50:10")
    elsewhere = noise(tmp_path, 1_500, seed=2)
    other = start(db, elsewhere, grid, TREND, "fast=5:9,slow=20:40:10")
    search(db, few, material, TREND)
    first = stored(db, few).result
    search(db, other, elsewhere, TREND)
    second = search(db, more, material, TREND)
    assert first is not None
    assert second is not None
    assert first["evidence"]["configurations"] == 15
    ratios = {
        tuple(one.params.values()): one.outcome.sharpe or 0.0
        for study in (few, more)
        for one in trials(db, study)
        if one.outcome
    }
    # 15 and 18, of which fast 7 to 9 by slow 30 and 40 are in both
    assert len(ratios) == second["evidence"]["configurations"] == 15 + 18 - 6
    variance = float(np.var(list(ratios.values()), ddof=1))
    assert second["evidence"]["variance"] == pytest.approx(variance)
    best = trials(db, more)[second["best"]["number"]].outcome
    assert best is not None
    sample = sample_of(best)
    assert sample is not None
    (found,) = [one for one in second["findings"] if one["test"] == "deflated_sharpe"]
    assert found["value"] == pytest.approx(deflated_sharpe(sample, 27, variance))


def test_the_same_study_again_finds_its_best_less_convincing(db: Database, tmp_path: Path) -> None:
    material = planted(tmp_path, 1_500)
    plan = Plan(trials=40, walk=WalkForward(folds=3))
    values = []
    for seed in range(3):
        study = start(db, material, dataclasses.replace(plan, seed=seed))
        result = search(db, study, material)
        assert result is not None
        values.append(result["evidence"]["configurations"])
    assert values[0] < values[1] < values[2]


def test_nobody_takes_a_trial_back(db: Database, tmp_path: Path) -> None:
    material = noise(tmp_path, 1_500)
    study = start(db, material, Plan(trials=8, walk=WalkForward(folds=2)))
    search(db, study, material)
    for statement in (
        "DELETE FROM study_trials",
        "DELETE FROM studies",
        "UPDATE study_trials SET params = '{}'",
        "UPDATE studies SET strategy = 'another'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), db.transaction() as tx:
            tx.execute(statement)


@pytest.mark.parametrize("sampler", list(Sampler))
def test_every_sampler_fulfils_its_plan(db: Database, tmp_path: Path, sampler: Sampler) -> None:
    material = noise(tmp_path, 1_500)
    space = "window=10:60:10,entry=1:3:0.5"
    plan = Plan(sampler=sampler, trials=30, walk=WalkForward(folds=3), seed=2)
    study = start(db, material, plan, space=space)
    assert search(db, study, material) is not None
    found = trials(db, study)
    assert [one.number for one in found] == list(range(30))
    assert all(one.outcome and one.outcome.state is TrialState.COMPLETE for one in found)
    assert all(one.outcome and len(one.outcome.folds) == 3 for one in found)
    if sampler is Sampler.GRID:
        assert len({tuple(one.params.values()) for one in found}) == 30
    done = stored(db, study)
    assert (done.state, done.finished_at) == (StudyState.COMPLETE, NOW + timedelta(hours=1))


def test_a_grid_ends_when_all_of_it_was_tried(db: Database, tmp_path: Path) -> None:
    material = noise(tmp_path, 1_500)
    plan = Plan(sampler=Sampler.GRID, trials=500, walk=WalkForward(folds=2))
    study = start(db, material, plan, TREND, "fast=5:8,slow=20:60:20")
    search(db, study, material, TREND)
    assert len(trials(db, study)) == 12


def test_several_objectives_have_a_front(db: Database, tmp_path: Path) -> None:
    material = planted(tmp_path, 1_500)
    plan = Plan(
        sampler=Sampler.NSGA2,
        trials=60,
        objectives=("total_return", "turnover"),
        walk=WalkForward(folds=3),
    )
    study = start(db, material, plan)
    result = search(db, study, material)
    assert result is not None
    values = {one.number: one.outcome.values for one in trials(db, study) if one.outcome}
    front = result["front"]
    assert front
    for number in front:
        gain, turnover = values[number]
        assert not any(
            g >= gain and t <= turnover and (g, t) != (gain, turnover) for g, t in values.values()
        )
    assert max(values[number][0] for number in front) == max(g for g, _ in values.values())


@pytest.mark.parametrize("sampler", list(Sampler))
def test_what_the_strategy_refuses_is_noted_and_not_counted(
    db: Database, tmp_path: Path, sampler: Sampler
) -> None:
    material = noise(tmp_path, 1_500)
    plan = Plan(sampler=sampler, trials=30, walk=WalkForward(folds=2), seed=3)
    study = start(db, material, plan, TREND, "fast=5:50,slow=6:50")
    search(db, study, material, TREND)
    with db.transaction() as tx:
        counts = count_trials(tx, study.id)
        ledger = ledger_of(tx, "ema_trend", study.data_hash)
    assert counts["complete"] == 30
    assert (counts.get("failed", 0) == 0) == (sampler is Sampler.GRID)  # it knows beforehand
    assert ledger.configurations <= 30
    failed = [one.outcome for one in trials(db, study) if one.outcome and one.outcome.reason]
    assert {one.reason for one in failed} <= {"fast is not below slow"}


def test_a_space_that_is_refused_whole_fails_the_study(db: Database, tmp_path: Path) -> None:
    material = noise(tmp_path, 1_500)
    study = start(db, material, Plan(trials=3, walk=None), TREND, "fast=50:60,slow=20:30")
    with pytest.raises(CommendaError) as refused:
        search(db, study, material, TREND)
    assert refused.value.code == "nothing_ran"
    assert stored(db, study).state is StudyState.FAILED


def test_pruned_trials_saw_a_part_of_the_history_and_are_counted(
    db: Database, tmp_path: Path
) -> None:
    material = planted(tmp_path, 2_000)
    plan = Plan(trials=80, pruning=True, walk=WalkForward(folds=3))
    study = start(db, material, plan)
    search(db, study, material)
    found = [one.outcome for one in trials(db, study) if one.outcome]
    pruned = [one for one in found if one.state is TrialState.PRUNED]
    assert len(found) == 80
    assert 10 < len(pruned) < 70
    assert {one.bars for one in pruned} <= {500, 1_000}
    assert all(len(one.rungs) == (1 if one.bars == 500 else 2) for one in pruned)
    with db.transaction() as tx:
        ledger = ledger_of(tx, "zscore_reversion", study.data_hash)
    assert ledger.configurations == len({tuple(one.params.values()) for one in trials(db, study)})


def test_the_number_of_workers_changes_nothing(db: Database, tmp_path: Path) -> None:
    material = noise(tmp_path, 1_500)
    plan = Plan(trials=24, walk=WalkForward(folds=3), pruning=True)
    one = start(db, material, plan)
    two = start(db, material, plan, now=NOW + timedelta(hours=1))
    search(db, one, material)
    with workers(Backend.PROCESSES, 2) as hands:
        search(db, two, material, hands=hands)
    assert told(trials(db, one)) == told(trials(db, two))
