"""Binance's spot: its calls, numbers and records.

Source: Binance, "Spot API documentation". What is bought is held, and the fee of a purchase is
taken of it; a stop is an order like the others and keeps its number once it is triggered. One
number (-2010) stands for every reason for which the matching engine turned an order down: its words
tell them apart. An order that rests cannot be changed and keep its id.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from commenda.kit.money import SCALES, plain
from commenda.market import Instrument
from commenda.venues.binance_records import is_true, shown_order
from commenda.venues.binance_shared import (
    CLOCK,
    GONE,
    LIMITED,
    MAYBE_DONE,
    Trades,
    allowed_by,
    sought,
    transfer,
)
from commenda.venues.budget import Gauge
from commenda.venues.dialect import (
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
    made_client,
    moment_of,
    our_order,
    streams_at,
)
from commenda.venues.model import (
    Capabilities,
    Fill,
    OrderKind,
    OrderRequest,
    Side,
    TimeInForce,
    Why,
)

STREAMS = "wss://ws-api.binance.com"
HAPPENED = ("executionReport", "outboundAccountPosition", "balanceUpdate", "listStatus")
ENDED = ("eventStreamTerminated", "serverShutdown")
_DUPLICATE = "Duplicate order sent"
_LONGEST_ED25519 = 120
"""Characters; a longer private key is one of RSA."""
_ZERO = Decimal(0)


@dataclass(slots=True)
class BinanceSpot:
    """Implements `Dialect`."""

    codes: ClassVar[Codes] = Codes(
        gone=GONE,
        as_it_was=frozenset(),
        duplicate=frozenset({-4111}),
        clock=CLOCK,
        limited=LIMITED,
        maybe_done=MAYBE_DONE,
        why={},
        words={
            "insufficient balance": Why.SHORT_OF_MARGIN,
            "immediately match and take": Why.WOULD_TAKE,
            "would trigger immediately": Why.WOULD_TRIGGER,
            "PERCENT_PRICE": Why.PRICE_BOUND,
        },
    )
    gauges: ClassVar[Sequence[Gauge]] = (
        Gauge("X-MBX-USED-WEIGHT-1M", 60, 6_000),
        Gauge("X-MBX-ORDER-COUNT-10S", 10, 100, of_orders=True),
        Gauge("X-MBX-ORDER-COUNT-1D", 86_400, 200_000, of_orders=True),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(OrderKind),
        deduplicates=False,
        settles_in=SETTLES_IN,
        times=frozenset(TimeInForce),
        limited_stops=True,
        holds=True,
    )
    _trades: Trades = field(default_factory=lambda: Trades("privateGetMyTrades", deal_of))

    def client(self, key: str, secret: str, address: str | None = None) -> Any:
        return made_client("binance", key, secret, address, sleeps=False)

    def time(self, ask: Ask) -> int:
        return int(ask("publicGetTime", {})["serverTime"])

    def rights(self, ask: Ask) -> Rights:
        told = ask("sapiGetAccountApiRestrictions", {})
        named = ("enableWithdrawals", "enableSpotAndMarginTrading", "ipRestrict")
        return Rights(*(is_true(told[one]) for one in named))

    def mode(self, ask: Ask) -> Mode:
        return Mode("fees", not is_true(ask("sapiGetBnbBurn", {})["spotBNBBurn"]))

    def limits(self, ask: Ask) -> Sequence[Gauge]:
        return allowed_by(ask("publicGetExchangeInfo", {})["rateLimits"], self.gauges)

    def filters(self, ask: Ask) -> Mapping[str, Filters]:
        """Sellers are held to the lower bound of their side, buyers to the upper one of theirs."""
        found = {}
        for pair in ask("publicGetExchangeInfo", {})["symbols"]:
            told = {one["filterType"]: one for one in pair["filters"]}
            lots, band = told["LOT_SIZE"], told.get("PERCENT_PRICE_BY_SIDE")
            at_market = Decimal(told.get("MARKET_LOT_SIZE", lots)["maxQty"])
            found[pair["symbol"]] = Filters(
                Decimal(told["PRICE_FILTER"]["tickSize"]),
                Decimal(lots["stepSize"]),
                Decimal(lots["maxQty"]),
                min(at_market or Decimal(lots["maxQty"]), Decimal(lots["maxQty"])),
                band and (Decimal(band["askMultiplierDown"]), Decimal(band["bidMultiplierUp"])),
            )
        return found

    def modes(self, symbol: str) -> Sequence[tuple[str, Params]]:
        """Whether fees are paid in BNB is the whole account's: nothing of ours is kept in it."""
        return () if symbol else [("sapiPostBnbBurn", {"spotBNBBurn": "false"})]

    # --- orders ---------------------------------------------------------------------------------

    def send(
        self, ask: Ask, order: OrderRequest, instrument: Instrument, *, ends: bool
    ) -> Shown | None:
        asked = {
            "symbol": instrument.symbol,
            "side": order.side.upper(),
            "type": _type_of(order),
            "quantity": plain(order.quantity),
            "newClientOrderId": str(order.id),
            "newOrderRespType": "RESULT",
        }
        if order.limit_price is not None:
            asked["price"] = plain(order.limit_price)
            if order.time_in_force is not TimeInForce.POST_ONLY:
                asked["timeInForce"] = order.time_in_force.upper()
        if order.trigger_price is not None:
            asked["stopPrice"] = plain(order.trigger_price)
        try:
            told = ask("privatePostOrder", asked)
        except Refusal as refusal:
            if _DUPLICATE in refusal.short:
                return None
            raise
        return shown_order(told) if "status" in told else None

    def replace(self, ask: Ask, order: OrderRequest, symbol: str) -> None:
        """Not done: what takes an order's place here is another one, under another id."""
        raise AssertionError("nobody asks what the capabilities leave out")

    def cancel(self, ask: Ask, order: OrderRequest, symbol: str) -> None:
        ask("privateDeleteOrder", {"symbol": symbol, "origClientOrderId": str(order.id)})

    def order(self, ask: Ask, order: OrderRequest, symbol: str) -> Shown | None:
        asked = {"symbol": symbol, "origClientOrderId": str(order.id)}
        found = sought(ask, "privateGetOrder", asked)
        return found and shown_order(found)

    def sender(self, ask: Ask, symbol: str, number: str) -> Sender:
        found = ask("privateGetOrder", {"symbol": symbol, "orderId": number})
        return Sender(our_order(found["clientOrderId"]))

    def resting(self, ask: Ask) -> Sequence[Shown]:
        return [shown_order(one) for one in ask("privateGetOpenOrders", {})]

    # --- the account ----------------------------------------------------------------------------

    def fills(self, ask: Ask, shown: Shown) -> tuple[Decimal, Sequence[Fill]]:
        fills = [one.fill for one in self._trades.of_order(ask, shown)]
        bought = shown.words.startswith(Side.BUY)
        taken = sum((one.fee / one.price for one in fills if bought), _ZERO)
        return shown.filled - taken, fills

    def begin(self, ask: Ask, symbols: Sequence[str]) -> Mapping[str, str]:
        """Where `income` stands is of no meaning, and says that it is read from there on: a book is
        paid out once what came before its end was."""
        stands = self.time(ask)
        return {"executions": self._trades.begin(ask, symbols, stands), "income": str(stands)}

    def deals(
        self, ask: Ask, symbols: Sequence[str], cursor: str | None
    ) -> tuple[Sequence[Deal], str | None]:
        return self._trades.after(ask, symbols, cursor)

    def holdings(
        self, ask: Ask, known: Mapping[str, Instrument]
    ) -> tuple[Mapping[str, Decimal], Mapping[str, Held]]:
        """What is there of an asset in which books are kept is a wallet; of another, the position
        in the pair that trades it for one. What no pair of ours trades is shown by its own name."""
        told = ask("privateGetAccount", {"omitZeroBalances": "true"})["balances"]
        there = {one["asset"]: Decimal(one["free"]) + Decimal(one["locked"]) for one in told}
        pairs = {one.base: one.symbol for one in known.values() if one.quote in SCALES}
        return (
            {asset: amount for asset, amount in there.items() if asset in SCALES},
            {
                pairs.get(asset, asset): Held(amount, _ZERO, _ZERO)
                for asset, amount in there.items()
                if asset not in SCALES
            },
        )

    def income(
        self, ask: Ask, known: Mapping[str, Instrument], cursor: str | None
    ) -> tuple[Sequence[Paid | Cleared], str | None]:
        """Nothing is paid for holding, and nothing is liquidated."""
        return (), cursor

    def transfer(self, ask: Ask, reference: UUID, asset: str, amount: Decimal) -> None:
        """Between the customer's futures, where the house keeps what it trades with at spot, and
        spot: the exchange does that once for each reference."""
        transfer(ask, reference, asset, amount, house="USDT_FUTURE", ours="SPOT")

    # --- its stream -----------------------------------------------------------------------------

    def channel(self, ask: Ask, client: Any, address: str | None) -> Channel:
        """Of the WebSocket API: whoever opens it signs for the account."""
        asked = {"apiKey": client.apiKey, "timestamp": int(client.nonce())}
        told = "&".join(f"{name}={value}" for name, value in sorted(asked.items()))
        return Channel(
            f"{streams_at(address, STREAMS)}/ws-api/v3",
            [
                {
                    "id": "hello",
                    "method": "userDataStream.subscribe.signature",
                    "params": asked | {"signature": _signed(client, told)},
                }
            ],
        )

    def keep_channel(self, ask: Ask) -> None:
        """Nothing runs out."""

    def news(self, told: Mapping[str, Any]) -> News | None:
        kind = told.get("event", {}).get("e")
        if kind in ENDED or told.get("status", 200) != 200:
            return None
        return News(begins="result" in told, happened=kind in HAPPENED)


def _signed(client: Any, told: str) -> str:
    """As ccxt signs what it asks, by the kind of the secret."""
    text, secret = told.encode(), client.secret
    if "PRIVATE KEY" not in secret:
        return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    rsa = len(secret) > _LONGEST_ED25519
    signed = client.rsa(told, secret, "sha256") if rsa else client.eddsa(text, secret, "ed25519")
    return str(signed)


def _type_of(order: OrderRequest) -> str:
    if order.kind is OrderKind.STOP:
        return "STOP_LOSS" if order.limit_price is None else "STOP_LOSS_LIMIT"
    return "LIMIT_MAKER" if order.time_in_force is TimeInForce.POST_ONLY else order.kind.upper()


def deal_of(trade: Any) -> Deal:
    """A trade of the account. Of a purchase the fee is taken out of what was bought: what is left
    is the fill's quantity, and its fee is worth what was taken. One in a third asset is no part of
    the books: the reconciliation shows that asset."""
    side = Side.BUY if is_true(trade["isBuyer"]) else Side.SELL
    symbol, asset = trade["symbol"], trade["commissionAsset"]
    quantity, price = Decimal(trade["qty"]), Decimal(trade["price"])
    taken, fee = Decimal(trade["commission"]), _ZERO
    if side is Side.BUY and symbol.startswith(asset):
        quantity, fee = quantity - taken, taken * price
    elif symbol.endswith(asset):
        fee = taken
    fill = Fill(f"{symbol}:{trade['id']}", quantity, price, fee, moment_of(trade["time"]))
    return Deal(int(trade["time"]), str(trade["orderId"]), symbol, side, fill)
