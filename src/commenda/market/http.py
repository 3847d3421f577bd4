"""Instruments and candles over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.web import GUARDED, Moment, Served, Whole, problems, routes
from commenda.market import candles
from commenda.market.grid import parse_interval
from commenda.market.instruments import find_instrument
from commenda.market.model import SYMBOL, VENUE

router = routes("market", "/market")
Reader = Annotated[Principal, may(Permission.MARKET)]
Symbol = Annotated[
    str, Query(min_length=1, max_length=40, pattern=f"^{SYMBOL}$", examples=["BTCUSDT"])
]
Venue = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=40,
        pattern=f"^{VENUE}$",
        description="Where it is traded; the live market, or else the first that has candles.",
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
        instrument = find_instrument(tx, venue, symbol) if venue else candles.traded_as(tx, symbol)
        bars = candles.read(
            tx, service.settings.data, instrument, seconds, start=start, end=end, limit=limit
        )
    return candles.CandleSeries(
        instrument.venue, instrument.symbol, interval, instrument.simulated, bars
    )
