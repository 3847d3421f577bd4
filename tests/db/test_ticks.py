"""The business clock and its ticks: begun once, done in order, taken up where they were cut."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from commenda.kit import clock
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.operations import (
    Clockwork,
    Interrupted,
    Job,
    Operation,
    Step,
    forget_workers,
)
from commenda.operations import clockwork as clockwork_room
from commenda.operations.ticks import Tick, begin_tick
from commenda.worker import MaintenanceTask, maintain
from nowhere import no_broker

START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(minutes=15)
LATER = START + timedelta(days=365)


@pytest.fixture
def operation(db: Database) -> Operation:
    """An operation whose jobs do not trade, on a clock that never waits."""
    with db.transaction() as tx:
        clock.set_pace(tx, START, Decimal(1440), quick_until=LATER)
    return Operation(db, no_broker())


def noting(into: list[str], name: str) -> Callable[[Operation, datetime], None]:
    return lambda _operation, now: into.append(f"{now:%H:%M} {name}")


def clockwork(operation: Operation, *jobs: Step | Job, number: int = 0) -> Clockwork:
    return Clockwork(operation, jobs, STEP, number)


def business_now(db: Database) -> datetime:
    with db.transaction() as tx:
        return clock.business_now(tx)


def one(db: Database, query: str) -> Any:
    with db.transaction() as tx:
        row = tx.execute(query).fetchone()  # type: ignore[call-overload]
    return row[0] if row else None


def test_a_tick_does_its_steps_and_jobs_in_order_and_moves_the_clock(operation: Operation) -> None:
    done: list[str] = []
    work = clockwork(
        operation,
        Step("each", noting(done, "each")),
        Job("hourly", lambda _, now, __: done.append(f"{now:%H:%M} hourly"), "", "0 * * * *"),
        Step("last", noting(done, "last")),
    )
    for _ in range(5):
        assert work.poll()
    work.close()
    assert done == [
        *("00:15 each", "00:15 hourly", "00:15 last"),
        *("00:30 each", "00:30 last"),
        *("00:45 each", "00:45 last"),
        *("01:00 each", "01:00 hourly", "01:00 last"),
        *("01:15 each", "01:15 last"),
    ]
    assert business_now(operation.database) == START + 5 * STEP


def test_a_tick_that_was_cut_short_goes_on_with_the_jobs_that_were_not_done(
    operation: Operation,
) -> None:
    done: list[str] = []
    broken = True

    def fail_once(_operation: Operation, now: datetime) -> None:
        nonlocal broken
        if broken:
            broken = False
            raise psycopg.OperationalError("the server closed the connection")
        done.append(f"{now:%H:%M} second")

    jobs = (Step("first", noting(done, "first")), Step("second", fail_once))
    cut = clockwork(operation, *jobs)
    with pytest.raises(psycopg.OperationalError):
        cut.poll()
    assert business_now(operation.database) == START
    cut.close()
    other = clockwork(operation, *jobs, number=1)
    assert other.poll()
    other.close()
    assert done == ["00:15 first", "00:15 second"]
    assert business_now(operation.database) == START + STEP


def test_a_step_that_fails_is_told_once_and_counted_and_does_not_stop_the_others(
    operation: Operation,
) -> None:
    done: list[str] = []

    def fail(_operation: Operation, _now: datetime) -> None:
        raise ValueError("no such thing")

    work = clockwork(operation, Step("bad", fail), Step("good", noting(done, "good")))
    for _ in range(6):
        work.poll()
    work.close()
    assert done == [f"{START + n * STEP:%H:%M} good" for n in range(1, 7)]
    with operation.database.transaction() as tx:
        alerts = tx.execute(
            "SELECT to_char(happened_at, 'HH24:MI'), details FROM audit_events"
            " WHERE kind = 'alert.job_failed' AND subject = 'bad' ORDER BY id"
        ).fetchall()
        counted = tx.execute("SELECT count FROM alerts WHERE subject = 'bad'").fetchall()
    assert alerts == [("00:15", {"error": "ValueError: no such thing"})]
    assert counted == [(6,)]


def test_a_job_that_is_interrupted_is_done_again_by_the_next_worker(operation: Operation) -> None:
    done: list[str] = []

    def interrupted(_operation: Operation, _now: datetime) -> None:
        raise Interrupted

    stopped = clockwork(operation, Step("waits", interrupted))
    assert not stopped.poll()
    stopped.close()
    next_one = clockwork(operation, Step("waits", noting(done, "waits")), number=1)
    assert next_one.poll()
    next_one.close()
    assert done == ["00:15 waits"]


def test_work_in_batches_stops_between_two_of_them_and_goes_on_later(operation: Operation) -> None:
    left = [3, 2, 1, 0]

    def batch(_tx: Tx) -> int:
        if left[0] == 2:
            operation.stopping.set()
        return left.pop(0)

    def long(running: Operation, _now: datetime) -> None:
        running.batches(batch)

    work = clockwork(operation, Step("long", long))
    assert not work.poll()
    assert left == [1, 0], "the batch that was begun is done"
    operation.stopping.clear()
    assert work.poll()
    work.close()
    assert left == []


def test_a_worker_shows_a_sign_of_life_inside_long_work(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clockwork_room, "HEARTBEAT", -1.0)  # as when every batch takes long
    ages: list[float] = []

    def long(running: Operation, _now: datetime) -> None:
        running.batches(batch)

    def batch(tx: Tx) -> int:
        row = tx.execute("SELECT extract(epoch FROM now() - seen_at) FROM workers").fetchone()
        assert row is not None
        ages.append(float(row[0]))
        tx.execute("UPDATE workers SET seen_at = seen_at - interval '1 hour'")
        return 3 - len(ages)

    work = clockwork(operation, Step("long", long))
    assert work.poll()
    work.close()
    assert len(ages) == 3
    assert max(ages[1:]) < 60


def test_one_worker_leads_and_another_takes_over_when_it_is_gone(operation: Operation) -> None:
    first, second = clockwork(operation), clockwork(operation, number=1)
    assert first.poll()
    assert not second.poll()
    assert (first.leads, second.leads) == (True, False)
    cut_leader(operation.database)
    assert second.poll()
    assert second.leads
    second.close()
    assert business_now(operation.database) == START + 2 * STEP


def cut_leader(database: Database) -> None:
    """End the session of the leading worker, as when its process dies."""
    with database.transaction() as tx:
        ended = tx.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND datname = current_database()"
            "  AND application_name = 'commenda clockwork'"
        ).fetchall()
    assert ended == [(True,)]


def cut(_operation: Operation, _now: datetime) -> None:
    raise psycopg.OperationalError("the server closed the connection")


def test_a_worker_that_lost_the_lead_inside_a_job_leaves_the_next_tick_alone(
    operation: Operation,
) -> None:
    done: list[str] = []

    def overtaken(_operation: Operation, _now: datetime) -> None:
        """The connection breaks; another worker ends this tick and is killed in the next one."""
        cut_leader(operation.database)
        assert second.poll()
        second.jobs = (Step("before", noting(done, "before")), Step("slow", cut))
        with pytest.raises(psycopg.OperationalError):
            second.poll()
        second.close()

    first = clockwork(operation, Step("slow", overtaken), Step("after", noting(done, "late")))
    second = clockwork(operation, Step("slow", noting(done, "slow")), number=1)
    assert not first.poll()
    assert one(operation.database, "SELECT at FROM open_tick") == START + 2 * STEP
    assert one(operation.database, "SELECT jobs_done FROM open_tick") == ["before"]
    assert business_now(operation.database) == START + STEP
    assert done == ["00:15 slow", "00:30 before"]
    third = clockwork(operation, Step("slow", noting(done, "slow")), number=2)
    assert third.poll()
    third.close()
    first.close()
    assert done[2:] == ["00:30 slow"]


def test_a_worker_that_lost_its_connection_does_no_further_job(operation: Operation) -> None:
    done: list[str] = []

    def broken(_operation: Operation, _now: datetime) -> None:
        cut_leader(operation.database)

    work = clockwork(operation, Step("a", broken), Step("b", noting(done, "b")))
    with pytest.raises(psycopg.OperationalError):
        work.poll()
    assert done == []
    assert work.poll()
    work.close()
    assert done == ["00:15 b"]


def test_a_tick_that_two_begin_at_once_is_begun_by_one(operation: Operation) -> None:
    with operation.database.transaction() as tx:
        tick = begin_tick(tx, STEP)
        assert tick is not None
        with ThreadPoolExecutor(1) as threads:
            other = threads.submit(_begin, operation.database)
            assert not wait([other], 0.3).done, "it waits for the first to commit"
            tx.execute("COMMIT")
            assert other.result(10) is None
            tx.execute("BEGIN")
    assert _begin(operation.database) == tick


def _begin(database: Database) -> Tick | None:
    with database.transaction() as tx:
        return begin_tick(tx, STEP)


def test_workers_of_days_ago_are_forgotten(operation: Operation) -> None:
    work = clockwork(operation)
    work.poll()
    with operation.database.transaction() as tx:
        tx.execute(
            "INSERT INTO workers (id, started_at, seen_at)"
            " SELECT 'old', old, old FROM (SELECT now() - interval '25 hours' AS old) t"
        )
        assert forget_workers(tx) == 1
    assert one(operation.database, "SELECT id FROM workers") == work.id
    work.close()


def test_a_maintenance_task_that_fails_stops_nothing(db: Database) -> None:
    done = []

    def fail(_tx: Tx) -> None:
        raise ValueError("no such thing")

    due = dict.fromkeys(
        (MaintenanceTask(60, fail), MaintenanceTask(60, lambda _tx: done.append("swept"))), 0.0
    )
    for _ in range(2):
        maintain(db, due)
    assert done == ["swept"]


def test_a_worker_shows_a_sign_of_life_and_says_goodbye(operation: Operation) -> None:
    work = clockwork(operation)
    work.poll()
    alive = (
        "SELECT count(*) FROM workers"
        " WHERE stopped_at IS NULL AND seen_at > now() - interval '5 seconds'"
    )
    assert one(operation.database, alive) == 1
    work.close()
    assert one(operation.database, alive) == 0


def test_a_paced_clock_waits_as_long_as_its_pace_says(db: Database) -> None:
    with db.transaction() as tx:
        clock.set_pace(tx, START, Decimal(900), quick_until=START)
        assert clock.next_tick(tx, STEP) is None  # 15 minutes at 900 x are a second
    with db.transaction() as tx:
        tx.execute("UPDATE business_clock SET advanced_at = advanced_at - interval '1 second'")
        assert clock.next_tick(tx, STEP) == START + STEP


def test_a_clock_that_follows_the_wall_ticks_once_a_second_at_most(db: Database) -> None:
    with db.transaction() as tx:
        clock.follow_wall(tx)
        tx.execute("UPDATE business_clock SET now_at = now_at - interval '1 hour'")
        due = clock.next_tick(tx, STEP)
        assert due is not None
        assert abs(due - datetime.now(UTC)) < timedelta(seconds=5)  # the hour is not made up for
        clock.advance(tx, due)
        assert clock.next_tick(tx, STEP) in (None, due + timedelta(seconds=1))


def test_a_driven_clock_never_ticks_by_itself(db: Database) -> None:
    with db.transaction() as tx:
        clock.advance(tx, START)
        assert clock.next_tick(tx, STEP) is None
        assert clock.business_now(tx) == START


def test_a_business_ahead_of_the_wall_cannot_follow_it(db: Database) -> None:
    with db.transaction() as tx:
        clock.advance(tx, datetime.now(UTC) + timedelta(days=1))
        with pytest.raises(CommendaError, match="clock_backwards"):
            clock.follow_wall(tx)
