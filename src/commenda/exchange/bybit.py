"""Bybit's calls on the same engine: linear contracts of a unified account, by REST.

Source: Bybit, "API documentation v5". A conditional order and what comes of it are one order here,
under the id of the conditional one.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from commenda.exchange import trading
from commenda.exchange.calls import Desk, Params, call
from commenda.exchange.checks import check_order
from commenda.exchange.model import (
    BOTH,
    LONG,
    SHORT,
    SIDE_NAMES,
    Account,
    Conditional,
    Order,
)
from commenda.exchange.refusals import Refused
from commenda.exchange.wire import text
from commenda.kit.money import plain

STATUS = {
    "NEW": "New",
    "PARTIALLY_FILLED": "PartiallyFilled",
    "FILLED": "Filled",
    "CANCELED": "Cancelled",
    "EXPIRED": "Cancelled",
    "EXPIRED_IN_MATCH": "Cancelled",
}
WAITING = {
    "NEW": "Untriggered",
    "TRIGGERING": "Triggered",
    "TRIGGERED": "Triggered",
    "CANCELED": "Deactivated",
    "EXPIRED": "Deactivated",
    "REJECTED": "Rejected",
}
"""Of a conditional order nothing came of yet."""
TIMES = {"PostOnly": "GTX"}
WOULD_TAKE = 100
"""Among the reasons for which an order is over: none of Binance's, who refuses such an order."""
SIDES_OF_POSITION = {"0": BOTH, "1": LONG, "2": SHORT}
LATEST = 500
"""Orders that are over and shown among the open ones, to who names one."""


class Line(NamedTuple):
    """An order as it is seen here."""

    id: int
    order: Order | None
    conditional: Conditional | None

    @property
    def client_id(self) -> str:
        return (self.conditional or self._sent).client_id

    @property
    def symbol(self) -> str:
        return (self.conditional or self._sent).symbol

    @property
    def at(self) -> int:
        return (self.conditional or self._sent).at

    @property
    def is_open(self) -> bool:
        if self.order is not None:
            return self.order.is_open
        return self.conditional is not None and self.conditional.status == "NEW"

    @property
    def _sent(self) -> Order:
        assert self.order is not None
        return self.order


def lines(account: Account) -> list[Line]:
    """The account's orders, the newest first."""
    sent = {one.actual for one in account.conditionals.values()}
    found = [Line(one.id, one, None) for one in account.orders.values() if one.id not in sent]
    found += [
        Line(one.id, account.orders.get(one.actual or 0), one)
        for one in account.conditionals.values()
    ]
    return sorted(found, key=lambda one: -one.id)


MADE_BY = {
    "autoclose-": "CreateByLiq",
    "adl_autoclose": "CreateByAdl_PassThrough",
    "settlement_autoclose-": "CreateBySettle",
}
"""What it calls an order that the exchange made, by the id that it gave it."""


def shown(desk: Desk, line: Line) -> dict[str, Any]:
    of = desk.exchange.contracts[line.symbol]
    order, waits = line.order, line.conditional
    known: Order | Conditional = order or waits  # type: ignore[assignment]
    filled, quote = (order.filled, order.quote) if order else (0, Decimal(0))
    status = STATUS[order.status] if order else WAITING[waits.status if waits else ""]
    price = "0" if known.ticks is None else plain(of.price(known.ticks))
    return {
        "orderId": str(line.id),
        "orderLinkId": line.client_id,
        "createType": next(
            (kind for start, kind in MADE_BY.items() if line.client_id.startswith(start)),
            "CreateByUser",
        ),
        "symbol": line.symbol,
        "side": SIDE_NAMES[known.side].capitalize(),
        "orderType": "Market" if known.ticks is None else "Limit",
        "stopOrderType": "Stop" if waits else "",
        "tpslMode": "",
        "price": price,
        "qty": plain(of.quantity(known.lots)),
        "orderStatus": status,
        "rejectReason": said_of(order, waits),
        "cumExecQty": plain(of.quantity(filled)),
        "cumExecValue": text(quote),
        "leavesQty": plain(of.quantity(known.lots - filled)) if line.is_open else "0",
        "avgPrice": text(order.average(of)) if order and filled else "",
        "timeInForce": {"GTX": "PostOnly"}.get(known.tif, known.tif),
        "positionIdx": list(SIDES_OF_POSITION.values()).index(known.position_side),
        "reduceOnly": known.reduce_only,
        "closeOnTrigger": known.close_position,
        "triggerPrice": plain(of.price(waits.trigger)) if waits else "",
        "createdTime": str(line.at),
        "updatedTime": str(known.updated or line.at),
    }


def said_of(order: Order | None, waits: Conditional | None) -> str:
    """Why it is over."""
    if order is not None and order.status == "EXPIRED" and order.reason in (2, 3, 9):
        return "EC_CancelForNoFullFill" if order.filled else "EC_NoImmediateQtyToFill"
    if order is not None and order.reason == WOULD_TAKE:
        return "EC_PostOnlyWillTakeLiquidity"
    return waits.refusal if waits and waits.refusal else "EC_NoError"


def page(rows: Iterable[Any], params: Params, most: int = 50) -> dict[str, Any]:
    """A part of a list, and where the next one begins."""
    limit, begin = params.whole("limit", most), params.whole("cursor", 0)
    found = list(rows)
    following = str(begin + limit) if begin + limit < len(found) else ""
    return {
        "category": "linear",
        "list": found[begin : begin + limit],
        "nextPageCursor": following,
    }


def within(rows: Iterable[Any], params: Params) -> list[Any]:
    """Rows of a span of time, the newest first."""
    begin, end = params.whole("startTime", 0), params.whole("endTime", 2**62)
    if params.has("startTime") and params.has("endTime") and end - begin > 7 * 86_400_000:
        raise Refused(-1130, name="endTime")
    return sorted((one for one in rows if begin <= one.at <= end), key=lambda one: -one.id)


# --- the key --------------------------------------------------------------------------------------


@call("GET", "/v5/user/query-api")
def key(desk: Desk, account: Account, params: Params) -> Any:
    found = desk.key_of(params.text("apiKey"))
    return {
        "apiKey": found.key,
        "readOnly": 0 if found.trades else 1,
        "permissions": {
            "ContractTrade": ["Order", "Position"] if found.trades else [],
            "Wallet": ["AccountTransfer", *(["Withdraw"] if found.withdraws else [])],
        },
        "ips": ["*"],
        "uta": 1,
        "isMaster": True,
    }


# --- modes ---------------------------------------------------------------------------------------


@call("POST", "/v5/position/switch-mode")
def switch_mode(desk: Desk, account: Account, params: Params) -> Any:
    wanted = params.one_of("mode", ("0", "3"), -1130) == "3"
    if wanted is account.hedge:
        raise Refused(-4059)
    if account.open:
        raise Refused(-4067)
    if any(one.lots for one in account.positions.values()):
        raise Refused(-4068)
    account.hedge = wanted
    return {}


@call("POST", "/v5/account/set-margin-mode")
def set_margin_mode(desk: Desk, account: Account, params: Params) -> Any:
    """Cross for the whole account: what is isolated on Binance's side stays so while it is held."""
    wanted = params.one_of("setMarginMode", ("ISOLATED_MARGIN", "REGULAR_MARGIN"), -1130)
    if any(one.lots for one in account.positions.values()) and account.isolated:
        raise Refused(-4048)
    every = set(desk.exchange.contracts)
    account.isolated = every if wanted == "ISOLATED_MARGIN" else set()
    return {"reasons": []}


@call("POST", "/v5/position/set-leverage")
def set_leverage(desk: Desk, account: Account, params: Params) -> Any:
    of, leverage = params.contract(desk.exchange), params.whole("buyLeverage")
    if not 1 <= leverage <= of.tiers[0].leverage:
        raise Refused(-4028, leverage=leverage)
    account.leverage[of.symbol] = leverage
    return {}


# --- orders --------------------------------------------------------------------------------------


@call("POST", "/v5/order/create", is_order=True, weight=0)
def create(desk: Desk, account: Account, params: Params) -> Any:
    """Take an order. An id that was used once is refused for good."""
    link = params.values.get("orderLinkId")
    if link and any(one.client_id == link for one in lines(account)):
        raise Refused(-4116)
    side = params.text("side").upper()
    asked = {
        "symbol": params.text("symbol"),
        "side": side,
        "quantity": params.text("qty"),
        "reduceOnly": params.values.get("reduceOnly", "false"),
        "positionSide": SIDES_OF_POSITION[
            params.one_of("positionIdx", tuple(SIDES_OF_POSITION), -1130, "0")
        ],
    }
    kind = params.one_of("orderType", ("Market", "Limit"), -1116)
    if kind == "Limit":
        tif = params.text("timeInForce", "GTC")
        asked |= {"price": params.text("price"), "timeInForce": TIMES.get(tif, tif)}
    if params.has("triggerPrice"):
        rises = params.one_of("triggerDirection", ("1", "2"), -1130) == "1"
        stop = "STOP" if rises is (side == "BUY") else "TAKE_PROFIT"
        asked |= {"type": stop if kind == "Limit" else f"{stop}_MARKET"}
        asked |= {"triggerPrice": params.text("triggerPrice"), "clientAlgoId": link or ""}
        by_mark = params.values.get("triggerBy") == "MarkPrice"
        asked |= {"workingType": "MARK_PRICE" if by_mark else "CONTRACT_PRICE"}
        told = trading.new_conditional(desk, account, Params(asked))
        return {"orderId": str(told["algoId"]), "orderLinkId": told["clientAlgoId"]}
    asked |= {"type": kind.upper(), "newClientOrderId": link or ""}
    order = trading.order_of(desk.exchange, account, Params(asked))
    acknowledge(desk, account, order)
    return {"orderId": str(order.id), "orderLinkId": order.client_id}


def acknowledge(desk: Desk, account: Account, order: Order) -> None:
    """Take an order; one that only makes and would take is told as cancelled: at Binance it is
    refused."""
    try:
        check_order(desk.exchange, account, order)
    except Refused as refused:
        if refused.code != -5022:
            raise
        account.orders[order.id] = order
        desk.exchange.end(order, "CANCELED", WOULD_TAKE)
    else:
        desk.exchange.accept(account, order)


def named(account: Account, params: Params) -> list[Line]:
    """The orders that are asked for: by id, by client id, or of a contract."""
    for name, field in (("orderId", "id"), ("orderLinkId", "client_id"), ("symbol", "symbol")):
        if params.has(name):
            wanted = params.text(name)
            return [one for one in lines(account) if str(getattr(one, field)) == wanted]
    if not params.has("settleCoin"):
        raise Refused(-1102, name="symbol")
    return lines(account)


@call("POST", "/v5/order/cancel")
def cancel(desk: Desk, account: Account, params: Params) -> Any:
    found = named(account, params)
    if not found or not found[0].is_open:
        raise Refused(-2011)
    line = found[0]
    if line.order is not None:
        desk.exchange.end(line.order, "CANCELED")
    elif line.conditional is not None:
        desk.exchange.end_conditional(line.conditional, "CANCELED")
    return {"orderId": str(line.id), "orderLinkId": line.client_id}


@call("POST", "/v5/order/amend", is_order=True)
def amend(desk: Desk, account: Account, params: Params) -> Any:
    """Another price or quantity of one that rests; it goes to the end of the queue."""
    found = named(account, params)
    if not found or found[0].order is None or found[0].order.ticks is None:
        raise Refused(-2013)
    order, of = found[0].order, desk.exchange.contracts[found[0].symbol]
    asked = {
        "symbol": order.symbol,
        "orderId": str(order.id),
        "price": params.text("price", plain(of.price(found[0].order.ticks))),
        "quantity": params.text("qty", plain(of.quantity(order.lots))),
    }
    trading.change_order(desk, account, Params(asked))
    return {"orderId": str(found[0].id), "orderLinkId": found[0].client_id}


@call("GET", "/v5/order/realtime")
def realtime(desk: Desk, account: Account, params: Params) -> Any:
    """What is open; of one that is named also what is over, among the latest."""
    by_id = params.has("orderId") or params.has("orderLinkId")
    over = {one.id for one in [one for one in lines(account) if not one.is_open][:LATEST]}
    found = (one for one in named(account, params) if one.is_open or (by_id and one.id in over))
    return page((shown(desk, one) for one in found), params, 20)


@call("GET", "/v5/order/history")
def history(desk: Desk, account: Account, params: Params) -> Any:
    found = (one for one in named(account, params) if not one.is_open)
    return page((shown(desk, one) for one in found), params, 20)
