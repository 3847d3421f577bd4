"""Workers that are killed, cut off or replaced by another release: real processes, kill -9."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

import durable_worker as toy
from commenda.kit import durable, slots
from commenda.kit.db import Database
from commenda.kit.durable import Durable
from commenda.kit.embedded import EmbeddedServer
from commenda.kit.outbox import enqueue, failures, wait
from commenda.settings import Settings
from durable_setting import column, database, effects, launch, put, start  # noqa: F401 - fixtures
from extent import up_to


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("durable")


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Database]:
    with Database.open(Settings(data=data)) as database:
        durable.prepare(database.owner_url)
        with psycopg.connect(database.owner_url) as owner:
            owner.execute(toy.TABLES)
        yield database


@pytest.fixture
def worker(database: Database) -> Iterator[Durable]:
    """A worker in this process."""
    running = launch(database)
    yield running
    running.stop(0)


def eventually(happens: Callable[[], bool], timeout: float = 15.0) -> None:
    deadline = time.monotonic() + timeout
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def test_every_step_happens_exactly_once_however_often_the_worker_is_killed(
    database: Database, start: Callable[[], tuple[subprocess.Popen[str], int]], seed: int
) -> None:
    draw = random.Random(seed)
    workflows: list[str] = []
    for kill in range(up_to(3, 7)):
        with database.transaction() as tx:
            for _ in range(12):
                workflows.append(f"w{len(workflows)}")
                enqueue(
                    tx,
                    "toy.six_steps",
                    workflows[-1],
                    workflow_id=workflows[-1],
                    queue=toy.PLAIN,
                )
        before = len(effects(database))
        began = time.monotonic()
        process, slot = start()
        assert slot == 0
        eventually(lambda before=before: len(effects(database)) > before)  # type: ignore[misc]
        resumed = time.monotonic() - began
        time.sleep(draw.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        print(f"kill {kill}: the first step was done {resumed:.2f} s after the start")
    start()
    wait(database, timeout=90)

    done = effects(database)
    assert sorted(done) == sorted(f"{w}: step {n}" for w in workflows for n in range(6))
    for workflow in workflows:
        steps = effects(database, workflow)
        assert all(one < next_one for one, next_one in pairwise(steps))
    assert column(database, "SELECT amount FROM balances WHERE name = 'a'") == [len(done)]
    interrupted = "SELECT count(*) FROM dbos.workflow_status WHERE recovery_attempts > 1"
    assert column(database, interrupted) > [0]


def test_a_second_worker_takes_another_slot_and_adopts_a_dead_workers_work(
    database: Database, start: Callable[[], tuple[subprocess.Popen[str], int]]
) -> None:
    first, slot_of_first = start()
    _, slot_of_second = start()
    assert (slot_of_first, slot_of_second) == (0, 1)
    names = [f"w{n}" for n in range(8)]
    for name in names:
        put(database, "toy.slow", name, workflow_id=name)
    of_first = (
        "SELECT workflow_uuid FROM dbos.workflow_status"
        " WHERE executor_id = 'worker-0' AND status = 'PENDING'"
    )
    eventually(lambda: bool(column(database, of_first)))
    first.kill()
    first.wait()
    assert column(database, of_first)
    wait(database)
    assert sorted(effects(database)) == sorted(f"{w}: {e}" for w in names for e in ("begin", "end"))
    assert column(database, "SELECT DISTINCT executor_id FROM dbos.workflow_status") == ["worker-1"]


def test_a_crash_of_the_server_loses_nothing_and_repeats_nothing(
    database: Database, data: Path, start: Callable[[], tuple[subprocess.Popen[str], int]]
) -> None:
    start()
    start()
    names = [f"w{n}" for n in range(40)]
    for name in names:
        put(database, "toy.six_steps", name, workflow_id=name)
    eventually(lambda: len(effects(database)) > 30)
    postmaster = int((data / "postgres/postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGQUIT)  # an immediate shutdown: recovery at the next start
    eventually(lambda: not (data / "postgres/postmaster.pid").exists())
    time.sleep(0.3)  # long enough for every worker to meet a server that is down
    EmbeddedServer.start(data / "postgres")
    wait(database)
    with database.transaction() as tx:
        assert failures(tx) == []
    assert sorted(effects(database)) == sorted(f"{w}: step {n}" for w in names for n in range(6))


def test_the_slot_of_a_dead_worker_is_free(
    database: Database, start: Callable[[], tuple[subprocess.Popen[str], int]]
) -> None:
    process, slot = start()
    process.kill()
    process.wait()
    assert start()[1] == slot == 0


def test_a_worker_whose_connection_broke_takes_its_slot_again(
    database: Database, worker: Durable
) -> None:
    cut_slot(database)
    eventually(lambda: held_slots(database) == [0])
    assert not worker.lost.is_set()


def test_a_worker_whose_slot_was_taken_meanwhile_knows_that_it_is_lost(
    database: Database, worker: Durable
) -> None:
    with psycopg.connect(database.app_url, autocommit=True) as other:
        cut_slot(database)
        lock = "SELECT pg_try_advisory_lock(%s, 0)"
        eventually(lambda: other.execute(lock, (slots.SLOTS,)).fetchone() == (True,))
        assert worker.lost.wait(10)


def cut_slot(database: Database) -> None:
    column(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_locks"
        " WHERE locktype = 'advisory' AND classid = %s",
        slots.SLOTS,
    )


def held_slots(database: Database) -> list[object]:
    return column(
        database,
        "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = %s",
        slots.SLOTS,
    )


def test_a_clean_stop_lets_running_work_finish(database: Database) -> None:
    running = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'PENDING'"
    with launch(database):
        put(database, "toy.slow", "w", workflow_id="w")
        eventually(lambda: column(database, running) == [1])
    assert effects(database) == ["w: begin", "w: end"]
    assert column(database, "SELECT status FROM dbos.workflow_status") == ["SUCCESS"]


def test_the_current_release_continues_what_another_release_left_behind(
    database: Database,
) -> None:
    for status in ("PENDING", "ENQUEUED"):
        put(database, "toy.six_steps", status, workflow_id=status)
        with database.transaction() as tx:
            tx.execute(
                "UPDATE dbos.workflow_status SET status = %(status)s,"
                " application_version = 'other', executor_id = 'worker-77'"
                " WHERE workflow_uuid = %(status)s",
                {"status": status},
            )
    with launch(database):
        wait(database)
    assert len(effects(database)) == 12


def test_going_back_to_an_older_release_takes_new_work(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(
            "INSERT INTO dbos.application_versions (version_id, version_name, version_timestamp)"
            " VALUES ('1', %s, 1), ('2', 'newer', 2)",
            (durable.version_of(toy.WORKFLOWS),),
        )
    put(database, "toy.six_steps", "w", workflow_id="w")
    with launch(database):
        wait(database)
    assert len(effects(database)) == 6
