"""Binance's USD-M futures: its calls, numbers and records."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from commenda.kit.money import plain
from commenda.market import Instrument
from commenda.venues.binance_records import deal_of, is_true, shown_algo, shown_order
from commenda.venues.binance_shared import (
    CLOCK,
    GONE,
    LIMITED,
    MAYBE_DONE,
    PAGE,
    Trades,
    allowed_by,
    sought,
    transfer,
)
from commenda.venues.budget import Gauge
from commenda.venues.dialect import (
    HOUR,
    SETTLES_IN,
    Ask,
    Channel,
    Cleared,
    Codes,
    Deal,
    Filters,
    Held,
    Mode,
    News,
    Paid,
    Params,
    Refusal,
    Rights,
    Sender,
    Shown,
    each_once,
    forced_by,
    made_client,
    our_order,
    streams_at,
)
from commenda.venues.model import (
    Capabilities,
    Fill,
    Forced,
    OrderKind,
    OrderRequest,
    TimeInForce,
    Why,
)

_FORCED = {
    "autoclose-": Forced.LIQUIDATED,
    "adl_autoclose": Forced.DELEVERAGED,
    "settlement_autoclose-": Forced.SETTLED,
}
TIMES = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.POST_ONLY: "GTX"}
STREAMS = "wss://fstream.binance.com"
HAPPENED = ("ORDER_TRADE_UPDATE", "ALGO_UPDATE", "ACCOUNT_UPDATE", "MARGIN_CALL")
_FUNDING, _CLEARING = "FUNDING_FEE", "INSURANCE_CLEAR"


def binance_client(key: str, secret: str, address: str | None = None) -> Any:
    """ccxt's client of USD-M futures; at another address where one is given. What it may ask, the
    exchange says with each answer (`budget`): it need not sleep."""
    return made_client("binanceusdm", key, secret, address, sleeps=False)


@dataclass(slots=True)
class Binance:
    """Implements `Dialect`. A stop is an order of another service, until it is triggered."""

    codes: ClassVar[Codes] = Codes(
        gone=GONE,
        as_it_was=frozenset({-4046, -4059}),
        duplicate=frozenset({-4116, -4111}),
        clock=CLOCK,
        limited=LIMITED,
        maybe_done=MAYBE_DONE,
        why={
            -2019: Why.SHORT_OF_MARGIN,
            -2021: Why.WOULD_TRIGGER,
            -2022: Why.NOTHING_TO_REDUCE,
            -4016: Why.PRICE_BOUND,
            -4024: Why.PRICE_BOUND,
            -4118: Why.NOTHING_TO_REDUCE,
            -4131: Why.PRICE_BOUND,
            -5022: Why.WOULD_TAKE,
        },
    )
    gauges: ClassVar[Sequence[Gauge]] = (
        Gauge("X-MBX-USED-WEIGHT-1M", 60, 2_400),
        Gauge("X-MBX-ORDER-COUNT-10S", 10, 300, of_orders=True),
        Gauge("X-MBX-ORDER-COUNT-1M", 60, 1_200, of_orders=True),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(OrderKind),
        deduplicates=False,
        settles_in=SETTLES_IN,
        # It takes what is 600 seconds ahead and more, by its own clock and in whole seconds.
        ends_after=timedelta(seconds=601),
        times=frozenset(TimeInForce),
        limited_stops=True,
        reduces=True,
        replaces=True,
    )
    _trades: Trades = field(default_factory=lambda: Trades("fapiPrivateGetUserTrades", deal_of))

    def client(self, key: str, secret: str, address: str | None = None) -> Any:
        return binance_client(key, secret, address)

    def time(self, ask: Ask) -> int:
        return int(ask("fapiPublicGetTime", {})["serverTime"])

    def rights(self, ask: Ask) -> Rights:
        told = ask("sapiGetAccountApiRestrictions", {})
        named = ("enableWithdrawals", "enableFutures", "ipRestrict")
        return Rights(*(is_true(told[one]) for one in named))

    def mode(self, ask: Ask) -> Mode:
        hedged = is_true(ask("fapiPrivateGetPositionSideDual", {})["dualSidePosition"])
        return Mode("mode", not hedged)

    def limits(self, ask: Ask) -> Sequence[Gauge]:
        return allowed_by(ask("fapiPublicGetExchangeInfo", {})["rateLimits"], self.gauges)

    def filters(self, ask: Ask) -> Mapping[str, Filters]:
        found = {}
        for contract in ask("fapiPublicGetExchangeInfo", {})["symbols"]:
            told = {one["filterType"]: one for one in contract["filters"]}
            lots, band = told["LOT_SIZE"], told["PERCENT_PRICE"]
            found[contract["symbol"]] = Filters(
                Decimal(told["PRICE_FILTER"]["tickSize"]),
                Decimal(lots["stepSize"]),
                Decimal(lots["maxQty"]),
                Decimal(told["MARKET_LOT_SIZE"]["maxQty"]),
                (Decimal(band["multiplierDown"]), Decimal(band["multiplierUp"])),
            )
        return found

    def modes(self, symbol: str) -> Sequence[tuple[str, Params]]:
        if not symbol:
            return [("fapiPrivatePostPositionSideDual", {"dualSidePosition": "false"})]
        return [("fapiPrivatePostMarginType", {"marginType": "CROSSED", "symbol": symbol})]

    # --- orders ---------------------------------------------------------------------------------

    def send(
        self, ask: Ask, order: OrderRequest, instrument: Instrument, *, ends: bool
    ) -> Shown | None:
        asked = {
            "symbol": instrument.symbol,
            "side": order.side.upper(),
            "quantity": plain(order.quantity),
        }
        if order.reduce_only:
            asked["reduceOnly"] = "true"
        if order.limit_price is not None:
            asked |= {"timeInForce": TIMES[order.time_in_force], "price": plain(order.limit_price)}
            # Which of the two it is, is one parameter here: what is taken at once needs no end.
            if ends and order.time_in_force is TimeInForce.GTC:
                assert order.expires_at is not None
                until = math.ceil(order.expires_at.timestamp()) * 1000
                asked |= {"timeInForce": "GTD", "goodTillDate": str(until)}
        if order.kind is OrderKind.STOP:
            assert order.trigger_price is not None
            kind = "STOP_MARKET" if order.limit_price is None else "STOP"
            asked |= {"algoType": "CONDITIONAL", "type": kind}
            asked |= {"clientAlgoId": str(order.id), "triggerPrice": plain(order.trigger_price)}
            ask("fapiPrivatePostAlgoOrder", asked)
            return None
        asked |= {"type": order.kind.upper(), "newClientOrderId": str(order.id)}
        asked |= {"newOrderRespType": "RESULT"}
        return shown_order(ask("fapiPrivatePostOrder", asked))

    def replace(self, ask: Ask, order: OrderRequest, symbol: str) -> None:
        assert order.limit_price is not None
        asked = {
            "symbol": symbol,
            "side": order.side.upper(),
            "origClientOrderId": str(order.id),
            "quantity": plain(order.quantity),
            "price": plain(order.limit_price),
        }
        ask("fapiPrivatePutOrder", asked)

    def cancel(self, ask: Ask, order: OrderRequest, symbol: str) -> None:
        if order.kind is not OrderKind.STOP:
            asked = {"symbol": symbol, "origClientOrderId": str(order.id)}
            ask("fapiPrivateDeleteOrder", asked)
            return
        try:
            ask("fapiPrivateDeleteAlgoOrder", {"clientAlgoId": str(order.id)})
        except Refusal as refusal:
            algo = self._algo(ask, order) if refusal.code in self.codes.gone else None
            if not algo or not algo["actualOrderId"]:
                raise
            # Triggered: what came of it can still rest.
            asked = {"symbol": algo["symbol"], "orderId": algo["actualOrderId"]}
            ask("fapiPrivateDeleteOrder", asked)

    def order(self, ask: Ask, order: OrderRequest, symbol: str) -> Shown | None:
        asked = {"symbol": symbol, "origClientOrderId": str(order.id)}
        if order.kind is OrderKind.STOP:
            algo = self._algo(ask, order)
            if algo is None or not algo["actualOrderId"]:
                return algo and shown_algo(algo)
            asked = {"symbol": symbol, "orderId": algo["actualOrderId"]}
        found = sought(ask, "fapiPrivateGetOrder", asked)
        return found and shown_order(found)

    def _algo(self, ask: Ask, order: OrderRequest) -> Any:
        return sought(ask, "fapiPrivateGetAlgoOrder", {"clientAlgoId": str(order.id)})

    def sender(self, ask: Ask, symbol: str, number: str) -> Sender:
        found = ask("fapiPrivateGetOrder", {"symbol": symbol, "orderId": number})["clientOrderId"]
        ours = our_order(found)
        if ours is None:
            for one in ask("fapiPrivateGetAllAlgoOrders", {"symbol": symbol}):
                if str(one["actualOrderId"]) == number:
                    ours = our_order(one["clientAlgoId"])
        return Sender(ours, forced_by(found, _FORCED))

    def resting(self, ask: Ask) -> Sequence[Shown]:
        return [
            *map(shown_order, ask("fapiPrivateGetOpenOrders", {})),
            *map(shown_algo, ask("fapiPrivateGetOpenAlgoOrders", {})),
        ]

    # --- the account ----------------------------------------------------------------------------

    def fills(self, ask: Ask, shown: Shown) -> tuple[Decimal, Sequence[Fill]]:
        return shown.filled, [one.fill for one in self._trades.of_order(ask, shown)]

    def begin(self, ask: Ask, symbols: Sequence[str]) -> Mapping[str, str]:
        stands = self.time(ask)
        executions = self._trades.begin(ask, symbols, stands)
        return {"executions": executions, "income": json.dumps([stands, {}])}

    def deals(
        self, ask: Ask, symbols: Sequence[str], cursor: str | None
    ) -> tuple[Sequence[Deal], str | None]:
        return self._trades.after(ask, symbols, cursor)

    def holdings(
        self, ask: Ask, known: Mapping[str, Instrument]
    ) -> tuple[Mapping[str, Decimal], Mapping[str, Held]]:
        found = ask("fapiPrivateV3GetAccount", {})
        named = ("positionAmt", "unrealizedProfit", "notional")
        return (
            {one["asset"]: Decimal(one["walletBalance"]) for one in found["assets"]},
            {
                one["symbol"]: Held(*(Decimal(one[name]) for name in named))
                for one in found["positions"]
            },
        )

    def income(
        self, ask: Ask, known: Mapping[str, Instrument], cursor: str | None
    ) -> tuple[Sequence[Paid | Cleared], str | None]:
        """A stamp is the hour that it was due: the exchange writes it a few seconds later."""

        def rows(since: int) -> Sequence[Any]:
            asked = {"startTime": since, "limit": PAGE}
            return [
                one
                for kind in (_FUNDING, _CLEARING)
                for one in ask("fapiPrivateGetIncome", {**asked, "incomeType": kind})
            ]

        found, cursor = each_once(cursor, rows, "tranId", "time")
        return [
            self._paid(ask, known[one["symbol"]], one) for one in found if one["symbol"] in known
        ], cursor

    def _paid(self, ask: Ask, instrument: Instrument, row: Any) -> Paid | Cleared:
        if row["incomeType"] == _CLEARING:
            place = str(row["tranId"]), row["symbol"]
            return Cleared(*place, Decimal(row["income"]), int(row["time"]))
        due = round(int(row["time"]) / HOUR) * HOUR
        asked = {"symbol": instrument.symbol, "startTime": due - 60_000, "limit": 1}
        rates: Any = ask("fapiPublicGetFundingRate", asked)
        rate = rates[0] if rates else {"fundingRate": 0, "markPrice": 0}
        amount = Decimal(row["income"])
        share, mark = Decimal(rate["fundingRate"]), Decimal(rate["markPrice"])
        quantity = Decimal(0)
        if share and mark:
            quantity = instrument.to_lot(abs(amount / (share * mark)) + instrument.lot / 2)
            quantity = -quantity if (amount > 0) is (share > 0) else quantity
        return Paid(instrument.symbol, due, share, mark, quantity, amount, int(row["time"]))

    def transfer(self, ask: Ask, reference: UUID, asset: str, amount: Decimal) -> None:
        """Between the house's spot and this account's futures."""
        transfer(ask, reference, asset, amount, house="SPOT", ours="USDT_FUTURE")

    # --- its stream -----------------------------------------------------------------------------

    def channel(self, ask: Ask, client: Any, address: str | None) -> Channel:
        key = ask("fapiPrivatePostListenKey", {})["listenKey"]
        return Channel(f"{streams_at(address, STREAMS)}/private/ws?listenKey={key}")

    def keep_channel(self, ask: Ask) -> None:
        ask("fapiPrivatePutListenKey", {})

    def news(self, told: Mapping[str, Any]) -> News | None:
        if told.get("e") == "listenKeyExpired":
            return None
        return News(happened=told.get("e") in HAPPENED)
