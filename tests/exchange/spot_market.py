"""A spot market that plays a recording: Binance's REST answers and streams of spot, one symbol.

Depth and trades are those of the perpetual's record; what is spot's is how they are told. An update
has the ids after the one before, and says neither what it follows nor a second time; trades name
who took; nothing is told of marks and funding, and nothing answered that spot does not have.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from concurrent.futures import Future
from contextlib import suppress
from heapq import nsmallest
from pathlib import Path
from typing import Any

import polars as pl
from aiohttp import WSMsgType, web

SYMBOL = "BTCUSDT"
RECORD = "binance_usdm_BTCUSDT_20240808"
MINUTE = 60_000
Sides = dict[str, dict[str, str]]


def plain(value: float) -> str:
    return repr(float(value))


class SpotMarket:
    """Played `pace` times as fast as it was, from a minute's begin on, on a thread of its own."""

    def __init__(self, data: Path, pace: float = 8.0) -> None:
        self.pace = pace
        self.asked: Counter[str] = Counter()
        self.lose = 0
        """Updates to leave out of the streams."""
        self.books: dict[int, Sides] = {}
        """The best twenty of each side after each update, by its id."""
        self._load(data)
        self.sides: Sides = {side: dict(levels) for side, levels in self.snapshot.items()}
        self.last = 100
        self._listeners: dict[str, list[web.WebSocketResponse]] = {}
        self._port: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._port.result(20)}"

    def _load(self, data: Path) -> None:
        depth = pl.read_parquet(data / f"{RECORD}_depth.parquet")
        whole = depth.filter(pl.col("kind") == "snapshot")
        self.snapshot = {
            side: {plain(price): plain(qty) for price, qty in part.iter_rows()}
            for side in "ba"
            for part in [whole.filter(pl.col("side") == side).select("price", "qty")]
        }
        deltas = depth.filter(pl.col("kind") == "delta", pl.col("u") > whole["u"][0])
        self.trades = pl.read_parquet(data / f"{RECORD}_trades.parquet")
        events: list[tuple[int, str, Any]] = [
            (part["event_ms"][0], "depth", list(part.select("side", "price", "qty").iter_rows()))
            for part in deltas.partition_by("u", maintain_order=True)
        ]
        columns = ("event_ms", "id", "price", "qty", "trade_ms", "buyer_maker")
        for event, *trade in self.trades.select(*columns).iter_rows():
            events.append((event, "trade", trade))
        self.events = sorted(events, key=lambda one: one[0])
        self.minutes = {
            at: row
            for at, *row in self.trades.group_by(
                pl.col("trade_ms") // MINUTE * MINUTE, maintain_order=True
            )
            .agg(
                pl.col("price").first().alias("open"),
                pl.col("price").max().alias("high"),
                pl.col("price").min().alias("low"),
                pl.col("price").last().alias("close"),
                pl.col("qty").sum().round(8),
                pl.col("id").last(),
            )
            .iter_rows()
        }

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._serve())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_get("/api/v3/{what}", self._answer)
        app.router.add_get("/stream", self._socket)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port.set_result(runner.addresses[0][1])
        try:
            await self._play()
        finally:
            await runner.cleanup()

    async def _play(self) -> None:
        while f"{SYMBOL.lower()}@aggTrade" not in self._listeners:
            await asyncio.sleep(0.01)
        first, begun = self.events[0][0], self._loop.time()
        for now, kind, what in self.events:
            self.now, due = now, begun + (now - first) / 1000 / self.pace
            await asyncio.sleep(max(0.0, due - self._loop.time()))  # others have a turn, too
            await (self._change(what) if kind == "depth" else self._trade(*what))
        await asyncio.sleep(3600)

    async def _change(self, levels: list[tuple[str, float, float]]) -> None:
        told: dict[str, list[list[str]]] = {"b": [], "a": []}
        for side, price, qty in levels:
            told[side].append([plain(price), plain(qty)])
            if qty:
                self.sides[side][plain(price)] = plain(qty)
            else:
                self.sides[side].pop(plain(price), None)
        before, self.last = self.last, self.last + len(levels)
        self.books[self.last] = {
            side: dict(nsmallest(20, self.sides[side].items(), key=_nearest(side))) for side in "ba"
        }
        if self.lose:
            self.lose -= 1
            return
        await self._tell("depth@100ms", "depthUpdate", U=before + 1, u=self.last, **told)

    async def _trade(self, number: int, price: float, qty: float, at: int, sold: bool) -> None:
        about = {"p": plain(price), "q": plain(qty), "f": number, "l": number, "T": at}
        await self._tell("aggTrade", "aggTrade", a=number, **about, m=sold, M=True)
        minute = at // MINUTE * MINUTE
        if self.minutes[minute][5] == number:
            bar = {"t": minute, "T": minute + MINUTE - 1, "i": "1m", "L": number, "x": True}
            await self._tell("kline_1m", "kline", k=bar | self._named(minute))

    def _named(self, minute: int) -> dict[str, str]:
        return dict(zip("ohlcv", self._bar(minute), strict=True))

    def _bar(self, minute: int) -> list[str]:
        return [plain(one) for one in self.minutes[minute][:5]]

    async def _tell(self, stream: str, kind: str, **told: Any) -> None:
        name = f"{SYMBOL.lower()}@{stream}"
        about = {"e": kind, "E": self.now, "s": SYMBOL}
        message = json.dumps({"stream": name, "data": about | told})
        for socket in self._listeners.get(name, []):
            with suppress(ConnectionError):  # of a feed that leaves
                await socket.send_str(message)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                asked = json.loads(message.data)
                for one in asked["params"]:
                    self._listeners.setdefault(one, []).append(socket)
                await socket.send_json({"result": None, "id": asked["id"]})
        return socket

    async def _answer(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        self.asked[what] += 1
        answers = {"exchangeInfo": self._info, "depth": self._depth, "klines": self._klines}
        if what not in answers:
            return web.Response(status=404)
        return web.json_response(answers[what](request.query))

    def _info(self, _query: Any) -> Any:
        filters = [
            {"filterType": "PRICE_FILTER", "tickSize": "0.10000000"},
            {"filterType": "LOT_SIZE", "stepSize": "0.00100000"},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
        ]
        one = {"symbol": SYMBOL, "status": "TRADING", "isSpotTradingAllowed": True}
        one |= {"baseAsset": "BTC", "quoteAsset": "USDT", "filters": filters}
        return {"serverTime": self.events[0][0], "symbols": [one]}

    def _depth(self, query: Any) -> Any:
        limit = int(query["limit"])
        levels = {side: sorted(self.sides[side].items(), key=_nearest(side)) for side in "ba"}
        return {"lastUpdateId": self.last, "bids": levels["b"][:limit], "asks": levels["a"][:limit]}

    def _klines(self, query: Any) -> Any:
        wanted = range(int(query["startTime"]), int(query["endTime"]) + 1)
        told = [one for one in self.minutes if one in wanted and one + MINUTE <= self.now]
        return [[one, *self._bar(one), one + MINUTE - 1] for one in told]


def _nearest(side: str) -> Any:
    return lambda level: -float(level[0]) if side == "b" else float(level[0])
