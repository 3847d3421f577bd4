"""Two books never meet: not of one person, not in one creator, not across creators."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from commenda.books import post_funding, record_nav, scope_equity
from commenda.copying import CopyMode
from commenda.kit.db import Database
from managed_world import FREE
from scripted import D, random_fills
from world import World

Book = tuple[Decimal, tuple[tuple[int, Decimal, Decimal], ...]]
"""Cash, and (instrument, quantity, cost) of each position."""


def test_two_subscriptions_of_one_person_share_nothing(db: Database) -> None:
    world = World(db, {"AAAUSDT": walk(1), "BBBUSDT": walk(2)})
    flows = [world.creator(name, symbol) for name, symbol in CREATORS]
    investor = world.investor("ines", 30_000)
    product = world.product(terms=FREE)
    one = world.subscribe(investor, product, 10_000, key="one")
    world.activate()
    copied = [world.follow(investor, flows[0], D(1000), key=key) for key in ("a", "b")]
    world.signal(flows[0], "0.5")
    two = world.subscribe(investor, product, 10_000, key="two")
    world.activate()
    for flow in flows:
        world.signal(flow, "0.4")
    world.advance(12)
    with db.transaction() as tx:
        record_nav(tx, world.now, world.broker.marks(world.now))

    scopes = [one, two, *(scope_of(world, leg) for leg in copied)]
    assert len(set(scopes)) == 4
    for table, key in (
        ("legs", "id"),
        ("legs", "account_id"),
        ("positions JOIN legs ON legs.id = leg_id", "positions.account_id"),
        ("flow_subscriptions JOIN legs ON legs.id = leg_id", "flow_subscriptions.id"),
        ("managed_allocations JOIN legs ON legs.id = leg_id", "leg_id"),
        ("signal_executions JOIN legs ON legs.id = leg_id", "subscription_id"),
        ("allocations JOIN legs ON legs.id = leg_id", "leg_id"),
        ("nav_history", "leg_id"),
    ):
        owners = world.rows(
            f"SELECT {key}, count(DISTINCT scope_id) FROM {table}"
            f" WHERE {key} IS NOT NULL GROUP BY 1"
        )
        assert owners, f"{table} is empty"
        assert {count for _, count in owners} == {1}, f"{key} of {table} is shared"
    # Everything of the first is of the first: nothing moves when the second goes.
    before = {scope: book(world, scope) for scope in scopes}
    world.advance(72).mature()
    world.ask(two)
    world.liquidate()
    world.settle(two)
    world.move_cash()
    after = {scope: book(world, scope) for scope in scopes}
    assert after[two] != before[two]
    for scope in (one, *scopes[2:]):
        assert after[scope] == before[scope]
    world.assert_sound()


def test_equal_books_of_one_person_stay_equal_and_apart(db: Database) -> None:
    """The same strategies, the same money, the same signals: the same result twice, not once."""
    world = World(db, {"AAAUSDT": walk(1), "BBBUSDT": walk(2)}, fee=D(0))
    flows = [world.creator(name, symbol) for name, symbol in CREATORS]
    investor = world.investor("ines", 30_000)
    product = world.product(terms=FREE)
    scopes = [world.subscribe(investor, product, 10_000, key=key) for key in ("one", "two")]
    world.activate()
    rng = random.Random(8)
    for _ in range(10):
        world.advance().signal(rng.choice(flows), str(D(rng.randint(-10, 10)) / 10))
    # With fewer than five creators each gets the same weight: both have the same legs.
    assert books_by_creator(world, scopes[0]) == books_by_creator(world, scopes[1])
    assert len(books_by_creator(world, scopes[0])) == len(CREATORS)
    world.assert_sound()


CREATORS = [
    ("anna", "AAAUSDT"),
    ("bea", "AAAUSDT"),
    ("cosimo", "BBBUSDT"),
    ("dino", "BBBUSDT"),
]


@pytest.mark.parametrize("seed", range(20, 25))
@pytest.mark.parametrize("mode", list(CopyMode))
def test_a_signal_moves_no_other_creators_leg(db: Database, seed: int, mode: CopyMode) -> None:
    """Random targets, partial fills and refusals; each step moves the legs of one flow only."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    world = World(db, {"AAAUSDT": walk(seed), "BBBUSDT": walk(seed + 1)})
    flows = [world.creator(name, symbol, rng.randint(1000, 20_000)) for name, symbol in CREATORS]
    people = [world.investor(f"i{n}", 60_000) for n in range(2)]
    product = world.product(terms=FREE)
    for n, person in enumerate(people * 2):
        world.subscribe(person, product, rng.randint(2000, 9000), key=f"{n}")
    world.activate()
    with db.transaction() as tx:
        tx.execute("UPDATE flow_subscriptions SET copy_mode = %s", (mode,))
    for person in people:
        for flow in flows:
            world.follow(person, flow, D(rng.randint(100, 5000)), mode=mode)
    for step in range(12):
        world.advance()
        flow = rng.choice(flows)
        world.script.share_of = (
            random_fills(rng.random, lambda: rng.randint(-20, 20)) if rng.random() < 0.4 else None
        )
        before = books_by_leg(world)
        world.signal(flow, str(D(rng.randint(-150, 150)) / 100))
        after = books_by_leg(world)
        theirs = set(
            world.column("SELECT leg_id FROM flow_subscriptions WHERE flow_id = %s", flow.id)
        )
        assert len(theirs) >= 3
        for leg, was in before.items():
            if leg not in theirs:
                assert after[leg] == was, f"step {step} of seed {seed}"
            else:
                assert {held[0] for held in after[leg][1]} <= {flow.instrument_id}
        assert_scopes_are_the_sum_of_their_legs(world)
    world.assert_sound()


@pytest.mark.parametrize("seed", [31, 32, 33])
def test_funding_reaches_each_leg_by_its_own_position(db: Database, seed: int) -> None:
    """A net position of almost nothing still charges the long and pays the short."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    world = World(db, {"AAAUSDT": walk(seed)})
    flows = [world.creator(name) for name in ("long", "short")]
    for n in range(6):
        world.follow(world.investor(f"i{n}", 20_000), flows[n % 2], D(rng.randint(100, 19_999)))
    world.signal(flows[0], "0.9")
    world.signal(flows[1], "-0.9")
    before = books_by_leg(world)
    begin = world.now
    world.advance(8)
    (payment,) = world.venue.income(begin.isoformat(), world.now)[0]
    instrument = world.broker.instrument(payment.instrument_id)
    for _ in range(2):
        with db.transaction() as tx:
            post_funding(tx, world.author, world.venue.name, payment, instrument)
    for leg, (cash, positions) in books_by_leg(world).items():
        was, held = before[leg]
        assert positions == held
        ((_, quantity, _),) = held
        exact = -quantity * payment.mark * payment.rate
        assert abs(cash - was - exact) < D("0.00000001")
    world.assert_sound()


# --- books -----------------------------------------------------------------------------------


def assert_scopes_are_the_sum_of_their_legs(world: World) -> None:
    """Cash, equity at the marks, and NAV: the scope's own figure equals the sum over its legs."""
    scopes = world.column("SELECT id FROM scopes")
    marks = world.broker.marks(world.now)
    with world.database.transaction() as tx:
        equity = scope_equity(tx, scopes, marks)
        record_nav(tx, world.now, marks)
    legs = books_by_leg(world)
    for scope in scopes:
        expected = sum(
            (
                legs[leg][0] + sum((q * marks[i] for i, q, _ in legs[leg][1]), D(0))
                for leg in world.legs(scope)
            ),
            D(0),
        )
        assert equity[scope] == expected
        navs = dict(
            world.rows(
                "SELECT leg_id, nav FROM nav_history WHERE scope_id = %s AND at = %s",
                scope,
                world.now,
            )
        )
        assert navs.pop(None) == sum(navs.values()) == expected


def books_by_leg(world: World) -> dict[UUID, Book]:
    positions: dict[UUID, list[tuple[int, Decimal, Decimal]]] = {}
    for leg, *position in world.rows(
        "SELECT p.leg_id, p.instrument_id, p.quantity, a.balance FROM positions p"
        " JOIN accounts a ON a.id = p.account_id ORDER BY 1, 2"
    ):
        positions.setdefault(leg, []).append((position[0], position[1], position[2]))
    cash = world.rows("SELECT l.id, a.balance FROM legs l JOIN accounts a ON a.id = l.account_id")
    return {leg: (balance, tuple(positions.get(leg, ()))) for leg, balance in cash}


def book(world: World, scope: UUID) -> dict[UUID, Book]:
    every = books_by_leg(world)
    return {leg: every[leg] for leg in world.legs(scope)}


def books_by_creator(world: World, scope: UUID) -> dict[UUID, Book]:
    every = books_by_leg(world)
    return {
        creator: every[leg]
        for leg, creator in world.rows("SELECT id, creator_id FROM legs WHERE scope_id = %s", scope)
    }


def scope_of(world: World, leg: UUID) -> UUID:
    return UUID(str(world.one("SELECT scope_id FROM legs WHERE id = %s", leg)))


def walk(seed: int) -> Any:
    """A random walk of 1 % an hour from 100, the same for the same seed."""
    rng = random.Random(seed)
    prices = [100.0]
    for _ in range(24 * 90 + 1):
        prices.append(round(max(10.0, prices[-1] * (1 + rng.gauss(0, 0.01))), 2))
    return lambda hour: prices[max(hour, 0)]
