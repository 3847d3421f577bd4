"""A `commenda feed` by itself, with and without a recording: memory, processor, lag, files.

`python -m bench.feed_alone [SECONDS] [CONTRACTS]`; ten minutes of fifty by default.
Both feeds hear one market (`bench.feed_market`) at once. They are processes of their own, in which
nothing is gathered for this: memory and processor time are what the system says of them, the lag is
what they tell in `market_feeds` (the least in ten seconds: what is left where a feed falls behind).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.feed import running
from bench.kit import Figure, cores, machine, show
from bench.service import free_port
from commenda.kit.db import Database
from commenda.settings import Settings

SECONDS, CONTRACTS = 600, 50
WARM = 60
"""Seconds until what is held counts as what a feed begins with."""
EACH = 10.0
MINUTES = 5
"""Of a part of the recording."""


@dataclass
class Sampled:
    """One feed, as the system sees it."""

    process: subprocess.Popen[str]
    folder: Path | None
    memory: list[float] = field(default_factory=list)
    """MB of its own (RssAnon: without shared pages of files), each ten seconds."""
    spent: list[float] = field(default_factory=list)
    """Seconds of a core since it began."""
    at: list[float] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    """Messages since it began."""
    lag: list[int] = field(default_factory=list)

    def look(self) -> None:
        self.at.append(time.monotonic())
        of = Path(f"/proc/{self.process.pid}")
        status = (of / "status").read_text()
        self.memory.append(int(status.partition("RssAnon:")[2].split()[0]) / 1024)
        times = (of / "stat").read_text().rpartition(")")[2].split()[11:13]
        self.spent.append(sum(map(int, times)) / os.sysconf("SC_CLK_TCK"))


def main(seconds: int = SECONDS, contracts: int = CONTRACTS) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="commenda-bench-") as kept,
        ExitStack() as stack,
    ):
        port = free_port()
        stack.enter_context(
            running([sys.executable, "-m", "bench.feed_market", str(port), str(contracts)])
        )
        database = stack.enter_context(Database.open(Settings(data=Path(kept) / "data")))
        where, recorded = machine(database), Path(kept) / "recorded"
        feeds = {
            name: stack.enter_context(_feed(name, port, contracts, Path(kept) / "data", folder))
            for name, folder in (("plain", None), ("recording", recorded))
        }
        until = time.monotonic() + WARM + seconds
        while time.monotonic() < until:
            time.sleep(EACH)
            for one in feeds.values():
                one.look()
            for name, heard, lag in _told(database):
                feeds[name].heard.append(heard)
                feeds[name].lag.append(lag)
        for one in feeds.values():
            one.process.send_signal(signal.SIGTERM)
            one.process.wait()
        written = sum(file.stat().st_size for file in recorded.rglob("*.parquet")) / 1e6
        after = cores()
    warm = int(WARM / EACH)
    for name, one in feeds.items():
        counted, used = one.memory[warm:], one.spent[-1] - one.spent[warm]
        took, heard = one.at[-1] - one.at[warm], one.heard[-1] - one.heard[warm]
        figures = [
            Figure("messages", heard / took, "/s"),
            Figure("messages for a second of one core", heard / used, "/s"),
            Figure("of one core in use", 100 * used / took, "%"),
            Figure("memory at the beginning", counted[0], "MB"),
            Figure("memory at the end", counted[-1], "MB"),
            Figure("memory at most", max(counted), "MB"),
            Figure("lag, the median of the worst contract's", _middle(one.lag), "ms"),
            Figure("lag at most", max(one.lag), "ms"),
        ]
        if one.folder is not None:
            figures.append(Figure("files in an hour", written * 3600 / (WARM + seconds), "MB"))
        show(
            f"feed alone, {name}: {contracts} contracts, {seconds} s",
            figures,
            f"at the beginning: {where}",
            f"at the end: {after}",
            "memory each minute, MB: " + " ".join(f"{each:.0f}" for each in one.memory[::6]),
        )


@contextmanager
def _feed(
    name: str, port: int, contracts: int, data: Path, folder: Path | None
) -> Iterator[Sampled]:
    symbols = ",".join(f"C{number:03d}USDT" for number in range(contracts))
    command = [sys.executable, "-m", "commenda", "feed", "--symbols", symbols, "--name", name]
    command += ["--url", f"http://127.0.0.1:{port}", "--venue", "bench", "--history", "0"]
    command += ["--data", str(data)]
    if folder is not None:
        command += ["--record", str(folder), "--record-minutes", str(MINUTES)]
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield Sampled(process, folder)


def _told(database: Database) -> Sequence[tuple[str, int, int]]:
    with psycopg.connect(database.app_url) as connection:
        return connection.execute(
            "SELECT name, sum(messages)::bigint, max(coalesce(lag_ms, 0)) FROM market_feeds"
            " GROUP BY name"
        ).fetchall()


def _middle(values: Sequence[int]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
