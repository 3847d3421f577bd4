"""Leaving a copy: really closed at the venue, paid back to the last decimal, once."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from threading import Event
from typing import Any
from uuid import UUID

import pytest

from commenda.copying import actions, request_leave
from commenda.copying.following import change_settings
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import Owner
from scripted import START, D, random_fills, steps
from world import World, in_threads


def exit_of(world: World, leg: UUID) -> dict[str, Any]:
    columns = ("attempts", "next_retry_at", "reason", "closed_at", "paid", "shortfall")
    ((row),) = world.rows(
        "SELECT attempts, next_retry_at, reason, paid_at, greatest(equity, 0), greatest(-equity, 0)"
        " FROM closings x JOIN legs l ON l.scope_id = x.scope_id"
        " WHERE l.id = %s",
        leg,
    )
    return dict(zip(columns, row, strict=True))


def test_a_copy_that_is_left_is_sold_at_the_venue_and_paid_back_to_the_last_decimal(
    db: Database,
) -> None:
    world = World(db, {"AAAUSDT": steps((0, 100), (5, 107))}, fee=D("0.00037"))
    flow = world.creator("anna")
    ines = world.investor("ines", 5_000)
    leg = world.follow(ines, flow, D("1234.56789012"))
    world.advance(2).signal(flow, "0.61")
    bought = world.quantity(leg)
    assert bought > 0
    world.advance(5)
    assert world.leave(leg, ines)
    assert world.wallet(ines) == D(5_000) - D("1234.56789012"), "asking pays nothing"
    assert world.close_copies() == 1
    # What the venue filled and took, from its own books, is all that can differ from the stake.
    (spent,) = world.rows(
        "SELECT sum(CASE o.side WHEN 'buy' THEN -a.notional ELSE -a.notional END) - sum(a.fee)"
        " FROM allocations a JOIN orders o ON o.id = a.order_id WHERE a.leg_id = %s",
        leg,
    )
    assert world.quantity(leg) == 0
    assert world.cash(leg) == 0
    assert world.wallet(ines) == D(5_000) + spent[0]
    sold = world.rows(
        "SELECT f.quantity, f.price FROM paper.fills f JOIN orders o ON o.id = f.client_order_id"
        " WHERE o.cause = 'liquidation'"
    )
    assert sold == [(bought, D(107))]
    gain = bought * 7
    fees = world.one("SELECT sum(fee) FROM allocations WHERE leg_id = %s", leg)
    assert spent[0] == gain - fees
    assert exit_of(world, leg)["paid"] == D("1234.56789012") + spent[0]
    assert (
        world.one(
            "SELECT closed_at FROM scopes s JOIN legs l ON l.scope_id = s.id WHERE l.id = %s", leg
        )
        == world.now
    )
    world.assert_sound()


def test_a_copy_that_holds_nothing_is_closed_without_an_order(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    ines = world.investor("ines", 1_000)
    leg = world.follow(ines, flow, D(1_000))
    world.leave(leg, ines)
    assert world.close_copies() == 1
    assert world.wallet(ines) == 1_000
    assert world.one("SELECT count(*) FROM orders") == 0
    world.advance().signal(flow, "0.5")
    assert world.one("SELECT count(*) FROM signal_executions WHERE leg_id = %s", leg) == 0
    world.assert_sound()


def test_a_venue_that_refuses_is_asked_again_later_and_later(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    ines = world.investor("ines", 1_000)
    leg = world.follow(ines, flow, D(1_000))
    world.advance().signal(flow, "0.5")
    world.script.refusal = "closed for maintenance"
    world.leave(leg, ines)
    waits = []
    for _ in range(8):
        assert world.close_copies() == 0
        assert world.close_copies() == 0, "not before its time"
        state = exit_of(world, leg)
        assert state["reason"] == "AAAUSDT: closed for maintenance"
        waits.append((state["next_retry_at"] - world.now).total_seconds())
        world.now = state["next_retry_at"]
    # acceptance.md, part 2, "Liquidation": 30 s · 2ⁿ up to 15 min
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]
    assert world.wallet(ines) == 0
    world.assert_sound()
    world.script.refusal = None
    world.now = START
    world.advance(4)  # to the open of a bar, where the venue fills
    assert world.close_copies() == 1
    state = exit_of(world, leg)
    assert (state["reason"], state["next_retry_at"], state["attempts"]) == (None, None, 8)
    assert world.wallet(ines) == 1_000 - world.one(
        "SELECT sum(fee) FROM allocations WHERE leg_id = %s", leg
    )
    world.assert_sound()


def test_a_partly_filled_exit_sells_the_rest_at_the_next_try(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    people = [world.investor(f"i{n}", 1_000) for n in range(3)]
    legs = [world.follow(one, flow, D(1_000)) for one in people]
    world.advance().signal(flow, "0.5")
    for leg, owner in zip(legs, people, strict=True):
        world.leave(leg, owner)
    world.script.share_of = random_fills(lambda: 0.4, lambda: -3)
    assert world.close_copies() == 0
    world.script.refusal = "maintenance"
    assert world.advance().close_copies() == 0, "its time is over, and the next one is refused"
    left = [world.quantity(leg) for leg in legs]
    assert all(0 < one < 5 for one in left)
    world.script.share_of = world.script.refusal = None
    assert world.advance().close_copies() == 3
    assert [world.quantity(leg) for leg in legs] == [0, 0, 0]
    world.assert_sound()


def test_two_requests_to_leave_are_one(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    ines = world.investor("ines", 1_000)
    leg = world.follow(ines, flow, D(1_000))
    world.advance().signal(flow, "0.5")
    assert sorted(in_threads(*[partial(world.leave, leg, ines)] * 8)) == [False] * 7 + [True]
    assert sum(in_threads(*[world.close_copies] * 5)) == 1
    assert world.leave(leg, ines) is False
    assert world.close_copies() == 0
    assert world.one("SELECT count(*) FROM journals WHERE kind = 'leave'") == 1
    assert world.one("SELECT count(*) FROM orders WHERE cause = 'liquidation'") == 1
    world.assert_sound()


def test_a_book_below_zero_is_paid_by_insurance(db: Database) -> None:
    """Three times its equity long, and the price halves before it is sold."""
    world = World(db, {"AAAUSDT": steps((0, 100), (3, 50))}, fee=D(0))
    flow = world.creator("anna")
    ines = world.investor("ines", 1_000)
    leg = world.follow(ines, flow, D(1_000))
    world.advance().signal(flow, "3")
    before = world.balance("insurance", Owner.platform())
    world.advance(3)
    world.leave(leg, ines)
    assert world.close_copies() == 1
    assert world.wallet(ines) == 0
    assert exit_of(world, leg)["shortfall"] == 500  # 1000 − 30 · 50
    assert world.balance("insurance", Owner.platform()) == before - 500
    world.assert_sound()


def test_a_batch_that_was_killed_is_taken_up_by_the_next_call(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(db)
    flow = world.creator("anna")
    ines = world.investor("ines", 1_000)
    leg = world.follow(ines, flow, D(1_000))
    world.advance().signal(flow, "0.5")
    world.leave(leg, ines)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("execute_orders", "_conclude"):
        with monkeypatch.context() as patch:
            patch.setattr(f"commenda.books.closing.{step}", killed)
            with pytest.raises(KeyboardInterrupt):
                world.close_copies()
    assert world.close_copies() == 1
    assert world.one("SELECT count(*) FROM orders WHERE cause = 'liquidation'") == 1
    world.assert_sound()


def test_the_creators_own_book_leaves_last_and_closes_the_flow(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    (own,) = world.column("SELECT leg_id FROM flow_subscriptions WHERE is_leader")
    anna = Owner("creator", flow.creator_id)  # type: ignore[arg-type]
    ines = world.investor("ines")
    leg = world.follow(ines, flow, D(1_000))
    world.pause(leg, ines)
    with pytest.raises(CommendaError, match="flow_has_followers"):
        world.leave(own, anna)
    world.leave(leg, ines)
    assert world.leave(own, anna)
    assert world.close_copies() == 2
    assert world.one("SELECT status FROM shared_flows") == "closed"
    assert world.wallet(anna) == 10_000
    with pytest.raises(CommendaError, match="flow_not_active"):
        world.follow(ines, flow, D(1_000), key="again")
    world.assert_sound()


def test_nobody_leaves_for_another(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    leg = world.follow(world.investor("ines"), flow, D(1_000))
    with pytest.raises(CommendaError, match="unknown_subscription"):
        world.leave(leg, world.investor("otto"))


@pytest.mark.parametrize("stop", ["leave", "pause", "mature"])
def test_whoever_stops_a_subscription_waits_for_the_plan_that_counts_on_it(
    db: Database, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    """A plan that is being made and a request to stop, in transactions that overlap."""
    world = World(db)
    flow = world.creator("anna")
    ines = world.investor("ines", 20_000)
    if stop == "mature":
        world.subscribe(ines, world.product(days=1))
        world.activate()
        (leg,) = world.column("SELECT leg_id FROM managed_allocations")
        world.advance(48)
    else:
        leg = world.follow(ines, flow, D(1_000))
    signal = world.advance().publish(flow, "0.5")
    planned, stopped = Event(), Event()
    write = actions.queries.plan_executions

    def slowly(*args: Any) -> int:
        found = write(*args)
        planned.set()
        assert not stopped.wait(0.4), "stopped in the middle of the plan"
        return found

    monkeypatch.setattr(actions.queries, "plan_executions", slowly)

    def halt() -> None:
        assert planned.wait(10)
        if stop == "leave":
            world.leave(leg, ines)
        elif stop == "pause":
            world.pause(leg, ines)
        else:
            assert world.mature() == 1
        stopped.set()

    in_threads(halt, partial(plan_only, world, signal))
    monkeypatch.undo()
    # The plan stands and is known: nothing is closed before it has traded.
    assert world.close_copies() == 0
    world.copy(signal)
    assert world.quantity(leg) > 0
    if stop == "leave":
        assert world.close_copies() == 1
        assert world.quantity(leg) == 0
    world.advance().signal(flow, "0.9")
    assert world.one("SELECT count(*) FROM signal_executions WHERE leg_id = %s", leg) == 1
    world.assert_sound()


def plan_only(world: World, signal: UUID) -> None:
    with world.database.transaction() as tx:
        actions.plan(tx, world.broker, signal, world.now)


def test_a_plan_does_not_see_who_is_being_stopped(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    ines = world.investor("ines")
    leg = world.follow(ines, flow, D(1_000))
    signal = world.advance().publish(flow, "0.5")
    asked = Event()

    def leave() -> None:
        with world.database.transaction() as tx:
            (subscription,) = tx.execute(
                "SELECT id FROM flow_subscriptions WHERE leg_id = %s", (leg,)
            ).fetchone() or (None,)
            request_leave(tx, world.author, subscription, ines.id)
            asked.set()
            # Long enough for the plan to come and wait.
            tx.execute("SELECT pg_sleep(0.3)")

    def plan() -> None:
        assert asked.wait(10)
        plan_only(world, signal)

    in_threads(leave, plan)
    assert world.one("SELECT count(*) FROM signal_executions WHERE leg_id = %s", leg) == 0
    assert world.close_copies() == 1
    world.copy(signal)
    assert world.wallet(ines) == 10_000
    world.assert_sound()


def test_a_paused_copy_keeps_what_it_holds_and_is_taken_up_at_the_next_signal(
    db: Database,
) -> None:
    world = World(db, fee=D(0))
    flow = world.creator("anna")
    ines = world.investor("ines")
    leg = world.follow(ines, flow, D(1_000))
    world.advance().signal(flow, "0.5")
    world.pause(leg, ines)
    world.advance().signal(flow, "0")
    assert world.quantity(leg) == 5
    world.pause(leg, ines, resume=True)
    world.advance().signal(flow, "0.2")
    assert world.quantity(leg) == 2
    world.assert_sound()


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("0", "not_positive"),
        ("-5", "not_positive"),
        ("NaN", "not_finite"),
        ("Infinity", "not_finite"),
        ("1.123456789", "excess_scale"),
        ("1e21", "amount_overflow"),
        ("49.99999999", "below_minimum_investment"),
    ],
)
def test_an_amount_that_is_none_is_refused(db: Database, amount: str, code: str) -> None:
    world = World(db)
    flow = world.creator("anna")
    world.execute("UPDATE shared_flows SET min_investment = 50")
    with pytest.raises(CommendaError, match=rf"\[{code}\]"):
        world.follow(world.investor("ines"), flow, Decimal(amount))
    assert world.one("SELECT count(*) FROM scopes WHERE kind = 'copy'") == 0


def test_followers_that_paused_keep_their_place(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    world.execute("UPDATE shared_flows SET max_followers = 1")
    ines = world.investor("ines")
    leg = world.follow(ines, flow, D(100))
    world.pause(leg, ines)
    with pytest.raises(CommendaError, match="flow_is_full"):
        world.follow(world.investor("otto"), flow, D(100))
    world.leave(leg, ines)
    world.follow(world.investor("otto"), flow, D(100), key="again")


def test_the_creators_own_book_cannot_be_paused(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    ((own, creator),) = world.rows("SELECT id, follower_id FROM flow_subscriptions")
    with db.transaction() as tx, pytest.raises(CommendaError, match="leader_must_follow"):
        change_settings(tx, world.author, own, creator, {"auto_follow": False})
    assert creator == flow.creator_id
