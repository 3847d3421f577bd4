"""Symbols of any script and of delivery contracts: imported, asked for over HTTP, listened to."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from commenda.app import create_app
from commenda.cli import app
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.market import Bar, find_instrument, write_bars
from people import SETTINGS, SignIn

HOUR = timedelta(hours=1)
START = datetime(2025, 1, 1, tzinfo=UTC)
SYMBOLS = ("币安人生USDT", "BTCUSDT_250627")
ENTRY = """
[[instrument]]
venue = "binance_usdm"
symbol = "{}"
kind = "linear_perpetual"
base = "X"
quote = "USDT"
tick = "0.01"
lot = "0.001"
minimum_notional = "5"
maker_fee = "0.0002"
taker_fee = "0.0005"
maximum_leverage = 20
"""


@pytest.fixture
def client(db: Database, tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(replace(SETTINGS, data=tmp_path), db)) as opened:
        yield opened


@pytest.fixture
def command(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`commenda market …` on the test's database and the application's data directory."""
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    monkeypatch.setenv("COMMENDA_DATA", str(tmp_path))
    return lambda *arguments: CliRunner().invoke(app, ["market", *map(str, arguments)])


def binance(folder: Path, symbol: str, month: str = "2025-01") -> Path:
    """A file as Binance publishes it: twelve columns, no header."""
    file = folder / f"{symbol}-1h-{month}.csv"
    opens = [int((START + i * HOUR).timestamp()) * 1000 for i in range(24)]
    rows = (f"{ts},100,102,99,101,5,{ts + 3_599_999},500,5,2,200,0" for ts in opens)
    file.write_text("\n".join(rows))
    return file


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_symbol_is_the_same_at_every_door(
    db: Database, command: Any, client: TestClient, sign_in: SignIn, tmp_path: Path, symbol: str
) -> None:
    catalogue = tmp_path / "more.toml"
    catalogue.write_text(ENTRY.format(symbol), "utf-8")
    done = command("import", binance(tmp_path, symbol), "--catalogue", catalogue)
    assert done.exit_code == 0, done.output
    query = {"symbol": symbol, "interval": "4h"}
    got = client.get("/api/v1/market/candles", headers=sign_in("investor"), params=query)
    assert got.status_code == 200, got.text
    assert (got.json()["symbol"], len(got.json()["items"])) == (symbol, 6)
    run = {
        "strategy": "sma_cross",
        "params": {"fast": 2, "slow": 3},
        "symbol": symbol,
        "interval": "1h",
        "funding": False,
    }
    ran = client.post("/api/v1/backtests", headers=sign_in("creator"), json=run)
    assert ran.status_code == 201, ran.text
    with db.transaction() as tx:
        instrument = find_instrument(tx, "binance_usdm", symbol)
        write_bars(tx, 3600, [(instrument, Bar(int(START.timestamp()), 1, 2, 1, 2, 5))])
    path = f"/ws/market/{quote(symbol)}"
    headers, told = sign_in("investor", "Ines"), {}
    # The server goes on listening: the client ends that when it leaves.
    with suppress(CancelledError), client.websocket_connect(path, headers=headers) as heard:
        told = heard.receive_json()
    assert [bar["symbol"] for bar in told["items"]] == [symbol]


@pytest.mark.parametrize("symbol", ["BTCUSD_PERP", "BTCUSD_250627"])
def test_a_coin_margined_contract_is_refused_with_the_reason(
    command: Any, client: TestClient, sign_in: SignIn, tmp_path: Path, symbol: str
) -> None:
    for option in ((), ("--symbol", "BTCUSDT")):
        refusal = command("import", binance(tmp_path, symbol), *option).exception
        assert isinstance(refusal, CommendaError)
        assert refusal.code == "inverse_contract"
        assert "margined in its coin" in refusal.message
    query = {"symbol": symbol, "interval": "1h"}
    got = client.get("/api/v1/market/candles", headers=sign_in("investor"), params=query)
    assert got.json()["code"] == "unknown_instrument"  # a symbol, and none that was imported


@pytest.mark.parametrize(
    "symbol", ["btcusdt", "BTC USDT", "../ETC", "BTC_USDT", "A\u202eB", "ABC%"]
)
def test_what_is_no_symbol_is_refused(
    db: Database, client: TestClient, sign_in: SignIn, symbol: str
) -> None:
    query = {"symbol": symbol, "interval": "1h"}
    got = client.get("/api/v1/market/candles", headers=sign_in("investor"), params=query)
    assert got.status_code == 422
