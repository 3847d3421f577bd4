"""Pool income on a real database: each day once, at its own rate, to the last unit."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from commenda.income import Accrued, Product, accrual, accrue_product_day, queries
from commenda.income.rules import midnight
from commenda.ledger import close_period
from pool import RATE, START, D, Pool, earned
from pool_scenes import cut_short, refused


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


def test_random_amounts_earn_what_whole_numbers_say(pool: Pool, seed: int) -> None:
    """Rates that change, days and chunks: each amount in 10⁻⁸ times the sum of the rates in 10⁻¹⁰,
    its whole part paid and the rest carried. Not a line of the ledger's own arithmetic."""
    draw = random.Random(seed)
    ann = pool.investor("ann", 10**12)
    rates = [draw.randrange(10**9 + 1) for _ in range(12)]
    first = D(rates[0]).scaleb(-10)
    product = pool.product(daily_rate=first, minimum=D("0.00000001"), total_quota=D(10**13))
    held = []
    for n in range(40):
        units = draw.randrange(1, 10 ** draw.randrange(1, 18))
        held.append((units, pool.subscribe(ann, product, D(units).scaleb(-8), str(n))))
    before = 0
    for n in range(1, 12):
        pool.set_rate(product, pool.day(n), D(rates[n]).scaleb(-10))
        pool.advance(1)
        accrued = pool.accrue(chunk=draw.randrange(1, 50))
        counting = sum(rates[1:n])  # not the day they were made
        paid = [divmod(units * counting, 10**10) for units, _ in held]
        for (whole, rest), (_, holding) in zip(paid, held, strict=True):
            now = pool.holding(holding)
            assert (now.total_income, now.carry) == (D(whole).scaleb(-8), D(rest).scaleb(-18))
        total = sum(whole for whole, _ in paid)
        assert accrued.amount == D(total - before).scaleb(-8)
        before = total
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
