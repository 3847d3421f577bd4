"""A study and a statement as files from disk, and in the console: figures, words, languages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from typer.testing import CliRunner

from browsing import Visit
from commenda.cli import app
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import statements
from scripted import D
from study_histories import noise
from world import World

LANGUAGES = pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
STUDY = (
    "run", "ema_trend", "--space", "fast=5:50,slow=20:200:10", "--params", "stop=0",
    "--trials", "24", "--walk-forward", "rolling:3", "--seed", "7", "--nice", "0", "--memory", "0",
)  # fmt: skip


def run(db: Database, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@contextmanager
def opened(browser: Browser, file: Path, locale: str) -> Iterator[Page]:
    """A file from disk without network; it may ask nobody and complain of nothing."""
    wrong: list[str] = []
    context = browser.new_context(locale=locale, offline=True)
    context.on("request", lambda asked: wrong.append(asked.url))
    page = context.new_page()
    page.on("console", lambda said: wrong.append(said.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(file.as_uri(), wait_until="load")
    expect(page.get_by_role("heading").first).to_be_visible()
    yield page
    context.close()
    assert wrong == [file.as_uri()]


@LANGUAGES
def test_a_study_is_one_file_in_both_languages(
    browser: Browser,
    built: Path,
    db: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    locale: str,
) -> None:
    noise(tmp_path, 1_500)
    file = tmp_path / "study.html"
    data = ("--data", str(tmp_path / "noise1.parquet"))
    told = json.loads(run(db, monkeypatch, "study", *STUDY, *data, "--html", str(file), "--json"))
    best, findings = told["result"]["best"], told["result"]["findings"]
    outside = sum(fold["test_sharpe"] or 0.0 for fold in best["folds"]) / 3
    chinese = locale.startswith("zh")
    with opened(browser, file, locale) as page:
        head = page.locator("section", has_text="样本外夏普" if chinese else "Sharpe out of sample")
        expect(head.first).to_contain_text(f"{outside:.2f}".rstrip("0").rstrip("."))
        params = f"fast {best['params']['fast']:g} · slow {best['params']['slow']:g}"
        expect(page.get_by_text(params).first).to_be_visible()
        trades = next(one for one in findings if one["test"] == "trades")
        wanted = (
            f"已平仓交易 {best['trades']} 笔，至少需要 30 笔。"
            if chinese
            else f"{best['trades']} closed trades, 30 are wanted."
        )
        expect(page.get_by_text(wanted)).to_have_count(1 if trades["grade"] != "promote" else 0)
        assert page.locator("li[lang=en]").count() == 0, "no reason is left in English"
        # Parallel coordinates, the scatter and the one heat map of two parameters are drawn.
        expect(page.locator("figure svg")).to_have_count(3)
        shown = page.locator("tbody tr", has_text="fast ").count()
        assert shown >= 24


@LANGUAGES
def test_a_statement_is_one_file_with_every_digit(
    browser: Browser,
    built: Path,
    db: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    locale: str,
) -> None:
    """1,000.1 + 234.00000001 + 0.9 = 1,235.00000001; what strangers wrote is text."""
    world = World(db, hours=48)
    ines = world.investor("ines", D("1000.1"))
    world.pay_in(ines, D("234.00000001"), "<img src=x onerror='alert(2)'>")
    world.advance(2)
    world.pay_in(ines, D("0.9"), "last")
    world.advance(2)
    file = tmp_path / "statement.html"
    words = ("ledger", "statement", "ines", "--format", "html", "--out", str(file))
    assert run(db, monkeypatch, *words) == ""
    with opened(browser, file, locale) as page:
        title = "账户对账单" if locale.startswith("zh") else "Account statement"
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        for amount in ("+1,000.10", "+234.00000001", "+0.90", "1,234.10000001", "1,235.00000001"):
            expect(page.get_by_text(amount, exact=False).first).to_be_visible()
        expect(page.get_by_text("<img src=x onerror='alert(2)'>")).to_be_visible()
        assert page.locator("img").count() == 0


def test_a_statement_too_long_for_paper_names_the_table(
    built: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(db, hours=48)
    ines = world.investor("ines", 1000)
    for number in range(3):
        world.pay_in(ines, D(1), str(number))
    world.advance(2)
    monkeypatch.setattr(statements, "MOST_PRINTED", 3)
    with pytest.raises(CommendaError) as refused:
        run(db, monkeypatch, "ledger", "statement", "ines", "--format", "html")
    assert (refused.value.code, refused.value.field) == ("statement_too_long", "--format")
    assert refused.value.value == "4 entries"
    assert "--format csv" in (refused.value.hint or "")


@LANGUAGES
def test_an_investor_reads_and_the_staff_finds_a_statement(visit: Visit, locale: str) -> None:
    page = visit("/", locale)
    sign_in(page, "investor")
    # A statement excludes its last moment, which is all that a demo has when it begins.
    begun = page.locator("header[data-app]").get_by_text("2026-01-05 00:00 UTC")
    expect(begun).to_have_count(0, timeout=60_000)
    page.goto("/statement?accounts=all&from=2026-01-01")
    expect(page.get_by_text("demo-investor").last).to_be_visible()
    expect(page.get_by_text("+60,000.00").first).to_be_visible()
    owner = page.locator("dl code").first.inner_text()
    with page.expect_download() as loaded:
        page.get_by_role("button", name="CSV").click()
    assert loaded.value.path().read_text().startswith("createdAt,account,accountId")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(
        "(room) => [...document.querySelectorAll('table')]"
        ".every((one) => one.getBoundingClientRect().width <= room)",
        arg=186 / 25.4 * 96,  # the paper's width
    )
    staff = visit("/", locale)
    sign_in(staff, "auditor")
    staff.goto(f"/statements?owner={owner}&from=2026-01-01")
    expect(staff.get_by_text("+60,000.00").first).to_be_visible()


def sign_in(page: Page, role: str) -> None:
    page.locator("[name=username]").fill(f"demo-{role}")
    page.locator("[name=password]").fill("commenda-demo")
    page.locator("[type=submit]").click()
    expect(page.locator("nav")).to_be_attached()
