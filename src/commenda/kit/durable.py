"""Durable work: the one page that knows DBOS.

A workflow is a plain function over JSON arguments, registered by hand, that calls steps. Each
step's result is recorded, so a workflow cut short by a crash runs again from the top, its recorded
steps answering at once, and goes on where it stopped. There are two kinds of step:

- `step(fn, *args)` runs the action `fn(tx, *args)` and records its result in the same transaction:
  its effect happens exactly once. The actions are those that HTTP and replay call directly.
- `call(fn, *args)` runs what touches the world outside. A crash between the effect and its record
  runs it again, so it looks up before it sends.

`enqueue(tx, …)` inserts a workflow inside the caller's own transaction and commits or rolls back
with it: it is the outbox. It needs neither DBOS nor a worker in the process that enqueues.

What was measured, and what this page does about it (docs/decisions/0003-durable-work.md):

- DBOS retries a step whose error is a SQLAlchemy `DBAPIError`; a bare psycopg deadlock would be
  recorded as the step's permanent failure. So errors are wrapped on the way into DBOS, and
  unwrapped on the way out: a workflow sees the psycopg error that its action would raise anywhere.
- psycopg opens a transaction with its first statement. An action that begins with
  `tx.transaction()` on a fresh connection would therefore *commit* at the end of that block, apart
  from the record of the step; so a step opens the transaction before it calls the action.
- A worker recovers only workflows that carry its own executor id, and two live workers with one id
  run the same steps twice (the second commit is refused). So a worker's id is a *slot*, held by a
  session advisory lock: it cannot be shared and is free the moment its process dies. Every worker
  sweeps for work that a free slot left behind and puts it back into its queue, at its old place.
- A workflow belongs to the version of the code that started it, here a hash of the workflows'
  modules, and only workers of the current version take new work. The current version is the
  newest that has a live worker, so that going back to an older release works; its workers also
  continue what other versions left behind, and DBOS refuses a step whose name has changed.
- A queue is polled, so a workflow waits half a polling interval on average, and one partition
  runs at most one workflow for each interval.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import count
from typing import TYPE_CHECKING, Concatenate, LiteralString, ParamSpec, Self, TypeVar

import psycopg
from psycopg import conninfo, sql
from psycopg.rows import TupleRow, class_row
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from commenda.kit.db import APP_ROLE, Database, Tx
from commenda.kit.errors import CommendaError

if TYPE_CHECKING:  # importing DBOS takes 0.4 s, and only a worker and a migration need it
    from dbos import SQLAlchemyDatasource

P = ParamSpec("P")
R = TypeVar("R")

_SLOTS = 0x636F6D77  # "comw": advisory lock (_SLOTS, n) is held by the worker in slot n
_PREPARING = 0x636F6D64  # "comd": one process at a time prepares a database

_log = logging.getLogger(__name__)
_running: Durable | None = None  # DBOS is one to a process, and so is this


@dataclass(frozen=True, slots=True)
class Workflow:
    """A durable function and the name it keeps for ever, whatever the function is called."""

    name: str
    run: Callable[..., None]


@dataclass(frozen=True, slots=True)
class Queue:
    """Where workflows wait their turn: at most `concurrency` run at once in one worker.

    In a partitioned queue every workflow has a partition key, and those of one key run one at a
    time over all workers, in order of (`order`, time of their transaction, id).
    """

    name: str
    concurrency: int = 4
    partitioned: bool = False
    poll_seconds: float = 0.1


@dataclass(frozen=True, slots=True)
class Failure:
    """A workflow that ended with an error, or was given up after it had killed 100 workers."""

    workflow_id: str
    workflow: str
    error: str | None


# --- What every process may do: plain SQL in the caller's transaction ------------------------


def enqueue(
    tx: Tx,
    workflow: str,
    *args: str | int | float | bool | None,
    workflow_id: str,
    queue: Queue,
    partition_key: str | None = None,
    order: int = 0,
) -> None:
    """Run `workflow(*args)` once `tx` commits; a repeated `workflow_id` changes nothing.

    Lower `order` goes first. Give a partition's workflows their sequence number: time alone is
    the beginning of the enqueuing transaction, to the millisecond.
    """
    if queue.partitioned != (partition_key is not None):
        raise CommendaError(
            "bad_partition_key",
            f"The queue {queue.name} {'needs a' if queue.partitioned else 'has no'} partition key",
            field="partition_key",
            value=partition_key,
        )
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
    """The latest workflows that failed: nothing runs them again by itself."""
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


def wait(database: Database, *workflow_ids: str, timeout: float = 30.0) -> None:
    """Return when the given workflows, or all, are neither waiting nor running."""
    deadline = time.monotonic() + timeout
    while True:
        with database.transaction() as tx:
            left = pending(tx, *workflow_ids)
        if not left:
            return
        if time.monotonic() > deadline:
            raise CommendaError(
                "still_running", "Durable work is not done yet", field="workflows", value=left
            )
        time.sleep(0.02)


# --- What a workflow calls -------------------------------------------------------------------


def step(action: Callable[Concatenate[Tx, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `action(tx, *args)` exactly once, its result recorded in the same transaction.

    Deadlocks and lost connections are retried. Other errors are recorded as the step's result
    and raised, now and whenever the workflow is resumed.
    """
    datasource = _worker().datasource

    def transact() -> R:
        tx: Tx = datasource.sql_session().connection().connection.driver_connection  # type: ignore[assignment]
        try:
            tx.execute("SELECT 1")  # opens the transaction; see the module's docstring
            return action(tx, *args, **kwargs)
        except psycopg.Error as error:
            raise DBAPIError(None, None, error, connection_invalidated=tx.closed) from error

    try:
        return datasource.run_tx_step(
            {"name": action.__qualname__, "isolation_level": "READ COMMITTED"}, transact
        )
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise error.orig from error
        raise


def call(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `fn(*args)` and record its result; after a crash it may run again, so it looks first."""
    _worker()
    from dbos import DBOS

    return DBOS.run_step({"name": fn.__qualname__}, fn, *args, **kwargs)


def _worker() -> Durable:
    if _running is None:
        raise CommendaError("no_worker", "Steps run in a workflow, in a process with a worker")
    return _running


# --- The schema ------------------------------------------------------------------------------


def prepare(owner_url: str) -> bool:
    """Create or migrate DBOS's tables, in schema `dbos`, and let the application's role use them.

    The schema's comment names the release of DBOS that prepared it, so a prepared database costs
    one query. Returns whether there was anything to do.
    """
    release = f"dbos {metadata.version('dbos')}"
    with psycopg.connect(owner_url, autocommit=True) as connection:
        # Not pg_advisory_lock: its waiting statement would hold a snapshot, for which the
        # CREATE INDEX CONCURRENTLY of the process that has the lock would wait, for ever.
        while not _true(connection, "SELECT pg_try_advisory_lock(%s)", _PREPARING):
            time.sleep(0.1)
        if _true(
            connection,
            "SELECT obj_description(to_regnamespace('dbos')::oid, 'pg_namespace') = %s",
            release,
        ):
            return False
        from dbos import DBOS, SQLAlchemyDatasource

        DBOS.migrate(_sqlalchemy_url(owner_url), application_role=APP_ROLE)
        SQLAlchemyDatasource.migrate(_sqlalchemy_url(owner_url), application_role=APP_ROLE)
        connection.execute(sql.SQL("COMMENT ON SCHEMA dbos IS {}").format(sql.Literal(release)))
        return True


# --- A worker --------------------------------------------------------------------------------


def launch(
    database: Database,
    workflows: Sequence[Workflow],
    queues: Sequence[Queue],
    *,
    system_connections: int = 8,
    sweep_seconds: float = 2.0,
) -> Durable:
    """Make this process a worker that runs `workflows` from `queues` until `stop()`.

    Connections: one for the slot, at most `system_connections` for DBOS's own tables, and one for
    each workflow that may run at once, which is the sum of the queues' concurrency.
    """
    global _running
    if _running is not None:
        raise CommendaError("worker_running", "This process has a worker already")
    from dbos import DBOS, SQLAlchemyDatasource

    worker = Durable(database.app_url, _version(workflows), sweep_seconds)
    url = _sqlalchemy_url(database.app_url)
    try:
        DBOS(
            config={
                "name": "commenda",
                "application_version": worker.version,
                "executor_id": _executor(worker.slot),
                "system_database_url": url,
                "sys_db_pool_size": system_connections,
                "run_migrations": False,
                "use_listen_notify": False,  # for messages and events, which nothing here sends
                "log_level": "WARNING",
                "enable_otlp": False,
            }
        )
        DBOS.listen_queues([queue.name for queue in queues])
        for workflow in workflows:
            DBOS.workflow(name=workflow.name)(workflow.run)
        worker.datasource = SQLAlchemyDatasource.create(
            url,
            {
                "pool_size": sum(queue.concurrency for queue in queues),
                "max_overflow": 0,
                "pool_pre_ping": True,
                "connect_args": {"application_name": f"commenda steps {worker.slot}"},
            },
            run_migrations=False,
        )
        _running = worker
        DBOS.launch()
        for queue in queues:
            DBOS.register_queue(
                queue.name,
                worker_concurrency=queue.concurrency,
                partition_concurrency=1 if queue.partitioned else None,
                polling_interval_sec=queue.poll_seconds,
                on_conflict="always_update",
            )
        worker.sweep()
    except BaseException:
        worker.stop(0)
        raise
    worker.watcher.start()
    return worker


class Durable:
    """This process's worker, in its slot. `launch` makes one.

    `lost` is set when the slot's connection broke and another worker has taken the slot since:
    the process must stop, or two would work under one id.
    """

    datasource: SQLAlchemyDatasource

    def __init__(self, app_url: str, version: str, sweep_seconds: float) -> None:
        self.version = version
        self.lost = threading.Event()
        self.watcher = threading.Thread(target=self._watch, name="commenda-slot", daemon=True)
        self._stopping = threading.Event()
        self._sweep_seconds = sweep_seconds
        self._app_url = app_url
        self._session = self._connect()
        self.slot = next(number for number in count() if self._lock(number))
        self._suspects: set[int] = set()

    def stop(self, timeout: float = 10.0) -> None:
        """Take no more work, let what runs finish for `timeout` seconds, and free the slot.

        Work that does not finish in time is continued by the next worker from its last step.
        """
        global _running
        from dbos import DBOS

        self._stopping.set()
        if self.watcher.is_alive():
            self.watcher.join()
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=math.ceil(timeout))
        if hasattr(self, "datasource"):
            self.datasource.engine.dispose()
        self._session.close()
        _running = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def sweep(self) -> int:
        """Put back into their queues the workflows of free slots; how many there were.

        A slot counts as free when two sweeps in a row find it so: a worker whose connection
        broke (the server restarted) has that long to take its own slot again.
        """
        current = self._is_current()
        held = {
            number
            for (number,) in self._session.execute(
                "SELECT objid::bigint FROM pg_locks JOIN pg_database ON pg_database.oid = database"
                " WHERE datname = current_database() AND locktype = 'advisory' AND granted"
                " AND classid = %s AND objsubid = 2",
                (_SLOTS,),
            )
        }
        working = {
            int(executor.removeprefix(_executor("")))
            for (executor,) in self._session.execute(
                "SELECT DISTINCT executor_id FROM dbos.workflow_status"
                " WHERE status IN ('PENDING', 'ENQUEUED') AND executor_id LIKE %s",
                (_executor("%"),),
            )
        }
        free = working - held
        adopted = self._adopt(self.slot, current)
        for number in free & self._suspects:
            if self._lock(number):
                try:
                    adopted += self._adopt(number, current)
                finally:
                    self._session.execute("SELECT pg_advisory_unlock(%s, %s)", (_SLOTS, number))
        self._suspects = free
        if adopted:
            _log.warning("worker %s continues %s interrupted workflows", self.slot, adopted)
        return adopted

    def _adopt(self, slot: int, current: bool) -> int:
        """What DBOS's recovery does to a workflow, for this version and, if current, for others.

        Those of the own slot and version DBOS itself recovers, once, when it starts.
        """
        return self._session.execute(
            "UPDATE dbos.workflow_status SET status = 'ENQUEUED', owner_xid = NULL,"
            " started_at_epoch_ms = NULL, application_version = %(version)s,"
            " updated_at = extract(epoch FROM clock_timestamp()) * 1000"
            " WHERE executor_id = %(executor)s AND CASE application_version"
            "  WHEN %(version)s THEN status = 'PENDING' AND NOT %(own)s"
            "  ELSE status IN ('PENDING', 'ENQUEUED') AND %(current)s END",
            {
                "version": self.version,
                "executor": _executor(slot),
                "own": slot == self.slot,
                "current": current,
            },
        ).rowcount

    def _is_current(self) -> bool:
        """Whether this version takes new work; it becomes so when no newer one has a worker."""
        from dbos import DBOS

        newest = DBOS.get_latest_application_version()["version_name"]
        if newest != self.version and not _true(
            self._session,
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = %s)",
            f"commenda worker {newest}",
        ):
            DBOS.set_latest_application_version(self.version)
            newest = self.version
        return newest == self.version

    def _watch(self) -> None:
        while not self._stopping.wait(self._sweep_seconds):
            try:
                if self._session.closed:
                    self._session = self._connect()
                    if not self._lock(self.slot):
                        _log.error("worker %s lost its slot to another", self.slot)
                        self.lost.set()
                        return
                self.sweep()
            except (psycopg.Error, SQLAlchemyError) as error:
                _log.warning("worker %s could not sweep: %s", self.slot, error)

    def _lock(self, slot: int) -> bool:
        return _true(self._session, "SELECT pg_try_advisory_lock(%s, %s)", _SLOTS, slot)

    def _connect(self) -> psycopg.Connection[TupleRow]:
        """The slot's session: the server notices within 20 s when this machine is gone."""
        session = psycopg.connect(
            self._app_url, autocommit=True, application_name=f"commenda worker {self.version}"
        )
        session.execute("SET tcp_keepalives_idle = 10")
        session.execute("SET tcp_keepalives_interval = 5")
        session.execute("SET tcp_keepalives_count = 2")
        return session


def _executor(slot: int | str) -> str:
    return f"worker-{slot}"


def _version(workflows: Sequence[Workflow]) -> str:
    """A hash of the source of every module that holds a workflow: their order of steps."""
    modules = {inspect.getmodule(workflow.run) for workflow in workflows}
    sources = sorted(inspect.getsource(module) for module in modules if module)
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:16]


def _sqlalchemy_url(dsn: str) -> str:
    """libpq's connection string as the URL that SQLAlchemy wants."""
    parts = {key: str(value) for key, value in conninfo.conninfo_to_dict(dsn).items()}
    url = URL.create(
        "postgresql+psycopg",
        username=parts.pop("user", None),
        password=parts.pop("password", None),
        database=parts.pop("dbname", None),
        query=parts,
    )
    return url.render_as_string(hide_password=False)


def _true(connection: psycopg.Connection[TupleRow], query: LiteralString, *values: object) -> bool:
    row = connection.execute(query, values).fetchone()
    return row is not None and row[0] is True
