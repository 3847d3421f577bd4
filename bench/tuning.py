"""What a study at full load costs a signal, from its publication to its last fill.

By turns, a few signals each: with a study running in a process of its own as a worker starts it;
with both stopped; and with a process in its place that only counts, at the lowest priority there
is: what it costs that another core is busy at all, on this machine. Each turn is held against the
one beside it, so that whatever else the machine does is the same for all.
"""

from __future__ import annotations

import os
import signal as signals
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from operator import truediv
from uuid import UUID

from bench.kit import Figure, durability, fresh_database, machine, median, show, vacuum
from bench.population import (
    HOUR,
    START,
    author,
    follow_all,
    fund_investors,
    open_broker,
    open_flow,
    publish,
)
from commenda.books import carry_out_transfers
from commenda.copying import Flow, copy_signal
from commenda.execution import Broker
from commenda.kit.db import Database
from commenda.market import write_bars
from commenda.studies import MarketSearch, Plan, count_trials, search_market

FOLLOWERS = 1_000
ROUNDS, WARM = 60, 4
BARS = 24 * 365
AIM = "<= 1.05 x"
SETTLES = 0.1
"""Seconds after which a process that was continued is at work."""
ALONE, STUDY, COUNTING = "without a study", "a study at full load", "another process that counts"
CASES = (ALONE, STUDY, COUNTING)
COUNTS = """
import os
os.nice(19)
while True:
    pass
"""


def main() -> None:
    """Print how long a signal takes in each case, and the median of the ratios to its round's."""
    with fresh_database() as database:
        amounts = [Decimal(1_000 + number % 4_001) for number in range(FOLLOWERS)]
        broker = open_broker(database, ["BTCUSDT"], BARS + 2 * len(CASES) * (ROUNDS + WARM) + 8)
        with database.transaction() as tx:
            flow = open_flow(tx, "creator", broker.feed.instruments[0])
            investors = fund_investors(tx, amounts)
            follow_all(tx, broker, flow, investors, amounts)
        carry_out_transfers(database, broker, author())
        study = _begin(database, broker, flow)
        vacuum(database)
        with _running(database, study) as process, _child(["-c", COUNTS]) as counting:
            took = _measure(database, broker, flow, {STUDY: process, COUNTING: counting})
        with database.transaction() as tx:
            tried = count_trials(tx, study).get("complete", 0)
        note = machine(database)
    figures = [
        Figure(
            case,
            median(seconds) * 1_000,
            "ms",
            f"{median(map(truediv, seconds, took[ALONE])):.3f} x",
            AIM if case == STUDY else "",
        )
        for case, seconds in took.items()
    ]
    show(
        f"tuning: an entry and an exit to {FOLLOWERS:,} followers, median of {ROUNDS} rounds",
        figures,
        f"the study had tried {tried:,} configurations; {durability(durable=False)}",
        note,
    )


def _begin(database: Database, broker: Broker, flow: Flow) -> UUID:
    """A study of the flow's parameters that takes longer than the bench does."""
    instrument = broker.feed.instruments[0]
    begin = int(START.timestamp())
    with database.transaction() as tx:
        bars = [
            (instrument, bar)
            for ts in range(begin, begin + BARS * 3_600, 3_600)
            if (bar := broker.feed.bar(instrument.id, ts)) is not None
        ]
        write_bars(tx, 3_600, bars)
        asked = MarketSearch(
            strategy="ema_trend",
            instrument_id=flow.instrument_id,
            interval=HOUR,
            since=START,
            until=START + timedelta(hours=BARS),
            space={"fast": "12:144", "slow": "150:600", "band": "0:0.01"},
            fixed={},
            plan=Plan(trials=100_000),
        )
        return search_market(tx, asked, "bench", START).id


@contextmanager
def _child(arguments: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _running(database: Database, study: UUID) -> Iterator[subprocess.Popen[bytes]]:
    """The child that a worker starts for a study, once it has tried something."""
    command = ["-m", "commenda", "study", "resume", str(study), "--json"]
    with _child(command, COMMENDA_DATABASE_URL=database.owner_url) as process:
        while True:
            with database.transaction() as tx:
                if count_trials(tx, study).get("complete", 0):
                    break
            assert process.poll() is None, "the study ended before it began"
            time.sleep(SETTLES)
        yield process


def _measure(
    database: Database,
    broker: Broker,
    flow: Flow,
    processes: Mapping[str, subprocess.Popen[bytes]],
) -> dict[str, list[float]]:
    """Seconds of an entry and an exit in each case, round by round; the first case is another one
    each time."""
    took: dict[str, list[float]] = {case: [] for case in CASES}
    now = START
    for lap in range(ROUNDS + WARM):
        turn = lap % len(CASES)
        for case in CASES[turn:] + CASES[:turn]:
            for name, process in processes.items():
                assert process.poll() is None, f"{name} ended"
                process.send_signal(signals.SIGCONT if name == case else signals.SIGSTOP)
            time.sleep(SETTLES)
            seconds = 0.0
            for target in (Decimal("0.5"), Decimal(0)):
                now += HOUR
                published = publish(database, broker, flow, target, now)
                begun = time.perf_counter()
                copy_signal(database, broker, published, now)
                seconds += time.perf_counter() - begun
            if lap >= WARM:
                took[case].append(seconds)
    return took


if __name__ == "__main__":
    main()
