"""What the tests of a venue are given, and what they ask with. Needs no pytest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import uuid4

from commenda.market import Instrument
from commenda.venues import Execution, OrderKind, OrderRequest, OrderView, Side, Venue

LOTS = 10
PATIENCE = 20
"""Moves of the market until a market order must be over."""


class VenueMarket(Protocol):
    """A fresh account at a venue, with what it takes to trade, and its market in a test's hands."""

    venue: Venue
    instrument: Instrument
    """What is traded; it has a minimum notional above a lot at `price`."""
    now: datetime
    price: Decimal
    """What it trades at now."""

    def move(self, price: Decimal, offered: Decimal | None = None) -> None:
        """Let time pass and the market trade at a price, through all that was better on the way;
        `offered` is all that the account's orders can get of it, everything without."""

    def reconnect(self) -> Venue:
        """Reach the same account as a process does that was just started."""


def a_request(
    market: VenueMarket,
    side: Side = Side.BUY,
    kind: OrderKind = OrderKind.MARKET,
    *,
    quantity: Decimal | None = None,
    limit_price: Decimal | None = None,
    trigger_price: Decimal | None = None,
    expires_at: datetime | None = None,
) -> OrderRequest:
    """A request of ten times the least that the venue takes, if nothing else is said."""
    lot, least = market.instrument.lot, market.instrument.minimum_notional
    lots = (2 * least / market.price / lot).to_integral_value() + 1
    return OrderRequest(
        uuid4(),
        market.instrument.id,
        side,
        kind,
        LOTS * lots * lot if quantity is None else quantity,
        market.price,
        limit_price,
        trigger_price,
        expires_at,
    )


def a_limit(market: VenueMarket, *, expires_at: datetime | None = None) -> OrderRequest:
    """To buy one per cent below the market."""
    limit = market.instrument.to_tick(market.price * Decimal("0.99"))
    return a_request(market, kind=OrderKind.LIMIT, limit_price=limit, expires_at=expires_at)


def stock(market: VenueMarket) -> None:
    """Where only what is held can be sold, hold enough of it."""
    if market.venue.capabilities.holds:
        asked = a_request(market)
        more = replace(asked, quantity=2 * asked.quantity)
        market.venue.submit(more, market.now)
        settled(market, more)


def traded(market: VenueMarket, order: OrderRequest, view: OrderView) -> Decimal:
    """What was traded of an order, with the fee that was taken of what was bought."""
    if order.side is Side.BUY and market.venue.capabilities.holds:
        return view.filled + sum(fill.fee / fill.price for fill in view.fills)
    return view.filled


def seen(market: VenueMarket, order: OrderRequest) -> OrderView:
    view = market.venue.order(order, market.now)
    assert view is not None, "an order that was accepted is known"
    return view


def submitted(market: VenueMarket, order: OrderRequest) -> OrderView:
    """What becomes of an order that is over as it comes in: told at once, or where it is asked for
    because the answer was an acknowledgement."""
    view = market.venue.submit(order, market.now)
    return view if view.status.is_terminal else settled(market, order)


def settled(market: VenueMarket, order: OrderRequest) -> OrderView:
    """An order once it is over and all its fills are shown; the market stands still meanwhile."""
    for _ in range(PATIENCE):
        view = seen(market, order)
        shown = sum((fill.quantity for fill in view.fills), Decimal(0))
        if view.status.is_terminal and shown == view.filled:
            return view
        market.move(market.price)
    raise AssertionError(f"order {order.id} is not over after {PATIENCE} moves of the market")


def fills(market: VenueMarket) -> Sequence[Execution]:
    """All executions of the account."""
    return list(market.venue.executions(None, market.now)[0])
