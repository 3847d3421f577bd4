"""A feed over hours of market holds what it held after the first: nothing is kept of what is over.

The market is made here, so that nothing of it stays in memory; hours pass as fast as they are
taken in. The feed is a whole one, with its database, its values and its recording; only the socket
and the answers of the exchange are not. `python -m bench.feed_alone 3600` is the real hour.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from commenda.kit.db import Database
from commenda.market import ensure_instrument, load_catalogue
from commenda.market.ingest import (
    USDM,
    Connection,
    DepthSnapshot,
    Feed,
    Followed,
    Recorder,
    Rest,
)

SYMBOLS = ("BTCUSDT", "ETHUSDT")
BEGIN = 1_772_445_600_000  # 2026-03-02 10:00 UTC
STEP = 2_000
HOUR = 3_600_000 // STEP
HOURS = 3
MOST = 100_000
"""Bytes by which it may be more than after the first hour: rows that wait, caches that fill. Two
hours left 5,000 to 23,000; one number that is kept of each message leaves 190,000 in one."""


class Told:
    """The messages of one contract: a book that changes and does not grow, trades, bars, marks."""

    def __init__(self, symbol: str) -> None:
        self.symbol, self.draw = symbol, random.Random(symbol)
        self.update, self.number = 1_000, 0
        self.bar: list[float] = []
        self.volume = 0

    def depth(self, at: int) -> dict[str, Any]:
        before, self.update = self.update, self.update + 20
        sides = {
            side: [[f"{1000 + sign * self.draw.randint(1, 400) / 10:.1f}", f"{at % 9}.5"]
                   for _ in range(10)] for side, sign in (("b", -1), ("a", 1))
        }  # fmt: skip
        ids = {"U": before + 1, "u": self.update, "pu": before}
        return {"e": "depthUpdate", "E": at, "T": at, "s": self.symbol} | ids | sides

    def trade(self, at: int) -> dict[str, Any]:
        self.number += 1
        price = 1000 + self.draw.randint(-5, 5) / 10
        self.bar, self.volume = [*self.bar, price], self.volume + 1
        about = {"e": "aggTrade", "E": at, "s": self.symbol, "a": self.number, "p": f"{price}"}
        return about | {"q": "0.001", "f": self.number, "l": self.number, "T": at, "m": False}

    def closed(self, minute: int) -> dict[str, Any]:
        first, high, low, last = self.bar[0], max(self.bar), min(self.bar), self.bar[-1]
        prices = {"o": first, "h": high, "l": low, "c": last, "v": f"{self.volume / 1000}"}
        self.bar, self.volume = [], 0
        told = {name: str(value) for name, value in prices.items()}
        bar = {"t": minute, "T": minute + 59_999, "i": "1m", "L": self.number, "x": True}
        return {"e": "kline", "E": minute + 60_000, "s": self.symbol, "k": bar | told}

    def mark(self, at: int) -> dict[str, Any]:
        following = at // 28_800_000 * 28_800_000 + 28_800_000
        about = {"e": "markPriceUpdate", "E": at, "s": self.symbol, "p": "1000.1", "i": "1000.2"}
        return about | {"r": "0.0001", "T": following}

    def events(self, at: int) -> Iterator[tuple[bool, dict[str, Any]]]:
        """Those of one step, and whether they are of the depth."""
        if self.bar and at % 60_000 == 0:
            yield False, self.closed(at - 60_000)
        yield True, self.depth(at)
        for _ in range(2):
            yield False, self.trade(at)
        yield False, self.mark(at)


class Answers:
    """What the feed asks for beside: never a bar, for none is missing."""

    spoken = USDM
    session = cast(aiohttp.ClientSession, None)

    async def snapshot(self, _symbol: str) -> DepthSnapshot:
        return DepthSnapshot(1_000, [(999.0, 1.0)], [(1001.0, 1.0)])

    async def get(self, what: str, **_params: Any) -> Any:
        return {"time": BEGIN, "openInterest": "5"} if what == "openInterest" else []


async def followed_for(feed: Feed, hours: int) -> list[int]:
    """Bytes that Python has given out at the end of each hour, once everything is stored."""
    told = {one: Told(one) for one in SYMBOLS}
    depth, market = feed.connections
    held = []
    running = asyncio.create_task(feed.run())
    await asyncio.sleep(0)  # the connections are open
    for step in range(1, hours * HOUR + 1):
        at = BEGIN + step * STEP
        for one in told.values():
            for of_depth, event in one.events(at):
                (depth if of_depth else market)._take(event)
        if step % 5 == 0:
            await asyncio.sleep(0)
        if step % HOUR == 0:
            if feed.recorder is not None:
                feed._end_parts(time.time_ns())
            await asyncio.sleep(1.5)  # beats, batches, parts
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    assert all(one.book.right and one.watch.lag is not None for one in feed.followed.values())
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return held


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Connections that are open and say nothing by themselves; beats every tenth of a second."""

    async def stay(self: Connection, _session: aiohttp.ClientSession) -> None:
        self.is_open = True
        self.opened()
        await asyncio.sleep(3600)

    monkeypatch.setattr(Connection, "keep", stay)
    monkeypatch.setattr("commenda.market.ingest.feed.BEAT", 0.1)
    tracemalloc.start()
    yield
    tracemalloc.stop()


def feed_of(db: Database, folder: Path | None) -> Feed:
    with db.transaction() as tx:
        found = [ensure_instrument(tx, load_catalogue()["binance_usdm", one]) for one in SYMBOLS]
    recorder = None if folder is None else Recorder(folder)
    return Feed("feed", found, db, cast(Rest, Answers()), "ws://nowhere", recorder=recorder)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("recorded", [False, True])
def test_hours_of_market_leave_nothing_behind(db: Database, tmp_path: Path, recorded: bool) -> None:
    feed = feed_of(db, tmp_path if recorded else None)
    held = asyncio.run(followed_for(feed, HOURS))
    with db.read() as tx:
        stored = tx.execute("SELECT count(*) FROM market_bars").fetchone()
    assert stored == (2 * (HOURS * 60),)
    assert held[-1] - held[0] < MOST, f"bytes after each hour: {held}"


@pytest.mark.usefixtures("quiet")
def test_one_number_that_is_kept_of_each_message_is_seen(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    hear = Followed.hear

    def leaking(self: Followed, told: dict[str, Any], wall: int) -> None:
        kept.append(told["E"])
        hear(self, told, wall)

    monkeypatch.setattr(Followed, "hear", leaking)
    held = asyncio.run(followed_for(feed_of(db, None), 2))
    assert held[-1] - held[0] > MOST, f"bytes after each hour: {held}"
