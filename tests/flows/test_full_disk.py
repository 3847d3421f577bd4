"""A small disk that is really full, or read-only, with the embedded PostgreSQL on it.

The disk is a tmpfs of its own. Where this user may mount none, these tests skip.
"""

from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.operations import readiness, verify
from commenda.operations.health import LEAST_SPACE
from commenda.settings import Settings
from processes import MASTER_KEY, Process, answer, free_port, until

SIZE = 320 << 20
"""Of the disk: an embedded database takes some 80 MiB."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(where)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted: {mounted.stderr.decode().strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


def fill(where: Path, leave: int = 0) -> Path:
    """A file that takes what is free, but for some bytes."""
    file = where / "filler"
    free = os.statvfs(where).f_bavail * os.statvfs(where).f_frsize - leave
    with suppress(OSError), file.open("ab", buffering=0) as out:
        while free > 0:
            free -= out.write(bytes(min(free, 1 << 20)))
    return file


def failing(database: Database) -> dict[str, str]:
    return {n: c.detail for n, c in readiness(database).checks.items() if not c.ok}


def work(database: Database) -> None:
    """More than the log's present file takes: 20 MiB that cannot be compressed."""
    with database.transaction() as tx:
        tx.execute(
            "INSERT INTO audit_events (happened_at, kind, actor, subject, correlation_id, result,"
            " rule_version, details) SELECT clock_timestamp(), 'test.' || n, 'test', n::text,"
            " gen_random_uuid(), 'done', 'test/1', jsonb_build_object('noise', (SELECT"
            "  string_agg(md5(random()::text || n || m), '') FROM generate_series(1, 60) AS m))"
            " FROM generate_series(1, 10000) AS n"
        )


def events(database: Database) -> int:
    with database.read() as tx:
        row = tx.execute("SELECT count(*) FROM audit_events").fetchone()
    assert row is not None
    return int(row[0])


def test_a_full_disk_is_told_and_everything_goes_on_when_there_is_space(disk: Path) -> None:
    with Database.open(Settings(data=disk / "data")) as database:
        assert failing(database).keys() == {"workers"}
        filler = fill(disk, leave=LEAST_SPACE // 2)
        told = failing(database)
        assert told.keys() == {"workers", "space"}  # before it is too late
        assert told["space"] == "64 MiB are free; 128 are needed at least"

        fill(disk)
        told = failing(database)
        assert told.keys() == {"workers", "space", "write"}
        assert told["space"].startswith("0 MiB are free")
        assert told["write"] == "refused (DiskFull)"
        with pytest.raises(psycopg.OperationalError):  # DiskFull, or the server gives up its log
            work(database)

        filler.unlink()
        for _ in range(100):  # as `up` does every two seconds
            database.keep_up()
            if failing(database).keys() == {"workers"}:
                break
            time.sleep(0.1)
        assert failing(database).keys() == {"workers"}
        assert events(database) == 0  # nothing of it was half done
        work(database)
        assert events(database) == 10_000
        with database.transaction() as tx:
            assert list(verify(tx)) == []


def test_no_process_begins_on_a_disk_that_is_full_or_takes_no_writes(disk: Path) -> None:
    data = disk / "data"
    data.mkdir()
    filler = fill(disk)
    for begin in (Keys.of, Database.open):
        with pytest.raises(CommendaError) as refused:
            begin(Settings(data=data))
        assert refused.value.code == "data_unwritable"
        assert "No space left" in refused.value.message
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(CommendaError) as refused:
        Database.open(Settings(data=data))
    assert (refused.value.code, refused.value.value) == ("data_unwritable", str(data))
    assert "Read-only" in refused.value.message
    for command in ("up", "api", "worker"):
        log = disk.parent / f"{command}.log"
        one = Process(log, command, "--data", str(data))
        until("it has ended", lambda one=one: not one.running, 60)
        assert one.stop() == 2
        assert "data_unwritable" in one.written()
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    Database.open(Settings(data=data)).close()


def test_up_goes_through_a_full_disk_refuses_a_second_one_and_keeps_its_files_to_itself(
    disk: Path,
) -> None:
    data, port = disk / "data", free_port()
    address = f"http://127.0.0.1:{port}/readyz"
    environment = {"COMMENDA_MASTER_KEY": MASTER_KEY}
    up = Process(
        disk.parent / "up.log", "up", "--port", str(port), "--data", str(data), **environment
    )

    def failed() -> set[str]:
        seen = answer(address) or {"checks": {"nobody": {"ok": False}}}
        return {name for name, check in seen["checks"].items() if not check["ok"]}

    try:
        until("it is ready", lambda: failed() == set(), 90, up)
        second = Process(
            disk.parent / "second.log", "up", "--port", str(free_port()), "--data", str(data)
        )
        until("the second one has ended", lambda: not second.running, 60)
        assert second.stop() == 2
        assert "already_up" in second.written()
        assert f"http://localhost:{port}" in second.written()

        filler = fill(disk)
        until("that is told", lambda: {"space", "write"} <= failed(), 30, up)
        with suppress(psycopg.Error, CommendaError), Database.open(Settings(data=data)) as database:
            work(database)  # the server may give up over it
        time.sleep(5)
        assert up.running
        filler.unlink()
        until("it is ready again, by itself", lambda: failed() == set(), 90, up)

        others = 0o077
        for file in [data, *data.rglob("*")]:
            with suppress(FileNotFoundError):  # the server makes and removes files of its own
                mode = file.lstat().st_mode
                allowed = 0o010 if file == data and os.geteuid() == 0 else 0
                if not stat.S_ISLNK(mode):
                    assert not stat.S_IMODE(mode) & others & ~allowed, (file, oct(mode))
    finally:
        assert up.stop() == 0


@pytest.mark.parametrize("command", ["up", "api", "worker"])
def test_no_process_begins_with_a_short_master_key(tmp_path: Path, command: str) -> None:
    one = Process(
        tmp_path / "log", command, "--data", str(tmp_path / "data"), COMMENDA_MASTER_KEY="k" * 31
    )
    until("it has ended", lambda: not one.running, 60)
    assert one.stop() == 2
    assert "weak_master_key" in one.written()
    assert "31 characters" in one.written()
    assert not (tmp_path / "data" / "postgres").exists()
