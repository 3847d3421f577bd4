"""Products and subscriptions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from commenda.managed.waterfall import FeeTerms

RULES = "managed/1"
"""Stored with every journal this domain posts; changes when a rule of it does."""


class Profile(StrEnum):
    CONSERVATIVE = "conservative"
    BALANCED = "balanced"
    AGGRESSIVE = "aggressive"


@dataclass(frozen=True, slots=True)
class Product:
    """Profile × term × tier: what an investor subscribes to with one click."""

    id: UUID
    profile: Profile
    term_days: int
    tier: str
    asset: str
    minimum: Decimal
    maximum: Decimal
    early_exit: bool = False


@dataclass(frozen=True, slots=True)
class ExpectedReturn:
    """One dated cell of the return matrix. Percent thresholds grade the deviation from it."""

    annual_return: Decimal
    warning_percent: Decimal
    alert_percent: Decimal


@dataclass(frozen=True, slots=True)
class Offer:
    """A product with the terms and the expectation it has from a date on."""

    product: Product
    terms: FeeTerms
    expected: ExpectedReturn
    valid_from: datetime
