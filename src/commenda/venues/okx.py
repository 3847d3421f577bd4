"""OKX's perpetual swaps in USDT: its calls, numbers and records.

Source: OKX, "API documentation v5". Sizes are contracts there, each worth so much of the base, and
quantities here are in base: what crosses is converted exactly. A stop is an algo order that
another order comes of; trades and bills are asked for by time; an order's answer is its id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple
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
    made_client,
    our_order,
    streams_at,
)
from commenda.venues.model import (
    Capabilities,
    Fill,
    OrderKind,
    OrderRequest,
    TimeInForce,
)
from commenda.venues.okx_records import (
    BILLS,
    CODES,
    FORCED,
    TRADES,
    Rows,
    cash,
    deal_of,
    inst_of,
    number_of,
    pages,
    shown_algo,
    shown_order,
    symbol_of,
    together,
)
from commenda.venues.okx_stream import STREAMS, login, news_of

SWAPS = {"instType": "SWAP"}
TIMES = {TimeInForce.GTC: "limit", TimeInForce.IOC: "ioc", TimeInForce.POST_ONLY: "post_only"}
NET = "net_mode"
TRADES_SWAPS = ("2", "3")
"""Account modes: futures, and several currencies. The first knows no swaps, in the portfolio's an
order cannot be bound to reduce."""
FUNDING, TRADING = "6", "18"
LATE = 60_000
"""By how much a trade may be shown after a later one."""
FEES = "8"
COSTS = ("5", "9", "10")
"""Kinds of bills: funding fees; liquidations, deleveraging and clawbacks."""


class Face(NamedTuple):
    """What a contract is: how much of the base, and in which steps it is traded."""

    value: Decimal
    lot: Decimal


@dataclass(slots=True)
class Okx:
    """Implements `Dialect`."""

    codes: ClassVar[Codes] = CODES
    gauges: ClassVar[Sequence[Gauge]] = ()
    """It limits each address by itself and tells nothing of what is left: ccxt spaces calls out,
    and after "too many" nothing is asked for a moment."""
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(OrderKind),
        deduplicates=False,
        settles_in=SETTLES_IN,
        times=frozenset(TimeInForce),
        limited_stops=True,
        reduces=True,
        replaces=True,
    )
    _faces: dict[str, Face] = field(default_factory=dict)
    """Of each contract, as it was told last."""
    _mode: str = ""
    """Of positions, as it was told last."""

    def client(self, key: str, secret: str, address: str | None = None) -> Any:
        return made_client("okx", key, secret, address)

    def time(self, ask: Ask) -> int:
        return int(ask("publicGetPublicTime", {})["data"][0]["ts"])

    def rights(self, ask: Ask) -> Rights:
        told = self._settings(ask)
        may = told["perm"].split(",")
        trades = "trade" in may and told["acctLv"] in TRADES_SWAPS
        return Rights("withdraw" in may, trades, bool(told["ip"]))

    def mode(self, ask: Ask) -> Mode:
        return Mode("mode", self._settings(ask)["posMode"] == NET)

    def _settings(self, ask: Ask) -> Any:
        told = ask("privateGetAccountConfig", {})["data"][0]
        self._mode = told["posMode"]
        return told

    def limits(self, ask: Ask) -> Sequence[Gauge]:
        return self.gauges

    def filters(self, ask: Ask) -> Mapping[str, Filters]:
        """Its price bands move with the market, and are left to it."""
        found = {}
        for inst, one in self._contracts(ask).items():
            value, lot = self._faces[inst]
            most, most_at_market = (Decimal(one[name]) for name in ("maxLmtSz", "maxMktSz"))
            found[symbol_of(inst)] = Filters(
                Decimal(one["tickSz"]), lot * value, most * value, most_at_market * value
            )
        return found

    def _contracts(self, ask: Ask) -> Mapping[str, Any]:
        """What is traded, by OKX's name for it."""
        told = ask("publicGetPublicInstruments", SWAPS)["data"]
        found = {
            one["instId"]: one
            for one in told
            if (one["ctType"], one["settleCcy"]) == ("linear", "USDT") and one["ctVal"]
        }
        for inst, one in found.items():
            value = Decimal(one["ctVal"]) * Decimal(one["ctMult"] or 1)
            self._faces[inst] = Face(value, Decimal(one["lotSz"]))
        return found

    def _face(self, ask: Ask, symbol: str) -> Face:
        """Of a contract of ours. A `Refusal` where it is traded no more, and was not meanwhile:
        nobody can say how much of it a size is."""
        inst = inst_of(symbol)
        if inst not in self._faces:
            self._contracts(ask)
        if inst not in self._faces:
            raise Refusal(51001, f'{{"msg": "{inst} is not told of"}}')
        return self._faces[inst]

    def modes(self, symbol: str) -> Sequence[tuple[str, Params]]:
        """Of the whole account. Whose margin is shared each order says itself; a mode that is kept
        is not set again, which is refused while anything is open."""
        if symbol or self._mode == NET:
            return ()
        return [("privatePostAccountSetPositionMode", {"posMode": NET})]

    # --- orders ---------------------------------------------------------------------------------

    def send(
        self, ask: Ask, order: OrderRequest, instrument: Instrument, *, ends: bool
    ) -> Shown | None:
        """At market is the worst price that is allowed, and what is left ends: its own market
        orders may rest there."""
        symbol, ours = instrument.symbol, order.id.hex
        asked: dict[str, Any] = {
            "instId": inst_of(symbol),
            "tdMode": "cross",
            "side": str(order.side),
            "sz": self._size(ask, symbol, order.quantity),
            "clOrdId": ours,
        }
        if order.reduce_only:
            asked["reduceOnly"] = True
        limit = None if order.limit_price is None else plain(order.limit_price)
        if order.trigger_price is not None:
            asked |= {"ordType": "conditional", "algoClOrdId": ours, "slTriggerPxType": "last"}
            asked |= {"slTriggerPx": plain(order.trigger_price), "slOrdPx": limit or "-1"}
            ask("privatePostTradeOrderAlgo", asked)
            return None
        if limit is None:
            asked["ordType"] = "optimal_limit_ioc"
        else:
            asked |= {"ordType": TIMES[order.time_in_force], "px": limit}
        ask("privatePostTradeOrder", asked)
        return None

    def _size(self, ask: Ask, symbol: str, quantity: Decimal) -> str:
        """A quantity of the base in contracts; a `Refusal` for one that is no whole number of
        lots."""
        value, lot = self._face(ask, symbol)
        if quantity % (value * lot):
            said = f"{plain(quantity)} is no multiple of {plain(lot)} contracts of {plain(value)}"
            raise Refusal(51121, f'{{"msg": "{said}"}}')
        return plain(quantity / value)

    def replace(self, ask: Ask, order: OrderRequest, symbol: str) -> None:
        assert order.limit_price is not None
        asked = {
            **self._named(order, symbol),
            "newSz": self._size(ask, symbol, order.quantity),
            "newPx": plain(order.limit_price),
        }
        ask("privatePostTradeAmendOrder", asked)

    def _named(self, order: OrderRequest, symbol: str) -> dict[str, Any]:
        return {"instId": inst_of(symbol), "clOrdId": order.id.hex}

    def cancel(self, ask: Ask, order: OrderRequest, symbol: str) -> None:
        if order.kind is not OrderKind.STOP:
            ask("privatePostTradeCancelOrder", self._named(order, symbol))
            return
        inst = inst_of(symbol)
        try:
            asked = [{"instId": inst, "algoClOrdId": order.id.hex}]
            ask("privatePostTradeCancelAlgos", asked)
        except Refusal as refusal:
            algo = self._algo(ask, order) if refusal.code in self.codes.gone else None
            if algo is None or not algo["ordIdList"]:
                raise
            for number in algo["ordIdList"]:  # triggered: what came of it can still rest
                ask("privatePostTradeCancelOrder", {"instId": inst, "ordId": number})

    def order(self, ask: Ask, order: OrderRequest, symbol: str) -> Shown | None:
        if order.kind is not OrderKind.STOP:
            found = self._sought(ask, "privateGetTradeOrder", self._named(order, symbol))
            return found and shown_order(found, self._face(ask, symbol).value)
        algo = self._algo(ask, order)
        if algo is None:
            return None
        value = self._face(ask, symbol).value
        if not algo["ordIdList"]:
            return shown_algo(algo, value, self.codes.why)
        sent = (self._numbered(ask, symbol, one) for one in algo["ordIdList"])
        return together([shown_order(one, value) for one in sent if one is not None])

    def _algo(self, ask: Ask, order: OrderRequest) -> Any:
        return self._sought(ask, "privateGetTradeOrderAlgo", {"algoClOrdId": order.id.hex})

    def _numbered(self, ask: Ask, symbol: str, number: str) -> Any:
        asked = {"instId": inst_of(symbol), "ordId": number}
        return self._sought(ask, "privateGetTradeOrder", asked)

    def _sought(self, ask: Ask, call: str, asked: Params) -> Any:
        """What is there, or None."""
        try:
            found = ask(call, asked)["data"]
        except Refusal as refusal:
            if refusal.code in self.codes.gone:
                return None
            raise
        return found[0] if found else None

    def sender(self, ask: Ask, symbol: str, number: str) -> Sender:
        found = self._numbered(ask, symbol, number)
        if found is None:
            raise Refusal(51603, f'{{"msg": "order {number} is not shown"}}')
        ours = our_order(found["clOrdId"]) or our_order(found["algoClOrdId"])
        return Sender(ours, FORCED.get(found["category"]))

    def resting(self, ask: Ask) -> Sequence[Shown]:
        orders = pages(ask, "privateGetTradeOrdersPending", SWAPS, "ordId")
        algos = [
            one
            for kind in ("conditional", "trigger")
            for one in pages(
                ask, "privateGetTradeOrdersAlgoPending", {**SWAPS, "ordType": kind}, "algoId"
            )
        ]
        return [
            *(shown_order(one, self._worth(ask, one)) for one in orders),
            *(shown_algo(one, self._worth(ask, one), self.codes.why) for one in algos),
        ]

    def _worth(self, ask: Ask, row: Any) -> Decimal:
        """How much of the base a contract of a record is; of one that is none of ours, itself."""
        inst = row["instId"]
        if symbol_of(inst) == inst:
            return Decimal(1)
        return self._face(ask, symbol_of(inst)).value

    # --- the account ----------------------------------------------------------------------------

    def fills(self, ask: Ask, shown: Shown) -> tuple[Decimal, Sequence[Fill]]:
        value, found = self._face(ask, shown.symbol).value, []
        for number in shown.number.split(","):
            asked = {**SWAPS, "instId": inst_of(shown.symbol), "ordId": number}
            rows = pages(ask, TRADES.newest, asked, "billId")
            found += rows or pages(ask, TRADES.all, asked, "billId")
        return shown.filled, [deal_of(one, value).fill for one in sorted(found, key=number_of)]

    def begin(self, ask: Ask, symbols: Sequence[str]) -> Mapping[str, str]:
        stands = json.dumps([self.time(ask), {}])
        return {"executions": stands, "income": stands}

    def deals(
        self, ask: Ask, symbols: Sequence[str], cursor: str | None
    ) -> tuple[Sequence[Deal], str | None]:
        """Without a cursor, of the last three months: what it keeps."""
        found, cursor = each_once(
            cursor, lambda since: self._since(ask, TRADES, SWAPS, since), "billId", "ts", LATE
        )
        ours = [one for one in found if symbol_of(one["instId"]) in symbols]
        return [deal_of(one, self._worth(ask, one)) for one in ours], cursor

    def _since(self, ask: Ask, rows: Rows, asked: Params, since: int) -> list[Any]:
        """Rows from a moment on, the oldest first."""
        is_new = since > self.time(ask) - rows.span
        begin = {"begin": str(since)} if since else {}
        return pages(ask, rows.newest if is_new else rows.all, {**asked, **begin}, "billId")

    def holdings(
        self, ask: Ask, known: Mapping[str, Instrument]
    ) -> tuple[Mapping[str, Decimal], Mapping[str, Held]]:
        (account,) = ask("privateGetAccountBalance", {})["data"]
        held = {}
        for one in ask("privateGetAccountPositions", SWAPS)["data"]:
            sign = -1 if one["posSide"] == "short" else 1
            quantity = sign * Decimal(one["pos"] or 0) * self._worth(ask, one)
            worth = quantity * Decimal(one["markPx"] or 0)
            held[symbol_of(one["instId"])] = Held(quantity, Decimal(one["upl"] or 0), worth)
        return {one["ccy"]: cash(one["cashBal"]) for one in account["details"]}, held

    def income(
        self, ask: Ask, known: Mapping[str, Instrument], cursor: str | None
    ) -> tuple[Sequence[Paid | Cleared], str | None]:
        """Funding, and of liquidations what is not of a trade: that is among the trades."""

        def rows(since: int) -> list[Any]:
            asked = {**SWAPS, "ccy": "USDT"}
            found = [
                one
                for kind in (FEES, *COSTS)
                for one in self._since(ask, BILLS, {**asked, "type": kind}, since)
                if kind == FEES or one["tradeId"] in ("", "0")
            ]
            return sorted(found, key=number_of)

        found, cursor = each_once(cursor, rows, "billId", "ts")
        return [self._paid(ask, one) for one in found if symbol_of(one["instId"]) in known], cursor

    def _paid(self, ask: Ask, row: Any) -> Paid | Cleared:
        """A bill has neither rate nor side: the one is looked up, and tells the other."""
        symbol, at, amount = symbol_of(row["instId"]), int(row["ts"]), cash(row["balChg"])
        if row["type"] != FEES:
            return Cleared(row["billId"], symbol, amount, at)
        due = round(at / HOUR) * HOUR
        asked = {"instId": row["instId"], "before": str(due - LATE), "after": str(due + LATE)}
        rates = ask("publicGetPublicFundingRateHistory", asked)["data"]
        rate = Decimal(rates[0]["realizedRate"]) if rates else Decimal(0)
        quantity = Decimal(row["sz"]) * self._worth(ask, row) if rate else Decimal(0)
        if (amount > 0) is (rate > 0):
            quantity = -quantity
        return Paid(symbol, due, rate, Decimal(row["px"] or 0), quantity, amount, at)

    def transfer(self, ask: Ask, reference: UUID, asset: str, amount: Decimal) -> None:
        """Between the funding account and the one that trades. Whether it refuses an id that it has
        seen it does not say: it is asked for first."""
        known = {"clientId": reference.hex}
        try:
            told = ask("privateGetAssetTransferState", known)["data"]
        except Refusal:
            told = []  # it knows no such transfer
        if any(one["state"] != "failed" for one in told):
            return
        kinds = (FUNDING, TRADING) if amount > 0 else (TRADING, FUNDING)
        asked = {**known, "ccy": asset, "amt": plain(abs(amount))}
        ask("privatePostAssetTransfer", asked | {"from": kinds[0], "to": kinds[1]})

    # --- its stream -----------------------------------------------------------------------------

    def channel(self, ask: Ask, client: Any, address: str | None) -> Channel:
        url = f"{streams_at(address, STREAMS)}/ws/v5/private"
        return Channel(url, (login(client),), "ping")

    def keep_channel(self, ask: Ask) -> None:
        """Pings are enough."""

    def news(self, told: Mapping[str, Any]) -> News | None:
        return news_of(told)
