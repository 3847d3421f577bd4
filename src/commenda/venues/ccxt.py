"""An account at an exchange that is reached through ccxt, whichever it is.

Numbers are read as strings, amounts are sent as such: nothing goes through a float. What exchanges
say differently is in their dialects (`binance`, `bybit`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.kit.errors import CommendaError
from commenda.kit.money import plain
from commenda.market import Instrument
from commenda.venues.budget import Priority
from commenda.venues.desk import Desk
from commenda.venues.dialect import (
    Cleared,
    Deal,
    Dialect,
    Filters,
    Paid,
    Refusal,
    Sender,
    Shown,
    moment_of,
    our_order,
)
from commenda.venues.model import (
    Capabilities,
    Clearing,
    Execution,
    Fill,
    FundingPayment,
    OrderRequest,
    OrderStatus,
    OrderView,
    Side,
    VenueAccount,
    VenueUnavailable,
    Why,
)
from commenda.venues.trial import cannot_trade, may_withdraw

_REMEMBERED = 10_000


@contextmanager
def looking() -> Iterator[None]:
    """Look at what is there; a refusal to show it is no answer."""
    try:
        yield
    except Refusal as refusal:
        raise VenueUnavailable(refusal.short) from None


@dataclass(slots=True)
class CcxtVenue:
    """Implements `Venue` for one account."""

    desk: Desk
    instruments: Mapping[int, Instrument]
    name: str
    _owners: dict[tuple[str, str], Sender] = field(default_factory=dict)
    _sent: dict[UUID, None] = field(default_factory=dict)
    """The latest orders: an id is free again once its order is over, and would be taken again."""
    _prepared: set[str] = field(default_factory=set)
    """Contracts in which an order may be sent; the empty one stands for the account."""
    _filters: Mapping[str, Filters] = field(default_factory=dict)
    """As they were when it was prepared."""

    @property
    def dialect(self) -> Dialect:
        return self.desk.dialect

    @property
    def capabilities(self) -> Capabilities:
        return self.dialect.capabilities

    # --- before it trades -----------------------------------------------------------------------

    def prepare(self) -> None:
        """Assert what every order counts on: a key that cannot take money out, an account that is
        set as `Dialect.modes` says. Codes `key_may_withdraw`, `key_cannot_trade`, `wrong_mode`
        where the exchange keeps another one, because something is open."""
        rights = self.dialect.rights(self.desk.asking(Priority.EXIT))
        if rights.withdraws:
            raise may_withdraw()
        if not rights.trades:
            raise cannot_trade()
        self._filters = self.dialect.filters(self.desk.asking(Priority.EXIT))
        self._set_modes("")

    def _require_prepared(self, symbol: str) -> None:
        """Before the first order of this process, and the first in each contract, whose margin is
        shared with all others."""
        if "" not in self._prepared:
            self.prepare()
        if symbol not in self._prepared:
            self._set_modes(symbol)

    def _set_modes(self, symbol: str) -> None:
        for call, wanted in self.dialect.modes(symbol):
            try:
                self.desk.ask(call, wanted, Priority.EXIT)
            except Refusal as refusal:
                if refusal.code not in self.dialect.codes.as_it_was:
                    raise CommendaError("wrong_mode", "The exchange keeps another mode").at(
                        *next(iter(wanted.items())), f"close what is open there: {refusal}"
                    ) from None
        self._prepared.add(symbol)

    # --- orders ---------------------------------------------------------------------------------

    def submit(self, order: OrderRequest, now: datetime) -> OrderView:
        instrument = self.instruments.get(order.instrument_id)
        if instrument is None:
            return refusal_of(order, "the venue has no such contract")
        wrong = breach(order, instrument)
        lacking = self.capabilities.lacks(order)
        if lacking is not None:
            wrong = f"{Why.NOT_TAKEN}: this exchange takes no {lacking}"
        if wrong is not None:
            return refusal_of(order, wrong)
        try:
            self._require_prepared(instrument.symbol)
        except (CommendaError, Refusal) as refusal:
            return refusal_of(order, str(refusal))
        wrong = beyond(order, self._filters.get(instrument.symbol))
        if wrong is not None:
            return refusal_of(order, wrong)
        if order.id not in self._sent:
            self._sent[order.id] = None
            if len(self._sent) > _REMEMBERED:
                del self._sent[next(iter(self._sent))]
            try:
                ends = self.capabilities.ends(order, now)
                ask = self.desk.asking(_urgency(order), is_order=True)
                shown = self.dialect.send(ask, order, instrument, ends=ends)
            except Refusal as refusal:
                if refusal.code not in self.dialect.codes.duplicate:
                    return refusal_of(order, self.dialect.codes.reason(refusal))
            else:
                if shown is not None:
                    return self._view(order.id, shown)
        view = self.order(order, now)
        if view is None:
            raise VenueUnavailable(f"order {order.id} was taken and is not shown yet")
        return view

    def cancel(self, order: OrderRequest, now: datetime) -> OrderView | None:
        symbol = self.instruments[order.instrument_id].symbol
        try:
            self.dialect.cancel(self.desk.asking(Priority.EXIT), order, symbol)
        except Refusal as refusal:
            if refusal.code not in self.dialect.codes.gone:
                raise VenueUnavailable(str(refusal)) from None
        return self.order(order, now)

    def replace(self, order: OrderRequest, now: datetime) -> OrderView | None:
        """Whatever is answered, the order is asked for: its terms say what became of it."""
        instrument = self.instruments[order.instrument_id]
        wrong = breach(order, instrument)
        wrong = wrong or beyond(order, self._filters.get(instrument.symbol))
        if wrong is None:
            try:
                ask = self.desk.asking(_urgency(order), is_order=True)
                self.dialect.replace(ask, order, instrument.symbol)
            except Refusal as refusal:
                wrong = self.dialect.codes.reason(refusal)
        view = self.order(order, now)
        if view is None or view.status.is_terminal or wrong is None:
            return view
        done = (view.limit_price, view.quantity) == (order.limit_price, order.quantity)
        return view if done else replace(view, reason=wrong)

    def order(self, order: OrderRequest, now: datetime) -> OrderView | None:
        symbol = self.instruments[order.instrument_id].symbol
        with looking():
            shown = self.dialect.order(self.desk.asking(Priority.ENTRY), order, symbol)
        if shown is None:
            return None
        if shown.number:
            self._owners[symbol, shown.number] = Sender(order.id)
        return self._view(order.id, shown)

    def open_orders(self, now: datetime) -> Sequence[OrderView]:
        return [
            self._view(ours, one)
            for one in self._resting()
            if (ours := our_order(one.client_id)) is not None
        ]

    def resting(self, now: datetime) -> Sequence[tuple[UUID | None, str]]:
        return [(our_order(one.client_id), one.words) for one in self._resting()]

    def _resting(self) -> Sequence[Shown]:
        with looking():
            return self.dialect.resting(self.desk.ask)

    def _view(self, ours: UUID, shown: Shown) -> OrderView:
        filled: Decimal = shown.filled
        fills: Sequence[Fill] = ()
        if filled:
            with looking():
                filled, fills = self.dialect.fills(self.desk.asking(Priority.ENTRY), shown)
        return OrderView(
            ours,
            shown.status,
            filled,
            tuple(fills),
            shown.reason,
            shown.quantity,
            shown.limit_price,
        )

    # --- the account ----------------------------------------------------------------------------

    def begin(self, now: datetime) -> Mapping[str, str]:
        """What was traded and paid before is somebody else's business."""
        with looking():
            return self.dialect.begin(self.desk.ask, list(self._known()))

    def executions(
        self, cursor: str | None, now: datetime
    ) -> tuple[Sequence[Execution], str | None]:
        known = self._known()
        with looking():
            deals, cursor = self.dialect.deals(self.desk.ask, list(known), cursor)
            return [
                self._execution(known[one.symbol], one) for one in deals if one.symbol in known
            ], cursor

    def _known(self) -> dict[str, Instrument]:
        return {one.symbol: one for one in self.instruments.values()}

    def _execution(self, instrument: Instrument, deal: Deal) -> Execution:
        place = deal.symbol, deal.number
        if place not in self._owners:
            self._owners[place] = self.dialect.sender(self.desk.ask, *place)
        ours, forced = self._owners[place]
        return Execution(ours, instrument.id, deal.side, deal.fill, forced)

    def account(self, now: datetime) -> VenueAccount:
        known = self._known()
        with looking():
            wallets, held = self.dialect.holdings(self.desk.ask, known)
        ours = {known[symbol].id: one for symbol, one in held.items() if symbol in known}
        return VenueAccount(
            dict(wallets),
            {one: here.quantity for one, here in ours.items()},
            {one: here.unrealised for one, here in ours.items()},
            {one: here.worth for one, here in ours.items()},
            {
                symbol: here.quantity
                for symbol, here in held.items()
                if symbol not in known and here.quantity
            },
        )

    def income(
        self, cursor: str | None, now: datetime
    ) -> tuple[Sequence[FundingPayment | Clearing], str | None]:
        """Funding and the costs of liquidations, by the exchange's record: each row once, by its
        number."""
        known = self._known()
        with looking():
            found, cursor = self.dialect.income(self.desk.ask, known, cursor)
        return [_income(known[one.symbol].id, one) for one in found], cursor

    def transfer(self, reference: UUID, asset: str, amount: Decimal, now: datetime) -> None:
        """Between the house's purse and the one that trades, once for each reference."""
        try:
            self.dialect.transfer(self.desk.ask, reference, asset, amount)
        except Refusal as refusal:
            if refusal.code not in self.dialect.codes.duplicate:
                raise VenueUnavailable(str(refusal)) from None


def _urgency(order: OrderRequest) -> Priority:
    return Priority.EXIT if order.exits or order.reduce_only else Priority.ENTRY


def _income(instrument_id: int, row: Paid | Cleared) -> FundingPayment | Clearing:
    if isinstance(row, Cleared):
        return Clearing(row.id, instrument_id, row.amount, moment_of(row.at))
    _, due, rate, mark, quantity, amount, at = row
    return FundingPayment(
        instrument_id, moment_of(due), rate, mark, "exchange", quantity, amount, moment_of(at)
    )


def breach(order: OrderRequest, instrument: Instrument) -> str | None:
    """What keeps an order from being sent at all; None where nothing does."""
    if order.quantity <= 0 or order.quantity % instrument.lot:
        return f"the quantity is no multiple of {plain(instrument.lot)}"
    for price in (order.limit_price, order.trigger_price):
        if price is not None and (price <= 0 or price % instrument.tick):
            return f"the price is no multiple of {plain(instrument.tick)}"
    least = Decimal(0) if order.reduce_only else instrument.minimum_notional
    if order.quantity * (order.limit_price or order.reference_price) < least:
        return f"below the minimum notional of {plain(least)}"
    return None


def beyond(order: OrderRequest, filters: Filters | None) -> str | None:
    """What the exchange would not take, by its own filters; None where it would, or told none. The
    price that the order was decided at stands for the mark."""
    if filters is None:
        return None
    most = filters.most_at_market if order.limit_price is None else filters.most
    if most is not None and order.quantity > most:
        return f"more than {plain(most)}, the most of one order"
    if filters.band is None or order.limit_price is None or order.trigger_price is not None:
        return None
    low, high = (part * order.reference_price for part in filters.band)
    is_beyond = order.limit_price > high if order.side is Side.BUY else order.limit_price < low
    return f"{Why.PRICE_BOUND}: from {plain(low)} to {plain(high)}" if is_beyond else None


def refusal_of(order: OrderRequest, reason: str) -> OrderView:
    return OrderView(order.id, OrderStatus.REFUSED, Decimal(0), (), reason)
