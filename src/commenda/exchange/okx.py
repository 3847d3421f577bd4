"""OKX's calls on the same engine: perpetual swaps in USDT, by REST. Orders.

Source: OKX, "API documentation v5", "Order Book Trading". A contract is ten lots of the engine's
and traded in tenths, so that sizes and quantities are told apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from commenda.exchange import trading
from commenda.exchange.bybit import WOULD_TAKE, acknowledge
from commenda.exchange.calls import Desk, Params, call, steps
from commenda.exchange.manners import IN_OKX, spelt
from commenda.exchange.model import (
    BOTH,
    LONG,
    SHORT,
    SIDE_NAMES,
    Account,
    Conditional,
    Contract,
    Order,
)
from commenda.exchange.refusals import Refused
from commenda.exchange.wire import text
from commenda.kit.money import plain

FACE = 10
"""Lots of a contract."""
LOT = Decimal("0.1")
"""In which contracts are traded."""
KINDS = ("market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc")
TIMES = {"limit": "GTC", "post_only": "GTX", "fok": "FOK", "ioc": "IOC"}
SIDES_OF_POSITION = {"net": BOTH, "long": LONG, "short": SHORT}
STATE = {"NEW": "live", "PARTIALLY_FILLED": "partially_filled", "FILLED": "filled"}
MADE_BY = {
    "autoclose-": "full_liquidation",
    "adl_autoclose": "adl",
    "settlement_autoclose-": "delivery",
}
"""What it calls an order that the exchange made, by the id that it gave it."""
WORDS = {
    "1": "Order canceled by user",
    "13": "FOK order was canceled due to incompletely filled",
    "14": "IOC order was partially canceled due to incompletely filled",
    "31": "The post-only order will take liquidity in taker orders",
}
BECAUSE = {2: "14", 3: "13", 4: "17", 5: "3", 7: "7", 9: "14", WOULD_TAKE: "31"}
"""Who cancelled, by the engine's reason."""
MOST = 100
_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")


# --- words ---------------------------------------------------------------------------------------


def inst_of(of: Contract) -> str:
    return f"{of.base}-{of.quote}-SWAP"


def contract(desk: Desk, params: Params) -> Contract:
    wanted = params.text("instId")
    found = next((one for one in desk.exchange.contracts.values() if inst_of(one) == wanted), None)
    if found is None:
        raise Refused(-1121)
    return found


def size(lots: int) -> str:
    """Lots in contracts."""
    return plain(Decimal(lots) / FACE)


def quantity(params: Params, name: str, of: Contract) -> str:
    """Contracts in the base; code −1111 where they are no whole number of lots."""
    return plain(of.quantity(steps(params.number(name), LOT, -1111)))


def client_id(params: Params, name: str) -> str:
    told = params.values.get(name, "")
    if told and not _CLIENT_ID.fullmatch(told):
        raise Refused(-4015)
    return told


def own_id(told: str) -> str:
    """A client id where its owner gave it: the exchange's own are nobody's."""
    return "" if told.startswith(("x-", *MADE_BY)) else told


def made_by(order: Order) -> str:
    """An order's category."""
    found = (kind for start, kind in MADE_BY.items() if order.client_id.startswith(start))
    return next(found, "normal")


def page(rows: Iterable[Any], params: Params, number: str) -> list[Any]:
    """A part of a list, the newest first: of what is older or newer than a number."""
    after, before = params.whole("after", 2**62), params.whole("before", -1)
    found = [one for one in rows if before < int(one[number]) < after]
    return found[: min(MOST, params.whole("limit", MOST))]


def chosen(desk: Desk, params: Params) -> Callable[[Any], bool]:
    """Whether a record is of the contract that is asked for; of any, where none is."""
    if params.values.get("instType", "SWAP") != "SWAP":
        return lambda _one: False
    of = contract(desk, params) if params.has("instId") else None
    return lambda one: of is None or one.symbol == of.symbol


def done(desk: Desk, number: int, client: str, kind: str = "ord") -> dict[str, str]:
    told = {f"{kind}Id": str(number), f"{kind}ClOrdId" if kind == "algo" else "clOrdId": client}
    return {**told, "tag": "", "ts": str(desk.exchange.now), "sCode": "0", "sMsg": ""}


def terms(desk: Desk, params: Params) -> tuple[Contract, dict[str, str]]:
    """What all orders say, in the engine's words."""
    of = contract(desk, params)
    params.one_of("tdMode", ("cross",), -1130)
    side = params.one_of("posSide", tuple(SIDES_OF_POSITION), -1130, "net")
    return of, {
        "symbol": of.symbol,
        "side": params.one_of("side", ("buy", "sell"), -1117).upper(),
        "quantity": quantity(params, "sz", of),
        "reduceOnly": params.text("reduceOnly", "false"),
        "positionSide": SIDES_OF_POSITION[side],
    }


def cancelled_by(order: Order) -> str:
    if order.status == "EXPIRED_IN_MATCH":
        return "32"
    default = "1" if order.status == "CANCELED" else "0"
    return BECAUSE.get(order.reason, default)


def shown(desk: Desk, order: Order, waits: Conditional | None) -> dict[str, Any]:
    """An order, and the algo order that it came of."""
    of = desk.exchange.contracts[order.symbol]
    last = order.fills[-1] if order.fills else None
    kinds = {time: kind for kind, time in TIMES.items()}
    state = STATE.get(order.status, "canceled")
    source = cancelled_by(order) if state == "canceled" else ""
    return {
        "instType": "SWAP",
        "instId": inst_of(of),
        "ccy": "",
        "ordId": str(order.id),
        "clOrdId": "" if waits else own_id(order.client_id),
        "algoId": str(waits.id) if waits else "",
        "algoClOrdId": own_id(waits.client_id) if waits else "",
        "tag": "",
        "px": "" if order.ticks is None else plain(of.price(order.ticks)),
        "sz": size(order.lots),
        "ordType": "market" if order.ticks is None else kinds.get(order.tif, "limit"),
        "side": SIDE_NAMES[order.side].lower(),
        "posSide": side_of(order.position_side),
        "tdMode": "cross",
        "accFillSz": size(order.filled),
        "avgPx": text(order.average(of)) if order.filled else "",
        "fillPx": plain(of.price(last.ticks)) if last else "",
        "fillSz": size(last.lots) if last else "0",
        "fillTime": str(last.at) if last else "",
        "tradeId": str(last.id) if last else "",
        "state": state,
        "lever": str(desk.exchange.accounts[order.account].leverage_of(order.symbol)),
        "fee": text(-sum((one.fee for one in order.fills), Decimal(0))),
        "feeCcy": of.quote,
        "pnl": text(sum((one.realised for one in order.fills), Decimal(0))),
        "rebate": "0",
        "rebateCcy": of.quote,
        "source": "7" if waits else "",
        "category": made_by(order),
        "reduceOnly": "true" if order.reduce_only else "false",
        "cancelSource": source,
        "cancelSourceReason": WORDS.get(source, ""),
        "uTime": str(order.updated or order.at),
        "cTime": str(order.at),
    }


def side_of(position_side: str) -> str:
    return next(name for name, one in SIDES_OF_POSITION.items() if one == position_side)


def parents(account: Account) -> dict[int, Conditional]:
    """Of orders that a trigger sent, the algo orders."""
    return {one.actual: one for one in account.conditionals.values() if one.actual is not None}


def all_shown(desk: Desk, account: Account, orders: Iterable[Order]) -> list[dict[str, Any]]:
    of = parents(account)
    return [shown(desk, one, of.get(one.id)) for one in sorted(orders, key=lambda one: -one.id)]


# --- calls ---------------------------------------------------------------------------------------


@call("POST", "/api/v5/trade/order", is_order=True, weight=0)
def place(desk: Desk, account: Account, params: Params) -> Any:
    _, asked = terms(desk, params)
    kind = params.one_of("ordType", KINDS, -1116)
    asked |= {"newClientOrderId": client_id(params, "clOrdId"), "type": "MARKET"}
    if kind in TIMES:
        asked |= {"type": "LIMIT", "price": params.text("px"), "timeInForce": TIMES[kind]}
    order = trading.order_of(desk.exchange, account, Params(asked))
    acknowledge(desk, account, order)
    return [done(desk, order.id, own_id(order.client_id))]


@call("POST", "/api/v5/trade/batch-orders", is_order=True, weight=5)
def place_all(desk: Desk, account: Account, params: Params) -> Any:
    """Each by itself: what is wrong with one is told at it."""
    told = []
    for row in params.rows("list")[:20]:
        values = spelt(row)
        try:
            told += place(desk, account, Params(values))
        except Refused as refused:
            code = str(IN_OKX.get(refused.code, 51000))
            refusal = {"ordId": "", "clOrdId": values.get("clOrdId", "")}
            told.append(refusal | {"sCode": code, "sMsg": refused.words})
    return told


def find(desk: Desk, account: Account, params: Params, code: int) -> Order:
    """The order of that id, or the newest of that client id."""
    of = contract(desk, params)
    if params.has("ordId"):
        found = account.orders.get(params.whole("ordId"))
    else:
        wanted = params.text("clOrdId")
        found = next((o for o in reversed(account.orders.values()) if o.client_id == wanted), None)
    if found is None or found.symbol != of.symbol:
        raise Refused(code)
    return found


@call("GET", "/api/v5/trade/order")
def order(desk: Desk, account: Account, params: Params) -> Any:
    return all_shown(desk, account, [find(desk, account, params, -2013)])


@call("POST", "/api/v5/trade/cancel-order")
def cancel(desk: Desk, account: Account, params: Params) -> Any:
    found = find(desk, account, params, -2011)
    if not found.is_open:
        raise Refused(-2011)
    desk.exchange.end(found, "CANCELED")
    return [done(desk, found.id, own_id(found.client_id))]


@call("POST", "/api/v5/trade/amend-order", is_order=True)
def amend(desk: Desk, account: Account, params: Params) -> Any:
    """Another price or quantity of one that rests, which goes to the end of the queue. One that
    only makes stays as it was where it would take at the new price."""
    found = find(desk, account, params, -2013)
    if not found.is_open or found.ticks is None:
        raise Refused(-2013)
    of = desk.exchange.contracts[found.symbol]
    price = params.text("newPx", plain(of.price(found.ticks)))
    asked = Params({"symbol": found.symbol, "orderId": str(found.id), "price": price})
    moved = replace(found, ticks=asked.ticks("price", of))
    if found.tif == "GTX" and desk.exchange.books[found.symbol].crosses(moved):
        raise Refused(-5022)
    lots = of.quantity(found.lots)
    wanted = quantity(params, "newSz", of) if params.has("newSz") else plain(lots)
    trading.change_order(desk, account, Params({**asked.values, "quantity": wanted}))
    return [done(desk, found.id, own_id(found.client_id)) | {"reqId": ""}]


@call("GET", "/api/v5/trade/orders-pending")
def pending(desk: Desk, account: Account, params: Params) -> Any:
    return page(
        all_shown(desk, account, filter(chosen(desk, params), account.open.values())),
        params,
        "ordId",
    )


@call("GET", "/api/v5/trade/orders-history", "/api/v5/trade/orders-history-archive")
def history(desk: Desk, account: Account, params: Params) -> Any:
    over = (one for one in account.orders.values() if not one.is_open)
    return page(all_shown(desk, account, filter(chosen(desk, params), over)), params, "ordId")
