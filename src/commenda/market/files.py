"""Parquet files of market data: their names, their columns, their content.

A source file is named `<venue>_<SYMBOL>_<series>.parquet`, where the series is an interval for
candles (`5m`), `funding`, or `mark_<interval>`. Candles have the columns `ts` (the OPEN time),
`open`, `high`, `low`, `close` and `volume`; marks the same without volume; funding `ts` and `rate`.
Imported files have the same columns, in order of time, one row for each time.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from commenda.kit.errors import CommendaError
from commenda.market.model import Dataset, Finding, Series, interval_name, parse_interval
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

_NAME = re.compile(
    r"(?P<venue>[a-z0-9]+(?:_[a-z0-9]+)*)_(?P<symbol>[A-Z][A-Z0-9]*)"
    r"_(?:(?P<funding>funding)|(?P<mark>mark_)?(?P<interval>\d+[smhd]))"
)


@dataclass(frozen=True, slots=True)
class SourceName:
    """What a file's name says of its content. `interval` in seconds, 0 for funding."""

    venue: str
    symbol: str
    series: Series
    interval: int


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A sound series, and what its source had that was not quite right."""

    frame: pl.DataFrame
    findings: tuple[Finding, ...]


def parse_name(file: Path) -> SourceName:
    """Read `binance_usdm_BTCUSDT_5m.parquet`; code `market_file_name` where it does not fit."""
    name = parse_stem(file.stem) if file.suffix == ".parquet" else None
    if name is None:
        raise CommendaError(
            "market_file_name", "The file's name does not say which series it holds"
        ).at("file", file, "name it <venue>_<SYMBOL>_<5m | funding | mark_8h>.parquet")
    return name


def parse_stem(stem: str) -> SourceName | None:
    """What a name without its ending says, such as `binance_usdm_BTCUSDT_5m`; or None."""
    match = _NAME.fullmatch(stem)
    if match is None:
        return None
    if match["funding"]:
        return SourceName(match["venue"], match["symbol"], Series.FUNDING, 0)
    series = Series.MARK if match["mark"] else Series.CANDLES
    return SourceName(match["venue"], match["symbol"], series, parse_interval(match["interval"]))


def load(file: Path, series: Series, interval: int) -> Loaded:
    """Read, check and normalise a series of `interval` seconds (0 for funding).

    Codes `market_file_missing`, `market_file_unreadable`, `market_file_columns`,
    `market_file_type`, `market_file_empty`, `market_file_interval`, and `market_data_refused` where
    a finding is fatal.
    """
    return judge(read_parquet(file), str(file), series, interval)


def judge(frame: pl.DataFrame, origin: str, series: Series, interval: int) -> Loaded:
    """Check and normalise rows as `load` does; refusals name their `origin`."""
    frame = typed(frame, origin, series)
    if series is Series.FUNDING:
        frame = to_nearest_second(frame)
        findings = check_funding(frame)
    else:
        _refuse_other_interval(frame, origin, interval)
        check = check_candles if series is Series.CANDLES else check_marks
        findings = check(frame, interval)
    _refuse_fatal(findings, origin)
    return Loaded(sorted_once(frame), tuple(findings))


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
    digest = hashlib.sha256()
    for name in frame.columns:
        values = frame[name].dt.epoch("us") if name == "ts" else frame[name]
        digest.update(name.encode() + b"\0" + values.to_numpy().tobytes())
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


def read_parquet(file: Path) -> pl.DataFrame:
    """The rows as they stand; codes `market_file_missing` and `market_file_unreadable`."""
    if not file.is_file():
        raise CommendaError("market_file_missing", "No such file").at("file", file)
    try:
        return pl.read_parquet(file, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CommendaError(
            "market_file_unreadable", f"Not a readable Parquet file ({str(error).splitlines()[0]})"
        ).at("file", file, "copy or export it again") from error


def typed(frame: pl.DataFrame, origin: str, series: Series) -> pl.DataFrame:
    """The series' own columns as datetime[us, UTC] and float64, or a clear refusal."""
    columns = COLUMNS[series]
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise CommendaError(
            "market_file_columns", f"The file lacks the column {', '.join(missing)}"
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
                "export it as timestamp with time zone UTC" if name == "ts" else None,
            )
    if frame.is_empty():
        raise no_rows(origin)
    return frame.with_columns(
        pl.col("ts").cast(pl.Datetime("us", "UTC")), pl.exclude("ts").cast(pl.Float64)
    )


def usual_step(frame: pl.DataFrame) -> int:
    """The middle distance of a typed frame's stamps, in seconds; 0 with fewer than two stamps."""
    steps = frame["ts"].unique().sort().diff().drop_nulls().dt.total_seconds()
    usual: int = 0 if steps.is_empty() else steps.sort()[len(steps) // 2]
    return usual


def _is_utc(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC"


def _refuse_other_interval(frame: pl.DataFrame, origin: str, interval: int) -> None:
    """Candles of another interval than the name says would look like gaps everywhere."""
    usual = usual_step(frame)
    if usual not in (0, interval):
        raise CommendaError(
            "market_file_interval",
            f"The bars are {usual} s apart, not {interval_name(interval)} as they are said to be",
        ).at("file", origin, "name the file (or give --interval) by the interval of its bars")


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
