"""What a run says of its data: the zone that was taken, what was found, a warm-up too long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from commenda.cli import app

ROWS = 40


@pytest.fixture
def hours(tmp_path: Path) -> Path:
    """Forty hours without a zone, of which one is missing."""
    file = tmp_path / "x_BTCUSDT_1h.csv"
    stamps = [f"2025-01-{1 + h // 24:02d} {h % 24:02d}:00" for h in range(ROWS + 1) if h != 7]
    rows = [f"{stamp},100,103,99,101,5" for stamp in stamps]
    file.write_text("\n".join(["date,open,high,low,close,volume", *rows]))
    return file


def command(*arguments: object) -> Result:
    done = CliRunner().invoke(app, ["backtest", "sma_cross", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


def test_what_was_assumed_and_found_is_said_beside_the_result(hours: Path) -> None:
    done = command("--data", hours, "--params", "fast=2,slow=5", "--json")
    assert done.stderr.splitlines() == [
        "x_BTCUSDT_1h.csv: times without a zone were taken as UTC",
        "x_BTCUSDT_1h.csv: found 1 gap",
    ]
    source = json.loads(done.stdout)["inputs"]["data"]
    assert (source["first"], source["missing"]) == ("2025-01-01T00:00:00Z", 1)
    done = command("--data", hours, "--params", "fast=2,slow=5", "--zone", "Asia/Tokyo", "--json")
    assert "times without a zone were taken as Asia/Tokyo" in done.stderr
    source = json.loads(done.stdout)["inputs"]["data"]
    assert (source["first"], source["zone"]) == ("2024-12-31T15:00:00Z", "Asia/Tokyo")


def test_a_warm_up_beyond_the_data_is_said_with_both_numbers(hours: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = command("--data", hours, "--params", "fast=2,slow=50", "--html", page)
    said = f"warms up for 49 bars and the data has {ROWS}: it decided nothing"
    assert said in done.stdout
    # The page's words are put together where it is opened.
    assert f'"undecided":{{"warmup":49,"bars":{ROWS}}}' in page.read_text("utf-8").replace(" ", "")
    assert "warms up" not in command("--data", hours, "--params", "fast=2,slow=40").stdout
