"""A part of a subscription is taken out while it goes on."""

from __future__ import annotations

from decimal import ROUND_DOWN
from typing import Any

import pytest

from commenda.books import Trigger
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import Owner, OwnerKind
from commenda.managed import FeeTerms, alert_overdue, trace
from managed_world import FREE
from running_books import RISING, UNIT, close, only_leg, outcome, running
from scripted import D, steps
from world import World, in_threads


def test_a_part_is_sold_shared_and_paid_while_the_book_goes_on(db: Database) -> None:
    """50 bought at 100 are worth 5,500 at 110; 2,100 of 10,500 are a fifth: 10 are sold.

    The share is 20 % of 500, of which 70 are Anna's; the mark 10,400 keeps 8,300/10,400 of itself,
    the principal as much of 10,000.
    """
    world, subscription, ines, flow = running(db)
    anna = Owner(OwnerKind.CREATOR, flow.creator_id)
    leg = only_leg(world, subscription)
    world.advance(12)
    closing = world.withdraw(subscription, 2_100)
    assert world.status(subscription) == "ACTIVE"
    assert world.quantity(leg) == 50, "nobody trades when it is asked for"
    assert outcome(world, subscription) == ("closing", 0, None)
    assert world.liquidate() == 1
    assert world.quantity(leg) == 40
    assert outcome(world, subscription) == ("closed", 0, None)
    assert world.pay_parts() == 1
    assert world.pay_parts() == 0
    world.move_cash()
    assert outcome(world, subscription) == ("paid", 0, None)
    assert world.wallet(ines) == 2_100
    assert world.balance("fee:profit_share", anna) == 70
    assert world.balance("fee:platform", Owner.platform()) == 30
    assert world.one("SELECT capital FROM legs WHERE id = %s", leg) == 8_300
    principal = (D(10_000) * 8_300 / 10_400).quantize(UNIT, ROUND_DOWN)
    assert world.rows(
        "SELECT mark_net_deposits + mark_greatest_profit, r.reserved_amount - r.released_amount"
        " FROM managed_subscriptions s JOIN principal_reservations r ON r.subscription_id = s.id"
    ) == [(8_300, principal)]
    assert world.one("SELECT investment_amount FROM flow_subscriptions") == principal
    assert world.rows("SELECT key, kind FROM journals WHERE kind = 'partial_withdrawal'") == [
        (f"part:{closing}", "partial_withdrawal")
    ]
    world.assert_sound()
    # It goes on: half of 8,300 is the target at 110.
    world.advance().signal(flow, "0.5")
    assert world.quantity(leg) == D("37.727")
    world.assert_sound()
    close(world, subscription)
    assert world.wallet(ines) == 10_400


def test_what_is_free_of_the_authorisation_can_be_subscribed_again(db: Database) -> None:
    world, subscription, ines, _ = running(db, FREE, {"AAAUSDT": steps((0, 100))})
    world.authorise(ines, 10_000)
    world.take_out(subscription, 4_000)
    with pytest.raises(CommendaError):
        world.withdraw(subscription, 5_991)  # the tier begins with 10
    again = world.subscribe(ines, world.product(5), 4_000, key="again")
    assert world.status(again) == "RESERVED"
    assert world.one("SELECT count(*) FROM managed_subscriptions") == 2


def test_a_withdrawal_takes_from_each_leg_what_it_is_worth(db: Database) -> None:
    """Two legs of 5,000, one long from 100 to 120, the other flat: 5,500 and 5,000.

    2,100 are a fifth: 5 of 25 units. The share of 100 is the first creator's alone; what leaves,
    2,200, is given 55 : 50 of 105.
    """
    world = World(db, {"AAAUSDT": steps((0, 100), (10, 120)), "BBBUSDT": steps((0, 50))}, fee=D(0))
    flows = [world.creator("anna", capital=0), world.creator("bea", "BBBUSDT", capital=0)]
    ines = world.investor("ines")
    terms = FeeTerms(profit_share=D("0.20"))
    subscription = world.subscribe(ines, world.product(terms=terms, early_exit=True))
    world.activate()
    for flow in flows:
        world.signal(flow, "0.5")
    legs = {
        creator: leg for leg, creator in world.rows("SELECT id, creator_id FROM legs ORDER BY id")
    }
    first, second = (legs[flow.creator_id] for flow in flows)
    assert [world.cash(leg) for leg in (first, second)] == [2_500, 2_500]
    world.advance(12)
    world.take_out(subscription, 2_100)
    assert (world.quantity(first), world.quantity(second, "BBBUSDT")) == (20, 40)
    assert world.wallet(ines) == 2_100
    anna = Owner(OwnerKind.CREATOR, flows[0].creator_id)
    assert world.balance("fee:profit_share", anna) == 100
    capital = dict(world.rows("SELECT id, capital FROM legs"))
    given = {first: D("1152.38095238"), second: D("1047.61904762")}
    assert capital == {first: 5_500 - given[first], second: 5_000 - given[second]}
    world.assert_sound()
    close(world, subscription)
    assert world.wallet(ines) == 10_400


def test_of_many_that_ask_at_once_one_is_heard(db: Database) -> None:
    world, subscription, _, _ = running(db)

    def ask() -> str:
        try:
            return str(world.withdraw(subscription, 1_000))
        except CommendaError as error:
            return error.code

    answers = in_threads(*[ask] * 6)
    assert answers.count("closing_open") == 5
    assert world.one("SELECT count(*) FROM closings") == 1


def test_one_withdrawal_at_a_time_and_only_of_an_active_subscription(db: Database) -> None:
    world, subscription, _, _ = running(db)
    world.withdraw(subscription, 1_000)
    with pytest.raises(CommendaError, match="closing_open"):
        world.withdraw(subscription, 1_000)
    world.advance(80).mature()
    with pytest.raises(CommendaError) as caught:
        world.withdraw(subscription, 1_000)
    assert caught.value.code == "not_active"


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("0", "not_positive"),
        ("0.000000001", "excess_scale"),
        ("10000", "not_a_partial_withdrawal"),
        ("20000", "not_a_partial_withdrawal"),
        ("9990.01", "left_below_tier"),
    ],
)
def test_an_amount_that_is_no_part_is_refused(db: Database, amount: str, code: str) -> None:
    world, subscription, _, _ = running(db)
    with pytest.raises(CommendaError) as caught:
        world.withdraw(subscription, D(amount))
    assert (caught.value.code, caught.value.field) == (code, "amount")
    assert world.one("SELECT count(*) FROM closings") == 0
    world.withdraw(subscription, D("9990"))


def test_a_product_that_is_held_to_maturity_gives_nothing_out_before(db: Database) -> None:
    world = World(db, RISING)
    world.creator("anna", capital=0)
    subscription = world.subscribe(world.investor("ines"), world.product())
    with pytest.raises(CommendaError, match="not_active"):
        world.withdraw(subscription, 100)
    world.activate()
    with pytest.raises(CommendaError, match="early_exit_not_allowed"):
        world.withdraw(subscription, 100)


def test_a_refusing_venue_lets_a_withdrawal_wait_and_what_was_sold_is_not_sold_again(
    db: Database,
) -> None:
    world, subscription, ines, _ = running(db)
    leg = only_leg(world, subscription)
    world.script.share_of = lambda order, _: [(D(4), order.reference_price)]
    world.withdraw(subscription, 2_000)  # a fifth of 50 are 10
    assert world.liquidate() == 0
    assert outcome(world, subscription) == ("closing", 0, None)
    assert world.quantity(leg) == 50, "allocated once, when the parent is terminal"
    assert world.pay_parts() == 0
    world.script.share_of = None
    world.script.refusal = "maintenance"
    assert world.advance().liquidate() == 0, "its time is over, and the next one is refused"
    assert world.quantity(leg) == 46
    assert outcome(world, subscription) == ("closing", 2, "AAAUSDT: maintenance")
    world.script.refusal = None
    assert world.advance().liquidate() == 1
    assert world.quantity(leg) == 40
    assert world.pay_parts() == 1
    world.move_cash()
    assert world.wallet(ines) == 2_000
    world.assert_sound()


def test_a_signal_that_leaves_the_market_leaves_nothing_to_close(db: Database) -> None:
    world, subscription, ines, flow = running(db)
    leg = only_leg(world, subscription)
    world.script.refusal = "maintenance"
    world.withdraw(subscription, 2_000)
    assert world.liquidate() == 0
    world.script.refusal = None
    world.advance().signal(flow, "-0.2")  # turned: short what is nothing of what was asked for
    held = world.quantity(leg)
    assert held < 0
    assert world.liquidate() == 1
    assert world.quantity(leg) == held
    world.pay_parts()
    world.move_cash()
    assert world.wallet(ines) == 2_000
    world.assert_sound()


def test_a_signal_does_not_sell_what_a_withdrawal_is_selling(db: Database) -> None:
    """The venue breaks off in the middle of the withdrawal; an exit then asks for the rest only."""
    world, subscription, ines, flow = running(db)
    leg = only_leg(world, subscription)

    def break_off(*_: object) -> Any:
        raise RuntimeError("the venue closed the connection")

    world.script.share_of = break_off
    world.withdraw(subscription, 2_000)
    with pytest.raises(RuntimeError, match="closed the connection"):
        world.liquidate()
    world.script.share_of = None
    world.advance().signal(flow, "0")
    assert world.quantity(leg) == 10, "40 were left to sell"
    assert world.liquidate() == 1
    assert world.quantity(leg) == 0
    world.pay_parts()
    world.move_cash()
    assert world.wallet(ines) == 2_000
    world.assert_sound()


def test_dust_of_a_part_stays_in_the_leg(db: Database) -> None:
    """A fifth of 5 lots at 100 is under the venue's minimum: after three tries it is let be."""
    world, subscription, ines, _ = running(db, minimum_notional="1500")
    leg = only_leg(world, subscription)
    world.withdraw(subscription, 2_000)
    tries = 0
    while outcome(world, subscription)[0] == "closing":
        world.advance().liquidate()
        tries += 1
    assert tries == 4
    assert world.quantity(leg) == 50
    assert world.one("SELECT count(*) FROM dust_transfers") == 0
    world.pay_parts()
    world.move_cash()
    assert world.wallet(ines) == 2_000
    world.assert_sound()


def test_the_whole_book_is_closed_and_a_part_that_waits_comes_to_nothing(db: Database) -> None:
    world, subscription, ines, _ = running(db)
    world.script.share_of = lambda order, _: [(D(4), order.reference_price)]
    world.withdraw(subscription, 2_000)
    world.liquidate()
    world.script.share_of = None
    world.advance()
    assert world.ask(subscription, Trigger.INVESTOR) == "LIQUIDATING"
    assert outcome(world, subscription) == ("given_up", 0, "the whole book is closed")
    assert world.liquidate() == 1
    assert world.pay_parts() == 0
    world.settle(subscription)
    world.move_cash()
    assert world.wallet(ines) == 10_000
    world.assert_sound()


def test_a_part_in_the_venues_hands_is_concluded_when_the_whole_is_asked_for(db: Database) -> None:
    world, subscription, ines, _ = running(db)

    def break_off(*_: object) -> Any:
        raise RuntimeError("the venue closed the connection")

    world.script.share_of = break_off
    world.withdraw(subscription, 2_000)
    with pytest.raises(RuntimeError, match="closed the connection"):
        world.liquidate()
    world.script.share_of = None
    world.advance()
    world.ask(subscription, Trigger.INVESTOR)
    world.liquidate()
    world.advance().liquidate()
    assert world.rows("SELECT outcome FROM closing_attempts ORDER BY begun_at, outcome") == [
        ("failed",),
        ("closed",),
    ]
    world.settle(subscription)
    world.move_cash()
    assert world.wallet(ines) == 10_000
    world.assert_sound()


def test_an_amount_that_the_equity_does_not_cover_any_more_is_refused_with_its_reason(
    db: Database,
) -> None:
    """Long three times 10,000 at 100; 6,000 are asked for, and at 80 there are 4,000 left."""
    world, subscription, ines, _ = running(
        db, FREE, {"AAAUSDT": steps((0, 100), (10, 80))}, exposure="3"
    )
    world.script.refusal = "maintenance"
    world.withdraw(subscription, 6_000)
    world.liquidate()
    world.script.refusal = None
    world.advance(12)
    assert world.liquidate() == 1
    assert world.pay_parts() == 1
    assert outcome(world, subscription)[0::2] == (
        "given_up",
        "the equity does not cover the amount any more",
    )
    assert world.wallet(ines) == 0
    assert world.one("SELECT result FROM audit_events WHERE kind = 'alert.withdrawal_refused'")
    world.assert_sound()
    world.withdraw(subscription, 100)  # another may be asked for


def test_a_withdrawal_leaves_the_margin_of_what_is_held(db: Database) -> None:
    """300 at 100, of which 15 are sold for 500; at 70 the rest needs 1,995 and 1,000 are there."""
    world, subscription, _, _ = running(
        db, FREE, {"AAAUSDT": steps((0, 100), (10, 72))}, exposure="3"
    )
    world.script.refusal = "maintenance"
    world.withdraw(subscription, 500)
    world.liquidate()
    world.script.refusal = None
    world.advance(12)
    world.liquidate()
    world.pay_parts()
    assert outcome(world, subscription)[0::2] == (
        "given_up",
        "what would be left is below the margin of the open positions",
    )
    world.assert_sound()


def test_a_withdrawal_that_takes_too_long_is_told_once(db: Database) -> None:
    world, subscription, _, _ = running(db)
    world.script.refusal = "maintenance"
    closing = world.withdraw(subscription, 1_000)
    world.liquidate()
    for _ in range(3):
        world.advance()
        with db.transaction() as tx:
            alert_overdue(tx, world.author)
    kinds = "SELECT subject FROM audit_events WHERE kind = 'alert.withdrawing_too_long'"
    assert world.column(kinds) == [str(closing)]


def test_fees_of_a_withdrawal_and_of_the_end_are_those_of_the_days(db: Database) -> None:
    """3.65 % a year on 10,000 are 1 a day. A day and 23 h pass, then half is left for 2 days."""
    terms = FeeTerms(management_fee=D("0.0365"))
    world, subscription, ines, _ = running(
        db, terms, {"AAAUSDT": steps((0, 100))}, exposure="0", days=4
    )
    world.advance(47)
    world.take_out(subscription, D("4999.50"))
    fees = "SELECT days, management_fee FROM "
    assert world.rows(fees + "crystallisations") == [(1, D(1))]
    assert world.one("SELECT principal_left FROM crystallisations") == 5_000
    world.advance(49)
    world.mature()
    close(world, subscription)
    assert world.rows(fees + "settlements") == [(3, D("1.5"))]
    assert world.wallet(ines) == D(10_000) - D("2.5")


def test_the_trace_and_the_returns_of_a_book_know_what_left_it(db: Database) -> None:
    """+5 % before a withdrawal of a fifth, and nothing after: +5 %, whatever was taken out."""
    world, subscription, _, _ = running(db)
    world.advance(12)
    world.take_out(subscription, 2_100)
    world.value_books()
    with db.transaction() as tx:
        chain = trace(tx, subscription)
    assert [round(row["return"], 8) for row in chain["nav"]] == [D("0.05")]
    (taken,) = chain["crystallisations"]
    assert (taken["to_wallet"], taken["profit_share"], taken["number"]) == (2_100, 100, 1)
    assert [row["kind"] for row in chain["events"] if "withdraw" in row["kind"]] == [
        "withdrawal.requested",
        "withdrawal.concluded",
        "subscription.withdrawn",
    ]
    assert [row["part_amount"] for row in chain["liquidation"]] == [2_100]
