"""Orders and fills as a venue knows them, and the protocol that a venue speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class OrderKind(StrEnum):
    MARKET = "market"
    STOP = "stop"
    """Rests at the venue and becomes a market order once its trigger price trades."""


class OrderStatus(StrEnum):
    INTENDED = "intended"
    FILLED = "filled"
    PARTIAL = "partial"
    """Terminal with less than was asked for; what is missing is never chased."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Order:
    """A parent order. Its id is the client order id, so the venue knows it when asked again."""

    id: UUID
    venue: str
    instrument_id: int
    side: Side
    kind: OrderKind
    quantity: Decimal
    trigger_price: Decimal | None
    reference_price: Decimal
    cause: str
    cause_id: UUID
    correlation_id: UUID
    status: OrderStatus = OrderStatus.INTENDED
    reason: str | None = None


class Fill(NamedTuple):
    """One execution at the venue, under the venue's own id. Quantity is positive; fee is paid."""

    id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """What the venue says of a terminal order."""

    status: OrderStatus
    fills: Sequence[Fill]
    reason: str | None = None


class FundingPayment(NamedTuple):
    """What the venue paid (+) or took (−) on its net position at a funding stamp."""

    instrument_id: int
    stamp: datetime
    rate: Decimal
    mark: Decimal
    mark_source: str
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class VenueAccount:
    """The venue's own view of the platform's account."""

    wallets: dict[str, Decimal]
    quantities: dict[int, Decimal]
    unrealised: dict[int, Decimal]


class Venue(Protocol):
    """Where orders become fills.

    Every call that moves something carries the caller's reference and is answered the same when
    it is repeated: after a crash the caller asks again instead of guessing.
    """

    @property
    def name(self) -> str: ...

    def place(self, order: Order, now: datetime) -> Report:
        """Work the order until it is terminal. A second call returns the first report."""

    def lookup(self, order_id: UUID) -> Report | None:
        """The report of an order placed before, or None when the venue never saw it."""

    def transfer(self, reference: UUID, asset: str, amount: Decimal, now: datetime) -> None:
        """Pay in (+) or take out (−) cash, once for each reference."""

    def settle_funding(self, after: datetime, until: datetime) -> Sequence[FundingPayment]:
        """Charge the stamps in (after, until] once, and return their payments."""

    def account(self, now: datetime) -> VenueAccount:
        """Cash, net quantities and unrealised profit at the marks of `now`."""


class VenueBooks(Protocol):
    """What a venue says of the platform's account, at one moment."""

    @property
    def name(self) -> str: ...

    def account(self) -> VenueAccount:
        """Cash, net quantities and unrealised profit."""

    def report(self, order_id: UUID) -> Report | None:
        """What became of an order; None where the venue has not seen it."""

    def moved(self, transfers: Sequence[UUID]) -> set[UUID]:
        """Those of the transfers that it is known to have carried out."""

    def charged(self) -> Mapping[str, Decimal]:
        """Funding of each asset that it has charged and the ledger has not passed on."""
