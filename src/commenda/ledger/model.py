"""What the ledger speaks of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from commenda.audit import Event
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
    @cache
    def platform(cls) -> Owner:
        return cls(OwnerKind.PLATFORM, ids.derive("platform"))

    @classmethod
    @cache
    def venue(cls, name: str) -> Owner:
        return cls(OwnerKind.VENUE, ids.derive("venue", name))


class AccountKey(NamedTuple):
    """What an account is for; there is one account for each key.

    A hot account without a floor may be kept in stripes that take turns, see `rules.stripe_of`: its
    balance is theirs together.
    """

    kind: str
    owner: Owner
    asset: str
    scope_id: UUID | None = None
    leg_id: UUID | None = None
    instrument_id: int | None = None
    stripe: int = 0


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

    def event(
        self,
        kind: str,
        subject: object,
        correlation_id: UUID,
        result: str,
        details: Mapping[str, Any] | None = None,
    ) -> Event:
        """What happened to `subject`, to be recorded in the trail of events."""
        return Event(
            kind,
            str(subject),
            correlation_id,
            result,
            self.actor,
            self.rule_version,
            self.now,
            details or {},
        )


@dataclass(frozen=True, slots=True)
class Journal:
    """One business event to be posted, whole or not at all.

    `key` is its natural key: posting the same event again replays it. Lines of amount zero are
    left out. `effective_at` is the time of posting by default; it may be earlier, though not within
    a closed period, and not later. `reverses` links a reversal to what it undoes; `captures` names
    the group of holds that this journal spends.
    """

    key: str
    kind: str
    correlation_id: UUID
    lines: Sequence[Line]
    effective_at: datetime | None = None
    reverses: int | None = None
    captures: str | None = None


class Outcome(StrEnum):
    POSTED = "posted"
    REPLAYED = "replayed"
    REFUSED = "refused"


class Refusal(StrEnum):
    """Why a journal is refused."""

    BELOW_FLOOR = "below_floor"
    UNKNOWN_HOLD = "unknown_hold"
    HOLD_RESOLVED = "hold_resolved"
    HOLD_EXPIRED = "hold_expired"
    BEYOND_HOLD = "beyond_hold"


class Posted(NamedTuple):
    """What became of one journal; a refusal names the account that stood in its way."""

    journal_id: int | None
    outcome: Outcome
    refused_account: int | None
    reason: Refusal | None = None


# --- Holds -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hold:
    """Money to set aside on an account that has a floor, until it is captured, voided or expires.

    Holds of one `group` are placed and resolved together; without one a hold has `key` for itself.
    """

    key: str
    account_id: int
    amount: Decimal
    purpose: str
    correlation_id: UUID
    group: str | None = None
    expires_at: datetime | None = None

    @property
    def group_key(self) -> str:
        return self.key if self.group is None else self.group


class HoldStatus(StrEnum):
    HELD = "held"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


class HoldOutcome(StrEnum):
    PLACED = "placed"
    REPLAYED = "replayed"
    REFUSED = "refused"


class Placed(NamedTuple):
    """What became of one hold; a refusal names the account that has too little."""

    outcome: HoldOutcome
    refused_account: int | None
