"""A business with two jobs and its schedules, for tests of what runs when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest

from commenda.kit import clock
from commenda.kit.db import Database
from commenda.ledger import Author
from commenda.operations import (
    CatchUp,
    Clockwork,
    Job,
    Operation,
    Parameters,
    Plan,
    Run,
    Schedule,
    Step,
    create_schedule,
    edit_schedule,
    jobs,
    list_runs,
    request_run,
    schedule_by_id,
)
from nowhere import no_broker

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(minutes=15)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Payout(Parameters):
    cadence: Literal["daily", "weekly"] = "daily"
    at_most: int | None = None


class Office:
    """A business with two jobs: `accrue` makes every missed moment up, `report` looks at now."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        with database.transaction() as tx:
            clock.set_pace(tx, MONDAY, Decimal(1440), quick_until=MONDAY + timedelta(days=365))
        self.database = database
        self.operation = Operation(database, no_broker())
        self.done: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens inside the next run, before it has done anything."""
        self.jobs: tuple[Step | Job, ...] = (
            Step("first", lambda _, at: self.done.append(f"{at:%d %H:%M} first")),
            Job("accrue", self.noting("accrue"), "Accrues.", None, CatchUp.EVERY, any_moment=True),
            Job("report", self.noting("report"), "Reports.", None, CatchUp.ONE, Payout),
            Step("last", lambda _, at: None),
        )
        monkeypatch.setattr(jobs, "JOBS", self.jobs)
        self.workers: list[Clockwork] = []
        self.work = self.worker()

    def noting(self, name: str) -> Callable[[Operation, datetime, Any], None]:
        def act(_operation: Operation, at: datetime, told: Parameters) -> None:
            happens, self.meanwhile = self.meanwhile, lambda: None
            happens()
            given = f" {told.cadence}" if isinstance(told, Payout) else ""
            self.done.append(f"{at:%d %H:%M} {name}{given}")

        return act

    def worker(self) -> Clockwork:
        self.workers.append(Clockwork(self.operation, self.jobs, STEP, len(self.workers)))
        return self.workers[-1]

    @property
    def author(self) -> Author:
        with self.database.transaction() as tx:
            return Author("operator:ada", "operation/1", clock.business_now(tx))

    def schedule(
        self, target: str = "accrue", rule: str = "0 0 * * *", name: str | None = None, **plan: Any
    ) -> Schedule:
        author = self.author
        with self.database.transaction() as tx:
            return create_schedule(
                tx, author, Plan(target if name is None else name, rule, target, **plan)
            )

    def edit(self, one: Schedule, **changes: Any) -> Schedule:
        author = self.author
        with self.database.transaction() as tx:
            return edit_schedule(tx, author, one.id, changes)

    def ask(self, one: Schedule) -> Run:
        author = self.author
        with self.database.transaction() as tx:
            return request_run(tx, author, one.id)

    def seen(self, one: Schedule) -> Schedule:
        with self.database.transaction() as tx:
            return schedule_by_id(tx, one.id)

    def log(self, one: Schedule) -> list[Run]:
        """The earliest first."""
        with self.database.transaction() as tx:
            return list_runs(tx, one.id, None, 1000)[::-1]

    def away(self, until: datetime) -> None:
        """Nobody works until then: the business goes on without ticks."""
        with self.database.transaction() as tx:
            clock.advance(tx, until - STEP)

    def ticks(self, count: int) -> None:
        for _ in range(count):
            assert self.work.poll()

    def took(self) -> list[str]:
        """What jobs have done since this was last asked; steps left out."""
        done = [one for one in self.done if not one.endswith("first")]
        self.done.clear()
        return done

    def column(self, query: str) -> list[Any]:
        with self.database.transaction() as tx:
            return [row[0] for row in tx.execute(query)]  # type: ignore[call-overload]


def fail() -> None:
    raise ValueError("no such thing")


def statuses(runs: list[Run]) -> list[str]:
    return [str(run.status) for run in runs]
