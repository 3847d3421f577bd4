"""From what was read to what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from commenda.income import bodies
from commenda.income.model import Holding, HoldingEntry, Product, Rate, Redemption
from commenda.income.progress import Accrual
from commenda.income.rules import DAY, estimate, income_of_term, midnight


def as_product(one: Product, amount: Decimal | None = None) -> bodies.PoolProduct:
    """A product, with what an amount would earn in it."""
    found = estimate(one.minimum if amount is None else amount, one.daily_rate)
    return bodies.PoolProduct.model_validate(
        {
            **{name: getattr(one, name) for name in _SAME},
            "type": one.kind,
            "apr": found.apr,
            "apy": found.apy,
            "quota_left": one.total_quota - one.sold_amount,
            "estimate": None
            if amount is None
            else bodies.Income(amount=amount, daily=found.daily, yearly=found.yearly),
        }
    )


_SAME = bodies.PoolProduct.model_fields.keys() - {"type", "apr", "apy", "quota_left", "estimate"}


def as_estimate(
    one: Product, rates: Sequence[Rate], amount: Decimal, begins: date
) -> bodies.ProductEstimate:
    """What an amount would earn that is subscribed now, and earns from `begins` on."""
    found = estimate(amount, one.daily_rate)
    return bodies.ProductEstimate(
        product_id=one.id,
        amount=amount,
        daily_rate=one.daily_rate,
        daily=found.daily,
        yearly=found.yearly,
        apr=found.apr,
        apy=found.apy,
        maturity=None
        if one.term_days is None
        else _maturity(amount, rates, begins, one.term_days, one.scale),
    )


def _maturity(
    amount: Decimal, rates: Sequence[Rate], begins: date, term_days: int, scale: int
) -> bodies.Maturity:
    income = income_of_term(amount, rates, begins, term_days, scale)
    return bodies.Maturity(
        start_at=midnight(begins),
        end_at=midnight(begins + term_days * DAY),
        income=income,
        total=amount + income,
    )


def as_rate(one: Rate) -> bodies.PoolRate:
    return bodies.PoolRate.model_validate(one, from_attributes=True)


def as_holding(one: Holding) -> bodies.PoolHolding:
    return bodies.PoolHolding.model_validate(_held(one))


def as_detail(
    one: Holding, entries: Sequence[HoldingEntry], next_cursor: str | None
) -> bodies.PoolHoldingDetail:
    """A holding with a page of what moved it."""
    moved = [
        bodies.HoldingMovement(
            type=entry.type,
            amount=entry.amount,
            balance_before=entry.balance_after - entry.amount,
            balance_after=entry.balance_after,
            ref_no=entry.ref_no,
            effective_at=entry.effective_at,
            created_at=entry.posted_at,
        )
        for entry in entries
    ]
    return bodies.PoolHoldingDetail.model_validate(
        {**_held(one), "entries": moved, "next_cursor": next_cursor}
    )


def _held(one: Holding) -> dict[str, object]:
    names = bodies.PoolHolding.model_fields.keys() - {"redeemable_at"}
    return {
        **{name: getattr(one, name) for name in names},
        "redeemable_at": one.created_at if one.end_at is None else one.end_at,
    }


def as_redemption(one: Redemption) -> bodies.PoolRedemption:
    return bodies.PoolRedemption(
        holding=as_holding(one.holding),
        days=one.days,
        principal=one.principal,
        income=one.income,
        penalty=one.penalty,
        paid=one.paid,
    )


def as_accrual(one: Accrual) -> bodies.Accrual:
    return bodies.Accrual.model_validate(one, from_attributes=True)
