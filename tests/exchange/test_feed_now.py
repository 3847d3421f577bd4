"""What a feed knows now, as sockets are told it: by way of the database and of Redis."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import redis
from websockets.sync.client import ClientConnection

from commenda.exchange import simulated_house
from commenda.kit.cache import Keeper, Name
from commenda.kit.db import Database
from commenda.settings import Settings
from socketed import SETTINGS, hear, serving, token

from .conftest import START, Served
from .test_feed import SYMBOLS, Running, following, rows, trusted, until

Levels = list[list[float]]


@pytest.fixture
def market() -> Iterator[Served]:
    found = Served(simulated_house(SYMBOLS, seed=3, start=START, pace=60.0))
    yield found
    found.stop()


def books_told(served: Served, symbol: str) -> dict[int, tuple[Levels, Levels]]:
    """From now on: the exchange's own book, the best twenty of each side, after each of its ids."""
    found: dict[int, tuple[Levels, Levels]] = {}
    tape, of = served.house.tape, served.house.exchange.contracts[symbol]
    publish = tape.publish

    def noted(kind: str, stream: str, told: dict[str, Any]) -> None:
        if stream == f"{symbol.lower()}@depth@100ms":
            shown = tape.depth[symbol].shown
            bids, asks = (
                [
                    [float(of.price(ticks)), float(of.quantity(shown[side][ticks]))]
                    for ticks in sorted(shown[side], reverse=side == 1)[:20]
                ]
                for side in (1, -1)
            )
            found[told["u"]] = bids, asks
        publish(kind, stream, told)

    tape.publish = noted
    return found


def news(reader: ClientConnection) -> dict[str, Any]:
    """The next that is told of what is known now."""
    while True:
        message = hear(reader)
        if message["type"] == "update" and message["data"]["type"] != "bar":
            return dict(message["data"])


def news_until(reader: ClientConnection, **wanted: object) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        told = news(reader)
        assert time.monotonic() < deadline, f"none came with {wanted}"
        if all(told.get(name) == value for name, value in wanted.items()):
            return told


@contextmanager
def listening(db: Database, settings: Settings = SETTINGS) -> Iterator[ClientConnection]:
    with (
        serving(db, settings) as server,
        server.connect("/ws/market/BTCUSDT", token(db, "investor")) as reader,
    ):
        yield reader


def test_a_socket_is_told_trades_book_and_funding_as_the_exchange_has_them(
    db: Database, market: Served
) -> None:
    books = books_told(market, "BTCUSDT")
    with following(db, market):
        until(lambda: trusted(db))
        with listening(db) as reader:
            snapshot = hear(reader)
            kinds = {one["type"] for one in snapshot["items"]}
            assert {"tick", "book", "funding"} <= kinds
            told = [news(reader) for _ in range(60)]
    assert all(one["venue"] == "simulated" and one["distrust"] is None for one in told)
    seen = [one for one in told if one["type"] == "book" and one["id"] in books]
    assert len(seen) >= 10
    for one in seen:
        assert one["right"]
        assert (one["bids"], one["asks"]) == books[one["id"]]
    prints = {
        number: (tick.at, float(of.price(tick.ticks)), float(of.quantity(tick.lots)), tick.taker)
        for of in [market.house.exchange.contracts["BTCUSDT"]]
        for tick, _, number in market.house.tape.trades["BTCUSDT"]
    }
    ticks = [one for one in told if one["type"] == "tick"]
    assert ticks
    for one in ticks:
        assert one["price"] == one["trades"][-1][2]
        numbers = [number for number, *_ in one["trades"]]
        assert numbers == list(range(one["id"] - len(numbers) + 1, one["id"] + 1))
        for number, at, price, quantity, side in one["trades"]:
            assert prints[number] == (at, price, quantity, 1 if side == "buy" else -1)
    rates = [one for one in told if one["type"] == "funding"]
    assert all(float(one["mark"]) > 0 and one["next"] > one["at"] for one in rates)


def test_a_stale_book_is_marked_and_a_feed_that_is_gone_is_told(
    db: Database, market: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commenda.kit.cache.LIFETIME", 2.5)
    with listening_after(db, market) as (running, reader):
        market.house.script.set(
            [
                {"kind": "depth_gap", "matches": "btcusdt", "times": 1},
                {"kind": "maintenance", "matches": "/depth"},  # no snapshot mends it
            ]
        )
        stale = news_until(reader, type="book", right=False)
        assert "follows" in stale["why"]
        assert stale["distrust"].startswith("sequence_break: depth")
        market.house.script.set([])
        assert news_until(reader, type="book", right=True)["why"] is None
        running.stop()
        gone = {news_until(reader, type="gone")["key"] for _ in range(3)}
        assert gone == {f"md:{kind}:BTCUSDT" for kind in ("tick", "book", "funding")}


@contextmanager
def listening_after(db: Database, market: Served) -> Iterator[tuple[Running, ClientConnection]]:
    running = Running(db, f"http://{market.address}", "feed")
    try:
        until(lambda: trusted(db))
        with listening(db) as reader:
            hear(reader)
            yield running, reader
    finally:
        running.stop()


# --- Redis, there and not there --------------------------------------------------------------


class OwnRedis:
    """A Redis of the test's own, which can be killed."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url, self._folder = f"redis://127.0.0.1:{self.port}/0", folder
        self._process: subprocess.Popen[bytes] | None = None
        self.client = redis.Redis.from_url(self.url, decode_responses=True)

    def start(self) -> None:
        program = which("redis-server")
        assert program is not None
        of = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [program, *of], cwd=self._folder, stdout=subprocess.DEVNULL
        )
        until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    if which("redis-server") is None:
        pytest.skip("no redis-server on this machine")
    found = OwnRedis(tmp_path)
    found.start()
    yield found
    found.client.close()
    found.kill()


def test_sockets_are_told_on_while_redis_is_killed_and_comes_back(
    db: Database, market: Served, own_redis: OwnRedis
) -> None:
    settings = replace(SETTINGS, redis_url=own_redis.url)
    books = books_told(market, "BTCUSDT")
    with following(db, market, settings=settings) as running:
        until(lambda: trusted(db))
        assert running.feed is not None
        keeper = running.feed.keeper
        with listening(db, settings) as reader:
            hear(reader)

            def right_books() -> None:
                for _ in range(5):
                    one = news_until(reader, type="book", right=True)
                    if one["id"] in books:
                        assert (one["bids"], one["asks"]) == books[one["id"]]

            def stored() -> set[str]:
                with db.read() as tx:
                    found = tx.execute(
                        "SELECT key FROM cache_entries WHERE expires_at > clock_timestamp()"
                    )
                    return {key for (key,) in found}

            def kept() -> set[str]:
                return set(own_redis.client.scan_iter("md:*"))

            wanted = {f"md:{kind}:{one}" for kind in ("tick", "book", "funding") for one in SYMBOLS}
            assert keeper.source == "redis"
            until(lambda: kept() == wanted)
            assert own_redis.client.hkeys("md:book:BTCUSDT") == ["simulated"]
            assert 0 < own_redis.client.pttl("md:book:BTCUSDT") <= 5000
            right_books()
            assert stored() == set()
            own_redis.kill()
            until(lambda: keeper.source == "database")
            until(lambda: stored() == wanted)
            right_books()
            own_redis.start()
            until(lambda: keeper.source == "redis")
            until(lambda: kept() == wanted)
            right_books()
            until(lambda: rows(db, "SELECT 1 FROM market_feeds WHERE cache = 'redis'"))
            until(lambda: stored() == set())
            # One that hangs is as good as none, and is used again when it goes on.
            own_redis.signal(signal.SIGSTOP)
            until(lambda: keeper.source == "database")
            right_books()
            own_redis.signal(signal.SIGCONT)
            until(lambda: keeper.source == "redis")
            right_books()


def test_a_keeper_ends_whenever_it_is_cancelled(db: Database, own_redis: OwnRedis) -> None:
    """Even in the middle of a question to Redis, whose client takes that for a lost connection."""
    settings, draw = replace(SETTINGS, redis_url=own_redis.url), random.Random(4)
    value = "x" * 1_000
    entries = {Name(f"test:{n}", "a"): lambda: value for n in range(100)}

    async def run() -> int:
        ended = 0
        for _ in range(40):
            keeper = Keeper(settings, db, entries)
            task = asyncio.create_task(keeper.keep())
            await asyncio.sleep(draw.random() * 0.03)
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=20)
            ended += len(done)
        return ended

    assert asyncio.run(run()) == 40
