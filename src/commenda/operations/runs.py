"""Runs of schedules: begun, tried again, ended, forgotten. What the worker that leads calls.

A run by the clock stands for one moment of its schedule's rule. It is stored before its job is
called, and its end is stored together with the schedule's next moment; so whatever a worker that
was killed leaves behind is done again, and what is done is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from commenda.alerts import raise_alerts
from commenda.audit import Event
from commenda.books import next_retry
from commenda.kit import clock, ids
from commenda.kit.db import Tx
from commenda.operations import schedule_queries as queries
from commenda.operations.cron import latest, next_after
from commenda.operations.schedule_queries import RETURNING, Run, RunStatus, Schedule
from commenda.operations.ticks import RULES, CatchUp, Job, Superseded

KEPT_DAYS, KEPT_RUNS = 90, 100
"""How many business days of the log are kept, and how many runs of each schedule in any case."""
_LONGEST_ERROR = 1000
_TAKE: LiteralString = (
    "UPDATE schedule_runs SET status = 'running', attempts = 1, started_at = clock_timestamp()"
    " WHERE id = %s AND status = 'requested'"
)


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


def take_over(tx: Tx, jobs: Iterable[object]) -> None:
    """Put in order what another worker left behind, and see that each job's schedule is there.

    Runs that it was killed in have failed; those by the clock are tried again, since their moment
    is still due.
    """
    tx.execute(
        "UPDATE schedule_runs SET status = 'failed', finished_at = clock_timestamp(),"
        " exception_info = 'cut short: the worker stopped, died or lost the database'"
        " WHERE status = 'running'"
    )
    known = {
        target for (target,) in tx.execute("SELECT target FROM schedules WHERE built_in").fetchall()
    }
    now = clock.business_now(tx)
    for job in jobs:
        if isinstance(job, Job) and job.rule is not None and job.name not in known:
            _build_in(tx, job, job.rule, now)


def _build_in(tx: Tx, job: Job, rule: str, now: datetime) -> None:
    """Make a job's own schedule, due at once: for the last moment that its rule had."""
    number = queries.next_number(tx)
    tx.execute(
        "INSERT INTO schedules (id, number, name, rule, target, parameter, singleton, catch_up,"
        "  status, remark, built_in, created_at, next_at)"
        " SELECT %(id)s, %(number)s,"
        # An operator's own may have had the name before the job came.
        "  CASE WHEN EXISTS (SELECT FROM schedules WHERE name = %(target)s)"
        "   THEN %(target)s || ' (built in)' ELSE %(target)s END,"
        "  %(rule)s, %(target)s, %(parameter)s, true, %(catch_up)s, 'active', %(about)s, true,"
        "  %(now)s, %(next)s ON CONFLICT DO NOTHING",
        {
            "id": ids.derive("schedule", number),
            "number": number,
            "target": job.name,
            "rule": rule,
            "parameter": Jsonb(job.parameters().model_dump(mode="json", by_alias=True)),
            "catch_up": job.catch_up,
            "about": job.about,
            "now": now,
            "next": latest(rule, now),
        },
    )


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
    one = queries.find(tx, schedule_id, lock=True)
    if one is None or not one.is_due(at):
        return None
    every = one.catch_up is CatchUp.EVERY
    moment = one.next_at if every else max(one.next_at, latest(one.rule, at))
    if one.singleton and queries.open_run_of(tx, one.id, but_for=moment):
        if not every:
            _begin(tx, one, moment, RunStatus.SKIPPED)
            _move_on(tx, one, moment, at)
        return None
    run = _begin(tx, one, moment, RunStatus.RUNNING)
    if run is None:  # an edit made a moment due again that is done
        _move_on(tx, one, moment, at)
        return None
    return Turn(run, one.name, moment if every else at, one.next_at)


def _begin(tx: Tx, one: Schedule, moment: datetime, status: RunStatus) -> Run | None:
    """Store a run, or another attempt at it; None where it has been done."""
    running = status is RunStatus.RUNNING
    with tx.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(
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
            " WHERE r.status NOT IN ('success', 'skipped')" + RETURNING,
            {
                "schedule": one.id,
                "target": one.target,
                "parameter": Jsonb(one.parameter),
                "moment": moment,
                "status": status,
                "running": running,
            },
        ).fetchone()


def _move_on(tx: Tx, one: Schedule, moment: datetime, at: datetime) -> None:
    """Set the schedule's next moment past one that needs no run."""
    tx.execute(
        "UPDATE schedules SET next_at = %s, retry_at = NULL WHERE id = %s",
        (_following(one, moment, at), one.id),
    )


# --- By hand -----------------------------------------------------------------------------------


def begin_requested(tx: Tx) -> Turn | None:
    """Begin the run that was asked for first; None where none is."""
    asked = tx.execute(
        "SELECT id, schedule_id FROM schedule_runs WHERE status = 'requested' ORDER BY id LIMIT 1"
    ).fetchone()
    one = None if asked is None else queries.find(tx, asked[1], lock=True)
    if asked is None or one is None:
        return None
    with tx.cursor(row_factory=class_row(Run)) as cursor:
        run = cursor.execute(
            _TAKE + RETURNING,
            (asked[0],),
        ).fetchone()
    return None if run is None else Turn(run, one.name, clock.business_now(tx), None)


# --- The end -----------------------------------------------------------------------------------


def end_turn(tx: Tx, turn: Turn, at: datetime, error: str | None) -> bool:
    """Note how a run ended at the business time `at` and, by the clock, what comes next.

    A run that failed keeps its moment due where each is made up for: it is tried again after
    30 s · 2ⁿ, at most 15 minutes. Elsewhere the rule goes on. An edit meanwhile stands, and so
    does a deletion. Raises `Superseded` where another worker tries this run again.

    Whether another moment of the schedule is due by `at`.
    """
    run = turn.run
    one = queries.find(tx, run.schedule_id, lock=True)
    if one is None:
        return False
    noted = tx.execute(
        "UPDATE schedule_runs SET status = %s, exception_info = %s,"
        " finished_at = clock_timestamp() WHERE id = %s AND status = 'running' AND attempts = %s",
        (RunStatus.FAILED if error else RunStatus.SUCCESS, error, run.id, run.attempts),
    ).rowcount
    if not noted:
        raise Superseded
    if error is not None:
        tell_failure(tx, turn.name, at, error)
    if turn.next_at is None:
        return False
    waits = error is not None and one.catch_up is CatchUp.EVERY
    moved = one.next_at != turn.next_at
    next_at = one.next_at if waits or moved else _following(one, run.scheduled_for, at)
    tx.execute(
        "UPDATE schedules SET last_at = %(at)s, last_error = %(error)s,"
        " failures = CASE WHEN %(error)s::text IS NULL THEN 0 ELSE failures + 1 END,"
        " retry_at = %(retry)s, next_at = %(next)s WHERE id = %(id)s",
        {
            "at": at,
            "error": error,
            "retry": next_retry(one.failures, at) if waits else None,
            "next": next_at,
            "id": one.id,
        },
    )
    return not waits and next_at <= at


def _following(one: Schedule, moment: datetime, at: datetime) -> datetime:
    """What is due after the run for a moment, in the tick `at`."""
    return next_after(one.rule, moment if one.catch_up is CatchUp.EVERY else at)


def tell_failure(tx: Tx, name: str, at: datetime, error: str) -> None:
    """Raise an alert about a job that failed."""
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
