"""Flows, subscriptions and signals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from commenda.venues import DEFAULT_VENUE

RULES = "copying/1"
"""Stored with every journal and event of this domain; changes when a rule of it does."""


class CopyMode(StrEnum):
    TARGET = "target"
    """Move to the creator's exposure: a missed or partial signal heals at the next one."""
    PERCENTAGE = "percentage"
    """Copy the trade: the same fraction of equity in, the same fraction of the position out."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A creator's shared strategy: one step on one instrument."""

    id: UUID
    creator_id: UUID
    title: str
    strategy: str
    params: Mapping[str, float]
    instrument_id: int
    status: str = "active"
    max_followers: int | None = None
    min_investment: Decimal = Decimal(0)
    description: str = ""
    tags: tuple[str, ...] = ()
    venue: str = DEFAULT_VENUE
    """Where its followers' books trade."""


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """What a follower decides about a copy. `auto_follow` off pauses it: what it holds stays."""

    auto_follow: bool = True
    notify_on_signal: bool = True
    max_slippage: Decimal = Decimal("0.01")
    """Kept for flows whose creators trade elsewhere; *together* there is one price for all."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One instrument of one flow: what the creator did, and the exposure that resulted.

    `target` is a signed fraction of the creator's equity; `trigger_price` is set when a resting
    stop fired. `sequence` counts a flow's signals.
    """

    id: UUID
    flow_id: UUID
    sequence: int
    instrument_id: int
    previous_target: Decimal
    target: Decimal
    reference_price: Decimal
    trigger_price: Decimal | None
    status: str
    created_at: datetime
