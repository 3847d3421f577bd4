"""What pool income speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

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


@dataclass(frozen=True, slots=True)
class Terms:
    """What a product is to be.

    Rates and the penalty are fractions: 0.0002 a day is 0.02 %. `early_exit_penalty` is the share
    of a holding's whole income that is kept back when it is redeemed before its term is over.
    """

    name: str
    asset: str
    kind: ProductKind
    cadence: Cadence
    total_quota: Decimal
    minimum: Decimal
    daily_rate: Decimal
    term_days: int | None = None
    early_exit: bool = False
    early_exit_penalty: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Product:
    """A pool product. `accrued_through` is the last day all its holdings have the income of.

    `daily_rate` is in force now; `next_rate` will be from the day `next_rate_from` on.
    """

    id: UUID
    name: str
    asset: str
    scale: int
    kind: str
    term_days: int | None
    cadence: str
    total_quota: Decimal
    sold_amount: Decimal
    minimum: Decimal
    early_exit: bool
    early_exit_penalty: Decimal
    accrued_through: date
    status: str
    created_at: datetime
    daily_rate: Decimal
    next_rate: Decimal | None = None
    next_rate_from: date | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """The daily rate of a product from a day on, until the next one."""

    from_day: date
    daily_rate: Decimal
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Holding:
    """What an investor has in a product.

    `daily_rate` is the product's now. `total_income` is all it has earned, `accrued_unpaid` what of
    that is not in the wallet yet, `carry` what is too little to be paid so far.
    """

    id: UUID
    sequence: int
    user_id: UUID
    product_id: UUID
    product_name: str
    asset: str
    account_id: int
    amount: Decimal
    total_income: Decimal
    carry: Decimal
    accrued_unpaid: Decimal
    daily_rate: Decimal
    accrued_through: date
    start_at: datetime
    end_at: datetime | None
    status: str
    created_at: datetime
    redeemed_at: datetime | None


@dataclass(frozen=True, slots=True)
class HoldingEntry:
    """One movement of a holding: `type` is pool_in, income_accrual, income or pool_out."""

    version: int
    type: str
    amount: Decimal
    balance_after: Decimal
    ref_no: str
    effective_at: datetime
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a redemption paid: `paid` = `principal` + `income` − `penalty`.

    `days` is for how many days the holding earned in all, `income` what of it was not paid before.
    """

    holding: Holding
    days: int
    principal: Decimal
    income: Decimal
    penalty: Decimal
    paid: Decimal


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an amount would earn at a rate that stays: in a day, in 365; `apr`, `apy` as fractions.

    The APR is what the specification calls APY: the daily rate times 365. The APY compounds it.
    """

    daily: Decimal
    yearly: Decimal
    apr: Decimal
    apy: Decimal


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
