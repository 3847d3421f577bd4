"""The database's clock is set, ahead or back, while a worker lives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from commenda.kit import clock
from commenda.kit.db import Database
from commenda.operations import (
    Clockwork,
    Operation,
    Step,
    readiness,
)
from commenda.operations import clockwork as clockwork_room
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


def one(db: Database, query: str) -> Any:
    with db.transaction() as tx:
        row = tx.execute(query).fetchone()  # type: ignore[call-overload]
    return row[0] if row else None


class Machine:
    """How long a machine has been up: the database's clock against it is what a test sets."""

    def __init__(self) -> None:
        self.behind = 0.0

    def __call__(self) -> float:
        return clockwork_room.seconds_lived() - self.behind


def test_a_business_does_not_follow_a_clock_that_was_set_ahead_until_it_is_set_back(
    db: Database,
) -> None:
    """Ten minutes at once are no ten minutes: this machine has lived milliseconds meanwhile."""
    with db.transaction() as tx:
        clock.follow_wall(tx)
        tx.execute("UPDATE business_clock SET now_at = now_at - interval '1 hour'")
    ticks: list[str] = []
    machine = Machine()
    operation = Operation(db, no_broker())
    work = Clockwork(operation, [Step("each", noting(ticks, "tick"))], STEP, 0, machine)
    assert work.poll()  # an hour was slept through, by a worker that was not there: made up for
    assert len(ticks) == 1
    with db.transaction() as tx:
        tx.execute("UPDATE business_clock SET now_at = now_at - interval '1 minute'")
    machine.behind = 600.0
    assert not work.poll()
    assert len(ticks) == 1
    told = one(db, "SELECT waits_for FROM workers WHERE leads")
    assert told.startswith("the database's clock was set ahead by 600 s")
    seen = readiness(db).checks["clock"]
    assert (seen.ok, seen.detail) == (False, f"no ticks: {told}")
    machine.behind = 0.0
    assert work.poll()
    assert len(ticks) == 2
    assert one(db, "SELECT waits_for FROM workers WHERE leads") is None
    assert readiness(db).checks["clock"].ok
    # Who starts anew takes the clock as it is.
    machine.behind = 600.0
    assert not work.poll()
    work.close()
    with db.transaction() as tx:
        tx.execute("UPDATE business_clock SET now_at = now_at - interval '1 minute'")
    again = Clockwork(operation, work.jobs, STEP, 1, machine)
    assert again.poll()
    assert len(ticks) == 3
    again.close()


def test_five_minutes_are_let_pass_and_a_paced_clock_does_not_care(operation: Operation) -> None:
    ticks: list[str] = []
    machine = Machine()
    work = Clockwork(operation, [Step("each", noting(ticks, "tick"))], STEP, 0, machine)
    assert work.poll()
    machine.behind = 1e9
    assert work.poll()
    assert len(ticks) == 2
    work.close()


def test_a_paced_clock_goes_on_where_wall_time_was_set_back(db: Database) -> None:
    with db.transaction() as tx:
        clock.set_pace(tx, START, Decimal(1), quick_until=START)
        assert clock.next_tick(tx, STEP) is None  # in a quarter of an hour
        tx.execute("UPDATE business_clock SET advanced_at = clock_timestamp() + interval '1 day'")
        assert clock.next_tick(tx, STEP) == START + STEP
