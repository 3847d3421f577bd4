"""Recorded series for a run: out of a file as it lies there, or out of an import.

What a file is named like an import says its venue, symbol and interval; any other name will do
where a run needs no more than the rows, and the interval is then told by their stamps. Files are
read and judged as an import does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.market import queries
from commenda.market.files import content_digest, judge, read_imported
from commenda.market.grid import interval_name, told_by
from commenda.market.instruments import find_instrument
from commenda.market.model import Finding, Kind, Series
from commenda.market.names import told_kind, told_name
from commenda.market.sources import read_rows


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A sound series of rows in order of time, and what its source says of it.

    `origin` is the file's name, or venue, symbol and series of an import. `venue` and `symbol` are
    None where a file's name does not say them, nor is `kind` known then; `interval` is in seconds,
    0 for funding. `notes` say what was assumed; `zone` is the one that was given for times without
    any.
    """

    frame: pl.DataFrame
    origin: str
    venue: str | None
    symbol: str | None
    interval: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    zone: str | None = None
    kind: Kind | None = None

    def digest(self) -> str:
        """SHA-256 of the values: the same for a file and for its import."""
        return content_digest(self.frame)


def read_recorded(
    file: Path, series: Series, interval: int | None = None, zone: str | None = None
) -> Recorded:
    """Read and judge a Parquet or CSV file; `interval` in seconds where its name does not say it,
    `zone` of times that name none.

    Codes as for an import: `market_file_missing`, `_unreadable`, `_columns`, `_value`, `_type`,
    `_empty`, `_interval`, `file_too_large`, `inverse_contract`, and `market_data_refused` for an
    impossible row.
    """
    name = told_name(file)
    if name is not None and name.series is not series:
        raise CommendaError(
            "market_file_name", f"The file is named as {name.series}, and {series} are wanted"
        ).at("file", file, f"give a file of {series}")
    rows = read_rows(file, series, zone)
    step = 0
    if series is not Series.FUNDING:
        step = interval or (name.interval if name else 0) or told_by(rows.frame["ts"])
        if step == 0:
            raise CommendaError(
                "market_file_interval",
                "The file has one bar, whose interval cannot be told; a run needs two",
            ).at("file", file, "give a file of more bars")
    loaded = judge(rows.frame, str(file), series, step)
    return Recorded(
        frame=loaded.frame,
        origin=file.name,
        venue=name.venue if name else None,
        symbol=name.symbol if name else None,
        interval=step,
        findings=loaded.findings,
        notes=rows.notes,
        zone=zone,
        kind=told_kind(name) if name else None,
    )


def imported_series(
    tx: Tx, data_dir: Path, venue: str, symbol: str, series: Series, interval: int | None = None
) -> Recorded | None:
    """An imported series, the finest there is where no `interval` is asked for; None without one.

    Codes `unknown_instrument`, and `dataset_changed` where the file is not the one imported.
    """
    instrument = find_instrument(tx, venue, symbol)
    fitting = [
        one
        for one in queries.datasets_of(tx, instrument.id)
        if one.series is series and interval in (None, one.interval_seconds)
    ]
    if not fitting:
        return None
    found = fitting[0]  # by interval
    name = f"{series} {interval_name(found.interval_seconds)}" if found.interval_seconds else series
    return Recorded(
        frame=read_imported(data_dir, found),
        origin=f"{venue} {symbol} {name}",
        venue=venue,
        symbol=symbol,
        interval=found.interval_seconds,
        findings=tuple(queries.findings_of(tx, found.id)),
        kind=instrument.kind,
    )
