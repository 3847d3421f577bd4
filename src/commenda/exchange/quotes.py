"""Public calls: contracts, the book, trades, candles, marks and funding."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from commenda.exchange import wire
from commenda.exchange.calls import Desk, Params, Place, call
from commenda.exchange.matching import Matching
from commenda.exchange.model import BUY, SELL, ZERO, Contract
from commenda.exchange.refusals import Refused
from commenda.exchange.tape import INTERVALS, MINUTE, Candle
from commenda.market import Bar

LIMITS: tuple[dict[str, Any], ...] = (
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
)
"""Binance's own; a house allows so many times as much."""


@call("GET", "/api/v3/ping", signed=False)
@call("GET", "/fapi/v1/ping", signed=False)
def ping(desk: Place, account: None, params: Params) -> Any:
    return {}


@call("GET", "/api/v3/time", signed=False)
@call("GET", "/fapi/v1/time", signed=False)
def time(desk: Place, account: None, params: Params) -> Any:
    return {"serverTime": desk.exchange.now}


@call("GET", "/fapi/v1/exchangeInfo", signed=False)
def exchange_info(desk: Desk, account: None, params: Params) -> Any:
    limits = [{**one, "limit": one["limit"] * desk.allows} for one in LIMITS]
    return wire.exchange_info(desk.exchange, limits)


@call("GET", "/fapi/v1/depth", signed=False, weight=5)
def depth(desk: Desk, account: None, params: Params) -> Any:
    return shown_book(desk, params) | {"E": desk.exchange.now, "T": desk.exchange.now}


def shown_book(desk: Place, params: Params) -> dict[str, Any]:
    """Both sides under the id of the last message: what changed since is told before them."""
    of, limit = params.contract(desk.exchange), min(1000, params.whole("limit", 500))
    desk.tape.tell_depth([of.symbol])
    kept = desk.tape.depth[of.symbol]
    bids, asks = (
        [
            [str(of.price(ticks)), str(of.quantity(lots))]
            for ticks, lots in list(kept.shown[side].items())[:limit]
        ]
        for side in (BUY, SELL)
    )
    return {"lastUpdateId": kept.told, "bids": bids, "asks": asks}


@call("GET", "/api/v3/trades", "/api/v3/historicalTrades", signed=False, weight=25)
@call("GET", "/fapi/v1/trades", "/fapi/v1/historicalTrades", signed=False, weight=5)
def trades(desk: Place, account: None, params: Params) -> Any:
    of = params.contract(desk.exchange)
    kept = list(desk.tape.trades[of.symbol])[-min(1000, params.whole("limit", 500)) :]
    return [
        {
            "id": number,
            "price": str(of.price(tick.ticks)),
            "qty": str(of.quantity(tick.lots)),
            "quoteQty": str(of.worth(tick.ticks, tick.lots)),
            "time": tick.at,
            "isBuyerMaker": tick.taker == SELL,
        }
        for tick, number, _ in kept
    ]


@call("GET", "/api/v3/aggTrades", signed=False, weight=4)
@call("GET", "/fapi/v1/aggTrades", signed=False, weight=20)
def aggregate_trades(desk: Place, account: None, params: Params) -> Any:
    of = params.contract(desk.exchange)
    begin, end = params.whole("startTime", 0), params.whole("endTime", 2**62)
    first = params.whole("fromId", 0)
    limit = min(1000, params.whole("limit", 500))
    found = [
        one for one in desk.tape.trades[of.symbol] if begin <= one[0].at <= end and one[2] >= first
    ]
    found = found[:limit] if begin or first else found[-limit:]
    return [
        {
            "a": aggregate,
            "p": str(of.price(tick.ticks)),
            "q": str(of.quantity(tick.lots)),
            "f": number,
            "l": number,
            "T": tick.at,
            "m": tick.taker == SELL,
        }
        for tick, number, aggregate in found
    ]


@call("GET", "/api/v3/klines", "/api/v3/uiKlines", signed=False, weight=2)
@call("GET", "/fapi/v1/klines", signed=False, weight=5)
def klines(desk: Place, account: None, params: Params) -> Any:
    """Candles, the last of which may still change. What was before this exchange began is its
    source's, where that has candles."""
    of = params.contract(desk.exchange)
    minutes = INTERVALS.get(params.text("interval"))
    if minutes is None:
        raise Refused(-1130, name="interval")
    span, limit = minutes * MINUTE, min(1500, params.whole("limit", 500))
    end = min(params.whole("endTime", desk.exchange.now), desk.exchange.now)
    begin = params.whole("startTime", end - limit * span)
    traded = {one.at: one for one in desk.tape.candles(of.symbol, minutes)}
    known = _recorded(desk, of, begin, end, span) | {
        at: one for at, one in traded.items() if begin <= at <= end
    }
    rows = [_candle(known[at], of, span) for at in sorted(known)]
    return rows[:limit] if params.has("startTime") else rows[-limit:]


def _recorded(desk: Place, of: Contract, begin: int, end: int, span: int) -> dict[int, Candle]:
    """The source's bars that closed by now, joined to the span that is asked for."""
    found: dict[int, Candle] = {}
    for bar in desk.source.candles(of.symbol, begin // 1000, end // 1000):
        at = bar.ts * 1000 // span * span
        if begin <= at and at + span <= desk.exchange.now:
            one = _of_bar(bar, at, of)
            if at in found:
                found[at].join(one)
            else:
                found[at] = one
    return found


def _of_bar(bar: Bar, at: int, of: Contract) -> Candle:
    opened, high, low, close = (
        round(Decimal(str(price)) / of.tick) for price in (bar.open, bar.high, bar.low, bar.close)
    )
    lots = int(Decimal(str(bar.volume)) / of.lot)
    return Candle(at, opened, high, low, close, lots, of.worth(close, lots))


def _candle(one: Candle, of: Contract, span: int) -> list[Any]:
    prices = (str(of.price(p)) for p in (one.open, one.high, one.low, one.close))
    return [
        one.at,
        *prices,
        str(of.quantity(one.lots)),
        one.at + span - 1,
        str(one.quote),
        one.trades,
        str(of.quantity(one.bought)),
        str(one.bought_quote),
        "0",
    ]


def each(desk: Place, params: Params, make: Any) -> Any:
    """Of one contract, of those that are listed, or of each that has a price."""
    exchange = desk.exchange
    if params.has("symbol"):
        return make(params.contract(exchange))
    return [make(of) for of in listed(exchange, params) if exchange.is_priced(of.symbol)]


def listed(exchange: Matching[Any], params: Params) -> list[Contract]:
    """The contracts of `symbols`, a list in JSON; all without one. Codes −1130, −1121."""
    if not params.has("symbols"):
        return list(exchange.contracts.values())
    try:
        wanted = [str(one) for one in json.loads(params.text("symbols"))]
    except (ValueError, TypeError):
        raise Refused(-1130, name="symbols") from None
    return [Params({"symbol": one}).contract(exchange) for one in wanted]


@call("GET", "/fapi/v1/premiumIndex", signed=False)
def premium_index(desk: Desk, account: None, params: Params) -> Any:
    def shown(of: Contract) -> Any:
        marked = desk.exchange.marked[of.symbol]
        return {
            "symbol": of.symbol,
            "markPrice": wire.text(marked.mark),
            "indexPrice": wire.text(marked.spot),
            "estimatedSettlePrice": wire.text(marked.mark),
            "lastFundingRate": wire.text(marked.rate),
            "interestRate": "0.0001",
            "nextFundingTime": marked.next_funding,
            "time": desk.exchange.now,
        }

    return each(desk, params, shown)


@call("GET", "/fapi/v1/fundingRate", signed=False)
def funding_rates(desk: Desk, account: None, params: Params) -> Any:
    wanted = params.values.get("symbol")
    begin, end = params.whole("startTime", 0), params.whole("endTime", 2**62)
    found = [
        {"symbol": symbol, "fundingTime": at, "fundingRate": str(rate), "markPrice": str(mark)}
        for symbol, rows in desk.tape.funding.items()
        if wanted in (None, symbol)
        for at, rate, mark in rows
        if begin <= at <= end
    ]
    limit = min(1000, params.whole("limit", 100))
    return found[:limit] if params.has("startTime") else found[-limit:]


@call("GET", "/fapi/v1/fundingInfo", signed=False)
def funding_info(desk: Desk, account: None, params: Params) -> Any:
    return [
        {
            "symbol": symbol,
            "adjustedFundingRateCap": "0.02",
            "adjustedFundingRateFloor": "-0.02",
            "fundingIntervalHours": 8,
        }
        for symbol in desk.exchange.contracts
    ]


@call("GET", "/fapi/v1/openInterest", signed=False)
def open_interest(desk: Desk, account: None, params: Params) -> Any:
    of = params.contract(desk.exchange)
    lots = sum(
        abs(one.lots)
        for account_ in desk.exchange.accounts.values()
        for one in account_.positions.values()
        if one.symbol == of.symbol
    )
    return {
        "openInterest": str(of.quantity(lots)),
        "symbol": of.symbol,
        "time": desk.exchange.now,
    }


@call("GET", "/fapi/v1/ticker/24hr", signed=False, weight=1)
def day(desk: Place, account: None, params: Params) -> Any:
    return each(desk, params, lambda of: day_of(desk, of))


def day_of(desk: Place, of: Contract) -> dict[str, Any]:
    """What was traded in the last 24 hours, as far as it is remembered."""
    since = desk.exchange.now - 1440 * MINUTE
    found = [one for one in desk.tape.minutes[of.symbol] if one.at >= since]
    whole = Candle(since, 0, 0, 0, 0)
    if found:
        whole = Candle(since, found[0].open, found[0].high, found[0].low, found[0].close)
        for one in found:
            whole.join(one)
    change = of.price(whole.close - whole.open)
    part = change / of.price(whole.open) * 100 if whole.open else ZERO
    volume = of.quantity(whole.lots)
    return {
        "symbol": of.symbol,
        "priceChange": str(change),
        "priceChangePercent": f"{part:.3f}",
        "weightedAvgPrice": wire.text(whole.quote / volume) if volume else "0",
        "lastPrice": str(of.price(whole.close)),
        "lastQty": "0",
        "openPrice": str(of.price(whole.open)),
        "highPrice": str(of.price(whole.high)),
        "lowPrice": str(of.price(whole.low)),
        "volume": str(volume),
        "quoteVolume": str(whole.quote),
        "openTime": since,
        "closeTime": desk.exchange.now,
        "firstId": whole.first,
        "lastId": whole.last,
        "count": whole.trades,
    }


@call("GET", "/fapi/v1/ticker/price", "/fapi/v2/ticker/price", signed=False)
def last_prices(desk: Place, account: None, params: Params) -> Any:
    now = {"time": desk.exchange.now}
    return each(desk, params, lambda of: last_of(desk, of) | now)


def last_of(desk: Place, of: Contract) -> dict[str, Any]:
    return {"symbol": of.symbol, "price": str(of.price(desk.exchange.books[of.symbol].last or 0))}


@call("GET", "/fapi/v1/ticker/bookTicker", signed=False, weight=2)
def best_prices(desk: Place, account: None, params: Params) -> Any:
    now = {"time": desk.exchange.now}
    return each(desk, params, lambda of: best_of(desk, of) | now)


def best_of(desk: Place, of: Contract) -> dict[str, Any]:
    found = desk.tape.visible(of.symbol)
    bid, ask = (next(iter(found[side].items()), (0, 0)) for side in (BUY, SELL))
    return {
        "symbol": of.symbol,
        "bidPrice": str(of.price(bid[0])),
        "bidQty": str(of.quantity(bid[1])),
        "askPrice": str(of.price(ask[0])),
        "askQty": str(of.quantity(ask[1])),
    }
