"""Products and subscriptions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import Amount, Asset, Body, Moment, on_wire, one_of
from commenda.managed.lifecycle import State
from commenda.managed.waterfall import FeeTerms

RULES = "managed/1"
"""Stored with every journal this domain posts; changes when a rule of it does."""


class Profile(StrEnum):
    CONSERVATIVE = "conservative"
    BALANCED = "balanced"
    AGGRESSIVE = "aggressive"


# --- Products and the return matrix ----------------------------------------------------------


@on_wire
@dataclass(frozen=True, slots=True)
class ExpectedReturn:
    """What is expected of a product in a year, and how far off, in percent, is a warning or an
    alert."""

    annual_return: Annotated[Amount, Field(examples=["0.12"])]
    warning_percent: Annotated[Amount, Field(examples=["2"])]
    alert_percent: Annotated[Amount, Field(examples=["5"])]


@on_wire
@dataclass(frozen=True, slots=True)
class Offer:
    """A product, profile × term × tier, with the terms and the expectation it has from a date on.

    An investor subscribes to it with one click. Nothing of it is a promise.
    """

    product_id: UUID
    profile: Annotated[str, one_of(Profile)]
    term_days: Annotated[int, Field(examples=[30])]
    tier: Annotated[str, Field(examples=["silver"])]
    asset: Asset
    minimum: Annotated[Amount, Field(description="The tier takes this amount and greater ones.")]
    maximum: Annotated[Amount, Field(description="It takes less than this: the next begins here.")]
    early_exit: bool
    fees: FeeTerms
    expected_return: ExpectedReturn
    terms_valid_from: datetime


@on_wire
@dataclass(frozen=True, slots=True)
class MatrixCell(ExpectedReturn):
    """The cell of one profile, term and tier of the return matrix, and since when it holds."""

    product_id: UUID
    profile: Annotated[str, one_of(Profile)]
    term_days: int
    tier: str
    valid_from: datetime


Percent = Annotated[Amount, Field(ge=0, le=1000)]


class CellChange(Body):
    """What is to be expected of a product."""

    product_id: UUID
    annual_return: Annotated[Amount, Field(ge=-1, le=100)]
    warning_percent: Percent
    alert_percent: Percent


class MatrixChange(CellChange):
    """A new cell for a product, from a date on that has not passed."""

    valid_from: Moment


class MatrixProposal(Body):
    """New cells of the return matrix, all from one date on that has not passed."""

    valid_from: Moment
    cells: Annotated[list[CellChange], Field(min_length=1, max_length=200)]

    @classmethod
    def of(cls, asked: MatrixChange | MatrixProposal) -> MatrixProposal:
        """One cell is a proposal, too."""
        if isinstance(asked, MatrixProposal):
            return asked
        cell = asked.model_dump()
        since = cell.pop("valid_from")
        return cls(valid_from=since, cells=[CellChange(**cell)])


@on_wire
@dataclass(frozen=True, slots=True)
class Decision:
    """Who asked for something, and who decided it."""

    approval_id: UUID
    asked_by: UUID
    asked_by_name: str
    asked_at: datetime
    decided_by: UUID
    decided_by_name: str
    decided_at: datetime


@on_wire
@dataclass(frozen=True, slots=True)
class DatedCell(ExpectedReturn):
    """A cell of the matrix over the time in which it holds. One that was published with its product
    has no decision."""

    valid_from: datetime
    valid_until: datetime | None
    decision: Decision | None


@on_wire
@dataclass(frozen=True, slots=True)
class DatedTerms:
    """What a product asks, over the time in which subscriptions are made under it."""

    fees: FeeTerms
    valid_from: datetime
    valid_until: datetime | None


@on_wire
@dataclass(frozen=True, slots=True)
class ProductHistory:
    """A product as it is offered, and all its terms and expectations, the latest first."""

    offer: Offer
    terms: list[DatedTerms]
    cells: list[DatedCell]
    as_of: datetime


# --- Requests and what is made of them -------------------------------------------------------


class CustodyLimit(Body):
    """Up to how much of an asset the platform may manage."""

    asset: Asset = "USDT"
    limit: Annotated[Amount, Field(ge=0)]


class SubscriptionOrder(Body):
    """One click: a product and an amount."""

    product_id: UUID
    amount: Annotated[Amount, Field(gt=0)]


class WithdrawalOrder(Body):
    """How much is to be taken out of a subscription that goes on."""

    amount: Annotated[Amount, Field(gt=0)]


class BatchOrder(Body):
    """Which subscriptions to settle; without a list all that have matured when it is approved."""

    subscription_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=500)


@on_wire
@dataclass(frozen=True, slots=True)
class Asked:
    """A request that waits for a second person."""

    approval_id: UUID
    status: Literal["requested"] = "requested"


@on_wire
@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """A subscription and its state now."""

    subscription_id: UUID
    status: State


@on_wire
@dataclass(frozen=True, slots=True)
class WithdrawalAsked(SubscriptionState):
    """A subscription that goes on, and the withdrawal that was asked for."""

    withdrawal_id: UUID
    amount: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class SubscriptionMade:
    """A subscription whose principal is reserved and whose creators are drawn."""

    subscription_id: UUID
    execution_scope_id: UUID
    status: State
    product_id: UUID
    amount: Amount
