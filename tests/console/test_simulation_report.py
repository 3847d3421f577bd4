"""The report of a small simulation, opened from disk without a network: whole, in both languages,
and with the figures of its JSON."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from commenda.kit.report import report_page

COMMENDA = Path(sys.executable).with_name("commenda")
SMALL = Path(__file__).parents[1] / "flows" / "small.toml"
SECTIONS = ("figures", "growth", "results", "creators", "money", "operations", "proof")
DRAWINGS = 12
"""Four over time, eight others."""

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def kept(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run's `report.json` and `report.html`."""
    folder = tmp_path_factory.mktemp("simulated")
    outputs = ["--json", folder / "report.json", "--html", folder / "report.html"]
    done = subprocess.run([COMMENDA, "simulate", SMALL, *outputs], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def report(kept: Path) -> dict[str, Any]:
    return json.loads((kept / "report.json").read_text("utf-8"))


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Opens a file; at the end no page may have complained or asked for anything but its file."""
    wrong: list[str] = []
    contexts = []

    def opened(file: Path, locale: str = "en-GB", **options: object) -> Page:
        context = browser.new_context(locale=locale, offline=True, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda asked: None if asked.url == own else wrong.append(asked.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text))
        own = file.as_uri()
        page.goto(own)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator(".skeleton")).to_have_count(0)
        return page

    yield opened
    for one in contexts:
        one.close()
    assert wrong == []


def test_the_report_is_whole_and_says_the_same_in_both_languages(
    kept: Path, report: dict[str, Any], opened: Open
) -> None:
    figures = {}
    for locale, warning in (("en-GB", "Simulated figures"), ("zh-CN", "模拟结果")):
        page = opened(kept / "report.html", locale, viewport={"width": 390, "height": 844})
        expect(page.get_by_role("heading", level=1)).to_have_text(report["scenario"]["title"])
        expect(page.get_by_role("note")).to_contain_text(warning)
        for name in SECTIONS:
            expect(page.locator(f"section#{name} h2").first).to_be_visible()
        drawn = page.locator("figure").filter(has=page.locator("canvas, svg"))
        expect(drawn).to_have_count(DRAWINGS)
        for words in page.locator("figcaption").all_inner_texts():
            assert re.search(r"\d", words), words  # a figure is told in words, too
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0
        # A drawing's axes are marked as the language writes numbers.
        page.evaluate("document.querySelectorAll('svg, canvas').forEach((one) => one.remove())")
        told = page.locator("main").inner_text()
        assert not re.search(r"simulation\.\w|undefined|NaN|\{\{", told)
        figures[locale] = sorted(re.findall(r"\d[\d,.]*\d%?|\d", told))
    assert figures["en-GB"] == figures["zh-CN"]


def test_the_figures_shown_are_those_of_the_json(
    kept: Path, report: dict[str, Any], opened: Open
) -> None:
    page = opened(kept / "report.html", viewport={"width": 1440, "height": 900})
    people, platform = report["investors"], report["platform"]
    outcomes, profits = people["outcomes"], report["series"]["profits"]
    income = Decimal(platform["managementFee"]) + Decimal(platform["keptOfCut"])
    shown = {
        "Investors": str(people["investors"]),
        "Deposits": amount(people["deposited"]),
        "Subscriptions": str(people["subscriptions"]),
        "Settled: in": amount(outcomes["principal"]),
        "Settled: out": amount(outcomes["returned"]),
        "Settled: net": amount(outcomes["netProfit"], "+"),
        "Median return": percent(outcomes["median"], "+"),
        "Pooled return": percent(outcomes["pooledReturn"], "+"),
        "Trading result": amount(profits["gross"], "+"),
        "To creators": amount(platform["paidToCreators"]),
        "To the platform": amount(str(income)),
        "To referrers": amount(platform["referralCost"]),
    }
    figures = page.locator("section#figures")
    for name, value in shown.items():
        place = figures.locator(f"xpath=.//div[text()='{name}']/following-sibling::div[1]")
        assert place.inner_text().removesuffix("USDT").strip() == value, name

    def rows(name: str) -> list[list[str]]:
        body = page.get_by_role("region", name=name).locator("tbody tr")
        return [row.locator("td").all_inner_texts() for row in body.all()]

    creators = {row[0]: row for row in rows("All creators")}
    assert len(creators) == len(report["creators"])
    for one in report["creators"]:
        row = creators[one["creator"]]
        assert row[2:4] == [one["strategy"], one["symbol"]]
        assert row[4].strip() == percent(one["ownReturnTwr"], "+")
        assert row[7:11] == [
            amount(one["profitShare"]),
            amount(one["followedCapital"]),
            str(one["followers"]),
            str(one["signals"]),
        ]
    assert [row[0] for row in rows("Reconciliation")] == [
        line["subject"] for line in report["reconciliation"]["lines"]
    ]
    for row, line in zip(rows("Reconciliation"), report["reconciliation"]["lines"], strict=True):
        assert [Decimal(cell.replace(",", "")) for cell in row[1:]] == [
            Decimal(line[name]) for name in ("venue", "ledger", "explained", "unexplained")
        ]
    assert len(rows("Balances by kind of account")) == len(report["ledger"]["balances"])
    assert len(rows("By product")) == len(report["products"])
    for name in ("scenario", "allocation", "ledger"):
        expect(page.get_by_text(report[name]["digest"])).to_be_visible()
    flow = page.locator("section#money svg").first.text_content() or ""
    for value in (profits["gains"], profits["losses"], profits["gross"], outcomes["netProfit"]):
        assert cents(value) in flow


def test_a_report_is_printed_white_and_whole(
    kept: Path, report: dict[str, Any], opened: Open
) -> None:
    page = opened(
        kept / "report.html", color_scheme="dark", viewport={"width": 1440, "height": 300}
    )
    root, rows = page.locator("html"), page.locator("section#creators tbody tr")
    expect(root).to_have_class("dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(root).not_to_have_class("dark")
    expect(rows).to_have_count(len(report["creators"]))
    narrow = page.locator("figure").evaluate_all(
        "all => Math.max(...all.map((one) => one.getBoundingClientRect().right))"
    )
    assert narrow <= 186 / 25.4 * 96  # the paper's width
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(root).to_have_class("dark")


def test_what_data_says_is_never_markup(
    report: dict[str, Any], opened: Open, tmp_path: Path
) -> None:
    nasty = copy.deepcopy(report)
    nasty["scenario"]["title"] = "</title></script><script>alert(1)</script>"
    nasty["creators"][0]["creator"] = "<img src=x onerror=alert(1)>"
    nasty["verify"] = {"clean": False, "findings": ["<b>{braces}</b>"]}
    nasty["reconciliation"]["unexplained"] = "0.5"
    page = opened(written(tmp_path, nasty))
    assert page.title() == f"{nasty['scenario']['title']} · Commenda"
    expect(page.get_by_role("heading", level=1)).to_have_text(nasty["scenario"]["title"])
    expect(page.get_by_text("<b>{braces}</b>")).to_be_visible()
    expect(page.get_by_text("findings of the verification: 1")).to_be_visible()
    expect(page.get_by_text("unexplained 0.5 USDT")).to_be_visible()
    expect(page.locator("img, b, iframe")).to_have_count(0)


def test_a_business_in_which_nothing_happened_yet_has_a_report_too(
    report: dict[str, Any], opened: Open, tmp_path: Path
) -> None:
    young = copy.deepcopy(report)
    young["investors"]["outcomes"] |= dict.fromkeys(young["investors"]["outcomes"], None)
    young["investors"]["outcomes"]["settled"] = 0
    young["products"], young["deviation"] = [], []
    for creator in young["creators"]:
        creator["followersReturn"] = None
    young["liquidation"] |= {"failures": [], "doors": [], "slippageBps": None}
    young["series"] |= {"days": [], "index": [], "returns": [], "outages": []}
    young["series"]["liquidation"] |= {"days": [], "refusals": [], "symbols": []}
    page = opened(written(tmp_path, young))
    for words in ("Nothing has settled yet.", "No day has closed yet.", "There were no outages."):
        expect(page.get_by_text(words).first).to_be_visible()


def written(folder: Path, report: dict[str, Any]) -> Path:
    file = folder / "report.html"
    file.write_text(report_page("simulation", report["scenario"]["title"], report), "utf-8")
    return file


def amount(value: str, sign: str = "") -> str:
    """All digits of an amount, two decimals at least."""
    whole, _, part = f"{Decimal(value):{sign if Decimal(value) else ''},f}".partition(".")
    return f"{whole}.{part:0<2}"


def cents(value: str) -> str:
    rounded = Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"{rounded:{'+' if rounded else ''},f}"


def percent(ratio: str, sign: str = "") -> str:
    rounded = (Decimal(ratio) * 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"{rounded:{sign if rounded else ''},f}%"
