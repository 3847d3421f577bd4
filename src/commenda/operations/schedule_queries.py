"""A schedule and its runs as rows, and their SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from commenda.kit.db import Tx
from commenda.ledger import Author
from commenda.operations.ticks import CatchUp


class Status(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"


class RunStatus(StrEnum):
    REQUESTED = "requested"
    """By hand: it waits for the worker that leads."""
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    """A run by hand of this singleton was asked for or under way."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The specification's Crontab. Times are business times."""

    id: UUID
    number: int
    name: str
    type: str
    rule: str
    target: str
    parameter: dict[str, Any]
    singleton: bool
    catch_up: CatchUp
    status: Status
    remark: str
    built_in: bool
    version: int
    created_at: datetime
    next_at: datetime
    """The first moment of the rule that is not done."""
    retry_at: datetime | None
    last_at: datetime | None
    last_error: str | None
    failures: int
    """Of runs by the clock, in a row."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "catch_up", CatchUp(self.catch_up))
        object.__setattr__(self, "status", Status(self.status))

    def is_due(self, at: datetime) -> bool:
        return (
            self.status is Status.ACTIVE
            and self.next_at <= at
            and (self.retry_at is None or self.retry_at <= at)
        )


@dataclass(frozen=True, slots=True)
class Run:
    """The specification's CrontabLog: `scheduled_for` is business time, the others wall time."""

    id: int
    schedule_id: UUID
    target: str
    parameter: dict[str, Any]
    scheduled_for: datetime
    status: str
    exception_info: str | None
    requested_by: str | None
    """None: by the clock."""
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_SCHEDULE: LiteralString = (
    "SELECT id, number, name, type, rule, target, parameter, singleton, catch_up, status, remark,"
    " built_in, version, created_at, next_at, retry_at, last_at, last_error, failures"
    " FROM schedules "
)
_RUNS: LiteralString = (
    "SELECT id, schedule_id, target, parameter, scheduled_for, status, exception_info,"
    " requested_by, attempts, created_at, started_at, finished_at FROM schedule_runs "
)
RETURNING: LiteralString = (
    " RETURNING id, schedule_id, target, parameter, scheduled_for, status, exception_info,"
    " requested_by, attempts, created_at, started_at, finished_at"
)
"""What ends a statement that writes a run."""
_ASK: LiteralString = (
    "INSERT INTO schedule_runs (schedule_id, target, parameter, scheduled_for, status,"
    " requested_by) VALUES (%s, %s, %s, %s, 'requested', %s)"
)


# --- Schedules ---------------------------------------------------------------------------------


def find(tx: Tx, schedule_id: UUID, *, lock: bool = False) -> Schedule | None:
    """A schedule, if there is one. Whoever writes to it or begins a run of it locks it first."""
    end: LiteralString = " FOR UPDATE" if lock else ""
    with tx.cursor(row_factory=class_row(Schedule)) as cursor:
        return cursor.execute(_SCHEDULE + "WHERE id = %s" + end, (schedule_id,)).fetchone()


def named(tx: Tx, name: str) -> Schedule | None:
    """A schedule by its name or the text of its id."""
    with tx.cursor(row_factory=class_row(Schedule)) as cursor:
        return cursor.execute(
            _SCHEDULE + "WHERE name = %(name)s OR id::text = lower(%(name)s)"
            " ORDER BY name <> %(name)s LIMIT 1",
            {"name": name},
        ).fetchone()


def list_schedules(tx: Tx, after: int, limit: int) -> list[Schedule]:
    """Schedules past a number, in the order in which they were made: at most `limit`."""
    with tx.cursor(row_factory=class_row(Schedule)) as cursor:
        return cursor.execute(
            _SCHEDULE + "WHERE number > %s ORDER BY number LIMIT %s", (after, limit)
        ).fetchall()


def next_number(tx: Tx) -> int:
    """The number of a schedule that is about to be made; its id derives from it."""
    row = tx.execute("SELECT nextval('schedules_number_seq')").fetchone()
    assert row is not None
    number: int = row[0]
    return number


def insert(tx: Tx, one: Schedule) -> None:
    """Store a new schedule."""
    tx.execute(
        "INSERT INTO schedules (id, number, name, rule, target, parameter, singleton, catch_up,"
        " status, remark, built_in, created_at, next_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            one.id,
            one.number,
            one.name,
            one.rule,
            one.target,
            Jsonb(one.parameter),
            one.singleton,
            one.catch_up,
            one.status,
            one.remark,
            one.built_in,
            one.created_at,
            one.next_at,
        ),
    )


def update(tx: Tx, one: Schedule) -> None:
    """Store an edit."""
    tx.execute(
        "UPDATE schedules SET name = %s, rule = %s, target = %s, parameter = %s, singleton = %s,"
        " catch_up = %s, status = %s, remark = %s, version = %s, next_at = %s, retry_at = %s"
        " WHERE id = %s",
        (
            one.name,
            one.rule,
            one.target,
            Jsonb(one.parameter),
            one.singleton,
            one.catch_up,
            one.status,
            one.remark,
            one.version,
            one.next_at,
            one.retry_at,
            one.id,
        ),
    )


def delete(tx: Tx, schedule_id: UUID) -> None:
    """Delete a schedule with its log."""
    tx.execute("DELETE FROM schedules WHERE id = %s", (schedule_id,))


# --- Runs --------------------------------------------------------------------------------------


def list_runs(tx: Tx, schedule_id: UUID, before: int | None, limit: int) -> list[Run]:
    """A schedule's log, the latest run first, before an id: at most `limit`."""
    with tx.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(
            _RUNS + "WHERE schedule_id = %(schedule)s"
            " AND (%(before)s::bigint IS NULL OR id < %(before)s)"
            " ORDER BY id DESC LIMIT %(limit)s",
            {"schedule": schedule_id, "before": before, "limit": limit},
        ).fetchall()


def open_run_of(tx: Tx, schedule_id: UUID, but_for: datetime | None = None) -> bool:
    """Whether a run is asked for or under way, other than the clock's for a moment."""
    row = tx.execute(
        "SELECT 1 FROM schedule_runs WHERE schedule_id = %(id)s"
        " AND status IN ('requested', 'running')"
        " AND NOT (requested_by IS NULL AND scheduled_for IS NOT DISTINCT FROM %(but)s) LIMIT 1",
        {"id": schedule_id, "but": but_for},
    ).fetchone()
    return row is not None


def insert_request(tx: Tx, one: Schedule, author: Author) -> Run:
    """Store that somebody asks for a run now."""
    with tx.cursor(row_factory=class_row(Run)) as cursor:
        run = cursor.execute(
            _ASK + RETURNING,
            (one.id, one.target, Jsonb(one.parameter), author.now, author.actor),
        ).fetchone()
    assert run is not None
    return run
