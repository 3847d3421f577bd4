"""Instruments and candles over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.kit.db import Database
from commenda.market import (
    Bar,
    Mark,
    ensure_instrument,
    import_file,
    load_catalogue,
    simulated_assets,
    write_bars,
    write_marks,
)
from people import SETTINGS, SignIn, signed_in

START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def live(db: Database) -> None:
    """Three hours of quarter-hourly bars whose numbers count up, and a fourth hour begun."""
    asset = simulated_assets(["BTCUSDT"], load_catalogue())[0]
    with db.transaction() as tx:
        instrument = ensure_instrument(tx, asset.instrument)
        bars = [
            Bar(int(START.timestamp()) + 900 * n, 100.0 + n, 110.0 + n, 90.0 + n, 101.0 + n, 1.0)
            for n in range(14)
        ]
        write_bars(tx, 900, [(instrument, bar) for bar in bars])
        mark = Mark(instrument.to_tick(115), START + timedelta(hours=3.5), "candle")
        write_marks(tx, [(instrument, mark)])


def candles(client: TestClient, headers: dict[str, str], **query: Any) -> Any:
    got = client.get("/api/v1/market/candles", headers=headers, params=query)
    assert got.status_code == 200, got.text
    return got.json()


@pytest.mark.usefixtures("live")
def test_coarser_candles_are_made_of_whole_finer_ones(client: TestClient, sign_in: SignIn) -> None:
    got = candles(client, sign_in("investor"), symbol="BTCUSDT", interval="1h")
    assert (got["venue"], got["interval"], got["simulated"]) == ("simulated", "1h", True)
    # Each hour: the first open, the highest high, the lowest low, the last close, all volume.
    assert got["items"] == [
        {
            "ts": f"2026-01-05T0{hour}:00:00Z",
            "open": 100.0 + 4 * hour,
            "high": 110.0 + 4 * hour + 3,
            "low": 90.0 + 4 * hour,
            "close": 101.0 + 4 * hour + 3,
            "volume": 4.0,
        }
        for hour in range(3)
    ]


@pytest.mark.usefixtures("live")
def test_the_latest_candles_come_without_a_start_and_the_first_with_one(
    client: TestClient, sign_in: SignIn
) -> None:
    who = sign_in("auditor")
    latest = candles(client, who, symbol="BTCUSDT", interval="15m", limit=2)["items"]
    assert [one["open"] for one in latest] == [112.0, 113.0]
    first = candles(
        client, who, symbol="BTCUSDT", interval="15m", limit=2, start=START.isoformat()
    )["items"]
    assert [one["open"] for one in first] == [100.0, 101.0]
    end = (START + timedelta(minutes=30)).isoformat()
    until = candles(client, who, symbol="BTCUSDT", interval="15m", end=end)["items"]
    assert [one["open"] for one in until] == [100.0, 101.0]


@pytest.mark.usefixtures("live")
def test_instruments_say_their_terms_and_latest_mark(client: TestClient, sign_in: SignIn) -> None:
    got = client.get("/api/v1/market/instruments", headers=sign_in("creator")).json()
    assert [one["symbol"] for one in got] == ["BTCUSDT"]
    assert got[0]["mark"] == "115"
    assert got[0]["markAsOf"] == "2026-01-05T03:30:00Z"
    assert got[0]["tick"] == "0.1"


def test_an_unknown_symbol_is_404_and_an_odd_interval_422(
    client: TestClient, sign_in: SignIn
) -> None:
    who = sign_in("investor")
    unknown = client.get("/api/v1/market/candles?symbol=NOPE", headers=who)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_instrument")
    odd = client.get("/api/v1/market/candles?symbol=NOPE&interval=soon", headers=who)
    assert (odd.status_code, odd.json()["code"]) == (422, "bad_interval")


def test_imported_candles_are_served_as_they_are_in_the_file(
    db: Database, tmp_path: Path, market_data: Path
) -> None:
    source = market_data / "binance_usdm_BTCUSDT_1h.parquet"
    with db.transaction() as tx:
        import_file(tx, tmp_path, source, START)
    app = create_app(replace(SETTINGS, data=tmp_path), db)
    with TestClient(app) as client:
        got = candles(client, signed_in(db, "investor"), symbol="BTCUSDT", interval="1h", limit=3)
        day = candles(client, signed_in(db, "investor"), symbol="BTCUSDT", interval="1d", limit=1)
    assert got["venue"] == "binance_usdm"
    last = pl.read_parquet(source).sort("ts").tail(3)
    assert [one["close"] for one in got["items"]] == last["close"].to_list()
    whole = (
        pl.read_parquet(source)
        .with_columns(pl.col("ts").dt.date().alias("day"))
        .group_by("day")
        .agg(pl.col("high").max(), pl.len().alias("hours"))
        .filter(pl.col("hours") == 24)
        .sort("day")
        .tail(1)
    )
    assert day["items"][0]["high"] == whole["high"][0]
    assert day["items"][0]["ts"].startswith(str(whole["day"][0]))
