"""The history of a study: bars and funding, and where they are read again from after a kill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from commenda.kernel import Bars, Funding
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.times import iso
from commenda.strategies import (
    BarData,
    FundingData,
    imported_bars,
    imported_funding,
    read_bars,
    read_funding,
    stored_market,
    stored_rates,
)


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """A history. `where` says in plain JSON what `material_again` reads it from."""

    name: str
    bars: Bars
    sha256: str
    interval_seconds: int
    funding: Funding | None
    funding_sha256: str | None
    where: dict[str, Any]
    notes: tuple[str, ...] = ()
    """What was assumed of the file, and found in it."""
    spot: bool = False


def material_of_files(
    file: Path,
    *,
    rates: Path | None = None,
    marks: Path | None = None,
    interval: timedelta | None = None,
    zone: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Material:
    """Bars out of a Parquet or CSV file, with funding if a file of rates is given.

    Codes of `strategies.read_bars` and `read_funding`.
    """
    found = read_bars(file, interval=interval, zone=zone, since=since, until=until)
    funding = read_funding(found.bars, rates, marks, zone) if rates else None
    where = {
        "file": str(file.resolve()),
        "rates": rates and str(rates.resolve()),
        "marks": marks and str(marks.resolve()),
        "interval": interval and interval.total_seconds(),
        "zone": zone,
    }
    return _material(found, funding, where, since, until)


def material_of_import(
    tx: Tx,
    data_dir: Path,
    venue: str,
    symbol: str,
    interval: timedelta,
    *,
    funded: bool,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Material:
    """Imported candles, with imported funding if it is to be charged.

    Codes of `strategies.imported_bars` and `imported_funding`.
    """
    found = imported_bars(tx, data_dir, venue, symbol, interval, since=since, until=until)
    funding = imported_funding(tx, data_dir, venue, symbol, found.bars) if funded else None
    where = {
        "venue": venue,
        "symbol": symbol,
        "interval": interval.total_seconds(),
        "funded": funded,
    }
    return _material(found, funding, where, since, until)


def material_of_market(
    tx: Tx, instrument_id: int, interval: timedelta, since: datetime, until: datetime
) -> Material:
    """The live market as it is stored, from `since` to `until`, with the funding that was told.

    Codes of `strategies.stored_market`.
    """
    found = stored_market(tx, instrument_id, interval, since=since, until=until)
    rates = stored_rates(tx, instrument_id, found.bars, until)
    where = {"instrument": instrument_id, "interval": interval.total_seconds()}
    return _material(found, rates, where, since, until)


def material_again(
    tx: Tx, data_dir: Path, where: Mapping[str, Any], sha256: str, funding_sha256: str | None
) -> Material:
    """The history of a study that goes on; code `data_changed` where it is another by now."""
    since, until = (
        where[name] and datetime.fromisoformat(where[name]) for name in ("since", "until")
    )
    span = {"since": since, "until": until}
    interval = where["interval"] and timedelta(seconds=where["interval"])
    if "file" in where:
        rates, marks = (where[name] and Path(where[name]) for name in ("rates", "marks"))
        file = Path(where["file"])
        zone = where.get("zone")
        found = material_of_files(
            file, rates=rates, marks=marks, interval=interval, zone=zone, **span
        )
    elif "instrument" in where:
        found = material_of_market(tx, where["instrument"], interval, since, until)
    else:
        venue, symbol, funded = (where[name] for name in ("venue", "symbol", "funded"))
        found = material_of_import(tx, data_dir, venue, symbol, interval, funded=funded, **span)
    if (found.sha256, found.funding_sha256) != (sha256, funding_sha256):
        raise CommendaError(
            "data_changed", "The history is not the one that the study began with"
        ).at("data", found.name, "begin a new study, or bring the old file back")
    return found


def _material(
    found: BarData,
    funding: FundingData | None,
    where: dict[str, Any],
    since: datetime | None,
    until: datetime | None,
) -> Material:
    span = {"since": since and iso(since), "until": until and iso(until)}
    return Material(
        name=found.source.name,
        bars=found.bars,
        sha256=found.source.sha256,
        interval_seconds=int(found.source.interval.total_seconds()),
        funding=funding.funding if funding else None,
        funding_sha256=funding.sha256 if funding else None,
        where=where | span,
        notes=found.notes,
        spot=found.source.spot,
    )
