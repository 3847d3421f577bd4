"""Two venues for tests: the paper venue on a market in the test's hands, and another one.

The other one keeps its books in memory, outlives whoever connects to it, and can be told to lose
answers, to be late, to repeat itself and to take requests in after their sender has given up.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import TypeVar
from uuid import UUID

from commenda.kit.db import Database
from commenda.kit.money import quantise
from commenda.market import Bar, CandleFeed, Funding, Instrument, Mark
from commenda.venues import (
    Capabilities,
    Execution,
    Fill,
    FundingPayment,
    OrderKind,
    OrderRequest,
    OrderStatus,
    OrderView,
    PaperVenue,
    Venue,
    VenueAccount,
    VenueUnavailable,
)

D = Decimal
T = TypeVar("T")
HOUR = 3600
PLENTY = D(10**9)
FEE = D("0.0003")
SETTLES_IN = timedelta(minutes=10)


class HandFeed(CandleFeed):
    """Hourly bars of one instrument that are made as time goes on; funding with every bar."""

    def __init__(self, instrument: Instrument, start: datetime, price: Decimal) -> None:
        self.instruments, self.interval = (instrument,), HOUR
        self.now, self.price = int(start.timestamp()), price
        self.bars: dict[int, Bar] = {}
        self._bar(price, price, PLENTY)

    def _bar(self, opened: Decimal, closed: Decimal, volume: Decimal) -> None:
        low, high = sorted((float(opened), float(closed)))
        self.bars[self.now] = Bar(self.now, float(opened), high, low, float(closed), float(volume))

    def move(self, price: Decimal, offered: Decimal | None = None) -> None:
        """The bar that is open goes to `price` and closes; what it offered is all for a while."""
        self._bar(self.price, price, PLENTY if offered is None else offered)
        self.now, self.price = self.now + HOUR, price
        self._bar(price, price, PLENTY if offered is None else D(0))

    def instrument(self, instrument_id: int) -> Instrument:
        return self.instruments[0]

    def bar(self, instrument_id: int, ts: int) -> Bar | None:
        return self.bars.get(ts)

    def timestamps(self, start: int, end: int) -> list[int]:
        return [ts for ts in self.bars if start <= ts < end]

    def mark_at(self, instrument_id: int, ts: int) -> Mark:
        return Mark(self.price, datetime.fromtimestamp(ts, UTC), "candle")

    def funding_between(self, instrument_id: int, after_ts: int, until_ts: int) -> list[Funding]:
        return [
            Funding(ts, D("0.0001"), self.mark_at(instrument_id, ts))
            for ts in self.bars
            if after_ts < ts <= until_ts
        ]


@dataclass
class PaperMarket:
    """The paper venue under `commenda.testing`'s `VenueMarket`."""

    database: Database
    instrument: Instrument
    feed: HandFeed
    name: str = "paper"

    def __post_init__(self) -> None:
        self.venue: Venue = self.reconnect()

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.feed.now, UTC)

    @property
    def price(self) -> Decimal:
        return self.feed.price

    def move(self, price: Decimal, offered: Decimal | None = None) -> None:
        self.feed.move(price, offered)

    def reconnect(self) -> PaperVenue:
        return PaperVenue(
            self.database, self.feed, slippage=D(0), participation=D(1), name=self.name
        )


# --- another venue ---------------------------------------------------------------------------


class Died(Exception):
    """The process ended here."""


@dataclass
class Held:
    """An order in the exchange's books, and how many of its fills it shows by now."""

    request: OrderRequest
    status: OrderStatus = OrderStatus.ACCEPTED
    fills: list[Fill] = field(default_factory=list)
    reason: str | None = None
    shown: int = 0

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), D(0))


@dataclass
class Exchange:
    """The other venue's side: one account."""

    instruments: Sequence[Instrument]
    deduplicates: bool = True
    fee: Decimal = FEE
    at_once: Decimal | None = None
    """Orders are filled at this price as they come in; without one they wait for `trade`."""
    late: bool = False
    """Fills are shown later than they are counted."""
    garbled: bool = False
    """What is shown comes twice, and the last first."""

    orders: dict[UUID, Held] = field(default_factory=dict)
    received: Counter[UUID] = field(default_factory=Counter)
    post: list[OrderRequest] = field(default_factory=list)
    """Requests on their way, whose sender has heard nothing."""
    trades: list[Execution] = field(default_factory=list)
    transfers: dict[UUID, Decimal] = field(default_factory=dict)
    wallets: dict[str, Decimal] = field(default_factory=dict)
    net: dict[int, Decimal] = field(default_factory=dict)
    faults: deque[str] = field(default_factory=deque)

    def accept(self, request: OrderRequest) -> Held:
        self.received[request.id] += 1
        if request.id in self.orders:
            return self.orders[request.id]
        held = self.orders[request.id] = Held(request)
        (instrument,) = (one for one in self.instruments if one.id == request.instrument_id)
        if request.quantity * request.reference_price < instrument.minimum_notional:
            held.status, held.reason = OrderStatus.REFUSED, "too small"
        elif self.at_once is not None:
            limit, side = request.limit_price, request.side.sign
            if limit is None or side * (self.at_once - limit) <= 0:
                self.trade(request.id, request.quantity, self.at_once)
        return held

    def deliver(self) -> None:
        for request in self.post:
            self.accept(request)
        self.post.clear()

    def working(self) -> list[Held]:
        return [held for held in self.orders.values() if not held.status.is_terminal]

    def trade(self, order_id: UUID, quantity: Decimal, price: Decimal) -> None:
        held = self.orders[order_id]
        request = held.request
        fee = quantise(quantity * price * self.fee, 8, ROUND_UP)
        fill = Fill(f"t{len(self.trades)}", quantity, price, fee)
        held.fills.append(fill)
        whole = held.filled == request.quantity
        if not held.status.is_terminal:
            held.status = OrderStatus.FILLED if whole else OrderStatus.PARTLY_FILLED
        if not self.late:
            held.shown = len(held.fills)
        self.book(Execution(order_id, request.instrument_id, request.side, fill))

    def book(self, one: Execution) -> None:
        """A trade of the account, whoever ordered it."""
        self.trades.append(one)
        (quote,) = (i.quote for i in self.instruments if i.id == one.instrument_id)
        quantity = one.side.sign * one.fill.quantity
        cost = quantity * one.fill.price + one.fill.fee
        self.wallets[quote] = self.wallets.get(quote, D(0)) - cost
        self.net[one.instrument_id] = self.net.get(one.instrument_id, D(0)) + quantity

    def end(self, order_id: UUID, status: OrderStatus) -> None:
        held = self.orders[order_id]
        if not held.status.is_terminal:
            held.status, held.reason = status, status.value

    def expire(self, now: datetime) -> None:
        for held in self.working():
            if held.request.expires_at is not None and held.request.expires_at <= now:
                self.end(held.request.id, OrderStatus.EXPIRED)

    def show(self) -> None:
        for held in self.orders.values():
            held.shown = len(held.fills)

    def match(self, price: Decimal, offered: Decimal) -> None:
        """The market trades at a price, through limits on the way."""
        for held in self.working():
            one, side = held.request, held.request.side.sign
            reached = one.trigger_price is None or side * (price - one.trigger_price) >= 0
            kept = one.limit_price is None or side * (price - one.limit_price) < 0
            quantity = min(one.quantity - held.filled, offered)
            if reached and kept and quantity:
                offered -= quantity
                self.trade(one.id, quantity, price if one.limit_price is None else one.limit_price)


@dataclass(frozen=True)
class OtherVenue:
    """Implements `Venue`: what it takes to add one."""

    exchange: Exchange
    marks: Callable[[datetime], dict[int, Decimal]]
    name: str = "other"
    honest: bool = False
    """Without faults, and showing all there is."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            frozenset(OrderKind),
            deduplicates=self.exchange.deduplicates,
            settles_in=SETTLES_IN,
            ends_after=timedelta(0),
        )

    def submit(self, order: OrderRequest, now: datetime) -> OrderView:
        return self._answer(lambda: self._view(self.exchange.accept(order)), order)

    def cancel(self, order: OrderRequest, now: datetime) -> OrderView | None:
        def act() -> OrderView | None:
            if order.id in self.exchange.orders:
                self.exchange.end(order.id, OrderStatus.CANCELLED)
            return self._find(order.id, now)

        return self._answer(act)

    def replace(self, order: OrderRequest, now: datetime) -> OrderView | None:
        raise NotImplementedError("it does not replace, and says so")

    def order(self, order: OrderRequest, now: datetime) -> OrderView | None:
        return self._answer(lambda: self._find(order.id, now))

    def open_orders(self, now: datetime) -> Sequence[OrderView]:
        self.exchange.expire(now)
        return [self._view(held) for held in self.exchange.working()]

    def resting(self, now: datetime) -> Sequence[tuple[UUID | None, str]]:
        return ()

    def begin(self, now: datetime) -> Mapping[str, str]:
        return {}

    def executions(
        self, cursor: str | None, now: datetime
    ) -> tuple[Sequence[Execution], str | None]:
        new = self._answer(lambda: self.exchange.trades[int(cursor or 0) :])
        return new, str(int(cursor or 0) + len(new)) if new else cursor

    def account(self, now: datetime) -> VenueAccount:
        net, marks = dict(self.exchange.net), self.marks(now)
        unrealised = {one: quantity * marks[one] for one, quantity in net.items()}
        return VenueAccount(dict(self.exchange.wallets), net, unrealised)

    def income(
        self, cursor: str | None, now: datetime
    ) -> tuple[Sequence[FundingPayment], str | None]:
        return [], cursor

    def transfer(self, reference: UUID, asset: str, amount: Decimal, now: datetime) -> None:
        if reference not in self.exchange.transfers:
            self.exchange.transfers[reference] = amount
            self.exchange.wallets[asset] = self.exchange.wallets.get(asset, D(0)) + amount

    def _find(self, order_id: UUID, now: datetime) -> OrderView | None:
        self.exchange.expire(now)
        held = self.exchange.orders.get(order_id)
        return None if held is None else self._view(held)

    def _view(self, held: Held) -> OrderView:
        shown = tuple(held.fills if self.honest else held.fills[: held.shown])
        if self.exchange.garbled and not self.honest:
            shown = (*reversed(shown), *shown)
        return OrderView(held.request.id, held.status, held.filled, shown, held.reason)

    def _answer(self, act: Callable[[], T], order: OrderRequest | None = None) -> T:
        """`act`, with the next fault that was asked for: `down` before it is heard, `slow` while it
        is under way, `lost` and `died` after it was done."""
        faults = self.exchange.faults
        fault = faults.popleft() if faults and not self.honest else None
        if fault == "slow" and order is not None:
            self.exchange.post.append(order)
        if fault in ("down", "slow"):
            raise VenueUnavailable(fault)
        answer = act()
        if fault == "lost":
            raise VenueUnavailable(fault)
        if fault == "died":
            raise Died
        return answer


@dataclass
class OtherMarket:
    """The other venue under `commenda.testing`'s `VenueMarket`."""

    instrument: Instrument
    now: datetime
    price: Decimal

    def __post_init__(self) -> None:
        self.exchange = Exchange([self.instrument])
        self.venue: Venue = self.reconnect()

    def move(self, price: Decimal, offered: Decimal | None = None) -> None:
        self.now += timedelta(minutes=1)
        self.price = price
        self.exchange.expire(self.now)
        self.exchange.match(price, PLENTY if offered is None else offered)

    def reconnect(self) -> Venue:
        return OtherVenue(self.exchange, lambda _: {self.instrument.id: self.price})
