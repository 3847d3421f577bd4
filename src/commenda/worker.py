"""The worker: durable work and the business's ticks on one PostgreSQL, any number of processes.

What runs is listed here by hand: QUEUES says where work waits, `workflows` what it calls,
`operations.schedules` what each tick does. Every worker takes work from the queues; one of them
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

import psycopg
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DBAPIError

from commenda.audit import seal
from commenda.copying import SIGNALS, Runners, copy_signal_workflow
from commenda.demo import open_demo, people
from commenda.identity import forget_expired_sessions, forget_old_failures
from commenda.kernel import Costs
from commenda.kit import bus, clock, durable
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.market import CandleFeed
from commenda.operations import Clockwork, Operation, Schedule, forget_workers, schedules
from commenda.settings import Settings
from commenda.trading import Desk, PaperVenue

QUEUES = (SIGNALS,)

IDLE = 0.05
"""Wall seconds between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Housekeeping that goes by wall time: one batch every so many seconds, by who leads."""

    every: float
    act: Callable[[Tx], object]


def chores(keys: Keys) -> tuple[Chore, ...]:
    """What keeps the database tidy and the audit trail sealed."""
    chain = keys.derive("audit-chain")
    return (
        Chore(2.0, lambda tx: seal(tx, chain)),
        Chore(60.0, lambda tx: durable.forget(tx, timedelta(hours=1))),
        Chore(600.0, lambda tx: forget_expired_sessions(tx, datetime.now(UTC))),
        Chore(600.0, lambda tx: forget_old_failures(tx, datetime.now(UTC))),
        Chore(600.0, forget_workers),
    )


_log = logging.getLogger(__name__)


def workflows(database: Database, desk: Desk) -> tuple[durable.Workflow, ...]:
    """Every workflow, bound to this process's database and desk."""
    return (copy_signal_workflow(database, desk),)


def start(database: Database, desk: Desk) -> durable.Durable:
    """Make this process a worker until its `stop()`, or until it has `lost` its slot.

    Prepares the queue's tables if need be.
    """
    durable.prepare(database.owner_url)
    return durable.launch(database, workflows(database, desk), QUEUES)


def work_until(settings: Settings, stopping: threading.Event, pace: Decimal) -> bool:
    """Open the database and work on it, see `work_on`. One that is away is waited for."""
    while not stopping.is_set():
        try:
            with Database.open(settings) as database:
                return work_on(database, settings, stopping, pace)
        except (psycopg.OperationalError, PoolTimeout, DBAPIError) as error:
            _log.warning("the database cannot be reached: %s", error)
            stopping.wait(1)
    return True


def work_on(
    database: Database, settings: Settings, stopping: threading.Event, pace: Decimal
) -> bool:
    """Work as the settings say: the demo, or the business in this database. See `work`."""
    keys = Keys.of(settings)
    secret = keys.derive("ties")
    if settings.demo:
        demo = open_demo(database, secret, pace)
        jobs = (people(demo.scenario), *schedules(Runners(demo.costs)))
        return _work_beside_relay(settings, database, demo.desk, jobs, keys, stopping)
    with database.transaction() as tx:
        mode = clock.mode(tx)
        if mode == "paced":
            raise CommendaError(
                "is_a_demo",
                "This database holds a living demo",
                mend="start it with --demo, or name another data directory or database",
            )
        if mode != "driven":
            clock.follow_wall(tx)
    # No market runs here yet: subscriptions are carried on, and nothing trades.
    feed = CandleFeed([], interval=60)
    desk = Desk(PaperVenue(database, feed), feed, secret)
    jobs = schedules(Runners(Costs()))
    return _work_beside_relay(settings, database, desk, jobs, keys, stopping)


def _work_beside_relay(
    settings: Settings,
    database: Database,
    desk: Desk,
    jobs: Sequence[Schedule],
    keys: Keys,
    stopping: threading.Event,
) -> bool:
    relay = threading.Thread(
        target=bus.relay, args=(settings, database, stopping), name="commenda-relay", daemon=True
    )
    relay.start()
    try:
        return work(database, desk, jobs, chores(keys), stopping)
    finally:
        stopping.set()
        relay.join(5)


def work(
    database: Database,
    desk: Desk,
    jobs: Sequence[Schedule],
    housekeeping: Sequence[Chore],
    stopping: threading.Event,
) -> bool:
    """Work until `stopping` is set; False when this process lost its place and must end.

    A database that goes away is waited for.
    """
    operation = Operation(database, desk, stopping)
    with start(database, desk) as running:
        step = timedelta(seconds=desk.feed.interval)
        clockwork = Clockwork(operation, jobs, step, running.slot.number)
        due = dict.fromkeys(housekeeping, 0.0)
        try:
            while not stopping.is_set() and not running.lost.is_set():
                try:
                    ticked = clockwork.beat()
                    if clockwork.leads:
                        _keep_house(database, due)
                except (psycopg.OperationalError, PoolTimeout) as error:
                    _log.warning("the database cannot be reached: %s", error)
                    ticked = stopping.wait(0.5)
                if not ticked:
                    stopping.wait(IDLE)
        finally:
            clockwork.close()
        return not running.lost.is_set()


def _keep_house(database: Database, due: dict[Chore, float]) -> None:
    """Do the chores whose time has come, a batch of each. One that fails stops nothing else."""
    now = time.monotonic()
    for chore, at in due.items():
        if now >= at:
            due[chore] = now + chore.every
            try:
                with database.transaction() as tx:
                    chore.act(tx)
            except psycopg.OperationalError:
                raise
            except Exception:
                _log.exception("a chore failed")
