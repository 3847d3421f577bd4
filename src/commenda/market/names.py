"""What the name of a file says of the series it holds.

`<venue>_<SYMBOL>_<series>`, where the series is an interval for candles (`5m`), `funding`, or
`mark_<interval>`; or as Binance names its public candles, `<SYMBOL>-<interval>-<month or day>`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from commenda.kit.errors import CommendaError
from commenda.market.grid import interval_name, parse_interval
from commenda.market.model import SYMBOL, VENUE, Kind, Series

BINANCE_VENUE = "binance_usdm"
"""The venue of a Binance file where none is given: spot and futures files have the same names."""

_ENDINGS = (".csv", ".zip", ".gz", ".parquet")
_NAME = re.compile(
    rf"(?P<venue>{VENUE})_(?P<symbol>(?=[^_]*[^\W\d_]){SYMBOL})"
    r"_(?:(?P<funding>funding)|(?P<mark>mark_)?(?P<interval>[0-9]+(?:mo|[smhdw])))"
)
_BINANCE = re.compile(
    rf"(?P<symbol>{SYMBOL})-(?P<interval>[0-9]+[A-Za-z]+)-[0-9]{{4}}-[0-9]{{2}}(?:-[0-9]{{2}})?"
)
_INVERSE = re.compile(r".*USD_(?:[0-9]{6}|PERP)")
_INVERSE_VENUE = re.compile(r"(?:.*_)?(?:coinm|inverse)(?:_.*)?")


@dataclass(frozen=True, slots=True)
class SourceName:
    """What a file's name says of its content. `interval` in seconds, 0 for funding."""

    venue: str
    symbol: str
    series: Series
    interval: int


@dataclass(frozen=True, slots=True)
class Labels:
    """What the caller says of files whose names do not say it.

    `zone` is of times that name none, as in `Europe/Berlin`; UTC by default.
    """

    venue: str | None = None
    symbol: str | None = None
    interval: str | None = None
    zone: str | None = None


def told_kind(name: SourceName) -> Kind:
    """What a file is of: markets of spot are named so (`fetch`)."""
    return Kind.SPOT if name.venue.endswith("_spot") else Kind.LINEAR_PERPETUAL


def is_csv(file: Path) -> bool:
    """Whether a file is read as CSV rather than as Parquet."""
    return file.suffix.lower() in {".csv", ".zip"} or file.name.lower().endswith(".csv.gz")


def stem_of(file: Path) -> str:
    """A file's name without what says how it is written."""
    name = unicodedata.normalize("NFC", file.name)
    while Path(name).suffix.lower() in _ENDINGS:
        name = Path(name).stem
    return name


def told_name(file: Path, venue: str | None = None) -> SourceName | None:
    """What a file's name says, or None; a Binance file is of `venue`, or of its perpetuals.

    Codes `bad_interval` and `inverse_contract`.
    """
    stem = stem_of(file)
    if match := _BINANCE.fullmatch(stem):
        interval = parse_interval(match["interval"])
        name = SourceName(venue or BINANCE_VENUE, match["symbol"], Series.CANDLES, interval)
    elif match := _NAME.fullmatch(stem):
        interval = parse_interval(match["interval"]) if match["interval"] else 0
        series = (
            Series.FUNDING if match["funding"] else Series.MARK if match["mark"] else Series.CANDLES
        )
        name = SourceName(match["venue"], match["symbol"], series, interval)
    else:
        return None
    refuse_inverse(name.venue, name.symbol, file)
    return name


def parse_name(file: Path) -> SourceName:
    """Read `binance_usdm_BTCUSDT_5m.parquet`; code `market_file_name` where it does not fit."""
    name = told_name(file) if file.suffix == ".parquet" else None
    if name is None:
        raise _bad_name(
            file,
            "The file's name does not say which series it holds",
            "name it <venue>_<SYMBOL>_<5m | funding | mark_8h>.parquet",
        )
    return name


def csv_name(file: Path, labels: Labels) -> SourceName:
    """Which series a CSV file holds, by its name or else by the labels.

    Code `market_file_name` where neither says it, or where they contradict each other.
    """
    name = told_name(file, labels.venue) or _labelled(file, labels)
    if name.series is not Series.CANDLES:
        raise _bad_name(file, "CSV files hold candles only", f"import {name.series} from Parquet")
    _refuse_contradiction(file, name, labels)
    return name


def refuse_inverse(venue: str, symbol: str, file: Path | None = None) -> None:
    """Refuse a contract that is margined and settled in the coin; code `inverse_contract`.

    One of face F pays a short F/exit - F/entry in the coin, which no account here is kept in:
    computed as a linear one, every figure of it would be wrong.
    """
    if _INVERSE.fullmatch(symbol) or _INVERSE_VENUE.fullmatch(venue):
        raise CommendaError(
            "inverse_contract",
            f"{symbol} is margined in its coin (an inverse contract), and Commenda computes"
            " contracts that are margined in the quote currency",
        ).at("file" if file else "symbol", file or symbol, "use the contract in USDT or USDC")


def _labelled(file: Path, labels: Labels) -> SourceName:
    if labels.venue and labels.symbol and labels.interval:
        for option, label, pattern in (
            ("venue", labels.venue, VENUE),
            ("symbol", labels.symbol, SYMBOL),
        ):
            if not re.fullmatch(pattern, label):
                raise _bad_name(
                    file,
                    f"{label!r} is no {option}",
                    f"write --{option} as in binance_usdm or BTCUSDT, in letters and digits",
                )
        refuse_inverse(labels.venue, labels.symbol, file)
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


def _bad_name(file: Path, message: str, hint: str) -> CommendaError:
    return CommendaError("market_file_name", message).at("file", file, hint)
