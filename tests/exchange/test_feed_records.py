"""A recording: what a replay makes of it is the book that was kept live, and a kill leaves whole
files only."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commenda.exchange import simulated_house
from commenda.kernel import (
    L2_CLOCK,
    L2Program,
    L2Rules,
    compiled,
    l2_ask,
    l2_ask_lots,
    l2_bid,
    l2_bid_lots,
    run_l2,
)
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.market import depth_record, import_files, load_catalogue, read_depth
from commenda.market.ingest import Recorder

from .conftest import START, Served
from .test_feed import SYMBOLS, bars, following, kinds, trusted, until

TICK, LOT = 0.1, 0.001
Sides = dict[str, dict[float, float]]


@pytest.fixture
def market() -> Iterator[Served]:
    found = Served(simulated_house(SYMBOLS, seed=5, start=START, pace=60.0))
    yield found
    found.stop()


def parts(folder: Path, kind: str) -> list[pl.DataFrame]:
    """A contract's parts, in order."""
    files = sorted(folder.glob(f"*/simulated_BTCUSDT_{kind}.parquet"))
    return [pl.read_parquet(one) for one in files]


def plainly(depth: pl.DataFrame) -> Sides:
    """The book after all the messages of a part, kept by hand."""
    sides: Sides = {"b": {}, "a": {}}
    for side, price, quantity in depth.select("side", "price", "qty").iter_rows():
        if quantity:
            sides[side][price] = quantity
        else:
            sides[side].pop(price, None)
    return sides


def begins_with(depth: pl.DataFrame) -> Sides:
    return plainly(depth.filter(pl.col("kind") == "snapshot"))


@compiled
def watching(state, book, position, params, orders):
    """Note the best level of both sides at each step."""
    at = 1 + 5 * int(state[0])
    state[0] += 1.0
    state[at] = position[L2_CLOCK]
    state[at + 1], state[at + 2] = l2_bid(book, 0), l2_bid_lots(book, 0)
    state[at + 3], state[at + 4] = l2_ask(book, 0), l2_ask_lots(book, 0)


def test_what_is_recorded_is_replayed_to_the_book_that_was_kept(
    db: Database, market: Served, tmp_path: Path
) -> None:
    folder, data = tmp_path / "record", tmp_path / "data"
    recorder = Recorder(folder)
    recorder.length = 2_000_000_000  # two seconds, in place of minutes
    with following(db, market, recorder=recorder) as running:
        until(lambda: trusted(db))
        until(lambda: len(parts(folder, "depth")) >= 3)
        market.house.script.set([{"kind": "depth_gap", "matches": "btcusdt", "times": 1}])
        until(lambda: "sequence_break" in kinds(db))
        until(lambda: trusted(db) and len(parts(folder, "depth")) >= 6)
        feed = running.feed
    assert feed is not None
    assert recorder.lost == 0
    depth, hits = parts(folder, "depth"), parts(folder, "trades")
    # The book at each part's end, by hand, is the one that the next begins with: kept live. It is
    # not where the chain broke; only there the ids do not join.
    joined = 0
    for before, after in pairwise(depth):
        if before["u"][-1] == after["u"][0]:
            assert plainly(before) == begins_with(after)
            joined += 1
    assert joined >= 3
    book = feed.followed["BTCUSDT"].book
    assert plainly(depth[-1]) == {"b": book.bids, "a": book.asks}
    # Each part is one checked sequence, and the kernel's replay ends with the same best levels.
    for one in depth:
        record = depth_record(one, pl.concat(hits), tick=TICK, lot=LOT)
        assert (record.quality.snapshots, record.quality.crossed) == (1, 0)
        if len(np.unique(record.events.ts)) < 3:
            continue
        last = plainly(one)
        steps = len(record.events)
        program = L2Program(watching, [], 1 + 5 * steps)
        result = run_l2(program, record.events, L2Rules(interval=0, every_events=1), cash=1.0)
        noted = result.state[1:].reshape(-1, 5)[int(result.state[0]) - 1]
        bid, ask = max(last["b"]), min(last["a"])
        wanted = bid / TICK, last["b"][bid] / LOT, ask / TICK, last["a"][ask] / LOT
        assert noted[1:].tolist() == [round(each) for each in wanted]
    # No trade is missing or there twice, and they are the exchange's.
    numbers = pl.concat(hits)["id"].to_list()
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    of = market.house.exchange.contracts["BTCUSDT"]
    told = {
        number: (tick.at, float(of.price(tick.ticks)), float(of.quantity(tick.lots)))
        for tick, _, number in market.house.tape.trades["BTCUSDT"]
    }
    rows = pl.concat(hits).select("id", "trade_ms", "price", "qty").iter_rows()
    assert all(told[number] == (at, price, quantity) for number, at, price, quantity in rows)
    # Bars are what the database has of them, and are imported.
    wanted_bars = {(ts, *prices) for symbol, ts, *prices in bars(db) if symbol == "BTCUSDT"}
    recorded = pl.concat(parts(folder, "1m")).with_columns(pl.col("ts").dt.epoch("s"))
    assert set(recorded.iter_rows()) == wanted_bars
    for file in sorted(folder.glob("*/simulated_BTCUSDT_1m.parquet")):
        with db.transaction() as tx:
            now, known = datetime.now(UTC), load_catalogue()
            found = import_files(tx, data, (file,), now, known, append=True)
    assert found.dataset is not None
    assert found.dataset.rows == len(wanted_bars)


WRITING = """
import sys, time
from decimal import Decimal
from pathlib import Path
from commenda.market import load_catalogue
from commenda.market.ingest import DepthBook, DepthSnapshot, Recorder
from commenda.market.ingest.record import Part
recorder = Recorder(Path(sys.argv[1]))
one = load_catalogue()["binance_usdm", "BTCUSDT"]
book = DepthBook()
book.take(DepthSnapshot(7, [(10_000 - n / 10, 1.0) for n in range(20_000)], [(10_001.0, 1.0)]))
print("ready", flush=True)
while True:
    part = Part(time.time_ns())
    part.begin(book, 1_000, 5)
    part.write(recorder.folder, one)
"""


def test_a_kill_leaves_whole_files_only_and_the_next_feed_clears_up(tmp_path: Path) -> None:
    draw = random.Random(8)
    for _ in range(3):
        writing = subprocess.Popen(
            [sys.executable, "-c", WRITING, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert writing.stdout is not None
        assert writing.stdout.readline() == b"ready\n"
        with pytest.raises(CommendaError) as refused:
            Recorder(tmp_path)
        assert refused.value.code == "record_taken"
        until(lambda: list(tmp_path.glob("*/*.parquet")))
        time.sleep(draw.random() / 4)
        writing.send_signal(signal.SIGKILL)
        writing.wait()
        writing.stdout.close()
        recorder = Recorder(tmp_path)
        assert not list(tmp_path.glob("*/.*.parquet.*"))
        whole = list(tmp_path.glob("*/*.parquet"))
        assert whole
        for file in whole:
            record = read_depth(file, None, tick=TICK, lot=LOT)
            assert record.quality.rows == 20_001
            file.unlink()
        recorder.release()


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(CommendaError) as refused:
        Recorder(file)
    assert (refused.value.code, refused.value.field) == ("record_unwritable", "--record")
