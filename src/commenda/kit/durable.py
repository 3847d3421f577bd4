"""Durable work: the one page that knows DBOS.

A workflow is a plain function over JSON arguments, registered by hand, that calls steps. The result
of every step is recorded, so a workflow that a crash cut short runs again from the top: the steps
it has done answer from their records, and it goes on where it stopped. Steps are of two kinds:

- `step(action, *args)` runs `action(tx, *args)` and records its result in the same transaction, so
  its effect happens exactly once. The actions are those that HTTP and replay call directly.
- `call(fn, *args)` runs what touches the world outside. A crash between the effect and its record
  runs it again, so it looks up before it sends.

`outbox.enqueue(tx, …)` (`kit/outbox.py`) inserts a workflow in the caller's own transaction.

Measured, and what this page does about it (docs/decisions/0003-durable-work.md has the figures):

- DBOS retries a step whose error is a SQLAlchemy `DBAPIError`; a bare psycopg deadlock became the
  step's permanent failure. So errors are wrapped on the way into DBOS and unwrapped on the way
  out: a workflow sees the psycopg error that the action would raise anywhere else.
- psycopg opens a transaction with its first statement. An action that began with
  `tx.transaction()` therefore committed at the end of that block, apart from the record of its
  step. So a step opens the transaction before it calls the action.
- DBOS tells a lost server by the words "connection failed". psycopg 3.3 says "connection is bad"
  of a server that is down, and a restart failed or stranded workflows. So `engine_of` says both.
- Two live workers with one executor id run steps twice (of two transactions one is refused, but a
  `call` happens twice), and a dead worker's workflows wait for its id to return: `kit/slots.py`.
- A workflow's version is a hash of the modules that hold workflows. A workflow continued by other
  code than began it fails at the first step whose name or place has changed, and says so.
- Queues are polled: work waits half an interval on average, a worker takes at most `concurrency`
  workflows for each poll, and a partition runs at most one.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

import psycopg
from psycopg import conninfo, sql

from commenda.kit.db import APP_ROLE, AWAY, Database, Tx
from commenda.kit.errors import CommendaError
from commenda.kit.outbox import Queue
from commenda.kit.slots import Slot

if TYPE_CHECKING:  # importing these takes 0.7 s: only a worker and a migration pay for it
    from dbos import SQLAlchemyDatasource
    from sqlalchemy.engine import URL, Engine

P = ParamSpec("P")
R = TypeVar("R")

_PREPARING = 0x636F6D64  # "comd": one process at a time prepares a database
_PATIENCE = 1.0
"""Wall seconds until a database that was away is tried again."""

_log = logging.getLogger(__name__)
_running: Durable | None = None  # DBOS is one to a process, so this is


@dataclass(frozen=True, slots=True)
class Workflow:
    """A durable function, and the name it keeps whatever becomes of the function's own."""

    name: str
    run: Callable[..., None]


# --- For workflows: steps --------------------------------------------------------------------


def step(action: Callable[Concatenate[Tx, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `action(tx, *args)` exactly once, with its result recorded in the same transaction.

    Deadlocks and lost connections are retried. Any other error is recorded as the step's result
    and raised, now and whenever the workflow resumes.
    """
    datasource = _worker().datasource
    from sqlalchemy.exc import DBAPIError

    def transact() -> R:
        connection: Any = datasource.sql_session().connection().connection
        tx: Tx = connection.driver_connection
        try:
            tx.execute("SELECT 1")  # opens the transaction: see the module's docstring
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
    """Run `fn(*args)` and record its result; after a crash it may run again, so it looks first.

    A database that is away is nobody's result: it runs again, once that may be over.
    """
    worker = _worker()
    from dbos import DBOS

    def patiently(*args: P.args, **kwargs: P.kwargs) -> R:
        while True:
            try:
                return fn(*args, **kwargs)
            except AWAY:
                if running() is not worker:
                    raise
                time.sleep(_PATIENCE)

    return DBOS.run_step({"name": fn.__qualname__}, patiently, *args, **kwargs)


def running() -> Durable | None:
    """This process as a worker; None where it is none, or no longer: what still runs then ends."""
    return _running


def _worker() -> Durable:
    if _running is None:
        raise CommendaError("no_worker", "Steps run in workflows, in a process that is a worker")
    return _running


# --- For the owner: the schema ---------------------------------------------------------------


def prepare(owner_url: str) -> bool:
    """Create or migrate DBOS's tables, in the schema `dbos`, for the application's role to use.

    The schema's comment names the release of DBOS that made it, so a prepared database costs one
    query. Returns whether there was anything to do.
    """
    release = f"dbos {metadata.version('dbos')}"
    with psycopg.connect(owner_url, autocommit=True) as connection:
        # Not pg_advisory_lock: a process waiting inside it has a snapshot, and the other one's
        # CREATE INDEX CONCURRENTLY would wait for that snapshot, for ever.
        while not connection.execute(
            "SELECT 1 WHERE pg_try_advisory_lock(%s)", (_PREPARING,)
        ).fetchone():
            time.sleep(0.1)
        made_by = "SELECT obj_description(to_regnamespace('dbos')::oid, 'pg_namespace')"
        if connection.execute(made_by).fetchone() == (release,):
            return False
        from dbos import DBOS, SQLAlchemyDatasource

        url = _url(owner_url).render_as_string(hide_password=False)
        DBOS.migrate(url, application_role=APP_ROLE)
        SQLAlchemyDatasource.migrate(url, application_role=APP_ROLE)
        connection.execute(sql.SQL("COMMENT ON SCHEMA dbos IS {}").format(sql.Literal(release)))
        return True


# --- The worker ------------------------------------------------------------------------------


def launch(
    database: Database,
    workflows: Sequence[Workflow],
    queues: Sequence[Queue],
    *,
    system_connections: int = 8,
    sweep_seconds: float = 2.0,
) -> Durable:
    """Make this process a worker that runs `workflows` from `queues`, until `stop()`.

    Its connections, beside the database's own pool: one for the slot, up to `system_connections`
    for DBOS, and up to one for each workflow that may run, the sum of the queues' concurrency.
    """
    global _running
    if _running is not None:
        raise CommendaError("worker_running", "This process is a worker already")
    from dbos import DBOS, SQLAlchemyDatasource

    at_once = sum(queue.concurrency for queue in queues)
    url = _url(database.app_url).render_as_string(hide_password=False)
    version = version_of(workflows)
    slot = Slot(database.app_url, version)
    _running = worker = Durable(
        slot=slot,
        system_engine=engine_of(url, system_connections, "commenda durable"),
        step_engine=engine_of(url, at_once, "commenda steps"),
        sweep_seconds=sweep_seconds,
    )
    try:
        DBOS(
            config={
                "name": "commenda",
                "application_version": version,
                "executor_id": slot.executor_id,
                "system_database_url": url,
                "system_database_engine": worker.system_engine,
                "run_migrations": False,
                "use_listen_notify": False,  # serves messages and events, and nobody sends any
                "log_level": "WARNING",
                "enable_otlp": False,
            }
        )
        DBOS.listen_queues([queue.name for queue in queues])
        for workflow in workflows:
            DBOS.workflow(name=workflow.name)(worker.noticing(workflow.run))
        worker.datasource = SQLAlchemyDatasource.create(
            url, engine=worker.step_engine, run_migrations=False
        )
        DBOS.launch()
        for queue in queues:
            DBOS.register_queue(
                queue.name,
                worker_concurrency=queue.concurrency,
                partition_concurrency=1 if queue.partitioned else None,
                polling_interval_sec=queue.poll_seconds,
                on_conflict="always_update",
            )
        worker.watch()
    except BaseException:
        worker.stop(0)
        raise
    return worker


class Durable:
    """This process as a worker, in its slot; made by `launch`.

    `lost` is set when the slot's connection broke and another worker took the slot before this
    one could again. The process must stop then: two would work under one id.
    """

    datasource: SQLAlchemyDatasource

    def __init__(
        self, *, slot: Slot, system_engine: Engine, step_engine: Engine, sweep_seconds: float
    ) -> None:
        self.slot = slot
        self.system_engine = system_engine
        self.step_engine = step_engine
        self.lost = threading.Event()
        self._inside: set[str] = set()  # the workflows that are running here
        self._sweep_seconds = sweep_seconds
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="commenda-slot", daemon=True)

    def stop(self, timeout: float = 10.0) -> None:
        """Take no more work, give what runs `timeout` seconds to finish, and free the slot.

        What does not finish in time is continued, from its last step, by another worker.
        """
        global _running
        from dbos import DBOS

        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=math.ceil(timeout))
        self.step_engine.dispose()
        self.system_engine.dispose()
        self.slot.close()
        _running = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def noticing(self, run: Callable[P, None]) -> Callable[P, None]:
        """`run`, so that the sweep knows which workflows are inside it."""
        from dbos import DBOS

        @functools.wraps(run)
        def noticed(*args: P.args, **kwargs: P.kwargs) -> None:
            workflow_id = DBOS.workflow_id or ""
            self._inside.add(workflow_id)
            try:
                run(*args, **kwargs)
            finally:
                self._inside.discard(workflow_id)

        return noticed

    def watch(self) -> None:
        """Keep the slot and sweep, now and every so often."""
        self.slot.sweep(self._inside)
        self._watcher.start()

    def _watch(self) -> None:
        while self.slot.held and not self._stopping.wait(self._sweep_seconds):
            try:
                self.slot.sweep(self._inside)
            except psycopg.Error as error:
                _log.warning("%s could not sweep: %s", self.slot.executor_id, error)
        if not self.slot.held:
            self.lost.set()


def version_of(workflows: Sequence[Workflow]) -> str:
    """A hash of the modules that hold the workflows, and so of the order of their steps."""
    modules = {inspect.getmodule(workflow.run) for workflow in workflows}
    sources = sorted(inspect.getsource(module) for module in modules if module)
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:16]


def engine_of(url: str, connections: int, application_name: str) -> Engine:
    """A pool whose failure to connect DBOS recognises as one, and tries again."""
    from sqlalchemy import create_engine, event

    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"application_name": application_name, "connect_timeout": 10},
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, args: list[Any], options: dict[str, Any]) -> Any:
        try:
            return psycopg.connect(*args, **options)
        except psycopg.OperationalError as error:
            if "connection failed" in str(error):
                raise
            raise psycopg.OperationalError(f"connection failed: {error}") from error

    return engine


def _url(dsn: str) -> URL:
    """libpq's connection string as SQLAlchemy's URL."""
    from sqlalchemy.engine import URL

    parts = {key: str(value) for key, value in conninfo.conninfo_to_dict(dsn).items()}
    return URL.create(
        "postgresql+psycopg",
        username=parts.pop("user", None),
        password=parts.pop("password", None),
        database=parts.pop("dbname", None),
        query=parts,
    )
