"""Tables from outside: returns, values or rewards of strategies, a column each."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from commenda.kit.errors import CommendaError
from commenda.kit.money import number
from commenda.kit.outside import lines, pieces, refuse_rows
from commenda.market import is_csv, read_parquet
from commenda.portfolios.lots import Wanted
from commenda.portfolios.rules import Array
from commenda.returns import period_returns

TIMES = ("ts", "time", "date", "at", "datetime", "timestamp")
"""Names of a column of times, which is left out."""

WANTED = ("name", "amount", "price", "lot")


class Record(NamedTuple):
    """Periods × strategies."""

    names: tuple[str, ...]
    values: Array


def read_record(file: Path, *, gaps: bool = False) -> Record:
    """A CSV or Parquet file of one column for each strategy; a column of times is left out.

    With `gaps` a field may be empty (NaN). Codes of `pieces` and `read_parquet`, `record_columns`,
    `record_value`.
    """
    frame = _read(file)
    names = [one for one in frame.columns if one.lower() not in TIMES]
    if not names or len(set(names)) < len(names) or frame.height == 0:
        raise CommendaError("record_columns", "No columns of strategies, or no rows").at(
            "file", file, f"name each strategy in the first line; {', '.join(TIMES)} are times"
        )
    values = np.column_stack([_numbers(frame[name], file, gaps) for name in names])
    return Record(tuple(names), values)


def read_wanted(file: Path) -> list[Wanted]:
    """Positions to take, from a CSV file with name, amount, price, lot, and minimum_notional.

    Codes `record_columns`, `record_value`, and those of `Wanted`.
    """
    frame = _read(file)
    missing = [one for one in WANTED if one not in frame.columns]
    if missing:
        raise CommendaError("record_columns", "Columns are missing").at(
            "file", file, f"it needs {', '.join(WANTED)}; minimum_notional is 0 without one"
        )
    found = []
    for line, row in enumerate(frame.iter_rows(named=True), 2):
        told = {name: row[name] for name in WANTED[1:]}
        told["minimum_notional"] = row.get("minimum_notional") or "0"
        exact = {name: _exact(value, name, line, file) for name, value in told.items()}
        found.append(Wanted(str(row["name"]), **exact))
    return found


def returns_of(record: Record) -> Record:
    """The returns from each row of values (NAV, above 0) to the next; code `record_value`."""
    if record.values.shape[0] < 3 or not (record.values > 0.0).all():
        raise CommendaError("record_value", "Values are above 0, and three or more").at(
            "file", None, "leave --values out where the file has returns"
        )
    columns = [period_returns(column) for column in record.values.T]
    return Record(record.names, np.column_stack(columns))


def common(series: Mapping[str, Sequence[tuple[datetime, float]]]) -> Record:
    """The returns of series of values between the moments that all of them have; `short_record`."""
    told = {name: dict(points) for name, points in series.items()}
    shared = set.intersection(*(set(points) for points in told.values())) if told else set()
    if len(shared) < 3:
        raise CommendaError("short_record", "These have not three values of the same moments").at(
            "series", list(series), "choose those that were there at the same time"
        )
    moments = sorted(shared)
    rows = [[points[moment] for points in told.values()] for moment in moments]
    return returns_of(Record(tuple(told), np.array(rows, dtype=np.float64)))


def _read(file: Path) -> pl.DataFrame:
    if not is_csv(file):
        return read_parquet(file)
    content = b"".join(lines(pieces(file, ".csv"), file))
    try:
        frame = pl.read_csv(io.BytesIO(content), infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise CommendaError("record_columns", "Not a readable CSV file").at(
            "file", file, str(error).splitlines()[0][:100]
        ) from error
    refuse_rows(frame.height, file)
    return frame


def _numbers(column: pl.Series, file: Path, gaps: bool) -> Array:
    if column.dtype == pl.String:
        texts = column.str.strip_chars().replace("", None)
        read = texts.cast(pl.Float64, strict=False)
        wrong = (texts.is_not_null() & read.is_null()).arg_true()
    else:
        read = column.cast(pl.Float64, strict=False)
        wrong = (column.is_not_null() & read.is_null()).arg_true()
    empty = read.is_null().arg_true() if not gaps else wrong
    bad = wrong if len(wrong) else empty
    if len(bad):
        row = int(bad[0])
        raise CommendaError("record_value", "A field is no number").at(
            "file", f"{file}: {column.name}, row {row + 1}: {column[row]}", "mend that row"
        )
    found: Array = read.fill_null(float("nan")).to_numpy()
    return found


def _exact(text: object, name: str, row: int, file: Path) -> Decimal:
    try:
        return number(str(text))
    except ValueError as error:
        raise CommendaError("record_value", "A field is no number").at(
            "file", f"{file}: {name}, line {row}: {text}", str(error)
        ) from None
