"""One settlement path: three doors, one journal, once; nobody is paid twice."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_DOWN, ROUND_UP
from functools import partial
from uuid import UUID

import pytest

from commenda.books import Trigger
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import Owner
from commenda.managed import FeeTerms, cancel, sweep_matured
from commenda.referrals import HOLD
from databases import empty
from managed_world import FREE, TERMS
from scripted import D, steps
from settled_worlds import (
    UNIT,
    a_world,
    at_the_hour,
    journal_of,
    liquidated,
    matured,
    release,
    settled,
    total,
)
from world import World, in_threads


def test_three_doors_lead_to_the_same_journal(db: Database) -> None:
    journals = {}
    for door in (Trigger.INVESTOR, Trigger.SWEEP, Trigger.OPERATOR):
        empty(db)
        world, subscription = settled(db, door)
        journals[door] = journal_of(world, subscription)
        assert world.one("SELECT trigger FROM closings WHERE id = %s", subscription) == str(door)
        world.assert_sound()
    assert journals[Trigger.INVESTOR] == journals[Trigger.SWEEP] == journals[Trigger.OPERATOR]
    kinds = {line[0] for line in journals[Trigger.SWEEP]["lines"]}
    assert kinds == {
        "scope",
        "wallet",
        "fee:management",
        "fee:platform",
        "fee:profit_share",
        "referral_pending",
    }


def test_the_parts_of_a_settlement_are_those_of_an_independent_computation(db: Database) -> None:
    world, subscription = settled(db, Trigger.SWEEP)
    journal = journal_of(world, subscription)
    equity = -sum((amount for kind, _, amount in journal["lines"] if kind == "scope"), D(0))
    assert equity > 10_000
    days = 3
    fee = (10_000 * TERMS.management_fee * days / 365).quantize(UNIT, ROUND_DOWN)
    hurdle = (10_000 * TERMS.hurdle * days / 365).quantize(UNIT, ROUND_UP)
    share = (TERMS.profit_share * (equity - fee - 10_000 - hurdle)).quantize(UNIT, ROUND_DOWN)
    cut = (share * TERMS.platform_cut).quantize(UNIT, ROUND_DOWN)
    referral = (cut * (TERMS.referral_rates[0] + TERMS.referral_rates[1])).quantize(
        UNIT, ROUND_DOWN
    )
    assert total(journal, "fee:management") == fee
    assert total(journal, "fee:profit_share") == share - cut
    assert total(journal, "referral_pending") == referral
    assert total(journal, "fee:platform") == cut - referral
    assert total(journal, "wallet") == equity - fee - share
    assert total(journal, "scope") == -equity


def test_a_second_settlement_changes_nothing(db: Database) -> None:
    world, subscription = settled(db, Trigger.SWEEP)
    before = world.rows("SELECT * FROM entries ORDER BY account_id, version")
    world.advance()
    assert world.settle(subscription) == {subscription: "SETTLED"}
    assert world.rows("SELECT * FROM entries ORDER BY account_id, version") == before
    assert world.one("SELECT count(*) FROM settlements") == 1


def test_twenty_calls_at_once_settle_once(db: Database) -> None:
    world, subscription = liquidated(db)
    results = in_threads(*[partial(world.settle, subscription)] * 20)
    assert results == [{subscription: "SETTLED"}] * 20
    assert world.one("SELECT count(*) FROM journals WHERE kind = 'settlement'") == 1
    assert world.one("SELECT count(*) FROM transfers WHERE amount < 0") == 1
    world.assert_sound()


def test_the_doors_at_once_lead_to_one_liquidation(db: Database) -> None:
    world, (subscription,) = matured(db)
    doors = [Trigger.INVESTOR, Trigger.SWEEP, Trigger.OPERATOR] * 3
    states = in_threads(*[partial(world.ask, subscription, door) for door in doors])
    assert set(states) == {"LIQUIDATING"}
    assert world.one("SELECT count(*) FROM audit_events WHERE kind = 'liquidation.requested'") == 1
    assert sum(in_threads(*[world.liquidate] * 4)) == 1
    assert world.one("SELECT count(*) FROM orders WHERE cause = 'liquidation'") == 1
    world.settle(subscription)
    world.assert_sound()


@pytest.mark.parametrize("state", ["RESERVED", "ACTIVE", "MATURED", "LIQUIDATING"])
def test_only_a_liquidated_subscription_is_settled(db: Database, state: str) -> None:
    world = a_world(db)
    subscription = world.subscribe(world.investor("ines"), world.product())
    if state != "RESERVED":
        world.activate()
    if state in ("MATURED", "LIQUIDATING"):
        world.advance(72)
        world.mature()
    if state == "LIQUIDATING":
        world.ask(subscription)
    assert world.status(subscription) == state
    with pytest.raises(CommendaError) as caught:
        world.settle(subscription)
    assert caught.value.code == "not_liquidated"
    assert caught.value.value == state
    assert world.one("SELECT count(*) FROM journals WHERE kind = 'settlement'") == 0


def test_one_that_cannot_be_settled_keeps_the_others_from_it(db: Database) -> None:
    world, subscription = liquidated(db)
    other = world.subscribe(world.investor("jon"), world.product())
    with pytest.raises(CommendaError, match="not_liquidated"):
        world.settle(subscription, other)
    assert world.status(subscription) == "LIQUIDATED"


def liquidated_after_a_fall(
    world: World, broke: Owner, lucky: Owner, terms: FeeTerms, exposure: str
) -> tuple[UUID, UUID]:
    """Two liquidated subscriptions: one was long before the price fell, the other came after."""
    flow = world.creator("anna", capital=0)
    product = world.product(terms=terms)
    subscription = world.subscribe(broke, product)
    world.activate()
    world.signal(flow, exposure)
    spared = world.subscribe(lucky, product)
    world.activate()
    world.advance(80)
    world.mature()
    for one in (subscription, spared):
        world.ask(one)
    assert world.liquidate() == 2
    return subscription, spared


def test_a_shortfall_is_paid_by_insurance_and_by_nobody_else(db: Database) -> None:
    """Long three times the equity, a fall by half: what is missing comes out of insurance."""
    world = World(db, {"AAAUSDT": steps((0, 100), (10, 50))}, fee=D(0))
    broke, lucky = world.investor("broke"), world.investor("lucky")
    subscription, spared = liquidated_after_a_fall(world, broke, lucky, TERMS, "3")
    world.settle(subscription, spared)
    # 300 units bought at 100 and sold at 50 lose 15,000 of 10,000.
    assert world.one(
        "SELECT shortfall FROM settlements WHERE subscription_id = %s", subscription
    ) == D(5000)
    assert world.balance("insurance", Owner.platform()) == 100_000 - 5_000
    assert world.wallet(broke) == 0
    fee = world.one("SELECT management_fee FROM settlements WHERE subscription_id = %s", spared)
    assert world.wallet(lucky) == 10_000 - fee
    world.move_cash()
    world.assert_sound()


def test_a_subscription_with_exactly_nothing_left_is_settled_beside_others(db: Database) -> None:
    """Twice its equity long and the price halves, without a fee: zero is left, to the last unit."""
    world = World(db, {"AAAUSDT": steps((0, 100), (10, 50))}, fee=D(0))
    broke, lucky = world.investor("broke"), world.investor("lucky")
    subscription, spared = liquidated_after_a_fall(world, broke, lucky, FREE, "2")
    assert world.settle(subscription, spared) == {subscription: "SETTLED", spared: "SETTLED"}
    assert (world.wallet(broke), world.wallet(lucky)) == (0, 10_000)
    assert world.one("SELECT loss FROM loss_carries") == 10_000
    world.move_cash()
    world.assert_sound()


def test_a_carried_loss_is_recovered_before_a_share_is_due(db: Database) -> None:
    """A loss, then a gain that does not reach the mark, then one that passes it."""
    terms = FeeTerms(profit_share=D("0.20"), platform_cut=D("0.30"))
    world = World(
        db, {"AAAUSDT": steps((0, 100), (10, 80), (100, 84), (200, 126))}, fee=D(0), lot=D("0.0001")
    )
    flow = world.creator("anna", capital=0)
    investor = world.investor("ines")
    product = world.product(terms=terms)
    amount, shares, marks = D(10_000), [], []
    for round_ in range(3):
        world.now = at_the_hour(world)
        subscription = world.subscribe(investor, product, amount, key=f"round-{round_}")
        world.activate()
        world.signal(flow, "0.5")
        world.advance(94)
        world.mature()
        world.ask(subscription)
        world.liquidate()
        world.settle(subscription)
        world.move_cash()
        ((mark, profit_share, amount),) = world.rows(
            "SELECT s.mark_net_deposits + s.mark_greatest_profit, t.profit_share, t.to_wallet"
            " FROM managed_subscriptions s JOIN settlements t ON t.subscription_id = s.id"
            " WHERE s.id = %s",
            subscription,
        )
        shares.append(profit_share)
        marks.append(mark)
        world.signal(flow, "0")
    # Half invested: 100 -> 80 loses 1,000; 80 -> 84 gains 2.5 % on 9,000 = 225, below the mark of
    # 10,000; 84 -> 126 gains 25 % of 9,225 = 2,306.25, to 11,531.25: 20 % of 1,531.25 is due.
    # Lots of 0.0001 at 84 leave up to 0.01 of the target; the share moves by a fraction of that.
    assert marks == [D(10_000)] * 3
    assert shares[:2] == [0, 0]
    assert abs(shares[2] - D("306.25")) < D("0.01")
    world.assert_sound()


def test_a_smaller_second_deposit_takes_up_its_part_of_the_loss(db: Database) -> None:
    """Exit with 9,000 of 10,000 carries 1,000; 4,500 is half of 9,000 and takes up 500."""
    world = World(db, {"AAAUSDT": steps((0, 100), (10, 80))}, fee=D(0))
    flow = world.creator("anna", capital=0)
    investor = world.investor("ines")
    product = world.product(terms=FREE)
    subscription = world.subscribe(investor, product)
    world.activate()
    world.signal(flow, "0.5")
    world.advance(80)
    world.mature()
    world.ask(subscription)
    world.liquidate()
    world.settle(subscription)
    assert world.rows("SELECT loss, equity FROM loss_carries") == [(D(1000), D(9000))]
    half = world.subscribe(investor, product, 4_500, key="half")
    assert world.one(
        "SELECT mark_greatest_profit FROM managed_subscriptions WHERE id = %s", half
    ) == D(500)
    assert world.rows("SELECT loss, equity FROM loss_carries") == [(D(500), D(4500))]


def test_two_losses_that_are_settled_together_are_carried_as_their_sum(db: Database) -> None:
    """10,000 and 5,000, half long, lose a tenth as the price falls by a fifth."""
    world = World(db, {"AAAUSDT": steps((0, 100), (10, 80))}, fee=D(0))
    flow = world.creator("anna", capital=0)
    investor = world.investor("ines", 15_000)
    product = world.product(terms=FREE)
    both = [
        world.subscribe(investor, product),
        world.subscribe(investor, product, 5_000, key="other"),
    ]
    world.activate()
    world.signal(flow, "0.5")
    world.advance(80)
    world.mature()
    for one in both:
        world.ask(one)
    world.liquidate()
    world.settle(*both)
    assert world.rows("SELECT loss, equity FROM loss_carries") == [(D(1500), D(13_500))]
    world.assert_sound()


def test_a_cancelled_subscription_gives_its_part_of_the_loss_back(db: Database) -> None:
    world = World(db, {"AAAUSDT": steps((0, 100), (10, 80))}, fee=D(0))
    flow = world.creator("anna", capital=0)
    investor = world.investor("ines")
    product = world.product(terms=FREE)
    subscription = world.subscribe(investor, product)
    world.activate()
    world.signal(flow, "0.5")
    world.advance(80)
    world.mature()
    world.ask(subscription)
    world.liquidate()
    world.settle(subscription)
    for amount in (9_000, 4_500):
        again = world.subscribe(investor, product, amount, key=f"again-{amount}")
        with db.transaction() as tx:
            assert cancel(tx, world.author, again) == "CANCELLED"
        assert world.rows("SELECT loss, equity FROM loss_carries") == [(D(1000), D(9000))]


def test_commissions_are_released_after_the_hold_and_never_twice(db: Database) -> None:
    world, _ = settled(db, Trigger.SWEEP)
    rows = world.rows("SELECT level, payee_id, amount FROM referral_commissions ORDER BY level")
    cut = world.one("SELECT to_platform + to_referrers FROM settlements")
    near, far = world.near, world.far  # type: ignore[attr-defined]
    assert [row[:2] for row in rows] == [(1, near.id), (2, far.id)]
    for (_, _, amount), rate in zip(rows, TERMS.referral_rates, strict=True):
        assert abs(amount - cut * rate) <= UNIT
    before = {one: world.wallet(one) for one in (near, far)}

    world.now += HOLD - timedelta(seconds=1)
    assert release(world) == 0
    world.now += timedelta(seconds=1)
    assert sum(in_threads(*[partial(release, world)] * 8)) == 2
    world.now += HOLD
    assert release(world) == 0
    for (_, payee, amount), one in zip(rows, (near, far), strict=True):
        assert one.id == payee
        assert world.wallet(one) == before[one] + amount
        assert world.balance("referral_pending", one) == 0
    assert world.findings() == []


def test_many_subscriptions_are_settled_by_many_sweeps_at_once(db: Database) -> None:
    world = a_world(db)
    product = world.product()
    subscriptions = [
        world.subscribe(world.investor(f"investor-{n}", 1000), product, 1000) for n in range(12)
    ]
    assert world.activate() == 12
    world.signal(world.flow, "0.7")  # type: ignore[attr-defined]
    world.advance(80)
    world.mature()
    with world.database.transaction() as tx:
        assert sweep_matured(tx, world.author) == 12
    world.liquidate()
    in_threads(*[partial(world.settle, *subscriptions[n % 3 :]) for n in range(6)])
    assert world.one("SELECT count(*) FROM settlements") == 12
    world.move_cash()
    world.assert_sound()
