"""Calls that trade: orders, conditional orders, and their lives."""

from __future__ import annotations

import json
from bisect import bisect_left
from typing import Any

from commenda.exchange import wire
from commenda.exchange.calls import Desk, Params, call
from commenda.exchange.checks import check_conditional, check_order
from commenda.exchange.engine import Exchange
from commenda.exchange.model import (
    BOTH,
    LONG,
    SHORT,
    Account,
    Conditional,
    Contract,
    Customer,
    Order,
)
from commenda.exchange.refusals import Refused

ORDER = "/fapi/v1/order"
PLAIN = ("LIMIT", "MARKET")
TIMES = ("GTC", "IOC", "FOK", "GTX", "GTD")
CONDITIONAL = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET")
WORKING = ("CONTRACT_PRICE", "MARK_PRICE")
SIDES_OF_POSITION = (BOTH, LONG, SHORT)
LEAST_AHEAD, END_OF_TIME = 600_000, 253_402_300_799_000
STP = ("EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "NONE")


def order_of(exchange: Exchange, account: Account, params: Params) -> Order:
    """The order that is asked for, not checked yet."""
    of = params.contract(exchange)
    kind = params.one_of("type", (*PLAIN, *CONDITIONAL, "TRAILING_STOP_MARKET"), -1116)
    if kind not in PLAIN:
        raise Refused(-4120)
    side = params.side()
    if kind == "MARKET" and params.has("price"):
        raise Refused(-1106, name="price")
    tif = params.one_of("timeInForce", TIMES, -1115, "GTC") if kind == "LIMIT" else "GTC"
    if kind == "LIMIT" and not params.has("timeInForce"):
        raise Refused(-1102, name="timeinforce")
    until = good_till(exchange, params) if tif == "GTD" else 0
    number = exchange.number()
    return Order(
        number,
        params.text("newClientOrderId", f"x-{number}"),
        account.name,
        of.symbol,
        side,
        kind,
        tif,
        params.ticks("price", of) if kind == "LIMIT" else None,
        params.lots(of),
        exchange.now,
        params.one_of("positionSide", SIDES_OF_POSITION, -1130, BOTH),
        params.flag("reduceOnly"),
        stp=params.one_of("selfTradePreventionMode", STP, -1130, STP[0]),
        good_till=until,
        updated=exchange.now,
    )


def good_till(exchange: Exchange, params: Params) -> int:
    """When an order is to end, in whole seconds; code −5040."""
    until = params.whole("goodTillDate") // 1000 * 1000
    if not exchange.now + LEAST_AHEAD < until < END_OF_TIME:
        raise Refused(-5040)
    return until


@call("POST", ORDER, is_order=True, weight=0)
def new_order(desk: Desk, account: Account, params: Params) -> Any:
    order = order_of(desk.exchange, account, params)
    check_order(desk.exchange, account, order)
    acknowledged = wire.order(order, desk.exchange.contracts[order.symbol])
    desk.exchange.accept(account, order)
    if params.text("newOrderRespType", "ACK") == "RESULT":
        return wire.order(order, desk.exchange.contracts[order.symbol])
    return acknowledged  # an acknowledgement tells nothing of what it took


@call("POST", "/fapi/v1/order/test", is_order=True)
def test_order(desk: Desk, account: Account, params: Params) -> Any:
    check_order(desk.exchange, account, order_of(desk.exchange, account, params))
    return {}


@call("POST", "/fapi/v1/batchOrders", is_order=True, weight=5)
def new_orders(desk: Desk, account: Account, params: Params) -> Any:
    answers = []
    for row in json.loads(params.text("batchOrders"))[:5]:
        try:
            values = {key: str(value) for key, value in row.items()}
            answers.append(new_order(desk, account, Params(values)))
        except Refused as refused:
            answers.append(refused.told())
    return answers


def find_order(account: Customer, params: Params, code: int = -2013) -> Order:
    """The order of that id, or the newest of that client id."""
    symbol = params.text("symbol")
    if params.has("orderId"):
        found = account.orders.get(params.whole("orderId"))
    else:
        wanted = params.text("origClientOrderId")
        found = next((o for o in reversed(account.orders.values()) if o.client_id == wanted), None)
    if found is None or found.symbol != symbol:
        raise Refused(code)
    return found


@call("GET", ORDER)
def get_order(desk: Desk, account: Account, params: Params) -> Any:
    order = find_order(account, params)
    return wire.order(order, desk.exchange.contracts[order.symbol])


@call("DELETE", ORDER)
def cancel_order(desk: Desk, account: Account, params: Params) -> Any:
    order = find_order(account, params, -2011)
    if not order.is_open:
        raise Refused(-2011)
    desk.exchange.end(order, "CANCELED")
    return wire.order(order, desk.exchange.contracts[order.symbol])


@call("PUT", ORDER, is_order=True)
def change_order(desk: Desk, account: Account, params: Params) -> Any:
    """Cancel and replace under the same id: it goes to the end of the queue."""
    exchange = desk.exchange
    order = find_order(account, params)
    of = exchange.contracts[order.symbol]
    if not order.is_open or order.ticks is None:
        raise Refused(-2013)
    ticks, lots = params.ticks("price", of), params.lots(of)
    if (ticks, lots) == (order.ticks, order.lots):
        raise Refused(-5027)
    if lots <= order.filled:
        exchange.end(order, "CANCELED")
        return wire.order(order, of)
    exchange.books[order.symbol].sides[order.side].drop(order)
    account.open.pop(order.id)
    before = order.ticks, order.lots
    order.ticks, order.lots, order.updated = ticks, lots, exchange.now
    try:
        check_order(exchange, account, order)
    except Refused as refused:
        order.ticks, order.lots = before
        account.open[order.id] = order
        exchange.books[order.symbol].sides[order.side].rest(order)
        if refused.code == -5022:  # what only makes is ended where its new price would take
            exchange.end(order, "CANCELED")
            return wire.order(order, of)
        raise
    exchange.tell("order", account.name, (order, "AMENDMENT", None))
    exchange.accept(account, order, again=True)
    return wire.order(order, of)


@call("DELETE", "/fapi/v1/allOpenOrders")
def cancel_all(desk: Desk, account: Account, params: Params) -> Any:
    of = params.contract(desk.exchange)
    for order in [one for one in account.open.values() if one.symbol == of.symbol]:
        desk.exchange.end(order, "CANCELED")
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


@call("DELETE", "/fapi/v1/batchOrders")
def cancel_orders(desk: Desk, account: Account, params: Params) -> Any:
    wanted = {"orderId": "orderIdList", "origClientOrderId": "origClientOrderIdList"}
    answers = []
    for name, listed in wanted.items():
        for one in json.loads(params.text(listed, "[]")):
            asked = Params({"symbol": params.text("symbol"), name: str(one)})
            try:
                answers.append(cancel_order(desk, account, asked))
            except Refused as refused:
                answers.append(refused.told())
    return answers


@call("GET", "/fapi/v1/openOrders", weight=1)
def open_orders(desk: Desk, account: Account, params: Params) -> Any:
    wanted = params.values.get("symbol")
    return [
        wire.order(one, desk.exchange.contracts[one.symbol])
        for one in account.open.values()
        if wanted in (None, one.symbol)
    ]


@call("GET", "/fapi/v1/openOrder")
def open_order(desk: Desk, account: Account, params: Params) -> Any:
    order = find_order(account, params)
    if not order.is_open:
        raise Refused(-2013)
    return wire.order(order, desk.exchange.contracts[order.symbol])


@call("GET", "/fapi/v1/allOrders", weight=5)
def all_orders(desk: Desk, account: Account, params: Params) -> Any:
    of = params.contract(desk.exchange)
    found = [one for one in account.orders.values() if one.symbol == of.symbol]
    return [wire.order(one, of) for one in within(found, params, "orderId")]


@call("GET", "/fapi/v1/userTrades", weight=5)
def user_trades(desk: Desk, account: Account, params: Params) -> Any:
    of = params.contract(desk.exchange)
    found = trades_asked(account, params, of.symbol, desk.shown_until)
    return [wire.trade(one, of) for one in found]


def trades_asked(account: Customer, params: Params, symbol: str, until: int) -> list[Any]:
    """An account's trades in a contract up to a moment: of an order, from an id, or of a time."""
    found = account.trades
    if params.has("orderId"):
        order = account.orders.get(params.whole("orderId"))
        found = order.fills if order else []
    elif params.has("fromId"):
        found = found[bisect_left(found, params.whole("fromId"), key=lambda one: one.id) :]
    found = [one for one in found if one.symbol == symbol and one.at <= until]
    return within(found, params, "fromId")


def within(rows: list[Any], params: Params, first: str) -> list[Any]:
    """Rows of a period or from an id on: the oldest that fit, or the newest where none is named."""
    limit = min(1000, params.whole("limit", 500))
    begin, end = params.whole("startTime", 0), params.whole("endTime", 2**62)
    if params.has(first) and first != "orderId":
        return [one for one in rows if one.id >= params.whole(first)][:limit]
    rows = [one for one in rows if begin <= one.at <= end]
    return rows[:limit] if params.has("startTime") else rows[-limit:]


# --- conditional orders --------------------------------------------------------------------------

ALGO = "/fapi/v1/algoOrder"


@call("POST", ALGO, is_order=True)
def new_conditional(desk: Desk, account: Account, params: Params) -> Any:
    exchange = desk.exchange
    of = params.contract(exchange)
    kind = params.one_of("type", CONDITIONAL, -1116)
    closes, priced = params.flag("closePosition"), not kind.endswith("MARKET")
    tif = params.one_of("timeInForce", TIMES, -1115, "GTC")
    number = exchange.number()
    one = Conditional(
        number,
        params.text("clientAlgoId", f"x-{number}"),
        account.name,
        of.symbol,
        params.side(),
        kind,
        params.ticks("triggerPrice", of),
        params.one_of("workingType", WORKING, -1130, WORKING[0]),
        tif,
        params.ticks("price", of) if priced else None,
        0 if closes else params.lots(of),
        exchange.now,
        params.one_of("positionSide", SIDES_OF_POSITION, -1130, BOTH),
        params.flag("reduceOnly"),
        closes,
        good_till(exchange, params) if tif == "GTD" else 0,
    )
    check_conditional(exchange, account, one)
    return wire.conditional(exchange.keep(account, one), of)


def find_conditional(account: Customer, params: Params, code: int) -> Conditional:
    assert isinstance(account, Account)
    if params.has("algoId"):
        found = account.conditionals.get(params.whole("algoId"))
    else:
        wanted = params.text("clientAlgoId")
        newest = reversed(account.conditionals.values())
        found = next((one for one in newest if one.client_id == wanted), None)
    if found is None:
        raise Refused(code)
    return found


def _shown(desk: Desk, one: Conditional) -> Any:
    of: Contract = desk.exchange.contracts[one.symbol]
    return wire.conditional(one, of)


@call("GET", ALGO)
def get_conditional(desk: Desk, account: Account, params: Params) -> Any:
    return _shown(desk, find_conditional(account, params, -2013))


@call("DELETE", ALGO)
def cancel_conditional(desk: Desk, account: Account, params: Params) -> Any:
    one = find_conditional(account, params, -2011)
    if one.status != "NEW":
        raise Refused(-2011)
    desk.exchange.end_conditional(one, "CANCELED")
    return {"algoId": one.id, "clientAlgoId": one.client_id, "code": "200", "msg": "success"}


@call("GET", "/fapi/v1/openAlgoOrders")
def open_conditionals(desk: Desk, account: Account, params: Params) -> Any:
    wanted = params.values.get("symbol")
    found = (one for one in account.conditionals.values() if one.status == "NEW")
    return [_shown(desk, one) for one in found if wanted in (None, one.symbol)]


@call("GET", "/fapi/v1/allAlgoOrders", weight=5)
def all_conditionals(desk: Desk, account: Account, params: Params) -> Any:
    of = params.contract(desk.exchange)
    found = [one for one in account.conditionals.values() if one.symbol == of.symbol]
    return [_shown(desk, one) for one in within(found, params, "algoId")]


@call("DELETE", "/fapi/v1/algoOpenOrders")
def cancel_conditionals(desk: Desk, account: Account, params: Params) -> Any:
    of = params.contract(desk.exchange)
    for one in list(account.conditionals.values()):
        if one.symbol == of.symbol and one.status == "NEW":
            desk.exchange.end_conditional(one, "CANCELED")
    return {"code": 200, "msg": "The operation of cancel all open order is done."}
