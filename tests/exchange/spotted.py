"""A pair whose market a test writes itself, and customers who are told what happens to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from commenda.exchange import Clock, House
from commenda.exchange.market import Levels, Print, Tick
from commenda.exchange.model import BUY, SELL, Contract
from commenda.market import Bar

D = Decimal
START = 1_772_445_600_000
PAIR = "BTCUSDT"


class Quiet:
    """A market in which nothing happens by itself."""

    def ticks(self, after: int, until: int) -> Iterator[Tick]:
        return iter(())

    def candles(self, symbol: str, begin: int, end: int) -> Sequence[Bar]:
        return ()


def pair(maker: str = "0.001", taker: str = "0.001") -> Contract:
    return Contract(
        PAIR, "BTC", "USDT", D("0.01"), D("0.00001"), D(5), D(maker), D(taker),
        bounds=(D("0.2"), D(5)),
    )  # fmt: skip


class Bazaar:
    """A house with one pair at 100.00, and accounts that each have 10 BTC and 1,000 USDT."""

    def __init__(self, *names: str, of: Contract | None = None) -> None:
        future = Contract(PAIR, "BTC", "USDT", D("0.1"), D("0.001"), D(5), D(0), D(0))
        clock = Clock(START, 0.0)
        self.house = House([future], Quiet(), clock, 7, ([of or pair()], Quiet()))
        self.spot = self.house.spot
        self.of = self.spot.contracts[PAIR]
        self.told: list[tuple[str, dict[str, Any]]] = []
        for name in names:
            account = self.spot.account(name)
            self.spot.transfer(account, "BTC", D(10), f"{name} BTC")
            self.spot.transfer(account, "USDT", D(1_000), f"{name} USDT")
            key = self.house.spot_desk.listen_key(name)

            def hear(_: str, told: dict[str, Any], name: str = name) -> None:
                self.told.append((name, told))

            self.house.listeners[key].add(hear)
        self.show([], [])
        self.print(D(100), D("0.001"))

    def show(self, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
        """What the market shows, all of it: prices and quantities."""
        sides = [
            [(int(D(price) / self.of.tick), int(D(lots) / self.of.lot)) for price, lots in side]
            for side in (bids, asks)
        ]
        self.spot.apply(Levels(self.spot.now, PAIR, *sides, True))

    def print(self, price: Decimal, quantity: Decimal, *, bought: bool = True) -> None:
        ticks, lots = int(price / self.of.tick), int(quantity / self.of.lot)
        self.spot.apply(Print(self.spot.now, PAIR, ticks, lots, BUY if bought else SELL))

    def do(self, name: str, method: str, what: str, **values: Any) -> Any:
        told = {key: str(one) for key, one in values.items()}
        return self.house.do(method, f"/api/v3/{what}", self.spot.account(name), told)

    def order(self, name: str, side: str, kind: str, **values: Any) -> Any:
        if kind.endswith("LIMIT"):
            values = {"timeInForce": "GTC"} | values
        asked = {"symbol": PAIR, "side": side, "type": kind, "newOrderRespType": "FULL"}
        return self.do(name, "POST", "order", **(asked | values))

    def had(self, name: str) -> dict[str, tuple[Decimal, Decimal]]:
        """What an account has of each asset: free and locked."""
        rows = self.do(name, "GET", "account")["balances"]
        return {one["asset"]: (D(one["free"]), D(one["locked"])) for one in rows}
