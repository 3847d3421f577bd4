"""The ledger held against the venue, what is owed, and itself: now, and as of moments before."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from commenda.books import post_funding
from commenda.copying.actions import intend_parents, plan
from commenda.execution import observe, submit
from commenda.kit.db import Database
from commenda.managed import activate_due
from commenda.operations import Part, Reconciliation
from reconciled import PRICES, charge_funding, figures, live, now, tamper, then, unexplained
from scripted import ASSET, D, random_fills
from world import World


@pytest.fixture
def world(db: Database) -> World:
    return World(db, PRICES)


def test_a_whole_business_reconciles_at_every_stage(world: World) -> None:
    for found in live(world):
        assert unexplained(found) == {}
        assert found.left_out == []
    last = now(world)
    assert {line.part for line in last.lines} == set(Part)
    assert all(line.ledger for line in last.lines if line.part is Part.BOOKS)
    world.assert_sound()


def test_it_reconciles_as_of_any_moment_before(world: World) -> None:
    live(world)
    begin = world.now - timedelta(hours=80)
    moments = [begin + n * timedelta(minutes=97) for n in range(45)]
    for moment in [begin - timedelta(days=1), *moments, world.now]:
        found = then(world, moment)
        assert unexplained(found) == {}, moment
        assert found.as_of == moment
        assert [one.split(":")[0] for one in found.left_out] == ["holds"]


def test_a_moment_of_the_past_reads_as_it_did_then(world: World) -> None:
    parts = (Part.VENUE, Part.BOOKS, Part.LIABILITIES)
    for found in live(world):
        once, again = figures(found, *parts), figures(then(world, found.as_of), *parts)
        assert {subject: again[subject] for subject in once} == once, found.as_of
        later = {again[subject] for subject in again.keys() - once.keys()}
        assert later <= {(D(0), D(0), D(0))}, "what was first traded afterwards"


def test_a_random_split_of_fills_reconciles(db: Database) -> None:
    world = World(db, PRICES, lot="0.01", tick="0.5")
    draw = random.Random(3)
    world.script.share_of = random_fills(lambda: draw.random(), lambda: draw.randint(-3, 3))
    anna, ines = world.creator("anna"), world.investor("ines", 30_000)
    for n in range(3):
        world.subscribe(ines, world.product(), 5_000, key=str(n))
    world.activate()
    for target in ("0.5", "-0.7", "0.2", "0"):
        world.signal(anna, target)
        charge_funding(world, 9)
        assert unexplained(now(world)) == {}
    assert unexplained(then(world, world.now - timedelta(hours=30))) == {}


def intended(world: World) -> tuple[UUID, UUID]:
    """A signal and its parent order, which nobody has sent yet."""
    flow = world.creator("anna")
    world.advance()
    signal = world.publish(flow, "0.5")
    with world.database.transaction() as tx:
        assert not plan(tx, world.broker, signal, world.now)
        (order,) = intend_parents(tx, world.broker, signal, world.now)
    return signal, order


def explained(found: Reconciliation) -> dict[str, Decimal]:
    return {line.subject: line.explained for line in found.lines if line.explained}


def test_a_fill_that_is_not_recorded_yet_is_explained_while_its_order_works(
    db: Database,
) -> None:
    world = World(db, slippage="0.002")
    signal, order = intended(world)
    assert explained(now(world)) == {}
    report = submit(world.database, world.broker, order, world.now)
    (fill,) = report.fills
    found = now(world)
    assert unexplained(found) == {}
    paid = fill.fee + fill.quantity * (fill.price - 100)
    assert explained(found) == {"paper USDT": -paid, "paper AAAUSDT": fill.quantity}
    world.advance(30)
    assert (unexplained(now(world)), explained(now(world))) == ({}, explained(found))
    world.copy(signal)
    assert now(world).unexplained == []


def test_a_fill_that_is_not_allocated_yet_waits_in_transit(db: Database) -> None:
    world = World(db, slippage="0.002")
    signal, order = intended(world)
    report = submit(world.database, world.broker, order, world.now)
    with db.transaction() as tx:
        observe(tx, world.broker, order, world.author, report)
    (fill,) = report.fills
    found = now(world)
    assert unexplained(found) == {}
    transit = {
        line.subject: (line.venue, line.ledger) for line in found.lines if line.part is Part.TRANSIT
    }
    cost, cash = fill.quantity * fill.price, -fill.quantity * fill.price - fill.fee
    assert sorted(transit.values()) == sorted([(cost, cost), (cash, cash)])
    assert all("(account " in subject for subject in transit)
    passing = [line.passing for line in found.lines if line.part is Part.TRANSIT]
    assert {(one.kind, one.of) for one in passing if one and one.account} == {
        ("position", "AAAUSDT"),
        ("unallocated", "USDT"),
    }
    tamper(world, "UPDATE accounts SET balance = balance + 1 WHERE kind = 'unallocated'")
    ((_, subject),) = [key for key in unexplained(now(world)) if key[0] == "transit"]
    assert subject.startswith("fills in transit, cash USDT")
    tamper(world, "UPDATE accounts SET balance = balance - 1 WHERE kind = 'unallocated'")
    world.copy(signal)
    settled = [line for line in now(world).lines if line.part is Part.TRANSIT]
    assert [(line.venue, line.ledger) for line in settled] == [(0, 0), (0, 0)]


def test_an_order_recorded_later_than_it_was_filled_reconciles_in_between(world: World) -> None:
    """The process died between the venue's fill and its record, and went on half an hour later."""
    signal, order = intended(world)
    submit(world.database, world.broker, order, world.now)
    died = world.now
    world.now += timedelta(minutes=30)
    world.advance(0)
    world.copy(signal)
    world.now += timedelta(minutes=30)
    world.advance(0)
    between = then(world, died + timedelta(minutes=10))
    assert unexplained(between) == {}
    assert explained(between)["paper AAAUSDT"] != 0
    after = then(world, died + timedelta(minutes=30))
    assert (unexplained(after), explained(after)) == ({}, {})


def test_a_transfer_is_explained_until_the_venue_has_it(world: World) -> None:
    ines = world.investor("ines", 20_000)
    world.creator("anna")
    world.advance()
    world.subscribe(ines, world.product(), 5_000)
    world.advance()
    with world.database.transaction() as tx:
        activate_due(tx, world.author)
    found = now(world)
    assert (unexplained(found), explained(found)) == (
        {},
        {"paper USDT": D(-5_000), "USDT": D(-5_000)},
    )
    asked = world.now
    reference, amount = world.rows("SELECT id, amount FROM transfers WHERE done_at IS NULL")[0]
    world.venue.transfer(reference, ASSET, amount, world.now)  # and then the process dies
    found = now(world)
    assert (unexplained(found), explained(found)) == ({}, {"USDT": D(-5_000)})
    world.advance().move_cash()
    assert (unexplained(now(world)), explained(now(world))) == ({}, {})
    between = then(world, asked + timedelta(minutes=1))
    assert (unexplained(between), explained(between)) == ({}, {"USDT": D(-5_000)})


def test_funding_is_explained_until_it_is_passed_on(world: World) -> None:
    world.signal(world.creator("anna"), "0.5")
    begin = world.now
    world.advance(8)
    payments = world.venue.income(begin.isoformat(), world.now)[0]
    paid = sum((one.amount for one in payments), D(0))
    assert paid < 0
    found = now(world)
    assert (unexplained(found), explained(found)) == ({}, {"paper USDT": paid})
    charged = world.now
    world.advance()
    for payment in payments:
        with world.database.transaction() as tx:
            instrument = world.broker.instrument(payment.instrument_id)
            post_funding(tx, world.author, world.venue.name, payment, instrument)
    assert (unexplained(now(world)), explained(now(world))) == ({}, {})
    between = then(world, charged + timedelta(minutes=1))
    assert (unexplained(between), explained(between)) == ({}, {"paper USDT": paid})
