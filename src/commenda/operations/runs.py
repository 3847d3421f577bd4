"""Runs of schedules: asked for, begun, tried again, ended, forgotten.

A run by the clock stands for one moment of its schedule's rule. It is stored before its job is
called, and its end is stored together with the schedule's next moment; so whatever a worker that
was killed leaves behind is done again, and what is done is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import Field

from commenda.alerts import end_alerts, raise_alerts
from commenda.audit import Event
from commenda.books import next_retry
from commenda.kit import clock, ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.kit.wire import on_wire, one_of
from commenda.ledger import Author
from commenda.operations.cron import latest, next_after
from commenda.operations.schedules import (
    Schedule,
    find_schedule,
    new_schedule,
    note_change,
    schedule_by_id,
    store_schedule,
)
from commenda.operations.ticks import RULES, CatchUp, Job, Superseded

KEPT_DAYS, KEPT_RUNS = 90, 100
"""How many business days of the log are kept, and how many runs of each schedule in any case."""
_LONGEST_ERROR = 1000


class RunStatus(StrEnum):
    REQUESTED = "requested"
    """By hand: it waits for the worker that leads."""
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    """A run by hand of this singleton was asked for or under way."""


@on_wire
@dataclass(frozen=True, slots=True)
class Run:
    """The specification's CrontabLog."""

    id: int
    schedule_id: Annotated[UUID, Field(alias="crontabId")]
    target: str
    parameter: dict[str, Any]
    scheduled_for: Annotated[
        datetime,
        Field(
            description="Business time: the moment of the rule that it stands for, or of the"
            " request."
        ),
    ]
    status: Annotated[str, one_of(RunStatus)]
    exception_info: str | None
    requested_by: Annotated[str | None, Field(description="None: by the clock.")]
    attempts: int
    created_at: Annotated[datetime, Field(description="Wall time, as the two below.")]
    started_at: Annotated[datetime | None, Field(description="The last attempt.")]
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Turn:
    """A run that has begun."""

    run: Run
    name: str
    """Of the schedule."""
    at: datetime
    """The moment that the job is to act for."""
    next_at: datetime | None
    """What was due when it began; None where it was asked for by hand."""


_COLUMNS = sql.SQL(", ").join(sql.Identifier("r", one.name) for one in fields(Run))


def _runs(tx: Tx, query: LiteralString, values: dict[str, Any]) -> list[Run]:
    """Runs that a query answers with: `{}` in it stands for their columns."""
    with tx.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(sql.SQL(query).format(_COLUMNS), values).fetchall()


def list_runs(tx: Tx, schedule_id: UUID, before: int | None, limit: int) -> list[Run]:
    """A schedule's log, the latest run first, before an id: at most `limit`."""
    return _runs(
        tx,
        "SELECT {} FROM schedule_runs AS r WHERE schedule_id = %(schedule)s"
        " AND (%(before)s::bigint IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s",
        {"schedule": schedule_id, "before": before, "limit": limit},
    )


def begin_to_lead(tx: Tx, jobs: Iterable[object]) -> None:
    """Put in order what another worker left behind, and see that each job's schedule is there.

    Runs that it was killed in have failed; those by the clock are tried again, since their moment
    is still due.
    """
    tx.execute(
        "UPDATE schedule_runs SET status = 'failed', finished_at = clock_timestamp(),"
        " exception_info = 'cut short: the worker stopped, died or lost the database'"
        " WHERE status = 'running'"
    )
    _add_built_in(tx, (job for job in jobs if isinstance(job, Job)), clock.business_now(tx))


def _add_built_in(tx: Tx, jobs: Iterable[Job], now: datetime) -> None:
    """Make each job's own schedule where it is missing, due at once: for its rule's last moment."""
    there = tx.execute("SELECT name, CASE WHEN built_in THEN target END FROM schedules").fetchall()
    names, targets = {name for name, _ in there}, {target for _, target in there}
    for job in jobs:
        if job.rule is None or job.name in targets:
            continue
        made = new_schedule(
            tx,
            now,
            latest(job.rule, now),
            # An operator's own may have had the name before the job came.
            name=f"{job.name} (built in)" if job.name in names else job.name,
            rule=job.rule,
            target=job.name,
            parameter=job.parameters().model_dump(mode="json", by_alias=True),
            catch_up=job.catch_up,
            remark=job.about,
            built_in=True,
        )
        # Another worker that leads no more may have made it in this moment.
        with suppress(psycopg.errors.UniqueViolation), tx.transaction():
            store_schedule(tx, made)


# --- By the clock ------------------------------------------------------------------------------


def due(tx: Tx, at: datetime) -> dict[str, list[UUID]]:
    """The schedules whose time has come by a tick, under their targets; the built-in first."""
    rows = tx.execute(
        "SELECT target, id FROM schedules WHERE status = 'active' AND next_at <= %(at)s"
        " AND (retry_at IS NULL OR retry_at <= %(at)s) ORDER BY built_in DESC, number",
        {"at": at},
    )
    found: dict[str, list[UUID]] = {}
    for target, schedule_id in rows:
        found.setdefault(target, []).append(schedule_id)
    return found


def begin_due(tx: Tx, schedule_id: UUID, at: datetime) -> Turn | None:
    """Begin the next run of a schedule that is due by the tick `at`; None where none is to run.

    Where each missed moment is made up for, it stands for the first of them, else for the latest.
    A singleton of which a run is asked for or under way waits in the first case; in the second its
    moment is logged as skipped. Raises `Superseded`.
    """
    if tx.execute("SELECT 1 FROM open_tick WHERE at = %s", (at,)).fetchone() is None:
        raise Superseded
    one = find_schedule(tx, schedule_id, lock=True)
    if one is None or not one.is_due(at):
        return None
    every = one.catch_up is CatchUp.EVERY
    moment = one.next_at if every else max(one.next_at, latest(one.rule, at))
    if one.singleton and _open_run(tx, one.id, but_for=moment):
        if every:
            return None
        _begin(tx, one, moment, RunStatus.SKIPPED)
        run = None
    else:
        run = _begin(tx, one, moment, RunStatus.RUNNING)
    if run is None:  # skipped, or an edit made a moment due again that is done
        store_schedule(tx, replace(one, next_at=_following(one, moment, at), retry_at=None))
        return None
    return Turn(run, one.name, moment if every else at, one.next_at)


def _begin(tx: Tx, one: Schedule, moment: datetime, status: RunStatus) -> Run | None:
    """Store a run, or another attempt at it; None where it has been done."""
    running = status is RunStatus.RUNNING
    found = _runs(
        tx,
        "INSERT INTO schedule_runs AS r (schedule_id, target, parameter, scheduled_for, status,"
        "  exception_info, attempts, started_at, finished_at)"
        " SELECT %(schedule)s, %(target)s, %(parameter)s, %(moment)s, %(status)s,"
        "  CASE WHEN NOT %(running)s THEN 'another run was asked for or under way' END,"
        "  %(running)s::integer, CASE WHEN %(running)s THEN clock_timestamp() END,"
        "  CASE WHEN NOT %(running)s THEN clock_timestamp() END"
        " ON CONFLICT (schedule_id, scheduled_for) WHERE requested_by IS NULL DO UPDATE"
        " SET target = excluded.target, parameter = excluded.parameter,"
        "  status = excluded.status, exception_info = excluded.exception_info,"
        "  attempts = r.attempts + excluded.attempts, started_at = excluded.started_at,"
        "  finished_at = excluded.finished_at"
        " WHERE r.status NOT IN ('success', 'skipped') RETURNING {}",
        {
            "schedule": one.id,
            "target": one.target,
            "parameter": Jsonb(one.parameter),
            "moment": moment,
            "status": status,
            "running": running,
        },
    )
    return found[0] if found else None


def _open_run(tx: Tx, schedule_id: UUID, but_for: datetime | None = None) -> bool:
    """Whether a run is asked for or under way, other than the clock's for a moment."""
    row = tx.execute(
        "SELECT 1 FROM schedule_runs WHERE schedule_id = %(id)s"
        " AND status IN ('requested', 'running')"
        " AND NOT (requested_by IS NULL AND scheduled_for IS NOT DISTINCT FROM %(but)s) LIMIT 1",
        {"id": schedule_id, "but": but_for},
    ).fetchone()
    return row is not None


# --- By hand -----------------------------------------------------------------------------------


def request_run(tx: Tx, author: Author, schedule_id: UUID) -> Run:
    """Ask for a run beside the rule, which the leading worker takes up in a moment.

    A paused schedule runs, too. Codes `unknown_schedule`, and `already_running` where one run of a
    singleton is asked for or under way.
    """
    one = schedule_by_id(tx, schedule_id, lock=True)
    if one.singleton and _open_run(tx, one.id):
        raise conflict("already_running", "A run of this schedule is asked for or under way").at(
            "id", one.id, "wait for it to end: its log says when"
        )
    (run,) = _runs(
        tx,
        "INSERT INTO schedule_runs AS r (schedule_id, target, parameter, scheduled_for, status,"
        " requested_by) VALUES (%(id)s, %(target)s, %(parameter)s, %(now)s, 'requested', %(by)s)"
        " RETURNING {}",
        {
            "id": one.id,
            "target": one.target,
            "parameter": Jsonb(one.parameter),
            "now": author.now,
            "by": author.actor,
        },
    )
    note_change(tx, author, one, "schedule.run_requested", f"run {run.id}")
    return run


def begin_requested(tx: Tx) -> Turn | None:
    """Begin the run that was asked for first; None where none is."""
    asked = tx.execute(
        "SELECT id, schedule_id FROM schedule_runs WHERE status = 'requested' ORDER BY id LIMIT 1"
    ).fetchone()
    one = None if asked is None else find_schedule(tx, asked[1], lock=True)
    if asked is None or one is None:
        return None
    begun = _runs(
        tx,
        "UPDATE schedule_runs AS r SET status = 'running', attempts = 1,"
        " started_at = clock_timestamp() WHERE id = %(id)s AND status = 'requested' RETURNING {}",
        {"id": asked[0]},
    )
    return Turn(begun[0], one.name, clock.business_now(tx), None) if begun else None


# --- The end -----------------------------------------------------------------------------------


def end_turn(tx: Tx, turn: Turn, at: datetime, error: str | None) -> bool:
    """Note how a run ended at the business time `at` and, by the clock, what comes next.

    A run that failed keeps its moment due where each is made up for: it is tried again after
    30 s · 2ⁿ, at most 15 minutes. Elsewhere the rule goes on. An edit meanwhile stands, and so
    does a deletion. Raises `Superseded` where another worker tries this run again.

    Whether another moment of the schedule is due by `at`.
    """
    run = turn.run
    one = find_schedule(tx, run.schedule_id, lock=True)
    if one is None:
        return False
    noted = tx.execute(
        "UPDATE schedule_runs SET status = %s, exception_info = %s,"
        " finished_at = clock_timestamp() WHERE id = %s AND status = 'running' AND attempts = %s",
        (RunStatus.FAILED if error else RunStatus.SUCCESS, error, run.id, run.attempts),
    ).rowcount
    if not noted:
        raise Superseded
    tell_outcome(tx, turn.name, at, error)
    if turn.next_at is None:
        return False
    waits = error is not None and one.catch_up is CatchUp.EVERY
    moved = one.next_at != turn.next_at
    after = replace(
        one,
        last_at=at,
        last_error=error,
        failures=0 if error is None else one.failures + 1,
        retry_at=next_retry(one.failures, at) if waits else None,
        next_at=one.next_at if waits or moved else _following(one, run.scheduled_for, at),
    )
    store_schedule(tx, after)
    return not waits and after.next_at <= at


def _following(one: Schedule, moment: datetime, at: datetime) -> datetime:
    """What is due after the run for a moment, in the tick `at`."""
    return next_after(one.rule, moment if one.catch_up is CatchUp.EVERY else at)


def tell_outcome(tx: Tx, name: str, at: datetime, error: str | None) -> None:
    """Raise an alert about a job that failed; it ends when the job succeeds."""
    if error is None:
        end_alerts(tx, "alert.job_failed", at, about=[name])
        return
    correlation, details = ids.derive("job", name), {"error": error}
    event = Event("alert.job_failed", name, correlation, "failed", "operation", RULES, at, details)
    raise_alerts(tx, [event])


def said(failure: Exception) -> str:
    """What an exception says, as it can be stored."""
    text = f"{type(failure).__name__}: {failure}"[:_LONGEST_ERROR]
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def forget_runs(tx: Tx, limit: int = 2000) -> int:
    """Remove ended runs of more than 90 business days ago, but for each schedule's last 100.

    At most `limit`; how many.
    """
    return tx.execute(
        "DELETE FROM schedule_runs WHERE id IN ("
        " SELECT r.id FROM schedule_runs r"
        "  WHERE r.scheduled_for < business_now() - make_interval(days => %(days)s)"
        "   AND r.status NOT IN ('requested', 'running')"
        "   AND r.id <= (SELECT k.id FROM schedule_runs k WHERE k.schedule_id = r.schedule_id"
        "    ORDER BY k.id DESC OFFSET %(runs)s LIMIT 1)"
        "  LIMIT %(limit)s)",
        {"days": KEPT_DAYS, "runs": KEPT_RUNS, "limit": limit},
    ).rowcount
