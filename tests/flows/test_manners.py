"""How a flow orders what it opens, and what staff ask of an order that works."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from commenda.copying import Flow
from commenda.execution import ask_end, ask_price, execute_orders, orders_of
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.operations import verify
from commenda.venues import VENUES
from commenda.venues import rows as venue_rows
from lives import Life
from scripted import D, Path, flat, steps
from world import World


def entering(world: World, entry: str) -> Flow:
    """A flow with 10,000 behind it at 100."""
    flow = world.creator("anna")
    with world.database.transaction() as tx:
        tx.execute("UPDATE shared_flows SET entry = %s WHERE id = %s", (entry, flow.id))
    world.activate()
    return flow


def ordered(world: World) -> list[tuple[object, ...]]:
    return world.rows(
        "SELECT o.kind, o.time_in_force, o.limit_price, o.status, f.quantity, f.price"
        " FROM orders o LEFT JOIN fills f ON f.order_id = o.id ORDER BY o.number"
    )


def sound(world: World) -> None:
    with world.database.transaction() as tx:
        assert [str(one) for one in verify(tx)] == []


@pytest.mark.parametrize(("slippage", "got"), [("0.005", D("100.5")), ("0.02", None)])
def test_an_entry_that_does_not_wait_pays_the_tolerance_at_most(
    db: Database, slippage: str, got: Decimal | None
) -> None:
    """One per cent above 100 is 101; half of the equity is 50 lots of one."""
    world = World(db, fee="0", slippage=slippage)
    flow = entering(world, "ioc")
    world.signal(flow, "0.5")
    terms = ("limit", "ioc", D(101))
    filled = ("expired", None, None) if got is None else ("filled", D(50), got)
    assert ordered(world) == [terms + filled]
    (outcome,) = world.rows("SELECT status, executed_price FROM signal_executions")
    assert outcome == (("failed", None) if got is None else ("completed", got))
    sound(world)


@pytest.mark.parametrize(
    ("path", "end"),
    [(steps((0, 100.0), (2, 98.0)), ("filled", D(50), D(100))), (flat(), ("expired", None, None))],
)
def test_an_entry_that_only_makes_waits_for_a_bar_at_the_signals_price(
    db: Database, path: Path, end: tuple[object, ...]
) -> None:
    """The market goes through 100, or it does not; the signal is open until it is known."""
    world = World(db, {"AAAUSDT": path}, fee="0", slippage="0.001")
    flow = entering(world, "post_only")
    signal = world.signal(flow, "0.5")
    assert ordered(world) == [("limit", "post_only", D(100), "accepted", None, None)]
    assert world.one("SELECT status FROM trading_signals") == "planned"
    world.advance(1)
    world.copy(signal)
    assert ordered(world) == [("limit", "post_only", D(100), *end)]
    assert world.one("SELECT status FROM trading_signals") == "processed"
    sound(world)


def test_what_reduces_or_turns_is_ordered_at_market(db: Database) -> None:
    """Whatever the flow's entries are: 0.5, less, to the other side, and more of that."""
    world = World(db, fee="0")
    flow = entering(world, "ioc")
    for target in ("0.5", "0.2", "-0.2", "-0.4"):
        world.signal(flow, target)
    assert [(kind, tif) for kind, tif, *_ in ordered(world)] == [
        ("limit", "ioc"),
        ("market", "gtc"),
        ("market", "gtc"),
        ("limit", "ioc"),
    ]
    assert world.one("SELECT quantity FROM positions") == -40
    sound(world)


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow may trade at the other venue."""
    monkeypatch.setattr(venue_rows, "VENUES", (*VENUES, VENUES[0]._replace(name="other")))


# --- what staff ask of an order ----------------------------------------------------------------


def resting(db: Database) -> tuple[World, UUID]:
    """50 to buy at 100, of a flow's signal, at a market of 101."""
    world = World(db, {"AAAUSDT": flat()}, fee="0", slippage="0.01")
    flow = entering(world, "post_only")
    signal = world.signal(flow, "0.5")
    return world, signal


def work(world: World, signal: UUID) -> None:
    with world.database.transaction() as tx:
        orders = orders_of(tx, "signal", signal)
    assert execute_orders(world.database, world.broker, orders, world.author) == []


def events(world: World) -> list[object]:
    return world.column("SELECT kind FROM audit_events WHERE kind LIKE 'order.%%' ORDER BY id")


def order_id(world: World) -> UUID:
    found = world.one("SELECT id FROM orders")
    assert isinstance(found, UUID)
    return found


def test_an_order_is_cancelled_once_it_is_worked_on(db: Database) -> None:
    world, signal = resting(db)
    for _ in range(2):
        with world.database.transaction() as tx:
            ask_end(tx, world.author, order_id(world), "enough")
    assert world.one("SELECT status FROM orders") == "accepted"
    world.copy(signal)
    assert world.one("SELECT status FROM orders") == "cancelled"
    assert world.one("SELECT status FROM trading_signals") == "processed"
    assert world.column("SELECT kind FROM audit_events WHERE kind LIKE 'order.%%'") == [
        "order.end_asked"
    ]
    with pytest.raises(CommendaError) as refused, world.database.transaction() as tx:
        ask_end(tx, world.author, order_id(world), "enough")
    assert refused.value.code == "order_over"
    sound(world)


def test_a_limit_waits_at_the_price_that_staff_ask_for(db: Database) -> None:
    """At 100.5 it is filled once the market goes through that, and at that."""
    world, signal = resting(db)
    with world.database.transaction() as tx:
        ask_price(tx, world.author, order_id(world), D("100.5"), "nearer")
    work(world, signal)
    assert world.rows("SELECT limit_price, asked_price, status FROM orders") == [
        (D("100.5"), None, "accepted")
    ]
    assert events(world) == ["order.price_asked", "order.moved"]
    world.advance(1)
    world.copy(signal)
    assert world.rows("SELECT status, price FROM orders o JOIN fills f ON f.order_id = o.id") == [
        ("filled", D("100.5"))
    ]
    sound(world)


@pytest.mark.parametrize(("price", "code"), [("100.005", "off_tick"), ("110.01", "too_far")])
def test_a_limit_is_moved_to_a_price_that_can_be(db: Database, price: str, code: str) -> None:
    world, _ = resting(db)
    with pytest.raises(CommendaError) as refused, world.database.transaction() as tx:
        ask_price(tx, world.author, order_id(world), D(price), "nearer")
    assert refused.value.code == code


@pytest.mark.usefixtures("other")
def test_a_venue_that_replaces_nothing_leaves_the_order_and_says_so(db: Database) -> None:
    life = Life(db)
    (order,) = life.ask(D(1), collar=D(0))
    life.work()
    with life.world.database.transaction() as tx:
        ask_price(tx, life.world.author, order.id, D(99), "lower")
    life.work()
    assert life.world.rows("SELECT limit_price, asked_price, status FROM orders") == [
        (D(100), None, "accepted")
    ]
    assert life.world.one("SELECT count(*) FROM audit_events WHERE kind = 'order.not_moved'") == 1


@pytest.mark.usefixtures("other")
def test_what_is_to_end_is_never_sent_to_be_asked_for(db: Database) -> None:
    """The request was lost on its way; at this venue sending it again is how else one asks."""
    life = Life(db)
    life.exchange.faults.append("down")
    (order,) = life.ask(D(1))
    life.work()
    assert life.status(order) == "unknown"
    with life.world.database.transaction() as tx:
        ask_end(tx, life.world.author, order.id, "lost")
    for _ in range(4):
        life.wait(5)
        life.work()
    assert life.status(order) == "refused"
    assert life.exchange.received[order.id] == 0


@pytest.mark.usefixtures("other")
def test_what_was_not_sent_yet_is_cancelled_here(db: Database) -> None:
    life = Life(db)
    (order,) = life.ask(D(1))
    with life.world.database.transaction() as tx:
        ask_end(tx, life.world.author, order.id, "no")
    life.work()
    assert life.status(order) == "cancelled"
    assert life.exchange.received[order.id] == 0
