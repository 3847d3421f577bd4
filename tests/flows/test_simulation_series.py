"""What a small business came to: its sums, and its days as its books have them."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commenda.kit.db import Database
from commenda.settings import Settings

COMMENDA = Path(sys.executable).with_name("commenda")
SMALL = Path(__file__).with_name("small.toml")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the small business with its database and JSON."""
    folder = tmp_path_factory.mktemp("small")
    command = [COMMENDA, "simulate", SMALL, "--keep", folder / "data"]
    done = subprocess.run(
        [*command, "--json", folder / "report.json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def report(kept: Path) -> dict[str, Any]:
    return json.loads((kept / "report.json").read_text("utf-8"))


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


def test_a_page_for_a_folder_that_is_not_there_is_refused_before_the_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [COMMENDA, "simulate", SMALL, "--html", tmp_path / "missing" / "report.html"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "no_such_folder" in done.stdout + done.stderr
    assert "--html" in done.stdout + done.stderr
