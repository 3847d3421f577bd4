"""The arithmetic of pool income. Numbers that are written out were computed by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.income import ProductKind, Rate, Terms, accrue, estimate, pool_income
from commenda.income.model import Cadence, Product, ProductStatus
from commenda.income.rules import (
    day_of,
    days_due,
    early_exit_penalty,
    effective_at,
    first_day,
    midnight,
    rate_on,
    require_redeemable,
    require_subscribable,
    require_terms,
)
from commenda.kit.errors import CommendaError

D = Decimal
JANUARY = date(2026, 1, 1)

amounts = st.decimals("0.00000001", "99999999999", places=8)
rates = st.decimals("0", "0.1", places=10)


def day(number: int) -> date:
    """The so-manieth day of January."""
    return JANUARY + timedelta(number - 1)


# --- income ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "rate", "days", "income"),
    [
        # 10,000 at 0.02 % a day: 2 a day.
        ("10000", "0.0002", 1, "2"),
        ("10000", "0.0002", 30, "60"),
        ("10000", "0.0002", 365, "730"),
        ("10000", "0.0002", 0, "0"),
        # 1234.56789012 · 0.0001370000 = 0.169135800946440; a week is seven of them.
        ("1234.56789012", "0.000137", 7, "1.183950606625080"),
        # As binary floats 0.1 · 3 is 0.30000000000000004.
        ("1", "0.1", 3, "0.3"),
        # The smallest amount at the finest rate keeps all eighteen decimals.
        ("0.00000001", "0.0000000001", 1, "0.000000000000000001"),
    ],
)
def test_income_is_amount_times_daily_rate_times_days(
    amount: str, rate: str, days: int, income: str
) -> None:
    """004-01, 004-02: exact decimals."""
    assert pool_income(D(amount), D(rate), days) == D(income)


@given(amounts, rates, st.integers(0, 3650))
def test_income_is_never_rounded(amount: Decimal, rate: Decimal, days: int) -> None:
    """004-02: held against fractions."""
    assert Fraction(pool_income(amount, rate, days)) == Fraction(amount) * Fraction(rate) * days


def test_an_estimate_names_day_and_year_and_two_rates_that_differ() -> None:
    """004-01 and part 2: APR = daily rate · 365 (the specification's APY), APY compounds.

    1.0002^365 − 1 = e^(365 · 0.00019998000266626673…) − 1 = e^0.07299270097318736… − 1.
    """
    made = estimate(D(10_000), D("0.0002"))
    assert (made.daily, made.yearly) == (D(2), D(730))
    assert made.apr == D("0.073")
    assert made.apy == D("0.0757226852")


def test_apr_and_apy_are_the_same_only_where_nothing_is_earned() -> None:
    """Part 2, both labelled."""
    assert (estimate(D(1), D(0)).apr, estimate(D(1), D(0)).apy) == (0, 0)
    assert estimate(D(1), D("0.0000000001")).apy > 0


# --- accrual ---------------------------------------------------------------------------------


def test_a_day_pays_what_can_be_paid_and_carries_the_rest() -> None:
    """100.00000001 · 0.000123456 = 0.01234560000123456: eight decimals are paid."""
    paid, carry = accrue(D("100.00000001"), D("0.000123456"), D(0), 8)
    assert (paid, carry) == (D("0.01234560"), D("0.00000000000123456"))


def test_what_is_too_little_for_a_day_is_paid_when_it_has_grown() -> None:
    """0.00000003 at 10 % is 0.000000003 a day: one unit on every fourth, tenth, … day."""
    carry, paid = D(0), []
    for _ in range(10):
        units, carry = accrue(D("0.00000003"), D("0.1"), carry, 8)
        paid.append(int(units.scaleb(8)))
    assert paid == [0, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    assert carry == 0


@given(amounts, st.lists(rates, max_size=60), st.integers(0, 8))
def test_over_any_days_what_was_paid_and_the_carry_are_what_was_earned(
    amount: Decimal, dated: list[Decimal], scale: int
) -> None:
    """004-06 and part 2: nothing is lost in rounding, however the rates change."""
    total, carry = D(0), D(0)
    for rate in dated:
        paid, carry = accrue(amount, rate, carry, scale)
        assert paid == paid.quantize(D(1).scaleb(-scale))
        assert 0 <= carry < D(1).scaleb(-scale)
        total += paid
    assert Fraction(total) + Fraction(carry) == Fraction(amount) * sum(map(Fraction, dated))


@given(amounts, rates, st.integers(0, 400))
def test_day_by_day_pays_as_much_as_all_days_at_once_rounded_down(
    amount: Decimal, rate: Decimal, days: int
) -> None:
    """004-04: a redemption pays the income of its days, whoever accrued them."""
    total, carry = D(0), D(0)
    for _ in range(days):
        paid, carry = accrue(amount, rate, carry, 8)
        total += paid
    whole = Fraction(amount) * Fraction(rate) * days * 10**8
    assert total == D(whole.numerator // whole.denominator).scaleb(-8)


# --- days ------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [(0, 0, 0), (0, 0, 1), (12, 0, 0), (23, 59, 59)])
def test_a_holding_earns_from_the_midnight_after_it_was_made(clock: tuple[int, int, int]) -> None:
    """Part 2, day count: nobody earns a day for minutes around midnight."""
    made = datetime(2026, 1, 5, *clock, tzinfo=UTC)
    assert midnight(first_day(day_of(made), day(5))) == datetime(2026, 1, 6, tzinfo=UTC)


def test_a_holding_does_not_earn_a_day_whose_accrual_has_begun_without_it() -> None:
    assert first_day(day(5), day(8)) == day(8)


def test_the_day_of_a_moment_is_the_utc_day() -> None:
    moment = datetime(2026, 1, 5, 23, 30, tzinfo=UTC).astimezone(
        datetime.strptime("+0200", "%z").tzinfo
    )
    assert moment.date() == date(2026, 1, 6)
    assert day_of(moment) == date(2026, 1, 5)


@pytest.mark.parametrize(
    ("through", "end", "today", "due"),
    [
        (4, None, 5, []),  # the fifth is not over
        (4, None, 6, [5]),
        (4, None, 8, [5, 6, 7]),
        (7, None, 6, []),  # accrued further than an older clock knows
        (4, 7, 20, [5, 6]),  # the term ends as the seventh begins
        (6, 7, 20, []),
        (4, 20, 7, [5, 6]),
    ],
)
def test_the_days_that_are_due_are_over_not_accrued_and_within_the_term(
    through: int, end: int | None, today: int, due: list[int]
) -> None:
    """Part 2: nothing for a day that is not over, nothing past the end of the term."""
    ends = None if end is None else midnight(day(end))
    assert days_due(day(through), ends, day(today)) == [day(number) for number in due]


def test_the_rate_of_a_day_is_the_latest_that_holds_from_it_or_before() -> None:
    """Rates are dated."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    dated = [Rate(day(n), D(n), "test", now) for n in (1, 5, 9)]
    assert [rate_on(dated, day(n)) for n in (1, 4, 5, 8, 9, 30)] == [1, 1, 5, 5, 9, 9]


def test_income_counts_at_the_end_of_its_day_or_now_where_that_is_closed() -> None:
    assert effective_at(day(5), None) == midnight(day(6))
    assert effective_at(day(5), midnight(day(6))) == midnight(day(6))
    assert effective_at(day(5), midnight(day(7))) is None


# --- early exit ------------------------------------------------------------------------------


def test_an_early_exit_costs_a_share_of_all_income_rounded_down() -> None:
    assert early_exit_penalty(D("0.5"), D("3.00000001"), D(1000), 8) == D("1.50000000")
    assert early_exit_penalty(D(1), D(3), D(1000), 8) == 3
    assert early_exit_penalty(D(0), D(3), D(1000), 8) == 0


def test_an_early_exit_never_costs_more_than_it_pays() -> None:
    assert early_exit_penalty(D(1), D(300), D(100), 8) == 100


# --- what is accepted ------------------------------------------------------------------------


def terms(**changes: object) -> Terms:
    fields: dict[str, object] = {
        "name": "Flexible",
        "asset": "USDT",
        "type": ProductKind.FLEXIBLE,
        "cadence": Cadence.DAILY,
        "total_quota": D(1000),
        "minimum": D(10),
        "daily_rate": D("0.0002"),
    }
    return Terms.model_construct(**{**fields, **changes})  # type: ignore[arg-type]


FIXED = {"type": ProductKind.FIXED, "term_days": 30}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        FIXED,
        {**FIXED, "early_exit": True, "early_exit_penalty": D("0.5")},
        {"daily_rate": D(0)},
    ],
)
def test_terms_that_a_product_can_have(changes: dict[str, object]) -> None:
    require_terms(terms(**changes))


@pytest.mark.parametrize(
    ("code", "field", "changes"),
    [
        ("bad_name", "name", {"name": "  "}),
        ("bad_name", "name", {"name": "x" * 101}),
        ("bad_name", "name", {"name": "a\nb"}),
        ("unknown_asset", "asset", {"asset": "DOGE"}),
        ("not_positive", "totalQuota", {"total_quota": D(0)}),
        ("excess_scale", "totalQuota", {"total_quota": D("1000.000000001")}),
        ("not_finite", "totalQuota", {"total_quota": D("NaN")}),
        ("amount_overflow", "totalQuota", {"total_quota": D("1e20")}),
        ("not_positive", "minimum", {"minimum": D(-1)}),
        ("minimum_above_quota", "minimum", {"minimum": D(1001)}),
        ("bad_rate", "dailyRate", {"daily_rate": D("-0.0001")}),
        ("bad_rate", "dailyRate", {"daily_rate": D("0.1000000001")}),
        ("bad_rate", "dailyRate", {"daily_rate": D("0.00000000001")}),
        ("bad_rate", "dailyRate", {"daily_rate": D("NaN")}),
        ("bad_rate", "dailyRate", {"daily_rate": D("Infinity")}),
        ("bad_term", "termDays", {"term_days": 30}),
        ("bad_term", "termDays", {**FIXED, "term_days": None}),
        ("bad_term", "termDays", {**FIXED, "term_days": 0}),
        ("bad_term", "termDays", {**FIXED, "term_days": 3651}),
        ("bad_early_exit", "earlyExitPenalty", {"early_exit": True}),
        ("bad_early_exit", "earlyExitPenalty", {**FIXED, "early_exit_penalty": D("0.5")}),
        (
            "bad_early_exit",
            "earlyExitPenalty",
            {**FIXED, "early_exit": True, "early_exit_penalty": D("1.1")},
        ),
        (
            "bad_early_exit",
            "earlyExitPenalty",
            {**FIXED, "early_exit": True, "early_exit_penalty": D("NaN")},
        ),
    ],
)
def test_terms_that_no_product_can_have(code: str, field: str, changes: dict[str, object]) -> None:
    with pytest.raises(CommendaError) as caught:
        require_terms(terms(**changes))
    assert (caught.value.code, caught.value.field) == (code, field)


NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def product(**changes: object) -> Product:
    fields: dict[str, object] = {
        "id": None,
        "name": "Fixed",
        "asset": "USDT",
        "scale": 8,
        "kind": "fixed",
        "term_days": 30,
        "cadence": "daily",
        "total_quota": D(1000),
        "sold_amount": D(0),
        "minimum": D(10),
        "early_exit": False,
        "early_exit_penalty": D(0),
        "accrued_through": day(4),
        "status": "open",
        "created_at": NOW,
        "daily_rate": D("0.0002"),
        "next_rate": None,
        "next_rate_from": None,
    }
    return Product(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "amount", "changes"),
    [
        ("product_closed", "100", {"status": ProductStatus.CLOSED}),
        ("below_minimum", "9.99999999", {}),
        ("not_positive", "0", {}),
        ("not_positive", "-10", {}),
        ("excess_scale", "10.000000001", {}),
        ("not_finite", "NaN", {}),
        ("not_finite", "Infinity", {}),
        ("amount_overflow", "1e20", {}),
        ("unknown_asset", "10", {"asset": "DOGE"}),
    ],
)
def test_what_a_product_does_not_take(code: str, amount: str, changes: dict[str, object]) -> None:
    """004-03: the product is open, and the amount is one of its asset and above the minimum."""
    with pytest.raises(CommendaError) as caught:
        require_subscribable(product(**changes), D(amount))
    assert caught.value.code == code
    require_subscribable(product(), D(10))


def test_a_fixed_holding_is_redeemed_after_maturity_only() -> None:
    """004-04: not matured is an error that says when; from the end of the term on it is free."""
    end = midnight(day(6))
    with pytest.raises(CommendaError) as caught:
        require_redeemable(product(), end, end - timedelta(microseconds=1))
    assert caught.value.code == "not_matured"
    assert caught.value.value == "2026-01-06T00:00:00Z"
    assert require_redeemable(product(), end, end) is False


def test_an_early_exit_is_a_matter_of_the_product() -> None:
    """Part 2: early exit is a product flag."""
    end = midnight(day(6))
    assert require_redeemable(product(early_exit=True), end, NOW) is True
    assert require_redeemable(product(early_exit=True), end, end) is False


def test_a_flexible_holding_is_redeemed_at_any_time() -> None:
    """004-04."""
    assert require_redeemable(product(kind="flexible", term_days=None), None, NOW) is False
