"""What funding speaks of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import Amount, Asset, Body, Internal, derived, on_wire, one_of

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


ADDRESS = re.compile(r"[A-Za-z0-9:._+-]{4,128}")


def payment_reference(request: UUID) -> str:
    """What whoever pays a deposit in should write: a creditor reference of ISO 11649, "RF", two
    check digits (modulo 97, as of an IBAN) and 17 letters of the request's id."""
    body = request.hex[:17].upper()
    spelt = "".join(str(int(letter, 36)) for letter in body + "RF00")
    return f"RF{98 - int(spelt) % 97:02d}{body}"


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
    address: Annotated[
        str | None,
        Field(
            pattern=f"^{ADDRESS.pattern}$",
            examples=[None],
            description="Of a withdrawal: the IBAN or address that it goes to, without spaces. One"
            " that is new waits a day; without any it goes where the house has it from.",
        ),
    ] = None


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
    address: Annotated[str | None, Field(description="Of a withdrawal: where it goes.")] = None
    not_before: Annotated[
        datetime | None,
        Field(description="A new address is not paid to before; until then cancel."),
    ] = None

    @derived
    def payment_reference(self) -> str:
        """To be written with the payment, so that the bank's record of it is found: ISO 11649."""
        return payment_reference(self.id)
