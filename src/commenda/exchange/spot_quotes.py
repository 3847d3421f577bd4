"""Spot's public calls that are not as the futures' are."""

from __future__ import annotations

from typing import Any

from commenda.exchange import spot_wire as wire
from commenda.exchange.calls import Params, call
from commenda.exchange.model import ZERO, Contract
from commenda.exchange.quotes import best_of, day_of, each, last_of, listed, shown_book
from commenda.exchange.spot_desk import SpotDesk

LIMITS: tuple[dict[str, Any], ...] = (
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
)
"""Binance's own; a house allows so many times as much."""
AVERAGED = 5
"""Minutes of an average price."""


@call("GET", "/api/v3/exchangeInfo", signed=False, weight=20)
def exchange_info(desk: SpotDesk, account: None, params: Params) -> Any:
    limits = [{**one, "limit": one["limit"] * desk.allows} for one in LIMITS]
    pairs = [params.contract(desk.exchange)] if params.has("symbol") else None
    return wire.exchange_info(desk.exchange, pairs or listed(desk.exchange, params), limits)


@call("GET", "/api/v3/depth", signed=False, weight=5)
def depth(desk: SpotDesk, account: None, params: Params) -> Any:
    return shown_book(desk, params)


@call("GET", "/api/v3/avgPrice", signed=False, weight=2)
def average(desk: SpotDesk, account: None, params: Params) -> Any:
    """What was traded in the last minutes is worth, by its quantity; else the last price."""

    def shown(of: Contract) -> Any:
        now = desk.exchange.now
        minutes = desk.tape.minutes[of.symbol]
        found = [one for one in minutes if one.at > now - AVERAGED * 60_000]
        traded = of.quantity(sum(one.lots for one in found))
        price = of.price(desk.exchange.books[of.symbol].last or 0)
        if traded:
            price = sum((one.quote for one in found), ZERO) / traded
        return {"mins": AVERAGED, "price": wire.text(price), "closeTime": now}

    return each(desk, params, shown)


@call("GET", "/api/v3/ticker/24hr", signed=False, weight=2)
def day(desk: SpotDesk, account: None, params: Params) -> Any:
    def shown(of: Contract) -> Any:
        found = day_of(desk, of)
        return found | best_of(desk, of) | {"prevClosePrice": found["openPrice"]}

    return each(desk, params, shown)


@call("GET", "/api/v3/ticker/price", signed=False, weight=2)
def last_prices(desk: SpotDesk, account: None, params: Params) -> Any:
    return each(desk, params, lambda of: last_of(desk, of))


@call("GET", "/api/v3/ticker/bookTicker", signed=False, weight=2)
def best_prices(desk: SpotDesk, account: None, params: Params) -> Any:
    return each(desk, params, lambda of: best_of(desk, of))
