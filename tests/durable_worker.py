"""Toy workflows for test_durable.py, and the worker that it starts and kills.

Run as a script, `durable_worker.py DATA`, it is a worker on the database under DATA: it prints its
slot when it is ready and works until it is killed.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import psycopg

from commenda.kit.db import Database, Tx
from commenda.kit.durable import Workflow, call, launch, step
from commenda.kit.errors import CommendaError
from commenda.kit.outbox import Queue
from commenda.settings import Settings

TABLES = """
    CREATE TABLE effects (id bigserial PRIMARY KEY, workflow text, what text);
    CREATE TABLE balances (name text PRIMARY KEY, amount bigint NOT NULL);
    INSERT INTO balances VALUES ('a', 0), ('b', 0);
    GRANT ALL ON ALL TABLES IN SCHEMA public TO commenda_app;
    GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO commenda_app;
"""

PLAIN = Queue("plain", concurrency=4, poll_seconds=0.05)
FLOWS = Queue("flows", concurrency=4, partitioned=True, poll_seconds=0.05)

MEETING = threading.Barrier(3)
ATTEMPTS: list[str] = []


# Actions: what HTTP would call as well.


def add(tx: Tx, workflow: str, what: str, seconds: float = 0.0) -> None:
    """One effect and one unit of balance; the nested block must not commit on its own."""
    with tx.transaction():
        tx.execute("INSERT INTO effects (workflow, what) VALUES (%s, %s)", (workflow, what))
    tx.execute("SELECT pg_sleep(%s)", (seconds,))
    tx.execute("UPDATE balances SET amount = amount + 1 WHERE name = 'a'")


def add_then_refuse(tx: Tx, workflow: str) -> None:
    add(tx, workflow, "refused")
    raise CommendaError("no_money", "There is not enough money").at("amount", 7)


def add_twice_the_same_id(tx: Tx) -> None:
    tx.execute("INSERT INTO balances VALUES ('a', 0)")


def update_both(tx: Tx, first: str, second: str) -> None:
    ATTEMPTS.append(first)
    tx.execute("UPDATE balances SET amount = amount + 1 WHERE name = %s", (first,))
    tx.execute("SELECT pg_sleep(0.3)")
    tx.execute("UPDATE balances SET amount = amount + 1 WHERE name = %s", (second,))


def cut_own_connection_once(tx: Tx) -> None:
    ATTEMPTS.append("cut")
    if len(ATTEMPTS) == 1:
        tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def find_the_server_away_once() -> None:
    ATTEMPTS.append("look")
    if len(ATTEMPTS) == 1:
        raise psycopg.errors.CrashShutdown("terminating connection due to postmaster exit")


def die_once(marker: str) -> None:
    if not Path(marker).exists():
        Path(marker).touch()
        os._exit(9)


# Workflows.


def six_steps(workflow: str) -> None:
    for number in range(6):
        step(add, workflow, f"step {number}", 0.01)


def slow(workflow: str) -> None:
    step(add, workflow, "begin")
    call(time.sleep, 1.0)
    step(add, workflow, "end")


def deadlock(first: str, second: str) -> None:
    step(update_both, first, second)


def lost_connection(workflow: str) -> None:
    step(cut_own_connection_once)
    step(add, workflow, "after")


def lost_server(workflow: str) -> None:
    call(find_the_server_away_once)
    step(add, workflow, "after")


def one_of_a_flow(flow: str, number: int) -> None:
    step(add, flow, f"begin {number}")
    if number == 0:
        call(MEETING.wait, 20)  # passes only when three flows are here at the same time
    step(add, flow, f"end {number}")


def survive_errors(workflow: str, marker: str) -> None:
    try:
        step(add_then_refuse, workflow)
    except CommendaError as error:
        refusal = f"{error.code} {error.field} {error.value}"
    try:
        step(add_twice_the_same_id)
    except psycopg.errors.UniqueViolation as error:
        violation = str(error.sqlstate)
    call(die_once, marker)  # so that both errors are read back from their records
    step(add, workflow, f"{refusal}, {violation}")


def fail(workflow: str) -> None:
    step(add_then_refuse, workflow)


WORKFLOWS = tuple(
    Workflow(name, run)
    for name, run in {
        "toy.six_steps": six_steps,
        "toy.slow": slow,
        "toy.deadlock": deadlock,
        "toy.lost_connection": lost_connection,
        "toy.lost_server": lost_server,
        "toy.one_of_a_flow": one_of_a_flow,
        "toy.survive_errors": survive_errors,
        "toy.fail": fail,
    }.items()
)


def main(data: Path) -> None:
    with (
        Database.open(Settings(data=data)) as database,
        launch(database, WORKFLOWS, (PLAIN, FLOWS), sweep_seconds=0.5) as worker,
    ):
        print(worker.slot.number, flush=True)
        worker.lost.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
