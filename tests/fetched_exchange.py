"""An exchange that answers as it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl

from commenda import market
from commenda.kit.db import Database
from commenda.market import Imported, Series

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
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
