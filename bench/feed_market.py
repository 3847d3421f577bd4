"""A market that only talks: the streams and answers of an exchange, as cheap as they can be made.

`python -m bench.feed_market PORT CONTRACTS`. The streams of a contract are one row of messages,
drawn once and told again with new ids and times; its candles are those of what it told.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import web

TRADES = 10
"""Of each contract in a second; depth is told ten times in one, the bar in the making four."""
CHANGES = 20
"""Levels in each message of depth."""
TICK, LEVELS = Decimal("0.1"), 500


@dataclass(slots=True)
class Contract:
    """What it told last; the middle of its book stands still, its quantities do not."""

    symbol: str
    draw: random.Random
    update: int = 1_000
    trades: int = 0
    sides: dict[str, dict[str, str]] = field(default_factory=lambda: {"b": {}, "a": {}})
    minutes: dict[int, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for step in range(1, LEVELS + 1):
            self.sides["b"][str(1000 - step * TICK)] = "1.0"
            self.sides["a"][str(1000 + step * TICK)] = "1.0"

    def depth(self, now: int) -> dict[str, Any]:
        changed: dict[str, list[tuple[str, str]]] = {"b": [], "a": []}
        for side, levels in self.sides.items():
            for price in self.draw.sample(list(levels), CHANGES // 2):
                levels[price] = f"{self.draw.randint(1, 999) / 10}"
                changed[side].append((price, levels[price]))
        before, self.update = self.update, self.update + CHANGES
        ids = {"U": before + 1, "u": self.update, "pu": before}
        return {"e": "depthUpdate", "E": now, "T": now, "s": self.symbol, **ids, **changed}

    def trade(self, now: int) -> dict[str, Any]:
        self.trades += 1
        price, quantity = 1000 + self.draw.randint(-5, 5) * TICK, Decimal("0.001")
        minute = now // 60_000 * 60_000
        bar = self.minutes.setdefault(minute, [price, price, price, price, Decimal(0), 0])
        bar[1:5] = max(bar[1], price), min(bar[2], price), price, bar[4] + quantity
        bar[5] = self.trades
        told = {"e": "aggTrade", "E": now, "s": self.symbol, "a": self.trades, "p": str(price)}
        ids = {"f": self.trades, "l": self.trades}
        return {**told, "q": str(quantity), **ids, "T": now, "m": False}

    def kline(self, now: int, minute: int, *, closed: bool) -> dict[str, Any]:
        o, h, low, c, v, last = self.minutes[minute]
        prices = {"o": str(o), "h": str(h), "l": str(low), "c": str(c), "v": str(v)}
        bar = {"t": minute, "T": minute + 59_999, "i": "1m", "L": last, "x": closed, **prices}
        return {"e": "kline", "E": now, "s": self.symbol, "k": bar}

    def mark(self, now: int) -> dict[str, Any]:
        told = {"e": "markPriceUpdate", "E": now, "s": self.symbol, "p": "1000.0", "i": "1000.0"}
        return {**told, "r": "0.0001", "T": now // 28_800_000 * 28_800_000 + 28_800_000}


class Talking:
    """Tells every contract's messages to who subscribed, spread over each tenth of a second."""

    def __init__(self, count: int) -> None:
        names = [f"C{number:03d}USDT" for number in range(count)]
        self.contracts = {one: Contract(one, random.Random(one)) for one in names}
        self.listeners: dict[str, list[web.WebSocketResponse]] = defaultdict(list)

    async def tell(self, stream: str, told: dict[str, Any]) -> None:
        for socket in self.listeners[f"{told['s'].lower()}@{stream}"]:
            with suppress(ConnectionError):  # of a feed that leaves
                await socket.send_str(json.dumps({"stream": stream, "data": told}))

    async def talk(self, one: Contract, offset: float) -> None:
        await asyncio.sleep(offset)
        due, turn, minute = time.monotonic(), 0, 0
        while True:
            now = int(time.time() * 1000)
            await self.tell("depth@100ms", one.depth(now))
            for _ in range(TRADES // 10):
                current = now // 60_000 * 60_000
                if minute and current > minute:
                    await self.tell("kline_1m", one.kline(now, minute, closed=True))
                minute = current
                await self.tell("aggTrade", one.trade(now))
            if turn % 3 == 0:
                await self.tell("kline_1m", one.kline(now, minute, closed=False))
            if turn % 10 == 0:
                await self.tell("markPrice@1s", one.mark(now))
            turn, due = turn + 1, due + 0.1
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            asked = json.loads(message.data)
            for stream in asked["params"]:
                self.listeners[stream].append(socket)
            await socket.send_json({"result": None, "id": asked["id"]})
        return socket

    async def answer(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        now = int(time.time() * 1000)
        if what == "exchangeInfo":
            steps = [
                {"filterType": "PRICE_FILTER", "tickSize": str(TICK)},
                {"filterType": "LOT_SIZE", "stepSize": "0.001"},
                {"filterType": "MIN_NOTIONAL", "notional": "5"},
            ]
            terms = {"contractType": "PERPETUAL", "quoteAsset": "USDT", "filters": steps}
            symbols = [
                {"symbol": name, "baseAsset": name.removesuffix("USDT"), **terms}
                for name in self.contracts
            ]
            return web.json_response({"symbols": symbols})
        one = self.contracts[request.query["symbol"]]
        if what == "depth":
            bids, asks = (list(one.sides[side].items()) for side in "ba")
            return web.json_response({"lastUpdateId": one.update, "bids": bids, "asks": asks})
        if what == "klines":
            first, last = (int(request.query[name]) for name in ("startTime", "endTime"))
            return web.json_response(
                [
                    [at, *map(str, (o, h, low, c, v))]
                    for at, (o, h, low, c, v, _) in one.minutes.items()
                    if first <= at <= last
                ]
            )
        return web.json_response({"openInterest": "5", "time": now})


async def serve(port: int, count: int) -> None:
    talking = Talking(count)
    app = web.Application()
    app.router.add_get("/fapi/v1/{what}", talking.answer)
    for path in ("public", "market"):
        app.router.add_get(f"/{path}/stream", talking.socket)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    contracts = enumerate(talking.contracts.values())
    await asyncio.gather(*(talking.talk(one, place * 0.1 / count) for place, one in contracts))


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
