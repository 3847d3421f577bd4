"""Instruments and candles over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Response

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Moment,
    Page,
    Paged,
    Served,
    Whole,
    problems,
    routes,
    write,
)
from commenda.market import candles
from commenda.market.coverage import (
    Coverage,
    FeedState,
    FoundAt,
    coverage,
    feed_states,
    findings_page,
)
from commenda.market.feeds import FeedSeen, feeds_seen, live_findings
from commenda.market.grid import parse_interval
from commenda.market.model import SYMBOL, VENUE, FindingKind
from commenda.market.uploads import MarketFile, QualityReport, take_in

router = routes("market", "/market")
Reader = Annotated[Principal, may(Permission.MARKET)]
Staff = Annotated[Principal, may(Permission.OVERVIEW)]
Keeper = Annotated[Principal, may(Permission.MARKET_DATA)]
Symbol = Annotated[
    str, Query(min_length=1, max_length=40, pattern=f"^{SYMBOL}$", examples=["BTCUSDT"])
]
Venue = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=40,
        pattern=f"^{VENUE}$",
        description="Where it is traded; else where a feed follows it, has live bars, or candles.",
        examples=["simulated"],
    ),
]


@router.get("/instruments", operation_id="listInstruments", responses=GUARDED)
def list_instruments(service: Served, _who: Reader) -> list[candles.InstrumentView]:
    """Every instrument the installation knows, with its latest mark."""
    with service.database.transaction() as tx:
        return candles.quoted(tx)


@router.get("/candles", operation_id="listCandles", responses=GUARDED | problems(404))
def list_candles(
    service: Served,
    _who: Reader,
    symbol: Symbol,
    venue: Venue = None,
    interval: Annotated[str, Query(max_length=6, examples=["15m", "1h", "1d"])] = "1h",
    start: Annotated[Moment | None, Query()] = None,
    end: Annotated[Moment | None, Query()] = None,
    limit: Annotated[Whole, Query(ge=1, le=1500)] = 500,
) -> candles.CandleSeries:
    """Closed bars that open in [start, end): the latest ones without a start, else the first."""
    seconds = parse_interval(interval)
    with service.database.transaction() as tx:
        instrument = candles.traded_as(tx, symbol, venue)
        bars = candles.read(
            tx, service.settings.data, instrument, seconds, start=start, end=end, limit=limit
        )
    return candles.CandleSeries(
        instrument.venue, instrument.symbol, interval, instrument.simulated, bars
    )


# --- How far it goes, for the staff ----------------------------------------------------------


@router.get("/datasets", operation_id="listDatasets", responses=GUARDED)
def list_datasets(service: Served, _who: Staff) -> list[Coverage]:
    """Every imported series: its span, what is missing, what was found, and its hash."""
    with service.database.read() as tx:
        return coverage(tx)


def _number(text: str) -> int:
    """An id as it is asked for; 0, which nothing has, for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


@router.get(
    "/datasets/{dataset_id}/findings",
    operation_id="listFindings",
    responses=GUARDED | problems(404),
)
def list_findings(
    service: Served, _who: Staff, dataset_id: str, asked: Paged, kind: FindingKind | None = None
) -> Page[FoundAt]:
    """What was found in a series when it was imported, by time."""
    after = asked.after(datetime, int)
    with service.database.read() as tx:
        rows = findings_page(tx, _number(dataset_id), kind, after, asked.rows)
    return asked.page(rows, lambda one: (one.at, one.id))


@router.get("/feed", operation_id="getFeed", responses=GUARDED)
def get_feed(service: Served, _who: Staff) -> list[FeedState]:
    """How old the last bar of each instrument of the live market is."""
    with service.database.read() as tx:
        return feed_states(tx)


@router.get("/feeds", operation_id="listFeeds", responses=GUARDED)
def list_feeds(service: Served, _who: Staff) -> list[FeedSeen]:
    """Which feeds follow which instruments, and how well; what is wrong first."""
    with service.database.read() as tx:
        return feeds_seen(tx)


@router.get(
    "/instruments/{instrument_id}/findings",
    operation_id="listLiveFindings",
    responses=GUARDED | problems(404),
)
def list_live_findings(
    service: Served,
    _who: Staff,
    instrument_id: str,
    asked: Paged,
    kind: FindingKind | None = None,
) -> Page[FoundAt]:
    """What feeds found wrong with an instrument's live market, the newest first."""
    before = asked.after(datetime, int)
    with service.database.read() as tx:
        rows = live_findings(tx, _number(instrument_id), kind, before, asked.rows)
    return asked.page(rows, lambda one: (one.at, one.id))


@router.post(
    "/datasets",
    operation_id="importMarketFile",
    response_model=QualityReport,
    responses=GUARDED | problems(404),
)
def import_market_file(
    service: Served, who: Keeper, body: MarketFile, key: IdempotencyKey = None
) -> Response:
    """Judge a file of market data and, with `keep`, import it: it takes the place of the series of
    its name, or joins it. A request's bound is its bound: 1 MiB, packed and in base64."""

    def act(tx: Tx, now: datetime) -> QualityReport:
        return take_in(tx, service.settings.data, who.actor, body, now)

    return write(service, who, "market-import", key, body, act)
