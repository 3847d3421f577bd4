"""Pool products on a real database: terms, rates, pages, and who may write."""

from __future__ import annotations

import psycopg
import pytest

from commenda.income import (
    HoldingStatus,
    accrual,
    close_product,
    entries_of,
    holding_by_id,
    holdings_of,
    products,
    queries,
    rates_of,
)
from commenda.income.rules import midnight
from commenda.kit import ids
from pool import RATE, START, D, Pool
from pool_scenes import refused


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
