"""Shares fall due by periods while a subscription goes on."""

from __future__ import annotations

from commenda.kit.db import Database
from commenda.ledger import Owner, OwnerKind
from commenda.managed import FeeTerms, trace
from commenda.operations import reconcile_all
from running_books import RISING, close, only_leg, owed, running
from scripted import D, steps
from world import World

MONTHLY = FeeTerms(profit_share=D("0.20"), platform_cut=D("0.30"), crystallise_days=1)


def test_a_share_falls_due_at_the_end_of_each_period_and_never_twice(db: Database) -> None:
    """10,500 at 110: 20 % of 500 is due after a day, nothing after another, nothing at the end."""
    world, subscription, ines, flow = running(db, MONTHLY)
    anna = Owner(OwnerKind.CREATOR, flow.creator_id)
    world.advance(22)
    assert world.crystallise() == 0
    world.advance(2)
    assert world.crystallise() == 1
    assert world.crystallise() == 0
    assert world.balance("fee:profit_share", anna) == 70
    assert world.one("SELECT capital FROM legs") == 10_400
    assert world.quantity(only_leg(world, subscription)) == 50, "nothing is sold for it"
    world.assert_sound()
    world.advance(24)
    assert world.crystallise() == 1
    assert world.column("SELECT profit_share FROM crystallisations ORDER BY number") == [100, 0]
    world.advance(25).mature()
    close(world, subscription)
    assert world.one("SELECT profit_share FROM settlements") == 0
    assert world.wallet(ines) == 10_400


def test_what_a_share_cannot_be_paid_from_is_owed_and_collected_at_the_end(db: Database) -> None:
    """All of 10,000 is in positions: no free cash. The share of 200 of 1,000 is owed."""
    world, subscription, ines, flow = running(db, MONTHLY, exposure="1")
    anna = Owner(OwnerKind.CREATOR, flow.creator_id)
    world.advance(24)
    assert world.crystallise() == 1
    assert owed(world) == 200
    assert world.balance("fee:profit_share", anna) == 140
    assert world.one("SELECT capital FROM legs") == 11_000
    world.assert_sound()
    with db.transaction() as tx:
        assert reconcile_all(tx, None, world.broker).unexplained == []
    close(world, subscription)
    assert owed(world) == 0
    assert world.rows("SELECT collected, profit_share, to_wallet FROM settlements") == [
        (200, 0, 10_800)
    ]
    assert world.wallet(ines) == 10_800


def test_what_is_owed_is_collected_by_a_withdrawal(db: Database) -> None:
    """200 owed; 1,080 of the 10,800 that are the investor's. 1,280 leave, all of it by one leg."""
    world, subscription, ines, _ = running(db, MONTHLY, exposure="1")
    world.advance(24).crystallise()
    assert owed(world) == 200
    world.advance().take_out(subscription, 1_080)
    assert owed(world) == 0
    assert world.column("SELECT collected FROM crystallisations ORDER BY number") == [-200, 200]
    assert world.one("SELECT capital FROM legs") == 9_720
    assert world.one("SELECT mark_net_deposits + mark_greatest_profit FROM managed_subscriptions"
                     ) == 9_720  # fmt: skip
    world.assert_sound()
    close(world, subscription)
    assert world.wallet(ines) == 10_800


def test_free_cash_is_collected_as_far_as_it_goes(db: Database) -> None:
    """98 units at 100 leave 200 in cash; at 110 the share of 196 is due: all of it is paid.

    With 99.5 units 50 are left: 50 of 199 are paid, 149 owed, and collected when a signal sells.
    """
    world, _, _, flow = running(db, MONTHLY, exposure="0.995")
    world.advance(24).crystallise()
    assert owed(world) == 149
    world.signal(flow, "0")
    world.advance(24).crystallise()
    assert owed(world) == 0
    world.assert_sound()


def test_a_book_that_is_being_closed_is_not_crystallised_beside_it(db: Database) -> None:
    world, subscription, _, _ = running(db, MONTHLY)
    world.advance(24)
    world.withdraw(subscription, 1_000)
    assert world.crystallise() == 0
    world.liquidate()
    world.pay_parts()
    assert world.crystallise() == 0, "the withdrawal has crystallised it"
    world.move_cash()
    world.assert_sound()


def test_an_uncollected_share_of_a_lost_book_is_paid_by_insurance(db: Database) -> None:
    """Twice 10,000 long to 110: the share of 400 is owed; at 55 only what is lost is left."""
    prices = {"AAAUSDT": steps((0, 100), (10, 110), (30, 50))}
    world, subscription, ines, _ = running(db, MONTHLY, prices, exposure="2")
    world.advance(24).crystallise()
    assert owed(world) == 400
    world.advance(10)
    close(world, subscription)
    assert world.wallet(ines) == 0
    assert world.balance("insurance", Owner.platform()) == 100_000 - 400
    assert owed(world) == 0


def test_commissions_of_a_period_are_the_subscriptions(db: Database) -> None:
    terms = FeeTerms(
        profit_share=D("0.20"),
        platform_cut=D("0.50"),
        referral_rates=(D("0.10"),),
        crystallise_days=1,
    )
    world = World(db, RISING, fee=D(0))
    flow = world.creator("anna", capital=0)
    rosa = world.investor("rosa", 100)
    ines = world.investor("ines", referrer=rosa)
    subscription = world.subscribe(ines, world.product(terms=terms, early_exit=True))
    world.activate()
    world.signal(flow, "0.5")
    world.advance(24).crystallise()
    assert world.balance("referral_pending", rosa) == 5
    assert world.rows("SELECT subscription_id, amount FROM referral_commissions") == [
        (subscription, 5)
    ]
    close(world, subscription)
    with db.transaction() as tx:
        assert [row["amount"] for row in trace(tx, subscription)["referral"]] == [5]
