"""An account at an exchange that is reached through ccxt: Binance USD-M futures.

Numbers are read as strings, amounts are sent as such: nothing goes through a float.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from commenda.kit.errors import CommendaError
from commenda.kit.money import plain
from commenda.market import Instrument
from commenda.venues.binance import (
    ALGO_STATUS,
    STATUS,
    breach,
    fill_of,
    forced_by,
    moment_of,
    our_order,
    refusal_of,
    words_of,
)
from commenda.venues.desk import Desk, Refusal
from commenda.venues.model import (
    Capabilities,
    Clearing,
    Execution,
    Fill,
    Forced,
    FundingPayment,
    OrderKind,
    OrderRequest,
    OrderView,
    Side,
    VenueAccount,
    VenueUnavailable,
)
from commenda.venues.trial import cannot_trade, is_true, may_withdraw

_DUPLICATE, _DUPLICATE_TRANSFER = -4116, -4111
_NO_CONTRACT = -1121
_GONE = {-2011, -2013}
_AS_IT_WAS = {-4046, -4059}
"""A mode that is set already."""
SETTLES_IN = timedelta(seconds=30)
"""After so long an order that the exchange does not know was never there. It answers within
milliseconds, and its own time-outs end after ten seconds."""
PAGE = 1000
_REMEMBERED = 10_000
_BEGUN = ""
"""Among a cursor's contracts: when the account was met, in milliseconds."""
_HOUR = 3_600_000
_FUNDING, _CLEARING = "FUNDING_FEE", "INSURANCE_CLEAR"


@dataclass(slots=True)
class CcxtVenue:
    """Implements `Venue` for one account."""

    desk: Desk
    instruments: Mapping[int, Instrument]
    name: str
    _owners: dict[tuple[str, str], tuple[UUID | None, Forced | None]] = field(default_factory=dict)
    _sent: dict[UUID, None] = field(default_factory=dict)
    """The latest orders: an id is free again once its order is over, and would be taken again."""
    _prepared: set[str] = field(default_factory=set)
    """Contracts in which an order may be sent; the empty one stands for the account."""
    _unlisted: set[str] = field(default_factory=set)
    """Contracts that we know and the exchange does not."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(OrderKind), expires=False, deduplicates=False, settles_in=SETTLES_IN
    )

    # --- before it trades -----------------------------------------------------------------------

    def prepare(self) -> None:
        """Assert what every order counts on: a key that cannot take money out, one position for
        each contract. Codes `key_may_withdraw`, `key_cannot_trade`, `wrong_mode` where the exchange
        keeps another one, because something is open."""
        rights = self.desk.ask("sapiGetAccountApiRestrictions")
        if is_true(rights["enableWithdrawals"]):
            raise may_withdraw()
        if not is_true(rights["enableFutures"]):
            raise cannot_trade()
        self._set("fapiPrivatePostPositionSideDual", dualSidePosition="false")
        self._prepared.add("")

    def _require_prepared(self, symbol: str) -> None:
        """Before the first order of this process, and the first in each contract, whose margin is
        shared with all others."""
        if "" not in self._prepared:
            self.prepare()
        if symbol not in self._prepared:
            self._set("fapiPrivatePostMarginType", symbol=symbol, marginType="CROSSED")
            self._prepared.add(symbol)

    def _set(self, call: str, **wanted: str) -> None:
        try:
            self.desk.ask(call, wanted)
        except Refusal as refusal:
            if refusal.code not in _AS_IT_WAS:
                raise CommendaError("wrong_mode", "The exchange keeps another mode").at(
                    *next(iter(wanted.items())), f"close what is open there: {refusal}"
                ) from None

    # --- orders ---------------------------------------------------------------------------------

    def submit(self, order: OrderRequest, now: datetime) -> OrderView:
        instrument = self.instruments.get(order.instrument_id)
        if instrument is None:
            return refusal_of(order, "the venue has no such contract")
        wrong = breach(order, instrument)
        if wrong is not None:
            return refusal_of(order, wrong)
        try:
            self._require_prepared(instrument.symbol)
        except (CommendaError, Refusal) as refusal:
            return refusal_of(order, str(refusal))
        if order.id not in self._sent:
            self._sent[order.id] = None
            if len(self._sent) > _REMEMBERED:
                del self._sent[next(iter(self._sent))]
            try:
                self._send(order, instrument)
            except Refusal as refusal:
                if refusal.code != _DUPLICATE:
                    return refusal_of(order, str(refusal))
        view = self.order(order, now)
        if view is None:
            raise VenueUnavailable(f"order {order.id} was taken and is not shown yet")
        return view

    def _send(self, order: OrderRequest, instrument: Instrument) -> None:
        asked = {
            "symbol": instrument.symbol,
            "side": order.side.upper(),
            "quantity": plain(order.quantity),
        }
        if order.kind is OrderKind.STOP:
            assert order.trigger_price is not None
            asked |= {"algoType": "CONDITIONAL", "type": "STOP_MARKET"}
            asked |= {"clientAlgoId": str(order.id), "triggerPrice": plain(order.trigger_price)}
            self.desk.ask("fapiPrivatePostAlgoOrder", asked)
            return
        asked |= {"type": order.kind.upper(), "newClientOrderId": str(order.id)}
        if order.limit_price is not None:
            asked |= {"timeInForce": "GTC", "price": plain(order.limit_price)}
        self.desk.ask("fapiPrivatePostOrder", asked)

    def cancel(self, order: OrderRequest, now: datetime) -> OrderView | None:
        symbol = self.instruments[order.instrument_id].symbol
        asked = {"symbol": symbol, "origClientOrderId": str(order.id)}
        try:
            if order.kind is OrderKind.STOP:
                self.desk.ask("fapiPrivateDeleteAlgoOrder", {"clientAlgoId": str(order.id)})
            else:
                self.desk.ask("fapiPrivateDeleteOrder", asked)
        except Refusal as refusal:
            if refusal.code not in _GONE:
                raise VenueUnavailable(str(refusal)) from None
            if order.kind is OrderKind.STOP:  # triggered: what came of it can still rest
                self._cancel_actual(order)
        return self.order(order, now)

    def _cancel_actual(self, order: OrderRequest) -> None:
        algo = self._algo(order)
        if algo and algo["actualOrderId"]:
            asked = {"symbol": algo["symbol"], "orderId": algo["actualOrderId"]}
            try:
                self.desk.ask("fapiPrivateDeleteOrder", asked)
            except Refusal as refusal:
                if refusal.code not in _GONE:
                    raise VenueUnavailable(str(refusal)) from None

    def order(self, order: OrderRequest, now: datetime) -> OrderView | None:
        symbol = self.instruments[order.instrument_id].symbol
        asked = {"symbol": symbol, "origClientOrderId": str(order.id)}
        if order.kind is OrderKind.STOP:
            algo = self._algo(order)
            if algo is None:
                return None
            if not algo["actualOrderId"]:
                shown = ALGO_STATUS[algo["algoStatus"]]
                return OrderView(order.id, shown, Decimal(0), (), algo.get("rm"))
            self._owners[symbol, str(algo["actualOrderId"])] = order.id, None
            asked = {"symbol": symbol, "orderId": algo["actualOrderId"]}
        try:
            found = self.desk.ask("fapiPrivateGetOrder", asked)
        except Refusal as refusal:
            if refusal.code in _GONE:
                return None
            raise VenueUnavailable(str(refusal)) from None
        return self._view(order.id, found)

    def open_orders(self, now: datetime) -> Sequence[OrderView]:
        found = [
            self._view(ours, one)
            for one in self._read("fapiPrivateGetOpenOrders")
            if (ours := our_order(one["clientOrderId"])) is not None
        ]
        for one in self._read("fapiPrivateGetOpenAlgoOrders"):
            ours = our_order(one["clientAlgoId"])
            if ours is not None:
                found.append(OrderView(ours, ALGO_STATUS[one["algoStatus"]], Decimal(0), ()))
        return found

    def resting(self, now: datetime) -> Sequence[tuple[UUID | None, str]]:
        return [
            *(
                (our_order(one["clientOrderId"]), words_of(one, one["type"], one["origQty"]))
                for one in self._read("fapiPrivateGetOpenOrders")
            ),
            *(
                (our_order(one["clientAlgoId"]), words_of(one, one["orderType"], one["quantity"]))
                for one in self._read("fapiPrivateGetOpenAlgoOrders")
            ),
        ]

    def _read(self, call: str, params: Mapping[str, Any] | None = None) -> Any:
        """Look at what is there; a refusal to show it is no answer."""
        try:
            return self.desk.ask(call, params)
        except Refusal as refusal:
            raise VenueUnavailable(refusal.short) from None

    def _algo(self, order: OrderRequest) -> Any:
        try:
            return self.desk.ask("fapiPrivateGetAlgoOrder", {"clientAlgoId": str(order.id)})
        except Refusal as refusal:
            if refusal.code in _GONE:
                return None
            raise VenueUnavailable(str(refusal)) from None

    def _view(self, ours: UUID, found: Any) -> OrderView:
        filled = Decimal(found["executedQty"])
        fills: Sequence[Fill] = ()
        if filled:
            asked = {"symbol": found["symbol"], "orderId": found["orderId"], "limit": PAGE}
            trades = self._read("fapiPrivateGetUserTrades", asked)
            fills = [fill_of(one) for one in sorted(trades, key=lambda one: int(one["id"]))]
        return OrderView(ours, STATUS[found["status"]], filled, tuple(fills))

    # --- the account ----------------------------------------------------------------------------

    def begin(self, now: datetime) -> Mapping[str, str]:
        """What was traded and paid before is somebody else's business."""
        stands = int(self._read("fapiPublicGetTime")["serverTime"])
        last = {one.symbol: self._trades_of(one.symbol, limit=1) for one in self._listed()}
        known = {symbol: int(trades[-1]["id"]) for symbol, trades in last.items() if trades}
        known[_BEGUN] = stands
        return {"executions": json.dumps(known), "income": json.dumps([stands, []])}

    def executions(
        self, cursor: str | None, now: datetime
    ) -> tuple[Sequence[Execution], str | None]:
        """Of each contract the trades after the last one known, by its number; of one that we came
        to know later those since the account was met."""
        known: dict[str, int] = json.loads(cursor) if cursor else {}
        last, found = dict(known), []
        for instrument in self._listed():
            since = 0 if instrument.symbol in known else known.get(_BEGUN, 0)
            for trade in self._trades_after(instrument.symbol, known.get(instrument.symbol, -1)):
                last[instrument.symbol] = int(trade["id"])
                if int(trade["time"]) < since:
                    continue
                owner, forced = self._owner(instrument.symbol, str(trade["orderId"]))
                side = Side(trade["side"].lower())
                one = Execution(owner, instrument.id, side, fill_of(trade), forced)
                found.append((int(trade["time"]), one))
        found.sort(key=lambda one: one[0])
        return [one for _, one in found], json.dumps(last) if last else cursor

    def _listed(self) -> list[Instrument]:
        every = self.instruments.values()
        return [one for one in every if one.symbol not in self._unlisted]

    def _trades_after(self, symbol: str, number: int) -> Iterator[Any]:
        while True:
            page = self._trades_of(symbol, fromId=number + 1, limit=PAGE)
            yield from page
            if len(page) < PAGE:
                return
            number = int(page[-1]["id"])

    def _trades_of(self, symbol: str, **which: int) -> list[Any]:
        """The account's trades in a contract by number; none where it is not traded there."""
        try:
            found = self.desk.ask("fapiPrivateGetUserTrades", {"symbol": symbol, **which})
        except Refusal as refusal:
            if refusal.code != _NO_CONTRACT:
                raise VenueUnavailable(refusal.short) from None
            self._unlisted.add(symbol)
            return []
        return sorted(found, key=lambda one: int(one["id"]))

    def _owner(self, symbol: str, number: str) -> tuple[UUID | None, Forced | None]:
        """Whose order a trade was of, or why the exchange made it; neither where it was by hand."""
        if (symbol, number) not in self._owners:
            asked = {"symbol": symbol, "orderId": number}
            found = self._read("fapiPrivateGetOrder", asked)
            ours = our_order(found["clientOrderId"])
            if ours is None:
                ours = self._owner_of_triggered(symbol, number)
            self._owners[symbol, number] = ours, forced_by(found["clientOrderId"])
        return self._owners[symbol, number]

    def _owner_of_triggered(self, symbol: str, number: str) -> UUID | None:
        """Which conditional order an order came of."""
        for one in self._read("fapiPrivateGetAllAlgoOrders", {"symbol": symbol}):
            if str(one["actualOrderId"]) == number:
                return our_order(one["clientAlgoId"])
        return None

    def account(self, now: datetime) -> VenueAccount:
        found = self._read("fapiPrivateV3GetAccount")
        ids = {one.symbol: one.id for one in self.instruments.values()}
        held = {one["symbol"]: one for one in found["positions"]}

        def of(name: str) -> dict[int, Decimal]:
            return {ids[one]: Decimal(held[one][name]) for one in held if one in ids}

        return VenueAccount(
            {one["asset"]: Decimal(one["walletBalance"]) for one in found["assets"]},
            of("positionAmt"),
            of("unrealizedProfit"),
            of("notional"),
            {
                symbol: amount
                for symbol, one in held.items()
                if symbol not in ids and (amount := Decimal(one["positionAmt"]))
            },
        )

    def income(
        self, cursor: str | None, now: datetime
    ) -> tuple[Sequence[FundingPayment | Clearing], str | None]:
        """Funding and the costs of liquidations, by the exchange's record of income: each row once,
        by its number.

        A stamp is the hour that it was due: the exchange writes it a few seconds later.
        """
        since, seen = json.loads(cursor) if cursor else (0, [])
        rows = [
            one
            for kind in (_FUNDING, _CLEARING)
            for one in self._read(
                "fapiPrivateGetIncome", {"incomeType": kind, "startTime": since, "limit": PAGE}
            )
            if one["tranId"] not in seen
        ]
        if not rows:
            return [], cursor
        ids = {one.symbol: one.id for one in self.instruments.values()}
        payments = [self._payment(ids[one["symbol"]], one) for one in rows if one["symbol"] in ids]
        latest = max(int(one["time"]) for one in rows)
        again = latest - _HOUR  # rows of one stamp may come after each other
        kept = [*seen, *(one["tranId"] for one in rows)][-PAGE:]
        return payments, json.dumps([max(since, again), kept])

    def _payment(self, instrument_id: int, row: Any) -> FundingPayment | Clearing:
        amount, charged_at = Decimal(row["income"]), moment_of(row["time"])
        if row["incomeType"] == _CLEARING:
            return Clearing(str(row["tranId"]), instrument_id, amount, charged_at)
        instrument = self.instruments[instrument_id]
        stamp = round(int(row["time"]) / _HOUR) * _HOUR
        asked = {"symbol": instrument.symbol, "startTime": stamp - 60_000, "limit": 1}
        rates: Any = self._read("fapiPublicGetFundingRate", asked)
        rate = rates[0] if rates else {"fundingRate": 0, "markPrice": 0}
        share, mark = Decimal(rate["fundingRate"]), Decimal(rate["markPrice"])
        quantity = Decimal(0)
        if share and mark:
            quantity = instrument.to_lot(abs(amount / (share * mark)) + instrument.lot / 2)
            quantity = -quantity if (amount > 0) is (share > 0) else quantity
        return FundingPayment(
            instrument_id, moment_of(stamp), share, mark, "exchange", quantity, amount, charged_at
        )

    def transfer(self, reference: UUID, asset: str, amount: Decimal, now: datetime) -> None:
        """Between the house's spot and this account's futures, once for each reference."""
        kinds = ("SPOT", "USDT_FUTURE") if amount > 0 else ("USDT_FUTURE", "SPOT")
        asked = {
            "fromAccountType": kinds[0],
            "toAccountType": kinds[1],
            "asset": asset,
            "amount": plain(abs(amount)),
            "clientTranId": str(reference),
        }
        try:
            self.desk.ask("sapiPostSubAccountUniversalTransfer", asked)
        except Refusal as refusal:
            if refusal.code != _DUPLICATE_TRANSFER:
                raise VenueUnavailable(str(refusal)) from None
