"""Spot's records as Binance's JSON: REST and streams. Amounts have eight decimals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from commenda.exchange.model import BUY, CENT, SIDE_NAMES, ZERO, Contract, Trade
from commenda.exchange.spot import Spot
from commenda.exchange.spot_checks import LARGEST, MOST_ORDERS, MOST_WAITING
from commenda.exchange.spot_model import SpotAccount, SpotOrder
from commenda.exchange.wire import Json

ORDER_TYPES = [
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
]
STP = ("EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "NONE")


def text(number: Decimal) -> str:
    return format(number.quantize(CENT), "f")


# --- pairs ---------------------------------------------------------------------------------------


def exchange_info(exchange: Spot, pairs: Iterable[Contract], limits: Iterable[Json]) -> Json:
    return {
        "timezone": "UTC",
        "serverTime": exchange.now,
        "rateLimits": list(limits),
        "exchangeFilters": [],
        "symbols": [pair(one) for one in pairs],
    }


def pair(of: Contract) -> Json:
    lots = {
        "minQty": text(of.lot),
        "maxQty": text(of.quantity(of.maximum_lots)),
        "stepSize": text(of.lot),
    }
    low, high = (format(one.normalize(), "f") for one in of.bounds)
    return {
        "symbol": of.symbol,
        "status": "TRADING" if of.status == "TRADING" else "BREAK",
        "baseAsset": of.base,
        "baseAssetPrecision": 8,
        "quoteAsset": of.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ORDER_TYPES,
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": text(of.tick),
                "maxPrice": text(10**9 * of.tick),
                "tickSize": text(of.tick),
            },
            {"filterType": "LOT_SIZE", **lots},
            {"filterType": "MARKET_LOT_SIZE", **lots},
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": high,
                "bidMultiplierDown": low,
                "askMultiplierUp": high,
                "askMultiplierDown": low,
                "avgPriceMins": 0,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": text(of.minimum_notional),
                "applyMinToMarket": True,
                "maxNotional": text(LARGEST),
                "applyMaxToMarket": False,
                "avgPriceMins": 0,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MOST_ORDERS},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": MOST_WAITING},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": STP[0],
        "allowedSelfTradePreventionModes": list(STP),
    }


# --- orders --------------------------------------------------------------------------------------


def _price(one: SpotOrder, of: Contract) -> str:
    return text(ZERO if one.ticks is None else of.price(one.ticks))


def _terms(one: SpotOrder, of: Contract) -> Json:
    """What its acknowledgement, its result and an answer about it have in common."""
    found: Json = {
        "symbol": one.symbol,
        "orderId": one.id,
        "orderListId": -1,
        "clientOrderId": one.client_id,
        "price": _price(one, of),
        "origQty": text(of.quantity(one.lots)),
        "executedQty": text(of.quantity(one.filled)),
        "origQuoteOrderQty": text(one.quote_asked),
        "cummulativeQuoteQty": text(one.quote),
        "status": one.status,
        "timeInForce": one.tif,
        "type": one.type,
        "side": SIDE_NAMES[one.side],
        "selfTradePreventionMode": one.stp,
    }
    if one.working_at:
        found["workingTime"] = one.working_at
    return found


def acknowledged(one: SpotOrder) -> Json:
    return {
        "symbol": one.symbol,
        "orderId": one.id,
        "orderListId": -1,
        "clientOrderId": one.client_id,
        "transactTime": one.at,
    }


def result(one: SpotOrder, of: Contract, *, fills: bool) -> Json:
    found = _terms(one, of) | {"transactTime": one.updated}
    if one.trigger_ticks:
        found["stopPrice"] = text(of.price(one.trigger_ticks))
    if fills:
        found["fills"] = [
            {
                "price": text(of.price(each.ticks)),
                "qty": text(of.quantity(each.lots)),
                "commission": text(each.fee),
                "commissionAsset": one.gets(of),
                "tradeId": each.id,
            }
            for each in one.fills
        ]
    return found


def order(one: SpotOrder, of: Contract) -> Json:
    return _terms(one, of) | {
        "stopPrice": text(of.price(one.trigger_ticks)),
        "icebergQty": text(ZERO),
        "time": one.at,
        "updateTime": one.updated,
        "isWorking": not one.waits,
    }


def cancelled(one: SpotOrder, of: Contract, client_id: str) -> Json:
    """Its cancellation has a client id of its own."""
    found = result(one, of, fills=False)
    return found | {"origClientOrderId": one.client_id, "clientOrderId": client_id}


def trade(one: Trade, of: Contract) -> Json:
    return {
        "symbol": one.symbol,
        "id": one.id,
        "orderId": one.order,
        "orderListId": -1,
        "price": text(of.price(one.ticks)),
        "qty": text(of.quantity(one.lots)),
        "quoteQty": text(of.worth(one.ticks, one.lots)),
        "commission": text(one.fee),
        "commissionAsset": of.base if one.side == BUY else of.quote,
        "time": one.at,
        "isBuyer": one.side == BUY,
        "isMaker": one.maker,
        "isBestMatch": True,
    }


def report(one: SpotOrder, of: Contract, execution: str, fill: Trade | None, now: int) -> Json:
    """`executionReport`: what just happened to an order."""
    cancels = execution == "CANCELED" and one.cancelled_by
    told: Json = {
        "e": "executionReport",
        "E": now,
        "s": one.symbol,
        "c": one.cancelled_by if cancels else one.client_id,
        "S": SIDE_NAMES[one.side],
        "o": one.type,
        "f": one.tif,
        "q": text(of.quantity(one.lots)),
        "p": _price(one, of),
        "P": text(of.price(one.trigger_ticks)),
        "F": text(ZERO),
        "g": -1,
        "C": one.client_id if cancels else "",
        "x": "TRADE_PREVENTION" if one.status == "EXPIRED_IN_MATCH" else execution,
        "X": one.status,
        "r": "NONE",
        "i": one.id,
        "l": text(ZERO if fill is None else of.quantity(fill.lots)),
        "z": text(of.quantity(one.filled)),
        "L": text(ZERO if fill is None else of.price(fill.ticks)),
        "n": "0" if fill is None else text(fill.fee),
        "N": None if fill is None else one.gets(of),
        "T": now,
        "t": -1 if fill is None else fill.id,
        "w": (execution == "NEW" and not one.waits) or fill is not None,
        "m": fill is not None and fill.maker,
        "M": fill is not None,
        "O": one.at,
        "Z": text(one.quote),
        "Y": text(ZERO if fill is None else of.worth(fill.ticks, fill.lots)),
        "Q": text(one.quote_asked),
        "V": one.stp,
    }
    return told | ({"W": one.working_at} if one.working_at else {})


# --- accounts ------------------------------------------------------------------------------------


def rates(of: Contract | None) -> Json:
    maker, taker = (ZERO, ZERO) if of is None else (of.maker, of.taker)
    return {"maker": text(maker), "taker": text(taker), "buyer": text(ZERO), "seller": text(ZERO)}


def account(exchange: Spot, one: SpotAccount, *, zeros: bool) -> Json:
    """All that there is, or what is had alone."""
    of = next(iter(exchange.contracts.values()), None)
    maker, taker = (ZERO, ZERO) if of is None else (of.maker, of.taker)
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": rates(of),
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": one.changed,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": text(had.free), "locked": text(had.locked)}
            for asset in exchange.assets()
            for had in (one.of(asset),)
            if zeros or had.whole
        ],
        "permissions": ["SPOT"],
        "uid": 1 + list(exchange.accounts).index(one.name),
    }


def position(one: SpotAccount, assets: Sequence[str], now: int) -> Json:
    """`outboundAccountPosition`: what is had of assets that may have changed."""
    had = [(asset, one.of(asset)) for asset in dict.fromkeys(assets)]
    told = [{"a": asset, "f": text(each.free), "l": text(each.locked)} for asset, each in had]
    return {"e": "outboundAccountPosition", "E": now, "u": one.changed, "B": told}


def moved(asset: str, amount: Decimal, now: int) -> Json:
    """`balanceUpdate`: what was paid in or out."""
    return {"e": "balanceUpdate", "E": now, "a": asset, "d": text(amount), "T": now}
