"""Managed wealth on the wire: what is asked and answered."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from commenda.books import Trigger
from commenda.kit.web import Amount, Asset, Body, Moment
from commenda.managed.lifecycle import State
from commenda.managed.model import Profile

Percent = Annotated[Amount, Field(ge=0, le=1000)]
Level = Literal["NORMAL", "WARNING", "ALERT", "INSUFFICIENT"]

# --- Custody ------------------------------------------------------------------------------------


class CustodyLimit(Body):
    """Up to how much of an asset the platform may manage."""

    asset: Asset = "USDT"
    limit: Annotated[Amount, Field(ge=0)]


class CustodyAuthorisation(Body):
    """An authorisation, what of it is in use, and what can be subscribed now."""

    asset: Asset
    limit: Amount
    in_use: Amount = Field(description="Principal of subscriptions that are not yet settled.")
    available: Amount = Field(description="The wallet or what is left of the limit, if less.")
    authorised_at: datetime | None = None


# --- Products and the return matrix ----------------------------------------------------------


class Fees(Body):
    """What a product asks, as fractions: annual rates of the principal, parts of the profit."""

    management_fee: Amount
    hurdle: Amount
    profit_share: Amount
    platform_cut: Amount
    referral_rates: list[Amount]


class Expectation(Body):
    """What is expected of a product in a year, and how far off is a warning or an alert."""

    annual_return: Amount = Field(examples=["0.12"])
    warning_percent: Amount = Field(examples=["2"])
    alert_percent: Amount = Field(examples=["5"])


class ProductOffer(Body):
    """A product with the terms and the expectation in force. Nothing of it is a promise."""

    product_id: UUID
    profile: Profile
    term_days: int = Field(examples=[30])
    tier: str = Field(examples=["silver"])
    asset: Asset
    minimum: Amount
    maximum: Amount
    early_exit: bool
    fees: Fees
    expected_return: Expectation
    terms_valid_from: datetime


class MatrixCell(Expectation):
    """The cell of one profile, term and tier, and since when it holds."""

    product_id: UUID
    profile: Profile
    term_days: int
    tier: str
    valid_from: datetime


class MatrixChange(Body):
    """A new cell for a product, from a date on that has not passed."""

    product_id: UUID
    annual_return: Annotated[Amount, Field(ge=-1, le=100)]
    warning_percent: Percent
    alert_percent: Percent
    valid_from: Moment


class Asked(Body):
    """A request that waits for a second person."""

    approval_id: UUID
    status: Literal["requested"] = "requested"


# --- Subscriptions ---------------------------------------------------------------------------


class SubscriptionOrder(Body):
    """One click: a product and an amount."""

    product_id: UUID
    amount: Annotated[Amount, Field(gt=0)]


class SubscriptionMade(Body):
    """A subscription whose principal is reserved and whose creators are drawn."""

    subscription_id: UUID
    execution_scope_id: UUID
    status: State
    product_id: UUID
    amount: Amount


class SubscriptionState(Body):
    """A subscription and its state now."""

    subscription_id: UUID
    status: State


class SubscribedProduct(Body):
    product_id: UUID
    profile: Profile
    term_days: int
    tier: str
    early_exit: bool


class Performance(Body):
    """Value and profit as of a time, against what the matrix in force at subscription expected.

    While it runs: before fees, pro rata of the days held. Once settled: what came to the wallet.
    """

    current_value: Amount
    profit: Amount
    as_of: datetime
    days_held: int
    annual_return: Amount
    expected_gain: Amount
    deviation: Amount
    deviation_rate: Amount | None = Field(description="Percent of the expected gain.")
    deviation_level: Level
    advice: Literal["hold", "check", "consider_redeeming", "wait"]


class SubscriptionSummary(Body):
    """A subscription in a list."""

    subscription_id: UUID
    investor_id: UUID
    status: State
    amount: Amount
    asset: Asset
    product: SubscribedProduct
    subscribed_at: datetime
    activated_at: datetime | None
    matures_at: datetime | None
    settled_at: datetime | None
    performance: Performance


class SubscriptionPage(Body):
    items: list[SubscriptionSummary]
    next_cursor: str | None = None


class AllocatedTrader(Body):
    """A creator who is copied, with what part of the principal, and what it is worth."""

    flow_id: UUID
    title: str
    creator_id: UUID
    creator: str
    weight: Amount
    amount: Amount
    current_value: Amount | None
    status: str


class AllocationPart(Body):
    """Whom the draw chose; `seed` and `version` reproduce it from the stored snapshot."""

    version: str = Field(examples=["allocation-1"])
    seed: str
    last_rebalance_at: datetime
    traders: list[AllocatedTrader]


class ReservationPart(Body):
    status: Literal["reserved", "deployed", "released"]
    reserved_amount: Amount
    released_amount: Amount


class LiquidationPart(Body):
    """How far the real closing of every position is; why it failed and when it is tried again."""

    door: Trigger
    requested_at: datetime
    attempts: int
    reason: str | None
    next_retry_at: datetime | None
    liquidated_at: datetime | None


class SettlementPart(Body):
    """Where every unit of the equity went."""

    settled_at: datetime
    equity: Amount
    management_fee: Amount
    hurdle: Amount
    profit_share: Amount
    to_creators: Amount
    to_platform: Amount
    to_referrers: Amount
    to_wallet: Amount
    shortfall: Amount
    days: int


class SubscriptionDetail(SubscriptionSummary):
    """Everything of a subscription but its executions, NAV and trace, which have their own paths.

    `executionScopeId` is its isolated book.
    """

    execution_scope_id: UUID
    matured_at: datetime | None
    allocation: AllocationPart
    reservation: ReservationPart
    liquidation: LiquidationPart | None
    settlement: SettlementPart | None


class NavPoint(Body):
    """The book at the end of a business day; the return is since the beginning, as a fraction."""

    at: datetime
    capital: Amount
    nav: Amount
    return_: Amount = Field(alias="return")


class NavHistory(Body):
    subscription_id: UUID
    asset: Asset
    method: Literal["TWR"] = Field(
        default="TWR", description="Time-weighted; nothing is paid in or out during a term."
    )
    points: list[NavPoint]


class AllocationSnapshot(Body):
    """The whole draw: candidates with scores and reasons, policy, seed, weights, version."""

    subscription_id: UUID
    snapshot: dict[str, Any]


class Trace(Body):
    """Subscription, allocation, executions, NAV, liquidation, settlement, referral, in order.

    Beside them the journals and audit events of its correlation id.
    """

    subscription: dict[str, Any]
    allocation: list[dict[str, Any]]
    executions: list[dict[str, Any]]
    nav: list[dict[str, Any]]
    liquidation: list[dict[str, Any]]
    settlement: list[dict[str, Any]]
    referral: list[dict[str, Any]]
    journals: list[dict[str, Any]]
    events: list[dict[str, Any]]


class BatchOrder(Body):
    """Which subscriptions to settle; without a list all that have matured when it is approved."""

    subscription_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=500)


def rounded(rate: Decimal | None) -> Decimal | None:
    """A rate in percent as it is shown."""
    return None if rate is None else round(rate, 4)
