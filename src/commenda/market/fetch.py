"""Market data from an exchange's public interface, through ccxt, for machines with a network.

`connect_exchange` reaches an exchange and learns its markets; `fetch_series` pages through one
series and answers with rows that are judged and stored like a file's. No key is needed and none is
used. Requests keep to the exchange's rate limits; one that fails for a passing reason is repeated
a few times, later each time. A candle that has not closed yet is left out: it would change.

The exchanges that Commenda has a venue name for keep it (`binanceusdm` is `binance_usdm`); another
one's venue is its name in ccxt and the kind of market, such as `okx_swap`.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import polars as pl

from commenda.kit.errors import CommendaError, not_found
from commenda.kit.times import iso
from commenda.market.files import COLUMNS
from commenda.market.grid import DAY, MONTH, interval_name
from commenda.market.model import SYMBOL, Instrument, Kind, Series, exact
from commenda.market.names import SourceName
from commenda.market.sources import Source, judge_rows

OnPage: TypeAlias = Callable[[datetime], None]
"""Told after each page how far the series has come."""

PAGE = 1000
"""Rows asked for at once; an exchange may answer with fewer."""

_TRIES = 6
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 120.0
_JITTER = 500
"""Milliseconds that a funding stamp may be off its second and still count as it."""

# The venue of an exchange's markets, and what keeps ccxt from loading markets of other kinds.
_KNOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "binanceusdm": ("binance_usdm", {}),
    "binance": ("binance_spot", {"options": {"fetchMarkets": {"types": ["spot"]}}}),
    "bybit": ("bybit_linear", {"options": {"fetchMarkets": {"types": ["linear"]}}}),
}

_CAPABILITY = {
    Series.CANDLES: "fetchOHLCV",
    Series.FUNDING: "fetchFundingRateHistory",
    Series.MARK: "fetchMarkOHLCV",
}


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """An exchange whose markets are known. `ends` is the latest time it has closed candles to."""

    exchange: Any
    ends: datetime
    wait: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Span:
    """From `since`, included, to `until`: candles open before it, funding is due until it."""

    since: datetime
    until: datetime


def connect_exchange(
    name: str, now: datetime, *, url: str | None = None, wait: Callable[[float], None] = time.sleep
) -> Connection:
    """Reach the exchange that ccxt calls `name`, at `url` instead of its own address if given.

    Codes `unknown_exchange`, `bad_url`, `exchange_unreachable` and `exchange_refused`.
    """
    ccxt: Any = importlib.import_module("ccxt")  # a second or two: not before it is needed
    if name not in ccxt.exchanges:
        raise not_found("unknown_exchange", "ccxt knows no such exchange").at(
            "exchange", name, "such as binanceusdm, binance, okx or bybit"
        )
    # The proxies and certificates of the environment count, as they do for other programs.
    options = _KNOWN.get(name, ("", {}))[1]
    exchange = getattr(ccxt, name)({"requests_trust_env": True, **options})
    if url is not None:
        exchange.urls["api"] = _moved(exchange.urls["api"], url)
    _patiently(exchange, wait, exchange.load_markets)
    ends = now
    if exchange.has.get("fetchTime"):
        # A clock that is ahead of the exchange's would take an open candle for a closed one.
        told = _patiently(exchange, wait, exchange.fetch_time)
        ends = min(now, _moment(told))
    return Connection(exchange, ends, wait)


def instrument_at(connection: Connection, symbol: str) -> Instrument:
    """A market on the exchange's own terms; `symbol` as in `BTCUSDT` or ccxt's `BTC/USDT:USDT`.

    The exchange tells no leverage without a key: it counts as 1. Codes `unknown_instrument` and
    `unsupported_instrument` (neither spot nor a linear perpetual).
    """
    market = _market(connection, symbol)
    name = f"{market['base']}{market['quote']}"
    tick, lot = market["precision"]["price"], market["precision"]["amount"]
    if not tick or not lot or not re.fullmatch(SYMBOL, name.upper()):
        raise CommendaError(
            "unsupported_instrument",
            "The exchange does not say the steps of its prices and quantities, or not in a name of"
            " letters and digits",
        ).at(
            "symbol",
            symbol,
            "describe it in a TOML file of [[instrument]] tables passed by --catalogue",
        )
    return Instrument(
        id=0,
        venue=_venue(connection.exchange.id, market),
        symbol=name.upper(),
        kind=Kind.SPOT if market["spot"] else Kind.LINEAR_PERPETUAL,
        base=market["base"],
        quote=market["quote"],
        tick=exact(tick),
        lot=exact(lot) * exact(market["contractSize"] or 1),
        minimum_notional=exact(market["limits"]["cost"]["min"] or 0),
        maker_fee=exact(market["maker"] or 0),
        taker_fee=exact(market["taker"] or 0),
        maximum_leverage=int(market["limits"]["leverage"]["max"] or 1),
        simulated=False,
    )


def series_offered(connection: Connection, symbol: str) -> tuple[Series, ...]:
    """The series that the exchange has of a market: spot has candles only."""
    if _market(connection, symbol)["spot"]:
        return (Series.CANDLES,)
    return tuple(
        series for series in Series if connection.exchange.has.get(_CAPABILITY[series]) is True
    )


def fetch_series(
    connection: Connection,
    symbol: str,
    series: Series,
    interval: int,
    span: Span,
    on_page: OnPage = lambda _: None,
) -> Source:
    """One series of `interval` seconds (of no meaning to funding), judged.

    Codes `bad_span`, `series_not_offered`, `bad_interval`, `nothing_fetched`, those of
    `connect_exchange` and, as for a file, those of `files.judge`.
    """
    if span.since >= min(span.until, connection.ends):
        raise CommendaError("bad_span", "The span ends before it begins, or lies ahead").at(
            "since", iso(span.since), "begin earlier than --until and now"
        )
    if series not in series_offered(connection, symbol):
        raise CommendaError(
            "series_not_offered", f"{connection.exchange.id} has no {series} of this market"
        ).at("series", series, f"it has {', '.join(series_offered(connection, symbol))}")
    instrument = instrument_at(connection, symbol)
    interval = 0 if series is Series.FUNDING else interval
    rows = _rows(connection, symbol, series, interval, span, on_page)
    origin = f"{connection.exchange.id} {instrument.symbol} {series}"
    if not rows:
        raise CommendaError(
            "nothing_fetched", f"The exchange has nothing from {span.since:%Y-%m-%d %H:%M} UTC on"
        ).at("since", origin, "choose a span in which the market was traded")
    name = SourceName(instrument.venue, instrument.symbol, series, interval)
    source = judge_rows(_frame(rows, series), origin, name)
    return replace(source, notes=_short_of(source, connection, span))


def _short_of(source: Source, connection: Connection, span: Span) -> tuple[str, ...]:
    """What to say where candles begin later or end earlier than they were asked for."""
    step = timedelta(seconds=source.name.interval)
    stamps = source.loaded.frame["ts"]
    notes = []
    if step and stamps[0] - span.since >= step:
        notes.append(f"the exchange has nothing before {stamps[0]:%Y-%m-%d %H:%M} UTC")
    if step and min(span.until, connection.ends) - stamps[-1] >= 2 * step:
        notes.append(f"the exchange has nothing after {stamps[-1]:%Y-%m-%d %H:%M} UTC")
    return tuple(notes)


def _rows(
    connection: Connection, symbol: str, series: Series, interval: int, span: Span, on_page: OnPage
) -> list[Sequence[Any]]:
    """Closed candles that open in the span, or its funding rates.

    The funding that is due at the span's end is charged for its last candle.
    """
    exchange, market = connection.exchange, _market(connection, symbol)["symbol"]
    closed, step = _milliseconds(connection.ends), interval * 1000
    timeframe = _timeframe(exchange, interval) if step else ""
    params = {"price": "mark"} if series is Series.MARK else {}

    def page(since: int) -> list[Sequence[Any]]:
        def ask() -> Any:
            if step:
                return exchange.fetch_ohlcv(market, timeframe, since, PAGE, params)
            return exchange.fetch_funding_rate_history(market, since, PAGE)

        found = _patiently(exchange, connection.wait, ask)
        return found if step else [(one["timestamp"], one["fundingRate"]) for one in found]

    until = _milliseconds(span.until)
    # A month is over after 31 days at the latest.
    longest = step if interval % MONTH else step // MONTH * 31 * DAY
    end = min(until, closed - longest + 1) if step else min(until, closed) + _JITTER
    return _paged(page, _milliseconds(span.since), end, step or 1, on_page)


def _paged(
    page: Callable[[int], list[Sequence[Any]]], since: int, end: int, step: int, on_page: OnPage
) -> list[Sequence[Any]]:
    """Rows stamped in [since, end) milliseconds: pages until one brings nothing new."""
    rows: list[Sequence[Any]] = []
    while since < end:
        new = [row for row in page(since) if row[0] >= since]
        if not new:
            break
        rows += (row for row in new if row[0] < end)
        since = max(row[0] for row in new) + step
        on_page(_moment(min(since, end)))
    return rows


def _frame(rows: list[Sequence[Any]], series: Series) -> pl.DataFrame:
    columns = COLUMNS[series]
    values = {
        name: pl.Series(name, [row[place] for row in rows], dtype=pl.Float64, strict=False)
        for place, name in enumerate(columns)
        if name != "ts"
    }
    stamps = pl.Series("ts", [row[0] for row in rows], dtype=pl.Int64)
    return pl.DataFrame({"ts": stamps.cast(pl.Datetime("ms", "UTC")), **values})


def _market(connection: Connection, symbol: str) -> Any:
    """The market that `symbol` names: by ccxt's name, the exchange's own, or base and quote."""
    markets = connection.exchange.markets.values()
    named = [one for one in markets if symbol in (one["symbol"], one["id"])]
    named = named or [one for one in markets if f"{one['base']}{one['quote']}" == symbol]
    found = [one for one in named if one["spot"] or (one["swap"] and one["linear"])]
    if len(found) == 1:
        return found[0]
    exchange = connection.exchange.id
    if found:
        names = " or ".join(sorted(one["symbol"] for one in found))
        raise _no_market(f"{exchange} has several markets of that name", symbol, f"name {names}")
    if named:
        inverse = any(one.get("inverse") for one in named)
        raise CommendaError(
            "inverse_contract" if inverse else "unsupported_instrument",
            "It is margined in its coin (an inverse contract), and Commenda computes linear ones"
            if inverse
            else "Neither spot nor a linear perpetual",
        ).at("symbol", symbol, "choose another market")
    raise _no_market(
        f"{exchange} has no such market", symbol, "such as BTCUSDT; --exchange chooses another"
    )


def _no_market(message: str, symbol: str, hint: str) -> CommendaError:
    return not_found("unknown_instrument", message).at("symbol", symbol, hint)


def _venue(exchange: str, market: Any) -> str:
    if exchange in _KNOWN:
        return _KNOWN[exchange][0]
    return f"{exchange}_{'spot' if market['spot'] else 'swap'}"


def _timeframe(exchange: Any, interval: int) -> str:
    name = interval_name(interval).replace("mo", "M")
    if name not in exchange.timeframes:
        raise CommendaError("bad_interval", f"{exchange.id} has no candles of this interval").at(
            "interval", name, f"it has {', '.join(exchange.timeframes)}"
        )
    return name


def _patiently(exchange: Any, wait: Callable[[float], None], call: Callable[[], Any]) -> Any:
    """Call an exchange; again, and later each time, while it fails for a passing reason."""
    ccxt: Any = importlib.import_module("ccxt")
    pause = _FIRST_WAIT
    for attempt in range(1, _TRIES + 1):
        exchange.last_response_headers = None  # what an earlier answer asked for is over
        try:
            return call()
        except ccxt.OperationFailed as error:  # the network, the rate limit, maintenance
            asked = _asked_to_wait(exchange)
            if attempt == _TRIES or asked > _LONGEST_WAIT:
                raise CommendaError(
                    "exchange_unreachable", f"{exchange.id} did not answer: {_short(error)}"
                ).at(
                    "exchange",
                    exchange.id,
                    f"it asks to wait {asked:.0f} s" if asked else "try again later",
                ) from error
            wait(max(pause, asked))
            pause *= 2
        except ccxt.BaseError as error:
            raise CommendaError(
                "exchange_refused", f"{exchange.id} refused the request: {_short(error)}"
            ).at("exchange", exchange.id) from error
    raise AssertionError("the last try either returns or raises")


def _asked_to_wait(exchange: Any) -> float:
    """Seconds that the last answer's `Retry-After` names, 0 without."""
    asked = str((exchange.last_response_headers or {}).get("Retry-After", ""))
    return float(asked) if asked.isdecimal() else 0.0


def _short(error: Exception) -> str:
    """An exchange's message without the page of HTML that may follow it."""
    return str(error).partition("<")[0].strip()[:200]


def _moved(urls: Any, url: str) -> Any:
    """ccxt's addresses with the scheme, host and leading path of `url` in place of their own."""
    base = urlsplit(url)
    if base.scheme not in {"http", "https"} or not base.netloc or base.query or base.fragment:
        raise CommendaError("bad_url", "Not an address that an exchange can stand at").at(
            "url", url, "write it as https://host or http://host:port/path"
        )
    if isinstance(urls, dict):
        return {name: _moved(one, url) for name, one in urls.items()}
    path = base.path.rstrip("/") + urlsplit(urls).path
    return urlunsplit((base.scheme, base.netloc, path, "", ""))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
