"""A managed subscription is really liquidated: failures wait and are tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from commenda.books import Trigger
from commenda.copying.actions import plan
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from scripted import D
from settled_worlds import a_world, at_the_hour, matured
from world import World


def test_a_refusing_venue_leaves_it_liquidating_and_it_settles_later(db: Database) -> None:
    world, (subscription,) = matured(db)
    world.script.refusal = "maintenance"
    world.ask(subscription)
    retries = []
    for attempt in range(3):
        assert world.liquidate() == 0
        status, attempts, reason, retry = world.rows(
            "SELECT s.status, c.attempts, c.reason, c.next_retry_at"
            " FROM managed_subscriptions s JOIN closings c USING (id)"
        )[0]
        assert (status, attempts, reason) == ("LIQUIDATING", attempt + 1, "AAAUSDT: maintenance")
        retries.append(retry - world.now)
        world.now += timedelta(seconds=1)
        assert world.liquidate() == 0, "it waits for its retry"
        world.now = retry
    assert retries == [timedelta(seconds=s) for s in (30, 60, 120)]
    assert world.one("SELECT count(*) FROM closing_attempts") == 3
    assert world.unexplained() == {}
    world.script.refusal = None
    world.now = at_the_hour(world)
    assert world.liquidate() == 1
    world.settle(subscription)
    world.move_cash()
    world.assert_sound()


def test_a_partial_liquidation_stays_liquidating_until_the_rest_is_sold(db: Database) -> None:
    world, (subscription,) = matured(db)
    (leg,) = world.legs(subscription)
    held = world.quantity(leg)
    world.script.share_of = lambda order, _: [(D("0.001"), order.reference_price)]
    world.ask(subscription)
    assert world.liquidate() == 0
    assert world.status(subscription) == "LIQUIDATING"
    assert world.rows("SELECT status, kind FROM orders WHERE cause = 'liquidation'") == [
        ("partly_filled", "limit")
    ]
    assert world.quantity(leg) == held, "allocated once, when the parent is terminal"
    with pytest.raises(CommendaError, match="not_liquidated"):
        world.settle(subscription)
    assert world.findings() == []
    world.script.share_of = None
    assert world.advance().liquidate() == 1, "cancelled when its time was over, and sent anew"
    assert world.quantity(leg) == 0
    assert world.rows("SELECT outcome, reason FROM closing_attempts ORDER BY begun_at") == [
        ("failed", "AAAUSDT: its time was over"),
        ("closed", None),
    ]
    assert world.rows(
        "SELECT o.quantity, f.quantity FROM orders o JOIN fills f ON f.order_id = o.id"
        " WHERE cause = 'liquidation' ORDER BY o.number"
    ) == [(held, D("0.001")), (held - D("0.001"), held - D("0.001"))]
    world.settle(subscription)
    world.move_cash()
    world.assert_sound()


def test_a_batch_that_the_venue_broke_off_is_taken_up_by_the_next_call(db: Database) -> None:
    world, (subscription,) = matured(db)
    world.ask(subscription)

    def break_off(*_: object) -> Any:
        raise RuntimeError("the venue closed the connection")

    world.script.share_of = break_off
    with pytest.raises(RuntimeError, match="closed the connection"):
        world.liquidate()
    assert world.status(subscription) == "LIQUIDATING"
    world.script.share_of = None
    assert world.liquidate() == 1
    assert world.one("SELECT count(*) FROM orders WHERE cause = 'liquidation'") == 1
    assert world.one("SELECT count(*) FROM closing_attempts WHERE outcome IS NULL") == 0
    world.settle(subscription)
    world.move_cash()
    world.assert_sound()


def test_what_cannot_be_sold_keeps_no_other_book_open(db: Database) -> None:
    world = World(db)
    flows = {symbol: world.creator(symbol, symbol) for symbol in world.instruments}
    legs = {}
    for symbol, flow in flows.items():
        owner = world.investor(symbol, 1_000)
        legs[symbol] = world.follow(owner, flow, D(1_000)), owner
    world.advance()
    for flow in flows.values():
        world.signal(flow, "0.5")
    for leg, owner in legs.values():
        world.leave(leg, owner)

    def break_off(order: Any, instrument: Any) -> Any:
        if instrument.symbol == "AAAUSDT":
            raise RuntimeError("the venue closed the connection")
        return [(order.quantity, order.reference_price)]

    world.script.share_of = break_off
    with pytest.raises(RuntimeError, match="closed the connection"):
        world.close_copies()
    closed = "SELECT paid_at IS NOT NULL FROM closings x JOIN legs l USING (scope_id)"
    assert world.one(closed + " WHERE l.id = %s", legs["BBBUSDT"][0]) is True
    assert world.one(closed + " WHERE l.id = %s", legs["AAAUSDT"][0]) is False
    world.script.share_of = None
    assert world.close_copies() == 1
    world.assert_sound()


def test_a_batch_that_concludes_late_does_not_reopen_what_is_settled(db: Database) -> None:
    world, (subscription,) = matured(db)
    world.ask(subscription)
    assert world.liquidate() == 1
    world.settle(subscription)
    world.execute("UPDATE closing_attempts SET outcome = NULL")
    assert world.advance().liquidate() == 0
    assert world.status(subscription) == "SETTLED"


def test_an_early_exit_needs_a_product_that_allows_it(db: Database) -> None:
    world = a_world(db)
    investor = world.investor("ines", 20_000)
    kept = world.subscribe(investor, world.product(early_exit=False), key="kept")
    free = world.subscribe(investor, world.product(early_exit=True), key="free")
    world.activate()
    for door in (Trigger.INVESTOR, Trigger.OPERATOR, Trigger.SWEEP):
        with pytest.raises(CommendaError) as caught:
            world.ask(kept, door)
        assert caught.value.code == "early_exit_not_allowed"
    assert world.status(kept) == "ACTIVE"
    assert world.ask(free, Trigger.INVESTOR) == "LIQUIDATING"
    world.liquidate()
    world.settle(free)
    assert (world.status(kept), world.status(free)) == ("ACTIVE", "SETTLED")
    world.move_cash()
    world.assert_sound()


def test_a_liquidating_subscription_follows_no_more_signals(db: Database) -> None:
    world, (subscription,) = matured(db)
    held = [world.quantity(leg) for leg in world.legs(subscription)]
    world.advance().signal(world.flow, "-1")  # type: ignore[attr-defined]
    assert [world.quantity(leg) for leg in world.legs(subscription)] == held


def test_a_book_that_a_signal_has_planned_for_is_not_closed_before_it_trades(
    db: Database,
) -> None:
    """Otherwise the plan would open the closed book again, and it could never be settled."""
    world, (subscription,) = matured(db)
    other = world.subscribe(world.investor("jon"), world.product(early_exit=True), 1000)
    world.activate()
    signal = world.publish(world.flow, "0.5")  # type: ignore[attr-defined]
    with db.transaction() as tx:
        plan(tx, world.broker, signal, world.now)
    for one in (subscription, other):
        world.ask(one, Trigger.INVESTOR)
    assert world.liquidate() == 1, "the matured one takes no part in the signal"
    assert (world.status(subscription), world.status(other)) == ("LIQUIDATED", "LIQUIDATING")
    world.copy(signal)
    assert world.advance().liquidate() == 1
    world.settle(subscription, other)
    world.move_cash()
    world.assert_sound()
