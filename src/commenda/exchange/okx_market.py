"""OKX's public calls: what is traded, the book, candles, marks and funding.

Source: OKX, "API documentation v5", "Public Data" and "Market Data". What the market did is read as
at Binance's paths, and told in contracts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from commenda.exchange import quotes
from commenda.exchange.calls import Desk, Params, call
from commenda.exchange.model import Contract
from commenda.exchange.okx import FACE, LOT, contract, inst_of, size
from commenda.exchange.refusals import Refused
from commenda.kit.money import plain

BARS = {
    "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1H": "1h", "2H": "2h",
    "4H": "4h", "6Hutc": "6h", "12Hutc": "12h", "1Dutc": "1d",
}  # fmt: skip
MOST = 300


@call("GET", "/api/v5/public/time", signed=False)
def time(desk: Desk, account: None, params: Params) -> Any:
    return [{"ts": str(desk.exchange.now)}]


@call("GET", "/api/v5/public/instruments", signed=False)
def contracts(desk: Desk, account: None, params: Params) -> Any:
    return [_contract(one) for one in _chosen(desk, params)]


def _chosen(desk: Desk, params: Params) -> list[Contract]:
    if params.values.get("instType", "SWAP") != "SWAP":
        return []
    return [contract(desk, params)] if params.has("instId") else [*desk.exchange.contracts.values()]


def _contract(of: Contract) -> dict[str, Any]:
    most, family = size(of.maximum_lots), f"{of.base}-{of.quote}"
    return {
        "instType": "SWAP",
        "instId": inst_of(of),
        "uly": family,
        "instFamily": family,
        "baseCcy": "",
        "quoteCcy": "",
        "settleCcy": of.quote,
        "ctVal": plain(of.quantity(FACE)),
        "ctMult": "1",
        "ctValCcy": of.base,
        "ctType": "linear",
        "tickSz": plain(of.tick),
        "lotSz": plain(LOT),
        "minSz": plain(LOT),
        "lever": str(of.tiers[0].leverage),
        "maxLmtSz": most,
        "maxMktSz": most,
        "maxStopSz": most,
        "maxTriggerSz": most,
        "listTime": "1569398400000",
        "expTime": "",
        "state": "live" if of.status == "TRADING" else "suspend",
        "ruleType": "normal",
    }


@call("GET", "/api/v5/market/books", signed=False, weight=5)
def book(desk: Desk, account: None, params: Params) -> Any:
    of, most = contract(desk, params), params.whole("sz", 1)
    found = quotes.depth(desk, None, Params({"symbol": of.symbol, "limit": "1000"}))
    sides = {
        side: [[price, _size(of, much), "0", "1"] for price, much in found[side][:most]]
        for side in ("bids", "asks")
    }
    return [sides | {"ts": str(found["T"]), "seqId": found["lastUpdateId"]}]


def _size(of: Contract, told: str) -> str:
    """A quantity of the base in contracts."""
    return size(round(Decimal(told) / of.lot))


@call("GET", "/api/v5/market/ticker", "/api/v5/market/tickers", signed=False)
def tickers(desk: Desk, account: None, params: Params) -> Any:
    known = [one for one in _chosen(desk, params) if one.symbol in desk.exchange.marks]
    return [_ticker(desk, one) for one in known]


def _ticker(desk: Desk, of: Contract) -> dict[str, Any]:
    asked = Params({"symbol": of.symbol})
    day, best = quotes.day(desk, None, asked), quotes.best_prices(desk, None, asked)
    return {
        "instType": "SWAP",
        "instId": inst_of(of),
        "last": day["lastPrice"],
        "lastSz": "",
        "bidPx": best["bidPrice"],
        "bidSz": _size(of, best["bidQty"]),
        "askPx": best["askPrice"],
        "askSz": _size(of, best["askQty"]),
        "open24h": day["openPrice"],
        "high24h": day["highPrice"],
        "low24h": day["lowPrice"],
        "vol24h": _size(of, day["volume"]),
        "volCcy24h": day["volume"],
        "ts": str(desk.exchange.now),
    }


@call("GET", "/api/v5/market/candles", "/api/v5/market/history-candles", signed=False, weight=5)
def candles(desk: Desk, account: None, params: Params) -> Any:
    """The newest first; `before` and `after` are the times that rows are later and earlier than."""
    of, bar = contract(desk, params), params.text("bar", "1m")
    if bar not in BARS:
        raise Refused(-1130, name="bar")
    limit = min(MOST, params.whole("limit", 100))
    asked = {"symbol": of.symbol, "interval": BARS[bar], "limit": str(limit)}
    if params.has("before"):
        asked["startTime"] = str(params.whole("before") + 1)
    if params.has("after"):
        asked["endTime"] = str(params.whole("after") - 1)
    rows = quotes.klines(desk, None, Params(asked))
    now = desk.exchange.now
    return [
        [str(one[0]), *one[1:5], _size(of, one[5]), one[5], one[7], "1" if one[6] < now else "0"]
        for one in reversed(rows)
    ]


@call("GET", "/api/v5/public/mark-price", signed=False)
def marks(desk: Desk, account: None, params: Params) -> Any:
    now = str(desk.exchange.now)
    return [
        {"instType": "SWAP", "instId": inst_of(of), "markPx": plain(mark), "ts": now}
        for of in _chosen(desk, params)
        if (mark := desk.exchange.marks.get(of.symbol)) is not None
    ]


@call("GET", "/api/v5/public/funding-rate", signed=False)
def funding(desk: Desk, account: None, params: Params) -> Any:
    of = contract(desk, params)
    told = quotes.premium_index(desk, None, Params({"symbol": of.symbol}))
    return [
        {
            "instType": "SWAP",
            "instId": inst_of(of),
            "fundingRate": told["lastFundingRate"],
            "fundingTime": str(told["nextFundingTime"]),
            "nextFundingRate": "",
            "nextFundingTime": str(told["nextFundingTime"] + 28_800_000),
            "method": "current_period",
            "ts": str(desk.exchange.now),
        }
    ]


@call("GET", "/api/v5/public/funding-rate-history", signed=False)
def funding_history(desk: Desk, account: None, params: Params) -> Any:
    """The newest first."""
    of = contract(desk, params)
    after, before = params.whole("after", 2**62), params.whole("before", -1)
    asked = {"symbol": of.symbol, "limit": "1000", "startTime": str(before + 1)}
    found = quotes.funding_rates(desk, None, Params(asked))
    return [
        {
            "instType": "SWAP",
            "instId": inst_of(of),
            "fundingRate": one["fundingRate"],
            "realizedRate": one["fundingRate"],
            "fundingTime": str(one["fundingTime"]),
            "method": "current_period",
        }
        for one in reversed(found)
        if one["fundingTime"] < after
    ][: params.whole("limit", 400)]


@call("GET", "/api/v5/public/open-interest", signed=False)
def open_interest(desk: Desk, account: None, params: Params) -> Any:
    rows = []
    for of in _chosen(desk, params):
        much = quotes.open_interest(desk, None, Params({"symbol": of.symbol}))["openInterest"]
        rows.append({"instType": "SWAP", "instId": inst_of(of), "oi": _size(of, much)})
        rows[-1] |= {"oiCcy": much, "ts": str(desk.exchange.now)}
    return rows
