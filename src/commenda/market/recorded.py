"""Recorded series for a run: out of a file as it lies there, or out of an import.

What a file is named like an import says its venue, symbol and interval; any other name will do
where a run needs no more than the rows, and the interval is then the usual distance of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.market import queries
from commenda.market.csv_files import is_csv, read_csv
from commenda.market.files import (
    content_digest,
    judge,
    parse_stem,
    read_imported,
    read_parquet,
    typed,
    usual_step,
)
from commenda.market.instruments import find_instrument
from commenda.market.model import Finding, Series, interval_name


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A sound series of rows in order of time, and what its source says of it.

    `origin` is the file's name, or venue, symbol and series of an import. `venue` and `symbol` are
    None where a file's name does not say them; `interval` is in seconds, 0 for funding.
    """

    frame: pl.DataFrame
    origin: str
    venue: str | None
    symbol: str | None
    interval: int
    findings: tuple[Finding, ...]

    def digest(self) -> str:
        """SHA-256 of the values: the same for a file and for its import."""
        return content_digest(self.frame)


def read_recorded(file: Path, series: Series, interval: int | None = None) -> Recorded:
    """Read and judge a Parquet or CSV file; `interval` in seconds where its name does not say it.

    Codes as for an import: `market_file_missing`, `_unreadable`, `_columns`, `_type`, `_empty`,
    `_interval`, and `market_data_refused` for an impossible row.
    """
    rows = read_csv(file).frame if is_csv(file) else read_parquet(file)
    name = parse_stem(file.stem)
    if name is not None and name.series is not series:
        raise CommendaError(
            "market_file_name", f"The file is named as {name.series}, and {series} are wanted"
        ).at("file", file, f"give a file of {series}")
    step = 0
    if series is not Series.FUNDING:
        named = name.interval if name else None
        step = interval or named or usual_step(typed(rows, str(file), series))
        if step == 0:
            raise CommendaError(
                "market_file_interval", "The interval of a single row cannot be told"
            ).at("file", file, "state the interval, or name the file <venue>_<SYMBOL>_<5m>.parquet")
    loaded = judge(rows, str(file), series, step)
    return Recorded(
        frame=loaded.frame,
        origin=file.name,
        venue=name.venue if name else None,
        symbol=name.symbol if name else None,
        interval=step,
        findings=loaded.findings,
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
    )
