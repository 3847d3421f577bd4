"""What a probe is told: the operation works, or why it does not."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
import psycopg.sql
import pytest
from psycopg_pool import PoolTimeout

from commenda.kit import clock
from commenda.kit.db import Database
from commenda.operations import Health, Readiness, readiness
from commenda.operations.health import SIGHTS, Verdict
from probed import opened, probed
from world import World


def meet(db: Database, seen: str = "0 s", stopped: bool = False) -> None:
    """A worker that was seen so long ago."""
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO workers (id, started_at, seen_at, stopped_at) VALUES ('w',"
            " clock_timestamp(), clock_timestamp() - %s::interval,"
            " CASE WHEN %s THEN clock_timestamp() END)",
            (seen, stopped),
        )


def test_a_process_is_alive_whatever_becomes_of_the_database(db: Database) -> None:
    with opened(probed(db)) as client:
        client.app.state.service = None  # type: ignore[attr-defined]
        assert client.get("/healthz").json() == {"alive": True}


def test_ready_with_a_worker_and_no_market(db: Database) -> None:
    meet(db)
    with opened(probed(db)) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 200
    body = answer.json()
    assert body["ready"] is True
    names = ["database", "schema", "write", "space", "clock", "connections", "workers", "feed"]
    assert {name: check["ok"] for name, check in body["checks"].items()} == dict.fromkeys(
        names, True
    )
    assert body["checks"]["feed"]["detail"].startswith("none")


@pytest.mark.parametrize(("seen", "stopped"), [("16 s", False), ("0 s", True)])
def test_not_ready_without_a_worker(db: Database, seen: str, stopped: bool) -> None:
    meet(db, seen, stopped)
    with opened(probed(db)) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["workers"] == {
        "ok": False,
        "seen": "workers",
        "figures": {"seen": "0", "most": "15"},
        "detail": "0 seen within 15 s",
    }


@pytest.mark.parametrize(("hours", "ok"), [(2, True), (3, False)])
def test_the_feed_may_be_two_bars_late(db: Database, hours: int, ok: bool) -> None:
    world = World(db)
    meet(db)
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO market_bars SELECT id, %s, 3600, 1, 1, 1, 1, 1 FROM instruments",
            (world.now - timedelta(hours=1),),
        )
        clock.advance(tx, world.now + timedelta(hours=hours))
    seen = readiness(db)
    assert seen.checks["feed"].ok is ok
    assert f"{hours * 3600} s of business time ago" in seen.checks["feed"].detail


def test_not_ready_on_another_versions_schema(db: Database) -> None:
    meet(db)
    with psycopg.connect(db.owner_url) as owner:
        owner.execute("UPDATE schema_migrations SET digest = 'x' || digest WHERE name LIKE '0003%'")
    try:
        assert not readiness(db).checks["schema"].ok
    finally:
        with psycopg.connect(db.owner_url) as owner:
            owner.execute(
                "UPDATE schema_migrations SET digest = substr(digest, 2) WHERE name LIKE '0003%'"
            )
    assert readiness(db).ready


def test_not_ready_without_a_database_and_no_word_of_where_it_is(db: Database) -> None:
    lost = replace(db, app_url="host=/nowhere user=somebody dbname=commenda")
    seen = readiness(lost)
    assert not seen.ready
    assert "nowhere" not in str(seen)
    assert seen.checks["database"].detail == "unreachable (OperationalError)"


def test_the_database_is_looked_at_once_a_second_however_many_ask(db: Database) -> None:
    now = 100.0
    health = Health(db, monotonic=lambda: now)
    assert not health.read().ready
    meet(db)
    now += 0.9
    assert not health.read().ready
    now += 0.2
    assert health.read().ready


# --- Each cause is a state of its own, and goes with its cause ---------------------------------


def failing(db: Database) -> set[str]:
    return {name for name, check in readiness(db).checks.items() if not check.ok}


def test_a_database_that_takes_no_writes_is_told_and_comes_back(db: Database) -> None:
    meet(db)
    with psycopg.connect(db.owner_url, autocommit=True) as owner:
        name = psycopg.sql.Identifier(owner.info.dbname)
        owner.execute(
            psycopg.sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name)
        )
        try:
            assert failing(db) == {"write"}
            assert readiness(db).checks["write"].detail == "refused (ReadOnlySqlTransaction)"
        finally:
            owner.execute(
                psycopg.sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(
                    name
                )
            )
    assert failing(db) == set()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (psycopg.errors.DiskFull("no space left"), "no_space_left"),
        (psycopg.errors.ReadOnlySqlTransaction("read-only"), "database_read_only"),
        (psycopg.OperationalError("gone"), "database_unavailable"),
        (PoolTimeout("busy"), "database_unavailable"),
    ],
)
def test_a_request_is_told_what_the_database_lacks(
    db: Database, error: Exception, code: str
) -> None:
    app = probed(db)

    @app.post("/probe/away")
    def away() -> None:
        raise error

    with opened(app) as client:
        answer = client.post("/probe/away")
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert answer.headers["retry-after"] == "2"
    assert "Idempotency-Key" in answer.json()["mend"]


@pytest.mark.parametrize(("ahead", "ok"), [(-3.5, False), (-1.0, True), (1.0, True), (3.5, False)])
def test_a_clock_that_is_not_the_databases_is_told(
    db: Database, monkeypatch: pytest.MonkeyPatch, ahead: float, ok: bool
) -> None:
    meet(db)
    honest = time.time
    monkeypatch.setattr("commenda.operations.health.time.time", lambda: honest() + ahead)
    seen = readiness(db).checks["clock"]
    assert seen.ok is ok
    assert seen.detail.startswith(f"this process's is {ahead:+.1f} s from the database's")


def test_a_business_that_is_ahead_of_a_clock_set_back_is_told_and_waits(db: Database) -> None:
    meet(db)
    with db.transaction() as tx:
        clock.follow_wall(tx)
    assert failing(db) == set()
    with db.transaction() as tx:
        tx.execute("UPDATE business_clock SET now_at = clock_timestamp() + interval '1 hour'")
        clock.follow_wall(tx)  # a worker that starts now begins to wait, and is not refused
        assert clock.next_tick(tx, timedelta(minutes=1)) is None
    seen = readiness(db).checks["clock"]
    assert not seen.ok
    assert re.fullmatch(
        r"business time is (3600|3599) s ahead of the clock and waits for it", seen.detail
    )
    with db.transaction() as tx:
        tx.execute("UPDATE business_clock SET now_at = clock_timestamp() - interval '2 s'")
        assert clock.next_tick(tx, timedelta(minutes=1)) is not None
    assert failing(db) == set()


def test_connections_that_run_out_are_told_before_and_after(db: Database) -> None:
    """Of the server's own count: its limit is 120 when embedded, 3 of them for a superuser."""
    meet(db)
    with db.transaction() as tx:
        row = tx.execute(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
        ).fetchone()
    assert row is not None
    if row[0] > 200:
        pytest.skip("too many connections to take")
    taken = []
    try:
        with suppress(psycopg.OperationalError):
            while True:
                taken.append(psycopg.connect(db.app_url))
        assert readiness(db).checks["database"] == Verdict(False, "all_taken", {})
        taken.pop().close()
        taken.pop().close()
        until_free(db)
        seen = readiness(db)
        assert not seen.checks["connections"].ok
        assert seen.checks["connections"].detail.endswith(f" of {row[0]} are taken")
        assert {name for name, check in seen.checks.items() if not check.ok} == {"connections"}
    finally:
        for one in taken:
            one.close()
    for _ in range(50):
        if not failing(db):
            break
        time.sleep(0.1)
    assert failing(db) == set()


def until_free(db: Database) -> None:
    """A connection that was closed is free a moment later."""
    for _ in range(50):
        with suppress(psycopg.OperationalError):
            psycopg.connect(db.app_url).close()
            return
        time.sleep(0.1)


def test_a_look_that_hangs_keeps_nobody_waiting_for_ever(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commenda.operations.health.PATIENCE", 0.1)
    entered, go_on = threading.Event(), threading.Event()
    health = Health(db)

    def hang() -> Readiness:
        entered.set()
        go_on.wait(30)
        return Readiness({})

    monkeypatch.setattr(health, "_look", hang)
    first = threading.Thread(target=health.read)
    first.start()
    assert entered.wait(10)
    begun = time.monotonic()
    seen = health.read()
    assert time.monotonic() - begun < 5
    assert (seen.ready, seen.checks["database"].detail) == (False, "no answer within 0.2 s")
    go_on.set()
    first.join(10)


def test_what_is_seen_is_named_with_each_of_its_figures(db: Database) -> None:
    meet(db)
    for name, check in readiness(db).checks.items():
        assert set(re.findall(r"\{(\w+)\}", SIGHTS[check.seen])) == check.figures.keys(), name
        assert all(figure in check.detail for figure in check.figures.values())
