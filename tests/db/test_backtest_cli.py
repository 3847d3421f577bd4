"""`commenda backtest`: the golden run, what is refused, and runs that are kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from commenda.cli import app
from commenda.kit import clock
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from filled import filled

COMMENDA = Path(sys.executable).with_name("commenda")
GOLDEN = ("--params", "fast=50,slow=200", "--size", "1", "--fee", "0.0005", "--cash", "1000000")


@pytest.fixture
def minutes(market_data: Path) -> str:
    return str(market_data / "binance_usdm_BTCUSDT_1m.parquet")


@pytest.fixture
def here(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in which the commands keep runs."""
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["backtest", *arguments])


def told(*arguments: str) -> Any:
    result = command(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(*arguments: str) -> CommendaError:
    result = command(*arguments)
    assert isinstance(result.exception, CommendaError), result.output
    return result.exception


def test_the_golden_run_comes_out_of_the_command_line(minutes: str) -> None:
    """`acceptance.md`, part 3: two other engines agree on it to six decimals. No database."""
    done = subprocess.run(
        [COMMENDA, "backtest", "sma_cross", "--data", minutes, *GOLDEN, "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "COMMENDA_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["metrics"]["finalEquity"] == pytest.approx(991_729.307500, abs=1e-6)
    assert (found["metrics"]["trades"], found["metrics"]["openTrades"]) == (133, 1)
    assert found["metrics"]["fundingCharged"] is False
    assert found["id"] is None


def test_a_seed_that_no_row_can_keep_is_refused(minutes: str) -> None:
    result = command("sma_cross", "--data", minutes, "--seed", str(2**63))
    assert result.exit_code == 2
    assert "--seed" in result.stderr


def test_people_are_told_the_figures_their_methods_and_what_was_left_out(minutes: str) -> None:
    result = command("sma_cross", "--data", minutes, *GOLDEN)
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "991,729.31" in said
    assert "133 and 1 open" in said
    assert "Funding is not charged" in said
    assert "1m bar returns × √525,600, 365 days a year, from 30 days" in said
    assert "none: under a year" in said


def test_funding_is_charged_from_its_files_and_a_missing_stamp_is_named(
    minutes: str, market_data: Path
) -> None:
    rates = str(market_data / "binance_usdm_BTCUSDT_funding.parquet")
    marks = str(market_data / "binance_usdm_BTCUSDT_mark_8h.parquet")
    files = ("--data", minutes, "--funding", rates, "--marks", marks)
    error = refusal("sma_cross", *files)  # its rates end before its candles
    assert (error.code, error.value) == ("missing_funding", "2025-06-03T08:00:00Z")
    found = told("sma_cross", *files, "--to", "2025-06-03", *GOLDEN)
    assert found["metrics"]["fundingCharged"] is True
    assert found["metrics"]["fundingEstimated"] == 0
    assert found["inputs"]["funding"]["stamps"] == 88
    free = told("sma_cross", "--data", minutes, "--to", "2025-06-03", *GOLDEN)
    assert free["metrics"]["finalEquity"] - found["metrics"]["finalEquity"] == pytest.approx(
        found["costs"]["funding"], abs=1e-6
    )


def test_costs_and_terms_are_what_the_options_say(minutes: str) -> None:
    found = told(
        "sma_cross",
        *("--data", minutes, "--fee", "0.0004", "--maker=-0.0001", "--slippage", "0.0001"),
        *("--participation", "0.1", "--lot", "0.001", "--leverage", "5", "--to", "2025-05-06"),
    )
    costs, terms = found["inputs"]["costs"], found["inputs"]["terms"]
    rates = [costs[name] for name in ("feeBps", "makerBps", "slippageBps")]
    assert rates == pytest.approx([4.0, -1.0, 1.0])
    assert (terms["participation"], terms["lot"], terms["margin"]["leverage"]) == (0.1, 0.001, 5)


def test_bars_of_spot_are_traded_without_shorts_and_loans(minutes: str, tmp_path: Path) -> None:
    """By their market's name."""
    spot = tmp_path / "binance_spot_BTCUSDT_1m.parquet"
    spot.write_bytes(Path(minutes).read_bytes())
    asked = ("ema_trend", "--no-funding", "--params", "exposure=2")
    here, there = (told(*asked, "--data", file) for file in (str(spot), minutes))
    assert here["inputs"]["terms"]["spot"] is True
    assert "spot" not in there["inputs"]["terms"]
    assert here["metrics"]["greatestExposure"] < 1 < there["metrics"]["greatestExposure"]
    error = refusal("ema_trend", "--no-funding", "--leverage", "2", "--data", str(spot))
    assert (error.code, error.field) == ("no_leverage_at_spot", "leverage")
    error = refusal("ema_trend", "--no-funding", "--hedge", "--data", str(spot))
    assert (error.code, error.field) == ("no_short_at_spot", "--hedge")


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (("nothing_such",), "unknown_strategy", "strategy"),
        (("sma_cross", "--params", "fast"), "bad_params", "--params"),
        (("sma_cross", "--params", "fast=x"), "bad_params", "--params"),
        (("sma_cross", "--params", "fast=1,fast=2"), "bad_params", "--params"),
        (("sma_cross", "--params", "speed=1"), "unknown_parameter", "speed"),
        (("sma_cross", "--params", "fast=300,slow=200"), "bad_parameter", "fast"),
        (("sma_cross", "--fee", "2"), "bad_costs", None),
        (("sma_cross", "--lot=-1"), "bad_terms", None),
        (("sma_cross", "--cash=-5"), "bad_amount", "cash"),
        (("sma_cross", "--size", "0"), "bad_amount", "size"),
        (("sma_cross", "--from", "soon"), "bad_time", "--from"),
        (("sma_cross", "--from", "2030-01-01"), "empty_range", "start, end"),
        (("sma_cross", "--interval", "5m"), "market_file_interval", "file"),
        (("sma_cross", "--marks", "x.parquet"), "marks_without_funding", "--marks"),
        (("sma_cross", "--html", "/nowhere/x.html"), "no_such_folder", "--html"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_reason(
    minutes: str, arguments: tuple[str, ...], code: str, field: str | None
) -> None:
    error = refusal(*arguments, "--data", minutes)
    assert error.code == code
    assert error.hint
    if field is not None:
        assert error.field == field


@pytest.mark.usefixtures("here")
def test_a_run_is_kept_shown_compared_and_repeated(minutes: str, tmp_path: Path) -> None:
    first = told("sma_cross", "--data", minutes, *GOLDEN, "--store")
    second = told("sma_cross", "--data", minutes, "--params", "fast=20,slow=100", "--store")
    told("sma_cross", "--data", minutes, "--params", "fast=30,slow=90")  # not kept
    listed = told("list")
    assert [one["id"] for one in listed] == [second["id"], first["id"]]
    assert listed[1]["metrics"] == first["metrics"]
    assert told("show", first["id"][:13])["inputs"] == first["inputs"]
    page = tmp_path / "both.html"
    compared = told("compare", first["id"], second["id"], "--html", str(page))
    assert [one["metrics"] for one in compared] == [first["metrics"], second["metrics"]]
    shown = filled(page)["data"]["items"]
    assert [one["id"] for one in shown] == [first["id"], second["id"]]
    assert shown[0]["equity"]["strategy"][-1] == pytest.approx(991_729.3075, abs=1e-3)
    command("show", first["id"], "--html", str(page))
    report = filled(page)
    assert (report["kind"], report["data"]["id"]) == ("backtest", first["id"])
    assert report["data"]["metrics"] == first["metrics"]
    assert sum(one["fills"] for one in report["data"]["markers"]) == first["execution"]["fills"]
    side = command("compare", first["id"], second["id"])
    assert "991,729.31" in side.output
    again = told("rerun", first["id"], "--data", minutes)
    assert again == {"id": first["id"], "identical": True, "differences": []}


@pytest.mark.usefixtures("here")
def test_a_run_is_kept_at_business_time_as_over_http(minutes: str, db: Database) -> None:
    moment = datetime(2031, 5, 6, 7, 8, tzinfo=UTC)
    with db.transaction() as tx:
        clock.advance(tx, moment)
    kept = told("sma_cross", "--data", minutes, "--to", "2025-05-06", "--store")
    with db.transaction() as tx:
        row = tx.execute("SELECT created_at FROM backtests WHERE id = %s", (kept["id"],)).fetchone()
    assert row == (moment,)


@pytest.mark.usefixtures("here")
def test_a_rerun_on_another_market_says_that_it_differs_and_fails(
    minutes: str, market_data: Path
) -> None:
    kept = told("sma_cross", "--data", minutes, "--store", "--to", "2025-05-20")
    other = str(market_data / "binance_usdm_SOLUSDT_1m.parquet")
    result = command("rerun", kept["id"], "--data", other)
    assert result.exit_code == 1
    assert "differs from" in result.output
    assert "data hash" in result.output
    assert refusal("rerun", "ffffffff").code == "unknown_backtest"
    assert refusal("compare", kept["id"]).code == "nothing_to_compare"


@pytest.mark.usefixtures("here")
def test_a_strategy_of_a_file_runs_and_is_repeated_from_it(minutes: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from commenda.strategies import Param, strategy\n"
        "@strategy(name='mine', version='1', params=[Param('part', 0.5, 0.0, 1.0)],\n"
        "          state_size=lambda p: 0, warmup=lambda p: 0)\n"
        "def mine(state, bar, position, params):\n"
        "    return params[0] if bar[3] > bar[0] else 0.0\n"
    )
    named = f"{file}:mine"
    kept = told(named, "--data", minutes, "--to", "2025-05-06", "--store")
    assert kept["inputs"]["strategy"]["name"] == "mine"
    again = told("rerun", kept["id"], "--data", minutes, "--strategy", named)
    assert again["identical"]
