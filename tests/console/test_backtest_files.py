"""A backtest's file, opened from disk in a browser that reaches nothing, shows what was worked
out by hand.

Nine hourly closes, ten units, a fee of a thousandth: the average of 2 crosses that of 3 at the
close of 110, and ten are bought at the next open, 110, for a fee of 1.10; it crosses back at 90,
where ten are sold for 0.90. So the trade loses 200 + 2 of 10,000: 9,798.00 are left, -2.02 %. The
peak is the close of 130: 10,000 - 1.10 + 10 · 20 = 10,198.90, and 9,798 is 3.93 % below it. Held at
three closes of nine. Ten units from the first open lose 100 and a fee of 1: -1.01 %.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect
from typer.testing import CliRunner

from commenda.cli import app
from commenda.kit import report
from commenda.kit.db import Database

CLOSES = [100.0, 100.0, 100.0, 110.0, 120.0, 130.0, 90.0, 90.0, 90.0]
OPENS = [100.0, *CLOSES[:-1]]
Open = Callable[..., Page]


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    begin = datetime(2025, 3, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "ts": [begin + timedelta(hours=k) for k in range(len(CLOSES))],
            "open": OPENS,
            "high": [max(pair) for pair in zip(OPENS, CLOSES, strict=True)],
            "low": [min(pair) for pair in zip(OPENS, CLOSES, strict=True)],
            "close": CLOSES,
            "volume": [100.0] * len(CLOSES),
        },
        schema_overrides={"ts": pl.Datetime("us", "UTC")},
    )
    frame.write_parquet(file := tmp_path / "made_BTCUSDT_1h.parquet")
    return file


def backtest(*arguments: object) -> Any:
    result = CliRunner().invoke(app, ["backtest", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def run(candles: Path, *more: object, fast: int = 2, slow: int = 3) -> Any:
    terms = ("--size", 10, "--fee", 0.001, "--cash", 10_000)
    params = f"fast={fast},slow={slow}"
    return backtest("sma_cross", "--data", candles, "--params", params, *terms, *more)


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Opens a file without a network; at the end none may have complained or asked for anything."""
    wrong: list[str] = []
    contexts = []

    def opened(file: Path, locale: str, **options: Any) -> Page:
        contexts.append(context := browser.new_context(locale=locale, offline=True, **options))
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text))
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith(("file:", "data:", "blob:"))
                else wrong.append(asked.url)
            ),
        )
        page.goto(file.as_uri())
        page.wait_for_selector("canvas")
        return page

    yield opened
    for one in contexts:
        one.close()
    assert wrong == []


def figure(page: Page, label: str) -> str:
    """What stands under a figure's name."""
    return page.get_by_text(label, exact=True).first.locator("xpath=..").inner_text()


@pytest.mark.usefixtures("built")
def test_a_file_shows_the_run_worked_out_by_hand(
    candles: Path, tmp_path: Path, opened: Open
) -> None:
    run(candles, "--html", file := tmp_path / "run.html")
    page = opened(file, "en-US")
    assert page.title() == "sma_cross · made_BTCUSDT_1h.parquet · Commenda"
    for label, value in {
        "Final equity": "9,798.00",
        "Total return": "-2.02%",
        "Buy and hold BTCUSDT": "-1.01%",
        "Greatest drawdown": "-3.93%",
        "Closed trades": "1",
        "Win rate": "0.00%",
        "Time in the market": "33.33%",
        "Net result": "-202.00",
    }.items():
        assert value in figure(page, label).split(), label
    costs = page.get_by_role("region", name="What it cost").inner_text().split("\n")
    steps = [line.strip() for line in costs if line.strip()]
    for step, value in {"Before costs": "-200.00", "Fees": "-2.00", "Net": "-202.00"}.items():
        assert steps[steps.index(step) + 1] == value
    expect(page.get_by_text("Funding is not charged in this run.").first).to_be_visible()
    expect(page.get_by_text("under a year: not annualised")).to_be_visible()
    expect(page.get_by_text("2 fills: 1 buys and 1 sells are marked")).to_be_visible()
    expect(page.get_by_text("from 2025-03-01 06:00 UTC to 2025-03-01 08:00 UTC")).to_be_visible()
    page.get_by_text("2 marks, with price and quantity").click()
    marks = page.get_by_role("region", name="Price and fills").last
    assert "buy\ttarget\t10\t110\t1" in marks.inner_text()
    assert "sell\ttarget\t10\t90\t1" in marks.inner_text()
    assert "-2.02% *" in page.get_by_role("region", name="Monthly returns").last.inner_text()
    assert page.locator("canvas").count() >= 3


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_file_speaks_chinese_and_fits_a_telephone(
    candles: Path, tmp_path: Path, opened: Open, scheme: str
) -> None:
    run(candles, "--html", file := tmp_path / "run.html")
    size = {"width": 390, "height": 844}
    page = opened(file, "zh-CN", color_scheme=scheme, viewport=size)
    assert "9,798.00" in figure(page, "期末权益")
    assert "-3.93%" in figure(page, "最大回撤")
    expect(page.get_by_text("本次运行未计资金费。").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("外观").click()
    page.get_by_text("English").click()
    assert "9,798.00" in figure(page, "Final equity")


@pytest.mark.usefixtures("built")
def test_a_drawing_keeps_its_place_on_a_sheet_wider_than_its_column(
    candles: Path, tmp_path: Path, opened: Open
) -> None:
    run(candles, "--html", file := tmp_path / "report.html")
    page = opened(file, "en-GB", viewport={"width": 1100, "height": 800})
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.set_viewport_size({"width": 900, "height": 800})  # one column, where two were drawn
    still = page.locator("figure canvas")
    expect(still).to_have_count(3)
    taller = (
        "(all) => all.filter((one) => one.offsetHeight > one.parentElement.clientHeight).length"
    )
    assert still.evaluate_all(taller) == 0


@pytest.mark.usefixtures("built")
def test_a_name_from_outside_does_not_become_markup(
    candles: Path, tmp_path: Path, opened: Open
) -> None:
    named = candles.rename(candles.with_name("<img src=x onerror=alert(1)>.parquet"))
    run(named, "--interval", "1h", "--html", file := tmp_path / "run.html")
    assert "<img" not in file.read_text("utf-8")
    page = opened(file, "en-US")
    assert "<img src=x" in page.title()
    expect(page.get_by_text(named.name, exact=True).first).to_be_visible()
    assert page.locator("img").count() == 0


@pytest.mark.usefixtures("built")
def test_a_comparison_lays_kept_runs_over_each_other(
    candles: Path, tmp_path: Path, opened: Open, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    ids = [run(candles, "--store", fast=fast, slow=slow)["id"] for fast, slow in ((2, 3), (2, 9))]
    backtest("compare", *ids, "--html", file := tmp_path / "both.html")
    page = opened(file, "en-US")
    beside = page.get_by_role("region", name="Side by side").last.inner_text()
    assert "Final equity\t9,798.00\t10,000.00" in beside  # nine bars: the second never crosses
    inputs = page.get_by_role("region", name="Inputs").last.inner_text()
    assert "Cash at the start\tthe same" in inputs
    assert "slow 3" in inputs
    assert "slow 9" in inputs


def test_without_a_built_console_a_report_is_refused_before_the_run(
    candles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_PAGE", tmp_path / "missing.html")
    asked = ["backtest", "nothing_such", "--data", str(candles), "--html", str(tmp_path / "x.html")]
    error = CliRunner().invoke(app, asked).exception
    assert getattr(error, "code", None) == "console_unbuilt"
