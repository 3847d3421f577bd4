"""The business clock and its ticks: begun once, done in order, taken up where they were cut."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import psycopg
import pytest

from commenda.kit import clock
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.operations import Clockwork, Interrupted, Operation, Schedule
from commenda.operations.schedules import after
from commenda.trading import Desk

START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(minutes=15)
LATER = START + timedelta(days=365)


@pytest.fixture
def operation(db: Database) -> Operation:
    """An operation whose jobs do not trade, on a clock that never waits."""
    with db.transaction() as tx:
        clock.set_pace(tx, START, Decimal(1440), quick_until=LATER)
    return Operation(db, cast(Desk, None))


def noting(into: list[str], name: str) -> Callable[[Operation, datetime], None]:
    return lambda _operation, now: into.append(f"{now:%H:%M} {name}")


def clockwork(operation: Operation, *schedules: Schedule, number: int = 0) -> Clockwork:
    return Clockwork(operation, schedules, STEP, number)


def business_now(db: Database) -> datetime:
    with db.transaction() as tx:
        return clock.business_now(tx)


def one(db: Database, query: str) -> Any:
    with db.transaction() as tx:
        row = tx.execute(query).fetchone()  # type: ignore[call-overload]
    return row[0] if row else None


def test_a_tick_does_its_jobs_in_order_and_moves_the_clock(operation: Operation) -> None:
    done: list[str] = []
    work = clockwork(
        operation,
        Schedule("each", noting(done, "each")),
        Schedule("hourly", noting(done, "hourly"), timedelta(hours=1)),
        Schedule("last", noting(done, "last")),
    )
    for _ in range(5):
        assert work.beat()
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

    jobs = (Schedule("first", noting(done, "first")), Schedule("second", fail_once))
    cut = clockwork(operation, *jobs)
    with pytest.raises(psycopg.OperationalError):
        cut.beat()
    assert business_now(operation.database) == START
    cut.close()
    other = clockwork(operation, *jobs, number=1)
    assert other.beat()
    other.close()
    assert done == ["00:15 first", "00:15 second"]
    assert business_now(operation.database) == START + STEP


def test_a_job_that_fails_is_told_and_does_not_stop_the_others(operation: Operation) -> None:
    done: list[str] = []

    def fail(_operation: Operation, _now: datetime) -> None:
        raise ValueError("no such thing")

    work = clockwork(operation, Schedule("bad", fail), Schedule("good", noting(done, "good")))
    work.beat()
    work.beat()
    work.close()
    assert done == ["00:15 good", "00:30 good"]
    assert one(operation.database, "SELECT failures FROM schedules WHERE name = 'bad'") == 2
    assert (
        one(operation.database, "SELECT last_error FROM schedules") == "ValueError: no such thing"
    )
    assert (
        one(
            operation.database,
            "SELECT count(*) FROM audit_events WHERE kind = 'alert.job_failed' AND subject = 'bad'",
        )
        == 2
    )


def test_a_job_that_recovers_forgets_its_failures(operation: Operation) -> None:
    broken = True

    def flaky(_operation: Operation, _now: datetime) -> None:
        if broken:
            raise ValueError("not yet")

    work = clockwork(operation, Schedule("flaky", flaky))
    work.beat()
    assert one(operation.database, "SELECT failures FROM schedules") == 1
    broken = False
    work.beat()
    work.close()
    assert one(operation.database, "SELECT failures FROM schedules") == 0
    assert one(operation.database, "SELECT last_error FROM schedules") is None


def test_a_job_that_is_interrupted_is_done_again_by_the_next_worker(operation: Operation) -> None:
    done: list[str] = []

    def interrupted(_operation: Operation, _now: datetime) -> None:
        raise Interrupted

    stopped = clockwork(operation, Schedule("waits", interrupted))
    assert not stopped.beat()
    stopped.close()
    next_one = clockwork(operation, Schedule("waits", noting(done, "waits")), number=1)
    assert next_one.beat()
    next_one.close()
    assert done == ["00:15 waits"]


def test_one_worker_leads_and_another_takes_over_when_it_is_gone(operation: Operation) -> None:
    first, second = clockwork(operation), clockwork(operation, number=1)
    assert first.beat()
    assert not second.beat()
    assert (first.leads, second.leads) == (True, False)
    assert first._session is not None
    first._session.close()  # as when its process dies
    assert second.beat()
    assert second.leads
    second.close()
    assert business_now(operation.database) == START + 2 * STEP


def test_a_worker_shows_a_sign_of_life_and_says_goodbye(operation: Operation) -> None:
    work = clockwork(operation)
    work.beat()
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


@pytest.mark.parametrize(
    ("at", "every", "expected"),
    [
        (START, timedelta(hours=1), START + timedelta(hours=1)),
        (START + timedelta(minutes=59, seconds=59), timedelta(hours=1), START + timedelta(hours=1)),
        (START + timedelta(hours=5), timedelta(days=1), START + timedelta(days=1)),
    ],
)
def test_a_schedule_is_next_due_at_a_whole_multiple(
    at: datetime, every: timedelta, expected: datetime
) -> None:
    assert after(at, every) == expected
