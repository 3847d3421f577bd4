"""What the ledger speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from commenda.kit import ids


class OwnerKind(StrEnum):
    INVESTOR = "investor"
    CREATOR = "creator"
    PLATFORM = "platform"
    PRODUCT = "product"
    VENUE = "venue"


class Owner(NamedTuple):
    """Whose money an account holds."""

    kind: OwnerKind
    id: UUID

    @classmethod
    def platform(cls) -> Owner:
        return cls(OwnerKind.PLATFORM, ids.derive("platform"))

    @classmethod
    def venue(cls, name: str) -> Owner:
        return cls(OwnerKind.VENUE, ids.derive("venue", name))


class AccountKey(NamedTuple):
    """What an account is for; there is one account for each key."""

    kind: str
    owner: Owner
    asset: str
    scope_id: UUID | None = None
    leg_id: UUID | None = None
    instrument_id: int | None = None


class Line(NamedTuple):
    """One signed amount on one account."""

    account_id: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Author:
    """By whom, under which rules and when (business time) journals are posted."""

    actor: str
    rule_version: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Journal:
    """One business event to be posted, whole or not at all.

    `key` is its natural key: posting the same event again replays it. Lines of amount zero are
    left out. `effective_at` defaults to the author's `now`.
    """

    key: str
    kind: str
    correlation_id: UUID
    lines: Sequence[Line]
    effective_at: datetime | None = None


class Outcome(StrEnum):
    POSTED = "posted"
    REPLAYED = "replayed"
    REFUSED = "refused"


class Posted(NamedTuple):
    """What became of one journal. A refusal names the account that would fall below its floor."""

    journal_id: int | None
    outcome: Outcome
    refused_account: int | None
