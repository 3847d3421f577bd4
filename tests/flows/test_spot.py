"""Books that hold what they bought: their fee is taken of it, less than a lot stays behind, and the
business's money is exact all the same."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from commenda.books import dust_leg
from commenda.copying import CopyMode, Flow, unfinished_exits
from commenda.kit.db import Database
from commenda.ledger import Owner
from commenda.market import Kind
from commenda.venues import OrderRequest
from managed_world import FREE
from running_books import outcome
from scripted import ASSET, START, D, steps
from world import World

HOUSE = dust_leg(ASSET)
HOUR_LONG = timedelta(hours=1)
FEE = D("0.001")
PRICES = steps((0, 60.01), (10, 70), (20, 50))


def a_world(db: Database, fee: Decimal = FEE, **terms: str) -> tuple[World, Flow]:
    """60.01 at first, 70 from hour 10 on, 50 from hour 20 on; lots of 0.01."""
    given = {"lot": "0.01", "tick": "0.01", "minimum_notional": "5"} | terms
    world = World(db, {"AAAUSDT": PRICES}, fee=fee, kind=Kind.SPOT, **given)
    return world, world.creator("anna", capital=0)


def a_follower(world: World, flow: Flow, name: str, amount: str) -> tuple[UUID, Owner]:
    owner = world.investor(name)
    return world.follow(owner, flow, D(amount)), owner


def until(world: World, hour: int) -> None:
    """Let time pass until that hour."""
    world.advance(hour - (world.now - START) // HOUR_LONG)


def outcomes(world: World, signal: UUID) -> list[tuple[str, Decimal | None, str | None]]:
    return world.rows(
        "SELECT status, executed_amount, error FROM signal_executions WHERE signal_id = %s"
        " ORDER BY executed_amount",
        signal,
    )


def test_a_follower_goes_in_and_out_and_leaves_nothing_but_what_is_less_than_a_lot(
    db: Database,
) -> None:
    world, flow = a_world(db)
    leg, owner = a_follower(world, flow, "ines", "1000")

    # 0.99 · 1,000 / 60.01 is 16.497: 16.49 are bought for 989.5649, and 0.01649 of them taken.
    bought = world.signal(flow, "0.99")
    assert world.quantity(leg) == D("16.47351")
    assert world.cash(leg) == D("10.4351")
    assert outcomes(world, bought) == [("completed", D("16.47351"), None)]
    world.assert_sound()

    # Worth 1,163.5808 at 70, half of it is 8.31129142: 8.16221858 too many, of which 8.16 are sold.
    until(world, 10)
    sold = world.signal(flow, "0.5")
    assert world.quantity(leg) == D("8.31351")
    assert world.cash(leg) == D("10.4351") + D("571.2") - D("0.5712")
    assert outcomes(world, sold) == [("completed", D("-8.16"), None)]
    world.assert_sound()

    # The rest but 0.00351, which is no lot.
    until(world, 20)
    world.signal(flow, "0")
    assert world.quantity(leg) == D("0.00351")
    assert world.cash(leg) == D("581.0639") + D("415.5") - D("0.4155")
    world.assert_sound()
    with db.transaction() as tx:
        assert unfinished_exits(tx) == [], "there is nothing to sell"
    again = world.signal(flow, "0")
    assert outcomes(world, again) == [("skipped", None, "below one lot")]

    # Whoever leaves is paid for it at the mark: 0.00351 · 50.
    world.leave(leg, owner)
    assert world.advance().close_copies() == 1
    assert world.quantity(HOUSE) == D("0.00351")
    assert world.wallet(owner) == 10_000 - 1_000 + D("996.1484") + D("0.1755")
    world.assert_sound()


def test_what_the_platform_took_over_is_sold_with_the_next_that_leaves(db: Database) -> None:
    world, flow = a_world(db)
    first, ines = a_follower(world, flow, "ines", "1000")
    world.signal(flow, "0.99")
    world.signal(flow, "0")
    world.leave(first, ines)
    world.advance().close_copies()
    assert world.quantity(HOUSE) == D("0.00351")
    second, jon = a_follower(world, flow, "jon", "1000")
    world.signal(flow, "0.99")
    assert world.quantity(second) == D("16.47351")
    world.leave(second, jon)
    assert world.advance().close_copies() == 1
    # 16.47351 and 0.00351 are 1,647.702 lots: 16.47 are sold, and the rest is taken over.
    assert world.one("SELECT quantity FROM orders WHERE cause = 'liquidation'") == D("16.47")
    assert world.quantity(HOUSE) == D("0.00702")
    world.assert_sound()


def test_parents_are_whole_lots_of_many_small_books(db: Database) -> None:
    """Each alone has less than a lot; together they trade, at one price."""
    world, flow = a_world(db, lot="1")
    legs = [a_follower(world, flow, name, "50")[0] for name in ("ann", "ben", "cy", "dan")]
    signal = world.signal(flow, "0.99")
    # 4 · 0.82486252 are 3.29945: 3 are bought, 0.003 of them taken, and the rest are fourths.
    assert [world.quantity(leg) for leg in legs] == [D("0.74925")] * 4
    assert [world.cash(leg) for leg in legs] == [50 - 3 * D("60.01") / 4] * 4
    assert {status for status, _, _ in outcomes(world, signal)} == {"completed"}
    world.assert_sound()


def test_a_lone_small_book_waits_for_a_lot(db: Database) -> None:
    world, flow = a_world(db, lot="1")
    leg, _ = a_follower(world, flow, "ann", "50")
    signal = world.signal(flow, "0.99")
    assert outcomes(world, signal) == [("skipped", None, "below one lot")]
    assert (world.quantity(leg), world.cash(leg)) == (0, 50)
    world.assert_sound()


def test_a_purchase_that_fills_in_part_is_shared_and_goes_on_at_the_next_signal(
    db: Database,
) -> None:
    world, flow = a_world(db)
    legs = [
        a_follower(world, flow, name, amount)[0]
        for name, amount in (("ann", "600"), ("ben", "400"))
    ]

    def half(order: OrderRequest, _instrument: object) -> list[tuple[Decimal, Decimal]]:
        lots = order.quantity / 2 // D("0.01") * D("0.01")
        return [(lots, D("60.01"))]

    world.script.share_of = half
    signal = world.signal(flow, "0.99")
    # 8.24 of 16.49 are bought, less 0.00824: six and four tenths of 8.23176.
    assert sum(world.quantity(leg) for leg in legs) == D("8.23176")
    assert abs(world.quantity(legs[0]) - D("4.939056")) < D("0.001")
    assert {status for status, _, _ in outcomes(world, signal)} == {"partial"}
    world.assert_sound()
    world.script.share_of = None
    world.signal(flow, "0.99")
    assert sum(world.quantity(leg) for leg in legs) > D("16.4")
    world.assert_sound()


def test_nothing_is_sold_that_is_not_held(db: Database) -> None:
    world, flow = a_world(db)
    leg, _ = a_follower(world, flow, "ann", "1000")
    signal = world.signal(flow, "-0.5")
    ((status, amount, error),) = outcomes(world, signal)
    assert (status, amount) == ("failed", 0)
    assert (error or "").startswith("short_of_margin:")
    assert (world.quantity(leg), world.cash(leg)) == (0, 1_000)
    world.assert_sound()


def test_who_copies_parts_of_trades_buys_no_more_than_can_be_paid(db: Database) -> None:
    """What rose since it was bought is more of the book than the creator's target says."""
    world, flow = a_world(db)
    leg = world.follow(world.investor("ann"), flow, D(1_000), mode=CopyMode.PERCENTAGE)
    # 0.7 · 1,000 / 60.01 is 11.664: 11.66 bought for 699.7166, and 0.01166 of them taken.
    world.signal(flow, "0.7")
    until(world, 10)
    # At 70 it has 300.2834 and 11.64834 worth 815.3838: 0.29 of 1,115.6672 would be 323.5435.
    signal = world.signal(flow, "0.99")
    # 0.99 of the equity is 15.77872 of them: 4.13038 more, worth 289.1266.
    assert outcomes(world, signal)[0][0] == "completed"
    assert world.quantity(leg) == D("11.64834") + D("4.13") - D("0.00413")
    assert world.cash(leg) == D("300.2834") - D("289.1")
    world.assert_sound()


def test_a_managed_subscription_matures_and_is_settled_to_the_last_decimal(db: Database) -> None:
    world, flow = a_world(db)
    investor = world.investor("ines")
    subscription = world.subscribe(investor, world.product(terms=FREE), 1_000)
    world.activate()
    world.signal(flow, "0.99")
    world.advance(80)
    assert world.mature() == 1
    world.ask(subscription)
    assert world.advance().liquidate() == 1
    assert world.status(subscription) == "LIQUIDATED"
    world.assert_sound()
    # Bought as above; 16.47 sold at 50 for 823.5 less 0.8235, and 0.00351 taken over at 50.
    (leg,) = world.legs(subscription)
    assert world.cash(leg) == D("10.4351") + D("822.6765") + D("0.1755")


def a_part(db: Database, amount: int) -> tuple[World, UUID, UUID]:
    """1,000 of Ines, of which 0.99 is in the market; a part of it is asked for at 60.01."""
    world, flow = a_world(db)
    product = world.product(terms=FREE, early_exit=True)
    subscription = world.subscribe(world.investor("ines"), product, 1_000)
    world.activate()
    world.signal(flow, "0.99")
    (leg,) = world.legs(subscription)
    world.withdraw(subscription, amount)
    return world, subscription, leg


def test_of_a_part_more_is_sold_than_it_is_worth_for_nothing_is_lent(db: Database) -> None:
    world, subscription, leg = a_part(db, 950)
    assert world.liquidate() == 1
    # A part of 950/999.0105351 would be 15.67, worth 939.4163 less the fee; with 10.4351 that is no
    # 950. With room for a fall of one per cent and the fee it is 950/0.989 of it.
    assert world.quantity(leg) == D("16.47351") - D("15.84")
    assert world.pay_parts() == 1
    assert world.cash(leg) == D("10.4351") + D("950.5584") - D("0.9505584") - 950
    assert outcome(world, subscription) == ("paid", 0, None)
    world.assert_sound()


def test_a_part_that_its_cash_does_not_cover_is_given_up(db: Database) -> None:
    """Sold at 50, what was worth 950 at 60.01 brings less."""
    world, subscription, leg = a_part(db, 700)
    until(world, 20)
    assert world.liquidate() == 1
    world.pay_parts()
    assert outcome(world, subscription)[0] == "given_up"
    assert world.cash(leg) > 0
    world.assert_sound()


@pytest.mark.parametrize("seed", range(3))
def test_any_life_of_many_books_ends_with_less_than_a_lot_at_the_venue(
    db: Database, seed: int
) -> None:
    """Odd amounts, fees, prices, targets, people who come and go; sound after every step."""
    draw = random.Random(seed)
    path = steps(*((hour, round(draw.uniform(20, 90), 2)) for hour in range(0, 200, 2)))
    fee, lot = D(draw.choice(["0", "0.001", "0.00075"])), D(draw.choice(["0.01", "0.1", "0.001"]))
    world = World(
        db, {"AAAUSDT": path}, lot=lot, tick="0.01", fee=fee, minimum_notional="5", kind=Kind.SPOT
    )
    flow = world.creator("anna", capital=D("1234.56789012"))
    there: list[tuple[UUID, Owner]] = []
    for step in range(12):
        world.advance(2)
        if draw.random() < 0.7:
            amount = f"{draw.uniform(10, 900):.8f}"
            there.append(a_follower(world, flow, f"name{step}", amount))
        world.signal(flow, draw.choice(["0", "0.3", "0.99", "0.7", "0.01"]))
        if there and draw.random() < 0.4:
            world.leave(*there.pop(draw.randrange(len(there))))
            world.advance().close_copies()
        world.assert_sound()
        assert world.one("SELECT coalesce(min(quantity), 0) FROM positions") >= 0
    for leg, owner in there:
        world.leave(leg, owner)
    for _ in range(6):
        world.advance().close_copies()
    open_copies = "SELECT count(*) FROM scopes WHERE kind = 'copy' AND closed_at IS NULL"
    assert world.one(open_copies) == 0
    world.signal(flow, "0")
    assert world.one("SELECT sum(quantity) FROM positions") < 2 * lot
    world.assert_sound()
