"""What is too little for the venue: taken over at the mark, once, to the last decimal."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial
from uuid import UUID

import pytest

from commenda.books import dust_leg, is_dust
from commenda.copying import COPIES, Flow
from commenda.execution import execute_order, intend
from commenda.kit.db import Database
from commenda.ledger import Owner
from commenda.market import Instrument, Kind
from managed_world import FREE
from scripted import ASSET, D, steps
from world import World, in_threads

HOUSE = dust_leg(ASSET)
UNIT = D("0.00000001")
MINIMUM = D(100)
MARK = D("87.13571")
FEE = D("0.0005")


def a_world(db: Database, mark: Decimal = MARK) -> tuple[World, Flow]:
    """A price of 100, and another one from hour 10 on, at a venue that takes no order below 100."""
    world = World(
        db,
        {"AAAUSDT": steps((0, 100), (10, float(mark)))},
        lot="0.0001",
        tick="0.00001",
        fee=FEE,
        minimum_notional=MINIMUM,
    )
    return world, world.creator("anna")


def a_remainder(
    world: World, flow: Flow, name: str = "ines", target: str = "0.5", amount: str = "140.02"
) -> tuple[UUID, Owner]:
    """A subscription whose liquidation is asked for, and which holds target · amount / 100."""
    investor = world.investor(name, 1_000)
    subscription = world.subscribe(investor, world.product(terms=FREE), D(amount), key=name)
    world.activate()
    world.signal(flow, target)
    world.advance(80)
    assert world.mature() == 1
    world.ask(subscription)
    return subscription, investor


def try_it(world: World, times: int) -> list[int]:
    return [world.advance().liquidate() for _ in range(times)]


def position(world: World, leg: UUID) -> tuple[Decimal, Decimal]:
    """Quantity and cost."""
    ((quantity, cost),) = world.rows(
        "SELECT p.quantity, a.balance FROM positions p JOIN accounts a ON a.id = p.account_id"
        " WHERE p.leg_id = %s",
        leg,
    )
    return quantity, cost


def transfers(world: World) -> list[tuple[Decimal, Decimal, Decimal]]:
    return world.rows("SELECT quantity, price, value FROM dust_transfers ORDER BY number")


@pytest.mark.parametrize(
    ("quantity", "attempt", "expected"),
    [
        ("0.9999", 3, True),
        ("-0.9999", 3, True),
        ("0.9999", 2, False),
        ("1", 3, False),
        ("-1", 9, False),
    ],
)
def test_dust_is_below_the_minimum_after_three_failures(
    quantity: str, attempt: int, expected: bool
) -> None:
    assert is_dust(D(quantity), D(100), terms(D(100)), attempt) is expected
    assert not is_dust(D(quantity), D(100), terms(D(0)), attempt), "without a minimum all is taken"


@pytest.mark.parametrize("attempt", [0, 1, 9])
def test_less_than_a_lot_is_dust_at_once(attempt: int) -> None:
    assert is_dust(D("0.00009999"), D(10**9), terms(D(0)), attempt)
    assert not is_dust(D("0.0001"), D(10**9), terms(D(0)), attempt)


def terms(minimum_notional: Decimal) -> Instrument:
    one, lot = D(1), D("0.0001")
    return Instrument(
        0, "binance_spot", "AAAUSDT", Kind.SPOT, "AAA", ASSET, one, lot, minimum_notional,
        one, one, 1, False,
    )  # fmt: skip


@pytest.mark.parametrize("sign", [1, -1])
def test_a_lone_remainder_is_refused_three_times_and_then_taken_over(
    db: Database, sign: int
) -> None:
    world, flow = a_world(db)
    subscription, investor = a_remainder(world, flow, target=str(sign * D("0.5")))
    (leg,) = world.legs(subscription)
    quantity = sign * D("0.7001")
    assert position(world, leg) == (quantity, quantity * 100)
    for attempt in range(3):
        assert world.advance().liquidate() == 0
        assert world.rows(
            "SELECT s.status, c.reason, c.attempts FROM managed_subscriptions s"
            " JOIN closings c USING (id)"
        ) == [("LIQUIDATING", "AAAUSDT: below the minimum notional of 100", attempt + 1)]
    assert transfers(world) == []
    world.assert_sound()
    filled = world.one("SELECT count(*) FROM paper.fills")

    assert world.advance().liquidate() == 1
    # 0.7001 · 87.13571 has nine decimals: it is rounded to the asset's eight.
    value = (quantity * MARK).quantize(UNIT, ROUND_HALF_EVEN)
    assert abs(value) == D("61.00371057")
    assert transfers(world) == [(quantity, MARK, value)]
    entry_fee = D("70.01") * FEE
    equity = D("140.02") - quantity * 100 - entry_fee + value
    assert world.cash(leg) == equity, "sold at the mark, without a fee"
    assert position(world, leg) == (0, 0)
    assert position(world, HOUSE) == (quantity, value)
    assert world.cash(HOUSE) == -value
    assert world.one("SELECT count(*) FROM paper.fills") == filled, "nothing was sent to the venue"
    assert world.status(subscription) == "LIQUIDATED"
    world.assert_sound()

    lines = dict(
        world.rows(
            "SELECT concat_ws(' ', a.kind, a.leg_id), e.amount FROM journals j"
            " JOIN entries e ON e.journal_id = j.id JOIN accounts a ON a.id = e.account_id"
            " WHERE j.kind = 'dust'"
        )
    )
    assert lines == {
        f"scope {leg}": value,
        f"position {leg}": -quantity * 100,
        f"scope {HOUSE}": -value,
        f"position {HOUSE}": value,
        "venue": quantity * 100 - value,
    }
    ((subject, details),) = world.rows(
        "SELECT subject, details FROM audit_events WHERE kind = 'liquidation.dust'"
    )
    assert subject == str(subscription)
    assert [D(details[name]) for name in ("quantity", "price", "value")] == [quantity, MARK, value]

    world.settle(subscription)
    world.move_cash()
    assert world.wallet(investor) == 1_000 - D("140.02") + equity
    world.value_books()
    world.assert_sound()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_copy_that_is_left_with_dust_is_closed_and_paid(db: Database, sign: int) -> None:
    world, flow = a_world(db)
    ines = world.investor("ines", 1_000)
    leg = world.follow(ines, flow, D("140.02"))
    world.signal(flow, str(sign * D("0.5")))
    world.advance(10)
    world.leave(leg, ines)
    assert [world.advance().close_copies() for _ in range(4)] == [0, 0, 0, 1]
    quantity = sign * D("0.7001")
    value = (quantity * MARK).quantize(UNIT, ROUND_HALF_EVEN)
    assert world.wallet(ines) == 1_000 - quantity * 100 - D("70.01") * FEE + value
    assert position(world, HOUSE) == (quantity, value)
    assert (position(world, leg), world.cash(leg)) == ((0, 0), 0)
    world.assert_sound()


def test_dust_leaves_with_the_next_liquidation_on_its_side(db: Database) -> None:
    world, flow = a_world(db, mark=D(90))
    first, _ = a_remainder(world, flow)
    assert try_it(world, 4) == [0, 0, 0, 1]
    value = D("63.009")  # 0.7001 · 90
    assert (position(world, HOUSE), world.cash(HOUSE)) == ((D("0.7001"), value), -value)
    # The other holds exactly 500 / 90 = 5.5555 lots down, worth more than the minimum.
    second, _ = a_remainder(world, flow, "jon", amount="1000")
    assert try_it(world, 1) == [1]
    assert world.rows(
        "SELECT side, quantity, status FROM orders WHERE cause = 'liquidation'"
        " AND status <> 'refused'"
    ) == [("sell", D("5.5555") + D("0.7001"), "filled")]
    assert position(world, HOUSE) == (0, 0), "the house's own position is swept too"
    # Bought at 90 and sold at 90: what is left is the venue's fee on 63.009.
    assert world.cash(HOUSE) == -(D("63.009") * FEE)
    world.settle(first, second)
    world.move_cash()
    world.assert_sound()


def test_dust_makes_another_remainder_large_enough_to_be_sold(db: Database) -> None:
    world, flow = a_world(db, mark=D(90))
    a_remainder(world, flow)
    assert try_it(world, 4) == [0, 0, 0, 1]
    # 0.5 · 140.02 / 90 = 0.7778: 70 alone, and 133 with the dust.
    a_remainder(world, flow, "jon")
    assert try_it(world, 1) == [1]
    assert position(world, HOUSE) == (0, 0)
    assert len(transfers(world)) == 1
    world.assert_sound()


def test_dust_stays_while_only_the_other_side_is_liquidated(db: Database) -> None:
    world, flow = a_world(db, mark=D(90))
    a_remainder(world, flow)
    assert try_it(world, 4) == [0, 0, 0, 1]
    a_remainder(world, flow, "jon", target="-0.5", amount="1000")
    assert try_it(world, 1) == [1]
    assert position(world, HOUSE)[0] == D("0.7001")
    assert world.one("SELECT count(*) FROM allocations WHERE leg_id = %s", HOUSE) == 0
    # Dust of the other side cancels it out, without an order. 0.6 · 105.015 / 90 = 0.7001.
    a_remainder(world, flow, "kim", target="-0.6", amount="105.015")
    orders = world.one("SELECT count(*) FROM orders WHERE cause = 'liquidation'")
    assert try_it(world, 4) == [0, 0, 0, 1]
    assert world.one("SELECT count(*) FROM orders WHERE cause = 'liquidation'") == orders + 4
    assert position(world, HOUSE) == (0, 0)
    assert world.cash(HOUSE) == 0, "taken at 90 and given at 90"
    assert [quantity for quantity, _, _ in transfers(world)] == [D("0.7001"), D("-0.7001")]
    world.assert_sound()


def test_the_dust_book_never_sends_a_parent_of_its_own(db: Database) -> None:
    world, flow = a_world(db)
    a_remainder(world, flow)
    assert try_it(world, 4) == [0, 0, 0, 1]
    before = world.one("SELECT count(*) FROM orders")
    assert try_it(world, 5) == [0] * 5
    assert world.one("SELECT count(*) FROM orders") == before
    world.assert_sound()


def test_concluding_again_or_at_once_takes_nothing_over_twice(db: Database) -> None:
    world, flow = a_world(db, mark=D(70))  # both together are still below the minimum
    jon = world.investor("jon", 1_000)
    left = world.follow(jon, flow, D("140.02"))
    a_remainder(world, flow)
    world.leave(left, jon)
    for _ in range(3):
        world.advance()
        assert world.liquidate() == 0
    world.advance()
    assert sum(in_threads(*[world.liquidate] * 4)) == 2
    assert sum(in_threads(*[partial(world.pay_out, COPIES)] * 4)) == 1
    assert (world.liquidate(), world.close_copies()) == (0, 0)
    assert len(transfers(world)) == 2
    quantities = [quantity for quantity, _, _ in transfers(world)]
    assert position(world, HOUSE)[0] == sum(quantities)
    world.assert_sound()


def test_dust_waits_while_the_book_is_selling_what_it_has(db: Database) -> None:
    """Which of the two came first decides where the position began anew."""
    world, flow = a_world(db, mark=D(90))
    a_remainder(world, flow)
    assert try_it(world, 4) == [0, 0, 0, 1]
    other, _ = a_remainder(world, flow, "jon", target="-0.5")
    with db.transaction() as tx:
        (order,), _ = intend(
            tx,
            cause="liquidation",
            cause_id=flow.id,
            correlation_id=flow.id,
            instrument=world.broker.instrument(flow.instrument_id),
            requests=[(HOUSE, "paper", D("-0.7001"))],
            reference_price=D(200),  # as if others were in it
            now=world.now,
        )
    assert try_it(world, 4) == [0, 0, 0, 0]
    assert len(transfers(world)) == 1
    execute_order(db, world.broker, order.id, world.author)
    assert try_it(world, 1) == [1]
    (quantity, price, value) = transfers(world)[1]
    assert (quantity < 0, price) == (True, 90)
    assert position(world, HOUSE) == (quantity, value), "its cost begins anew"
    assert world.status(other) == "LIQUIDATED"
    world.assert_sound()
