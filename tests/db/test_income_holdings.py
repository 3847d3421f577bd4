"""Pool holdings on a real database: subscribed to and redeemed once, to the last unit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from commenda.income import Accrued, holdings, queries
from commenda.income.rules import midnight
from commenda.kit import ids
from commenda.kit.errors import CommendaError
from commenda.ledger import AccountKey, Hold, Owner, OwnerKind, open_accounts, place_holds
from pool import ASSET, RATE, START, D, Pool, earned
from pool_scenes import EARLY, everything, refused
from world import in_threads


def test_subscribing_moves_money_from_the_wallet_into_a_holding(pool: Pool) -> None:
    """004-03, 004-10: debit the wallet, sold amount +, create the holding."""
    product, ann = pool.product(term_days=7), pool.investor("ann", 500)
    holding = pool.subscribe(ann, product, "120.5")
    assert pool.wallet(ann) == D("379.5")
    assert pool.fresh(product).sold_amount == D("120.5")
    assert (holding.user_id, holding.product_id, holding.product_name) == (
        ann,
        product.id,
        "flexible",
    )
    assert (holding.amount, holding.total_income, holding.accrued_unpaid) == (D("120.5"), 0, 0)
    assert (holding.start_at, holding.end_at) == (midnight(pool.day(1)), midnight(pool.day(8)))
    assert (holding.status, holding.created_at, holding.daily_rate) == ("held", START, RATE)
    key = AccountKey("holding", Owner(OwnerKind.INVESTOR, ann), ASSET, scope_id=holding.id)
    assert pool.balance(key) == D("120.5")
    pool.assert_sound()


def test_a_wallet_that_lacks_the_money_changes_nothing(pool: Pool) -> None:
    """004-05: a refusal that a caller can record, and every resource is released."""
    product, ann = pool.product(), pool.investor("ann", 100)
    before = everything(pool)
    error = refused(lambda: pool.subscribe(ann, product, "100.00000001"))
    assert (error.code, error.status) == ("insufficient_balance", 409)
    assert everything(pool) == before
    assert pool.subscribe(ann, product, 100).amount == 100


def test_what_is_held_on_a_wallet_cannot_be_subscribed(pool: Pool) -> None:
    """004-03: holds count."""
    product, ann = pool.product(), pool.investor("ann", 100)
    with pool.database.transaction() as tx:
        (wallet,) = open_accounts(tx, [AccountKey("wallet", Owner(OwnerKind.INVESTOR, ann), ASSET)])
        place_holds(tx, pool.author, [Hold("h", wallet, D(40), "test", ids.derive("h"))])
    assert refused(lambda: pool.subscribe(ann, product, 61)).code == "insufficient_balance"
    assert pool.subscribe(ann, product, 60, "less").amount == 60
    pool.assert_sound()


def test_a_quota_is_never_oversold(pool: Pool) -> None:
    """004-03: the refusal says what is left."""
    product, ann = pool.product(total_quota=D(1000)), pool.investor("ann")
    pool.subscribe(ann, product, "899.5")
    error = refused(lambda: pool.subscribe(ann, product, 101, "two"))
    assert error.code == "quota_exceeded"
    assert "100.5 USDT" in error.message
    pool.subscribe(ann, product, "100.5", "three")
    error = refused(lambda: pool.subscribe(ann, product, 1, "four"))
    assert (error.code, error.hint) == ("quota_exceeded", None)
    pool.assert_sound()


def test_of_two_who_want_the_last_of_a_quota_one_gets_it(pool: Pool) -> None:
    product = pool.product(total_quota=D(100))
    people = [pool.investor(name) for name in ("ann", "bob", "cid", "dan")]

    def attempt(user: UUID) -> str:
        try:
            return pool.subscribe(user, product, 60).status
        except CommendaError as error:
            return error.code

    outcomes = in_threads(*[lambda user=user: attempt(user) for user in people])
    assert sorted(outcomes) == ["held", *["quota_exceeded"] * 3]
    assert pool.fresh(product).sold_amount == 60
    pool.assert_sound()


def test_a_redemption_gives_its_quota_back(pool: Pool) -> None:
    """004-04: product quota −."""
    product, ann = pool.product(total_quota=D(100)), pool.investor("ann")
    first = pool.subscribe(ann, product, 100)
    pool.redeem(first)
    assert pool.fresh(product).sold_amount == 0
    assert pool.subscribe(ann, product, 100, "again").id != first.id
    pool.assert_sound()


def test_one_key_is_one_holding(pool: Pool) -> None:
    product, ann = pool.product(), pool.investor("ann", 100)
    first = pool.subscribe(ann, product, 60, "key")
    assert pool.subscribe(ann, product, 60, "key") == first
    assert refused(lambda: pool.subscribe(ann, product, 61, "key")).code == "reference_conflict"
    assert pool.wallet(ann) == 40
    held = in_threads(*[lambda: pool.subscribe(ann, product, 40, "other")] * 4)
    assert len({one.id for one in held}) == 1
    assert pool.wallet(ann) == 0
    pool.assert_sound()


@pytest.mark.parametrize(
    ("room", "step"),
    [
        (queries, "sell"),
        (holdings, "open_accounts"),
        (holdings, "post"),
        (holdings, "plain"),  # the holding is stored
        (holdings, "record"),
    ],
)
def test_a_subscription_that_fails_after_any_step_leaves_nothing(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, room: Any, step: str
) -> None:
    """004-05: rollback on error, all resources released."""
    product, ann = pool.product(), pool.investor("ann")
    before = everything(pool)
    fail_after(monkeypatch, room, step)
    with pytest.raises(ConnectionAbortedError):
        pool.subscribe(ann, product, 100)
    monkeypatch.undo()
    assert everything(pool) == before
    assert pool.subscribe(ann, product, 100).amount == 100
    pool.assert_sound()


@pytest.mark.parametrize(
    ("room", "step"),
    [
        (holdings, "open_accounts"),
        (holdings, "lock_accounts"),
        (holdings, "post_batch"),
        (queries, "mark_redeemed"),
        (queries, "give_back"),
        (holdings, "record"),
    ],
)
def test_a_redemption_that_fails_after_any_step_leaves_nothing(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, room: Any, step: str
) -> None:
    """004-05, of a redemption that accrues, pays income and keeps a penalty back."""
    holding = pool.subscribe(pool.investor("ann"), pool.product(**EARLY), 1000)
    pool.advance(5)
    before = everything(pool)
    fail_after(monkeypatch, room, step)
    with pytest.raises(ConnectionAbortedError):
        pool.redeem(holding)
    monkeypatch.undo()
    assert everything(pool) == before
    assert pool.redeem(holding).income == D("0.8")
    pool.assert_sound()


def fail_after(monkeypatch: pytest.MonkeyPatch, room: Any, step: str) -> None:
    done = getattr(room, step)

    def act_and_fail(*args: Any, **named: Any) -> None:
        done(*args, **named)
        raise ConnectionAbortedError(step)

    monkeypatch.setattr(room, step, act_and_fail)


def test_a_flexible_redemption_pays_principal_and_income_of_its_days(pool: Pool) -> None:
    """004-04: 10,000 · 0.0002 · 30 = 60; the day it was made and this one do not count."""
    ann = pool.investor("ann", 10_000)
    holding = pool.subscribe(ann, pool.product(), 10_000)
    redemption = pool.advance(31).redeem(holding)
    assert (redemption.days, redemption.principal, redemption.income) == (30, 10_000, 60)
    assert (redemption.penalty, redemption.paid) == (0, 10_060)
    assert (redemption.holding.status, redemption.holding.total_income) == ("redeemed", 60)
    assert (redemption.holding.redeemed_at, redemption.holding.accrued_unpaid) == (pool.now, 0)
    assert pool.wallet(ann) == 10_060
    pool.assert_sound()


@pytest.mark.parametrize("hours", [0, 14, 24])
def test_whoever_leaves_before_a_whole_day_is_over_earns_nothing(pool: Pool, hours: int) -> None:
    """Part 2, day count: held from 9:30 to 9:30 is no whole UTC day."""
    ann = pool.investor("ann", 100)
    holding = pool.subscribe(ann, pool.product(), 100)
    redemption = pool.advance(hours=hours).redeem(holding)
    assert (redemption.days, redemption.income, redemption.paid) == (0, 0, 100)
    pool.advance(3).accrue()
    assert pool.wallet(ann) == 100
    pool.assert_sound()


def test_a_holding_is_redeemed_once(pool: Pool) -> None:
    """004-04: it exists and is held."""
    ann = pool.investor("ann", 100)
    holding = pool.subscribe(ann, pool.product(), 100)
    pool.advance(2)

    def attempt() -> str:
        try:
            return pool.redeem(holding).holding.status
        except CommendaError as error:
            return error.code

    assert sorted(in_threads(*[attempt] * 4)) == [*["already_redeemed"] * 3, "redeemed"]
    assert pool.wallet(ann) == D("100.02")
    pool.assert_sound()


def test_nobody_redeems_what_belongs_to_another(pool: Pool) -> None:
    """004-04: it exists."""
    holding = pool.subscribe(pool.investor("ann"), pool.product(), 100)
    bob = pool.investor("bob")
    with pool.database.transaction() as tx:
        for user, wanted in ((bob, holding.id), (holding.user_id, ids.derive("nothing"))):
            error = refused(lambda: holdings.redeem(tx, pool.author, user, wanted))  # noqa: B023
            assert error.code == "unknown_holding"


def test_a_fixed_holding_waits_for_its_end_and_earns_nothing_after_it(pool: Pool) -> None:
    """004-04, part 2: not matured; after maturity nothing more, and it waits to be redeemed."""
    ann = pool.investor("ann", 10_000)
    holding = pool.subscribe(ann, pool.product(term_days=3), 10_000)
    pool.now = midnight(pool.day(4)) - timedelta(seconds=1)
    error = refused(lambda: pool.redeem(holding))
    assert (error.code, error.value) == ("not_matured", f"{pool.day(4).isoformat()}T00:00:00Z")
    pool.advance(10).accrue()
    assert pool.holding(holding).total_income == 6
    redemption = pool.redeem(holding)
    assert (redemption.days, redemption.income, redemption.penalty) == (3, 6, 0)
    assert pool.wallet(ann) == 10_006
    pool.assert_sound()


def test_a_fixed_holding_is_redeemed_at_its_very_end(pool: Pool) -> None:
    holding = pool.subscribe(pool.investor("ann"), pool.product(term_days=3), 10_000)
    pool.now = midnight(pool.day(4))
    assert pool.redeem(holding).income == 6


def test_an_early_exit_keeps_a_share_of_all_income_back(pool: Pool) -> None:
    """Part 2: an early exit is a product flag, with its penalty; of income paid out before too."""
    ann = pool.investor("ann", 10_000)
    holding = pool.subscribe(ann, pool.product(**EARLY), 10_000)
    pool.advance(6).accrue()
    pool.distribute()
    assert pool.wallet(ann) == 10
    redemption = pool.advance(1).redeem(holding)
    assert (redemption.days, redemption.income, redemption.penalty) == (6, 2, 6)
    assert redemption.paid == 9996
    assert pool.wallet(ann) == 10_006
    assert pool.balance(AccountKey("fee:early_exit", Owner.platform(), ASSET)) == 6
    pool.assert_sound()


def test_an_early_exit_costs_at_most_what_it_pays(pool: Pool) -> None:
    """At 10 % a day all principal came back as income after ten days; the penalty is 100 %."""
    ann = pool.investor("ann", 100)
    terms = {"term_days": 30, "early_exit": True, "early_exit_penalty": D(1)}
    holding = pool.subscribe(ann, pool.product(daily_rate=D("0.1"), **terms), 100)
    pool.advance(13).accrue()
    pool.distribute()
    redemption = pool.advance(1).redeem(holding)
    assert (redemption.income, redemption.penalty, redemption.paid) == (10, 110, 0)
    assert pool.wallet(ann) == 120
    pool.assert_sound()


def test_before_and_after_the_days_accrual_a_redemption_pays_the_same(pool: Pool) -> None:
    """Part 2: a redemption pays only what the accrual has not, to the unit."""
    product = pool.product(daily_rate=D("0.0001234567"))
    people = [pool.investor(name) for name in ("ann", "bob", "cid")]
    first, second, third = [pool.subscribe(one, product, "1234.56789012") for one in people]
    pool.advance(3).accrue()
    pool.advance(2)
    before = pool.redeem(first)
    pool.accrue()
    after = pool.redeem(second)
    pool.distribute()
    paid = pool.redeem(third)
    assert before.income == after.income == earned(first.amount, [D("0.0001234567")] * 4)
    assert paid.income == 0
    assert len({pool.wallet(one) for one in people}) == 1
    assert before.holding.carry == after.holding.carry == paid.holding.carry
    pool.assert_sound()


def test_a_redemption_accrues_each_missed_day_at_its_own_rate(pool: Pool) -> None:
    product = pool.product()
    holding = pool.subscribe(pool.investor("ann"), product, "777.77777777")
    pool.set_rate(product, pool.day(3), "0.0009999999")
    redemption = pool.advance(6).redeem(holding)
    rates = [RATE, RATE, *[D("0.0009999999")] * 3]
    assert redemption.income == earned(holding.amount, rates)
    query = (
        "SELECT j.key, j.effective_at, e.amount FROM journals j"
        " JOIN entries e ON e.journal_id = j.id AND e.amount > 0"
        " WHERE j.kind = 'income_accrual' ORDER BY j.id"
    )
    posted = pool.rows(query)
    assert [(key, at) for key, at, _ in posted] == [
        (
            f"income:{product.id}:{pool.day(n).isoformat()}:{holding.sequence}",
            midnight(pool.day(n + 1)),
        )
        for n in range(1, 6)
    ]
    assert pool.advance(1).accrue() == Accrued(0, 0, D(0))
    pool.assert_sound()
