"""What pool income speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import Amount, Asset, Body, Internal, Whole, on_wire, one_of

RULES = "income/1"
"""Stored with every journal this domain posts; changes when a rule of it does."""


class ProductKind(StrEnum):
    FIXED = "fixed"
    FLEXIBLE = "flexible"


class Cadence(StrEnum):
    """How often what was accrued is paid out to the wallets."""

    DAILY = "daily"
    WEEKLY = "weekly"


class ProductStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    """Nobody subscribes any more; what is held goes on."""


class HoldingStatus(StrEnum):
    HELD = "held"
    REDEEMED = "redeemed"


DailyRate = Annotated[
    Amount, Field(ge=0, le=0.1, decimal_places=10, json_schema_extra={"examples": ["0.0002"]})
]
"""A fraction of the amount for each day: 0.0002 is 0.02 %."""

Capital = Annotated[Amount, Field(gt=0, max_digits=23, decimal_places=8)]
"""Up to 10^15: what it earns in a year, unrounded, still fits the wire."""

Share = Annotated[Amount, Field(ge=0, le=1, decimal_places=8)]

# --- Products --------------------------------------------------------------------------------


class Terms(Body):
    """What a product is to be. Rates and the penalty are fractions."""

    name: Annotated[
        str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$", examples=["Savings"])
    ]
    asset: Asset = "USDT"
    type: ProductKind
    term_days: Annotated[Whole, Field(ge=1, le=3650)] | None = Field(
        default=None, description="Required for a fixed product, absent of a flexible one."
    )
    cadence: Cadence = Cadence.DAILY
    daily_rate: DailyRate
    total_quota: Capital
    minimum: Capital
    early_exit: bool = False
    early_exit_penalty: Share = Decimal(0)
    """The share of a holding's whole income that is kept back when it is redeemed early."""


class RateOrder(Body):
    """A rate from a day on that has not begun when it is approved."""

    from_day: date = Field(examples=["2026-03-01"])
    daily_rate: DailyRate


@on_wire
@dataclass(frozen=True, slots=True)
class Product:
    """A pool product (POOL_PRODUCT) with the rate in force today. All rates are fractions.

    `next_rate` will be in force from the day `next_rate_from` on.
    """

    id: UUID
    name: Annotated[str, Field(examples=["Savings"])]
    asset: Asset
    scale: Internal[int]
    kind: Annotated[str, one_of(ProductKind), Field(alias="type")]
    term_days: Annotated[int | None, Field(description="Of a fixed product.", examples=[30])]
    cadence: Annotated[
        str, one_of(Cadence), Field(description="How often income is paid into the wallet.")
    ]
    total_quota: Amount
    sold_amount: Amount
    minimum: Amount
    early_exit: Annotated[
        bool, Field(description="Whether a fixed one is redeemed before its term is over.")
    ]
    early_exit_penalty: Annotated[
        Share, Field(description="Part of all its income that is then kept back.")
    ]
    accrued_through: Annotated[
        date, Field(description="The last day whose income all holdings have.")
    ]
    status: Annotated[str, one_of(ProductStatus)]
    created_at: datetime
    daily_rate: DailyRate
    next_rate: Annotated[DailyRate | None, Field(description="Another rate is dated already.")]
    next_rate_from: date | None


@on_wire
@dataclass(frozen=True, slots=True)
class Income:
    """What an amount earns while the rate stays: an estimate, and no promise."""

    amount: Amount
    daily: Annotated[Amount, Field(description="amount · dailyRate, unrounded.")]
    yearly: Annotated[
        Amount, Field(description="amount · dailyRate · 365: paid out, not compounded.")
    ]


Apr = Annotated[Amount, Field(description="APR = dailyRate · 365.", examples=["0.073"])]
"""Which the specification calls APY."""
Apy = Annotated[
    Amount,
    Field(
        description="APY = (1 + dailyRate)^365 − 1: income of each day earns from the next.",
        examples=["0.0757228741"],
    ),
]


@on_wire
@dataclass(frozen=True, slots=True, kw_only=True)
class PoolProduct(Product):
    """A product as it is offered: what it yields, and what an amount that was asked for earns."""

    apr: Apr
    apy: Apy
    quota_left: Amount
    estimate: Annotated[Income | None, Field(description="For the amount that was asked for.")]


@on_wire
@dataclass(frozen=True, slots=True)
class Estimate(Income):
    """What an amount would earn at a rate that stays: in a day and in 365."""

    daily_rate: DailyRate
    apr: Apr
    apy: Apy


@on_wire
@dataclass(frozen=True, slots=True)
class Maturity:
    """What a fixed product pays at the end of its term, at the rates that are dated now."""

    start_at: datetime
    end_at: datetime
    income: Annotated[
        Amount, Field(description="Of the whole term, rounded down to the asset's decimals.")
    ]
    total: Annotated[
        Amount, Field(description="amount + income; the income may be paid out on the way.")
    ]


@on_wire
@dataclass(frozen=True, slots=True, kw_only=True)
class ProductEstimate(Estimate):
    """What an amount would earn: at today's rate, and for a fixed product by maturity."""

    product_id: UUID
    maturity: Maturity | None


@on_wire
@dataclass(frozen=True, slots=True)
class Rate:
    """The daily rate of a product from a day on, until the next one."""

    from_day: date
    daily_rate: DailyRate
    set_by: Annotated[str, Field(examples=["operator:1f0c4a52-9d3e-8a51-9c1d-3f1f6f0a7f10"])]
    set_at: datetime


@on_wire
@dataclass(frozen=True, slots=True)
class ProductRates:
    """Every rate of a product, in the order of its days."""

    product_id: UUID
    rates: list[Rate]


@on_wire
@dataclass(frozen=True, slots=True)
class Requested:
    """A request that waits for a second person."""

    approval_id: UUID
    status: Annotated[str, one_of(["requested"])] = "requested"


# --- Holdings --------------------------------------------------------------------------------


class HoldingOrder(Body):
    """How much of a product to hold."""

    amount: Annotated[Amount, Field(gt=0, examples=["1000"])]


@on_wire
@dataclass(frozen=True, slots=True)
class Holding:
    """What an investor has in a product (POOL_HOLDING).

    `carry` is what is too little to be paid so far.
    """

    id: UUID
    sequence: Internal[int]
    user_id: UUID
    product_id: UUID
    product_name: str
    asset: Asset
    account_id: Internal[int]
    amount: Amount
    total_income: Annotated[Amount, Field(description="All it has earned up to accruedThrough.")]
    carry: Internal[Decimal]
    accrued_unpaid: Annotated[Amount, Field(description="What of that is not in the wallet yet.")]
    daily_rate: Annotated[DailyRate, Field(description="In force today.")]
    accrued_through: date
    start_at: Annotated[datetime, Field(description="It earns every whole UTC day from here on.")]
    end_at: Annotated[datetime | None, Field(description="A fixed one earns until here.")]
    redeemable_at: Annotated[
        datetime,
        Field(description="A product that allows an early exit pays before, at its penalty."),
    ]
    status: Annotated[str, one_of(HoldingStatus)]
    created_at: datetime
    redeemed_at: datetime | None


@on_wire
@dataclass(frozen=True, slots=True)
class HoldingEntry:
    """One movement of a holding."""

    version: Internal[int]
    type: Annotated[
        str,
        Field(
            description="pool_in, income_accrual, income (paid to the wallet) or pool_out.",
            examples=["income_accrual"],
        ),
    ]
    amount: Annotated[Amount, Field(description="Signed: what came into it is positive.")]
    balance_before: Amount
    balance_after: Amount
    ref_no: str
    effective_at: datetime
    created_at: datetime


@on_wire
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingDetail(Holding):
    """A holding and what moved it, newest first."""

    entries: list[HoldingEntry]
    next_cursor: str | None


@on_wire
@dataclass(frozen=True, slots=True)
class Redemption:
    """What a redemption paid: paid = principal + income − penalty."""

    holding: Holding
    days: Annotated[int, Field(description="For how many days it earned in all.")]
    principal: Amount
    income: Annotated[Amount, Field(description="What had not been paid into the wallet before.")]
    penalty: Annotated[Amount, Field(description="Of an early exit.")]
    paid: Amount


# --- Days ------------------------------------------------------------------------------------


@on_wire
@dataclass(frozen=True, slots=True)
class Accrual:
    """The accrual of one product's day."""

    key: Internal[str]
    product_id: UUID
    product_name: str
    day: date
    asset: str
    holdings: Annotated[int, Field(description="Paid anything.")]
    amount: Amount
    begun_at: datetime
    finished_at: datetime | None


@on_wire
@dataclass(frozen=True, slots=True)
class AccrualDay:
    """A day of an asset's accruals, of all products: what they come to, and when all are done."""

    day: date
    asset: Asset
    products: Annotated[int, Field(description="Whose accrual of the day was begun.")]
    open: Annotated[int, Field(description="Of these, not finished yet.")]
    holdings: int
    amount: Amount
    begun_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Accrued:
    """What an accrual did: days of products finished, amounts paid to holdings, their sum."""

    days: int
    holdings: int
    amount: Decimal

    def __add__(self, other: Accrued) -> Accrued:
        return Accrued(
            self.days + other.days, self.holdings + other.holdings, self.amount + other.amount
        )


@dataclass(frozen=True, slots=True)
class Distributed:
    """What a distribution paid out to wallets: how many payments, their sum."""

    payments: int
    amount: Decimal
