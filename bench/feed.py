"""A feed that follows many contracts: does it keep up, how late is it, what does it hold.

`python -m bench.feed [CONTRACTS] [SECONDS]`. The market is a process of its own that only talks
(`bench.feed_market`); the feed is this process, whose processor time and memory are measured. Late
is what has passed since the time that the exchange wrote on a message: until it is in the book or
the bar; of a bar's last message until the bar is committed, and until a listener of the database's
messages, as each API process is one, was told of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psycopg

from bench.kit import Figure, fresh_database, machine, show
from commenda.kit import clock
from commenda.kit.bus import CHANNEL
from commenda.kit.db import Database
from commenda.market import Instrument, ensure_instrument
from commenda.market.ingest import Address, Candle, Feed, Rest, described

CONTRACTS, SECONDS = 50, 600
WARM = 10
"""Seconds that are not counted: books are joined, and bars begin in the middle."""


@dataclass
class Seen:
    """What was measured of one run; times in milliseconds."""

    heard: list[int] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    closed: dict[tuple[str, int], int] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)
    arrived: list[tuple[str, int, float]] = field(default_factory=list)

    def on_stored(self, bars: Sequence[tuple[Instrument, Candle]]) -> None:
        now = time.time() * 1000
        for one, candle in bars:
            if candle.event:
                self.closed[one.symbol, candle.ts] = candle.event
                self.stored.append(now - candle.event)


def main(contracts: int = CONTRACTS, seconds: int = SECONDS) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [sys.executable, "-m", "bench.feed_market", str(port), str(contracts)]
    market = subprocess.Popen(arguments)
    try:
        with fresh_database(durable=True) as database:
            where = machine(database)
            seen, feed, used, spent = asyncio.run(_follow(database, port, seconds))
    finally:
        market.terminate()
        market.wait()
    for symbol, ts, at in seen.arrived:
        if (symbol, ts) in seen.closed:
            seen.told.append(at - seen.closed[symbol, ts])
    compared = sum(one.bars.compared for one in feed.followed.values())
    show(
        f"feed: {contracts} contracts x (trades, depth at 100 ms, bars), {spent:.0f} s",
        [
            Figure("messages", len(seen.heard) / spent, "/s"),
            Figure("messages for a second of one core", len(seen.heard) / used, "/s"),
            Figure("of one core in use", 100 * used / spent, "%"),
            *_late("exchange's event to book, bar or mark", seen.heard),
            *_late("event that closes a bar to its commit", seen.stored),
            *_late("the same to a listener of the database", seen.told),
            Figure("memory at the beginning", seen.memory[0], "MB"),
            Figure("memory at the end", seen.memory[-1], "MB"),
        ],
        where,
        f"{len(seen.stored)} bars stored, {compared} compared with the exchange's;"
        f" {sum(one.resyncs for one in feed.followed.values())} snapshots,"
        f" {sum(one.losses for one in feed.connections)} connections lost",
        "memory every tenth of the run, MB: " + " ".join(f"{one:.0f}" for one in seen.memory),
    )


def _late(name: str, values: Sequence[float]) -> list[Figure]:
    if not values:
        return []
    ordered = sorted(values)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99)]
    return [Figure(f"{name}, p50", at[0], "ms"), Figure(f"{name}, p99", at[1], "ms")]


async def _follow(database: Database, port: int, seconds: int) -> tuple[Seen, Feed, float, float]:
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
        feed = Feed("bench", instruments, database, rest, address.streams)
        feed.on_stored = seen.on_stored
        _timed(feed, seen)
        threading.Thread(target=_listen, args=(database, seen), daemon=True).start()
        running = asyncio.create_task(feed.run())
        await asyncio.sleep(WARM)
        seen.heard.clear()
        begun, used = time.monotonic(), time.process_time()
        for _ in range(10):
            seen.memory.append(_resident())
            await asyncio.sleep(seconds / 10)
        seen.memory.append(_resident())
        spent, used = time.monotonic() - begun, time.process_time() - used
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return seen, feed, used, spent


def _timed(feed: Feed, seen: Seen) -> None:
    """Note how late each message is once it was taken in."""
    for connection in feed.connections:
        hear = connection.hear

        def timed(told: dict[str, Any], wall: int, hear: Any = hear) -> None:
            hear(told, wall)
            seen.heard.append(int(time.time() * 1000) - told["E"])

        connection.hear = timed


def _listen(database: Database, seen: Seen) -> None:
    with (
        suppress(psycopg.OperationalError),  # the database ends before this does
        psycopg.connect(database.app_url, autocommit=True) as connection,
    ):
        connection.execute(f"LISTEN {CHANNEL}")
        for note in connection.notifies():
            at = time.time() * 1000
            topic, _, body = note.payload.partition(" ")
            if topic.startswith("market:"):
                bar = json.loads(body)
                seen.arrived.append((bar["symbol"], bar["ts"], at))


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
