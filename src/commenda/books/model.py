"""Isolated books and their parts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from commenda.ledger import Owner


class Leg(NamedTuple):
    """One creator's part of a scope."""

    id: UUID
    scope_id: UUID
    creator_id: UUID
    account_id: int
    capital: Decimal
    venue: str
    """The account at a venue where it trades and has its cash."""


class NewLeg(NamedTuple):
    id: UUID
    creator_id: UUID
    capital: Decimal
    venue: str


@dataclass(frozen=True, slots=True)
class Scope:
    """One isolated book: a subscription's or a creator's own."""

    id: UUID
    kind: str
    owner: Owner
    asset: str
    correlation_id: UUID
