"""Fetching from an exchange: a server here speaks its format, from real candles where there are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from commenda import market
from commenda.kit.db import Database
from commenda.market import Outcome, Series
from fetched_exchange import (
    BARS,
    MINUTE,
    NOW,
    Exchange,
    Record,
    epoch,
    fetch,
    real_record,
    simulated_record,
    store,
)

INTERVALS = {"5m": 300, "8h": 28800}


@pytest.fixture(scope="module")
def record(request: pytest.FixtureRequest) -> Record:
    try:
        return real_record(request.getfixturevalue("market_data"))
    except pytest.skip.Exception:
        return simulated_record()


@pytest.fixture
def exchange(record: Record, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Exchange(record) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def waits() -> list[float]:
    """The seconds that were waited between tries, without waiting them."""
    return []


@pytest.fixture
def connection(exchange: Exchange, waits: list[float]) -> market.Connection:
    return market.connect_exchange("binanceusdm", NOW, url=exchange.url, wait=waits.append)


def test_what_is_fetched_is_the_dataset_that_a_file_gives(
    db: Database,
    connection: market.Connection,
    exchange: Exchange,
    record: Record,
    tmp_path: Path,
) -> None:
    """Pages, texts of numbers and stamps with jitter come out as the record that was served."""
    closed = record.candles[:-1]  # the last one opened a minute ago
    shown = pl.col("ts") <= exchange.now
    wanted = {
        Series.CANDLES: ("5m", closed),
        Series.MARK: (
            "mark_8h",
            record.marks.filter(pl.col("ts") + timedelta(hours=8) <= exchange.now),
        ),
        Series.FUNDING: ("funding", record.funding.filter(shown)),
    }
    for series, (name, frame) in wanted.items():
        source = fetch(connection, record, series, since=record.funding["ts"][0] - MINUTE)
        assert source.loaded.findings == ()
        fetched = store(db, tmp_path / "data", source)
        assert fetched.outcome is Outcome.CREATED
        file = tmp_path / f"binance_usdm_BTCUSDT_{name}.parquet"
        since = record.funding["ts"][0] - MINUTE
        frame.filter(pl.col("ts") >= since).write_parquet(file)
        with db.transaction() as tx:
            from_file = market.import_file(tx, tmp_path / "data", file, NOW)
        assert from_file.outcome is Outcome.UNCHANGED, series


def test_a_long_series_comes_in_pages_and_the_open_candle_stays_out(
    connection: market.Connection, exchange: Exchange, record: Record
) -> None:
    source = fetch(connection, record)
    assert source.loaded.frame.height == BARS - 1
    assert source.loaded.frame["ts"][-1] == record.last - 5 * MINUTE
    assert source.notes == ()
    asked = exchange.asked("klines")
    starts = [epoch(record.first + 5 * MINUTE * 1000 * page) for page in range(3)]
    assert [int(query["startTime"]) for query in asked] == starts
    assert {query["limit"] for query in asked} == {"1000"}


def test_a_candle_is_open_by_the_exchanges_clock_or_ours_whichever_is_behind(
    exchange: Exchange, record: Record
) -> None:
    behind = record.last - timedelta(minutes=7)  # the last but two is open by this clock
    early = market.connect_exchange("binanceusdm", behind, url=exchange.url)
    assert fetch(early, record, until=behind).loaded.frame["ts"][-1] == record.last - 15 * MINUTE


def test_the_span_is_kept_and_funding_due_at_its_end_belongs_to_it(
    connection: market.Connection, record: Record
) -> None:
    first = record.funding["ts"][1].replace(microsecond=0)
    until = record.funding["ts"][4].replace(microsecond=0)
    candles = fetch(connection, record, since=first, until=until).loaded.frame["ts"]
    assert (candles[0], candles[-1]) == (first, until - 5 * MINUTE)
    rates = fetch(connection, record, Series.FUNDING, since=first, until=until).loaded.frame["ts"]
    assert rates.to_list() == [first + timedelta(hours=8) * i for i in range(4)]
    marks = fetch(connection, record, Series.MARK, since=first, until=until).loaded.frame["ts"]
    assert (marks[0], len(marks)) == (first, 3)


def test_a_span_that_the_exchange_does_not_fill_is_said(
    connection: market.Connection, exchange: Exchange, record: Record
) -> None:
    exchange.klines["klines"]["5m"] = exchange.klines["klines"]["5m"][10:100]
    source = fetch(connection, record)
    begins, ends = record.first + 50 * MINUTE, record.first + 495 * MINUTE
    assert source.notes == (
        f"the exchange has nothing before {begins:%Y-%m-%d %H:%M} UTC",
        f"the exchange has nothing after {ends:%Y-%m-%d %H:%M} UTC",
    )
