"""Bybit's public calls: what is traded, the book, candles, marks and funding.

Source: Bybit, "API documentation v5". What the market did is read as at Binance's paths.
"""

from __future__ import annotations

from typing import Any

from commenda.exchange import quotes
from commenda.exchange.bybit import page
from commenda.exchange.calls import Desk, Params, call
from commenda.exchange.model import Contract
from commenda.exchange.refusals import Refused
from commenda.kit.money import plain

INTERVALS = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h",
    "240": "4h", "360": "6h", "720": "12h", "D": "1d",
}  # fmt: skip


@call("GET", "/v5/market/time", signed=False)
def time(desk: Desk, account: None, params: Params) -> Any:
    now = desk.exchange.now
    return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}


@call("GET", "/v5/market/instruments-info", signed=False)
def contracts(desk: Desk, account: None, params: Params) -> Any:
    wanted = params.values.get("symbol")
    known = desk.exchange.contracts.values()
    return page((_contract(one) for one in known if wanted in (None, one.symbol)), params, 500)


def _contract(of: Contract) -> dict[str, Any]:
    most = plain(of.quantity(of.maximum_lots))
    return {
        "symbol": of.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading" if of.status == "TRADING" else "Closed",
        "baseCoin": of.base,
        "quoteCoin": of.quote,
        "settleCoin": of.quote,
        "launchTime": "1569398400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "fundingInterval": 480,
        "unifiedMarginTrade": True,
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": str(of.tiers[0].leverage),
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": plain(of.tick),
            "maxPrice": plain(10**9 * of.tick),
            "tickSize": plain(of.tick),
        },
        "lotSizeFilter": {
            "minOrderQty": plain(of.lot),
            "maxOrderQty": most,
            "maxMktOrderQty": most,
            "qtyStep": plain(of.lot),
            "minNotionalValue": plain(of.minimum_notional),
        },
    }


@call("GET", "/v5/market/orderbook", signed=False, weight=5)
def book(desk: Desk, account: None, params: Params) -> Any:
    asked = {"symbol": params.text("symbol"), "limit": params.values.get("limit", "25")}
    found = quotes.depth(desk, None, Params(asked))
    return {
        "s": asked["symbol"],
        "b": found["bids"],
        "a": found["asks"],
        "ts": found["T"],
        "u": found["lastUpdateId"],
        "seq": found["lastUpdateId"],
        "cts": found["T"],
    }


@call("GET", "/v5/market/tickers", signed=False)
def tickers(desk: Desk, account: None, params: Params) -> Any:
    of = [params.contract(desk.exchange)] if params.has("symbol") else None
    known = of or [
        one for one in desk.exchange.contracts.values() if one.symbol in desk.exchange.marks
    ]
    return page((_ticker(desk, one) for one in known), params, 500)


def _ticker(desk: Desk, of: Contract) -> dict[str, Any]:
    asked = Params({"symbol": of.symbol})
    day, best, mark = (
        read(desk, None, asked) for read in (quotes.day, quotes.best_prices, quotes.premium_index)
    )
    return {
        "symbol": of.symbol,
        "lastPrice": day["lastPrice"],
        "prevPrice24h": day["openPrice"],
        "highPrice24h": day["highPrice"],
        "lowPrice24h": day["lowPrice"],
        "volume24h": day["volume"],
        "turnover24h": day["quoteVolume"],
        "bid1Price": best["bidPrice"],
        "bid1Size": best["bidQty"],
        "ask1Price": best["askPrice"],
        "ask1Size": best["askQty"],
        "markPrice": mark["markPrice"],
        "indexPrice": mark["indexPrice"],
        "fundingRate": mark["lastFundingRate"],
        "nextFundingTime": str(mark["nextFundingTime"]),
        "openInterest": quotes.open_interest(desk, None, asked)["openInterest"],
    }


@call("GET", "/v5/market/kline", signed=False, weight=5)
def candles(desk: Desk, account: None, params: Params) -> Any:
    """The newest first."""
    if params.text("interval") not in INTERVALS:
        raise Refused(-1130, name="interval")
    named = {"startTime": "start", "endTime": "end", "limit": "limit"}
    asked = {ours: params.text(theirs) for ours, theirs in named.items() if params.has(theirs)}
    asked |= {"symbol": params.text("symbol"), "interval": INTERVALS[params.text("interval")]}
    rows = quotes.klines(desk, None, Params(asked))
    shown = [[str(one[0]), *one[1:6], one[7]] for one in reversed(rows)]
    return {"category": "linear", "symbol": asked["symbol"], "list": shown}


@call("GET", "/v5/market/funding/history", signed=False)
def funding(desk: Desk, account: None, params: Params) -> Any:
    return {
        "category": "linear",
        "list": [
            {
                "symbol": one["symbol"],
                "fundingRate": one["fundingRate"],
                "fundingRateTimestamp": str(one["fundingTime"]),
            }
            for one in reversed(quotes.funding_rates(desk, None, params))
        ],
    }
