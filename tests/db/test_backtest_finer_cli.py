"""`commenda backtest --finer`: what came first inside a bar, for one leg or several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commenda.cli import app
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError

BRACKET = """
import numpy as np
from commenda.kernel import (
    POSITION_SIDE, limit_order, market_order, one_cancels_other, stop_order
)
from commenda.strategies import strategy

@strategy(name="bracket", version="1", params=[], state_size=lambda p: 1, warmup=lambda p: 0,
          orders=3)
def bracket(state, bar, position, params, orders):
    side = -1.0 if position[POSITION_SIDE] < 0 else 1.0
    state[0] += 1.0
    if state[0] == 1.0:
        market_order(orders, 10.0 * side)
    if state[0] == 2.0:
        gain = limit_order(orders, -10.0 * side, 100.0 + 5.0 * side)
        loss = stop_order(orders, -10.0 * side, 96.0 if side > 0.0 else 103.0)
        one_cancels_other(orders, gain, loss)
    return np.nan
"""
STILL, WILD = (100, 100, 100, 100), (100, 106, 94, 101)
ROSE_FIRST = ((100, 106, 100, 105), (105, 105, 94, 101))
FELL_FIRST = ((100, 100, 94, 95), (95, 106, 95, 101))
FREE = ("--fee", "0", "--cash", "10000")


def written(file: Path, bars: list[tuple[int, ...]], minutes: int) -> str:
    rows = [
        f"2025-01-01T00:{k * minutes:02}:00Z,{','.join(map(str, bar))},{1_000 + len(file.stem)}"
        for k, bar in enumerate(bars)
    ]
    file.write_text("\n".join(["time,open,high,low,close,volume", *rows]))
    return str(file)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Three bars of ten minutes of AAA and LONG, and what the third held, in fives."""
    before = [STILL] * 4
    strategy = tmp_path / "bracket.py"
    strategy.write_text(BRACKET)
    return {
        "strategy": str(strategy),
        "AAA": written(tmp_path / "AAAUSDT_10m.csv", [STILL, STILL, WILD], 10),
        "LONG": written(tmp_path / "LONGUSDT_10m.csv", [STILL, STILL, WILD], 10),
        "rose": written(tmp_path / "AAAUSDT_5m.csv", [*before, *ROSE_FIRST], 5),
        "fell": written(tmp_path / "LONGUSDT_5m.csv", [*before, *FELL_FIRST], 5),
        "minutes": written(tmp_path / "LONGUSDT_1m.csv", [STILL] * 20 + [WILD] * 10, 1),
    }


def told(*arguments: str) -> Any:
    result = CliRunner().invoke(app, ["backtest", *arguments, "--json"])
    assert result.exit_code == 0, result.output + str(result.exception)
    return json.loads(result.stdout)


def profits(run: Any) -> list[float]:
    return [leg["profit"] for leg in run["legs"]]


def test_each_leg_is_filled_where_its_finer_bars_say(files: dict[str, str]) -> None:
    """Ten units from 100: sold at the limit of 105 or at the stop of 96, whichever came first."""
    two = (files["strategy"], "--data", files["AAA"], "--data", files["LONG"], *FREE)
    coarse = told(*two)
    assert profits(coarse) == [-40.0, -40.0]  # nobody knows: the poorer way
    assert coarse["execution"]["ambiguousBars"] == 1
    for first, second, right in (
        ("rose", "rose", [50.0, 50.0]),
        ("rose", "fell", [50.0, -40.0]),
        ("fell", "rose", [-40.0, 50.0]),
    ):
        run = told(*two, "--finer", files[first], "--finer", files[second])
        assert profits(run) == right
        assert (run["execution"]["ambiguousBars"], run["execution"]["refinedBars"]) == (0, 1)
        assert run["inputs"]["finer"]["bars"] == 12


def test_both_sides_of_an_instrument_are_resolved_by_its_finer_bars(files: dict[str, str]) -> None:
    # The short one buys back at 95 or at 103. The account is worth 20 more or 10 more.
    both = (files["strategy"], "--data", files["AAA"], "--hedge", *FREE)
    assert profits(told(*both)) == [-40.0, 50.0]  # the poorer way
    assert profits(told(*both, "--finer", files["rose"])) == [50.0, -30.0]
    assert profits(told(*both, "--finer", files["fell"])) == [-40.0, 50.0]


def test_a_kept_run_of_legs_is_repeated_with_its_finer_bars(
    db: Database, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    data = ("--data", files["AAA"], "--data", files["LONG"])
    finer = ("--finer", files["rose"], "--finer", files["fell"])
    kept = told(files["strategy"], *data, *FREE, *finer, "--store")["id"]
    again = ("rerun", kept, "--strategy", files["strategy"], *data)
    assert told(*again, *finer)["identical"] is True
    short = CliRunner().invoke(app, ["backtest", *again, *finer[:2]])
    assert isinstance(short.exception, CommendaError)
    assert (short.exception.code, short.exception.field) == ("wrong_count", "--finer")


def test_finer_bars_of_two_intervals_are_refused(files: dict[str, str]) -> None:
    """Legs move together inside a bar, so that theirs must be of one length."""
    finer = ("--finer", files["rose"], "--finer", files["minutes"])
    run = (files["strategy"], "--data", files["AAA"], "--data", files["LONG"], *finer)
    error = CliRunner().invoke(app, ["backtest", *run]).exception
    assert isinstance(error, CommendaError)
    assert (error.code, error.field) == ("intervals_differ", "--finer")
