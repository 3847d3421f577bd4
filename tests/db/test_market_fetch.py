"""Fetching from an exchange: a server here speaks its format, from real candles where there are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest

from commenda import market
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.market import Imported, Outcome, Series

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
INTERVALS = {"5m": 300, "8h": 28800}
BARS = 2_500


@dataclass(frozen=True)
class Record:
    """What the server knows of BTCUSDT: 2,500 5m candles, 8h marks and funding, all in UTC."""

    candles: pl.DataFrame
    marks: pl.DataFrame
    funding: pl.DataFrame

    @property
    def first(self) -> datetime:
        return self.candles["ts"][0]

    @property
    def last(self) -> datetime:
        return self.candles["ts"][-1]


@dataclass
class Answer:
    """One answer out of turn: a failure."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Exchange(ThreadingHTTPServer):
    """Answers as Binance's USD-M futures do, from a record. The last candle is still open."""

    def __init__(self, record: Record) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.now = record.last + MINUTE
        self.klines = {
            "klines": {"5m": rows_of(record.candles)},
            "markPriceKlines": {"8h": rows_of(record.marks)},
        }
        self.funding = [
            {
                "symbol": "BTCUSDT",
                "fundingTime": epoch(ts),
                "fundingRate": f"{rate:.8f}",
                "markPrice": "1",
            }
            for ts, rate in record.funding.iter_rows()
        ]
        self.failures: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/mirror"

    def asked(self, path: str) -> list[dict[str, str]]:
        """The queries that a path was asked with."""
        return [query for asked, query in self.requests if asked == path]

    def answer(self, path: str, query: dict[str, str]) -> Any:
        start = int(query.get("startTime", 0))
        end = int(query.get("endTime", 2**60))
        if path == "time":
            return {"serverTime": epoch(self.now)}
        if path == "exchangeInfo":
            return {"symbols": [symbol("BTCUSDT", "BTC"), symbol("NEWUSDT", "NEW")]}
        if query["symbol"] not in {"BTCUSDT", "NEWUSDT"}:
            return Answer(400, '{"code": -1121, "msg": "Invalid symbol."}')
        if path == "fundingRate":
            found = [one for one in self.funding if start <= one["fundingTime"] <= end]
            return found[: min(int(query.get("limit", 100)), 1000)]
        known = self.klines[path].get(query["interval"], [])
        found = [row for row in known if start <= row[0] <= end and row[0] <= epoch(self.now)]
        return found[: min(int(query.get("limit", 500)), 1500)]


class Handler(BaseHTTPRequestHandler):
    server: Exchange

    def do_GET(self) -> None:  # the name that http.server calls
        address = urlsplit(self.path)
        prefix, _, path = address.path.rpartition("/")
        query = dict(parse_qsl(address.query))
        self.server.requests.append((path, query))
        failures = self.server.failures.get(path)
        if prefix != "/mirror/fapi/v1":
            answer: Any = Answer(404, "no such page")
        else:
            answer = failures.pop(0) if failures else self.server.answer(path, query)
        if not isinstance(answer, Answer):
            answer = Answer(200, json.dumps(answer), {"Content-Type": "application/json"})
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def epoch(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def rows_of(frame: pl.DataFrame) -> list[list[Any]]:
    """Klines: numbers as texts, twelve columns; marks have no volume and say 0."""
    return [
        [epoch(ts), *map(str, numbers), *["0"] * (5 - len(numbers)), 0, "0", 1, "0", "0", "0"]
        for ts, *numbers in frame.iter_rows()
    ]


def symbol(name: str, base: str) -> dict[str, Any]:
    """An entry of `exchangeInfo`, as Binance documents it."""
    return {
        "symbol": name,
        "pair": name,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.05", "minPrice": "1", "maxPrice": "9"},
            {"filterType": "LOT_SIZE", "stepSize": "0.002", "minQty": "1", "maxQty": "9"},
            {"filterType": "MIN_NOTIONAL", "notional": "7"},
        ],
    }


def real_record(folder: Path) -> Record:
    named = {
        name: pl.read_parquet(folder / f"binance_usdm_BTCUSDT_{name}.parquet")
        for name in ("5m", "mark_8h", "funding")
    }
    candles = named["5m"][:BARS]
    within = pl.col("ts") <= candles["ts"][-1] + timedelta(hours=8)
    return Record(candles, named["mark_8h"].filter(within), named["funding"].filter(within))


def simulated_record() -> Record:
    assets = market.simulated_assets(["BTCUSDT"], market.load_catalogue())
    start = datetime(2025, 3, 6, tzinfo=UTC)
    made = market.simulate_market(7, assets, start, BARS, timedelta(minutes=5))["BTCUSDT"]
    bars, marks = made.bars, made.marks

    def frame(ts: Any, **columns: Any) -> pl.DataFrame:
        stamps = pl.Series("ts", ts * 1000, dtype=pl.Int64).cast(pl.Datetime("ms", "UTC"))
        return pl.DataFrame([stamps, *(pl.Series(k, v) for k, v in columns.items())])

    names = ("open", "high", "low", "close", "volume")
    return Record(
        frame(bars.ts, **{name: getattr(bars, name) for name in names}),
        frame(marks.ts, **dict.fromkeys(names[:4], marks.values)),
        frame(made.funding.ts, rate=made.funding.values),
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


def fetch(
    connection: market.Connection,
    record: Record,
    series: Series = Series.CANDLES,
    *,
    symbol: str = "BTCUSDT",
    since: datetime | None = None,
    until: datetime = NOW,
) -> market.Source:
    interval = 28800 if series is Series.MARK else 300
    span = market.Span(since or record.first, until)
    return market.fetch_series(connection, symbol, series, interval, span)


def store(db: Database, data_dir: Path, source: market.Source, **options: Any) -> Imported:
    with db.transaction() as tx:
        return market.import_source(tx, data_dir, source, NOW, **options)


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
