"""The worker: durable work and the business's ticks on one PostgreSQL, any number of processes.

What runs is listed here by hand: QUEUES says where work waits, `workflows` what it calls,
`operations.JOBS` what ticks and schedules do. Every worker takes work from the queues; one of them
leads the ticks.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

from sqlalchemy.exc import DBAPIError

from commenda.audit import Chain, seal
from commenda.copying import SIGNALS, Runners, copy_signal_workflow
from commenda.demo import keep_time, open_demo, people
from commenda.execution import Broker, venues_in_use
from commenda.identity import forget_expired_sessions, forget_old_failures
from commenda.kit import bus, clock, durable, outbox
from commenda.kit.db import AWAY, Database, Tx
from commenda.kit.errors import CommendaError
from commenda.kit.imports import importing
from commenda.kit.keys import Keys
from commenda.market import StoredFeed
from commenda.operations import (
    CHAINS,
    JOBS,
    PROOFS,
    Clockwork,
    Job,
    Operation,
    Step,
    forget_runs,
    forget_workers,
    run_proof_workflow,
    watch_feeds,
)
from commenda.settings import Settings
from commenda.strategies import BACKTESTS, run_backtest_workflow
from commenda.studies import STUDIES, run_study_workflow
from commenda.venues import Means, Simulator, connect, desks_of

QUEUES = (SIGNALS, STUDIES, BACKTESTS, PROOFS)

EXCHANGE_PATIENCE = 120.0
"""Wall seconds that the demo waits for its exchange before its worker ends."""
IDLE = 0.05
"""Wall seconds between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class MaintenanceTask:
    """Maintenance that goes by wall time: one batch every so many seconds, by who leads.

    For up to `patience` seconds a batch follows at once where `act` says that more is waiting.
    """

    every: float
    act: Callable[[Tx], object]
    patience: float = 0.0


def _sealing(keys: Keys, chain: Chain) -> MaintenanceTask:
    """Seal what is new; half of its time and no more goes into catching up after a big batch."""
    key = keys.derive(chain.purpose)
    return MaintenanceTask(2.0, lambda tx: seal(tx, key, chain=chain).full, patience=1.0)


def reach_accounts(broker: Broker, tx: Tx) -> None:
    """Connect to accounts that came into use: each pays funding, whoever sends orders. The demo
    reaches none but its own."""
    if broker.reach is not None:
        for name in venues_in_use(tx):
            broker.venue(name)


def maintenance_tasks(keys: Keys) -> tuple[MaintenanceTask, ...]:
    """What keeps the database tidy, and the audit trail and the ledger sealed."""
    return (
        *(_sealing(keys, chain) for chain in CHAINS),
        MaintenanceTask(60.0, lambda tx: outbox.forget(tx, timedelta(hours=1))),
        MaintenanceTask(600.0, lambda tx: forget_expired_sessions(tx, datetime.now(UTC))),
        MaintenanceTask(600.0, lambda tx: forget_old_failures(tx, datetime.now(UTC))),
        MaintenanceTask(600.0, forget_workers),
        MaintenanceTask(600.0, forget_runs),
        MaintenanceTask(5.0, watch_feeds),
    )


_log = logging.getLogger(__name__)


def workflows(database: Database, broker: Broker, keys: Keys) -> tuple[durable.Workflow, ...]:
    """Every workflow, bound to this process's database, broker and keys."""
    return (
        copy_signal_workflow(database, broker),
        run_study_workflow(database),
        run_backtest_workflow(database),
        run_proof_workflow(database, keys),
    )


def start(database: Database, broker: Broker, keys: Keys) -> durable.Durable:
    """Make this process a worker until its `stop()`, or until it has `lost` its slot.

    Prepares the queue's tables if need be.
    """
    durable.prepare(database.owner_url)
    return durable.launch(database, workflows(database, broker, keys), QUEUES)


def work_until(settings: Settings, stopping: threading.Event, pace: Decimal) -> bool:
    """Open the database and work on it, see `work_on`. One that is away is waited for."""
    while not stopping.is_set():
        try:
            with Database.open(settings) as database:
                return work_on(database, settings, stopping, pace)
        except (*AWAY, DBAPIError) as error:
            _log.warning("the database cannot be worked with: %s", error)
            stopping.wait(1)
    return True


def work_on(
    database: Database, settings: Settings, stopping: threading.Event, pace: Decimal
) -> bool:
    """Work as the settings say: the demo, or the business in this database. See `work`."""
    keys = Keys.of(settings)
    secret = keys.derive("ties")
    if settings.demo:
        home, exchange = settings.data.resolve(), None
        before: tuple[Step, ...] = ()
        if settings.demo_exchange is not None:
            exchange = Simulator.of(settings.demo_exchange, keys)
            before = (keep_time(exchange),)
            exchange.waited_for(stopping.wait, EXCHANGE_PATIENCE)
        demo = open_demo(database, secret, pace, home, exchange, keys)
        operation = Operation(database, demo.broker, stopping, Runners(demo.costs))
        jobs = (*before, people(demo.scenario, home), *JOBS)
        return _work_beside_relay(settings, operation, jobs, keys)
    with database.transaction() as tx:
        mode = clock.mode(tx)
        if mode == "paced":
            raise CommendaError(
                "is_a_demo",
                "This database holds a living demo",
                hint="start it with --demo, or name another data directory or database",
            )
        if mode != "driven":
            clock.follow_wall(tx)
    feed = StoredFeed(database, interval=60)
    with database.transaction() as tx:
        accounts = venues_in_use(tx)
    means = Means(database, feed, keys)
    broker = Broker(connect(means, accounts), feed, secret, lambda name: connect(means, [name])[-1])
    return _work_beside_relay(settings, Operation(database, broker, stopping), JOBS, keys)


def _work_beside_relay(
    settings: Settings, operation: Operation, jobs: Sequence[Step | Job], keys: Keys
) -> bool:
    database, stopping = operation.database, operation.stopping
    beside = [
        threading.Thread(target=bus.relay, args=(settings, database, stopping), daemon=True),
        threading.Thread(target=bus.keep_telling, args=(database, stopping), daemon=True),
    ]
    for thread in beside:
        thread.start()
    try:
        if operation.broker.reach is not None:
            _listen_beside(operation)
        reaching = MaintenanceTask(60.0, partial(reach_accounts, operation.broker))
        return work(operation, jobs, (*maintenance_tasks(keys), reaching), keys)
    finally:
        stopping.set()
        for thread in beside:
            thread.join(5)


def _listen_beside(operation: Operation) -> None:
    """Hear the accounts' own streams, in a thread; not the demo's, whose ticks ask often enough."""
    from commenda.venues.streams import listen

    broker = operation.broker
    threading.Thread(
        target=listen,
        args=(lambda: desks_of(broker.venues), broker.hints, operation.stopping),
        daemon=True,
    ).start()


def work(
    operation: Operation, jobs: Sequence[Step | Job], tasks: Sequence[MaintenanceTask], keys: Keys
) -> bool:
    """Work until `stopping` is set; False when this process lost its place and must end.

    A database that goes away is waited for.
    """
    database, broker, stopping = operation.database, operation.broker, operation.stopping
    with importing():
        running = start(database, broker, keys)
    with running:
        step = timedelta(seconds=broker.feed.interval)
        clockwork = Clockwork(operation, jobs, step, running.slot.number)
        due = dict.fromkeys(tasks, 0.0)
        try:
            while not stopping.is_set() and not running.lost.is_set():
                try:
                    ticked = clockwork.poll()
                    if clockwork.leads:
                        maintain(database, due)
                except AWAY as error:
                    _log.warning("the database cannot be worked with: %s", error)
                    ticked = stopping.wait(0.5)
                if not ticked:
                    broker.hints.wait(IDLE)
        finally:
            clockwork.close()
        return not running.lost.is_set()


def maintain(database: Database, due: dict[MaintenanceTask, float]) -> None:
    """Do the maintenance tasks whose time has come. One that fails stops nothing else."""
    now = time.monotonic()
    for task, at in due.items():
        if now >= at:
            due[task] = now + task.every
            try:
                do_task(database, task, time.monotonic() + task.patience)
            except AWAY:
                raise
            except Exception:
                _log.exception("a maintenance task failed")


def do_task(database: Database, task: MaintenanceTask, until: float) -> None:
    while True:
        with database.transaction() as tx:
            more = task.act(tx)
        if not more or time.monotonic() >= until:
            return
