"""Pool income on a real database: each day once, at its own rate, to the last unit."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from commenda.income import (
    Accrued,
    Cadence,
    HoldingStatus,
    Product,
    accrual,
    accrue_product_day,
    close_product,
    distribution,
    entries_of,
    holding_by_id,
    holdings,
    holdings_of,
    products,
    queries,
    rates_of,
)
from commenda.income.rules import accrue as accrue_by_rule
from commenda.income.rules import midnight
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import (
    AccountKey,
    Hold,
    Owner,
    OwnerKind,
    close_period,
    open_accounts,
    place_holds,
)
from pool import ASSET, RATE, START, D, Pool, earned
from world import in_threads

EARLY = {"term_days": 30, "early_exit": True, "early_exit_penalty": D("0.5")}


@pytest.fixture
def pool(db: Database) -> Pool:
    return Pool(db)


def refused(act: Callable[[], Any]) -> CommendaError:
    with pytest.raises(CommendaError) as caught:
        act()
    return caught.value


def everything(pool: Pool) -> dict[str, list[tuple[Any, ...]]]:
    """All that a transaction of this domain may change."""
    tables = ("pool_products", "pool_holdings", "accounts", "journals", "entries", "audit_events")
    return {name: pool.rows(f"SELECT t.* FROM {name} t ORDER BY t::text") for name in tables}


@contextmanager
def cut_short(pool: Pool) -> Iterator[Tx]:
    """A transaction that ends before it commits."""
    with pool.database.transaction() as tx:
        yield tx
        raise psycopg.Rollback


# --- products and rates ----------------------------------------------------------------------


def test_a_product_is_created_with_a_rate_from_today_on(pool: Pool) -> None:
    """004-10: the fields of a product."""
    made = pool.product(term_days=30, minimum=D(5))
    assert (made.name, made.kind, made.term_days, made.cadence) == (
        "flexible",
        "fixed",
        30,
        "daily",
    )
    assert (made.total_quota, made.sold_amount, made.minimum) == (1_000_000, 0, 5)
    assert (made.daily_rate, made.next_rate, made.status) == (RATE, None, "open")
    assert (made.created_at, made.accrued_through) == (START, START.date())
    with pool.database.transaction() as tx:
        (rate,) = rates_of(tx, made.id)
    assert (rate.from_day, rate.daily_rate, rate.set_by) == (START.date(), RATE, "test")


def test_two_products_have_two_names(pool: Pool) -> None:
    pool.product()
    assert refused(lambda: pool.product()).code == "product_name_taken"


def test_a_rate_is_dated_and_announced_until_its_day_comes(pool: Pool) -> None:
    product = pool.product()
    pool.set_rate(product, pool.day(3), "0.0003")
    pool.set_rate(product, pool.day(9), "0.0001")
    shown = pool.fresh(product)
    assert (shown.daily_rate, shown.next_rate, shown.next_rate_from) == (
        RATE,
        D("0.0003"),
        pool.day(3),
    )
    shown = pool.advance(3).fresh(product)
    assert (shown.daily_rate, shown.next_rate) == (D("0.0003"), D("0.0001"))


def test_a_day_has_one_rate(pool: Pool) -> None:
    product = pool.product()
    pool.set_rate(product, pool.day(3), "0.0003")
    pool.set_rate(product, pool.day(3), "0.0003")
    assert refused(lambda: pool.set_rate(product, pool.day(3), "0.0004")).code == "already_dated"
    assert refused(lambda: pool.set_rate(product, pool.day(5), "0.2")).code == "bad_rate"
    unknown = ids.derive("nothing")
    with pool.database.transaction() as tx:
        error = refused(lambda: queries.product_by_id(tx, unknown, pool.now))
    assert error.code == "unknown_product"


def test_no_rate_is_set_for_a_day_that_has_begun(pool: Pool) -> None:
    product = pool.product()
    pool.advance(5)
    for day in (4, 5):
        error = refused(lambda day=day: pool.set_rate(product, pool.day(day), "0.0003"))
        assert error.code == "rate_is_past"
    pool.set_rate(product, pool.day(6), "0.0003")


def test_no_rate_is_set_for_a_day_whose_accrual_has_begun(pool: Pool) -> None:
    """A setting that waited for its turn past midnight comes too late."""
    product, late = pool.product(), Pool(pool.database)
    pool.subscribe(pool.investor("ann"), product, 100)
    late.advance(1, hours=14)
    pool.advance(2)
    with pool.database.transaction() as tx:
        assert accrual.begin_day(tx, pool.author, product.id, pool.day(1))
    assert refused(lambda: late.set_rate(product, pool.day(1), "0.0003")).code == "rate_is_past"
    late.set_rate(product, pool.day(2), "0.0003")


def test_no_rate_is_set_for_a_day_that_a_redemption_was_paid_for(pool: Pool) -> None:
    product, late = pool.product(), Pool(pool.database)
    holding = pool.subscribe(pool.investor("ann"), product, 100)
    late.advance(1, hours=14)
    pool.advance(2).redeem(holding)
    assert refused(lambda: late.set_rate(product, pool.day(1), "0.0003")).code == "rate_is_past"
    late.set_rate(product, pool.day(2), "0.0003")


def test_a_closed_product_takes_no_more_and_goes_on_earning(pool: Pool) -> None:
    product, ann = pool.product(), pool.investor("ann")
    holding = pool.subscribe(ann, product, 10_000)
    for _ in range(2):
        with pool.database.transaction() as tx:
            assert close_product(tx, pool.author, product.id).status == "closed"
    assert refused(lambda: pool.subscribe(ann, product, 100, "two")).code == "product_closed"
    pool.advance(3).accrue()
    assert pool.redeem(holding).income == 4
    assert pool.column("SELECT count(*) FROM audit_events WHERE kind = 'pool_product.closed'") == [
        1
    ]
    pool.assert_sound()


def test_products_are_listed_newest_first_page_by_page(pool: Pool) -> None:
    made = [pool.advance(hours=1).product(f"product {n}") for n in range(5)]
    with pool.database.transaction() as tx:
        close_product(tx, pool.author, made[2].id)
        names, before = [], None
        while page := products(tx, pool.now, before=before, limit=2):
            names += [one.name for one in page]
            before = page[-1].created_at, page[-1].id
        offered = [one.name for one in products(tx, pool.now, only_open=True, limit=10)]
    assert names == [f"product {n}" for n in (4, 3, 2, 1, 0)]
    assert offered == [f"product {n}" for n in (4, 3, 1, 0)]


# --- subscribe -------------------------------------------------------------------------------


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


# --- redeem ----------------------------------------------------------------------------------


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
    assert (error.code, error.value) == ("not_matured", midnight(pool.day(4)).isoformat())
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


# --- accrual ---------------------------------------------------------------------------------


def test_a_day_is_accrued_for_all_who_held_it_whole(pool: Pool) -> None:
    """004-06: all valid holdings, days > 0, daily income, total income +, asset log, committed."""
    product, fixed = pool.product(), pool.product("fixed", term_days=1)
    ann, bob, cid = (pool.investor(name) for name in ("ann", "bob", "cid"))
    whole = pool.subscribe(ann, product, 10_000)
    ended = pool.subscribe(bob, fixed, 10_000)
    gone = pool.subscribe(cid, product, 500)
    pool.advance(1)
    late = pool.subscribe(bob, product, 700, "late")
    pool.redeem(gone)
    pool.advance(1)
    assert pool.accrue() == Accrued(2, 2, D(4))
    assert [pool.holding(one).total_income for one in (whole, ended, late)] == [2, 2, 0]
    pool.advance(1)
    assert pool.accrue() == Accrued(2, 2, D("2.14"))
    assert [pool.holding(one).total_income for one in (whole, ended, late)] == [4, 2, D("0.14")]
    assert [pool.holding(one).accrued_unpaid for one in (whole, ended, late)] == [4, 2, D("0.14")]
    assert pool.expense(product) == D("-4.14")
    rules = "SELECT DISTINCT rule_version FROM journals WHERE kind = 'income_accrual'"
    assert pool.column(rules) == ["income/1"]
    pool.assert_sound()


def test_a_day_that_is_not_over_is_not_accrued(pool: Pool) -> None:
    """Part 2: nothing for a day that is not over."""
    product = pool.product()
    pool.subscribe(pool.investor("ann"), product, 100)
    pool.now = midnight(pool.day(2)) - timedelta(microseconds=1)
    assert pool.accrue() == Accrued(0, 0, D(0))
    today = pool.day(1)
    error = refused(lambda: accrue_product_day(pool.database, pool.author, product.id, today))
    assert error.code == "day_not_over"
    pool.now = midnight(pool.day(2))
    assert pool.accrue() == Accrued(1, 1, D("0.02"))


def test_a_day_is_accrued_once(pool: Pool) -> None:
    """Part 2: accrual posts only past `accrued_through`."""
    product = pool.product()
    holding = pool.subscribe(pool.investor("ann"), product, 100)
    pool.advance(2).accrue()
    assert pool.accrue() == Accrued(0, 0, D(0))
    again = accrue_product_day(pool.database, pool.author, product.id, pool.day(1))
    assert again == Accrued(0, 0, D(0))
    assert pool.holding(holding).total_income == D("0.02")
    assert pool.holding(holding).accrued_through == pool.day(1)


def test_days_go_in_order(pool: Pool) -> None:
    """A later day does not begin before the earlier one has finished."""
    product = pool.product()
    pool.subscribe(pool.investor("ann"), product, 100)
    pool.advance(4)
    with pool.database.transaction() as tx:
        assert accrual.begin_day(tx, pool.author, product.id, pool.day(1))
    error = refused(lambda: accrue_product_day(pool.database, pool.author, product.id, pool.day(2)))
    assert (error.code, error.hint) == (
        "day_out_of_order",
        f"accrue {pool.day(1).isoformat()} first",
    )
    assert pool.accrue() == Accrued(3, 3, D("0.06"))
    pool.assert_sound()


def test_missed_days_are_each_accrued_once_in_order_at_the_rate_of_the_day(pool: Pool) -> None:
    """Part 2 and part 4 (accrual wants every day): five missed days, the rate changes between."""
    before, after = D("0.0001111111"), D("0.0002222222")
    product, other = pool.product(daily_rate=before), pool.product("other")
    ann = pool.investor("ann")
    main = pool.subscribe(ann, product, "1000.00000007", "main")
    little = pool.subscribe(ann, product, "33.33333333", "little")
    elsewhere = pool.subscribe(ann, other, "1000.00000007", "elsewhere")
    pool.set_rate(product, pool.day(3), after)
    pool.advance(6)
    assert pool.accrue(chunk=1).days == 10
    rates = [before] * 2 + [after] * 3
    for holding in (main, little):
        assert pool.holding(holding).total_income == earned(holding.amount, rates)
    assert pool.holding(elsewhere).total_income == earned(elsewhere.amount, [RATE] * 5)
    query = (
        "SELECT j.key, j.effective_at FROM journals j JOIN entries e ON e.journal_id = j.id"
        " WHERE e.account_id = %s AND j.kind = 'income_accrual' ORDER BY e.version"
    )
    assert pool.rows(query, main.account_id) == [
        (
            f"income:{product.id}:{pool.day(n).isoformat()}:{main.sequence}",
            midnight(pool.day(n + 1)),
        )
        for n in range(1, 6)
    ]
    pool.assert_sound()


def test_the_database_accrues_as_the_rule_does(pool: Pool, seed: int) -> None:
    """`accrue_income` against `rules.accrue`: random amounts, rates that change, days, chunks."""
    draw = random.Random(seed)
    ann = pool.investor("ann", 10**12)
    rates = [D(draw.randrange(10**9 + 1)).scaleb(-10) for _ in range(12)]
    product = pool.product(daily_rate=rates[0], minimum=D("0.00000001"), total_quota=D(10**13))
    held = []
    for n in range(40):
        amount = D(draw.randrange(1, 10 ** draw.randrange(1, 18))).scaleb(-8)
        held.append(pool.subscribe(ann, product, amount, str(n)))
    carry = dict.fromkeys((one.id for one in held), D(0))
    total = dict(carry)
    for n in range(1, 12):
        pool.set_rate(product, pool.day(n), rates[n])
        pool.advance(1)
        accrued = pool.accrue(chunk=draw.randrange(1, 50))
        if n == 1:
            continue  # the day they were made
        paid_today = D(0)
        for one in held:
            paid, carry[one.id] = accrue_by_rule(one.amount, rates[n - 1], carry[one.id], 8)
            total[one.id] += paid
            paid_today += paid
        assert accrued.amount == paid_today
        for one in held:
            now = pool.holding(one)
            assert (now.total_income, now.carry) == (total[one.id], carry[one.id])
    pool.assert_sound()


def test_what_is_too_little_to_be_paid_is_carried_and_costs_no_entry(pool: Pool) -> None:
    """0.00000003 at 10 % a day: a unit on the fourth day, exactly 3 · 10⁻⁹ a day."""
    product = pool.product(daily_rate=D("0.1"), minimum=D("0.00000001"))
    holding = pool.subscribe(pool.investor("ann"), product, "0.00000003")
    pool.advance(4)
    assert pool.accrue() == Accrued(3, 0, D(0))
    assert (pool.holding(holding).total_income, pool.holding(holding).carry) == (0, D("9e-9"))
    assert pool.advance(1).accrue() == Accrued(1, 1, D("1e-8"))
    assert pool.holding(holding).carry == D("2e-9")
    assert pool.advance(1).redeem(holding).income == D("1e-8")
    pool.assert_sound()


def test_income_is_accrued_and_paid_though_the_books_were_closed_after_the_tick_began(
    pool: Pool,
) -> None:
    """A tick that is taken up after an outage acts for its own moment."""
    product, ann = pool.product(), pool.investor("ann", 200)
    pool.subscribe(ann, product, 100)
    leaving = pool.subscribe(ann, product, 100, "two")
    pool.advance(4)
    closed = pool.now + timedelta(hours=8)
    with pool.database.transaction() as tx:
        assert close_period(tx, replace(pool.author, now=closed), closed)
    pool.redeem(leaving)
    assert pool.accrue().days == 3
    pool.distribute()
    assert pool.wallet(ann) == D("100.12")
    assert pool.column("SELECT DISTINCT effective_at FROM journals WHERE kind = 'income'") == [
        closed
    ]
    pool.assert_sound()


def test_the_income_of_a_day_in_a_closed_period_counts_now(pool: Pool) -> None:
    product = pool.product()
    pool.subscribe(pool.investor("ann"), product, 100)
    redeemed = pool.subscribe(pool.investor("bob"), product, 100)
    pool.advance(4)
    with pool.database.transaction() as tx:
        assert close_period(tx, pool.author, midnight(pool.day(3)))
    pool.redeem(redeemed)
    pool.accrue()
    query = (
        "SELECT split_part(key, ':', 3), effective_at FROM journals WHERE kind = 'income_accrual'"
        " ORDER BY id"
    )
    by_day = [
        (pool.day(1).isoformat(), pool.now),  # would count from midnight of the second on
        (pool.day(2).isoformat(), midnight(pool.day(3))),
        (pool.day(3).isoformat(), midnight(pool.day(4))),
    ]
    assert pool.rows(query) == by_day * 2
    pool.assert_sound()


def test_a_product_that_nobody_holds_costs_nothing(pool: Pool) -> None:
    empty, product = pool.product("empty"), pool.product()
    holding = pool.subscribe(pool.investor("ann"), product, 100)
    pool.advance(2).redeem(holding)
    pool.advance(300)
    assert pool.accrue() == Accrued(0, 0, D(0))
    assert pool.column("SELECT count(*) FROM posting_batches") == [0]
    assert pool.fresh(empty).accrued_through == pool.fresh(product).accrued_through == pool.day(301)
    again = pool.subscribe(holding.user_id, product, 100, "again")
    assert again.start_at == midnight(pool.day(303))
    pool.advance(3).accrue()
    assert pool.holding(again).total_income == D("0.04")
    pool.assert_sound()


def test_a_day_that_was_begun_is_finished_though_nobody_is_left(pool: Pool) -> None:
    product = pool.product()
    holding = pool.subscribe(pool.investor("ann"), product, 100)
    pool.advance(2)
    with pool.database.transaction() as tx:
        assert accrual.begin_day(tx, pool.author, product.id, pool.day(1))
    pool.redeem(holding)
    assert pool.accrue() == Accrued(1, 0, D(0))
    assert pool.column("SELECT finished_at FROM posting_batches") == [pool.now]
    pool.assert_sound()


def test_a_product_that_fails_keeps_no_other_from_being_accrued(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = pool.investor("ann")
    made = [pool.product(name) for name in ("first", "second", "third")]
    held = [pool.subscribe(ann, one, 100, one.name) for one in made]
    pool.advance(3)
    accrue = queries.accrue_income

    def fail_for_second(tx: Any, author: Any, product: Product, *rest: Any) -> Any:
        if product.id == made[1].id:
            raise ValueError("second")
        return accrue(tx, author, product, *rest)

    monkeypatch.setattr(queries, "accrue_income", fail_for_second)
    with pytest.raises(ValueError, match="second"):
        pool.accrue()
    assert [pool.holding(one).total_income for one in held] == [D("0.04"), 0, D("0.04")]
    monkeypatch.undo()
    assert pool.accrue() == Accrued(2, 2, D("0.04"))
    pool.assert_sound()


def test_a_chunk_that_is_lost_is_done_again_and_one_that_was_done_is_not(pool: Pool) -> None:
    """A lost acknowledgement: the caller repeats a chunk, whether it was committed or not."""
    product, ann = pool.product(), pool.investor("ann")
    held = [pool.subscribe(ann, product, 100, str(n)) for n in range(5)]
    pool.advance(2)
    with pool.database.transaction() as tx:
        work = accrual.begin_day(tx, pool.author, product.id, pool.day(1))
    assert work is not None

    def chunk() -> list[Decimal]:
        with pool.database.transaction() as tx:
            accrual.accrue_chunk(tx, pool.author, work, 2)
        return [pool.holding(one).total_income for one in held]

    unit = D("0.02")
    assert chunk() == [unit, unit, 0, 0, 0]
    assert chunk() == [unit] * 4 + [0]  # the first was committed: its repetition is the second
    with cut_short(pool) as tx:
        accrual.accrue_chunk(tx, pool.author, work, 2)
    assert [pool.holding(one).total_income for one in held] == [unit] * 4 + [0]
    pool.assert_sound()  # in the middle of a day, too
    assert pool.accrue(chunk=2) == Accrued(1, 1, unit)
    assert chunk() == chunk() == [unit] * 5
    with pool.database.transaction() as tx:
        assert accrual.finish_day(tx, pool.author, work).days == 0
    pool.assert_sound()


def test_a_chunk_cannot_be_posted_twice_even_behind_the_back_of_its_batch(pool: Pool) -> None:
    product = pool.product()
    pool.subscribe(pool.investor("ann"), product, 100)
    pool.advance(2).accrue()
    with psycopg.connect(pool.database.owner_url) as owner:
        owner.execute("UPDATE pool_holdings SET accrued_through = accrued_through - 1")
    with pool.database.transaction() as tx:
        day = accrual.OpenDay(product, pool.day(1), "forged", RATE, 1)
        with pytest.raises(psycopg.errors.RaiseException, match="posted already"):
            accrual.accrue_chunk(tx, pool.author, day, 10)


def test_a_subscription_that_waited_past_its_day_starts_with_the_first_open_day(
    pool: Pool,
) -> None:
    """Part 4 (new accounts missed): no holding falls between two accruals."""
    product = pool.product()
    pool.subscribe(pool.investor("ann"), product, 100)
    slow = Pool(pool.database, pool.now)
    pool.advance(2).accrue()  # through the first day
    late = slow.subscribe(slow.investor("bob"), product, 100)
    assert (late.created_at, late.start_at) == (START, midnight(pool.day(2)))
    pool.advance(1)
    with pool.database.transaction() as tx:
        assert accrual.begin_day(tx, pool.author, product.id, pool.day(2))
    later = slow.subscribe(slow.investor("cid"), product, 100)
    assert later.start_at == midnight(pool.day(3))
    pool.advance(1).accrue()
    assert [pool.holding(one).total_income for one in (late, later)] == [D("0.04"), D("0.02")]
    pool.assert_sound()


# --- distribution ----------------------------------------------------------------------------


def test_what_was_accrued_goes_to_the_wallets_daily_or_weekly(pool: Pool) -> None:
    """004-07: by the cadence of the product."""
    ann, bob = pool.investor("ann", 20_000), pool.investor("bob", 10_000)
    daily, weekly = pool.product("daily"), pool.product("weekly", cadence=Cadence.WEEKLY)
    held = [
        pool.subscribe(ann, daily, 10_000, "daily"),
        pool.subscribe(ann, weekly, 10_000, "weekly"),
        pool.subscribe(bob, daily, 10_000),
    ]
    for _ in range(7):
        pool.advance(1).accrue()
        pool.distribute(Cadence.DAILY)
    assert (pool.wallet(ann), pool.wallet(bob)) == (12, 12)
    assert [pool.holding(one).accrued_unpaid for one in held] == [0, 12, 0]
    paid = pool.distribute(Cadence.WEEKLY)
    assert (paid.payments, paid.amount) == (1, 12)
    assert (pool.wallet(ann), pool.wallet(bob)) == (24, 12)
    assert [pool.holding(one).total_income for one in held] == [12, 12, 12]
    pool.assert_sound()


def test_a_week_that_nobody_paid_on_monday_is_paid_later_and_once(pool: Pool) -> None:
    """004-07: START is a Monday."""
    ann, weekly = pool.investor("ann", 10_000), pool.product("w", cadence=Cadence.WEEKLY)
    pool.subscribe(ann, weekly, 10_000)
    pool.advance(2).accrue()
    assert pool.distribute(Cadence.WEEKLY).amount == 2, "the first week's, on Wednesday"
    pool.advance(1).accrue()
    assert pool.distribute(Cadence.WEEKLY).payments == 0
    pool.advance(6).accrue()
    assert pool.distribute(Cadence.WEEKLY).amount == 14, "the second week's, on Wednesday again"
    pool.assert_sound()


@pytest.mark.parametrize("cadence", list(Cadence))
def test_a_payout_waits_until_the_days_before_it_are_accrued(pool: Pool, cadence: Cadence) -> None:
    """004-07: what is accrued late is paid when it is there, and not a day or a week later."""
    ann, product = pool.investor("ann", 10_000), pool.product(cadence=cadence)
    pool.subscribe(ann, product, 10_000)
    pool.advance(6).accrue()
    pool.distribute(cadence)
    paid = pool.wallet(ann)
    pool.advance(1)
    assert pool.distribute(cadence).payments == 0, "Sunday is not accrued"
    pool.accrue()
    pool.distribute(cadence)
    assert paid < pool.wallet(ann) == 12
    pool.assert_sound()


def test_a_distribution_pays_once_at_a_moment_and_goes_on_where_it_was_cut_short(
    pool: Pool,
) -> None:
    product, ann = pool.product(), pool.investor("ann", 500)
    for n in range(5):
        pool.subscribe(ann, product, 100, str(n))
    pool.advance(3).accrue()
    with pool.database.transaction() as tx:
        distribution.distribute_chunk(tx, pool.author, product.id, pool.day(3), 2)
    assert pool.wallet(ann) == D("0.08")
    with cut_short(pool) as tx:
        distribution.distribute_chunk(tx, pool.author, product.id, pool.day(3), 2)
    pool.assert_sound()
    assert pool.distribute(chunk=2).payments == 3
    assert pool.distribute(chunk=2).payments == 0
    assert pool.wallet(ann) == D("0.2")
    keys = pool.column("SELECT key FROM journals WHERE kind = 'income' ORDER BY id")
    day = pool.day(3).isoformat()
    assert keys == [f"distribution:{product.id}:{day}:{n}" for n in (1, 3, 5)]
    pool.assert_sound()


def test_two_distributions_at_once_pay_once(pool: Pool) -> None:
    product, people = pool.product(), [pool.investor(f"i{n}", 1000) for n in range(6)]
    for one in people:
        pool.subscribe(one, product, 1000)
    pool.advance(3).accrue()
    done = in_threads(*[lambda: pool.distribute(chunk=2)] * 3)
    assert sum(one.payments for one in done) == 6
    assert [pool.wallet(one) for one in people] == [D("0.4")] * 6
    pool.assert_sound()


def test_a_product_that_cannot_be_paid_out_keeps_no_other_from_it(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = pool.investor("ann", 200)
    first, second = pool.product("first"), pool.product("second")
    pool.subscribe(ann, first, 100, "first")
    pool.subscribe(ann, second, 100, "second")
    pool.advance(2).accrue()
    distribute = queries.distribute_income

    def fail_for_first(tx: Any, author: Any, product_id: UUID, *rest: Any) -> Any:
        if product_id == first.id:
            raise ValueError("first")
        return distribute(tx, author, product_id, *rest)

    monkeypatch.setattr(queries, "distribute_income", fail_for_first)
    with pytest.raises(ValueError, match="first"):
        pool.distribute()
    assert pool.wallet(ann) == D("0.02")
    monkeypatch.undo()
    assert pool.distribute().payments == 1
    pool.assert_sound()


# --- all at once -----------------------------------------------------------------------------


def overlapping(pool: Pool, first: Callable[[Tx], Any], second: Callable[[], Any]) -> Any:
    """Begin `second` while `first` is done and not committed; it waits, and this answers it."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with ThreadPoolExecutor(1) as executor:
        with pool.database.transaction() as tx:
            first(tx)
            running = executor.submit(second)
            while not pool.one(waiting):
                assert not running.done(), f"it did not wait: {running.result()}"
                time.sleep(0.01)
        return running.result()


@pytest.fixture
def overlap(pool: Pool) -> Overlap:
    return Overlap(pool)


class Overlap:
    """Two holdings of 1,000 at 0.2 a day; the second day of both is over and not accrued."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.product = pool.product()
        self.ann, self.bob = pool.investor("ann", 1000), pool.investor("bob", 1000)
        self.held = [pool.subscribe(one, self.product, 1000) for one in (self.ann, self.bob)]
        pool.advance(2).accrue()
        pool.advance(1)
        self.work = self.begin()

    def begin(self) -> accrual.OpenDay:
        with self.pool.database.transaction() as tx:
            work = accrual.begin_day(tx, self.pool.author, self.product.id, self.pool.day(2))
        assert work is not None
        return work

    def accrue(self, tx: Tx) -> None:
        accrual.accrue_chunk(tx, self.pool.author, self.work, 10)

    def distribute(self, tx: Tx) -> None:
        distribution.distribute_chunk(tx, self.pool.author, self.product.id, self.pool.day(3), 10)

    def redeem(self, tx: Tx) -> None:
        holdings.redeem(tx, self.pool.author, self.ann, self.held[0].id)

    def apart(self, act: Callable[[Tx], Any]) -> None:
        with self.pool.database.transaction() as tx:
            act(tx)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("accrue", "redeem"),
        ("redeem", "accrue"),
        ("distribute", "redeem"),
        ("redeem", "distribute"),
        ("accrue", "distribute"),
        ("distribute", "accrue"),
        ("accrue", "accrue"),
        ("distribute", "distribute"),
    ],
)
def test_of_two_that_meet_the_second_sees_what_the_first_did(
    overlap: Overlap, first: str, second: str
) -> None:
    """Part 2: never both. Two days of both holdings are paid, whoever comes first."""
    pool = overlap.pool
    act = getattr(overlap, second)
    overlapping(pool, getattr(overlap, first), lambda: overlap.apart(act))
    pool.assert_sound()
    pool.accrue()
    for holding in overlap.held:
        assert pool.holding(holding).total_income == D("0.4")
        if pool.holding(holding).status == "held":
            pool.redeem(holding)
    assert (pool.wallet(overlap.ann), pool.wallet(overlap.bob)) == (D("1000.4"), D("1000.4"))
    pool.assert_sound()


def test_a_second_redemption_waits_and_finds_it_done(overlap: Overlap) -> None:
    error = refused(
        lambda: overlapping(overlap.pool, overlap.redeem, lambda: overlap.apart(overlap.redeem))
    )
    assert error.code == "already_redeemed"


def test_a_day_begins_after_the_subscriptions_that_came_before_it(pool: Pool) -> None:
    """What was subscribed the day before and has not committed yet is accrued for as all others."""
    product, slow = pool.product(), Pool(pool.database)
    pool.subscribe(pool.investor("ann"), product, 1000)
    bob = pool.investor("bob")
    pool.advance(2)

    def subscribe_late(tx: Tx) -> None:
        assert holdings.subscribe(tx, slow.author, bob, product.id, D(1000), "late")

    assert overlapping(pool, subscribe_late, pool.accrue) == Accrued(1, 2, D("0.4"))
    pool.assert_sound()


def test_people_come_and_go_while_their_product_is_accrued_and_paid_out(pool: Pool) -> None:
    """Each day of each holding is paid by the accrual or by the redemption: never both, never none.

    The independent sum: amount · rate · whole days, rounded down once.
    """
    product = pool.product(daily_rate=D("0.0003333333"), total_quota=D(10**9))
    staying = [pool.investor(f"stay {n}", 1000) for n in range(30)]
    leaving = [pool.investor(f"leave {n}", 1000) for n in range(30)]
    coming = [pool.investor(f"come {n}", 1000) for n in range(30)]
    kept = [pool.subscribe(one, product, D("123.4567") + n) for n, one in enumerate(staying)]
    left = [pool.subscribe(one, product, D("123.4567") + n) for n, one in enumerate(leaving)]
    pool.advance(4)  # three days to accrue

    def leave() -> None:
        for one in reversed(left):
            pool.redeem(one)

    def come() -> None:
        for n, one in enumerate(coming):
            pool.subscribe(one, product, 100 + n)

    in_threads(
        lambda: pool.accrue(chunk=3),
        lambda: pool.accrue(chunk=5),
        leave,
        come,
        lambda: pool.distribute(chunk=4),
    )
    pool.accrue()
    rates = [D("0.0003333333")] * 3
    for holding in kept:
        assert pool.holding(holding).total_income == earned(holding.amount, rates)
    for user, holding in zip(leaving, left, strict=True):
        assert pool.wallet(user) == 1000 + earned(holding.amount, rates)
    assert pool.fresh(product).accrued_through == pool.day(3)
    assert -pool.expense(product) == sum(
        (earned(one.amount, rates) for one in (*kept, *left)), D(0)
    )
    pool.assert_sound()


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("deposit", "recharge"),
        ("withdrawal", "withdraw"),
        ("pool_in", "pool_in"),
        ("pool_out", "pool_out"),
        ("reserve", "contract"),
        ("settlement", "contract"),
        ("referral_release", "commission"),
        ("income", "income"),
    ],
)
def test_each_event_has_its_type_in_the_asset_log(pool: Pool, kind: str, shown: str) -> None:
    """004-09: recharge, withdraw, pool_in, pool_out, contract, commission; income joins them."""
    query = "SELECT asset_log_type(%s, %s)"
    assert pool.column(query, kind, f"{kind}:1") == [shown]
    if kind == "deposit":
        assert pool.column(query, "reversal", "reverse:deposit:1") == [shown]


def test_what_a_pool_moves_adds_up_in_the_asset_log(pool: Pool) -> None:
    """004-09: pool_in, income, pool_out beside recharge; balance before and after, references."""
    ann = pool.investor("ann", 1000)
    holding = pool.subscribe(ann, pool.product(**EARLY), 1000)
    pool.advance(3).accrue()
    pool.distribute()
    pool.advance(1).redeem(holding)
    log = pool.rows(
        "SELECT type, amount, balance_before, balance_after FROM asset_log"
        " WHERE user_id = %s AND coin = 'USDT' ORDER BY version",
        ann,
    )
    assert log == [
        ("recharge", 1000, 0, 1000),
        ("pool_in", -1000, 1000, 0),
        ("income", D("0.4"), 0, D("0.4")),
        ("income", D("0.2"), D("0.4"), D("0.6")),
        ("pool_out", D("999.7"), D("0.6"), D("1000.3")),  # half of 0.6 was kept back
    ]
    pool.assert_sound()


# --- reading ---------------------------------------------------------------------------------


def test_a_holding_is_read_with_all_that_moved_it(pool: Pool) -> None:
    """004-10 and the trace: what happened to a holding alone has its id for correlation."""
    product, ann = pool.product(), pool.investor("ann")
    holding = pool.subscribe(ann, product, 1000)
    pool.advance(2).accrue()
    pool.distribute()
    pool.advance(1).redeem(holding)
    with pool.database.transaction() as tx:
        entries = entries_of(tx, holding, limit=100)
        older = entries_of(tx, holding, before=entries[1].version, limit=2)
    assert [(one.type, one.amount, one.balance_after) for one in entries] == [
        ("pool_out", -1000, 0),
        ("income", D("-0.2"), 1000),
        ("income_accrual", D("0.2"), D("1000.2")),
        ("income", D("-0.2"), 1000),
        ("income_accrual", D("0.2"), D("1000.2")),
        ("pool_in", 1000, 1000),
    ]
    assert older == entries[2:4]
    assert entries[-2].effective_at == midnight(pool.day(2))
    traced = pool.column(
        "SELECT kind FROM journals WHERE correlation_id = %s ORDER BY id", holding.id
    )
    assert traced == ["pool_in", "income_accrual", "income", "pool_out"]
    told = pool.rows(
        "SELECT kind, subject, result, actor, rule_version FROM audit_events"
        " WHERE correlation_id = %s ORDER BY id",
        holding.id,
    )
    assert told == [
        ("pool.subscribed", str(holding.id), "held", "test", "income/1"),
        ("pool.redeemed", str(holding.id), "redeemed", "test", "income/1"),
    ]


def test_changes_of_products_and_rates_are_audited(pool: Pool) -> None:
    product = pool.product()
    pool.set_rate(product, pool.day(1), "0.0003")
    pool.set_rate(product, pool.day(2), "0.0004")
    with pool.database.transaction() as tx:
        close_product(tx, pool.author, product.id)
    told = pool.rows(
        "SELECT kind, details FROM audit_events WHERE correlation_id = %s ORDER BY id", product.id
    )
    assert told == [
        ("pool_product.created", {"name": "flexible", "dailyRate": "0.0002"}),
        ("pool_product.rate_set", {"fromDay": pool.day(1).isoformat(), "dailyRate": "0.0003"}),
        ("pool_product.rate_set", {"fromDay": pool.day(2).isoformat(), "dailyRate": "0.0004"}),
        ("pool_product.closed", {}),
    ]


def test_holdings_are_listed_newest_first_page_by_page(pool: Pool) -> None:
    product, ann, bob = pool.product(), pool.investor("ann"), pool.investor("bob")
    mine = [pool.subscribe(ann, product, 100 + n, str(n)) for n in range(5)]
    pool.subscribe(bob, product, 7)
    pool.redeem(mine[1])
    with pool.database.transaction() as tx:
        amounts, before = [], None
        while page := holdings_of(tx, ann, pool.now, before=before, limit=2):
            amounts += [one.amount for one in page]
            before = page[-1].sequence
        redeemed = holdings_of(tx, ann, pool.now, status=HoldingStatus.REDEEMED, limit=9)
        error = refused(lambda: holding_by_id(tx, bob, mine[0].id, pool.now))
    assert amounts == [104, 103, 102, 101, 100]
    assert [one.id for one in redeemed] == [mine[1].id]
    assert error.code == "unknown_holding"


# --- who may write ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE pool_holdings SET amount = amount + 1",
        "UPDATE pool_holdings SET start_at = start_at - interval '1 day'",
        "DELETE FROM pool_holdings",
        "UPDATE pool_rates SET daily_rate = 0.1",
        "DELETE FROM pool_rates",
        "UPDATE pool_products SET total_quota = total_quota + 1",
        "DELETE FROM pool_products",
    ],
)
def test_the_database_refuses_the_application_to_rewrite_terms(pool: Pool, statement: str) -> None:
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        pool.database.transaction() as tx,
    ):
        tx.execute(statement)  # type: ignore[arg-type]


def test_the_database_itself_keeps_the_quota(pool: Pool) -> None:
    product = pool.product(total_quota=D(100))
    with (
        pytest.raises(psycopg.errors.CheckViolation),
        pool.database.transaction() as tx,
    ):
        tx.execute(
            "UPDATE pool_products SET sold_amount = 100.00000001 WHERE id = %s", [product.id]
        )
