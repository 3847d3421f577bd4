"""Parquet files of market data: their columns and their content.

Candles have the columns `ts` (the OPEN time), `open`, `high`, `low`, `close` and `volume`; marks
the same without volume; funding `ts` and `rate`.
Imported files have the same columns, in order of time, one row for each time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from commenda.kit.errors import CommendaError
from commenda.kit.outside import refuse_rows
from commenda.kit.parquet import FalseClaim, claimed_rows
from commenda.market.grid import interval_name, other_interval, slices
from commenda.market.model import Dataset, Finding, Series
from commenda.market.quality import (
    check_candles,
    check_funding,
    check_marks,
    sorted_once,
    to_nearest_second,
)

COLUMNS = {
    Series.CANDLES: ("ts", "open", "high", "low", "close", "volume"),
    Series.MARK: ("ts", "open", "high", "low", "close"),
    Series.FUNDING: ("ts", "rate"),
}


_EARLIEST, _LATEST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1900, 2200))


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a file as they were written, and what should be said of how they were read.

    `microseconds` where the times are such numbers, as in Binance's spot files since 2025.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    microseconds: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A sound series, and what its source had that was not quite right."""

    frame: pl.DataFrame
    findings: tuple[Finding, ...]


def load(file: Path, series: Series, interval: int) -> Loaded:
    """Read, check and normalise a series of `interval` seconds (0 for funding).

    Codes `market_file_missing`, `market_file_unreadable`, `market_file_columns`,
    `market_file_type`, `market_file_empty`, `market_file_interval`, and `market_data_refused` where
    a finding is fatal.
    """
    return judge(read_parquet(file, COLUMNS[series]), str(file), series, interval)


def judge(frame: pl.DataFrame, origin: str, series: Series, interval: int) -> Loaded:
    """Check and normalise rows as `load` does; refusals name their `origin`."""
    frame = typed(frame, origin, series)
    if series is Series.FUNDING:
        frame = to_nearest_second(frame)
        ordered = sorted_once(frame)
        findings = check_funding(frame, ordered)
    else:
        told = other_interval(frame["ts"], interval)
        if told is not None:
            named = interval_name(interval)
            raise CommendaError(
                "market_file_interval",
                f"The bars are {told} s apart, not {named} as they are said to be",
            ).at("file", origin, "name the file (or give --interval) by the interval of its bars")
        check = check_candles if series is Series.CANDLES else check_marks
        ordered = sorted_once(frame)
        findings = check(frame, interval, ordered)
    _refuse_fatal(findings, origin)
    return Loaded(ordered, tuple(findings))


def joined(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The typed rows of one series' frames, the frame that begins first before the others."""
    return pl.concat(sorted(frames, key=lambda frame: frame.select(pl.col("ts").min()).item()))


def read_imported(data_dir: Path, dataset: Dataset) -> pl.DataFrame:
    """An imported series; code `dataset_changed` where its file is not the one imported."""
    frame = load(data_dir / dataset.path, dataset.series, dataset.interval_seconds).frame
    if content_digest(frame) != dataset.sha256:
        raise CommendaError("dataset_changed", "The file is not the one that was imported").at(
            "path", data_dir / dataset.path, "import its source again"
        )
    return frame


def content_digest(frame: pl.DataFrame) -> str:
    """SHA-256 of a normalised frame's values: the same for every way to encode them."""
    return _digest(frame.get_columns())


def file_digest(file: Path, series: Series) -> str:
    """`content_digest` of an imported file, of which it holds one column at a time."""
    return _digest(read_parquet(file, [name])[name] for name in COLUMNS[series])


def _digest(columns: Iterable[pl.Series]) -> str:
    digest = hashlib.sha256()
    for column in columns:
        digest.update(column.name.encode() + b"\0")
        for part in slices(column.to_frame()):
            values = part.to_series()
            values = values.dt.epoch("us") if column.name == "ts" else values
            digest.update(np.ascontiguousarray(values.to_numpy()).data)
    return digest.hexdigest()


def imported_path(venue: str, symbol: str, series: Series, interval: int) -> Path:
    """Where an imported series lies under the data directory."""
    name = f"{series}_{interval_name(interval)}" if interval else series
    return Path("market", venue, symbol, f"{name}.parquet")


def no_rows(origin: str) -> CommendaError:
    """The refusal of a source that holds nothing."""
    return CommendaError("market_file_empty", "The file has no rows").at("file", origin)


def write_atomically(frame: pl.DataFrame, path: Path) -> None:
    """Write Parquet so that a reader, even after a crash, finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            frame.write_parquet(file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_parquet(file: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows as they stand, those `columns` of them that there are; codes `market_file_missing`,
    `market_file_unreadable` and `file_too_large`.
    """
    if not file.is_file():
        raise CommendaError("market_file_missing", "No such file").at(
            "file", file, "give the path of a file that is there"
        )
    try:
        refuse_rows(claimed_rows(file), file)
        lazy = pl.scan_parquet(file, glob=False)
        has = lazy.collect_schema()
        wanted = [one for one in columns or has.names() if one in has]
        if columns and not all(has[one].is_numeric() or has[one].is_temporal() for one in wanted):
            lazy = lazy.head(1)  # it is refused for its types: no need to hold such columns
        return lazy.select(wanted).collect()
    except CommendaError:
        raise
    except BaseException as error:
        # A damaged file may also end in a panic of the reader, which is no Exception.
        known = isinstance(error, FalseClaim | pl.exceptions.PolarsError | OSError)
        if not known and type(error).__name__ != "PanicException":
            raise
        said = str(error).splitlines()[0][:200] if str(error) and known else "it is damaged"
        raise CommendaError("market_file_unreadable", f"Not a readable Parquet file ({said})").at(
            "file", file, "copy or export it again"
        ) from error


def typed(frame: pl.DataFrame, origin: str, series: Series) -> pl.DataFrame:
    """The series' own columns as datetime[us, UTC] and float64, or a clear refusal."""
    columns = COLUMNS[series]
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise CommendaError(
            "market_file_columns",
            f"The file lacks the column {', '.join(missing)}; it has"
            f" {', '.join(frame.columns) or 'none of those wanted'}",
        ).at("file", origin, f"{series} need the columns {', '.join(columns)}")
    frame = frame.select(columns)
    for name in columns:
        fits = _is_utc(frame.schema[name]) if name == "ts" else frame.schema[name].is_numeric()
        nulls = frame[name].null_count()
        if not fits or nulls:
            wanted = "times in UTC" if name == "ts" else "numbers"
            found = f"{nulls} empty cells" if fits else str(frame.schema[name])
            raise CommendaError(
                "market_file_type", f"The column {name} must hold {wanted}, not {found}"
            ).at(
                "file",
                origin,
                "export it as timestamp with time zone UTC, or say the zone with --zone"
                if name == "ts"
                else None,
            )
    if frame.is_empty():
        raise no_rows(origin)
    _refuse_far_times(frame["ts"], origin)
    return frame.with_columns(
        pl.col("ts").cast(pl.Datetime("us", "UTC")), pl.exclude("ts").cast(pl.Float64)
    )


def _refuse_far_times(stamps: pl.Series, origin: str) -> None:
    """Times that no market has had, and that do not fit into 64 bits of nanoseconds."""
    assert isinstance(stamps.dtype, pl.Datetime)
    second = {"ms": 10**3, "us": 10**6, "ns": 10**9}[stamps.dtype.time_unit]
    whole = stamps.to_physical()
    ends = int(whole.min()), int(whole.max())  # type: ignore[arg-type]
    if ends[0] < _EARLIEST * second or ends[1] >= _LATEST * second:
        raise CommendaError(
            "market_file_value", "The column ts has a time before 1900 or after 2199"
        ).at("file", origin, "export its times again")


def _is_utc(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC"


def _refuse_fatal(findings: list[Finding], origin: str) -> None:
    fatal = [finding for finding in findings if finding.fatal]
    if fatal:
        first = fatal[0]
        others = f", and {len(fatal) - 1} more" if len(fatal) > 1 else ""
        raise CommendaError(
            "market_data_refused",
            f"{first.kind} at {first.at:%Y-%m-%d %H:%M:%S} UTC: {first.details}{others}",
        ).at(
            "file",
            origin,
            "correct the source; impossible and contradictory rows are never imported",
        )
