"""Durable work as any process sees it: plain SQL in the caller's transaction.

A workflow that is enqueued here commits or rolls back with what asked for it: that is the outbox.
It needs neither DBOS nor a worker in the process that enqueues.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql
from psycopg.rows import class_row

from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError


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


def forget(tx: Tx, older_than: timedelta, limit: int = 2000) -> int:
    """Delete the records of workflows that succeeded so long ago (wall time); how many.

    What failed stays until somebody has looked at it. A forgotten id that is enqueued again runs
    again: what enqueues remembers by itself what it has enqueued.
    """
    gone = [
        row[0]
        for row in tx.execute(
            "DELETE FROM dbos.workflow_status WHERE workflow_uuid IN ("
            " SELECT workflow_uuid FROM dbos.workflow_status WHERE status = 'SUCCESS'"
            "  AND completed_at < extract(epoch FROM clock_timestamp() - %s) * 1000 LIMIT %s)"
            " RETURNING workflow_uuid",
            (older_than, limit),
        )
    ]
    # No foreign key deletes these with it.
    for table in ("operation_outputs", "workflow_input", "workflow_output") if gone else ():
        statement = sql.SQL("DELETE FROM dbos.{} WHERE workflow_uuid = ANY (%s)")
        tx.execute(statement.format(sql.Identifier(table)), (gone,))
    return len(gone)


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
