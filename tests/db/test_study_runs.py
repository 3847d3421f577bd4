"""Studies that are stopped, killed and resumed, on the command line and over several workers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import psycopg
import pytest
from typer.testing import CliRunner

from commenda.cli import app
from commenda.kit import clock
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.times import iso
from commenda.studies import (
    Backend,
    Plan,
    Sampler,
    StudyState,
    WalkForward,
    cancel,
    find_study,
    ledger_of,
    material_again,
    trials_of,
    workers,
)
from commenda.studies.running import alone
from processes import Process, until
from study_histories import (
    NOW,
    REVERSION,
    START,
    WINDOWS,
    candles,
    noise,
    search,
    start,
    stored,
    told,
    trials,
)

CROSS = "fast=5:50,slow=20:200:10"


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


def test_a_study_is_run_listed_and_shown(
    db: Database, shell: Callable[..., Any], tmp_path: Path
) -> None:
    noise(tmp_path, 1_500)
    page = tmp_path / "study.html"
    with db.transaction() as tx:
        clock.advance(tx, START)
    asked = (
        "run", "ema_trend", "--data", str(tmp_path / "noise1.parquet"), "--space", CROSS,
        "--params", "stop=0", "--trials", "40", "--walk-forward", "rolling:3", "--embargo", "10",
        "--seed", "7", *MODEST,
    )  # fmt: skip
    found = shell(*asked, "--json", "--html", str(page))
    assert (found["state"], found["ran"], found["strategy"]) == ("complete", 40, "ema_trend")
    assert found["created_at"] == found["finished_at"] == iso(START), "business time"
    assert found["verdict"] in ("promote", "doubtful", "overfit")
    assert found["result"]["best"]["params"]["stop"] == 0
    assert len(found["result"]["walked"]) == 3
    assert found["result"]["heat_maps"][0]["x"] == "fast"
    told = page.read_text("utf-8").partition('<script type="application/json" id="report">')[2]
    written = json.loads(told.partition("</script>")[0])
    assert written["kind"] == "study"
    assert written["data"]["study"]["id"] == found["id"]
    assert written["data"]["result"]["best"]["params"] == found["result"]["best"]["params"]
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
        (("--space", CROSS, "--slippage", "-0.1"), "bad_costs"),
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
