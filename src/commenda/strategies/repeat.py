"""The plan of a kept run once more: over files, or over the import of its instrument."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.strategies.book import sample_book
from commenda.strategies.data import (
    BarData,
    FundingData,
    SampledBook,
    imported_bars,
    imported_funding,
    read_bars,
    read_funding,
)
from commenda.strategies.depth import DepthPlan, read_book
from commenda.strategies.legs import OWN, LegPlan, LegsPlan
from commenda.strategies.plan import Plan, Row, costs_of, rules_of, terms_of
from commenda.strategies.runs import Kept
from commenda.strategies.shipped import find_depth_strategy, find_strategy

FROM_FILES = ("--data", "--funding", "--marks", "--finer")


class Files(NamedTuple):
    """Files to run again from, each instrument's in the order of the run; none: its import.

    For a replay `data` is the depth, and `trades` its trades.
    """

    data: Sequence[Path] = ()
    rates: Sequence[Path] = ()
    marks: Sequence[Path] = ()
    finer: Sequence[Path] = ()
    trades: Path | None = None
    book: Path | None = None


def repeat_plan(
    tx: Tx, data_dir: Path, kept: Kept, files: Files, named: str | None = None
) -> Plan | LegsPlan | DepthPlan:
    """The plan of a kept run; `named` finds its strategy where its name alone does not.

    What is read need not be what it was: `differences` says so. Codes of `find_strategy`,
    `read_bars`, `imported_bars` and `read_book`; `data_needed` and `funding_needed` where a file
    has to be named, and `wrong_count` where there are not as many as instruments.
    """
    inputs = kept.inputs
    named = named or inputs["strategy"]["name"]
    if "depth" in inputs:
        return _depth_again(inputs, files, named)
    strategy = find_strategy(named)
    legs: list[Row] = inputs.get("legs", [inputs])
    instruments = list({leg["data"]["sha256"]: leg for leg in legs}.values())
    again: dict[str, Row] = {}
    for k, leg in enumerate(instruments):
        data, rates, marks, inside = (
            _only(given, option, k, len(instruments))
            for given, option in zip(files[:4], FROM_FILES, strict=True)
        )
        bars = _bars_again(tx, data_dir, leg["data"], data)
        again[leg["data"]["sha256"]] = {
            "data": bars,
            "funding": _funding_again(tx, data_dir, leg, bars, data, rates, marks),
            "finer": (finer := leg.get("finer")) and _bars_again(tx, data_dir, finer, inside),
        }
    alike: Row = {
        "costs": costs_of(inputs["costs"]),
        "terms": terms_of(inputs["terms"]),
        "cash": inputs["cash"],
        "seed": inputs["seed"],
        "periods_per_year": inputs.get("periodsPerYear"),  # not known of runs kept before it was
    }
    if "legs" not in inputs:
        (read,) = again.values()
        alike |= {"size": inputs["size"], "book": _book_again(inputs, files, read["data"])}
        return Plan(strategy, inputs["strategy"]["params"], **read, **alike)
    planned = (
        LegPlan(leg["params"], **again[leg["data"]["sha256"]], **{key: leg[key] for key in OWN})
        for leg in legs
    )
    return LegsPlan(strategy, tuple(planned), **alike)


def _depth_again(inputs: Row, files: Files, named: str) -> DepthPlan:
    source = inputs["data"]
    depth = _only(files.data, "--depth", 0, 1)
    if depth is None:
        raise _needed("data_needed", "Depth is not imported", "--depth, --trades", source)
    return DepthPlan(
        find_depth_strategy(named),
        inputs["strategy"]["params"],
        read_book(depth, files.trades, source["tick"], source["lot"]),
        rules_of(inputs["depth"]),
        cash=inputs["cash"],
        seed=inputs["seed"],
    )


def _book_again(inputs: Row, files: Files, bars: BarData) -> SampledBook | None:
    found = inputs.get("book")
    if not found:
        return None
    if files.book is None:
        raise _needed("data_needed", "Depth is not imported", "--book", found)
    every = timedelta(seconds=found["everySeconds"])
    return sample_book(files.book, bars.bars, every, found["levels"])


def _only(files: Sequence[Path], option: str, k: int, count: int) -> Path | None:
    """The file of instrument number `k` of `count`, or None where none are given."""
    if files and len(files) != count:
        raise CommendaError("wrong_count", f"The run is of {count} instruments").at(
            option, len(files), "give one file for each, in the order of the run, or none"
        )
    return files[k] if files else None


def _bars_again(tx: Tx, data_dir: Path, source: Row, file: Path | None) -> BarData:
    interval = timedelta(seconds=source["intervalSeconds"])
    since = datetime.fromisoformat(source["first"])
    until = datetime.fromisoformat(source["last"]) + interval
    if file is not None:
        zone = source.get("zone")
        return read_bars(file, interval=interval, zone=zone, since=since, until=until)
    venue, symbol = source["venue"], source["symbol"]
    if venue is None or symbol is None:
        raise _needed("data_needed", "The file does not name its instrument", "--data", source)
    return imported_bars(tx, data_dir, venue, symbol, interval, since=since, until=until)


def _funding_again(
    tx: Tx,
    data_dir: Path,
    inputs: Row,
    bars: BarData,
    data: Path | None,
    rates: Path | None,
    marks: Path | None,
) -> FundingData | None:
    if inputs["funding"] is None:
        return None
    if rates is not None:
        return read_funding(bars.bars, rates, marks, bars.source.zone)
    if data is not None:
        raise _needed("funding_needed", "Funding was charged", "--funding", inputs["funding"])
    source = inputs["data"]
    return imported_funding(tx, data_dir, source["venue"], source["symbol"], bars.bars)


def _needed(code: str, message: str, option: str, source: Row) -> CommendaError:
    return CommendaError(code, message).at(option, source["name"], "give the files that were used")
