"""Depth and trades as one checked sequence: the recorded BTCUSDT file, whole and broken."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commenda.kit.errors import CommendaError
from commenda.market import DepthRecord, clock_offset, depth_record, read_depth, read_frames

DAY = "binance_usdm_BTCUSDT_20240808"
TICK, LOT = 0.1, 0.001


@pytest.fixture(scope="module")
def files(market_data: Path) -> dict[str, pl.DataFrame]:
    return {
        name: pl.read_parquet(market_data / f"{DAY}_{name}.parquet")
        for name in ("depth", "trades", "bookticker")
    }


@pytest.fixture(scope="module")
def record(market_data: Path) -> DepthRecord:
    depth, trades = (market_data / f"{DAY}_{name}.parquet" for name in ("depth", "trades"))
    return read_depth(depth, trades, tick=TICK, lot=LOT)


def test_the_recorded_file_has_no_gap_and_no_impossible_book(record: DepthRecord) -> None:
    quality = record.quality
    assert (quality.snapshots, quality.missing_trades) == (1, 0)
    assert (quality.crossed, quality.locked, quality.one_sided) == (0, 0, 0)
    # 445,521 rows, 21,313 trades; what precedes the snapshot is dropped, and said so.
    assert quality.rows + quality.early_rows == 445_521
    assert quality.trades + quality.early_trades == 21_313
    assert len(record.events) == quality.rows + quality.trades + 1
    assert 0 < quality.early_rows < 300
    assert quality.early_trades < 10


def test_a_missing_update_is_refused_by_its_ids(files: dict[str, pl.DataFrame]) -> None:
    deltas = files["depth"].filter(pl.col("kind") == "delta").unique("u").sort("u")
    before, missing, after = (deltas.row(at, named=True) for at in (2999, 3000, 3001))
    holed = files["depth"].filter(pl.col("u") != missing["u"])
    with pytest.raises(CommendaError) as refusal:
        depth_record(holed, files["trades"], tick=TICK, lot=LOT)
    assert refusal.value.code == "depth_gap"
    assert refusal.value.value == after["pu"] == missing["u"]
    for part in (str(before["u"]), str(after["U"]), str(after["u"]), "2024-08-08 23:56:5"):
        assert part in str(refusal.value)


def test_a_snapshot_older_than_the_first_update_is_a_gap(files: dict[str, pl.DataFrame]) -> None:
    snapshot = pl.col("kind") == "snapshot"
    later = files["depth"].filter(snapshot | (pl.col("u") > 5123107900000))
    with pytest.raises(CommendaError, match="depth_gap"):
        depth_record(later, files["trades"], tick=TICK, lot=LOT)
    with pytest.raises(CommendaError, match="depth_no_snapshot"):
        depth_record(files["depth"].filter(~snapshot), files["trades"], tick=TICK, lot=LOT)


def test_what_is_not_a_depth_record_is_refused(files: dict[str, pl.DataFrame]) -> None:
    depth, trades = files["depth"].head(5_000), files["trades"].head(500)
    doubled = pl.concat([trades, trades.tail(1)])
    back = depth.with_columns(
        event_ms=pl.when(pl.col("u") == depth["u"][-1]).then(1).otherwise("event_ms")
    )
    for code, bad_depth, bad_trades, tick in (
        ("depth_columns", depth.drop("pu"), trades, TICK),
        ("depth_columns", depth.with_columns(side=pl.lit("x")), trades, TICK),
        ("depth_columns", depth.with_columns(qty=pl.lit(None, pl.Float64)), trades, TICK),
        ("depth_off_grid", depth, trades, 0.25),
        ("depth_off_grid", depth.with_columns(qty=-pl.col("qty")), trades, TICK),
        ("depth_off_grid", depth.with_columns(price=pl.lit(math.nan)), trades, TICK),
        ("depth_trade_order", depth, doubled, TICK),
        ("depth_time", back, trades, TICK),
    ):
        with pytest.raises(CommendaError) as refusal:
            depth_record(bad_depth, bad_trades, tick=tick, lot=LOT)
        assert refusal.value.code == code


def test_the_recorder_of_the_raw_frames_was_behind_the_exchange(market_data: Path) -> None:
    """Part 3 of the acceptance list: 1.27 s. No frame arrives before it is sent, so the least of
    the differences bounds the offset; the rest is the network's delay.
    """
    frames = read_frames(market_data / f"{DAY}_raw_120s.jsonl.gz")
    local, sent = (frames.clocks[name].to_numpy() for name in ("local_ns", "event_ms"))
    offset = clock_offset(local, sent * 1_000_000)
    assert offset is not None
    assert offset.messages == 29_042
    assert offset.least / 1e9 == pytest.approx(-1.27, abs=0.005)
    assert 0 < offset.median - offset.least < 5_000_000


def test_raw_frames_hold_what_the_files_hold(market_data: Path, record: DepthRecord) -> None:
    frames = read_frames(market_data / f"{DAY}_raw_120s.jsonl.gz")
    raw = depth_record(frames.depth, frames.trades, tick=TICK, lot=LOT).events
    assert len(raw) > 150_000
    for name in ("ts", "local", "kind", "price", "lots", "update", "closes"):
        whole = getattr(record.events, name)
        np.testing.assert_array_equal(getattr(raw, name), whole[: len(raw)])


def test_a_line_that_is_no_frame_is_named(tmp_path: Path) -> None:
    for text in ("1723161255030314667 {", "no", '1 {"e": "trade", "E": 1}', "1 []"):
        file = tmp_path / "frames.jsonl.gz"
        with gzip.open(file, "wt") as out:
            out.write('1 {"data": {"e": "bookTicker", "E": 2}}\n' + text + "\n")
        with pytest.raises(CommendaError, match=r"depth_frame.*Line 2"):
            read_frames(file)
    with pytest.raises(CommendaError, match="market_file_missing"):
        read_frames(tmp_path / "none.jsonl")
