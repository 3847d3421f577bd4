"""What funding speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import Amount, Asset, Body, Internal, on_wire, one_of

RULES = "funding/2"
"""Stored with every journal this domain posts; changes when a rule of it does."""


class Purpose(StrEnum):
    """What this domain holds money for."""

    WITHDRAWAL = "withdrawal"
    """Until a second person decides."""
    FREEZE = "freeze"
    """Until an operator voids it, or its time has come."""


class Direction(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


class FundingStatus(StrEnum):
    PENDING = "pending"
    DONE = "done"
    REJECTED = "rejected"
    REVERSED = "reversed"
    """Done, and undone by a journal: follows from the ledger, is not stored."""


Reference = Annotated[
    str,
    Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$", examples=["bank-2026-0117"]),
]


class FundingOrder(Body):
    """Money to bring in, or to take out. One `reference` stands for one request."""

    direction: Direction = Direction.DEPOSIT
    amount: Annotated[Amount, Field(gt=0)]
    asset: Asset = "USDT"
    reference: Reference | None = Field(
        default=None, description="Your own name for it: one reference, one request."
    )


@on_wire
@dataclass(frozen=True, slots=True)
class Funding:
    """A deposit or withdrawal and what became of it."""

    id: UUID
    sequence: Internal[int]
    user_id: Internal[UUID]
    asset: Asset
    direction: Annotated[str, one_of(Direction)]
    amount: Amount
    reference: str | None
    status: Annotated[str, one_of(FundingStatus)]
    approval_id: Annotated[UUID | None, Field(description="What a second person decides.")]
    created_at: datetime
    done_at: datetime | None
