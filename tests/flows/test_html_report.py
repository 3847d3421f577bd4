"""The HTML report of a small business: whole, in both languages, with the figures of the JSON."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commenda.kit.db import Database
from commenda.settings import Settings
from commenda.simulate.html_report import render
from html_pages import Reader

COMMENDA = Path(sys.executable).with_name("commenda")
SMALL = Path(__file__).with_name("small.toml")
Page = dict[str, str]


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the small business with its database, JSON and page."""
    folder = tmp_path_factory.mktemp("html")
    done = subprocess.run(
        [
            COMMENDA,
            "simulate",
            SMALL,
            "--keep",
            folder / "data",
            "--json",
            folder / "report.json",
            "--html",
            folder / "report.html",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def report(kept: Path) -> dict[str, Any]:
    return json.loads((kept / "report.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def page(kept: Path) -> str:
    return (kept / "report.html").read_text("utf-8")


def test_the_page_is_whole_and_says_the_same_in_both_languages(page: str) -> None:
    reader = read(page)
    assert set(reader.texts) == {"zh-CN", "en"}
    assert len(reader.idents) == len(set(reader.idents))
    assert reader.elements.count("svg") == 2 * 12
    figures = {
        language: sorted(re.findall(r"\d[\d,.]*\d%?", " ".join(texts)))
        for language, texts in reader.texts.items()
    }
    assert figures["zh-CN"] == figures["en"]
    chinese = "".join(reader.texts["zh-CN"])
    assert "模拟结果" in chinese
    assert "账目核验通过" in chinese
    assert "Simulated figures" in "".join(reader.texts["en"])


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    addresses = set(re.findall(r"""\w+://[^\s"'<)]+""", page))
    assert addresses == {"http://www.w3.org/2000/svg"}
    elements = set(read(page).elements)
    assert not elements & {"link", "img", "iframe", "object", "embed", "base", "form"}
    assert "@import" not in page
    assert "url(" not in page
    assert not re.search(r"\ssrc\s*=", page)


def test_the_figures_shown_are_those_of_the_json(page: str, report: dict[str, Any]) -> None:
    texts = read(page).texts["en"]
    people, platform = report["investors"], report["platform"]
    outcomes = people["outcomes"]

    def follows(name: str) -> str:
        return texts[texts.index(name) + 1]

    def amount(text: str) -> Decimal:
        return Decimal(text.lstrip("▲▼– ").replace(",", ""))

    def near(text: str, value: str) -> bool:
        return abs(amount(text) - Decimal(value)) <= Decimal("0.005")

    assert follows("Investors") == str(people["investors"])
    assert near(follows("Deposits"), people["deposited"])
    assert near(follows("Settled: in"), outcomes["principal"])
    assert near(follows("Settled: out"), outcomes["returned"])
    assert near(follows("Settled: net"), outcomes["netProfit"])
    assert near(follows("Trading result"), report["series"]["profits"]["gross"])
    assert near(follows("To creators"), platform["paidToCreators"])
    assert near(follows("To referrers"), platform["referralCost"])
    income = Decimal(platform["managementFee"]) + Decimal(platform["keptOfCut"])
    assert near(follows("To the platform"), str(income))
    for name, key in (("Median return", "median"), ("Pooled return", "pooledReturn")):
        shown = Decimal(follows(name).lstrip("▲▼– ").rstrip("%"))
        assert abs(shown - Decimal(outcomes[key]) * 100) <= Decimal("0.005")
    joined = " ".join(texts)
    for creator in report["creators"]:
        assert f"{Decimal(creator['followedCapital']):,.2f}" in joined
    for line in report["reconciliation"]["lines"]:
        assert line["venue"] in texts


def test_what_traders_made_goes_to_somebody_to_the_last_unit(report: dict[str, Any]) -> None:
    """Settlement by settlement: gross = management fee + profit share + investors - insurance."""
    platform, profits = report["platform"], report["series"]["profits"]
    parts = [platform["managementFee"], platform["paidToCreators"], platform["keptOfCut"]]
    parts += [platform["referralCost"], report["investors"]["outcomes"]["netProfit"]]
    assert Decimal(profits["gross"]) == (
        sum(map(Decimal, parts)) - Decimal(platform["insurancePaid"])
    )
    assert Decimal(profits["gains"]) + Decimal(profits["losses"]) == Decimal(profits["gross"])
    settled = report["investors"]["outcomes"]["settled"]
    assert profits["gaining"] + profits["losing"] == settled
    assert sum(one["settled"] for one in report["series"]["returns"]) == settled


def test_the_daily_series_is_what_the_books_say(kept: Path, report: dict[str, Any]) -> None:
    """Assets and the chained index, computed again from the single books in Python."""
    with (
        Database.open(Settings(data=kept / "data", pool_size=2)) as database,
        database.transaction() as tx,
    ):
        found = tx.execute(
            "SELECT n.at, n.scope_id, n.nav FROM nav_history n"
            " JOIN managed_subscriptions s ON s.id = n.scope_id WHERE n.leg_id IS NULL"
        ).fetchall()
        closes = sorted(row[0] for row in tx.execute("SELECT DISTINCT at FROM nav_history"))
    books: dict[Any, dict[Any, Decimal]] = {at: {} for at in closes}
    for at, scope, nav in found:
        books[at][scope] = nav
    series = report["series"]
    assert [Decimal(row["nav"]) for row in series["days"]] == [
        sum(books[at].values()) for at in closes
    ]
    assert [row["books"] for row in series["days"]] == [len(books[at]) for at in closes]
    level = Decimal(100)
    for before, at, row in zip(closes, closes[1:], series["index"][1:], strict=False):
        both = books[before].keys() & books[at].keys()
        if not both:
            continue
        weights = sum(books[before][scope] for scope in both)
        level *= 1 + sum(
            books[before][scope] / weights * (books[at][scope] / books[before][scope] - 1)
            for scope in both
        )
        assert abs(Decimal(row["all"]) - level) < Decimal("1e-6")
    assert level != 100
    assert [(row["begin"][:13], row["end"][:13]) for row in series["outages"]] == [
        ("2026-01-07T00", "2026-01-07T04")  # day 2, four hours
    ]


def test_what_data_says_is_never_markup(report: dict[str, Any]) -> None:
    nasty = copy.deepcopy(report)
    nasty["scenario"]["title"] = "</title><script>alert(1)</script>"
    nasty["creators"][0]["creator"] = "<img src=x onerror=alert(1)>"
    nasty["verify"] = {"clean": False, "findings": ["<b>{braces}</b>"]}
    nasty["reconciliation"]["unexplained"] = "0.5"
    for one in nasty["liquidation"]["failures"]:
        one["reason"] = "<i>& {0}</i>"
    reader = read(render(nasty))
    assert reader.elements.count("script") == 1
    assert not {"img", "b", "i"} & set(reader.elements)
    joined = " ".join(reader.texts["en"])
    assert "<b>{braces}</b>" in joined
    assert "✗ findings of the verification: 1" in joined
    assert "✗ unexplained 0.5 USDT" in joined


def test_a_business_in_which_nothing_happened_yet_has_a_page_too(report: dict[str, Any]) -> None:
    young = copy.deepcopy(report)
    young["investors"]["outcomes"] |= dict.fromkeys(young["investors"]["outcomes"], None)
    young["investors"]["outcomes"]["settled"] = 0
    young["products"], young["deviation"] = [], []
    for creator in young["creators"]:
        creator["followersReturn"] = None
    young["liquidation"] |= {"failures": [], "doors": [], "slippageBps": None}
    young["series"] |= {"days": [], "index": [], "returns": [], "outages": []}
    young["series"]["liquidation"] |= {"days": [], "refusals": [], "symbols": []}
    joined = " ".join(read(render(young)).texts["en"])
    assert "Nothing has settled yet." in joined
    assert "No day has closed yet." in joined
    assert "There were no outages." in joined


def test_a_page_for_a_folder_that_is_not_there_is_refused_before_the_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [COMMENDA, "simulate", SMALL, "--html", tmp_path / "missing" / "report.html"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "no_such_folder" in done.stdout + done.stderr
    assert "--html" in done.stdout + done.stderr
