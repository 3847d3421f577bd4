"""The replayed clock: one tick for each candle, through the actions of production.

A tick at the open of a bar, in the order in which things really happen:

    arrivals -> the bar that just closed is stepped -> stops that fired in it -> funding
    -> margin guard, exits that were refused -> activate, mature, liquidate, settle, transfers
    -> new targets trade at this open -> NAV and scores at the day's first tick
    -> the machine's abilities, with the cursor

Every action is idempotent by its natural key; steps that are not, because what they find depends
on what later steps of the tick change, are marked done in their own transaction. So a run that is
killed anywhere and resumed ends with the same books. Strategy states are saved once a day and
stepped again from there: the same bars give the same bits.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from uuid import UUID

from commenda.books import Trigger, guard_margins, record_nav
from commenda.copying import (
    Runner,
    copy_signal,
    enqueue_copy,
    publish_at_open,
    save_runners,
    signal_key,
    take_waiting,
    unfinished_exits,
    unprocessed,
    workflow_of,
)
from commenda.kit import clock, outbox
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import Author
from commenda.managed import Agenda, agenda, crystallise_due, score_flows
from commenda.market import write_bars, write_marks
from commenda.operations import PRODUCTS, Operation, carry_books, charge_funding
from commenda.referrals import release_due
from commenda.simulate import machine
from commenda.simulate.business import RULES, Business
from commenda.simulate.people import arrive, knock, renew
from commenda.simulate.population import Investor, population
from commenda.simulate.scenario import Scenario
from commenda.studies import run_here

HOUR = 3600
DAY = 86400
QUEUE_PATIENCE = 120.0
"""Wall seconds to wait for a worker before a queued replay gives up."""


def begin(database: Database, scenario: Scenario) -> None:
    """Claim a database for one scenario and seed, before anything of it is written there.

    Code `other_scenario` when it was begun with another.
    """
    with database.transaction() as tx:
        tx.execute(
            "INSERT INTO replays (scenario, begun_at) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (scenario.digest, scenario.start),
        )
        row = tx.execute("SELECT scenario FROM replays").fetchone()
    assert row is not None
    if row[0] != scenario.digest:
        raise CommendaError(
            "other_scenario", "This run was begun with another scenario or seed"
        ).at("--resume", hint="resume it with the scenario and seed that began it")


@dataclass(slots=True)
class Replay:
    """A business and the tick it has come to."""

    business: Business
    done: set[str] = field(default_factory=set)
    people: list[Investor] = field(default_factory=list)
    """Everybody, in order of arrival."""
    last: int = 0
    """The last whole tick."""
    queued: bool = False
    """Copy signals through the queue and whatever workers run, instead of calling directly."""
    taken_up: bool = True
    """Whether the next tick may have been begun by a killed run."""
    unnoted: int | None = None
    """The last whole tick, where the cursor is behind it."""
    acted: bool = False
    """Whether anything was written in this tick."""
    operation: Operation = field(init=False)

    def __post_init__(self) -> None:
        self.people = population(self.business.scenario)
        self.operation = Operation(
            self.business.database, self.business.broker, actor="simulation", rules=RULES
        )

    def ticks(self) -> list[int]:
        """The ticks that are still to do, as epoch seconds."""
        scenario = self.business.scenario
        every = self.business.broker.feed.timestamps(
            int(scenario.start.timestamp()), int(scenario.end.timestamp())
        )
        last = self._resume()
        if last is not None:
            self._catch_up(last)
            self.last = last
        return [ts for ts in every if last is None or ts > last]

    def run(self, ticks: list[int]) -> Iterator[int]:
        """Do the ticks in order, yielding each one that is done."""
        for ts in ticks:
            self._tick(ts)
            self.taken_up, self.last = False, ts
            if ts == ticks[-1]:
                self._note()
            yield ts

    def _resume(self) -> int | None:
        """Find the last whole tick and what the open one has done already; None at the start."""
        begin(self.business.database, self.business.scenario)
        with self.business.database.transaction() as tx:
            row = tx.execute("SELECT tick, open_tick, steps_done FROM replays").fetchone()
        assert row is not None
        last, open_tick, steps = row
        self.done = {f"{open_tick}:{step}" for step in steps}
        return last  # type: ignore[no-any-return]

    def _catch_up(self, last: int) -> None:
        """Step the strategies from their saved states through the ticks that are done."""
        feed = self.business.broker.feed
        begin = int(self.business.scenario.start.timestamp())
        for ts in feed.timestamps(begin, last + 1):
            for runner in self.business.runners:
                if runner.last_bar is None or ts - feed.interval > runner.last_bar:
                    runner.take(feed, ts - feed.interval)

    def _tick(self, ts: int) -> None:
        business, now = self.business, datetime.fromtimestamp(ts, UTC)
        scenario, author = business.scenario, self.operation.author(now)
        begin, end = (
            bisect_right(self.people, moment, key=lambda one: one.arrives)
            for moment in (self.last, ts)
        )
        arrived = self.people[begin:end]
        if arrived:
            secret = business.broker.secret
            self._once(ts, "arrivals", lambda tx: arrive(tx, author, arrived, self.people, secret))
        feed = business.broker.feed
        stepped = [(one, one.take(feed, ts - feed.interval)) for one in business.runners]
        moves = [(runner, move) for runner, move in stepped if move is not None]
        stops = [
            (one, Decimal(0), move.stop_price) for one, move in moves if move.stop_price is not None
        ]
        targets = [(one, move.target, None) for one, move in moves if move.target is not None]
        self._signals(ts, "stop", stops)
        if self.taken_up or self._is_charged(ts):
            self._note()
            charge_funding(self.operation, now)
        if ts % HOUR == 0:
            self._once(ts, "margins", partial(self._guard, ts, author))
            self._copy_waiting(ts, "exit")
        with business.database.read() as tx:
            due = Agenda() if self.taken_up else agenda(tx, now)
        if any(due):
            self._note()
            carry_books(
                self.operation,
                now,
                due=due,
                matured=lambda tx: knock(tx, author, scenario, tuple(Trigger)),
                paid=lambda tx: renew(
                    tx, author, scenario, now, scenario.end, business.broker.secret
                ),
            )
        active = [one for one in targets if one[0].flow.status == "active"]
        self._signals(ts, "target", active)
        if scenario.abilities:
            self._again(ts, {runner.flow.id for runner, _, _ in active})
        if ts % DAY == 0:
            self._once(ts, "close of day", lambda tx: self._close_day(tx, author))
        self.unnoted = ts
        if self.acted or ts % DAY == 0:
            self._note(save=ts % DAY == 0)
        self._abilities(ts, author)
        self.acted = False

    def _note(self, tx: Tx | None = None, *, save: bool = False) -> None:
        """Move the clock and the cursor to the last tick that is whole, before anything is done.

        Of ticks in which nothing was to do the last is noted: a killed run finds nothing to do in
        them again.
        """
        self.acted = True
        if self.unnoted is None:
            return
        if tx is None:
            with self.business.database.transaction() as own:
                return self._note(own, save=save)
        clock.advance(tx, datetime.fromtimestamp(self.unnoted, UTC))
        tx.execute("UPDATE replays SET tick = %s, steps_done = '{}'", (self.unnoted,))
        if save:
            save_runners(tx, self.business.runners)
        self.unnoted = None

    def _is_charged(self, ts: int) -> bool:
        """Whether a stamp of funding has come since the last tick."""
        feed = self.business.broker.feed
        return any(feed.funding_between(one.id, self.last, ts) for one in feed.instruments)

    def _once(self, ts: int, step: str, act: Callable[[Tx], object]) -> None:
        """Run a step of a tick once, its mark in the same transaction."""
        if f"{ts}:{step}" in self.done:
            return
        with self.business.database.transaction() as tx:
            self._note(tx)
            act(tx)
            tx.execute(
                "UPDATE replays SET open_tick = %(ts)s, steps_done ="
                " CASE WHEN open_tick = %(ts)s THEN steps_done ELSE '{}' END || %(step)s::text",
                {"ts": ts, "step": step},
            )

    def _abilities(self, ts: int, author: Author) -> None:
        """Let the machine decide what is due, with the cursor and the states that it decided on;
        take up anew what it changed. Whatever it wants traded waits for the next tick."""
        scenario, business = self.business.scenario, self.business
        since = datetime.fromtimestamp(ts - business.broker.feed.interval, UTC)
        due = machine.due(scenario, since, author.now)
        if not due and (not scenario.abilities or ts % HOUR):
            return
        run_here(business.database)  # what was begun an hour ago, before anybody asks for it
        with business.database.transaction() as tx:
            self.unnoted = ts
            self._note(tx, save=True)
            self._store_market(tx, ts)
            machine.look(tx, author, due)
            machine.measure_due(tx, author, scenario)
        with business.database.transaction() as tx:
            business.load_runners(tx)

    def _store_market(self, tx: Tx, ts: int) -> None:
        """Store what abilities read: the marks of now, and the bars that closed since they last
        looked, an hour ago at most."""
        feed = self.business.broker.feed
        write_marks(tx, [(one, feed.mark_at(one.id, ts)) for one in feed.instruments])
        closed = [
            (one, bar)
            for at in feed.timestamps(ts - HOUR - feed.interval, ts - feed.interval + 1)
            for one in feed.instruments
            if (bar := feed.bar(one.id, at)) is not None
        ]
        write_bars(tx, feed.interval, closed)

    def _again(self, ts: int, decided: set[UUID]) -> None:
        """Publish what the machine has flows repeat, but of those that decided anew just now."""
        runners = {runner.flow.id: runner for runner in self.business.runners}
        with self.business.database.transaction() as tx:
            waiting = sorted(take_waiting(tx).items())
            if waiting:
                self._note(tx)
            for flow_id, target in waiting:
                if flow_id in runners and flow_id not in decided:
                    self._publish(tx, runners[flow_id], ts, "again", target)
        self._copy_waiting(ts, "again")

    def _copy_waiting(self, ts: int, kind: str) -> None:
        with self.business.database.read() as tx:
            waiting = unprocessed(tx, signal_key(ts, kind))
        for signal_id in waiting:
            self._copy(signal_id, ts)

    def _signals(
        self, ts: int, kind: str, decided: Sequence[tuple[Runner, Decimal, Decimal | None]]
    ) -> None:
        """Publish what strategies decided, and copy it at once, their creators' books included."""
        if not decided:
            return
        with self.business.database.transaction() as tx:
            self._note(tx)
            published = [self._publish(tx, one, ts, kind, to, at) for one, to, at in decided]
        for signal_id in published:
            if signal_id is not None:
                self._copy(signal_id, ts)

    def _publish(
        self,
        tx: Tx,
        runner: Runner,
        ts: int,
        kind: str,
        target: Decimal,
        stop_price: Decimal | None = None,
    ) -> UUID | None:
        """Store a signal; None where no bar opens that it could trade at."""
        broker, flow = self.business.broker, runner.flow
        if stop_price is None and broker.feed.bar(flow.instrument_id, ts) is None:
            return None
        now = datetime.fromtimestamp(ts, UTC)
        signal_id, _ = publish_at_open(tx, broker, flow, now, kind, target, stop_price)
        if self.queued:
            enqueue_copy(tx, signal_id, now)
        return signal_id

    def _copy(self, signal_id: UUID, ts: int) -> None:
        """Copy a published signal now, or wait until a worker has."""
        business = self.business
        if self.queued:
            outbox.wait(business.database, workflow_of(signal_id), timeout=QUEUE_PATIENCE)
        else:
            now = datetime.fromtimestamp(ts, UTC)
            copy_signal(business.database, business.broker, signal_id, now)

    def _guard(self, ts: int, author: Author, tx: Tx) -> None:
        """Look after margins, and ask again for exits that the venue refused or filled in part."""
        guard_margins(tx, author, self.business.broker.marks(author.now), PRODUCTS)
        runners = {runner.flow.id: runner for runner in self.business.runners}
        for flow_id in unfinished_exits(tx):
            self._publish(tx, runners[flow_id], ts, "exit", Decimal(0))

    def _close_day(self, tx: Tx, author: Author) -> None:
        marks = self.business.broker.marks(author.now)
        while crystallise_due(tx, author, marks):
            pass
        record_nav(tx, author.now, marks)
        score_flows(tx, author.now)
        release_due(tx, author)
