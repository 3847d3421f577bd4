"""Which files make one series, and their rows joined and judged.

A Parquet file is a series of its own. CSV files come in months or days: those of one venue, symbol
and interval are one series. Each file is judged alone first, so that a refusal names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from commenda.kit.errors import CommendaError
from commenda.market.csv_files import (
    BINANCE_VENUE,
    CsvCandles,
    Labels,
    csv_name,
    is_csv,
    read_csv,
)
from commenda.market.files import (
    Loaded,
    SourceName,
    joined,
    judge,
    parse_name,
    read_parquet,
    typed,
)

_ZONE_ASSUMED = "times without a zone were taken as UTC"
_LIKE_SPOT = (
    "times in microseconds are those of Binance's spot files; if it is one, import it again with"
    " --venue"
)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What an import stores: a judged series, and what should be said about how it was read."""

    name: SourceName
    loaded: Loaded
    notes: tuple[str, ...] = ()


def group_files(files: Sequence[Path], labels: Labels) -> list[tuple[Path, ...]]:
    """The files of each series together, in the order given.

    A file without a usable name stays alone: reading it says why.
    """
    groups: dict[object, list[Path]] = {}
    for file in files:
        groups.setdefault(_group_key(file, labels), []).append(file)
    return [tuple(group) for group in groups.values()]


def name_of(files: Sequence[Path], labels: Labels) -> SourceName:
    """The one series that all the files are of; code `market_file_name` where they are not."""
    first = _name(files[0], labels)
    for file in files[1:]:
        if _name(file, labels) != first:
            raise CommendaError(
                "market_file_name", f"{file.name} and {files[0].name} are not of one series"
            ).at("file", file, "import them apart")
    return first


def read_source(files: Sequence[Path], name: SourceName) -> Source:
    """Read, join and judge the files of one series; codes of `files.load` and `read_csv`."""
    notes: dict[str, None] = {}  # each once, in order
    frames, judged = [], []
    for file in files:
        if is_csv(file):
            candles = read_csv(file)
            frame = candles.frame
            notes |= dict.fromkeys(_notes(candles, name))
        else:
            frame = read_parquet(file)
        judged.append(judge(frame, str(file), name.series, name.interval))
        frames.append(typed(frame, str(file), name.series))
    if len(files) == 1:
        return Source(name, judged[0], tuple(notes))
    origin = f"{files[0].name} … {files[-1].name} ({len(files)} files)"
    whole = judge(joined(frames), origin, name.series, name.interval)
    return Source(name, whole, tuple(notes))


def judge_rows(rows: pl.DataFrame, origin: str, name: SourceName) -> Source:
    """A source of rows that came from no file."""
    return Source(name, judge(rows, origin, name.series, name.interval))


def _notes(candles: CsvCandles, name: SourceName) -> Iterator[str]:
    if candles.zone_assumed:
        yield _ZONE_ASSUMED
    if candles.microseconds and name.venue == BINANCE_VENUE:
        yield _LIKE_SPOT


def _group_key(file: Path, labels: Labels) -> object:
    try:
        return csv_name(file, labels) if is_csv(file) else file
    except CommendaError:
        return file


def _name(file: Path, labels: Labels) -> SourceName:
    return csv_name(file, labels) if is_csv(file) else parse_name(file)
