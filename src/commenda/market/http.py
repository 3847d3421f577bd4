"""Instruments and candles over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.web import GUARDED, Amount, Body, Moment, Served, problems
from commenda.market import candles
from commenda.market.instruments import find_instrument, instruments
from commenda.market.model import Instrument, Kind, parse_interval

router = APIRouter(prefix="/market", tags=["market"])
Reader = Annotated[Principal, may(Permission.MARKET)]
Symbol = Annotated[
    str, Query(min_length=1, max_length=30, pattern=r"^[A-Z0-9]+$", examples=["BTCUSDT"])
]
Venue = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=40,
        pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$",
        description="Where it is traded; the live market, or else the first that has candles.",
        examples=["simulated"],
    ),
]


class InstrumentView(Body):
    """What can be traded, and on which terms. Fees are fractions of the notional."""

    venue: str
    symbol: str
    kind: Kind
    base: str
    quote: str
    tick: Amount
    lot: Amount
    minimum_notional: Amount
    maker_fee: Amount
    taker_fee: Amount
    simulated: bool
    mark: Amount | None = Field(default=None, description="Latest mark of the live market.")
    mark_as_of: datetime | None = None


class CandleView(Body):
    """One closed bar, named by the time it opened. Numbers are market data, not money."""

    ts: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


class CandleSeries(Body):
    """Candles of one instrument in order of time."""

    venue: str
    symbol: str
    interval: str = Field(examples=["1h"])
    simulated: bool
    items: list[CandleView]


@router.get("/instruments", operation_id="listInstruments", responses=GUARDED)
def list_instruments(service: Served, _who: Reader) -> list[InstrumentView]:
    """Every instrument the installation knows, with its latest mark."""
    with service.database.transaction() as tx:
        marks = candles.latest_marks(tx)
        return [_view(one, marks.get(one.id)) for one in instruments(tx)]


def _view(one: Instrument, mark: candles.LatestMark | None) -> InstrumentView:
    return InstrumentView(
        venue=one.venue,
        symbol=one.symbol,
        kind=one.kind,
        base=one.base,
        quote=one.quote,
        tick=one.tick,
        lot=one.lot,
        minimum_notional=one.minimum_notional,
        maker_fee=one.maker_fee,
        taker_fee=one.taker_fee,
        simulated=one.simulated,
        mark=mark.price if mark else None,
        mark_as_of=mark.as_of if mark else None,
    )


@router.get("/candles", operation_id="listCandles", responses=GUARDED | problems(404))
def list_candles(
    service: Served,
    _who: Reader,
    symbol: Symbol,
    venue: Venue = None,
    interval: Annotated[str, Query(max_length=6, examples=["15m", "1h", "1d"])] = "1h",
    start: Annotated[Moment | None, Query()] = None,
    end: Annotated[Moment | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1500)] = 500,
) -> CandleSeries:
    """Closed bars that open in [start, end): the latest ones without a start, else the first."""
    seconds = parse_interval(interval)
    with service.database.transaction() as tx:
        instrument = find_instrument(tx, venue, symbol) if venue else candles.traded_as(tx, symbol)
        bars = candles.read(
            tx, service.settings.data, instrument, seconds, start=start, end=end, limit=limit
        )
    return CandleSeries(
        venue=instrument.venue,
        symbol=instrument.symbol,
        interval=interval,
        simulated=instrument.simulated,
        items=[CandleView.model_construct(**bar._asdict()) for bar in bars],
    )
