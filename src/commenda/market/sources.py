"""Which files make one series, and their rows joined and judged.

A Parquet file is a series of its own. CSV files come in months or days: those of one venue, symbol
and interval are one series. Each file is judged alone first, so that a refusal names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from commenda.kit.errors import CommendaError
from commenda.kit.outside import refuse_rows
from commenda.market.csv_files import read_csv
from commenda.market.files import COLUMNS, Loaded, Rows, joined, judge, read_parquet, typed
from commenda.market.model import Series
from commenda.market.names import BINANCE_VENUE, Labels, SourceName, csv_name, is_csv, parse_name
from commenda.market.zones import localised

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


def read_rows(file: Path, series: Series, zone: str | None = None) -> Rows:
    """The rows of a Parquet or CSV file, for an import and a run alike: typed, not judged.

    `zone` is of times that name none. Codes of `read_csv`, `read_parquet` and `files.typed`.
    """
    rows = read_csv(file, zone) if is_csv(file) else Rows(read_parquet(file, COLUMNS[series]))
    frame, notes = rows.frame, rows.notes
    stamps = frame.schema.get("ts")
    if zone is not None and isinstance(stamps, pl.Datetime):
        moments = frame["ts"].dt.cast_time_unit("us")
        if stamps.time_zone is None:
            bare = moments.dt.replace_time_zone("UTC")
            moments, note = localised(bare, bare.is_not_null(), zone, str(file))
            notes = (*notes, note)
        frame = frame.with_columns(moments.dt.convert_time_zone("UTC"))
    return Rows(typed(frame, str(file), series), notes, rows.microseconds)


def read_source(files: Sequence[Path], name: SourceName, zone: str | None = None) -> Source:
    """Read, join and judge the files of one series; codes of `read_rows` and `files.judge`."""
    notes: dict[str, None] = {}  # each once, in order
    frames, judged = [], []
    for file in files:
        rows = read_rows(file, name.series, zone)
        notes |= dict.fromkeys(rows.notes)
        if rows.microseconds and name.venue == BINANCE_VENUE:
            notes[_LIKE_SPOT] = None
        judged.append(judge(rows.frame, str(file), name.series, name.interval))
        frames.append(rows.frame)
        refuse_rows(sum(frame.height for frame in frames), file)
    if len(files) == 1:
        return Source(name, judged[0], tuple(notes))
    origin = f"{files[0].name} … {files[-1].name} ({len(files)} files)"
    whole = judge(joined(frames), origin, name.series, name.interval)
    return Source(name, whole, tuple(notes))


def judge_rows(rows: pl.DataFrame, origin: str, name: SourceName) -> Source:
    """A source of rows that came from no file."""
    return Source(name, judge(rows, origin, name.series, name.interval))


def _group_key(file: Path, labels: Labels) -> object:
    try:
        return csv_name(file, labels) if is_csv(file) else file
    except CommendaError:
        return file


def _name(file: Path, labels: Labels) -> SourceName:
    return csv_name(file, labels) if is_csv(file) else parse_name(file)
