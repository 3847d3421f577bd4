"""Durable work survives being killed: real PostgreSQL, real worker processes, kill -9."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

import durable_worker as toy
from commenda.kit import durable
from commenda.kit.db import Database
from commenda.kit.durable import Durable
from commenda.kit.errors import CommendaError
from commenda.kit.outbox import again, enqueue, failed, failures, in_queues, pending, wait
from commenda.settings import Settings
from durable_setting import column, database, effects, launch, put, start  # noqa: F401 - fixtures


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


def test_a_prepared_database_is_left_alone(database: Database) -> None:
    assert durable.prepare(database.owner_url) is False


def test_an_enqueued_workflow_rolls_back_with_its_transaction(database: Database) -> None:
    with database.transaction() as tx:
        enqueue(tx, "toy.six_steps", "w", workflow_id="w", queue=toy.PLAIN)
        assert pending(tx, "w") == 1
        raise psycopg.Rollback
    with database.transaction() as tx:
        assert pending(tx) == 0


def test_a_repeated_workflow_id_changes_nothing(database: Database) -> None:
    put(database, "toy.six_steps", "first", workflow_id="w")
    put(database, "toy.fail", "second", workflow_id="w")
    assert column(
        database,
        "SELECT name || '(' || (i.inputs::json #>> '{positionalArgs,0}') || ')'"
        " FROM dbos.workflow_status JOIN dbos.workflow_input AS i USING (workflow_uuid)",
    ) == ["toy.six_steps(first)"]


@pytest.mark.parametrize("key", [None, "flow"])
def test_only_a_partitioned_queue_takes_a_partition_key(
    database: Database, key: str | None
) -> None:
    queue = toy.FLOWS if key is None else toy.PLAIN
    with database.transaction() as tx, pytest.raises(CommendaError) as refused:
        enqueue(tx, "toy.fail", workflow_id="w", queue=queue, partition_key=key)
    assert refused.value.code == "bad_partition_key"


def test_a_step_outside_a_worker_is_refused() -> None:
    with pytest.raises(CommendaError) as refused:
        durable.step(toy.add, "w", "x")
    assert refused.value.code == "no_worker"


def test_a_deadlock_in_a_step_is_retried_and_does_not_reach_the_workflow(
    database: Database, worker: Durable
) -> None:
    with database.transaction() as tx:
        enqueue(tx, "toy.deadlock", "a", "b", workflow_id="ab", queue=toy.PLAIN)
        enqueue(tx, "toy.deadlock", "b", "a", workflow_id="ba", queue=toy.PLAIN)
    wait(database)
    with database.transaction() as tx:
        assert failures(tx) == []
    assert column(database, "SELECT amount FROM balances") == [2, 2]
    assert len(toy.ATTEMPTS) == 3  # the victim of the deadlock ran twice


def test_a_step_that_loses_its_connection_is_retried(database: Database, worker: Durable) -> None:
    put(database, "toy.lost_connection", "w", workflow_id="w")
    wait(database)
    assert toy.ATTEMPTS == ["cut", "cut"]
    assert effects(database) == ["w: after"]


def test_a_call_that_finds_the_server_away_is_no_result(
    database: Database, worker: Durable
) -> None:
    put(database, "toy.lost_server", "w", workflow_id="w")
    wait(database)
    assert toy.ATTEMPTS == ["look", "look"]
    assert effects(database) == ["w: after"]


def test_a_server_that_is_down_is_worth_another_try() -> None:
    from dbos._utils import retriable_postgres_exception  # what DBOS asks before it retries

    engine = durable.engine_of("postgresql+psycopg://someone@/any?host=/nowhere", 1, "test")
    with pytest.raises(OperationalError) as down:
        engine.connect()
    assert retriable_postgres_exception(down.value)


def test_a_refused_step_leaves_nothing_and_its_workflow_is_listed_as_failed(
    database: Database, worker: Durable
) -> None:
    put(database, "toy.fail", "w", workflow_id="w")
    wait(database)
    assert effects(database) == []
    with database.transaction() as tx:
        (failure,) = failures(tx)
    assert (failure.workflow_id, failure.workflow) == ("w", "toy.fail")
    assert failure.error == "[no_money] There is not enough money; amount = 7"


def test_what_failed_runs_again_from_its_first_step_when_it_is_asked_for(
    database: Database, worker: Durable
) -> None:
    put(database, "toy.fail", "w", workflow_id="w")
    wait(database)
    with database.transaction() as tx:
        (first,) = failed(tx, 10)
        assert (first.workflow_id, first.workflow, first.of_kind) == ("w", "toy.fail", 1)
        assert again(tx, "w") == "toy.fail"
        assert failed(tx, 10) == []
        assert [(one.queue, one.waiting) for one in in_queues(tx, "plain", "flows")] == [
            ("plain", 1),
            ("flows", 0),
        ]
    wait(database)
    with database.transaction() as tx:
        (second,) = failed(tx, 10)
        assert second.failed_at > first.failed_at
        assert second.error == "[no_money] There is not enough money; amount = 7"
    put(database, "toy.six_steps", "six", workflow_id="six")
    wait(database)
    with database.transaction() as tx:
        with pytest.raises(CommendaError, match="has not failed"):
            again(tx, "six")
        with pytest.raises(CommendaError, match="No such workflow"):
            again(tx, "nobody")


def test_errors_come_back_from_their_records_as_they_were_raised(
    database: Database,
    start: Callable[[], tuple[subprocess.Popen[str], int]],
    tmp_path: Path,
) -> None:
    put(database, "toy.survive_errors", "w", str(tmp_path / "died"), workflow_id="w")
    assert start()[0].wait(20) == 9
    start()
    wait(database)
    assert effects(database) == ["w: no_money amount 7, 23505"]


def test_a_partition_runs_in_order_one_at_a_time_and_partitions_run_in_parallel(
    database: Database, worker: Durable
) -> None:
    flows, numbers = ("x", "y", "z"), (0, 1, 2, 3)
    with database.transaction() as tx:
        for flow in flows:
            for number in reversed(numbers):  # one transaction, one time: `order` decides
                enqueue(
                    tx,
                    "toy.one_of_a_flow",
                    flow,
                    number,
                    workflow_id=f"{flow}-{9 - number}",
                    queue=toy.FLOWS,
                    partition_key=flow,
                    order=number,
                )
    wait(database)
    for flow in flows:
        assert effects(database, flow) == [
            f"{flow}: {what} {number}" for number in numbers for what in ("begin", "end")
        ]
