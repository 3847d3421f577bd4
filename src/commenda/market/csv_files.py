"""CSV files of candles: what their names say, and their text as rows.

Two layouts are read. Binance's public files (`BTCUSDT-1h-2025-01.csv`, or the same in a zip) have
twelve columns, with or without a header. Any other file has a header with one column of opening
times (`ts`, `time`, `timestamp`, `date`, `datetime` or `open_time`) and `open`, `high`, `low`,
`close` and `volume`, in any order and case; further columns are left out. Cells are separated by
commas or semicolons and hold no separator themselves.

A time is ISO 8601, in UTC where it names no zone, or a whole number of seconds, milliseconds,
microseconds or nanoseconds since 1970, told apart by their magnitude. Nothing is guessed beyond
that: a cell that cannot be read refuses the file and names its line.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import polars as pl

from commenda.kit.errors import CommendaError
from commenda.market.files import COLUMNS, SourceName, no_rows, parse_stem
from commenda.market.model import Series, interval_name, parse_interval, parse_moment

BINANCE_VENUE = "binance_usdm"
"""The venue of a Binance file where none is given: spot and futures files have the same names."""

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
_BINANCE_STEM = re.compile(
    r"(?P<symbol>[A-Z0-9]+)-(?P<interval>\d+[A-Za-z]+)-\d{4}-\d{2}(?:-\d{2})?"
)

# Epoch stamps from 2000 to 2099: within these years, no number can be of two units.
_FIRST_SECOND = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) - 1
_UNITS_A_SECOND = (1, 10**3, 10**6, 10**9)


@dataclass(frozen=True, slots=True)
class Labels:
    """What the caller says of files whose names do not say it."""

    venue: str | None = None
    symbol: str | None = None
    interval: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CsvCandles:
    """The rows of a CSV file as it wrote them: `ts` in UTC, numbers as float64.

    `zone_assumed` where at least one time named no zone and was taken as UTC; `microseconds` where
    the times are such numbers, as in Binance's spot files since 2025.
    """

    frame: pl.DataFrame
    zone_assumed: bool
    microseconds: bool


def is_csv(file: Path) -> bool:
    """Whether a file is read here rather than as Parquet."""
    return file.suffix.lower() in {".csv", ".zip"}


def csv_name(file: Path, labels: Labels) -> SourceName:
    """Which series a CSV file holds, by its name or else by the labels.

    Code `market_file_name` where neither says it, or where they contradict each other.
    """
    binance = _BINANCE_STEM.fullmatch(file.stem)
    if binance:
        interval = parse_interval(binance["interval"])
        venue = labels.venue or BINANCE_VENUE
        name = SourceName(venue, binance["symbol"], Series.CANDLES, interval)
    else:
        name = parse_stem(file.stem) or _labelled(file, labels)
    if name.series is not Series.CANDLES:
        raise _bad_name(file, "CSV files hold candles only", f"import {name.series} from Parquet")
    _refuse_contradiction(file, name, labels)
    return name


def read_csv(file: Path) -> CsvCandles:
    """Read a CSV file, or the one that a zip holds.

    Codes `market_file_missing`, `market_file_unreadable`, and those of `parse_csv`.
    """
    if not file.is_file():
        raise CommendaError("market_file_missing", "No such file").at("file", file)
    content = file.read_bytes()
    if file.suffix.lower() == ".zip":
        content = _unzipped(content, str(file))
    return parse_csv(content, str(file))


def parse_csv(content: bytes, origin: str) -> CsvCandles:
    """The candles in a CSV text; refusals name its `origin`.

    Codes `market_file_unreadable` (not UTF-8), `market_file_empty`, `market_file_columns` (a column
    is missing or ambiguous, or a line has another number of cells) and `market_file_value` (a cell
    is neither a finite number nor a known time).
    """
    rows = _lines(content, origin)
    first = _cells(rows["text"][0])
    if first[0][:1].isdigit():
        columns = _without_header(first, origin)
    else:
        columns = [cell.lower() for cell in first]
        rows = rows[1:]
    if rows.is_empty():
        raise no_rows(origin)
    table = _table(rows, columns, origin)
    stamps, zone_assumed = _stamps(table, origin)
    numbers = [_numbers(table, name, origin) for name in _NUMBER_COLUMNS]
    microseconds = bool(table["ts"].str.contains(r"^\d{16}$").all())
    return CsvCandles(pl.DataFrame([stamps, *numbers]), zone_assumed, microseconds)


def _labelled(file: Path, labels: Labels) -> SourceName:
    if labels.venue and labels.symbol and labels.interval:
        interval = parse_interval(labels.interval)
        return SourceName(labels.venue, labels.symbol, Series.CANDLES, interval)
    raise _bad_name(
        file,
        "The file's name does not say which series it holds",
        "give --venue, --symbol and --interval, or name it <venue>_<SYMBOL>_<5m>.csv,"
        " or as Binance does: <SYMBOL>-<5m>-2025-01.csv",
    )


def _refuse_contradiction(file: Path, name: SourceName, labels: Labels) -> None:
    given = (labels.venue, labels.symbol, labels.interval)
    named = (name.venue, name.symbol, interval_name(name.interval))
    if labels.interval:
        given = (*given[:2], interval_name(parse_interval(labels.interval)))
    for option, label, told in zip(("venue", "symbol", "interval"), given, named, strict=True):
        if label and label != told:
            raise _bad_name(
                file,
                f"The file's name says {told}, the option says {label}",
                f"leave out --{option}, or rename the file",
            )


def _unzipped(content: bytes, origin: str) -> bytes:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            inside = [one for one in archive.namelist() if one.lower().endswith(".csv")]
            if len(inside) == 1:
                return archive.read(inside[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _unreadable(f"Not a readable zip ({error})", origin) from error
    raise CommendaError(
        "market_file_unreadable", f"The zip holds {len(inside)} CSV files instead of one"
    ).at("file", origin, "unpack it and import its files")


def _lines(content: bytes, origin: str) -> pl.DataFrame:
    """The lines that are not blank, with their numbers; at least one."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(f"Not a text in UTF-8 ({error.reason})", origin) from error
    lines = pl.DataFrame({"text": text.split("\n")}, schema={"text": pl.String})
    written = lines.with_row_index("line", offset=1).filter(pl.col("text").str.strip_chars() != "")
    if written.is_empty():
        raise no_rows(origin)
    return written


def _separator(line: str) -> str:
    return ";" if ";" in line else ","


def _cells(line: str) -> list[str]:
    return [cell.strip(' "\t\r') for cell in line.split(_separator(line))]


def _without_header(first: Sequence[str], origin: str) -> list[str]:
    if len(first) != len(BINANCE_COLUMNS):
        raise CommendaError(
            "market_file_columns",
            f"The file has no header and {len(first)} columns, not Binance's"
            f" {len(BINANCE_COLUMNS)}",
        ).at("file", origin, f"put a header above the rows: ts,{','.join(_NUMBER_COLUMNS)}")
    return list(BINANCE_COLUMNS)


def _table(rows: pl.DataFrame, columns: Sequence[str], origin: str) -> pl.DataFrame:
    """`line`, `ts` and the number columns, as the texts of their cells."""
    places = _places(columns, origin)
    cells = pl.col("text").str.split(_separator(rows["text"][0]))
    split = rows.select("line", "text", cells.alias("cells"))
    ragged = split.filter(pl.col("cells").list.len() != len(columns))
    if not ragged.is_empty():
        line, text, found = ragged.row(0)
        raise CommendaError(
            "market_file_columns",
            f"{Path(origin).name}, line {line} has {len(found)} cells instead of {len(columns)}",
        ).at(
            f"line {line}",
            text.strip()[:80],
            "separate cells by one comma or semicolon, with none inside a cell",
        )
    return split.select(
        "line",
        *(
            pl.col("cells").list.get(place).str.strip_chars(' "\t\r').alias(name)
            for name, place in places.items()
        ),
    )


def _places(columns: Sequence[str], origin: str) -> dict[str, int]:
    """Where in a line each column of a candle stands."""
    wanted = {"ts": _TIME_COLUMNS, **{name: (name,) for name in _NUMBER_COLUMNS}}
    places = {}
    for name, spellings in wanted.items():
        found = [place for place, column in enumerate(columns) if column in spellings]
        if len(found) != 1:
            what = " or ".join(spellings)
            raise CommendaError(
                "market_file_columns",
                f"The file lacks the column {what}"
                if not found
                else f"The file has more than one column {what}",
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


def _stamps(table: pl.DataFrame, origin: str) -> tuple[pl.Series, bool]:
    """The times of the rows in UTC, and whether a zone had to be assumed."""
    texts = table["ts"]
    if texts.str.contains(r"^\d+$").all():
        stamps, zone_assumed = _epochs(texts), False
    else:
        # A bare number beside other texts is no time.
        moments = [None if text.isdigit() else parse_moment(text) for text in texts]
        zone_assumed = any(moment and moment.tzinfo is None for moment in moments)
        in_utc = [moment and _in_utc(moment) for moment in moments]
        stamps = pl.Series("ts", in_utc, dtype=pl.Datetime("us", "UTC"))
    if stamps.null_count():
        line, text = table.filter(stamps.is_null()).select("line", "ts").row(0)
        hint = "write 2025-01-31T23:00:00Z, or a whole number of s, ms, us or ns since 1970"
        raise _bad_value(line, "ts", text, "a time", hint, origin)
    return stamps, zone_assumed


def _epochs(texts: pl.Series) -> pl.Series:
    """Whole numbers since 1970 as times; null where the number is none of the four units."""
    number = pl.col("ts").cast(pl.Int64, strict=False)
    microseconds = [
        pl.when(number.is_between(_FIRST_SECOND * units, (_LAST_SECOND + 1) * units - 1)).then(
            number * (10**6 // units) if units <= 10**6 else number // (units // 10**6)
        )
        for units in _UNITS_A_SECOND
    ]
    found = texts.to_frame("ts").select(pl.coalesce(microseconds))
    return found.to_series().cast(pl.Datetime("us", "UTC")).alias("ts")


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _bad_value(
    line: int, column: str, text: str, wanted: str, hint: str, origin: str
) -> CommendaError:
    return CommendaError(
        "market_file_value",
        f"{Path(origin).name}, line {line}: the column {column} must hold {wanted}",
    ).at(column, text, hint)


def _bad_name(file: Path, message: str, hint: str) -> CommendaError:
    return CommendaError("market_file_name", message).at("file", file, hint)


def _unreadable(message: str, origin: str) -> CommendaError:
    return CommendaError("market_file_unreadable", message).at(
        "file", origin, "copy or export it again"
    )
