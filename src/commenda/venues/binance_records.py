"""Binance's records of orders and trades, as ours."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from commenda.venues.dialect import Deal, Shown, moment_of
from commenda.venues.model import Fill, OrderStatus, Side

STATUS = {
    "NEW": OrderStatus.ACCEPTED,
    "PENDING_NEW": OrderStatus.ACCEPTED,
    "PENDING_CANCEL": OrderStatus.ACCEPTED,
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


def shown_order(found: Any) -> Shown:
    return Shown(
        str(found["orderId"]),
        found["clientOrderId"],
        found["symbol"],
        STATUS[found["status"]],
        Decimal(found["executedQty"]),
        _words(found, found["type"], found["origQty"]),
        None,
        Decimal(found["origQty"]),
        Decimal(found["price"]) or None,
    )


def shown_algo(found: Any) -> Shown:
    return Shown(
        "",
        found["clientAlgoId"],
        found["symbol"],
        ALGO_STATUS[found["algoStatus"]],
        Decimal(0),
        _words(found, found["orderType"], found["quantity"]),
        found.get("rm"),
        Decimal(found["quantity"]),
        Decimal(found["price"]) or None,
    )


def _words(found: Any, kind: str, quantity: str) -> str:
    return f"{found['side']} {quantity} {found['symbol']} {kind}".lower()


def deal_of(trade: Any) -> Deal:
    fill = Fill(
        f"{trade['symbol']}:{trade['id']}",
        Decimal(trade["qty"]),
        Decimal(trade["price"]),
        Decimal(trade["commission"]),
        moment_of(trade["time"]),
    )
    side = Side(trade["side"].lower())
    return Deal(int(trade["time"]), str(trade["orderId"]), trade["symbol"], side, fill)


def is_true(told: object) -> bool:
    return told in (True, "true")
