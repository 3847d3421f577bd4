"""The exchange's records as Binance's JSON: USD-M futures, REST and streams.

Numbers are strings in plain digits, as Binance writes them; what it gives and nobody reads is there
with a fixed value, since clients look for the name.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from commenda.exchange.engine import Exchange
from commenda.exchange.model import (
    BUY,
    CENT,
    SIDE_NAMES,
    Conditional,
    Contract,
    Income,
    Order,
    Trade,
)
from commenda.kit.money import plain

Json = dict[str, Any]
ORDER_TYPES = [
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
]


def text(number: Decimal) -> str:
    """In plain digits, at most eight decimals."""
    return plain(number.quantize(CENT, ROUND_HALF_EVEN))


def decimals(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))


# --- contracts -----------------------------------------------------------------------------------


def exchange_info(exchange: Exchange, limits: Iterable[Json]) -> Json:
    return {
        "timezone": "UTC",
        "serverTime": exchange.now,
        "futuresType": "U_MARGINED",
        "rateLimits": list(limits),
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "0"}],
        "symbols": [contract(one) for one in exchange.contracts.values()],
    }


def contract(one: Contract) -> Json:
    tick, lot, most = plain(one.tick), plain(one.lot), plain(one.quantity(one.maximum_lots))
    lots = {"minQty": lot, "maxQty": most, "stepSize": lot}
    low, high = one.bounds
    return {
        "symbol": one.symbol,
        "pair": one.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": one.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": one.base,
        "quoteAsset": one.quote,
        "marginAsset": one.quote,
        "pricePrecision": decimals(one.tick),
        "quantityPrecision": decimals(one.lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": plain(one.liquidation_fee),
        "marketTakeBound": plain(high - 1),
        "maxMoveOrderLimit": 10000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": plain(10**9 * one.tick),
                "tickSize": tick,
            },
            {"filterType": "LOT_SIZE", **lots},
            {"filterType": "MARKET_LOT_SIZE", **lots},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": plain(one.minimum_notional)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": plain(high),
                "multiplierDown": plain(low),
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def brackets(one: Contract) -> Json:
    return {
        "symbol": one.symbol,
        "brackets": [
            {
                "bracket": number,
                "initialLeverage": tier.leverage,
                "notionalCap": int(tier.cap),
                "notionalFloor": int(tier.floor),
                "maintMarginRatio": float(tier.rate),
                "cum": float(tier.deduction),
            }
            for number, tier in enumerate(one.tiers, 1)
        ],
    }


# --- orders --------------------------------------------------------------------------------------


def order(one: Order, of: Contract) -> Json:
    average = text(one.average(of))
    return {
        "orderId": one.id,
        "symbol": one.symbol,
        "status": one.status,
        "clientOrderId": one.client_id,
        "price": "0" if one.ticks is None else plain(of.price(one.ticks)),
        "avgPrice": average,
        "origQty": plain(of.quantity(one.lots)),
        "executedQty": plain(of.quantity(one.filled)),
        "cumQty": plain(of.quantity(one.filled)),
        "cumQuote": text(one.quote),
        "timeInForce": one.tif,
        "type": one.type,
        "reduceOnly": one.reduce_only,
        "closePosition": one.close_position,
        "side": SIDE_NAMES[one.side],
        "positionSide": one.position_side,
        "stopPrice": "0" if one.trigger is None else plain(one.trigger),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": one.original_type or one.type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": one.stp,
        "goodTillDate": one.good_till,
        "time": one.at,
        "updateTime": one.updated or one.at,
    }


def order_event(one: Order, of: Contract, execution: str, fill: Trade | None, now: int) -> Json:
    """`ORDER_TRADE_UPDATE`: what just happened to an order."""
    told = {
        "s": one.symbol,
        "c": one.client_id,
        "S": SIDE_NAMES[one.side],
        "o": one.type,
        "f": one.tif,
        "q": plain(of.quantity(one.lots)),
        "p": "0" if one.ticks is None else plain(of.price(one.ticks)),
        "ap": text(one.average(of)),
        "sp": "0" if one.trigger is None else plain(one.trigger),
        "x": execution,
        "X": one.status,
        "i": one.id,
        "l": "0" if fill is None else plain(of.quantity(fill.lots)),
        "z": plain(of.quantity(one.filled)),
        "L": "0" if fill is None else plain(of.price(fill.ticks)),
        "T": now,
        "t": 0 if fill is None else fill.id,
        "b": "0",
        "a": "0",
        "m": fill is not None and fill.maker,
        "R": one.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": one.original_type or one.type,
        "ps": one.position_side,
        "cp": one.close_position,
        "rp": "0" if fill is None else text(fill.realised),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": one.stp,
        "pm": "NONE",
        "gtd": one.good_till,
        "er": str(one.reason),
    }
    if fill is not None:
        told |= {"N": "USDT", "n": text(fill.fee)}
    return {"e": "ORDER_TRADE_UPDATE", "E": now, "T": now, "o": told}


def conditional(one: Conditional, of: Contract) -> Json:
    return {
        "algoId": one.id,
        "clientAlgoId": one.client_id,
        "algoType": "CONDITIONAL",
        "orderType": one.type,
        "symbol": one.symbol,
        "side": SIDE_NAMES[one.side],
        "positionSide": one.position_side,
        "timeInForce": one.tif,
        "quantity": plain(of.quantity(one.lots)),
        "algoStatus": one.status,
        "actualOrderId": "" if one.actual is None else str(one.actual),
        "triggerPrice": plain(of.price(one.trigger)),
        "price": "0" if one.ticks is None else plain(of.price(one.ticks)),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": one.working,
        "priceMatch": "NONE",
        "closePosition": one.close_position,
        "priceProtect": False,
        "reduceOnly": one.reduce_only,
        "activatePrice": "",
        "callbackRate": "",
        "createTime": one.at,
        "updateTime": one.updated or one.at,
        "triggerTime": one.triggered,
        "goodTillDate": one.good_till,
    }


def conditional_event(one: Conditional, of: Contract, now: int) -> Json:
    """`ALGO_UPDATE`; `rm` says why one was refused."""
    return {
        "e": "ALGO_UPDATE",
        "E": now,
        "T": now,
        "o": {
            "caid": one.client_id,
            "aid": one.id,
            "at": "CONDITIONAL",
            "o": one.type,
            "s": one.symbol,
            "S": SIDE_NAMES[one.side],
            "ps": one.position_side,
            "f": one.tif,
            "q": plain(of.quantity(one.lots)),
            "X": one.status,
            "ai": "" if one.actual is None else str(one.actual),
            "ap": "0",
            "aq": "0",
            "act": "0",
            "tp": plain(of.price(one.trigger)),
            "p": "0" if one.ticks is None else plain(of.price(one.ticks)),
            "V": "EXPIRE_MAKER",
            "wt": one.working,
            "pm": "NONE",
            "cp": one.close_position,
            "pP": False,
            "R": one.reduce_only,
            "tt": one.triggered,
            "gtd": one.good_till,
            "rm": one.refusal,
        },
    }


def trade(one: Trade, of: Contract) -> Json:
    return {
        "id": one.id,
        "orderId": one.order,
        "symbol": one.symbol,
        "side": SIDE_NAMES[one.side],
        "positionSide": one.position_side,
        "price": plain(of.price(one.ticks)),
        "qty": plain(of.quantity(one.lots)),
        "quoteQty": text(of.worth(one.ticks, one.lots)),
        "commission": text(one.fee),
        "commissionAsset": of.quote,
        "realizedPnl": text(one.realised),
        "buyer": one.side == BUY,
        "maker": one.maker,
        "time": one.at,
    }


def income(one: Income) -> Json:
    is_trade = one.kind in ("COMMISSION", "REALIZED_PNL")
    return {
        "symbol": one.symbol,
        "incomeType": one.kind,
        "income": text(one.amount),
        "asset": one.asset,
        "info": one.note or one.kind,
        "time": one.at,
        "tranId": one.id,
        "tradeId": one.note if is_trade else "",
    }
