"""`commenda exchange` is killed in the middle of traffic, and has all that it ever told of."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from commenda.venues import Secret
from commenda.venues.okx import Okx
from processes import Process, until

KEY, SECRET = "key-of-the-desk-01", "secret-of-the-desk"
WORD = "the-word"
SWAP = "BTC-USDT-SWAP"
D = Decimal
LIVES = 3


@dataclass
class Served:
    """The exchange's process, on one folder."""

    folder: Path
    lives: list[Process] = field(default_factory=list)

    def start(self, *more: str) -> Process:
        log = self.folder / f"exchange-{len(self.lives)}.log"
        made = Process(
            log, "exchange", "--port", "0", "--data", str(self.folder), "--admin", WORD,
            "--limits", "1000", *more,
        )  # fmt: skip
        self.lives.append(made)
        until("it listens", lambda: "http://" in made.written(), 60, made)
        return made

    @property
    def address(self) -> str:
        found = re.search(r"http://\S+?:\d+", self.lives[-1].written())
        assert found is not None
        return found[0]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    made.start(
        "--symbols", "BTCUSDT,ETHUSDT", "--pace", "60", "--account", f"desk:{KEY}:{SECRET}",
        "--spot", "BTCUSDT", "--spot-deposit", "USDT:50000", "--spot-deposit", "BTC:1",
    )  # fmt: skip
    yield made
    for one in made.lives:
        if one.running:
            one.kill()


@dataclass
class Client:
    """Knows what it was answered, and what its stream told it."""

    address: str
    session: aiohttp.ClientSession
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    trades: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    spot: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Fills at spot by their number, as they were answered."""

    async def ask(self, method: str, path: str, **values: Any) -> Any:
        query = urlencode(values | {"timestamp": int(time.time() * 1000), "recvWindow": 60_000})
        signed = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self.address}{path}?{query}&signature={signed}"
        async with self.session.request(method, url, headers={"X-MBX-APIKEY": KEY}) as got:
            return await got.json()

    async def trade(self, draw: random.Random) -> None:
        """One order after another, market and limit, some of them cancelled, until it is gone."""
        while True:
            mark = float((await self.ask("GET", "/fapi/v1/premiumIndex", symbol="BTCUSDT"))[
                "markPrice"
            ])  # fmt: skip
            asked = {"symbol": "BTCUSDT", "side": draw.choice(["BUY", "SELL"]), "quantity": "0.01"}
            kinds = {"type": "LIMIT", "timeInForce": "GTC", "price": f"{mark:.0f}"}
            kind = draw.choice([{"type": "MARKET"}, kinds])
            told = await self.ask("POST", "/fapi/v1/order", **asked, **kind)
            if "orderId" not in told:
                continue
            self.orders[told["orderId"]] = told
            if draw.random() < 0.3:
                gone = await self.ask(
                    "DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=told["orderId"]
                )
                if "orderId" in gone:
                    self.orders[told["orderId"]] = gone

    async def trade_spot(self, draw: random.Random) -> None:
        """One order after another at the market, until it is gone."""
        while True:
            asked = {"symbol": "BTCUSDT", "side": draw.choice(["BUY", "SELL"]), "type": "MARKET"}
            told = await self.ask("POST", "/api/v3/order", quantity="0.001", **asked)
            for one in told.get("fills", ()):
                self.spot[one["tradeId"]] = {**one, "orderId": told["orderId"]}

    async def listen(self) -> None:
        key = (await self.ask("POST", "/fapi/v1/listenKey"))["listenKey"]
        async with self.session.ws_connect(f"{self.address}/private/ws?listenKey={key}") as stream:
            async for message in stream:
                told = message.json()
                one = told.get("o", {})
                if one.get("x") == "TRADE":
                    self.trades[one["t"]] = (one["i"], one["L"], one["l"], one["n"], one["rp"])

    async def live(self, seconds: float, draw: random.Random, end: Any) -> None:
        """Traffic, in whose middle the exchange is killed."""
        work = [asyncio.create_task(self.listen())]
        work += [asyncio.create_task(self.trade(random.Random(draw.random()))) for _ in range(4)]
        work.append(asyncio.create_task(self.trade_spot(random.Random(draw.random()))))
        await asyncio.sleep(seconds)
        end()
        await asyncio.gather(*work, return_exceptions=True)

    async def pages(self, what: str, number: str, since: str, by: str) -> dict[int, Any]:
        """All rows of a list, by their numbers."""
        found: dict[int, Any] = {}
        begin, more = 1, True
        while more:
            asked = {"symbol": "BTCUSDT", "limit": 1000, since: begin}
            rows = await self.ask("GET", f"/fapi/v1/{what}", **asked)
            more = bool({one[number] for one in rows} - found.keys())
            found |= {one[number]: one for one in rows}
            begin = rows[-1][by] if rows else begin
        return found

    async def check(self) -> None:
        """All that was told is there, and stands as it was told or further on."""
        there = await self.pages("allOrders", "orderId", "startTime", "time")
        assert self.orders.keys() <= there.keys()
        for number, told in self.orders.items():
            assert there[number]["clientOrderId"] == told["clientOrderId"]
            assert float(there[number]["executedQty"]) >= float(told["executedQty"])
            if told["status"] == "CANCELED":
                assert there[number]["status"] == "CANCELED"
        trades = await self.pages("userTrades", "id", "fromId", "id")
        names = ("orderId", "price", "qty", "commission", "realizedPnl")
        found = {
            number: tuple(float(one[name]) for name in names) for number, one in trades.items()
        }
        told = {number: tuple(map(float, one)) for number, one in self.trades.items()}
        assert {number: found.get(number) for number in told} == told
        await self.check_spot()

    async def check_spot(self) -> None:
        """Each fill that was answered is one of the account's trades, and the money is right."""
        found: dict[int, Any] = {}
        begin = 0
        while rows := await self.ask(
            "GET", "/api/v3/myTrades", symbol="BTCUSDT", fromId=begin, limit=1000
        ):
            found |= {one["id"]: one for one in rows}
            begin = rows[-1]["id"] + 1
        names = ("orderId", "price", "qty", "commission", "commissionAsset")
        assert {number: {name: found[number][name] for name in names} for number in self.spot} == {
            number: {name: one[name] for name in names} for number, one in self.spot.items()
        }
        headers = {"X-Admin": WORD}
        async with self.session.get(f"{self.address}/admin/proof", headers=headers) as got:
            assert await got.json() == {"spot": []}


def test_a_killed_exchange_has_all_that_it_told_of(served: Served, seed: int) -> None:
    draw = random.Random(seed)

    async def lives() -> None:
        known: Client | None = None
        for _ in range(LIVES):
            async with aiohttp.ClientSession() as session:
                client = Client(served.address, session)
                if known is not None:
                    client.orders, client.trades = known.orders, known.trades
                    client.spot = known.spot
                    await client.check()
                count = len(client.orders), len(client.trades), len(client.spot)
                await client.live(draw.uniform(1.0, 2.5), draw, served.lives[-1].kill)
                assert len(client.orders) > count[0]
                assert len(client.trades) > count[1]
                assert len(client.spot) > count[2]
                known = client
            served.start()
        async with aiohttp.ClientSession() as session:
            assert known is not None
            last = Client(served.address, session, known.orders, known.trades, known.spot)
            await last.check()

    asyncio.run(lives())


def test_another_exchange_is_not_taken_for_the_one_that_is_kept(served: Served) -> None:
    served.lives[-1].kill()
    log = served.folder / "other.log"
    other = Process(log, "exchange", "--port", "0", "--data", str(served.folder), "--seed", "8")
    until("it ends", lambda: not other.running, 60)
    assert other.stop() != 0
    assert "other_exchange" in other.written()
    again = served.start()
    assert "key-of-the-desk-01" in again.written()
    assert again.stop() == 0


def test_what_was_asked_in_okxs_words_is_there_in_another_process(tmp_path: Path) -> None:
    """The key's passphrase, a limit and a trigger that rest, and what a trade cost."""
    made = Served(tmp_path)
    account = f"desk:{KEY}:{SECRET}:words: of the desk"
    made.start("--symbols", "BTCUSDT", "--account", account)
    try:
        before: list[Any] = []
        for _ in range(2):
            client = Secret(KEY, SECRET, "words: of the desk").client(Okx(), made.address)
            client.enableRateLimit = False
            if not before:
                _trade_at_okx(client)
            told = [
                client.privateGetTradeOrdersPending({"instType": "SWAP"})["data"],
                client.privateGetTradeOrdersAlgoPending({"ordType": "trigger"})["data"],
                client.privateGetAccountBills({"instType": "SWAP"})["data"],
            ]
            assert all(told)
            assert before in ([], told)
            before = told
            made.lives[-1].kill()
            made.start()
    finally:
        made.lives[-1].kill()


def _trade_at_okx(client: Any) -> None:
    price = D(client.publicGetMarketTicker({"instId": SWAP})["data"][0]["last"])
    order = {"instId": SWAP, "tdMode": "cross", "side": "buy", "sz": "1"}
    below, above = (str((price * part).quantize(D(1))) for part in (D("0.98"), D("1.1")))
    client.privatePostTradeOrder({**order, "ordType": "market"})
    client.privatePostTradeOrder({**order, "ordType": "limit", "px": below})
    trigger = {"ordType": "trigger", "triggerPx": above, "orderPx": "-1"}
    client.privatePostTradeOrderAlgo(order | trigger)
