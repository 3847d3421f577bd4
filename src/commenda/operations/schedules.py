"""The business's daily work: what is done, in which order, how often; and the tick that does it.

A tick is a moment of business time. It is stored before its first job runs and forgotten after
its last, with the names of the jobs that are done, so a killed tick is taken up where it was, at
the same moment. Every job may be repeated: what it does has natural keys.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from commenda.kit import clock
from commenda.kit.db import Database, Tx
from commenda.ledger import Author
from commenda.trading import Desk

RULES = "operation/1"


class Interrupted(Exception):
    """The worker is asked to stop: the job that waits gives up and is done again later."""


class Superseded(Exception):
    """Another worker leads by now and has gone on: this tick is not this worker's any more."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What jobs work with."""

    database: Database
    desk: Desk
    stopping: threading.Event = field(default_factory=threading.Event)

    def author(self, now: datetime) -> Author:
        return Author("operation", RULES, now)

    def batches(self, act: Callable[[Tx], int]) -> int:
        """Repeat a batch action, each batch in a transaction of its own, until nothing is left."""
        total = 0
        while True:
            with self.database.transaction() as tx:
                done = act(tx)
            total += done
            if not done:
                return total


Job = Callable[[Operation, datetime], None]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job, and how often it is done in business time; `every` None is at each tick."""

    name: str
    job: Job
    every: timedelta | None = None


class Tick(NamedTuple):
    """A moment whose jobs are to be done, and those that are."""

    at: datetime
    done: frozenset[str]


def begin_tick(tx: Tx, step: timedelta) -> Tick | None:
    """The tick that was cut short, or the next one if it is due."""
    row = tx.execute("SELECT at, jobs_done FROM open_tick FOR UPDATE").fetchone()
    if row is not None:
        return Tick(row[0], frozenset(row[1]))
    at = clock.next_tick(tx, step)
    if at is None:
        return None
    begun = tx.execute(
        "INSERT INTO open_tick (at) VALUES (%s) ON CONFLICT DO NOTHING", (at,)
    ).rowcount
    return Tick(at, frozenset()) if begun else None


def end_tick(tx: Tx, at: datetime) -> None:
    """Forget the tick and move the business clock to it. Raises `Superseded`."""
    if not tx.execute("DELETE FROM open_tick WHERE at = %s", (at,)).rowcount:
        raise Superseded
    clock.advance(tx, at)


def due(tx: Tx, schedules: Sequence[Schedule], at: datetime) -> list[Schedule]:
    """Those of the schedules whose time has come, in their order.

    One that is new is due at once. However many times were missed, it is due once.
    """
    rows = tx.execute("SELECT name, next_at FROM schedules").fetchall()
    next_at: dict[str, datetime] = dict(rows)
    return [
        one
        for one in schedules
        if one.every is None or one.name not in next_at or next_at[one.name] <= at
    ]


def mark_done(tx: Tx, schedule: Schedule, at: datetime, error: str | None = None) -> None:
    """Note that a job is done for this tick, or that it failed, and when it is due again.

    Raises `Superseded`.
    """
    noted = tx.execute(
        "UPDATE open_tick SET jobs_done = jobs_done || %s::text WHERE at = %s", (schedule.name, at)
    ).rowcount
    if not noted:
        raise Superseded
    if schedule.every is None and error is None:
        tx.execute(
            "UPDATE schedules SET failures = 0, last_error = NULL WHERE name = %s AND failures > 0",
            (schedule.name,),
        )
        return
    tx.execute(
        "INSERT INTO schedules (name, every, next_at, last_at, last_error, failures)"
        " VALUES (%(name)s, %(every)s, %(next)s, %(at)s, %(error)s, %(failed)s)"
        " ON CONFLICT (name) DO UPDATE SET every = excluded.every, next_at = excluded.next_at,"
        "  last_at = excluded.last_at, last_error = excluded.last_error,"
        "  failures = CASE WHEN %(failed)s = 0 THEN 0 ELSE schedules.failures + 1 END",
        {
            "name": schedule.name,
            "every": schedule.every or timedelta(seconds=1),
            "next": at if schedule.every is None else after(at, schedule.every),
            "at": at,
            "error": error,
            "failed": int(error is not None),
        },
    )


def after(at: datetime, every: timedelta) -> datetime:
    """The first whole multiple of `every` past `at`, counted from the epoch."""
    step = int(every.total_seconds())
    seconds = (int(at.timestamp()) // step + 1) * step
    return datetime.fromtimestamp(seconds, at.tzinfo)
