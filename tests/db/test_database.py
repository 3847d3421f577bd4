"""Opening a database that is not there yet."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread, Timer

import psycopg
import pytest

from commenda.kit import db
from commenda.kit.db import Database
from commenda.kit.embedded import EmbeddedServer, user_exists
from commenda.settings import Settings
from commenda.worker import work_until
from processes import MASTER_KEY


@pytest.fixture
def down(tmp_path: Path) -> EmbeddedServer:
    """A server that was prepared and has crashed."""
    server = EmbeddedServer.start(tmp_path / "postgres")
    server.prepare()
    pid_file = tmp_path / "postgres/postmaster.pid"
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)
    while pid_file.exists():
        time.sleep(0.05)
    return server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    url = f"host={tmp_path}/postgres port=5432 user=commenda_owner dbname=commenda"
    return Settings(data=tmp_path, database_url=url, master_key=MASTER_KEY)


def test_a_server_that_starts_later_is_waited_for(down: EmbeddedServer, settings: Settings) -> None:
    with pytest.raises(psycopg.OperationalError):
        Database.open(settings)
    Timer(1.0, down.revive).start()
    with Database.open(settings, patience=30) as database, database.transaction() as tx:
        assert tx.execute("SELECT count(*) FROM users").fetchone() == (0,)
    down.release()


def test_a_worker_that_starts_before_its_server_begins_when_that_is_up(
    down: EmbeddedServer, settings: Settings
) -> None:
    stopping = Event()
    kept: list[bool] = []
    worker = Thread(target=lambda: kept.append(work_until(settings, stopping, Decimal(1))))
    worker.start()
    time.sleep(1.5)
    assert worker.is_alive()
    down.revive()
    with Database.open(settings, patience=30) as database:
        deadline = time.monotonic() + 30
        while not _seen(database) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert _seen(database)
    stopping.set()
    worker.join(30)
    assert kept == [True]
    down.release()


def test_two_processes_that_create_the_role_at_once_both_go_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "APP_ROLE", "commenda_at_once")
    failed: list[BaseException] = []

    def second() -> None:
        try:
            db.ensure_app_role(database.owner_url, None)
        except BaseException as error:  # a thread's own would be lost
            failed.append(error)

    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        with owner.transaction():
            owner.execute("CREATE ROLE commenda_at_once")
            process = Thread(target=second)
            process.start()
            time.sleep(0.5)
            assert process.is_alive()  # it waits for the first to commit
        process.join(10)
        owner.execute("DROP ROLE commenda_at_once")
    assert failed == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user made for the server")
def test_of_processes_that_make_the_servers_user_at_once_each_has_it() -> None:
    name = f"commenda{os.getpid()}"
    with pytest.raises(KeyError):
        pwd.getpwnam(name)
    try:
        with ThreadPoolExecutor(6) as pool:
            made = list(pool.map(user_exists, [name] * 6))
        assert made == [pwd.getpwnam(name)] * 6
    finally:
        subprocess.run(["/usr/sbin/userdel", name], check=True)


def _seen(database: Database) -> bool:
    with database.transaction() as tx:
        return tx.execute("SELECT 1 FROM workers").fetchone() is not None
