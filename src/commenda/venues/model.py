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
    """Rests and becomes a market order once its trigger price trades; with a limit price, a limit
    order."""


class TimeInForce(StrEnum):
    """How long a limit order may wait. When it ends at the latest, its `expires_at` says."""

    GTC = "gtc"
    """Until it is filled or cancelled."""
    IOC = "ioc"
    """Not at all: it takes what there is at its limit or better, and the rest expires."""
    POST_ONLY = "post_only"
    """As long, and it only ever makes: one that would take is refused."""


class Why(StrEnum):
    """Why a venue turned an order down, where its answer says so: the word before the colon of a
    view's reason."""

    WOULD_TAKE = "would_take"
    """Post-only, and somebody is on the other side."""
    NOTHING_TO_REDUCE = "nothing_to_reduce"
    """Reduce-only, and nothing is held that it would close."""
    WOULD_TRIGGER = "would_trigger"
    """A stop beyond whose trigger the market is already."""
    SHORT_OF_MARGIN = "short_of_margin"
    PRICE_BOUND = "price_bound"
    """Further from the mark than the venue takes."""
    NOT_TAKEN = "not_taken"
    """The venue has no such orders at all."""


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
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    """It closes what the account holds, and opens nothing: the venue cuts what is beyond."""
    exits: bool = False
    """It opens or increases nothing of anybody's: it goes first where calls are counted."""


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
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    """Its terms as they are now, of a venue that says so: they can be others than were asked."""


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
    deduplicates: bool
    """Accepts a client order id once, whatever became of it: submitting again is asking."""
    settles_in: timedelta
    """How long after a submission "I do not know that order" is its last word."""
    ends_after: timedelta | None = None
    """Ends an order itself at an `expires_at` that is so far ahead or farther; None: never. The
    platform cancels it then in any case."""
    times: frozenset[TimeInForce] = frozenset({TimeInForce.GTC})
    limited_stops: bool = False
    """Takes a stop with a limit price."""
    reduces: bool = False
    """Takes `reduce_only`."""
    replaces: bool = False
    """Changes price and quantity of an order that rests."""
    holds: bool = False
    """What is bought there is held: nothing can be sold that is not, and the fee is taken of it. A
    fill's quantity is what was left, its fee what was taken, at its price."""

    def lacks(self, order: OrderRequest) -> str | None:
        """What keeps the venue from taking an order of that manner; None where nothing does."""
        if order.kind not in self.kinds:
            return f"{order.kind} orders"
        if order.time_in_force not in self.times:
            return f"{order.time_in_force} orders"
        if order.reduce_only and not self.reduces:
            return "reduce-only orders"
        limited = order.kind is OrderKind.STOP and order.limit_price is not None
        return "stops with a limit" if limited and not self.limited_stops else None

    def ends(self, order: OrderRequest, now: datetime) -> bool:
        """Whether the venue itself is to end an order at its time."""
        return (
            self.ends_after is not None
            and order.expires_at is not None
            and order.expires_at - now >= self.ends_after
        )


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

    def replace(self, order: OrderRequest, now: datetime) -> OrderView | None:
        """Ask for another limit price or quantity of an order that rests: as `order`, whose id is
        the same. The view has the terms that are; where they were refused the old ones, and why.
        One that is over stays as it is; the venue may end it where the new terms cannot rest. Only
        of a venue that replaces."""

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
