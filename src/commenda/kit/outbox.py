"""Durable work as any process sees it: plain SQL in the caller's transaction.

A workflow that is enqueued here commits or rolls back with what asked for it: that is the outbox.
It needs neither DBOS nor a worker in the process that enqueues.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from psycopg import sql
from psycopg.rows import class_row
from pydantic import Field

from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.rows import records
from commenda.kit.wire import on_wire


@dataclass(frozen=True, slots=True)
class Queue:
    """Where workflows wait their turn; at most `concurrency` of them run at once in one worker.

    In a partitioned queue every workflow has a partition key. Those of one key run one at a time
    over all workers, in the order of (`order`, beginning of the enqueuing transaction, id).
    """

    name: str
    concurrency: int = 4
    partitioned: bool = False
    poll_seconds: float = 0.1


@dataclass(frozen=True, slots=True)
class Failure:
    """A workflow that ended with an error, or was given up after a hundred interrupted runs."""

    workflow_id: str
    workflow: str
    error: str | None


@on_wire
@dataclass(frozen=True, slots=True)
class Waiting:
    """What stands in a queue."""

    queue: str
    waiting: int
    running: int
    oldest_seconds: Annotated[
        float | None, Field(description="How long the oldest has waited (wall time).")
    ]


@on_wire
@dataclass(frozen=True, slots=True)
class Failed:
    """A workflow that failed, and how many others of its kind did."""

    workflow_id: str
    workflow: str
    error: str | None
    failed_at: datetime
    of_kind: Annotated[int, Field(description="How many of this kind have failed.")]


def enqueue(
    tx: Tx,
    workflow: str,
    *args: str | int | float | bool | None,
    workflow_id: str,
    queue: Queue,
    partition_key: str | None = None,
    order: int = 0,
) -> None:
    """Run `workflow(*args)` once `tx` has committed; a repeated `workflow_id` changes nothing.

    Smaller `order` first: give the workflows of a partition their sequence number, because the
    time they are otherwise ordered by is in milliseconds.
    """
    if queue.partitioned != (partition_key is not None):
        raise CommendaError(
            "bad_partition_key",
            f"The queue {queue.name} {'needs a' if queue.partitioned else 'has no'} partition key",
        ).at("partition_key", partition_key)
    tx.execute(
        "SELECT dbos.enqueue_workflow(workflow_name => %s, queue_name => %s,"
        " positional_args => %s::json[], workflow_id => %s, queue_partition_key => %s,"
        " priority => %s)",
        (workflow, queue.name, [json.dumps(a) for a in args], workflow_id, partition_key, order),
    )


def has_queues(tx: Tx) -> bool:
    """Whether there are queues here: a replayed business has none, since it works in one thread."""
    row = tx.execute("SELECT to_regclass('dbos.workflow_status') IS NOT NULL").fetchone()
    return bool(row and row[0])


def pending(tx: Tx, *workflow_ids: str) -> int:
    """How many workflows, of the given ones or of all, are waiting or running."""
    row = tx.execute(
        "SELECT count(*) FROM dbos.workflow_status"
        " WHERE status IN ('ENQUEUED', 'PENDING', 'DELAYED')"
        " AND (%(all)s OR workflow_uuid = ANY(%(ids)s))",
        {"all": not workflow_ids, "ids": list(workflow_ids)},
    ).fetchone()
    return int(row[0]) if row else 0


def failures(tx: Tx, limit: int = 100) -> list[Failure]:
    """The latest workflows that failed; nothing runs them again by itself."""
    with tx.cursor(row_factory=class_row(Failure)) as cursor:
        return cursor.execute(
            "SELECT workflow_uuid AS workflow_id, name AS workflow,"
            " coalesce(result.error, status.error)::json ->> 'message' AS error"
            " FROM dbos.workflow_status AS status"
            " LEFT JOIN dbos.workflow_output AS result USING (workflow_uuid)"
            " WHERE status IN ('ERROR', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED')"
            " ORDER BY status.updated_at DESC LIMIT %s",
            (limit,),
        ).fetchall()


def in_queues(tx: Tx, *queues: str) -> list[Waiting]:
    """What waits and runs in each of these queues."""
    return records(
        tx,
        Waiting,
        "SELECT q.queue, count(w.*) FILTER (WHERE w.status <> 'PENDING') AS waiting,"
        " count(w.*) FILTER (WHERE w.status = 'PENDING') AS running,"
        " (extract(epoch FROM clock_timestamp())"
        "  - min(w.created_at) FILTER (WHERE w.status <> 'PENDING') / 1000.0)::float8"
        "  AS oldest_seconds"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS q (queue, place)"
        " LEFT JOIN dbos.workflow_status w ON w.queue_name = q.queue"
        "  AND w.status IN ('ENQUEUED', 'PENDING', 'DELAYED')"
        " GROUP BY q.queue, q.place ORDER BY q.place",
        (list(queues),),
    )


def running_by(tx: Tx) -> dict[int, int]:
    """How many workflows run in each worker, by the number of its slot."""
    return dict(
        tx.execute(
            "SELECT split_part(executor_id, '-', 2)::int, count(*) FROM dbos.workflow_status"
            " WHERE status = 'PENDING' AND executor_id ~ '^worker-[0-9]+$' GROUP BY 1"
        ).fetchall()
    )


def failed(tx: Tx, limit: int) -> list[Failed]:
    """The latest workflows that failed, with how many of their kind there are."""
    return records(
        tx,
        Failed,
        "SELECT w.workflow_uuid AS workflow_id, w.name AS workflow,"
        " coalesce(o.error, w.error)::json ->> 'message' AS error,"
        " to_timestamp(w.updated_at / 1000.0) AS failed_at,"
        " count(*) OVER (PARTITION BY w.name) AS of_kind"
        " FROM dbos.workflow_status w LEFT JOIN dbos.workflow_output o USING (workflow_uuid)"
        " WHERE w.status IN ('ERROR', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED')"
        " ORDER BY w.updated_at DESC, w.workflow_uuid LIMIT %s",
        (limit,),
    )


def again(tx: Tx, workflow_id: str) -> str:
    """Have a workflow that failed run again from its first step; the name of the workflow.

    The records of its steps are deleted with it: an action whose step was done is called again, and
    knows by its natural keys what is there. Codes `unknown_workflow` and `not_failed`.
    """
    row = tx.execute(
        "SELECT w.status, w.name, w.queue_name, w.queue_partition_key, w.priority,"
        "  coalesce(i.inputs, w.inputs)"
        " FROM dbos.workflow_status w LEFT JOIN dbos.workflow_input i USING (workflow_uuid)"
        " WHERE w.workflow_uuid = %s FOR UPDATE OF w",
        (workflow_id,),
    ).fetchone()
    if row is None:
        raise unknown_workflow(workflow_id)
    status, name, queue, partition, order, inputs = row
    if status not in ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"):
        raise conflict("not_failed", "This work has not failed").at("workflowId", workflow_id)
    _delete(tx, [workflow_id])
    enqueue(
        tx,
        name,
        *json.loads(inputs)["positionalArgs"],
        workflow_id=workflow_id,
        queue=Queue(queue, partitioned=partition is not None),
        partition_key=partition,
        order=order,
    )
    return str(name)


def unknown_workflow(workflow_id: str) -> CommendaError:
    return unknown("workflow", workflow_id, "workflowId")


def forget(tx: Tx, older_than: timedelta, limit: int = 2000) -> int:
    """Delete the records of workflows that succeeded so long ago (wall time); how many.

    What failed stays until somebody has looked at it. A forgotten id that is enqueued again runs
    again: what enqueues remembers by itself what it has enqueued.
    """
    gone = [
        row[0]
        for row in tx.execute(
            "SELECT workflow_uuid FROM dbos.workflow_status WHERE status = 'SUCCESS'"
            "  AND completed_at < extract(epoch FROM clock_timestamp() - %s) * 1000 LIMIT %s",
            (older_than, limit),
        )
    ]
    if gone:
        _delete(tx, gone)
    return len(gone)


def _delete(tx: Tx, gone: list[str]) -> None:
    """Delete workflows with all that is recorded of them: no foreign key does."""
    named = {"datasource_outputs": "workflow_id"}
    for table in _RECORDED:
        statement = sql.SQL("DELETE FROM dbos.{} WHERE {} = ANY (%s)").format(
            sql.Identifier(table), sql.Identifier(named.get(table, "workflow_uuid"))
        )
        tx.execute(statement, (gone,))


_RECORDED = (
    "workflow_status",
    "operation_outputs",
    "datasource_outputs",
    "workflow_input",
    "workflow_output",
)


def wait(database: Database, *workflow_ids: str, timeout: float = 30.0) -> None:
    """Return when nothing, of the given workflows or of all, is waiting or running."""
    deadline = time.monotonic() + timeout
    while True:
        with database.transaction() as tx:
            left = pending(tx, *workflow_ids)
        if not left:
            return
        if time.monotonic() > deadline:
            raise CommendaError("still_running", "Durable work is not done yet").at(
                "workflows", left
            )
        time.sleep(0.02)
