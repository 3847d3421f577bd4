"""The living system as its users start it: real processes, real signals, real kills."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from typing import Any

from commenda.demo import open_demo
from commenda.execution import reconcile
from commenda.kit import clock, outbox
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.operations import verify
from commenda.settings import Settings
from commenda.worker import work_on
from extent import ALL
from processes import MASTER_KEY, Process, answer, free_port, until

REPOSITORY = Path(__file__).parents[2]
ENDURANCE, KILL_EVERY = (180.0, 20.0) if ALL else (18.0, 6.0)
"""Seconds for which workers are killed, and from one kill to the next."""
PACE = "20000"


def count(database: Database, query: str) -> int:
    with database.transaction() as tx:
        row = tx.execute(query).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return int(row[0])


def assert_sound(database: Database, settings: Settings) -> None:
    """Every invariant holds, and the venue tells the ledger's story."""
    with database.transaction() as tx:
        assert [str(one) for one in verify(tx)] == []
    broker = open_demo(database, Keys.of(settings).derive("ties")).broker
    with database.transaction() as tx:
        now = clock.read(tx)
        assert now is not None
        lines = reconcile(tx, broker.venues[0], broker.feed.instruments, broker.marks(now), now)
    assert [one for one in lines if one.unexplained] == []


def settled(database: Database) -> int:
    return count(database, "SELECT count(*) FROM managed_subscriptions WHERE status = 'SETTLED'")


# --- commenda up ----------------------------------------------------------------------------


def test_a_demo_is_started_used_over_http_stopped_and_goes_on(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    address = f"http://127.0.0.1:{port}"
    arguments = ("up", "--demo", "--port", str(port), "--data", str(data), "--pace", PACE)
    demo = Process(tmp_path / "first.log", *arguments)
    try:
        until("the demo is ready", lambda: "ready" in demo.written(), 120, demo)
        assert (answer(f"{address}/readyz") or {}).get("ready") is True
        walk = subprocess.run(
            [sys.executable, REPOSITORY / "docs/examples/walk_the_loop.py", address],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert walk.returncode == 0, walk.stdout + walk.stderr + demo.written()[-4000:]
        assert "SETTLED" in walk.stdout
        four_eyes = subprocess.run(
            [sys.executable, REPOSITORY / "docs/examples/four_eyes.py", address],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert four_eyes.returncode == 0, four_eyes.stdout + four_eyes.stderr
        assert "same_person" in four_eyes.stdout
        assert "demo-operator-2: approved" in four_eyes.stdout
        assert demo.stop(signal.SIGINT) == 0
        settings = Settings(data=data)
        with Database.open(settings) as database:
            assert_sound(database, settings)
            before = settled(database), _now(database)
        again = Process(tmp_path / "second.log", *arguments)
        try:
            with Database.open(settings) as database:
                until("it goes on", lambda: settled(database) > before[0], 90, again)
                assert _now(database) > before[1]
        finally:
            assert again.stop() == 0
    finally:
        demo.stop()


def _now(database: Database) -> Any:
    with database.transaction() as tx:
        return clock.read(tx)


# --- several of each on one PostgreSQL ------------------------------------------------------


def test_everything_completes_once_while_workers_are_killed_and_the_server_restarts(
    tmp_path: Path, server: tuple[str, Callable[[], None]], seed: int
) -> None:
    url, restart_server = server
    environment = {
        "COMMENDA_DATABASE_URL": url,
        "COMMENDA_MASTER_KEY": MASTER_KEY,
        "COMMENDA_POOL_SIZE": "4",
    }
    started = 0

    def start(*arguments: str) -> Process:
        nonlocal started
        started += 1
        log = tmp_path / f"{arguments[0]}-{started}.log"
        return Process(log, *arguments, "--demo", **environment)

    def supervise() -> bool:
        """As `commenda up` does: a worker whose place another one took is started again.

        One that begins while the server restarts can be sooner than one that had the place.
        """
        for number, one in enumerate(workers):
            if not one.running:
                assert one.stop() == 3, one.written()
                workers[number] = start("worker", "--pace", PACE)
        return all(one.running for one in workers)

    ports = [free_port(), free_port()]
    apis = [start("api", "--port", str(port)) for port in ports]
    workers = [start("worker", "--pace", PACE) for _ in range(2)]
    draw = random.Random(seed)
    settings = Settings(database_url=url, master_key=MASTER_KEY)
    try:
        until("both are ready", lambda: all(_ready(port) for port in ports), 90, *apis, *workers)
        with Database.open(settings) as database:
            until("something is settled", lambda: settled(database), 90, *apis)
        end = time.monotonic() + ENDURANCE
        restart_at = time.monotonic() + ENDURANCE / 2
        while time.monotonic() < end:
            time.sleep(KILL_EVERY * draw.uniform(0.8, 1.2))
            victim = draw.randrange(2)
            workers[victim].kill()
            workers[victim] = start("worker", "--pace", PACE)
            if time.monotonic() > restart_at:
                restart_at = end + 1
                restart_server()
        with Database.open(settings) as database:
            before = settled(database)
            until(
                "it goes on afterwards",
                lambda: supervise() and settled(database) > before,
                90,
                *apis,
            )
        for port in ports:
            until("every API answers again", lambda: _ready(port), 30, *apis)  # noqa: B023
        begun = started - 1
        while begun < started:  # until nobody has lost a place for as long as a start takes
            begun = started
            time.sleep(6)
            supervise()
    finally:
        codes = [one.stop() for one in workers]
        codes += [one.stop() for one in apis]
    assert codes == [0, 0, 0, 0]
    with Database.open(settings) as database:
        _finish(database, settings)
        assert_sound(database, settings)


def _ready(port: int) -> bool:
    return bool((answer(f"http://127.0.0.1:{port}/readyz") or {}).get("ready"))


def _finish(database: Database, settings: Settings) -> None:
    """What was cut short is done by the next worker, and nothing has failed."""
    stopping = Event()
    worker = Thread(
        target=work_on, args=(database, replace(settings, demo=True), stopping, Decimal(1440))
    )
    worker.start()
    try:
        until("every signal is copied", lambda: not count(database, OPEN_SIGNALS), 60)
    finally:
        stopping.set()
        worker.join(40)
    with database.transaction() as tx:
        assert outbox.failures(tx) == []
        assert outbox.pending(tx) == 0


OPEN_SIGNALS = "SELECT count(*) FROM trading_signals WHERE status <> 'processed'"
