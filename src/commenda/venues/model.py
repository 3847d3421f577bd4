"""Orders and fills as a venue knows them, and the protocol that a venue speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
    """Takes what there is at once; what it cannot get expires."""
    LIMIT = "limit"
    """Rests until it is filled at its limit or better, is cancelled, or expires."""
    STOP = "stop"
    """Rests and becomes a market order once its trigger price trades."""


class OrderStatus(StrEnum):
    """The life of an order. A venue says those from ACCEPTED on, the platform knows all."""

    INTENDED = "intended"
    SENT = "sent"
    UNKNOWN = "unknown"
    """Sent, and what became of it is not known: it is asked for, never sent again."""
    ACCEPTED = "accepted"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUSED = "refused"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = {
    OrderStatus.FILLED,
    OrderStatus.CANCELLED,
    OrderStatus.EXPIRED,
    OrderStatus.REFUSED,
}


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What is asked of a venue. Its id is the client order id, by which it is asked for again."""

    id: UUID
    instrument_id: int
    side: Side
    kind: OrderKind
    quantity: Decimal
    reference_price: Decimal
    """The price it was decided at: what a market order is worth to a venue's limits."""
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    expires_at: datetime | None = None
    active_from: datetime | None = None
    """A stop that a replay submits after the bar it fired in: since when it rested."""


class Fill(NamedTuple):
    """One execution at the venue, under the venue's own id. Quantity is positive; fee is paid."""

    id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    at: datetime | None = None
    """When, by the clock of a venue that has one of its own."""


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order as the venue shows it now. A refusal is a view too, with its reason.

    `filled` is what the venue says was filled; `fills` are the executions it can show by now, which
    may come later than the order's end.
    """

    id: UUID
    status: OrderStatus
    filled: Decimal
    fills: Sequence[Fill]
    reason: str | None = None


class Forced(StrEnum):
    """Why a venue closes a position that nobody asked it to close."""

    LIQUIDATED = "liquidated"
    """The account was down to its maintenance margin."""
    DELEVERAGED = "deleveraged"
    """Somebody else was, and neither the market nor the venue's fund took it."""
    SETTLED = "settled"
    """The contract is traded no more."""


class Execution(NamedTuple):
    """A fill as it comes in the account's own stream; without an id where nobody here sent it."""

    order_id: UUID | None
    instrument_id: int
    side: Side
    fill: Fill
    forced: Forced | None = None
    """Why the venue itself did it."""


class FundingPayment(NamedTuple):
    """What the venue paid (+) or took (−) on its net position at a funding stamp."""

    instrument_id: int
    stamp: datetime
    rate: Decimal
    mark: Decimal
    mark_source: str
    quantity: Decimal
    amount: Decimal
    charged_at: datetime | None = None
    """When, by the clock of a venue that has one of its own: who held then pays."""


class Clearing(NamedTuple):
    """What a venue took (−) when it liquidated the account, its fee, or gave (+), where its fund
    paid what was lost beyond the margin. Under the venue's own id."""

    id: str
    instrument_id: int
    amount: Decimal
    charged_at: datetime


@dataclass(frozen=True, slots=True)
class VenueAccount:
    """The venue's own view of the platform's account."""

    wallets: dict[str, Decimal]
    quantities: dict[int, Decimal]
    unrealised: dict[int, Decimal]
    worth: Mapping[int, Decimal] = field(default_factory=dict)
    """Of a venue that values by marks of its own: what each quantity is worth at them, signed."""
    strange: Mapping[str, Decimal] = field(default_factory=dict)
    """Quantities in contracts that nobody here knows, by their symbol."""

    def unrealised_at(self, instrument_id: int, mark: Decimal) -> Decimal:
        """The unrealised profit at another mark than the venue's own: what was paid is the same."""
        found = self.unrealised.get(instrument_id, Decimal(0))
        if instrument_id not in self.worth:
            return found
        return found + self.quantities[instrument_id] * mark - self.worth[instrument_id]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue can do, and what it promises."""

    kinds: frozenset[OrderKind]
    expires: bool
    """Ends an order itself at its `expires_at`; the platform cancels it then in any case."""
    deduplicates: bool
    """Accepts a client order id once, whatever became of it: submitting again is asking."""
    settles_in: timedelta
    """How long after a submission "I do not know that order" is its last word."""


class VenueUnavailable(Exception):
    """No answer: what was asked may have been done or not."""


class Venue(Protocol):
    """One account at a venue. It accepts and is observed: no call waits until an order is done.

    Every call that moves something carries the caller's reference: after a crash the caller asks
    again instead of guessing. Every call may raise `VenueUnavailable`.
    """

    @property
    def name(self) -> str:
        """The account's name in the books: the venue's, or `venue:account`."""

    @property
    def capabilities(self) -> Capabilities: ...

    def submit(self, order: OrderRequest, now: datetime) -> OrderView:
        """Hand an order in. Its id a second time is answered with the first order's view, or is
        refused; see `Capabilities.deduplicates`."""

    def cancel(self, order: OrderRequest, now: datetime) -> OrderView | None:
        """Ask to end an order; as `order`. One that is over stays as it is."""

    def order(self, order: OrderRequest, now: datetime) -> OrderView | None:
        """An order as it is now, with its executions; None when the venue does not know it.

        It is asked for by what was asked: by its id, where its instrument and kind are looked up.
        """

    def open_orders(self, now: datetime) -> Sequence[OrderView]:
        """Every order of the account that is not over."""

    def resting(self, now: datetime) -> Sequence[tuple[UUID | None, str]]:
        """Every order of the account that is not over, whoever sent it: its id where it bears one
        of ours, and its words. Empty where nobody else can send any."""

    def begin(self, now: datetime) -> Mapping[str, str]:
        """Where its streams (`executions`, `income`) stand now, for an account that was somebody's
        before; empty where they begin with us."""

    def executions(
        self, cursor: str | None, now: datetime
    ) -> tuple[Sequence[Execution], str | None]:
        """The account's fills after a cursor, each once, and the cursor after them; None: all."""

    def account(self, now: datetime) -> VenueAccount:
        """Cash, net quantities and unrealised profit at the marks of `now`."""

    def income(
        self, cursor: str | None, now: datetime
    ) -> tuple[Sequence[FundingPayment | Clearing], str | None]:
        """Funding that was paid after a cursor, what liquidations cost, and the cursor after it."""

    def transfer(self, reference: UUID, asset: str, amount: Decimal, now: datetime) -> None:
        """Pay in (+) or take out (−) cash, once for each reference."""


class VenueBooks(Protocol):
    """What a venue says of an account, at one moment."""

    @property
    def name(self) -> str: ...

    def account(self) -> VenueAccount:
        """Cash, net quantities and unrealised profit."""

    def fills(self, orders: Sequence[OrderRequest]) -> Mapping[UUID, Sequence[Fill]]:
        """What it has filled of these orders."""

    def moved(self, transfers: Sequence[UUID]) -> set[UUID]:
        """Those of the transfers that it is known to have carried out."""

    def charged(self) -> Mapping[str, Decimal]:
        """Funding of each asset that it has charged and the ledger has not passed on."""
