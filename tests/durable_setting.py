"""A server of toy workflows, and its workers, for the tests of durable work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import durable_worker as toy
from commenda.kit import durable
from commenda.kit.db import Database
from commenda.kit.durable import Durable
from commenda.kit.outbox import enqueue

DBOS_TABLES = (
    "workflow_status",
    "workflow_input",
    "workflow_output",
    "operation_outputs",
    "datasource_outputs",
    "application_versions",
)


@pytest.fixture
def database(server: Database) -> Database:
    """The server without effects, workflows or workers."""
    with server.transaction() as tx:
        tx.execute("DELETE FROM effects")
        tx.execute("UPDATE balances SET amount = 0")
        for table in DBOS_TABLES:
            tx.execute(f"DELETE FROM dbos.{table}")
    toy.ATTEMPTS.clear()
    toy.MEETING.reset()
    return server


def launch(database: Database) -> Durable:
    return durable.launch(database, toy.WORKFLOWS, (toy.PLAIN, toy.FLOWS), sweep_seconds=0.2)


@pytest.fixture
def start(data: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], int]]]:
    """Starts workers in processes of their own; answers the process and its slot."""
    processes: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen(
            [sys.executable, str(toy.__file__), str(data)], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout
        return process, int(process.stdout.readline())

    yield start
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def put(database: Database, workflow: str, *args: str | int, workflow_id: str) -> None:
    with database.transaction() as tx:
        enqueue(tx, workflow, *args, workflow_id=workflow_id, queue=toy.PLAIN)


def effects(database: Database, workflow: str | None = None) -> list[str]:
    with database.transaction() as tx:
        rows = tx.execute(
            "SELECT workflow || ': ' || what FROM effects"
            " WHERE workflow = coalesce(%s, workflow) ORDER BY id",
            (workflow,),
        )
        return [what for (what,) in rows]


def column(database: Database, query: str, *values: object) -> list[object]:
    with database.transaction() as tx:
        return [row[0] for row in tx.execute(query, values)]
