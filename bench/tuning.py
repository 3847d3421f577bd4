"""What a study at full load costs a signal: from its publication to its last fill, with a study
running in a process of its own as a worker starts it, and with that process standing still.

The study is stopped and continued between pairs of signals, an entry and an exit, so that whatever
else the machine does is the same for both.
"""

from __future__ import annotations

import os
import signal as signals
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
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
PAIRS, WARM = 40, 4
BARS = 24 * 365
AIM = "<= 1.05 x"
SETTLES = 0.1
"""Seconds after which a process that was continued is at work."""


def main() -> None:
    """Print how long a signal takes with a study beside it, and without."""
    with fresh_database() as database:
        amounts = [Decimal(1_000 + number % 4_001) for number in range(FOLLOWERS)]
        broker = open_broker(database, ["BTCUSDT"], BARS + 4 * (PAIRS + WARM) + 8)
        with database.transaction() as tx:
            flow = open_flow(tx, "creator", broker.feed.instruments[0])
            investors = fund_investors(tx, amounts)
            follow_all(tx, broker, flow, investors, amounts)
        carry_out_transfers(database, broker, author())
        study = _begin(database, broker, flow)
        vacuum(database)
        with _running(database, study) as process:
            took = _measure(database, broker, flow, process)
        with database.transaction() as tx:
            tried = count_trials(tx, study).get("complete", 0)
        note = machine(database)
    bare = median(took[False])
    figures = [
        Figure("without a study", bare * 1_000, "ms"),
        Figure(
            "a study at full load",
            median(took[True]) * 1_000,
            "ms",
            f"{median(took[True]) / bare:.3f} x",
            AIM,
        ),
    ]
    show(
        f"tuning: a signal to {FOLLOWERS:,} followers, median of {2 * PAIRS} for each case",
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
def _running(database: Database, study: UUID) -> Iterator[subprocess.Popen[bytes]]:
    """The child that a worker starts for a study, once it has tried something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "commenda", "study", "resume", str(study), "--json"],
        env={**os.environ, "COMMENDA_DATABASE_URL": database.owner_url},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while True:
            with database.transaction() as tx:
                if count_trials(tx, study).get("complete", 0):
                    break
            assert process.poll() is None, "the study ended before it began"
            time.sleep(SETTLES)
        yield process
    finally:
        process.kill()
        process.wait()


def _measure(
    database: Database, broker: Broker, flow: Flow, process: subprocess.Popen[bytes]
) -> dict[bool, list[float]]:
    """Seconds of each signal, by whether the study runs."""
    took: dict[bool, list[float]] = {True: [], False: []}
    now = START
    for pair in range(2 * (PAIRS + WARM)):
        runs = bool(pair % 2)
        process.send_signal(signals.SIGCONT if runs else signals.SIGSTOP)
        time.sleep(SETTLES)
        for target in (Decimal("0.5"), Decimal(0)):
            now += HOUR
            published = publish(database, broker, flow, target, now)
            begun = time.perf_counter()
            copy_signal(database, broker, published, now)
            if pair >= 2 * WARM:
                took[runs].append(time.perf_counter() - begun)
        assert process.poll() is None, "the study ended before the bench did"
    return took


if __name__ == "__main__":
    main()
