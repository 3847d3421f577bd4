"""`commenda backtest --book`: takers walk the book that was recorded beside the bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from commenda.cli import app
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError

BUYER = """
import numpy as np
from commenda.kernel import market_order
from commenda.strategies import Param, strategy

@strategy(name="buyer", version="1", params=[Param("units", 4.0, 0.1, 100.0)],
          state_size=lambda p: 1, warmup=lambda p: 0, orders=1)
def buyer(state, bar, position, params, orders):
    if state[0] == 0.0:
        state[0] = market_order(orders, params[0])
    return np.nan
"""
BEGIN = 1_735_689_600_000
LEVELS = [("b", 99.9, 5.0), ("b", 99.8, 7.0), ("a", 100.1, 5.0), ("a", 100.4, 5.0)]
FREE = ("--fee", "0", "--cash", "100000", "--book-levels", "2")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Ten minutes at 100, and a book of two levels a side over nine and a half of them."""
    strategy, bars = tmp_path / "buyer.py", tmp_path / "binance_usdm_BTCUSDT_1m.csv"
    strategy.write_text(BUYER)
    rows = [f"{BEGIN // 1000 + 60 * k},100,100,100,100,1000" for k in range(10)]
    bars.write_text("\n".join(["ts,open,high,low,close,volume", *rows]))
    book = [(BEGIN, "snapshot", 10, 0, 0, *level) for level in LEVELS]
    book.append((BEGIN + 570_000, "delta", 11, 11, 10, "b", 99.8, 7.0))
    names = ["event_ms", "kind", "u", "U", "pu", "side", "price", "qty"]
    depth = tmp_path / "binance_usdm_BTCUSDT_depth.parquet"
    pl.DataFrame(book, names, orient="row").write_parquet(depth)
    return {"strategy": str(strategy), "bars": str(bars), "book": str(depth)}


def command(*arguments: str) -> Any:
    result = CliRunner().invoke(app, ["backtest", *arguments, "--json"])
    if isinstance(result.exception, CommendaError):
        return result.exception
    assert result.exit_code == 0, result.output + str(result.exception)
    return json.loads(result.stdout)


def test_a_taker_pays_the_levels_it_walks(files: dict[str, str]) -> None:
    run = (files["strategy"], "--data", files["bars"], *FREE)
    assert command(*run)["costs"]["slippage"] == 0.0
    book = ("--book", files["book"])
    assert command(*run, *book)["costs"]["slippage"] == pytest.approx(4 * 0.1)
    deep = command(*run, *book, "--params", "units=8")
    assert deep["costs"]["slippage"] == pytest.approx(5 * 0.1 + 3 * 0.4)
    more = command(*run, *book, "--params", "units=12")["execution"]
    assert more["shortFilled"] == 1  # ten are there
    assert deep["inputs"]["book"] == {
        "name": Path(files["book"]).name,
        "sha256": deep["inputs"]["book"]["sha256"],
        "everySeconds": 1.0,
        "levels": 2,
    }


def test_a_kept_run_is_repeated_with_its_book(
    db: Database, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    data, book = ("--data", files["bars"]), ("--book", files["book"])
    kept = command(files["strategy"], *data, *FREE, *book, "--store")["id"]
    again = ("rerun", kept, "--strategy", files["strategy"], *data)
    assert command(*again, *book)["identical"] is True
    assert (command(*again).code, command(*again).field) == ("data_needed", "--book")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--book-levels", "3"), "book_too_short"),  # there are two
        (("--hedge",), "book_of_one"),
        (("--book-every", "soon"), "bad_duration"),
        (("--book-every", "0s"), "bad_duration"),
        (("--book-every", "999ns"), "bad_duration"),
        (("--book-every", "99999999999999s"), "bad_duration"),
        (("--book-every", "1us"), "book_too_large"),
    ],
)
def test_a_book_that_cannot_be_walked_is_refused(
    files: dict[str, str], more: tuple[str, ...], code: str
) -> None:
    run = (files["strategy"], "--data", files["bars"], *FREE, "--book", files["book"])
    error = command(*run, *more)
    assert (error.code, error.field.partition("-e")[0]) == (code, "--book")


def test_bars_beyond_the_record_and_an_unknown_instrument_are_refused(
    files: dict[str, str], tmp_path: Path
) -> None:
    run = (files["strategy"], "--data", files["bars"], *FREE)
    late = [line.replace("17356", "17357") for line in Path(files["bars"]).read_text().split("\n")]
    Path(files["bars"]).write_text("\n".join(late))
    assert command(*run, "--book", files["book"]).code == "book_too_short"
    nameless = Path(files["book"]).rename(tmp_path / "mine.parquet")
    error = command(*run, "--book", str(nameless))
    assert (error.code, error.field) == ("grid_needed", "--book")


def test_a_plain_python_step_has_neither_book_nor_finer_bars(files: dict[str, str]) -> None:
    Path(files["strategy"]).write_text(BUYER.replace("orders=1", "orders=1, python=True"))
    run = (files["strategy"], "--data", files["bars"], *FREE)
    assert command(*run, "--book", files["book"]).code == "step_not_compiled"
