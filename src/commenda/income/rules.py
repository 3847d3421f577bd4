"""The arithmetic of pool income. Days are whole UTC days; a day counts when it was held in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_DOWN, Decimal

from commenda.income.model import (
    Cadence,
    Estimate,
    Income,
    Maturity,
    PoolProduct,
    Product,
    ProductEstimate,
    ProductKind,
    ProductStatus,
    Rate,
    Terms,
)
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.money import amount as checked_amount
from commenda.kit.money import plain, quantise, scale_of
from commenda.kit.times import iso

DAY = timedelta(days=1)
YEAR = 365
"""Days of the year that APR and APY speak of."""
RATE_SCALE = 10
"""Decimals of a daily rate: times an amount of eight, they fit numeric(38,18) exactly."""
HIGHEST_RATE = Decimal("0.1")
LONGEST_TERM = 3650
SHARE_SCALE = 8
"""Decimals of the share that an early exit costs."""


# --- Income ----------------------------------------------------------------------------------


def pool_income(amount: Decimal, daily_rate: Decimal, days: int) -> Decimal:
    """What an amount earns in a number of days, unrounded: amount · daily rate · days."""
    return amount * daily_rate * days


def accrue(amount: Decimal, rate: Decimal, carry: Decimal, scale: int) -> tuple[Decimal, Decimal]:
    """What a day pays at the asset's scale, rounded down, and what is carried to the next.

    Over any days, what was paid and the last carry add up to amount · (sum of the rates) exactly.
    The database function `accrue_income` says the same of many holdings.
    """
    earned = pool_income(amount, rate, 1) + carry
    paid = quantise(earned, scale, ROUND_DOWN)
    return paid, earned - paid


def estimate(amount: Decimal, daily_rate: Decimal) -> Estimate:
    """What an amount would earn; the APY has as many decimals as a rate."""
    return Estimate(
        amount=amount,
        daily=pool_income(amount, daily_rate, 1),
        yearly=pool_income(amount, daily_rate, YEAR),
        daily_rate=daily_rate,
        apr=daily_rate * YEAR,
        apy=quantise((1 + daily_rate) ** YEAR - 1, RATE_SCALE),
    )


def offer(product: Product, amount: Decimal | None = None) -> PoolProduct:
    """A product as it is offered, with what an amount would earn in it."""
    would = estimate(product.minimum if amount is None else amount, product.daily_rate)
    return PoolProduct(
        **asdict(product),
        apr=would.apr,
        apy=would.apy,
        quota_left=product.total_quota - product.sold_amount,
        estimate=None if amount is None else Income(amount, would.daily, would.yearly),
    )


def estimate_in(
    product: Product, rates: Sequence[Rate], amount: Decimal, begins: date
) -> ProductEstimate:
    """What an amount would earn that is subscribed now, and earns from `begins` on."""
    maturity = None
    if product.term_days is not None:
        ends = begins + product.term_days * DAY
        income = income_of_term(amount, rates, begins, product.term_days, product.scale)
        maturity = Maturity(midnight(begins), midnight(ends), income, amount + income)
    would = estimate(amount, product.daily_rate)
    return ProductEstimate(**asdict(would), product_id=product.id, maturity=maturity)


def income_of_term(
    amount: Decimal, rates: Sequence[Rate], begins: date, days: int, scale: int
) -> Decimal:
    """What a term pays in all at the rates that are dated; rates in day order.

    Days carry what they do not pay, so only the sum is rounded down.
    """
    rate = sum((rate_on(rates, begins + n * DAY) for n in range(days)), Decimal(0))
    return quantise(amount * rate, scale, ROUND_DOWN)


def early_exit_penalty(
    share: Decimal, total_income: Decimal, payout: Decimal, scale: int
) -> Decimal:
    """What is kept back of an early exit: a share of all it earned, at most what is paid out."""
    return min(quantise(share * total_income, scale, ROUND_DOWN), payout)


# --- Days ------------------------------------------------------------------------------------


def day_of(moment: datetime) -> date:
    """The UTC day a moment lies in."""
    return moment.astimezone(UTC).date()


def payout_day(cadence: Cadence, today: date) -> date:
    """The day whose payout is due: a weekly one is Monday's, whenever in the week it is made."""
    return today if cadence is Cadence.DAILY else today - DAY * today.weekday()


def midnight(day: date) -> datetime:
    """When a UTC day begins."""
    return datetime.combine(day, time(), UTC)


def first_day(made_on: date, open_from: date) -> date:
    """The first day a new holding earns: the one after it was made, if that is not accrued yet.

    `open_from` is the first day of which no accrual has begun. It is later only for whoever waited
    so long that the day they are made on is over.
    """
    return max(made_on + DAY, open_from)


def days_due(accrued_through: date, end_at: datetime | None, today: date) -> list[date]:
    """The days that are over and not accrued, up to the end of the term."""
    until = today if end_at is None else min(today, day_of(end_at))
    return [accrued_through + n * DAY for n in range(1, (until - accrued_through).days)]


def rate_on(rates: Sequence[Rate], day: date) -> Decimal:
    """The rate in force on a day: the latest that holds from it or before; rates in day order."""
    return next(rate.daily_rate for rate in reversed(rates) if rate.from_day <= day)


def effective_at(day: date, closed_until: datetime | None) -> datetime | None:
    """When the income of a day counts: at its end, or now where that period is closed."""
    end = midnight(day + DAY)
    return end if closed_until is None or closed_until <= end else None


# --- What is accepted ------------------------------------------------------------------------


def require_terms(terms: Terms) -> None:
    """Terms that a product can have.

    Codes `bad_name`, `unknown_asset`, those of an amount, `not_positive`, `minimum_above_quota`,
    `bad_rate`, `bad_term`, `bad_early_exit`.
    """
    if not (terms.name.strip() and len(terms.name) <= 100 and terms.name.isprintable()):
        raise CommendaError("bad_name", "A product has a name of up to 100 characters").at(
            "name", terms.name, "give it a shorter one that can be read"
        )
    scale_of(terms.asset)
    require_positive(terms.total_quota, terms.asset, "totalQuota")
    require_positive(terms.minimum, terms.asset, "minimum")
    if terms.minimum > terms.total_quota:
        raise CommendaError("minimum_above_quota", "The minimum is within the quota").at(
            "minimum", terms.minimum, f"at most {plain(terms.total_quota)}"
        )
    require_rate(terms.daily_rate)
    fixed = terms.type == ProductKind.FIXED
    days = terms.term_days
    if fixed != (days is not None) or not (days is None or 1 <= days <= LONGEST_TERM):
        raise CommendaError(
            "bad_term",
            f"A fixed product has a term of 1 to {LONGEST_TERM} days, a flexible one has none",
        ).at("termDays", days, "give the days of a fixed product only")
    penalty = terms.early_exit_penalty
    if (
        not _is_share(penalty, Decimal(1), SHARE_SCALE)
        or (terms.early_exit and not fixed)
        or (penalty and not terms.early_exit)
    ):
        raise CommendaError(
            "bad_early_exit",
            "A fixed product may allow an early exit at a share of the income, 0 to 1",
        ).at("earlyExitPenalty", penalty, "leave it out, or allow the exit of a fixed product")


def require_rate(daily_rate: Decimal) -> None:
    """A rate that a product can pay; code `bad_rate`."""
    if not _is_share(daily_rate, HIGHEST_RATE, RATE_SCALE):
        raise CommendaError(
            "bad_rate",
            f"A daily rate is a fraction from 0 to {HIGHEST_RATE} with {RATE_SCALE} decimals",
        ).at("dailyRate", daily_rate, "0.02 % a day is 0.0002")


def _is_share(number: Decimal, most: Decimal, scale: int) -> bool:
    return number.is_finite() and 0 <= number <= most and number == quantise(number, scale)


def require_positive(amount: Decimal, asset: str, field: str = "amount") -> None:
    """An amount of money above zero; codes of `kit.money.amount`, and `not_positive`."""
    if checked_amount(amount, asset, field=field) <= 0:
        raise CommendaError("not_positive", "The amount must be above 0").at(field, amount)


def require_subscribable(product: Product, amount: Decimal) -> None:
    """An amount that this product takes from one investor.

    Codes `product_closed`, those of an amount, `not_positive`, `below_minimum`.
    """
    if product.status != ProductStatus.OPEN:
        raise conflict("product_closed", "This product takes no more money").at(
            "product", product.name, "choose one that is on sale"
        )
    require_positive(amount, product.asset)
    if amount < product.minimum:
        raise CommendaError("below_minimum", "This is less than the product takes").at(
            "amount", amount, f"subscribe {plain(product.minimum)} or more"
        )


def require_redeemable(product: Product, end_at: datetime | None, now: datetime) -> bool:
    """Whether a redemption now is an early exit; code `not_matured` where there is none."""
    if end_at is None or now >= end_at:
        return False
    if not product.early_exit:
        raise conflict("not_matured", f"This holding is redeemed from {iso(end_at)} on").at(
            "endAt", iso(end_at), "redeem it when its term is over"
        )
    return True
