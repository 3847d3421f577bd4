"""Who works, on what, and what went wrong with it: one look, for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from commenda import audit, ledger
from commenda.audit import Event, record
from commenda.copying import SIGNALS
from commenda.identity import Principal
from commenda.kit import ids, outbox
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.outbox import Failed, Waiting
from commenda.kit.rows import extended, records
from commenda.kit.wire import on_wire
from commenda.operations.health import WORKER_SILENCE, Readiness
from commenda.operations.ticks import RULES
from commenda.studies import STUDIES

QUEUES: Final = (SIGNALS.name, STUDIES.name)
MOST_FAILED = 50


@on_wire
@dataclass(frozen=True, slots=True)
class _Seen:
    id: str
    started_at: datetime
    seen_at: datetime
    silent_seconds: float
    up: Annotated[bool, Field(description=f"Seen within {WORKER_SILENCE} s.")]
    leads: Annotated[bool, Field(description="Whether it makes the ticks.")]
    tick_at: Annotated[datetime | None, Field(description="Its last tick, in business time.")]
    waits_for: Annotated[str | None, Field(description="Why it makes no ticks.")]


@on_wire
@dataclass(frozen=True, slots=True)
class WorkerSeen(_Seen):
    """A worker process that was not stopped."""

    running: Annotated[int, Field(description="Workflows inside it.")]


@on_wire
@dataclass(frozen=True, slots=True)
class FailingSchedule:
    name: str
    failures: Annotated[int, Field(description="In a row.")]
    last_error: str | None
    next_at: datetime | None


@on_wire
@dataclass(frozen=True, slots=True)
class Lag:
    """What is behind."""

    signals: Annotated[int, Field(description="Signals that are not copied by all.")]
    oldest_signal_seconds: Annotated[float | None, Field(description="Business time.")]
    transfers: Annotated[int, Field(description="Transfers to venues that are not carried out.")]
    unsealed_events: int
    unsealed_journals: int


@on_wire
@dataclass(frozen=True, slots=True)
class Workforce:
    """The operation's workers, queues and failures, with what readiness says."""

    as_of: Annotated[datetime, Field(description="Wall time.")]
    business_now: datetime
    readiness: Readiness
    workers: list[WorkerSeen]
    queues: list[Waiting]
    lag: Lag
    failed: Annotated[list[Failed], Field(description=f"The latest {MOST_FAILED}.")]
    schedules: Annotated[list[FailingSchedule], Field(description="Active, and failing.")]


def look(tx: Tx, readiness: Readiness) -> Workforce:
    """All of it, as of now."""
    durable = tx.execute("SELECT to_regnamespace('dbos') IS NOT NULL").fetchone() == (True,)
    running = outbox.running_by(tx) if durable else {}
    seen = records(
        tx,
        _Seen,
        "SELECT id, started_at, seen_at, leads, tick_at, waits_for,"
        " extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent_seconds,"
        " seen_at > clock_timestamp() - make_interval(secs => %s) AS up"
        " FROM workers WHERE stopped_at IS NULL ORDER BY leads DESC, id",
        (WORKER_SILENCE,),
    )
    now = tx.execute("SELECT clock_timestamp()").fetchone()
    assert now is not None
    return Workforce(
        now[0],
        business_now(tx),
        readiness,
        [extended(one, WorkerSeen, running=running.get(_slot(one.id), 0)) for one in seen],
        outbox.in_queues(tx, *QUEUES) if durable else [],
        _lag(tx),
        outbox.failed(tx, MOST_FAILED) if durable else [],
        records(
            tx,
            FailingSchedule,
            "SELECT name, failures, last_error, next_at FROM schedules"
            " WHERE status = 'active' AND failures > 0 ORDER BY failures DESC, name",
        ),
    )


def run_again(tx: Tx, who: Principal, workflow_id: str, now: datetime) -> Failed:
    """Have work that failed run again, as somebody asks; codes of `outbox.again`."""
    if tx.execute("SELECT to_regnamespace('dbos') IS NULL").fetchone() == (True,):
        raise outbox.unknown_workflow(workflow_id)
    was = next(
        (one for one in outbox.failed(tx, MOST_FAILED) if one.workflow_id == workflow_id), None
    )
    name = outbox.again(tx, workflow_id)
    error = was.error if was else None
    said = {"workflow": name, "error": error}
    correlation = ids.derive("workflow", workflow_id)
    event = Event("work.again", workflow_id, correlation, "enqueued", who.actor, RULES, now, said)
    record(tx, [event])
    return was or Failed(workflow_id, name, None, now, 1)


def _slot(worker: str) -> int:
    number = worker.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def _lag(tx: Tx) -> Lag:
    row = tx.execute(
        "SELECT (SELECT count(*) FROM trading_signals WHERE status <> 'processed'),"
        " (SELECT extract(epoch FROM business_now() - min(created_at))::float8"
        "   FROM trading_signals WHERE status <> 'processed'),"
        " (SELECT count(*) FROM transfers WHERE done_at IS NULL)"
    ).fetchone()
    assert row is not None
    return Lag(row[0], row[1], row[2], audit.unsealed(tx), audit.unsealed(tx, ledger.JOURNALS))
