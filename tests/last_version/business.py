"""The last version's business, by the code of that version: imported by `make.py` alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import story

from commenda.copying import actions as copying
from commenda.copying import follow, share_flow
from commenda.funding import Direction, Order, request_funding
from commenda.identity import Principal, Role, register_users
from commenda.income import Cadence
from commenda.kit import clock, ids
from commenda.kit.db import Database
from commenda.ledger import Owner, OwnerKind, close_period
from commenda.managed import Door, ExpectedReturn, cancel
from commenda.managed.decisions import ask_for_matrix
from commenda.operations import JOBS, Clockwork, Job, Operation, Plan, Step, create_schedule
from commenda.trading import Order as VenueOrder
from commenda.trading import Outage, Report, record, work
from pool import Pool
from scripted import ASSET, ScriptedVenue
from world import CopyMode, Flow, World

D = Decimal
HOUR = timedelta(hours=1)


# --- The venue and the ticks -------------------------------------------------------------------


@dataclass(frozen=True)
class FailingVenue(ScriptedVenue):
    """The scripted venue on a bad line: it does not hear of an order, or is not heard any more."""

    silent: set[UUID] = field(default_factory=set)
    """Orders that it never hears of."""
    lost: set[UUID] = field(default_factory=set)
    """Orders that it has worked without anybody knowing."""
    line: list[str] = field(default_factory=list)
    """How the line is for new orders: "silent", "lost", or nothing where it is good."""

    def lookup(self, order_id: UUID) -> Report | None:
        if order_id in self.silent | self.lost:
            raise RuntimeError("the venue does not answer")
        return ScriptedVenue.lookup(self, order_id)

    def place(self, order: VenueOrder, now: datetime) -> Report:
        instrument = self.feed.instrument(order.instrument_id)
        if self.line == ["silent"] and self._refusal(order, instrument, now) is None:
            self.silent.add(order.id)
            raise RuntimeError("the venue cannot be reached")
        report = ScriptedVenue.place(self, order, now)
        if self.line == ["lost"] and report.fills:
            self.lost.add(order.id)
            raise RuntimeError("the connection broke before the answer")
        return report

    @contextmanager
    def failing(self, how: str) -> Iterator[None]:
        self.line.append(how)
        try:
            yield
        except RuntimeError:
            pass
        else:
            raise AssertionError("it was to fail")
        finally:
            self.line.clear()


def at_a_good_venue(world: World) -> None:
    """The same business, its restart over, and the line to the venue is good again."""
    bad = world.venue
    world.venue = ScriptedVenue(
        world.database,
        world.feed,
        slippage=bad.slippage,
        participation=bad.participation,
        script=world.script,
    )
    world.desk = replace(world.desk, venue=world.venue)


def come_to(world: World, hour: int, jobs: tuple[Step | Job, ...] = JOBS) -> None:
    """Do every tick up to this hour."""
    clockwork = Clockwork(Operation(world.database, world.desk), jobs, HOUR, 0)
    clockwork.id = "a-worker-of-the-last-version"  # whichever machine this is
    try:
        while world.now < story.moment(hour) and clockwork.beat():
            with world.database.transaction() as tx:
                world.now = clock.business_now(tx)
    finally:
        clockwork.close()


def cut_short(operation: Operation, now: datetime) -> None:
    """The first step of a tick, and the order to stop."""
    (first,) = (one for one in JOBS if one.name == "market")
    assert isinstance(first, Step)
    first.act(operation, now)
    operation.stopping.set()


# --- The business ------------------------------------------------------------------------------


def live(database: Database) -> World:
    """Everything up to the hour in which it was left."""
    world = World(database, story.PRICES, **story.VENUE)
    outage = Outage(
        story.moment(45),
        story.moment(story.LEFT + 1),
        world.instruments["CCCUSDT"].id,
        "maintenance: trading is suspended",
    )
    good = world.venue
    venue = FailingVenue(
        database,
        world.feed,
        slippage=good.slippage,
        participation=good.participation,
        outages=(outage,),
        script=world.script,
    )
    world.venue, world.desk = venue, replace(world.desk, venue=venue)
    with database.transaction() as tx:  # ticks never wait
        clock.set_pace(tx, story.START, D(10**9), quick_until=story.moment(10_000))
    come_to(world, 1)

    flows = {
        name: world.creator(name, symbol)
        for name, symbol in [
            ("anna", "AAAUSDT"),
            ("bruno", "BBBUSDT"),
            ("carla", "CCCUSDT"),
            ("dario", "AAAUSDT"),
        ]
    }
    anna, bruno, carla, _ = flows.values()
    products = {
        1: world.product(days=1),
        2: world.product(days=2),
        3: world.product(days=3),
        4: world.product(days=4),
        5: world.product(days=5, early_exit=True),
    }
    rosa = world.investor("rosa", 0 + 1)
    people: dict[str, Owner] = {}

    def managed(name: str, term: int, amount: int = 10_000) -> UUID:
        people[name] = world.investor(name, amount + 500, referrer=rosa)
        return world.subscribe(people[name], products[term], amount)

    def copies(name: str, flow: Flow, amount: int, mode: CopyMode = CopyMode.TARGET) -> UUID:
        people[name] = world.investor(name, amount + 500)
        return world.follow(people[name], flow, D(amount), mode=mode)

    income(world)
    managed("settled", 1)
    managed("stuck", 2)
    managed("matured", 3)
    managed("later", 4)
    silent, lost, dusty, dust_to_be = (
        managed(name, 5, amount)
        for name, amount in [
            ("silent", 10_000),
            ("lost", 8_000),
            ("dusty", 140),
            ("dust to be", 150),
        ]
    )
    with database.transaction() as tx:
        cancel(tx, world.author, managed("cancelled", 3))
    copies("carlo", anna, 2_000)
    copies("pia", bruno, 3_000, CopyMode.PERCENTAGE)
    paul = copies("paul", anna, 1_000)
    legs = {
        name: copies(name, flow, 2_000)
        for name, flow in [
            ("livia", carla),
            ("ludo", anna),
            ("lena", anna),
            ("luca", anna),
        ]
    }
    fausto = unlisted(world, "fausto", "CCCUSDT", 3_000)

    come_to(world, 4)
    for flow, target in zip(
        (*flows.values(), fausto), ("0.5", "-0.4", "0.6", "0.3", "0.5"), strict=True
    ):
        world.signal(flow, target)
    world.pause(paul, people["paul"])
    come_to(world, 10)
    managed("active", 4)
    come_to(world, 12)
    world.signal(anna, "0.8")
    world.signal(bruno, "-0.3")
    come_to(world, 26)
    assert status(world, "settled") == "SETTLED"
    with database.transaction() as tx:
        assert close_period(tx, world.author, story.moment(24))

    come_to(world, 48)
    world.ask(dusty, Door.INVESTOR)
    (vault,) = world.column("SELECT leg_id FROM flow_subscriptions WHERE flow_id = %s", fausto.id)
    world.leave(vault, Owner(OwnerKind.CREATOR, fausto.creator_id))
    world.leave(legs["livia"], people["livia"])
    come_to(world, 66)
    flat = managed("flat", 5, 5_000)
    come_to(world, 70)
    world.ask(dust_to_be, Door.OPERATOR)
    come_to(world, story.LEFT - 2)

    leave_half_done(world, venue, flows, people, legs, products, silent, lost, flat)
    return world


def leave_half_done(
    world: World,
    venue: FailingVenue,
    flows: dict[str, Flow],
    people: dict[str, Owner],
    legs: dict[str, UUID],
    products: dict[int, UUID],
    silent: UUID,
    lost: UUID,
    flat: UUID,
) -> None:
    """Two hours in which the line to the venue is bad, and a tick that is cut short."""
    database = world.database
    anna, bruno, carla, dario = flows.values()
    world.advance()
    world.ask(silent, Door.INVESTOR)
    world.leave(legs["ludo"], people["ludo"])
    with venue.failing("silent"):
        world.liquidate()
    with venue.failing("silent"):
        world.close_copies()

    world.advance()
    world.ask(lost, Door.OPERATOR)
    world.ask(flat, Door.INVESTOR)
    world.leave(legs["lena"], people["lena"])
    with venue.failing("lost"):
        world.liquidate()
    with venue.failing("lost"):
        world.close_copies()

    intended, worked, recorded = (
        world.publish(flow, target)
        for flow, target in [(anna, "0.3"), (bruno, "-0.5"), (dario, "0.6")]
    )
    world.publish(carla, "0.2")
    orders = {}
    for signal in (intended, worked, recorded):
        with database.transaction() as tx:
            copying.plan(tx, world.desk, signal, world.now)
        with database.transaction() as tx:
            (orders[signal],) = copying.intend_parents(tx, world.desk, signal, world.now)
    for signal in (worked, recorded):
        work(database, world.desk, orders[signal], world.now)
    with database.transaction() as tx:
        record(tx, world.desk, orders[recorded], world.author)
    world.leave(legs["luca"], people["luca"])  # while a signal has planned for it

    assert world.mature() == 1
    people["reserved"] = world.investor("reserved", 6_500)
    world.subscribe(people["reserved"], products[1], 6_000)
    nina = world.investor("nina", 2_500)
    with database.transaction() as tx:
        # Its cash is not yet moved to the venue.
        follow(
            tx,
            world.author,
            flow=bruno,
            follower=nina,
            amount=D(2_000),
            asset=ASSET,
            venue=venue.name,
            key="one",
        )
    ask_for_decisions(world, products[4])
    jobs = tuple(replace(one, act=cut_short) if one.name == "market" else one for one in JOBS)
    come_to(world, story.LEFT + 1, jobs)
    assert world.now == story.moment(story.LEFT)
    assert world.rows("SELECT at, jobs_done FROM open_tick") == [
        (story.moment(story.LEFT + 1), ["market"])
    ]


def unlisted(world: World, name: str, symbol: str, capital: int) -> Flow:
    """A flow that no managed subscription is allocated to, with its creator's own book."""
    owner = Owner(OwnerKind.CREATOR, ids.derive("test-creator", name))
    flow = Flow(
        ids.derive("test-flow", name),
        owner.id,
        name,
        "ema_trend",
        {},
        world.instruments[symbol].id,
    )
    with world.database.transaction() as tx:
        register_users(tx, [(owner.id, name)], "creator", world.now)
        share_flow(tx, flow, world.now)
    world.pay_in(owner, D(capital), name)
    world.follow(owner, flow, D(capital), key="vault", is_leader=True)
    return flow


def income(world: World) -> None:
    """Pool products with holdings that earn, and one that has been redeemed."""
    pool = Pool(world.database, world.now)
    daily = pool.product()
    fixed = pool.product("two days", term_days=2)
    weekly = pool.product("weekly", cadence=Cadence.WEEKLY)
    ida = pool.investor("ida", 10_000)
    pool.subscribe(ida, daily, "1234.56789")
    pool.subscribe(ida, fixed, 2_000, key="fixed")
    pool.subscribe(ida, weekly, 3_000, key="weekly")
    pool.redeem(pool.subscribe(ida, daily, 500, key="two"))


def ask_for_decisions(world: World, product: UUID) -> None:
    """A large withdrawal and a change of the return matrix wait for a second person."""
    wanda = world.investor("wanda", 20_000)
    world.pay_in(wanda, D(250), "more")
    olga = ids.derive("test-user", "olga")
    with world.database.transaction() as tx:
        register_users(tx, [(olga, "olga")], "operator", world.now)
    asking = Principal(wanda.id, Role.INVESTOR, frozenset(), None, True)
    with world.database.transaction() as tx:
        for amount, key in ((1_000, "small"), (12_000, "large")):
            order = Order(Direction.WITHDRAWAL, D(amount), ASSET, None, key)
            assert request_funding(tx, asking, order, world.now, paper=True, large=D(10_000))
    operator = Principal(olga, Role.OPERATOR, frozenset(), None, True)
    with world.database.transaction() as tx:
        expected = ExpectedReturn(D("0.10"), D(2), D(5))
        ask_for_matrix(tx, operator, product, expected, world.now + 72 * HOUR, world.now)
        author = replace(world.author, actor=operator.actor)
        create_schedule(tx, author, Plan("a second valuation", "30 12 * * *", "nav"))


def status(world: World, name: str) -> str:
    """Of the only managed subscription of the investor with this name."""
    return str(
        world.one(
            "SELECT s.status FROM managed_subscriptions s JOIN users u ON u.id = s.investor_id"
            " WHERE u.username = %s",
            name,
        )
    )
