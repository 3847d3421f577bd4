"""Binance's orders and fills in our words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from commenda.kit.money import plain
from commenda.market import Instrument
from commenda.venues.model import Fill, Forced, OrderRequest, OrderStatus, OrderView

STATUS = {
    "NEW": OrderStatus.ACCEPTED,
    "PARTIALLY_FILLED": OrderStatus.PARTLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REFUSED,
}
ALGO_STATUS = {
    "NEW": OrderStatus.ACCEPTED,
    "TRIGGERING": OrderStatus.ACCEPTED,
    "TRIGGERED": OrderStatus.ACCEPTED,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REFUSED,
}
_FORCED = {
    "autoclose-": Forced.LIQUIDATED,
    "adl_autoclose": Forced.DELEVERAGED,
    "settlement_autoclose-": Forced.SETTLED,
}


def breach(order: OrderRequest, instrument: Instrument) -> str | None:
    """What keeps an order from being sent at all; None where nothing does."""
    if order.quantity <= 0 or order.quantity % instrument.lot:
        return f"the quantity is no multiple of {plain(instrument.lot)}"
    for price in (order.limit_price, order.trigger_price):
        if price is not None and (price <= 0 or price % instrument.tick):
            return f"the price is no multiple of {plain(instrument.tick)}"
    least = instrument.minimum_notional
    if order.quantity * (order.limit_price or order.reference_price) < least:
        return f"below the minimum notional of {plain(least)}"
    return None


def refusal_of(order: OrderRequest, reason: str) -> OrderView:
    return OrderView(order.id, OrderStatus.REFUSED, Decimal(0), (), reason)


def words_of(found: Any, kind: str, quantity: str) -> str:
    return f"{found['side']} {quantity} {found['symbol']} {kind}".lower()


def our_order(client_id: str) -> UUID | None:
    """The order of ours that bears this client id; None for one of another kind."""
    try:
        return UUID(client_id)
    except ValueError:
        return None


def forced_by(client_id: str) -> Forced | None:
    """Why the exchange made an order of this client id; None where somebody else did."""
    return next((why for start, why in _FORCED.items() if client_id.startswith(start)), None)


def fill_of(trade: Any) -> Fill:
    return Fill(
        f"{trade['symbol']}:{trade['id']}",
        Decimal(trade["qty"]),
        Decimal(trade["price"]),
        Decimal(trade["commission"]),
        moment_of(trade["time"]),
    )


def moment_of(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
