"""Spot's calls that trade."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from commenda.exchange import spot_wire as wire
from commenda.exchange.calls import Params, call, steps
from commenda.exchange.model import Contract
from commenda.exchange.refusals import Refused, spot_refusal
from commenda.exchange.spot import Spot
from commenda.exchange.spot_checks import check_order, lots_worth
from commenda.exchange.spot_desk import SpotDesk
from commenda.exchange.spot_model import WAITING, SpotAccount, SpotOrder
from commenda.exchange.trading import find_order, trades_asked, within

ORDER = "/api/v3/order"
TIMES = ("GTC", "IOC", "FOK")
PRICED = ("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
TIMED = ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
ANSWERS = ("ACK", "RESULT", "FULL")
MODES = ("STOP_ON_FAILURE", "ALLOW_FAILURE")
ONLY = ("ONLY_NEW", "ONLY_PARTIALLY_FILLED")


def amount(params: Params, name: str, step: Decimal, filtered: str) -> int:
    """An amount in steps, by the filter that refuses what lies between two."""
    asked = params.number(name)
    try:
        return steps(asked, step, -1111)
    except Refused:
        raise spot_refusal("filter", name=filtered) from None


def _kind(params: Params) -> str:
    """The type of the order, which has what such a one needs, and nothing that it does not."""
    kind = params.one_of("type", tuple(wire.ORDER_TYPES), -1116)
    takes = {
        "price": kind in PRICED,
        "timeInForce": kind in TIMED,
        "stopPrice": kind in WAITING,
        "quantity": True,
        "quoteOrderQty": kind == "MARKET",
    }
    by_worth = kind == "MARKET" and params.has("quoteOrderQty")
    for name, is_taken in takes.items():
        if params.has(name) and not is_taken:
            raise Refused(-1106, name=name)
        if is_taken and name not in ("quantity", "quoteOrderQty"):
            params.text(name)
    if params.has("quantity") and by_worth:
        raise spot_refusal("combination")
    for name in ("icebergQty", "trailingDelta", "pegPriceType"):
        if params.has(name):
            raise Refused(-1106, name=name)
    return kind


def order_of(exchange: Spot, account: SpotAccount, params: Params) -> SpotOrder:
    """The order that is asked for, not checked yet."""
    of = params.contract(exchange)
    kind, side = _kind(params), params.side()
    worth = params.number("quoteOrderQty") if params.has("quoteOrderQty") else Decimal(0)
    number = exchange.number()
    order = SpotOrder(
        number,
        params.text("newClientOrderId", f"x-{number}"),
        account.name,
        of.symbol,
        side,
        kind,
        params.one_of("timeInForce", TIMES, -1115) if kind in TIMED else "GTC",
        amount(params, "price", of.tick, "PRICE_FILTER") if kind in PRICED else None,
        0 if worth else amount(params, "quantity", of.lot, "LOT_SIZE"),
        exchange.now,
        stp=params.one_of("selfTradePreventionMode", wire.STP, -1130, wire.STP[0]),
        updated=exchange.now,
        trigger_ticks=amount(params, "stopPrice", of.tick, "PRICE_FILTER")
        if kind in WAITING
        else 0,
        waits=kind in WAITING,
        quote_asked=worth,
    )
    if worth:
        order.lots = lots_worth(exchange, order)
    return order


def _wanted(params: Params, kind: str) -> str:
    """How much is to be told of an order that was taken; read before it is."""
    usual = "FULL" if kind in ("MARKET", "LIMIT") else "ACK"
    return params.one_of("newOrderRespType", ANSWERS, -1130, usual)


def _answer(order: SpotOrder, of: Contract, wanted: str) -> Any:
    if wanted == "ACK":
        return wire.acknowledged(order)
    return wire.result(order, of, fills=wanted == "FULL")


@call("POST", ORDER, is_order=True)
def new_order(desk: SpotDesk, account: SpotAccount, params: Params) -> Any:
    order = order_of(desk.exchange, account, params)
    wanted = _wanted(params, order.type)
    check_order(desk.exchange, account, order)
    desk.exchange.accept(account, order)
    return _answer(order, desk.exchange.contracts[order.symbol], wanted)


@call("POST", "/api/v3/order/test")
def test_order(desk: SpotDesk, account: SpotAccount, params: Params) -> Any:
    order = order_of(desk.exchange, account, params)
    check_order(desk.exchange, account, order)
    if not params.flag("computeCommissionRates"):
        return {}
    found = wire.rates(desk.exchange.contracts[order.symbol])
    return {"standardCommissionForOrder": found}


def find(account: SpotAccount, params: Params, code: int) -> SpotOrder:
    """The order of that id, or the newest of that client id."""
    if not params.has("orderId") and not params.has("origClientOrderId"):
        raise Refused(-1102, name="orderId")
    found = find_order(account, params, code)
    assert isinstance(found, SpotOrder)
    return found


@call("GET", ORDER, weight=4)
def get_order(desk: SpotDesk, account: SpotAccount, params: Params) -> Any:
    params.contract(desk.exchange)
    order = find(account, params, -2013)
    return wire.order(order, desk.exchange.contracts[order.symbol])


def _cancel(desk: SpotDesk, order: SpotOrder, params: Params, name: str) -> Any:
    """End an open order, in the state that is asked for; code −2011."""
    of = desk.exchange.contracts[order.symbol]
    if not order.is_open:
        raise Refused(-2011)
    if params.has("cancelRestrictions"):
        only = params.one_of("cancelRestrictions", ONLY, -1130)
        if only != f"ONLY_{order.status}":
            raise spot_refusal("restricted")
    order.cancelled_by = params.text(name, f"x-{desk.exchange.number()}")
    desk.exchange.end(order, "CANCELED")
    return wire.cancelled(order, of, order.cancelled_by)


@call("DELETE", ORDER)
def cancel_order(desk: SpotDesk, account: SpotAccount, params: Params) -> Any:
    params.contract(desk.exchange)
    return _cancel(desk, find(account, params, -2011), params, "newClientOrderId")


@call("POST", "/api/v3/order/cancelReplace", is_order=True)
def replace_order(desk: SpotDesk, account: SpotAccount, params: Params) -> Any:
    """Cancel one order, then place another. Where the first fails the second is tried only if that
    is allowed; what came of both is told either way."""
    allows = params.one_of("cancelReplaceMode", MODES, -1130) == "ALLOW_FAILURE"
    asked = order_of(desk.exchange, account, params)
    told = _wanted(params, asked.type)
    given = {"orderId": "cancelOrderId", "origClientOrderId": "cancelOrigClientOrderId"}
    wanted = {name: params.text(as_) for name, as_ in given.items() if params.has(as_)}
    wanted |= {"symbol": asked.symbol}
    done: dict[str, Any] = {"cancelResult": "SUCCESS", "newOrderResult": "NOT_ATTEMPTED"}
    done |= {"cancelResponse": None, "newOrderResponse": None}
    try:
        found = find(account, Params(wanted), -2011)
        done["cancelResponse"] = _cancel(desk, found, params, "cancelNewClientOrderId")
    except Refused as refused:
        if refused.code != -2011:
            raise
        done |= {"cancelResult": "FAILURE", "cancelResponse": refused.told()}
        if not allows:
            raise spot_refusal("not_replaced", 400, done) from None
    try:
        if asked.quote_asked:
            asked.lots = lots_worth(desk.exchange, asked)
        check_order(desk.exchange, account, asked)
    except Refused as refused:
        done |= {"newOrderResult": "FAILURE", "newOrderResponse": refused.told()}
        why = "replaced_in_part" if done["cancelResult"] == "SUCCESS" else "not_replaced"
        raise spot_refusal(why, 409 if why == "replaced_in_part" else 400, done) from None
    desk.exchange.accept(account, asked)
    answer = _answer(asked, desk.exchange.contracts[asked.symbol], told)
    done |= {"newOrderResult": "SUCCESS", "newOrderResponse": answer}
    if done["cancelResult"] == "FAILURE":
        raise spot_refusal("replaced_in_part", 409, done)
    return done


@call("DELETE", "/api/v3/openOrders")
def cancel_all(desk: SpotDesk, account: SpotAccount, params: Params) -> Any:
    of = params.contract(desk.exchange)
    found = [one for one in account.open.values() if one.symbol == of.symbol]
    if not found:
        raise Refused(-2011)
    return [
        _cancel(desk, one, Params({}), "newClientOrderId")
        for one in found
        if isinstance(one, SpotOrder)
    ]


def _shown(desk: SpotDesk, found: list[Any]) -> Any:
    return [wire.order(one, desk.exchange.contracts[one.symbol]) for one in found]


@call("GET", "/api/v3/openOrders", weight=6)
def open_orders(desk: SpotDesk, account: SpotAccount, params: Params) -> Any:
    wanted = params.contract(desk.exchange).symbol if params.has("symbol") else None
    return _shown(desk, [one for one in account.open.values() if wanted in (None, one.symbol)])


@call("GET", "/api/v3/allOrders", weight=20)
def all_orders(desk: SpotDesk, account: SpotAccount, params: Params) -> Any:
    of = params.contract(desk.exchange)
    first = params.whole("orderId", 0)
    found = [one for one in account.orders.values() if one.symbol == of.symbol and one.id >= first]
    if first:
        return _shown(desk, found[: min(1000, params.whole("limit", 500))])
    return _shown(desk, within(found, params, "orderId"))


@call("GET", "/api/v3/myTrades", weight=20)
def my_trades(desk: SpotDesk, account: SpotAccount, params: Params) -> Any:
    of = params.contract(desk.exchange)
    found = trades_asked(account, params, of.symbol, desk.shown_until)
    return [wire.trade(one, of) for one in found]
