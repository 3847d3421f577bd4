"""A feed that follows many contracts: does it keep up, how late is it, what does it hold.

`python -m bench.feed [CONTRACTS] [SECONDS]`. The market is a process of its own that only talks
(`bench.feed_market`), so are the API and the readers of ten of its sockets (`bench.feed_reader`);
the feed is this process, whose processor time and memory are measured. Late is what has passed
since the time that the exchange wrote on a message: until it is in the book or the bar, and until a
reader has it; of a bar's last message until the bar is committed, and until a reader is told of it.
With a Redis of its own where the machine has the program, as `COMMENDA_REDIS_URL` names one.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from typing import Any

import aiohttp

from bench.kit import Figure, cores, machine, show
from bench.service import free_port, serving
from commenda.identity import Role, register_users
from commenda.identity.tokens import Tokens
from commenda.kit import clock, ids
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.market import Instrument, ensure_instrument
from commenda.market.ingest import Address, Candle, Feed, Rest, described
from commenda.settings import Settings

CONTRACTS, SECONDS, READERS = 50, 600, 10
WARM = 10
"""Seconds that are not counted: books are joined, and bars begin in the middle."""


@dataclass
class Seen:
    """What was measured of one run; times in milliseconds."""

    heard: list[int] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    read: dict[str, list[Any]] = field(default_factory=dict)
    """What readers of sockets saw."""
    closed: dict[tuple[str, int], int] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)

    def on_stored(self, bars: Sequence[tuple[Instrument, Candle]]) -> None:
        now = time.time() * 1000
        for one, candle in bars:
            if candle.event:
                self.closed[one.symbol, candle.ts] = candle.event
                self.stored.append(now - candle.event)


def main(contracts: int = CONTRACTS, seconds: int = SECONDS) -> None:
    port = free_port()
    market = [sys.executable, "-m", "bench.feed_market", str(port), str(contracts)]
    with (
        own_redis() as redis_url,
        running(market),
        tempfile.TemporaryDirectory(prefix="commenda-bench-") as folder,
    ):
        settings = Settings(data=Path(folder), redis_url=redis_url)
        with Database.open(settings) as database:
            where = machine(database)
            seen, feed, used, spent = asyncio.run(_follow(database, settings, port, seconds))
            after = cores()
    compared = sum(one.bars.compared for one in feed.followed.values())
    told = [
        at - seen.closed[symbol, ts]
        for symbol, ts, at in seen.read["bars"]
        if (symbol, ts) in seen.closed
    ]
    show(
        f"feed: {contracts} contracts x (trades, depth at 100 ms, bars), {spent:.0f} s",
        [
            Figure("messages", len(seen.heard) / spent, "/s"),
            Figure("messages for a second of one core", len(seen.heard) / used, "/s"),
            Figure("of one core in use", 100 * used / spent, "%"),
            *_late("exchange's event to book, bar or mark", seen.heard),
            *_late("trade to a reader of a socket", seen.read["tick"]),
            *_late("book to a reader of a socket", seen.read["book"]),
            *_late("event that closes a bar to its commit", seen.stored),
            *_late("the same to a reader of a socket", told),
            Figure("memory at the beginning", seen.memory[0], "MB"),
            Figure("memory at the end", seen.memory[-1], "MB"),
        ],
        f"at the beginning: {where}",
        f"at the end: {after}",
        f"{len(seen.stored)} bars stored, {compared} compared with the exchange's;"
        f" {sum(one.resyncs for one in feed.followed.values())} snapshots,"
        f" {sum(one.losses for one in feed.connections)} connections lost;"
        f" what is known now was kept in {feed.keeper.source}, {feed.keeper.written} values",
        "memory each minute, MB: " + " ".join(f"{one:.0f}" for one in seen.memory),
    )


@contextmanager
def running(command: list[str], **more: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, text=True, **more)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def own_redis() -> Iterator[str | None]:
    """A Redis for this run, where there is one to start."""
    program = which("redis-server")
    if program is None:
        yield None
        return
    port = str(free_port())
    kept = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running([program, *kept], stdout=subprocess.DEVNULL):
        yield f"redis://127.0.0.1:{port}/0"


def _late(name: str, values: Sequence[float]) -> list[Figure]:
    if not values:
        return []
    ordered = sorted(values)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99)]
    return [Figure(f"{name}, p50", at[0], "ms"), Figure(f"{name}, p99", at[1], "ms")]


async def _follow(
    database: Database, settings: Settings, port: int, seconds: int
) -> tuple[Seen, Feed, float, float]:
    seen = Seen()
    address = Address.of(f"http://127.0.0.1:{port}")
    async with aiohttp.ClientSession() as session:
        rest = Rest(session, address.rest)
        info = await _patient(rest)
        symbols = [one["symbol"] for one in info["symbols"]]
        with database.transaction() as tx:
            clock.follow_wall(tx)
            offered = described(info, symbols, "bench")
            instruments = [ensure_instrument(tx, one) for one in offered]
        feed = Feed("bench", instruments, database, rest, address.streams, settings=settings)
        feed.on_stored = seen.on_stored
        _timed(feed, seen)
        with _reading(database, settings, symbols[:READERS]) as reader:
            assert reader.stdin is not None
            running = asyncio.create_task(feed.run())
            await asyncio.sleep(WARM)
            seen.heard.clear()
            print(file=reader.stdin, flush=True)
            begun, used = time.monotonic(), time.process_time()
            minutes = max(1, seconds // 60)
            for _ in range(minutes):
                seen.memory.append(_resident())
                await asyncio.sleep(seconds / minutes)
            seen.memory.append(_resident())
            spent, used = time.monotonic() - begun, time.process_time() - used
            told, _ = await asyncio.to_thread(reader.communicate, "\n")
            seen.read = json.loads(told)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    return seen, feed, used, spent


@contextmanager
def _reading(
    database: Database, settings: Settings, symbols: Sequence[str]
) -> Iterator[subprocess.Popen[str]]:
    """Readers of these contracts' sockets at an API process."""
    user, now = ids.derive("user", "bench-reader"), datetime.now(UTC)
    with database.transaction() as tx:
        register_users(tx, [(user, "reader")], "investor", now)
    tokens = Tokens(Keys.of(settings).derive("access-tokens"))
    token = tokens.issue(user, Role.INVESTOR, ids.derive("session", user), True, now)
    if settings.redis_url is not None:
        os.environ["COMMENDA_REDIS_URL"] = settings.redis_url
    api = [sys.executable, "-m", "commenda", "api", "--data", str(settings.data), "--port"]
    with serving(api) as (port, _):
        command = [sys.executable, "-m", "bench.feed_reader", str(port), token, *symbols]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with running(command, **pipes) as reader:
            yield reader


def _timed(feed: Feed, seen: Seen) -> None:
    """Note how late each message is once it was taken in."""
    for connection in feed.connections:
        hear = connection.hear

        def timed(told: dict[str, Any], wall: int, hear: Any = hear) -> None:
            hear(told, wall)
            seen.heard.append(int(time.time() * 1000) - told["E"])

        connection.hear = timed


async def _patient(rest: Rest) -> Any:
    while True:
        try:
            return await rest.get("exchangeInfo")
        except Exception:
            await asyncio.sleep(0.2)


def _resident() -> float:
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
