"""CSV files of candles: their text as rows, read in pieces.

Two layouts are read. Binance's public files (`BTCUSDT-1h-2025-01.csv`, or the same in a zip) have
twelve columns, with or without a header. Any other file has a header with one column of opening
times (`ts`, `time`, `timestamp`, `date`, `datetime` or `open_time`) and `open`, `high`, `low`,
`close` and `volume`, in any order and case; further columns are left out. Cells are separated by
commas or semicolons and hold no separator themselves. Lines end by LF, CR LF or CR.

A time is ISO 8601, in the zone that is given (else UTC) where it names none, or a whole number of
seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their magnitude.
Nothing is guessed beyond that: a cell that cannot be read refuses the file and names its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from commenda.kit.errors import CommendaError
from commenda.kit.outside import lines, pieces, refuse_rows
from commenda.market.files import COLUMNS, Rows, no_rows
from commenda.market.model import Series, parse_moment
from commenda.market.zones import localised

BINANCE_COLUMNS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)

_TIME_COLUMNS = ("ts", "time", "timestamp", "date", "datetime", "open_time")
_NUMBER_COLUMNS = COLUMNS[Series.CANDLES][1:]
_MOST_COLUMNS = 1_000
_BOM = "\ufeff".encode()
_OTHER_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}

# Epoch stamps from 2000 to 2099: within these years, no number can be of two units.
_FIRST_SECOND = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) - 1
_UNITS_A_SECOND = (1, 10**3, 10**6, 10**9)


class _Layout(NamedTuple):
    """How the lines of a file are divided, and where each column of a candle stands."""

    origin: str
    separator: str
    columns: int
    places: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """The rows of a piece, still as their sources wrote their times: epochs or moments."""

    frame: pl.DataFrame
    microseconds: bool
    zoneless: pl.Series
    """Which times name no zone; they stand in the frame as if it were UTC."""


def read_csv(file: Path, zone: str | None = None) -> Rows:
    """Read a CSV file, gzipped or not, or the one that a zip holds.

    Codes `market_file_missing`, `market_file_unreadable`, `file_too_large` and those of
    `parse_csv`.
    """
    return _parse(pieces(file, ".csv", "market_file"), str(file), zone)


def parse_csv(content: bytes, origin: str, zone: str | None = None) -> Rows:
    """The candles in a CSV text; refusals name its `origin`.

    Codes `market_file_unreadable` (not UTF-8), `market_file_empty`, `market_file_columns` (a column
    is missing or ambiguous, or a line has another number of cells), `market_file_value` (a cell
    is neither a finite number nor a known time), and `unknown_zone`.
    """
    return _parse([content], origin, zone)


def _parse(content: Iterable[bytes], origin: str, zone: str | None) -> Rows:
    found = list(_pieces_of(content, origin))
    if not found:
        raise no_rows(origin)
    frame = pl.concat([one.frame for one in found], rechunk=False)
    zoneless = pl.concat([one.zoneless for one in found], rechunk=False)
    notes = []
    if zoneless.any():
        stamps, note = localised(frame["ts"], zoneless, zone, origin)
        frame = frame.with_columns(stamps)
        notes.append(note)
    return Rows(frame, tuple(notes), all(one.microseconds for one in found))


def _pieces_of(content: Iterable[bytes], origin: str) -> Iterator[_Piece]:
    layout: _Layout | None = None
    line, rows = 1, 0
    epochs: bool | None = None
    for block in lines(iter(content), origin):
        begins, text = line, block
        if begins == 1:
            if text[:2] in _OTHER_BOMS:
                raise _no_text(f"it is {_OTHER_BOMS[text[:2]]}", origin)
            text = text.removeprefix(_BOM)
        line += text.count(b"\n")
        if layout is None:
            while text:
                first, _, after = text.partition(b"\n")
                if first.strip():
                    break
                text, begins = after, begins + 1
            if not text:
                continue
            layout, headed = _layout(_decoded(first, begins, origin), origin)
            if headed:
                text, begins = after, begins + 1
        piece = _quickly(text, layout)
        if piece is None:
            piece = _carefully(text, begins, layout)
        if piece is None or piece.is_empty():
            continue
        if epochs is None:
            epochs = piece["ts"][0].isdigit()
        rows += piece.height
        refuse_rows(rows, origin)
        yield _typed(piece, begins, layout, epochs)


def _layout(first: str, origin: str) -> tuple[_Layout, bool]:
    """The layout that the first line that is not blank gives, and whether it is a header."""
    separator = ";" if ";" in first else ","
    cells = [cell.strip(' "\t\r') for cell in first.split(separator)]
    headed = not cells[0][:1].isdigit()
    columns = [cell.lower() for cell in cells]
    if len(columns) > _MOST_COLUMNS:
        raise CommendaError(
            "market_file_columns",
            f"The file has {len(columns):,} columns, and {_MOST_COLUMNS:,} are read at most",
        ).at("file", origin, f"export ts,{','.join(_NUMBER_COLUMNS)} only")
    if not headed:
        if len(cells) != len(BINANCE_COLUMNS):
            raise CommendaError(
                "market_file_columns",
                f"The file has no header and {len(cells)} columns, not Binance's"
                f" {len(BINANCE_COLUMNS)}",
            ).at("file", origin, f"put a header above the rows: ts,{','.join(_NUMBER_COLUMNS)}")
        columns = list(BINANCE_COLUMNS)
    return _Layout(origin, separator, len(columns), _places(columns, origin)), headed


def _quickly(text: bytes, layout: _Layout) -> pl.DataFrame | None:
    """`ts` as text and the numbers of sound lines, or None where each has to be looked at."""
    names = {place: name for name, place in layout.places.items()}
    schema = {
        names.get(place, f"column {place}"): pl.Float64
        if names.get(place, "ts") != "ts"
        else pl.String
        for place in range(layout.columns)
    }
    try:
        frame = pl.read_csv(
            text,
            has_header=False,
            separator=layout.separator,
            quote_char=None,
            schema=schema,
        )
    except pl.exceptions.PolarsError:
        return None
    # As many cells as lines have, none with more of them: so none with less.
    whole = text.count(layout.separator.encode()) == frame.height * (layout.columns - 1)
    frame = frame.select("ts", *_NUMBER_COLUMNS)
    numbers = pl.col(_NUMBER_COLUMNS)
    sound = whole and frame.select(pl.all_horizontal(numbers.is_finite().all())).item()
    plain = sound and not frame["ts"].str.contains(r'^$|^[ "\t]|[ "\t]$').any()
    return frame if plain and not frame.null_count().sum_horizontal().item() else None


def _carefully(text: bytes, begins: int, layout: _Layout) -> pl.DataFrame | None:
    """The same of any lines that can be read; None where all are blank.

    The first is number `begins` of the file, so that a refusal names the line.
    """
    origin = layout.origin
    written = (
        pl.DataFrame(
            {"text": _decoded(text, begins, origin).split("\n")}, schema={"text": pl.String}
        )
        .with_row_index("line", offset=begins)
        .filter(pl.col("text").str.strip_chars() != "")
    )
    if written.is_empty():
        return None
    split = written.with_columns(cells=pl.col("text").str.split(layout.separator))
    ragged = split.filter(pl.col("cells").list.len() != layout.columns)
    if not ragged.is_empty():
        line, shown, found = ragged.row(0)
        raise CommendaError(
            "market_file_columns",
            f"{Path(origin).name}, line {line} has {len(found)} cells instead of {layout.columns}",
        ).at(
            f"line {line}",
            shown.strip()[:80],
            "separate cells by one comma or semicolon, with none inside a cell",
        )
    table = split.select(
        "line",
        *(
            pl.col("cells").list.get(place).str.strip_chars(' "\t\r').alias(name)
            for name, place in layout.places.items()
        ),
    )
    return table.select("line", "ts", *(_numbers(table, name, origin) for name in _NUMBER_COLUMNS))


def _places(columns: Sequence[str], origin: str) -> dict[str, int]:
    """Where in a line each column of a candle stands."""
    wanted = {"ts": _TIME_COLUMNS, **{name: (name,) for name in _NUMBER_COLUMNS}}
    places = {}
    for name, spellings in wanted.items():
        found = [place for place, column in enumerate(columns) if column in spellings]
        if len(found) != 1:
            what = " or ".join(spellings)
            has = ", ".join(columns[:20])[:200] + (", …" if len(columns) > 20 else "")
            raise CommendaError(
                "market_file_columns",
                f"The file lacks the column {what}; it has {has}"
                if not found
                else f"The file has more than one column {what}; it has {has}",
            ).at(
                "file",
                origin,
                "its header names one column of times, and open, high, low, close and volume"
                " once each",
            )
        places[name] = found[0]
    return places


def _numbers(table: pl.DataFrame, name: str, origin: str) -> pl.Series:
    """A column as float64, each the float nearest to what is written."""
    numbers = table[name].cast(pl.Float64, strict=False)
    bad = table.filter(~(numbers.is_finite().fill_null(False)))
    if not bad.is_empty():
        text = bad[name][0]
        hint = "fill it in, or leave the line out" if not text else "write a number such as 1234.5"
        raise _bad_value(bad["line"][0], name, text, "a finite number", hint, origin)
    return numbers


def _typed(piece: pl.DataFrame, begins: int, layout: _Layout, epochs: bool) -> _Piece:
    """The piece with times; a bare number beside written times is none."""
    texts = piece["ts"]
    microseconds = False
    zoneless = pl.repeat(False, piece.height, dtype=pl.Boolean, eager=True)
    if epochs:
        stamps = _epochs(texts)
        microseconds = bool(texts.str.contains(r"^[0-9]{16}$").all())
    else:
        moments = [None if text.isdigit() else parse_moment(text) for text in texts]
        zoneless = pl.Series([one is not None and one.tzinfo is None for one in moments])
        in_utc = [one and _in_utc(one) for one in moments]
        stamps = pl.Series("ts", in_utc, dtype=pl.Datetime("us", "UTC"))
    if stamps.null_count():
        at = int(stamps.is_null().arg_max() or 0)
        line = piece["line"][at] if "line" in piece.columns else begins + at
        raise _bad_value(
            line,
            "ts",
            texts[at],
            "a time",
            "write 2025-01-31T23:00:00Z, or a whole number of s, ms, us or ns since 1970",
            layout.origin,
        )
    return _Piece(piece.select(stamps, *_NUMBER_COLUMNS), microseconds, zoneless)


def _epochs(texts: pl.Series) -> pl.Series:
    """Whole numbers since 1970 as times; null where the number is none of the four units."""
    digits = texts.str.contains(r"^[0-9]+$")
    number = pl.col("ts")
    microseconds = [
        pl.when(number.is_between(_FIRST_SECOND * units, (_LAST_SECOND + 1) * units - 1)).then(
            number * (10**6 // units) if units <= 10**6 else number // (units // 10**6)
        )
        for units in _UNITS_A_SECOND
    ]
    numbers = texts.to_frame("ts").select(
        pl.when(digits).then(pl.col("ts").cast(pl.Int64, strict=False))
    )
    found = numbers.select(pl.coalesce(microseconds))
    return found.to_series().cast(pl.Datetime("us", "UTC")).alias("ts")


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _decoded(text: bytes, begins: int, origin: str) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = begins + text.count(b"\n", 0, error.start)
        raise _no_text(f"line {line}: {error.reason}", origin) from error


def _no_text(why: str, origin: str) -> CommendaError:
    return CommendaError("market_file_unreadable", f"Not a text in UTF-8 ({why})").at(
        "file", origin, "save it as UTF-8, or export it again"
    )


def _bad_value(
    line: int, column: str, text: str, wanted: str, hint: str, origin: str
) -> CommendaError:
    return CommendaError(
        "market_file_value",
        f"{Path(origin).name}, line {line}: the column {column} must hold {wanted}",
    ).at(column, text[:80], hint)
