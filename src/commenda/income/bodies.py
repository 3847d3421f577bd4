"""Pool income on the wire: what is asked and answered."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from commenda.income.model import Cadence, HoldingStatus, ProductKind, ProductStatus
from commenda.kit.web import Amount, Asset, Body

DailyRate = Annotated[
    Amount,
    Field(ge=0, le=0.1, decimal_places=10, json_schema_extra={"examples": ["0.0002"]}),
]
"""A fraction of the amount for each day: 0.0002 is 0.02 %."""

Principal = Annotated[Amount, Field(gt=0, max_digits=23, decimal_places=8)]
"""Up to 10^15: what it earns in a year, unrounded, still fits the wire."""

Share = Annotated[Amount, Field(ge=0, le=1, decimal_places=8)]

# --- Products --------------------------------------------------------------------------------


class Income(Body):
    """What an amount earns while the rate stays: an estimate, and no promise."""

    amount: Amount
    daily: Amount = Field(description="amount · dailyRate, unrounded.")
    yearly: Amount = Field(description="amount · dailyRate · 365: paid out, not compounded.")


class PoolProduct(Body):
    """A pool product (POOL_PRODUCT) with the rate in force today. All rates are fractions."""

    id: UUID
    name: str = Field(examples=["Savings"])
    asset: Asset
    type: ProductKind
    term_days: int | None = Field(description="Of a fixed product.", examples=[30])
    cadence: Cadence = Field(description="How often income is paid into the wallet.")
    daily_rate: DailyRate
    apr: Amount = Field(description="APR = dailyRate · 365.", examples=["0.073"])
    apy: Amount = Field(
        description="APY = (1 + dailyRate)^365 − 1: income of each day earns from the next.",
        examples=["0.0757228741"],
    )
    next_rate: DailyRate | None = Field(description="Another rate is dated already.")
    next_rate_from: date | None
    total_quota: Amount
    sold_amount: Amount
    quota_left: Amount
    minimum: Amount
    early_exit: bool = Field(description="Whether a fixed one is redeemed before its term is over.")
    early_exit_penalty: Share = Field(description="Part of all its income that is then kept back.")
    status: ProductStatus
    accrued_through: date = Field(description="The last day whose income all holdings have.")
    created_at: datetime
    estimate: Income | None = Field(default=None, description="For the amount that was asked for.")


class PoolProductPage(Body):
    items: list[PoolProduct]
    next_cursor: str | None = None


class ProductOrder(Body):
    """A product that an operator asks for."""

    name: Annotated[
        str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$", examples=["Savings"])
    ]
    asset: Asset = "USDT"
    type: ProductKind
    term_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=None, description="Required for a fixed product, absent of a flexible one."
    )
    cadence: Cadence = Cadence.DAILY
    daily_rate: DailyRate
    total_quota: Principal
    minimum: Principal
    early_exit: bool = False
    early_exit_penalty: Share = Decimal(0)


class RateOrder(Body):
    """A rate from a day on that has not begun when it is approved."""

    from_day: date = Field(examples=["2026-03-01"])
    daily_rate: DailyRate


class PoolRate(Body):
    """The rate from a day on, until the next one."""

    from_day: date
    daily_rate: DailyRate
    set_by: str = Field(examples=["operator:1f0c4a52-9d3e-8a51-9c1d-3f1f6f0a7f10"])
    set_at: datetime


class ProductRates(Body):
    product_id: UUID
    rates: list[PoolRate]


class Maturity(Body):
    """What a fixed product pays at the end of its term, at the rates that are dated now."""

    start_at: datetime
    end_at: datetime
    income: Amount = Field(description="Of the whole term, rounded down to the asset's decimals.")
    total: Amount = Field(description="amount + income; the income may be paid out on the way.")


class ProductEstimate(Income):
    """What an amount would earn: at today's rate, and for a fixed product by maturity."""

    product_id: UUID
    daily_rate: DailyRate
    apr: Amount = Field(description="APR = dailyRate · 365.")
    apy: Amount = Field(description="APY = (1 + dailyRate)^365 − 1.")
    maturity: Maturity | None


class Requested(Body):
    """A request that waits for a second person."""

    approval_id: UUID
    status: Literal["requested"] = "requested"


# --- Holdings --------------------------------------------------------------------------------


class HoldingOrder(Body):
    """How much of a product to hold."""

    amount: Annotated[Amount, Field(gt=0, examples=["1000"])]


class PoolHolding(Body):
    """A holding (POOL_HOLDING)."""

    id: UUID
    user_id: UUID
    product_id: UUID
    product_name: str
    asset: Asset
    amount: Amount
    total_income: Amount = Field(description="All it has earned up to accruedThrough.")
    accrued_unpaid: Amount = Field(description="What of that is not in the wallet yet.")
    daily_rate: DailyRate = Field(description="In force today.")
    accrued_through: date
    start_at: datetime = Field(description="It earns every whole UTC day from here on.")
    end_at: datetime | None = Field(description="A fixed one earns until here.")
    redeemable_at: datetime = Field(
        description="A fixed product that allows an early exit pays back before, at its penalty."
    )
    status: HoldingStatus
    created_at: datetime
    redeemed_at: datetime | None


class PoolHoldingPage(Body):
    items: list[PoolHolding]
    next_cursor: str | None = None


class HoldingMovement(Body):
    """One entry of a holding's account."""

    type: str = Field(
        description="pool_in, income_accrual, income (paid to the wallet) or pool_out.",
        examples=["income_accrual"],
    )
    amount: Amount = Field(description="Signed: what came into the holding is positive.")
    balance_before: Amount
    balance_after: Amount
    ref_no: str
    effective_at: datetime
    created_at: datetime


class PoolHoldingDetail(PoolHolding):
    """A holding and what moved it, newest first."""

    entries: list[HoldingMovement]
    next_cursor: str | None = None


class PoolRedemption(Body):
    """What a redemption paid: paid = principal + income − penalty."""

    holding: PoolHolding
    days: int = Field(description="For how many days it earned in all.")
    principal: Amount
    income: Amount = Field(description="What had not been paid into the wallet before.")
    penalty: Amount = Field(description="Of an early exit.")
    paid: Amount


# --- Days ------------------------------------------------------------------------------------


class Accrual(Body):
    """The accrual of one product's day."""

    product_id: UUID
    product_name: str
    day: date
    holdings: int = Field(description="Paid anything.")
    amount: Amount
    begun_at: datetime
    finished_at: datetime | None


class AccrualPage(Body):
    items: list[Accrual]
    next_cursor: str | None = None
