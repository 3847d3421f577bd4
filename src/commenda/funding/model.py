"""What funding speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

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


@dataclass(frozen=True, slots=True)
class Order:
    """What a user asks for. One `reference` stands for one request; without one, `key` does."""

    direction: Direction
    amount: Decimal
    asset: str
    reference: str | None
    key: str


@dataclass(frozen=True, slots=True)
class Funding:
    """A request and what became of it."""

    id: UUID
    sequence: int
    user_id: UUID
    asset: str
    direction: str
    amount: Decimal
    reference: str | None
    status: str
    approval_id: UUID | None
    created_at: datetime
    done_at: datetime | None
