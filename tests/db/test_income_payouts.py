"""Pool income on a real database: paid out once, whatever happens at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from commenda.income import Accrued, Cadence, accrual, distribution, holdings, queries
from commenda.kit.db import Tx
from pool import D, Pool, earned
from pool_scenes import EARLY, cut_short, refused
from world import in_threads


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
