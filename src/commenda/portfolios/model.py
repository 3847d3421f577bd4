"""Portfolios as they are asked for and shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import Amount, Body, Internal, Real, Whole, on_wire, one_of
from commenda.portfolios.covariance import Estimator
from commenda.portfolios.sizing import Method

RULES = "portfolios/1"
"""Stored with every journal and event of this domain; changes when a rule of it does."""

MOST_FLOWS = 50

Part = Annotated[Real, Field(ge=0, le=1)]


class Cause(StrEnum):
    FOUNDING = "founding"
    REBALANCE = "rebalance"
    ROLLBACK = "rollback"


class PortfolioRules(Body):
    """What a portfolio is sized by. Parts are fractions of its equity: 0.25 is a quarter."""

    method: Method = Method.RISK_BUDGET
    covariance: Estimator = Estimator.LEDOIT_WOLF
    target_volatility: Annotated[Real, Field(gt=0, le=10)] | None = Field(
        default=None, description="Of a year; weights are scaled down to it."
    )
    budgets: dict[UUID, Annotated[Real, Field(ge=0, le=1000)]] = Field(
        default_factory=dict,
        max_length=MOST_FLOWS,
        description="By flow: its part of the risk. Equal parts without any.",
    )
    fraction: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=0.5, description="Of Kelly's stake."
    )
    floor: Part = Field(default=0.0, description="Of each flow.")
    cap: Part = Field(default=1.0, description="Of each flow.")
    total: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=1.0, description="The most that all flows have; the rest is kept as cash."
    )
    band: Part = Field(default=0.0, description="Who is nearer to the target than that stays.")
    step: Part = Field(default=1.0, description="The most that one weight moves at once.")
    turnover: Annotated[Real, Field(ge=0, le=2)] = Field(
        default=2.0, description="The most that all weights move at once, added up."
    )
    automatic: bool = Field(
        default=False, description="Whether the machine may rebalance it by itself."
    )


Name = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f]+$")]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]+$")]


class PortfolioDraft(Body):
    """A portfolio to found with money of one's own wallet."""

    name: Name
    flows: Annotated[list[UUID], Field(min_length=1, max_length=MOST_FLOWS)]
    amount: Amount
    rules: PortfolioRules = Field(default_factory=PortfolioRules)


class PortfolioChange(Body):
    """What to change of a portfolio; what is left out stays. Rules hold from the next rebalance."""

    name: Name | None = None
    rules: PortfolioRules | None = None


class RebalanceOrder(Body):
    """A portfolio to bring to its weights, or back to those that an earlier rebalance had."""

    portfolio_id: UUID
    dry_run: bool = Field(default=False, description="Say what would be done, and do nothing.")
    back_to: Whole | None = Field(
        default=None, description="The number of a rebalance: its weights are gone back to."
    )
    reason: Reason = "asked for"


@on_wire
@dataclass(frozen=True, slots=True)
class RebalanceMove:
    """What a rebalance does with one flow's part; without a flow: with the cash that is kept."""

    leg_id: Internal[UUID]
    flow_id: UUID | None
    title: str | None
    equity: Annotated[Amount, Field(description="Before.")]
    actual: Annotated[Amount, Field(description="Its part of the portfolio before.")]
    target: Annotated[Amount, Field(description="The part that the rules find.")]
    weight: Annotated[Amount, Field(description="The part to go to: the target, eased.")]
    moved: Annotated[Amount, Field(description="Cash into it; out of it below 0.")]
    trade: Annotated[
        Amount,
        Field(description="The notional to be traded for it at the flow's exposure; sells below 0"),
    ]
    why: Annotated[str, one_of(("target", "eased", "kept"))]


@on_wire
@dataclass(frozen=True, slots=True)
class RebalancePlan:
    """A rebalance: to be (without a number) or done."""

    portfolio_id: UUID
    number: int | None
    cause: Annotated[str, one_of(Cause)]
    back_to: int | None
    rules: PortfolioRules
    rules_version: int
    asset: str
    equity: Amount
    turnover: Annotated[Amount, Field(description="Σ|weight − actual| over the flows.")]
    cost: Annotated[Amount, Field(description="Estimated: taker's fees of what is traded.")]
    reason: str
    author: str
    at: datetime
    moves: list[RebalanceMove]


@on_wire
@dataclass(frozen=True, slots=True)
class PortfolioPart:
    """One flow's part of a portfolio now; without a flow: the cash that is kept."""

    leg_id: Internal[UUID]
    flow_id: UUID | None
    title: str | None
    symbol: str | None
    equity: Amount
    weight: Annotated[Amount, Field(description="Its part of the equity now, at the marks.")]
    target: Annotated[Amount | None, Field(description="The part that it was given last.")]
    exposure: Annotated[Amount, Field(description="The value of its positions, without signs.")]


@on_wire
@dataclass(frozen=True, slots=True)
class Portfolio:
    """One book that divides its owner's money among flows, at the marks of `asOf`."""

    id: UUID
    owner_id: UUID
    name: str
    asset: str
    status: Annotated[str, one_of(("active", "closing", "closed"))]
    rules: PortfolioRules
    rules_version: int
    created_at: datetime
    as_of: datetime
    equity: Amount
    paid_in: Amount
    drift: Annotated[
        Amount, Field(description="The greatest difference of a weight from what it was given.")
    ]
    rebalances: int
    rebalanced_at: datetime | None
    parts: list[PortfolioPart]


def rules_from(stored: Any) -> PortfolioRules:
    """The rules that were stored as JSON."""
    return PortfolioRules.model_validate(stored)


ZERO = Decimal(0)
