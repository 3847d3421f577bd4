"""Bybit's linear contracts in USDT, unified account: its calls, numbers and records.

Source: Bybit, "API documentation v5". A stop is an order like the others and keeps its id once it
is triggered; trades are asked for by time, of all contracts at once; an order's answer is its id.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from commenda.kit.money import plain
from commenda.market import Instrument
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
    moment_of,
    our_order,
    streams_at,
)
from commenda.venues.model import (
    Capabilities,
    Fill,
    Forced,
    OrderKind,
    OrderRequest,
    OrderStatus,
    Side,
    TimeInForce,
    Why,
)

STATUS = {
    "New": OrderStatus.ACCEPTED,
    "Untriggered": OrderStatus.ACCEPTED,
    "Triggered": OrderStatus.ACCEPTED,
    "PartiallyFilled": OrderStatus.PARTLY_FILLED,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELLED,
    "PartiallyFilledCanceled": OrderStatus.CANCELLED,
    "Deactivated": OrderStatus.CANCELLED,
    "Rejected": OrderStatus.REFUSED,
}
_FORCED = {
    "CreateByLiq": Forced.LIQUIDATED,
    "CreateByTakeOver": Forced.LIQUIDATED,
    "CreateByAdl": Forced.DELEVERAGED,
    "CreateBySettle": Forced.SETTLED,
}
TIMES = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.POST_ONLY: "PostOnly"}
TURNED_DOWN = {"EC_PostOnlyWillTakeLiquidity": Why.WOULD_TAKE}
"""Why an order that was acknowledged never was: it is told of as cancelled."""
RAN_OUT = ("EC_NoImmediateQtyToFill", "EC_CancelForNoFullFill")
"""What is told as cancelled, and nobody cancelled: the rest of what does not wait."""
LINEAR = {"category": "linear"}
SETTLED = {**LINEAR, "settleCoin": "USDT"}
STREAMS = "wss://stream.bybit.com"
HAPPENED = ("order", "execution", "position", "wallet")
WEEK = 7 * 24 * HOUR
"""The longest span that may be asked for."""
LATE = 60_000
"""By how much a trade may be shown after a later one."""


@dataclass(frozen=True, slots=True)
class Bybit:
    """Implements `Dialect`."""

    codes: ClassVar[Codes] = Codes(
        gone=frozenset({110001, 110008, 110010}),
        as_it_was=frozenset({110025, 110026}),
        duplicate=frozenset({110072, 131214}),
        clock=frozenset({10002}),
        limited=frozenset({10006, 10018, 10429}),
        maybe_done=frozenset({10000, 10016, 10019}),
        why={
            110003: Why.PRICE_BOUND,
            110004: Why.SHORT_OF_MARGIN,
            110007: Why.SHORT_OF_MARGIN,
            110012: Why.SHORT_OF_MARGIN,
            110017: Why.NOTHING_TO_REDUCE,
            110092: Why.WOULD_TRIGGER,
            110093: Why.WOULD_TRIGGER,
        },
    )
    gauges: ClassVar[Sequence[Gauge]] = ()
    """It counts each address of its own by the second, too fast to be kept house with."""
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(OrderKind),
        deduplicates=False,
        settles_in=SETTLES_IN,
        times=frozenset(TimeInForce),
        limited_stops=True,
        reduces=True,
        replaces=True,
    )

    def client(self, key: str, secret: str, address: str | None = None) -> Any:
        return made_client("bybit", key, secret, address)

    def time(self, ask: Ask) -> int:
        return int(ask("publicGetV5MarketTime", {})["result"]["timeNano"]) // 1_000_000

    def rights(self, ask: Ask) -> Rights:
        told = ask("privateGetV5UserQueryApi", {})["result"]
        may = told["permissions"]
        trades = str(told["readOnly"]) == "0" and "Order" in may.get("ContractTrade", ())
        return Rights("Withdraw" in may.get("Wallet", ()), trades, told["ips"] not in ([], ["*"]))

    def mode(self, ask: Ask) -> Mode:
        """Of what is held; an account that holds nothing does not say."""
        return Mode("mode", all(str(one["positionIdx"]) == "0" for one in self._positions(ask)))

    def limits(self, ask: Ask) -> Sequence[Gauge]:
        return self.gauges

    def filters(self, ask: Ask) -> Mapping[str, Filters]:
        """Its price bands move with the market, and are left to it."""
        found = _all(ask, "publicGetV5MarketInstrumentsInfo", {**LINEAR, "limit": 1000})
        lots = {one["symbol"]: one["lotSizeFilter"] for one in found}
        return {
            one["symbol"]: Filters(
                Decimal(one["priceFilter"]["tickSize"]),
                Decimal(lots[one["symbol"]]["qtyStep"]),
                Decimal(lots[one["symbol"]]["maxOrderQty"]),
                Decimal(lots[one["symbol"]]["maxMktOrderQty"]),
            )
            for one in found
        }

    def modes(self, symbol: str) -> Sequence[tuple[str, Params]]:
        """Both are the whole account's here."""
        if symbol:
            return ()
        return [
            ("privatePostV5PositionSwitchMode", {"mode": 0, "coin": "USDT", **LINEAR}),
            ("privatePostV5AccountSetMarginMode", {"setMarginMode": "REGULAR_MARGIN"}),
        ]

    # --- orders ---------------------------------------------------------------------------------

    def send(
        self, ask: Ask, order: OrderRequest, instrument: Instrument, *, ends: bool
    ) -> Shown | None:
        asked: dict[str, Any] = {
            **LINEAR,
            "symbol": instrument.symbol,
            "side": order.side.capitalize(),
            "orderType": "Market" if order.limit_price is None else "Limit",
            "qty": plain(order.quantity),
            "orderLinkId": str(order.id),
        }
        if order.trigger_price is not None:  # as on Binance: a buyer's lies above, a seller's below
            asked |= {"triggerPrice": plain(order.trigger_price), "triggerBy": "LastPrice"}
            asked["triggerDirection"] = 1 if order.side is Side.BUY else 2
        if order.limit_price is not None:
            asked |= {"timeInForce": TIMES[order.time_in_force], "price": plain(order.limit_price)}
        if order.reduce_only:
            asked["reduceOnly"] = True
        ask("privatePostV5OrderCreate", asked)
        return None

    def replace(self, ask: Ask, order: OrderRequest, symbol: str) -> None:
        assert order.limit_price is not None
        asked = {
            **LINEAR,
            "symbol": symbol,
            "orderLinkId": str(order.id),
            "qty": plain(order.quantity),
            "price": plain(order.limit_price),
        }
        ask("privatePostV5OrderAmend", asked)

    def cancel(self, ask: Ask, order: OrderRequest, symbol: str) -> None:
        asked = {**LINEAR, "symbol": symbol, "orderLinkId": str(order.id)}
        ask("privatePostV5OrderCancel", asked)

    def order(self, ask: Ask, order: OrderRequest, symbol: str) -> Shown | None:
        found = self._sought(ask, {"symbol": symbol, "orderLinkId": str(order.id)})
        return found and _shown(found)

    def _sought(self, ask: Ask, which: Params) -> Any:
        """An order among the open and the latest ones, or else the older ones."""
        for call in ("privateGetV5OrderRealtime", "privateGetV5OrderHistory"):
            found = ask(call, {**LINEAR, **which})["result"]["list"]
            if found:
                return found[0]
        return None

    def sender(self, ask: Ask, symbol: str, number: str) -> Sender:
        found = self._sought(ask, {"symbol": symbol, "orderId": number})
        if found is None:
            raise Refusal(110001, f"order {number} is not shown")
        forced = forced_by(found.get("createType", ""), _FORCED)
        return Sender(our_order(found["orderLinkId"]), forced)

    def resting(self, ask: Ask) -> Sequence[Shown]:
        return [_shown(one) for one in _all(ask, "privateGetV5OrderRealtime", SETTLED)]

    # --- the account ----------------------------------------------------------------------------

    def fills(self, ask: Ask, shown: Shown) -> tuple[Decimal, Sequence[Fill]]:
        asked = {**LINEAR, "symbol": shown.symbol, "orderId": shown.number, "limit": 100}
        found = [_deal(one) for one in _all(ask, "privateGetV5ExecutionList", asked)]
        return shown.filled, [one.fill for one in reversed(found)]  # the newest comes first

    def begin(self, ask: Ask, symbols: Sequence[str]) -> Mapping[str, str]:
        stands = json.dumps([self.time(ask), {}])
        return {"executions": stands, "income": stands}

    def deals(
        self, ask: Ask, symbols: Sequence[str], cursor: str | None
    ) -> tuple[Sequence[Deal], str | None]:
        """Without a cursor, of the last week: what it shows to who says nothing else."""
        found, cursor = each_once(
            cursor,
            lambda since: self._since(ask, "privateGetV5ExecutionList", SETTLED, since, 100),
            "execId",
            "execTime",
            LATE,
        )
        return [_deal(one) for one in found if one["execType"] != "Funding"], cursor

    def _since(self, ask: Ask, call: str, asked: Params, since: int, limit: int) -> Sequence[Any]:
        """Rows from a moment on, week by week, the oldest first."""
        now = self.time(ask)
        begin, found = since or now - WEEK, []
        while begin <= now:
            span = {"startTime": begin, "endTime": min(begin + WEEK, now), "limit": limit}
            found += reversed(_all(ask, call, {**asked, **span}))
            begin += WEEK + 1
        return found

    def holdings(
        self, ask: Ask, known: Mapping[str, Instrument]
    ) -> tuple[Mapping[str, Decimal], Mapping[str, Held]]:
        (account,) = ask("privateGetV5AccountWalletBalance", {"accountType": "UNIFIED"})["result"][
            "list"
        ]
        held = {}
        for one in self._positions(ask):
            sign = -1 if one["side"] == "Sell" else 1
            quantity = sign * Decimal(one["size"])
            worth = quantity * Decimal(one["markPrice"])
            held[one["symbol"]] = Held(quantity, Decimal(one["unrealisedPnl"] or 0), worth)
        return {one["coin"]: Decimal(one["walletBalance"]) for one in account["coin"]}, held

    def _positions(self, ask: Ask) -> Sequence[Any]:
        return _all(ask, "privateGetV5PositionList", {**SETTLED, "limit": 200})

    def income(
        self, ask: Ask, known: Mapping[str, Instrument], cursor: str | None
    ) -> tuple[Sequence[Paid | Cleared], str | None]:
        call = "privateGetV5AccountTransactionLog"
        asked = {"accountType": "UNIFIED", "currency": "USDT", "type": "SETTLEMENT", **LINEAR}
        found, cursor = each_once(
            cursor, lambda since: self._since(ask, call, asked, since, 50), "id", "transactionTime"
        )
        return [
            Paid(
                one["symbol"],
                round(int(one["transactionTime"]) / HOUR) * HOUR,
                Decimal(one["feeRate"]),
                Decimal(one["tradePrice"]),
                Decimal(one["size"]),
                Decimal(one["funding"]),
                int(one["transactionTime"]),
            )
            for one in found
            if one["symbol"] in known
        ], cursor

    def transfer(self, ask: Ask, reference: UUID, asset: str, amount: Decimal) -> None:
        """Between the funding account and the unified one that trades."""
        kinds = ("FUND", "UNIFIED") if amount > 0 else ("UNIFIED", "FUND")
        asked = {
            "transferId": str(reference),
            "coin": asset,
            "amount": plain(abs(amount)),
            "fromAccountType": kinds[0],
            "toAccountType": kinds[1],
        }
        ask("privatePostV5AssetTransferInterTransfer", asked)

    # --- its stream -----------------------------------------------------------------------------

    def channel(self, ask: Ask, client: Any, address: str | None) -> Channel:
        until = int(client.milliseconds()) + 10_000
        told = f"GET/realtime{until}".encode()
        mark = hmac.new(client.secret.encode(), told, hashlib.sha256).hexdigest()
        return Channel(
            f"{streams_at(address, STREAMS)}/v5/private",
            (
                {"op": "auth", "args": [client.apiKey, until, mark]},
                {"op": "subscribe", "args": list(HAPPENED)},
            ),
            {"op": "ping"},
        )

    def keep_channel(self, ask: Ask) -> None:
        """Pings are enough."""

    def news(self, told: Mapping[str, Any]) -> News | None:
        if told.get("success") is False:
            return None
        return News(told.get("op") == "subscribe", told.get("topic") in HAPPENED)


def _all(ask: Ask, call: str, asked: Params) -> list[Any]:
    """Every page of a list."""
    found: list[Any] = []
    page = ""
    while True:
        told = ask(call, {**asked, "cursor": page} if page else asked)["result"]
        found += told["list"]
        page = told.get("nextPageCursor") or ""
        if not page or not told["list"]:
            return found


def _shown(one: Any) -> Shown:
    kind = f"{one['stopOrderType']} {one['orderType']}".strip()
    status, said = STATUS[one["orderStatus"]], one["rejectReason"]
    why = TURNED_DOWN.get(said)
    if why is not None or said in RAN_OUT:
        status = OrderStatus.EXPIRED if why is None else OrderStatus.REFUSED
    return Shown(
        one["orderId"],
        one["orderLinkId"],
        one["symbol"],
        status,
        Decimal(one["cumExecQty"]),
        f"{one['side']} {one['qty']} {one['symbol']} {kind}".lower(),
        f"{why}: {said}" if why else said if status is OrderStatus.REFUSED else None,
        Decimal(one["qty"]),
        Decimal(one["price"] or 0) or None,
    )


def _deal(one: Any) -> Deal:
    fill = Fill(
        f"{one['symbol']}:{one['execId']}",
        Decimal(one["execQty"]),
        Decimal(one["execPrice"]),
        Decimal(one["execFee"]),
        moment_of(one["execTime"]),
    )
    side = Side(one["side"].lower())
    return Deal(int(one["execTime"]), one["orderId"], one["symbol"], side, fill)
