"""OKX's algo orders: stops, take-profits and triggers, and the orders that come of them.

Source: OKX, "API documentation v5", "Algo Trading". A trigger order does not say on which side of
the market its price lies: it is reached from where the market was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commenda.exchange import trading
from commenda.exchange.calls import Desk, Params, call
from commenda.exchange.manners import IN_OKX, spelt
from commenda.exchange.model import SIDE_NAMES, Account, Conditional
from commenda.exchange.okx import (
    chosen,
    client_id,
    done,
    inst_of,
    own_id,
    page,
    side_of,
    size,
    terms,
)
from commenda.exchange.refusals import WORDS, Refused
from commenda.kit.money import plain

STATE = {
    "NEW": "live",
    "CANCELED": "canceled",
    "EXPIRED": "canceled",
    "REJECTED": "order_failed",
}
"""Of one that was triggered it is "effective"."""
WORKING = {"last": "CONTRACT_PRICE", "mark": "MARK_PRICE"}
AT_MARKET = "-1"


@call("POST", "/api/v5/trade/order-algo", is_order=True)
def place(desk: Desk, account: Account, params: Params) -> Any:
    of, asked = terms(desk, params)
    kind = params.one_of("ordType", ("conditional", "trigger"), -1116)
    if kind == "trigger":
        trigger, price = params.number("triggerPx"), params.text("orderPx")
        last = desk.exchange.books[of.symbol].last
        if last is None:
            raise Refused(-1122)
        stops = (trigger > of.price(last)) is (asked["side"] == "BUY")
        working = params.one_of("triggerPxType", tuple(WORKING), -1130, "last")
    else:
        stops = params.has("slTriggerPx")  # of both the loss alone counts
        begin = "sl" if stops else "tp"
        trigger, price = params.number(f"{begin}TriggerPx"), params.text(f"{begin}OrdPx")
        working = params.one_of(f"{begin}TriggerPxType", tuple(WORKING), -1130, "last")
    asked |= {
        "type": ("STOP" if stops else "TAKE_PROFIT") + ("_MARKET" if price == AT_MARKET else ""),
        "clientAlgoId": client_id(params, "algoClOrdId"),
        "triggerPrice": plain(trigger),
        "workingType": WORKING[working],
        "price": price,
    }
    told = trading.new_conditional(desk, account, Params(asked))
    one = account.conditionals[told["algoId"]]
    one.is_trigger = kind == "trigger"
    return [done(desk, one.id, own_id(one.client_id), "algo") | {"clOrdId": ""}]


@call("POST", "/api/v5/trade/cancel-algos")
def cancel(desk: Desk, account: Account, params: Params) -> Any:
    """One after another; the first that is refused ends it."""
    ended = []
    for row in params.rows("list"):
        one = find(account, Params(spelt(row)), -2011)
        if one.status != "NEW":
            raise Refused(-2011)
        desk.exchange.end_conditional(one, "CANCELED")
        ended.append(done(desk, one.id, own_id(one.client_id), "algo"))
    return ended


def find(account: Account, params: Params, code: int) -> Conditional:
    names = {"algoId": "algoId", "algoClOrdId": "clientAlgoId"}
    asked = {ours: params.text(name) for name, ours in names.items() if params.has(name)}
    return trading.find_conditional(account, Params(asked), code)


@call("GET", "/api/v5/trade/order-algo")
def get(desk: Desk, account: Account, params: Params) -> Any:
    return [shown(desk, find(account, params, -2013))]


@call("GET", "/api/v5/trade/orders-algo-pending")
def pending(desk: Desk, account: Account, params: Params) -> Any:
    return listed(desk, account, params, ("NEW",))


@call("GET", "/api/v5/trade/orders-algo-history")
def history(desk: Desk, account: Account, params: Params) -> Any:
    state = params.one_of("state", ("effective", "canceled", "order_failed"), -1130)
    wanted = tuple(name for name, one in STATE.items() if one == state)
    return listed(desk, account, params, wanted or ("TRIGGERED", "FINISHED"))


def listed(desk: Desk, account: Account, params: Params, states: tuple[str, ...]) -> list[Any]:
    kinds = params.text("ordType").split(",")
    found: Iterable[Conditional] = filter(
        chosen(desk, params), reversed(account.conditionals.values())
    )
    rows = [shown(desk, one) for one in found if one.status in states]
    return page((one for one in rows if one["ordType"] in kinds), params, "algoId")


def shown(desk: Desk, one: Conditional) -> dict[str, Any]:
    of = desk.exchange.contracts[one.symbol]
    price = AT_MARKET if one.ticks is None else plain(of.price(one.ticks))
    trigger, by = plain(of.price(one.trigger)), "mark" if one.working == "MARK_PRICE" else "last"
    begin = "" if one.is_trigger else "sl" if one.type.startswith("STOP") else "tp"
    words = {name: "" for side in ("sl", "tp") for name in _named(side)}
    words |= dict.fromkeys(("triggerPx", "ordPx", "triggerPxType"), "")
    words |= dict(zip(_named(begin), (trigger, price, by), strict=True))
    failed = (code for code, said in WORDS.items() if said == one.refusal)
    code = str(IN_OKX.get(next(failed, 0), 51000)) if one.status == "REJECTED" else ""
    return words | {
        "instType": "SWAP",
        "instId": inst_of(of),
        "algoId": str(one.id),
        "algoClOrdId": own_id(one.client_id),
        "clOrdId": "",
        "ordId": str(one.actual or ""),
        "ordIdList": [str(one.actual)] if one.actual else [],
        "ordType": "trigger" if one.is_trigger else "conditional",
        "side": SIDE_NAMES[one.side].lower(),
        "posSide": side_of(one.position_side),
        "tdMode": "cross",
        "sz": size(one.lots),
        "state": STATE.get(one.status, "effective"),
        "actualSz": size(one.lots) if one.actual else "0",
        "actualPx": "",
        "actualSide": begin if one.actual else "",
        "failCode": code,
        "reduceOnly": "true" if one.reduce_only else "false",
        "triggerTime": str(one.triggered or ""),
        "tag": "",
        "cTime": str(one.at),
        "uTime": str(one.updated or one.at),
    }


def _named(begin: str) -> tuple[str, str, str]:
    """The names of trigger, price and what is looked at."""
    if not begin:
        return "triggerPx", "ordPx", "triggerPxType"
    return f"{begin}TriggerPx", f"{begin}OrdPx", f"{begin}TriggerPxType"
