"""Fetching from an exchange that fails, refuses or sends nonsense."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commenda import market
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.market import Series
from fetched_exchange import (
    BARS,
    MINUTE,
    NOW,
    Answer,
    Exchange,
    Record,
    fetch,
    real_record,
    simulated_record,
    store,
)


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


def test_a_passing_failure_is_repeated_and_a_wait_that_is_asked_for_is_kept(
    connection: market.Connection, exchange: Exchange, record: Record, waits: list[float]
) -> None:
    exchange.failures["klines"] = [
        Answer(429, '{"code": -1003, "msg": "Too many requests."}', {"Retry-After": "7"}),
        Answer(503, "<html>Service Unavailable</html>"),
        Answer(500, '{"code": -1000, "msg": "An unknown error occurred."}'),
    ]
    assert fetch(connection, record).loaded.frame.height == BARS - 1
    assert waits == [7, 2, 4]
    assert len(exchange.asked("klines")) == 3 + 3


def test_a_lasting_failure_ends_after_a_few_tries(
    connection: market.Connection, exchange: Exchange, record: Record, waits: list[float]
) -> None:
    exchange.failures["fundingRate"] = [Answer(502, "<html>Bad Gateway</html>")] * 99
    with pytest.raises(CommendaError) as refusal:
        fetch(connection, record, Series.FUNDING)
    assert refusal.value.code == "exchange_unreachable"
    assert "502" in refusal.value.message
    assert "<" not in refusal.value.message
    assert waits == [1, 2, 4, 8, 16]


def test_a_long_ban_is_not_waited_for(
    connection: market.Connection, exchange: Exchange, record: Record, waits: list[float]
) -> None:
    exchange.failures["klines"] = [Answer(418, "banned", {"Retry-After": "3600"})]
    with pytest.raises(CommendaError) as refusal:
        fetch(connection, record)
    assert refusal.value.code == "exchange_unreachable"
    assert refusal.value.hint == "it asks to wait 3600 s"
    assert waits == []


def test_a_refusal_is_not_repeated(
    connection: market.Connection, exchange: Exchange, record: Record, waits: list[float]
) -> None:
    exchange.failures["klines"] = [Answer(400, '{"code": -1130, "msg": "Data is not valid."}')]
    with pytest.raises(CommendaError) as refusal:
        fetch(connection, record)
    assert refusal.value.code == "exchange_refused"
    assert "Data is not valid" in refusal.value.message
    assert waits == []


def test_what_the_exchange_sends_is_judged_like_a_file(
    connection: market.Connection, exchange: Exchange, record: Record
) -> None:
    exchange.klines["klines"]["5m"][3][2] = "0.5"  # a high below every other price
    with pytest.raises(CommendaError) as refusal:
        fetch(connection, record)
    assert (refusal.value.code, refusal.value.value) == (
        "market_data_refused",
        "binanceusdm BTCUSDT candles",
    )


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"symbol": "NOPEUSDT"}, "unknown_instrument", "binanceusdm has no such market"),
        ({"since": NOW, "until": NOW}, "bad_span", "ends before it begins"),
        ({"since": NOW - MINUTE}, "bad_span", "lies ahead"),
    ],
)
def test_what_cannot_be_fetched_is_refused(
    connection: market.Connection,
    record: Record,
    options: dict[str, Any],
    code: str,
    words: str,
) -> None:
    with pytest.raises(CommendaError) as refusal:
        fetch(connection, record, **options)
    assert refusal.value.code == code
    assert words in refusal.value.message


def test_an_interval_or_series_that_the_exchange_has_not_is_refused(
    connection: market.Connection, record: Record
) -> None:
    span = market.Span(record.first, NOW)
    with pytest.raises(CommendaError, match="bad_interval"):
        market.fetch_series(connection, "BTCUSDT", Series.CANDLES, 420, span)
    with pytest.raises(CommendaError, match="nothing_fetched"):
        market.fetch_series(connection, "BTCUSDT", Series.MARK, 300, span)
    connection.exchange.has["fetchMarkOHLCV"] = False
    with pytest.raises(CommendaError, match="series_not_offered"):
        market.fetch_series(connection, "BTCUSDT", Series.MARK, 28800, span)


def test_an_exchange_that_is_not_there_is_refused(waits: list[float]) -> None:
    def connect(name: str, url: str) -> CommendaError:
        with pytest.raises(CommendaError) as refusal:
            market.connect_exchange(name, NOW, url=url, wait=waits.append)
        return refusal.value

    assert connect("atlantis", "http://127.0.0.1:9").code == "unknown_exchange"
    assert connect("binanceusdm", "127.0.0.1:9").code == "bad_url"
    assert connect("binanceusdm", "http://127.0.0.1:9").code == "exchange_unreachable"
    assert waits == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("name", ["BTCUSDT", "BTC/USDT:USDT"])
def test_a_symbol_of_the_catalogue_keeps_its_terms(
    db: Database, connection: market.Connection, record: Record, tmp_path: Path, name: str
) -> None:
    described = market.instrument_at(connection, name)
    source = fetch(connection, record, symbol=name, until=record.first + 50 * MINUTE)
    store(db, tmp_path, source, described=described)
    with db.transaction() as tx:
        stored = market.find_instrument(tx, "binance_usdm", "BTCUSDT")
    assert (described.tick, stored.tick) == (Decimal("0.05"), Decimal("0.1"))


def test_a_symbol_that_no_catalogue_has_is_described_by_the_exchange(
    db: Database, connection: market.Connection, record: Record, tmp_path: Path
) -> None:
    """Steps and least notional as `exchangeInfo` says; fees are ccxt's for USD-M futures."""
    source = fetch(connection, record, symbol="NEWUSDT", until=record.first + 50 * MINUTE)
    with pytest.raises(CommendaError, match="unknown_instrument"):
        store(db, tmp_path, source)
    store(db, tmp_path, source, described=market.instrument_at(connection, "NEWUSDT"))
    with db.transaction() as tx:
        stored = market.find_instrument(tx, "binance_usdm", "NEWUSDT")
    assert stored == market.Instrument(
        id=stored.id,
        venue="binance_usdm",
        symbol="NEWUSDT",
        kind=market.Kind.LINEAR_PERPETUAL,
        base="NEW",
        quote="USDT",
        tick=Decimal("0.05"),
        lot=Decimal("0.002"),
        minimum_notional=Decimal(7),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        maximum_leverage=1,
        simulated=False,
    )


@pytest.fixture
def command_line(
    db: Database, exchange: Exchange, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `commenda market fetch …` in a process of its own on this test's database."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = "from commenda.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", program, "market", "fetch", "--url", exchange.url, *arguments],
            env={
                **os.environ,
                "COMMENDA_DATABASE_URL": db.owner_url,
                "COMMENDA_DATA": str(tmp_path / "data"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_command_line_fetches_extends_and_says_what_was_refused(
    command_line: Callable[..., subprocess.CompletedProcess[str]],
    exchange: Exchange,
    record: Record,
) -> None:
    exchange.failures["klines"] = [Answer(503)]  # repeated after a second
    since, middle = record.first, record.first + timedelta(days=1)
    common = ("BTCUSDT", "--interval", "5m", "--series", "candles")
    first = command_line(
        *common, "--since", f"{since:%Y-%m-%d %H:%M}", "--until", middle.isoformat(), "--json"
    )
    [candles] = json.loads(first.stdout)
    assert first.returncode == 0, first.stderr
    assert (candles["outcome"], candles["dataset"]["rows"]) == ("created", 288)
    assert candles["file"] == "binanceusdm BTCUSDT candles"

    again, until = middle - timedelta(hours=1), middle + timedelta(days=1)
    more = command_line(
        "NOPEUSDT",
        *common,
        "--series",
        "candles,funding",
        "--since",
        again.isoformat(),
        "--until",
        until.isoformat(),
        "--append",
        "--json",
    )
    refused, refused_too, candles, funding = json.loads(more.stdout)
    assert more.returncode == 2
    assert "import_incomplete" in more.stderr
    assert refused["error"]["code"] == refused_too["error"]["code"] == "unknown_instrument"
    assert (candles["outcome"], candles["dataset"]["rows"]) == ("extended", 576)
    due = record.funding["ts"].dt.round("1s").is_between(again, until).sum()
    assert (funding["outcome"], funding["dataset"]["rows"]) == ("created", due)
    assert candles["findings"] == funding["findings"] == []

    wrong = command_line("BTCUSDT", "--interval", "5m", "--since", "yesterday")
    assert wrong.returncode == 2
    assert "bad_time" in wrong.stderr
