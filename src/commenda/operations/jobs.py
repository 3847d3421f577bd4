"""The jobs of a tick at the open of a bar, in the order in which things really happen.

    the bar that just closed is stepped, stops that fired in it are copied -> funding
    -> margin guard, exits that were refused -> activate, mature, liquidate, settle, transfers
    -> new targets trade at this open -> NAV, scores and releases once a day

`simulate` replays the same work over candles. What a job leaves undone when it is cut short it
does when it is repeated.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

import psycopg

from commenda import copying
from commenda.copying import Runners
from commenda.kit import clock, durable
from commenda.kit.db import Tx
from commenda.managed import (
    activate_due,
    alert_overdue,
    anything_due,
    guard_margins,
    liquidate_due,
    mature_due,
    score_flows,
    settle_due,
    sweep_matured,
)
from commenda.market import write_bars, write_marks
from commenda.operations import live
from commenda.operations.approvals import expire_approvals
from commenda.operations.schedules import Interrupted, Operation, Schedule
from commenda.referrals import release_due
from commenda.trading import carry_out_transfers, funded_until, post_funding, record_nav

_LOOK = 0.02
"""Wall seconds between two looks at signals that workers are copying."""
_RESCUE = 250
"""Looks from one to the next search for signals that no worker has in its queue."""

_log = logging.getLogger(__name__)


def schedules(runners: Runners) -> tuple[Schedule, ...]:
    """Every job of a living operation, in the order of a tick."""
    strategies = _Strategies(runners)
    hour, day = timedelta(hours=1), timedelta(days=1)
    return (
        Schedule("market", publish_market),
        Schedule("strategies", strategies.step),
        Schedule("funding", charge_funding),
        Schedule("margins", guard, hour),
        Schedule("exits", strategies.repeat_exits, hour),
        Schedule("subscriptions", carry_subscriptions),
        Schedule("leaving", close_copies),
        Schedule("targets", strategies.publish_targets),
        Schedule("overdue", raise_overdue, hour),
        Schedule("approvals", expire_requests, hour),
        Schedule("nav", value_books, day),
        Schedule("flows", measure_flows, timedelta(hours=4)),
        Schedule("scores", score, day),
        Schedule("referrals", release_referrals, day),
    )


def publish_market(operation: Operation, now: datetime) -> None:
    """Store the bars that closed since the last tick and the marks of now; tell who listens."""
    feed = operation.desk.feed
    with operation.database.transaction() as tx:
        last = clock.read(tx)
        after = now - timedelta(seconds=feed.interval) if last is None else last
        first = int(after.timestamp()) - feed.interval
        closed = [
            (instrument, bar)
            for ts in feed.timestamps(first, int(now.timestamp()) - feed.interval + 1)
            for instrument in feed.instruments
            if (bar := feed.bar(instrument.id, ts)) is not None
        ]
        new = write_bars(tx, feed.interval, closed)
        write_marks(
            tx, [(one, feed.mark_at(one.id, int(now.timestamp()))) for one in feed.instruments]
        )
        for instrument, bar in new:
            live.bar_closed(tx, instrument.symbol, feed.interval, bar)


@dataclass(frozen=True, slots=True)
class _Strategies:
    """The two halves of a bar's decisions: its stops at once, its targets at the next open."""

    runners: Runners

    def step(self, operation: Operation, now: datetime) -> None:
        wait_for_copies(operation, now)
        try:
            with operation.database.transaction() as tx:
                copying.step_flows(tx, operation.desk, self.runners, now, live.signal_published)
        except BaseException:
            self.runners.forget()
            raise
        wait_for_copies(operation, now)

    def publish_targets(self, operation: Operation, now: datetime) -> None:
        with operation.database.transaction() as tx:
            copying.publish_targets(tx, operation.desk, self.runners, now, live.signal_published)
        wait_for_copies(operation, now)

    def repeat_exits(self, operation: Operation, now: datetime) -> None:
        """Ask again for exits that the venue refused or filled in part."""
        with operation.database.transaction() as tx:
            flows = copying.unfinished_exits(tx)
            copying.repeat_exits(
                tx, operation.desk, self.runners, now, flows, live.signal_published
            )
        wait_for_copies(operation, now)


def charge_funding(operation: Operation, now: datetime) -> None:
    """Pass on the funding of every stamp up to now that was not passed on yet.

    A payment that fails is tried again at the next tick, and keeps no other from being made.
    """
    desk = operation.desk
    with operation.database.transaction() as tx:
        known = (
            clock.read(tx),
            funded_until(tx, desk.venue.name, [one.id for one in desk.feed.instruments]),
        )
    begun = now - timedelta(seconds=desk.feed.interval)
    after = min((one for one in known if one is not None), default=begun)
    errors: list[Exception] = []
    for payment in desk.venue.settle_funding(after, now):
        try:
            with operation.database.transaction() as tx:
                instrument = desk.instrument(payment.instrument_id)
                post_funding(tx, operation.author(now), desk.venue.name, payment, instrument)
        except psycopg.OperationalError:
            raise
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]


def guard(operation: Operation, now: datetime) -> None:
    with operation.database.transaction() as tx:
        guard_margins(tx, operation.author(now), operation.desk.marks(now))


def carry_subscriptions(operation: Operation, now: datetime) -> None:
    """Carry every subscription as far as it can go now."""
    database, desk, author = operation.database, operation.desk, operation.author(now)
    with database.transaction() as tx:
        if not anything_due(tx, now):
            return
    operation.batches(lambda tx: activate_due(tx, author, desk.venue.name))
    carry_out_transfers(database, desk.venue, author)
    with database.transaction() as tx:
        mature_due(tx, now)
    operation.batches(lambda tx: sweep_matured(tx, author))
    try:
        liquidate_due(database, desk, author)
    finally:  # who could be closed does not wait for who could not
        operation.batches(lambda tx: settle_due(tx, now, desk.venue.name))
        carry_out_transfers(database, desk.venue, author)


def close_copies(operation: Operation, now: datetime) -> None:
    """Close the books of those who leave a flow, and bring their cash back."""
    if copying.close_due(operation.database, operation.desk, operation.author(now)):
        carry_out_transfers(operation.database, operation.desk.venue, operation.author(now))


def raise_overdue(operation: Operation, now: datetime) -> None:
    with operation.database.transaction() as tx:
        alert_overdue(tx, operation.author(now))


def expire_requests(operation: Operation, now: datetime) -> None:
    with operation.database.transaction() as tx:
        expire_approvals(tx, now)


def value_books(operation: Operation, now: datetime) -> None:
    with operation.database.transaction() as tx:
        record_nav(tx, now, operation.desk.marks(now))
        live.nav_recorded(tx, now)


def measure_flows(operation: Operation, now: datetime) -> None:
    with operation.database.transaction() as tx:
        copying.update_flow_stats(tx, now)


def score(operation: Operation, now: datetime) -> None:
    with operation.database.transaction() as tx:
        score_flows(tx, now)


def release_referrals(operation: Operation, now: datetime) -> None:
    operation.batches(lambda tx: release_due(tx, operation.author(now)))


def wait_for_copies(operation: Operation, now: datetime) -> None:
    """Return when every signal is copied, by whichever worker.

    Two signals of one tick are one after the other, and funding is charged on whole positions.
    A signal whose workflow has failed or is gone is copied here: it must not stop the business.
    One that cannot be copied here either is told of and left for the next time; its flow waits.
    """
    failed: set[UUID] = set()
    for look in count():
        with operation.database.transaction() as tx:
            waiting = [one for one in copying.unprocessed_signals(tx) if one not in failed]
            lost = _lost(tx, waiting) if look % _RESCUE == 0 else []
        if not waiting:
            return
        if operation.stopping.is_set():
            raise Interrupted
        failed.update(one for one in lost if not _copied_here(operation, one, now))
        if not lost:
            time.sleep(_LOOK)


def _copied_here(operation: Operation, signal_id: UUID, now: datetime) -> bool:
    try:
        copying.copy_signal(operation.database, operation.desk, signal_id, now)
    except psycopg.OperationalError:
        raise
    except Exception as error:
        _log.exception("the signal %s cannot be copied", signal_id)
        with operation.database.transaction() as tx:
            copying.tell_uncopied(tx, signal_id, error)
        return False
    return True


def _lost(tx: Tx, signal_ids: list[UUID]) -> list[UUID]:
    return [one for one in signal_ids if not durable.pending(tx, copying.workflow_of(one))]
