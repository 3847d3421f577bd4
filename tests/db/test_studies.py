"""Studies on a real database: the ledger, the verdict, kills and resumption, the command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import psycopg
import pytest
from typer.testing import CliRunner

from commenda.cli import app
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.returns import deflated_sharpe
from commenda.strategies import Strategy, catalogue
from commenda.studies import (
    Backend,
    Material,
    Plan,
    Sampler,
    Study,
    StudyState,
    Trial,
    TrialState,
    WalkForward,
    Workers,
    begin,
    cancel,
    count_trials,
    find_study,
    ledger_of,
    material_again,
    material_of_files,
    run,
    space_of,
    texts_of,
    trials_of,
    workers,
)
from commenda.studies.rules import sample_of
from commenda.studies.running import alone
from extent import long
from processes import Process, until

NOW = datetime(2025, 6, 1, tzinfo=UTC)
START = datetime(2025, 1, 1, tzinfo=UTC)
REVERSION = catalogue()["zscore_reversion"]
TREND = catalogue()["ema_trend"]
WINDOWS = "window=10:200,entry=0.5:3,exit=0:0.4"
CROSS = "fast=5:50,slow=20:200:10"


# --- Histories ---------------------------------------------------------------------------------


def candles(file: Path, logs: np.ndarray) -> Path:
    """Hourly candles whose closes are 100 · exp(logs), as a Parquet file."""
    close = 100.0 * np.exp(logs)
    opening = np.concatenate(([100.0], close[:-1]))
    pl.DataFrame(
        {
            "ts": [START + timedelta(hours=hour) for hour in range(close.size)],
            "open": opening,
            "high": np.maximum(opening, close) * 1.0005,
            "low": np.minimum(opening, close) * 0.9995,
            "close": close,
            "volume": np.full(close.size, 1e6),
        }
    ).write_parquet(file)
    return file


def noise(folder: Path, count: int = 4_000, seed: int = 1) -> Material:
    """A random walk: whatever is found in it is luck."""
    moves = np.random.default_rng(seed).normal(0.0, 0.01, count)
    return material_of_files(candles(folder / f"noise{seed}.parquet", np.cumsum(moves)))


def planted(folder: Path, count: int = 4_000, seed: int = 1) -> Material:
    """A slow random walk with a deviation on top that dies away by a tenth an hour: reversion."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0.0, 0.004, count))
    away = np.zeros(count)
    shocks = rng.normal(0.0, 0.02 * (1.0 - 0.9**2) ** 0.5, count)
    for hour in range(1, count):
        away[hour] = 0.9 * away[hour - 1] + shocks[hour]
    return material_of_files(candles(folder / f"planted{seed}.parquet", walk + away))


# --- Studies -----------------------------------------------------------------------------------


def start(
    db: Database,
    material: Material,
    plan: Plan,
    strategy: Strategy = REVERSION,
    space: str = WINDOWS,
    fixed: Mapping[str, object] | None = None,
    now: datetime = NOW,
) -> Study:
    found = space_of(strategy, texts_of(space), fixed)
    with db.transaction() as tx:
        return begin(tx, strategy, material, found, plan, now, asked_by="tests")


def search(
    db: Database,
    study: Study,
    material: Material,
    strategy: Strategy = REVERSION,
    hands: Workers | None = None,
    **options: Any,
) -> dict[str, Any] | None:
    clock = lambda: NOW + timedelta(hours=1)  # noqa: E731
    return run(db, study, strategy, material, hands or Workers(1, None), clock, **options)


def trials(db: Database, study: Study) -> list[Trial]:
    with db.transaction() as tx:
        return trials_of(tx, study.id, tuple(study.space))


def stored(db: Database, study: Study) -> Study:
    with db.transaction() as tx:
        found = find_study(tx, study.id)
    assert found is not None
    return found


def told(found: list[Trial]) -> list[tuple[Any, ...]]:
    """What must be equal of two studies that did the same."""
    return [
        (
            one.number,
            one.params,
            one.outcome
            and (one.outcome.state, one.outcome.values, one.outcome.folds, one.outcome.sharpe),
        )
        for one in found
    ]


# --- The demonstration -------------------------------------------------------------------------


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


# --- The ledger --------------------------------------------------------------------------------


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


# --- Searching ---------------------------------------------------------------------------------


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


# --- Stopping and going on ---------------------------------------------------------------------


class Killed(Exception):
    pass


def kill_after(batches: int) -> Callable[[object], None]:
    """What a study calls after every batch: the given one is its last."""
    left = [batches]

    def seen(_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    return seen


@pytest.mark.parametrize("sampler", list(Sampler))
def test_a_killed_study_ends_as_if_it_had_not_been(
    db: Database, tmp_path: Path, sampler: Sampler
) -> None:
    material = noise(tmp_path, 1_500)
    space = "window=10:100:5,entry=0.75:3:0.25"
    plan = Plan(sampler=sampler, trials=60, walk=WalkForward(folds=3), seed=4)
    straight = start(db, material, plan, space=space)
    killed = start(db, material, plan, space=space, now=NOW + timedelta(hours=1))
    search(db, straight, material)
    for batches in (2, 5):
        with pytest.raises(Killed):
            search(db, killed, material, seen=kill_after(batches))
    # As a kill in the middle of a batch leaves it: noted, and two of it not finished.
    with psycopg.connect(db.owner_url) as owner:
        owner.execute(
            "UPDATE study_trials SET state = 'running', \"values\" = '{}', folds = '{}'"
            " WHERE study_id = %s AND number IN (37, 39)",
            (killed.id,),
        )
    assert stored(db, killed).state is StudyState.RUNNING
    assert search(db, killed, material) is not None
    assert told(trials(db, killed)) == told(trials(db, straight))


def test_a_cancelled_study_stops_after_its_batch_and_stays_in_the_ledger(
    db: Database, tmp_path: Path
) -> None:
    material = noise(tmp_path, 1_500)
    study = start(db, material, Plan(trials=80, walk=WalkForward(folds=2)))

    def stop(_: object) -> None:
        with db.transaction() as tx:
            cancel(tx, study.id, NOW, "enough")

    assert search(db, study, material, seen=stop) is None
    found = stored(db, study)
    assert (found.state, found.reason, found.result) == (StudyState.CANCELLED, "enough", None)
    assert len(trials(db, study)) == 8
    with db.transaction() as tx:
        assert ledger_of(tx, "zscore_reversion", study.data_hash).configurations == 8
        assert not cancel(tx, study.id, NOW, "again")


def test_a_study_runs_in_one_process_at_a_time(db: Database, tmp_path: Path) -> None:
    material = noise(tmp_path, 1_500)
    study = start(db, material, Plan(trials=8, walk=None))
    with alone(db, study.id), pytest.raises(CommendaError) as refused:
        search(db, study, material)
    assert refused.value.code == "study_is_running"
    assert search(db, study, material) is not None


def test_another_history_or_another_source_cannot_go_on(db: Database, tmp_path: Path) -> None:
    material = noise(tmp_path, 1_500)
    study = start(db, material, Plan(trials=8, walk=None))
    with db.transaction() as tx:
        again = material_again(tx, tmp_path, study.data, study.data_hash, study.funding_hash)
    assert again.sha256 == material.sha256
    candles(tmp_path / "noise1.parquet", np.zeros(1_500))
    with pytest.raises(CommendaError) as refused, db.transaction() as tx:
        material_again(tx, tmp_path, study.data, study.data_hash, study.funding_hash)
    assert refused.value.code == "data_changed"
    edited = dataclasses.replace(REVERSION, source_hash="0" * 64)
    with pytest.raises(CommendaError) as refused:
        search(db, study, material, edited)
    assert refused.value.code == "source_changed"


def test_studies_that_could_not_run_are_refused_before_they_are_stored(
    db: Database, tmp_path: Path
) -> None:
    material = noise(tmp_path, 1_500)
    refusals: list[tuple[str, Callable[[], object]]] = [
        ("short_history", lambda: start(db, material, Plan(), space="window=10:5000")),
        ("endless_dimension", lambda: start(db, material, Plan(sampler=Sampler.GRID))),
        (
            "grid_too_large",
            lambda: start(
                db,
                material,
                Plan(sampler=Sampler.GRID),
                space="window=10:200,entry=0.5:3:0.01,exit=0:0.4:0.01",
            ),
        ),
    ]
    for code, attempt in refusals:
        with pytest.raises(CommendaError) as refused:
            attempt()
        assert refused.value.code == code
    with db.transaction() as tx:
        assert tx.execute("SELECT count(*) FROM studies").fetchone() == (0,)


# --- The command line --------------------------------------------------------------------------


@pytest.fixture
def shell(db: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`commenda study …` on the tests' database, as JSON where asked."""
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)

    def command(*arguments: str) -> Any:
        result = CliRunner().invoke(app, ["study", *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.stdout

    return command


MODEST = ("--nice", "0", "--memory", "0")


def test_a_study_is_run_listed_and_shown(shell: Callable[..., Any], tmp_path: Path) -> None:
    noise(tmp_path, 1_500)
    page = tmp_path / "study.html"
    asked = (
        "run", "ema_trend", "--data", str(tmp_path / "noise1.parquet"), "--space", CROSS,
        "--params", "stop=0", "--trials", "40", "--walk-forward", "rolling:3", "--embargo", "10",
        "--seed", "7", *MODEST,
    )  # fmt: skip
    found = shell(*asked, "--json", "--html", str(page))
    assert (found["state"], found["ran"], found["strategy"]) == ("complete", 40, "ema_trend")
    assert found["verdict"] in ("promote", "doubtful", "overfit")
    assert found["result"]["best"]["params"]["stop"] == 0
    assert len(found["result"]["walked"]) == 3
    assert found["result"]["heat_maps"][0]["x"] == "fast"
    written = page.read_text("utf-8")
    assert found["id"] in written
    tried = found["result"]["evidence"]["configurations"]
    assert f'<dt>Configurations tried</dt><dd class="num figure ">{tried}<' in written
    assert "http" not in written.replace("http-equiv", "").replace("http://www.w3.org", "")
    listed = shell("list", "--json")
    assert [one["id"] for one in listed] == [found["id"]]
    shown = shell("show", found["id"][:8], "--json")
    assert shown == found
    assert f"verdict: {found['verdict']}" in shell("show", found["id"])
    assert "ema_trend" in shell("list")
    # Done: resuming it shows it and runs nothing.
    assert shell("resume", found["id"], *MODEST, "--json") == found
    assert "complete already" in shell("cancel", found["id"])


def test_a_study_with_funding_charges_it(shell: Callable[..., Any], tmp_path: Path) -> None:
    noise(tmp_path, 1_500)
    stamps = [START + timedelta(hours=8 * i) for i in range(190)]
    paid = pl.DataFrame({"ts": stamps, "rate": [0.01] * len(stamps)})
    paid.write_parquet(tmp_path / "rates.parquet")
    asked = (
        "run", "ema_trend", "--data", str(tmp_path / "noise1.parquet"), "--space", "fast=5:8",
        "--params", "slow=20", "--sampler", "grid", "--walk-forward", "none", *MODEST, "--json",
        "--objective", "total_return",
    )  # fmt: skip
    free = shell(*asked)
    charged = shell(*asked, "--funding", str(tmp_path / "rates.parquet"))
    assert charged["value"] != free["value"]
    # The same bars: the second study counts what the first tried, once.
    assert charged["result"]["evidence"]["configurations"] == 4


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--space", "fast"), "bad_space"),
        (("--space", CROSS, "--objective", "luck"), "bad_study"),
        (("--space", CROSS, "--walk-forward", "sideways"), "bad_walk_forward"),
        (("--space", CROSS, "--params", "stop=much"), "bad_params"),
        (("--space", CROSS, "--fee", "-1"), "bad_costs"),
        (("--space", CROSS, "--marks", "marks.parquet"), "marks_without_funding"),
        (("--space", CROSS, "--slippage", "nan"), "bad_costs"),
        (("--space", CROSS, "--html", "/nowhere/at/all.html"), "no_such_folder"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_database_is_opened(
    tmp_path: Path, arguments: tuple[str, ...], code: str
) -> None:
    noise(tmp_path, 500)
    asked = ["study", "run", "ema_trend", "--data", str(tmp_path / "noise1.parquet"), *arguments]
    refused = CliRunner().invoke(app, asked).exception
    assert isinstance(refused, CommendaError)
    assert refused.code == code


def test_an_unknown_study_is_refused(shell: Callable[..., Any]) -> None:
    with pytest.raises(CommendaError) as refused:
        shell("show", "abc")
    assert refused.value.code == "unknown_study"


def test_a_study_killed_by_the_system_is_resumed_to_the_same_end(
    db: Database, shell: Callable[..., Any], tmp_path: Path
) -> None:
    noise(tmp_path, 3_000)
    asked = (
        "run", "zscore_reversion", "--data", str(tmp_path / "noise1.parquet"), "--space", WINDOWS,
        "--trials", "400", "--seed", "3", "--batch", "4",
    )  # fmt: skip
    process = Process(tmp_path / "log", "study", *asked, COMMENDA_DATABASE_URL=db.owner_url)

    def finished() -> int:
        with db.transaction() as tx:
            row = tx.execute("SELECT count(*) FROM study_trials WHERE state = 'complete'")
            found = row.fetchone()
        return found[0] if found else 0

    until("a third of the trials", lambda: finished() > 120, 60, process)
    process.kill()
    (killed,) = shell("list", "--json")
    assert killed["state"] == "running"
    assert 120 < killed["ran"] < 400
    resumed = shell("resume", killed["id"], *MODEST, "--json")
    assert (resumed["state"], resumed["ran"]) == ("complete", 400)
    straight = shell(*asked, *MODEST, "--json")
    assert resumed["id"] != straight["id"]
    with db.transaction() as tx:
        names = ("window", "entry", "exit")
        both = [
            told(trials_of(tx, study.id, names))
            for study in (find_study(tx, UUID(one["id"])) for one in (resumed, straight))
            if study is not None
        ]
    assert len(both[0]) == 400
    assert both[0] == both[1]
    assert resumed["best"] == straight["best"]


# --- Clusters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("backend", "package"), [("ray", "ray"), ("dask", "distributed")])
def test_a_local_cluster_of_two_workers_gives_the_same_study(
    db: Database, tmp_path: Path, backend: str, package: str
) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed: pip install {package}")
    material = noise(tmp_path, 1_500)
    plan = Plan(trials=16, walk=WalkForward(folds=3))
    here = start(db, material, plan)
    there = start(db, material, plan, now=NOW + timedelta(hours=1))
    search(db, here, material)
    with workers(Backend(backend), 2) as hands:
        search(db, there, material, hands=hands)
    assert told(trials(db, here)) == told(trials(db, there))
