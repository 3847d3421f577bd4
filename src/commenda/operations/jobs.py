"""What a tick at the open of a bar does, in the order in which things really happen.

    the bar that just closed is stepped, stops that fired in it are copied -> funding
    -> what breakers stop, margin guard, exits that were refused -> activate, mature, liquidate,
       settle, transfers
    -> new targets trade at this open -> NAV, scores and releases once a day

JOBS, at the end, lists it: the steps of each tick, and between them the jobs that schedules call.
`simulate` replays the same work over candles. What a job leaves undone when it is cut short it
does when it is repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from commenda import automation, copying, modes, portfolios
from commenda.alerts import end_quiet_alerts
from commenda.books import (
    PAYOUT_BATCH,
    carry_out_transfers,
    close_due,
    guard_margins,
    pass_on_income,
    pay_out_due,
    pay_parts_due,
    post_forced,
    record_nav,
)
from commenda.execution import observe_executions
from commenda.funding import pay_waiting
from commenda.income import Cadence, accrue_due, distribute_due
from commenda.kit import clock
from commenda.kit.db import AWAY, Tx
from commenda.ledger import Author, expire_holds
from commenda.managed import (
    ACTIVATION_BATCH,
    MANAGED,
    Agenda,
    activate_due,
    agenda,
    alert_overdue,
    crystallise_due,
    mature_due,
    score_flows,
    sweep_matured,
)
from commenda.market import tell_bar, write_bars, write_funding, write_marks
from commenda.operations import live
from commenda.operations.approvals import expire_approvals
from commenda.operations.breaking import heed_breakers, sweep_breakers
from commenda.operations.copies import wait_for_copies
from commenda.operations.reconciliation import note_closed_periods, reconcile_books
from commenda.operations.ticks import Act, Job, Operation, Parameters, Step
from commenda.referrals import release_due

PRODUCTS: Final = (MANAGED, copying.COPIES, portfolios.PORTFOLIOS)
"""Whatever keeps books: a product is terms and a payout, and a row here."""
MARGINED: Final = tuple(kind for one in PRODUCTS if one.margined for kind in one.kinds)
"""The kinds of books that are closed by their margin."""

WARM = 86_400
"""Seconds before the first tick of which a market's bars are stored, where it knows them."""
_log = logging.getLogger(__name__)


def publish_market(operation: Operation, now: datetime) -> None:
    """Store the bars that closed since the last tick, the funding since then and the marks of now;
    tell who listens. The first tick stores what strategies are warmed by, too.

    Of a live market its feed does: what it stored is looked at.
    """
    feed = operation.broker.feed
    if feed.live:
        feed.look()
        return
    with operation.database.transaction() as tx:
        last = clock.read(tx)
        after = now - timedelta(seconds=feed.interval) if last is None else last
        first = int(after.timestamp()) - feed.interval
        if tx.execute("SELECT FROM market_bars LIMIT 1").fetchone() is None:
            first -= WARM
        closed = [
            (instrument, bar)
            for ts in feed.timestamps(first, int(now.timestamp()) - feed.interval + 1)
            for instrument in feed.instruments
            if (bar := feed.bar(instrument.id, ts)) is not None
        ]
        new = write_bars(tx, feed.interval, closed)
        since, until = int(after.timestamp()), int(now.timestamp())
        for one in feed.instruments:
            write_funding(tx, one, feed.funding_between(one.id, since, until))
        write_marks(
            tx, [(one, feed.mark_at(one.id, int(now.timestamp()))) for one in feed.instruments]
        )
        for instrument, bar in new:
            tell_bar(tx, instrument, feed.interval, bar)


def step_strategies(operation: Operation, now: datetime) -> None:
    """The first half of a bar's decisions: the bar is taken, and its stops are copied at once."""
    wait_for_copies(operation, now)
    try:
        with operation.database.transaction() as tx:
            copying.step_flows(tx, operation.broker, operation.runners, now, live.signal_published)
    except BaseException:
        operation.runners.forget()
        raise
    wait_for_copies(operation, now)


def publish_targets(operation: Operation, now: datetime) -> None:
    """The second half: the targets, at the next open."""
    with operation.database.transaction() as tx:
        copying.publish_targets(tx, operation.broker, operation.runners, now, live.signal_published)
    wait_for_copies(operation, now)


def repeat_exits(operation: Operation, now: datetime, _: Parameters) -> None:
    """Ask again for exits that the venue refused or filled in part."""
    with operation.database.transaction() as tx:
        flows = copying.unfinished_exits(tx)
        copying.repeat_exits(
            tx, operation.broker, operation.runners, now, flows, live.signal_published
        )
    wait_for_copies(operation, now)


def observe_venues(operation: Operation, now: datetime) -> None:
    """Read on in what the venues have filled, and post what they closed by themselves."""
    database, broker, author = operation.database, operation.broker, operation.author(now)
    observe_executions(database, broker, author)
    post_forced(database, broker, author)


def charge_funding(operation: Operation, now: datetime) -> None:
    """Pass on the funding of every stamp up to now that was not passed on yet.

    A payment that fails is tried again at the next tick, and keeps no other from being made.
    """
    errors = pass_on_income(operation.database, operation.broker, operation.author(now))
    if errors:
        raise errors[0]


def guard(operation: Operation, now: datetime, _: Parameters) -> None:
    with operation.database.transaction() as tx:
        guard_margins(tx, operation.author(now), operation.broker.marks(now), PRODUCTS)


def carry_books(
    operation: Operation,
    now: datetime,
    *,
    due: Agenda | None = None,
    matured: Callable[[Tx], object] = lambda _: None,
    paid: Callable[[Tx], object] = lambda _: None,
) -> None:
    """Carry every subscription, and every book that is to be closed, as far as it can go now.

    `due`: what is, where the caller knows. `matured` and `paid` are what investors do once their
    term is over and once they have been paid.
    """
    database, broker, author = operation.database, operation.broker, operation.author(now)
    if due is None:
        with database.read() as tx:
            due = agenda(tx, now)
    if due.reserved:
        operation.batches(lambda tx: activate_due(tx, author), ACTIVATION_BATCH)
    if due.reserved or due.transfers:
        carry_out_transfers(database, broker, author)
    if due.over:
        with database.transaction() as tx:
            mature_due(tx, now)
            matured(tx)
        operation.batches(lambda tx: sweep_matured(tx, author))
    if not (due.over or due.closings):
        return
    try:
        close_due(database, broker, author, PRODUCTS, copying.planned)
    finally:  # who could be closed does not wait for who could not
        for product in PRODUCTS:
            operation.batches(partial(pay_out_due, product=product, now=now), PAYOUT_BATCH)
            if product.part is not None:
                marks = broker.marks(now)
                pay_parts = partial(pay_parts_due, product=product, now=now, marks=marks)
                operation.batches(pay_parts, PAYOUT_BATCH)
        with database.transaction() as tx:
            paid(tx)
        carry_out_transfers(database, broker, author)


def crystallise(operation: Operation, now: datetime, _: Parameters) -> None:
    """Let the shares fall due of subscriptions whose period is over."""
    author, marks = operation.author(now), operation.broker.marks(now)
    operation.batches(lambda tx: crystallise_due(tx, author, marks))


def value_books(operation: Operation, now: datetime, _: Parameters) -> None:
    """Write the NAV of every open book, once a day: Sharpe ratios and uptime count on that."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    with operation.database.transaction() as tx:
        valued = tx.execute(
            "SELECT 1 FROM nav_history WHERE leg_id IS NULL AND at >= %s LIMIT 1", (day,)
        ).fetchone()
        if valued is not None:
            return
        record_nav(tx, now, operation.broker.marks(now))
        live.nav_recorded(tx, now)


def compare_flows(operation: Operation, now: datetime, _: Parameters) -> None:
    """Hold each open flow against a backtest; one that fails keeps no other from it."""
    author, errors = operation.author(now), list[Exception]()
    with operation.database.read() as tx:
        flows = modes.open_flows(tx)
    for flow in flows:
        operation.pulse()
        try:
            with operation.database.transaction() as tx:
                modes.watch_flow(tx, author, flow)
        except AWAY:
            raise
        except Exception as error:
            _log.exception("the flow %s cannot be compared", flow)
            errors.append(error)
    if errors:
        raise errors[0]


def accrue_income(operation: Operation, now: datetime, _: Parameters) -> None:
    """Accrue every day that is over and was not, each at its own rate: one run makes up for all."""
    accrue_due(operation.database, operation.author(now), told=lambda _: operation.pulse())


class Payout(Parameters):
    """Which products pay out; all of them unless it says."""

    cadence: Cadence | None = None


def pay_income(operation: Operation, now: datetime, told: Payout) -> None:
    """Pay out what holdings have earned: daily products once a day, weekly ones once a week."""
    author = operation.author(now)
    for one in Cadence if told.cadence is None else (told.cadence,):
        distribute_due(operation.database, author, one, told=lambda _: operation.pulse())


def _ability(one: automation.Ability) -> Job:
    """An ability as a job: it decides by its own rhythm, and may be asked for by hand."""

    def run(operation: Operation, now: datetime, _: Parameters) -> None:
        automation.run_ability(operation.database, operation.author(now), one)

    return Job(f"ability-{one.name}", run, one.about, one.cron)


def heed_events(operation: Operation, now: datetime) -> None:
    """Let the abilities decide that something woke since the last tick."""
    automation.heed_events(operation.database, operation.author(now))


def measure_decisions(operation: Operation, now: datetime, _: Parameters) -> None:
    automation.measure_all(operation.database, operation.author(now))


def _look_late(tx: Tx, author: Author) -> None:
    """What is overdue, and the end of those alerts of any domain that nobody ends."""
    alert_overdue(tx, author)
    automation.watch_waiting(tx, author)
    end_quiet_alerts(tx, author.now)


def _once(act: Callable[[Tx, Author], object]) -> Act:
    """A job that is one transaction."""

    def run(operation: Operation, now: datetime, _: Parameters) -> None:
        with operation.database.transaction() as tx:
            act(tx, operation.author(now))

    return run


def _in_batches(act: Callable[[Tx, Author], int]) -> Act:
    """A job that is repeated, each time in a transaction of its own, until nothing is left."""

    def run(operation: Operation, now: datetime, _: Parameters) -> None:
        operation.batches(lambda tx: act(tx, operation.author(now)))

    return run


JOBS: tuple[Step | Job, ...] = (
    Step("market", publish_market),
    Step("strategies", step_strategies),
    Step("orders", observe_venues),
    Step("funding", charge_funding),
    Job("risk", sweep_breakers, "Open breakers on what is measured, and close them.", "* * * * *"),
    Step("breakers", heed_breakers),
    Job("margins", guard, "Close scopes whose equity fell below maintenance.", "0 * * * *"),
    Job("exits", repeat_exits, "Ask again for exits that the venue refused.", "0 * * * *"),
    Step("abilities", heed_events),
    *map(_ability, automation.ABILITIES),
    Step("books", carry_books),
    Step("targets", publish_targets),
    Job("overdue", _once(_look_late), "Raise alerts about what is overdue.", "0 * * * *"),
    Job(
        "approvals",
        _once(lambda tx, author: expire_approvals(tx, author.now)),
        "Let requests expire that nobody decided.",
        "0 * * * *",
        any_moment=True,
    ),
    Job(
        "withdrawals",
        _in_batches(pay_waiting),
        "Pay withdrawals whose address is new no more.",
        "*/10 * * * *",
        any_moment=True,
    ),
    # Hourly, so that what failed is tried again before the day is over.
    Job(
        "accrual",
        accrue_income,
        "Accrue the income of the days that are over.",
        "0 * * * *",
        any_moment=True,
    ),
    Job("payout", pay_income, "Pay out income that was accrued.", "0 * * * *", parameters=Payout),
    Job(
        "holds",
        _in_batches(expire_holds),
        "Set expired holds free.",
        "*/5 * * * *",
        any_moment=True,
    ),
    # Before the day's values, which then are what the book goes on with.
    Job(
        "profit-share",
        crystallise,
        "Let profit shares fall due whose period is over.",
        "0 0 * * *",
    ),
    Job("nav", value_books, "Value every open book, once a day.", "0 0 * * *"),
    Job(
        "flows",
        _once(lambda tx, author: copying.update_flow_stats(tx, author.now)),
        "Measure how shared flows did.",
        "0 */4 * * *",
    ),
    Job(
        "scores",
        _once(lambda tx, author: score_flows(tx, author.now)),
        "Score creators for the allocation.",
        "0 0 * * *",
    ),
    Job(
        "referrals",
        _in_batches(release_due),
        "Pay commissions whose hold is over.",
        "0 0 * * *",
        any_moment=True,
    ),
    Job(
        "periods",
        note_closed_periods,
        "Note the balances at the end of closed periods.",
        "0 * * * *",
    ),
    Job(
        "effects", measure_decisions, "Measure what came of the machine's decisions.", "20 * * * *"
    ),
    Job("comparisons", compare_flows, "Hold each flow against a backtest.", "30 3 * * mon"),
    Job(
        "drift",
        _once(portfolios.watch_drift),
        "Look for portfolios far from their weights.",
        "15 * * * *",
    ),
    Job(
        "reconciliation", reconcile_books, "Hold the ledger against venues and debts.", "0 0 * * *"
    ),
)
"""What a tick does, in this order; its jobs are the only targets that a schedule may name."""


def job_named(name: str) -> Job | None:
    """The job that a schedule's target names."""
    return next((one for one in JOBS if isinstance(one, Job) and one.name == name), None)
