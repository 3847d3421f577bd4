"""The console's pages of an exchange of one's own: its faults, and its live market."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Locator, Page, expect

from browsing import visiting
from commenda.app import create_app
from commenda.exchange import Key, simulated_house
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.settings import Settings
from commenda.venues import Simulator
from console.conftest import browser, built  # noqa: F401 - fixtures
from people import signed_in
from socketed import SETTINGS, serving

from .conftest import START, Served
from .test_feed import following, trusted, until

PATIENCE = 60_000
"""Milliseconds that a busy machine may take."""


@pytest.fixture
def market(request: pytest.FixtureRequest) -> Iterator[Served]:
    house = simulated_house(["BTCUSDT", "ETHUSDT"], seed=3, start=START, pace=30.0)
    house.open_account(Key("desk", "key-a", "secret-a"), Decimal(1_000))
    found = Served(house)
    found.server.admin = Simulator.of("", Keys.of(SETTINGS)).word
    yield found
    found.stop()


@contextmanager
def opened(browser: Browser, db: Database, settings: Settings, role: str, path: str, locale: str
           ) -> Iterator[Page]:  # fmt: skip
    """A page of the console for whoever is of this role, whose session is there already."""
    headers = signed_in(db, role, settings=settings)
    with serving(db, settings) as server:
        with TestClient(create_app(settings, db)) as client:
            user = client.get("/api/v1/auth/me", headers=headers).json()
        token = headers["Authorization"].removeprefix("Bearer ")
        kept = json.dumps({"accessToken": token, "refreshToken": "none", "user": user})
        with visiting(browser, f"http://127.0.0.1:{server.port}") as visit:
            page = visit("/", locale)
            page.evaluate("kept => sessionStorage.setItem('commenda.session', kept)", kept)
            page.goto(path)
            yield page


def table(page: Page, name: str) -> Locator:
    return page.get_by_role("table", name=name)


def listed(page: Page, name: str) -> Locator:
    """A list, whose name its frame has."""
    return page.get_by_role("region", name=name).get_by_role("table").last


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en-US", ("Set a fault", "Set it", "Clear", "Nothing goes wrong", "Maintenance: 503",
                   "What it does", "Where", "Faults that there are", "What goes wrong now")),
        ("zh-CN", ("设置故障", "设置", "清除", "没有故障", "维护：一律答复 503",
                   "作用", "范围", "可用故障", "当前故障")),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("built")
def test_a_fault_is_set_strikes_and_is_removed(
    browser: Browser,
    db: Database,
    market: Served,
    locale: str,
    words: tuple[str, ...],
) -> None:
    add, put, clear, quiet, maintenance, does, where, kinds, script = words
    settings = replace(SETTINGS, demo_exchange=f"http://{market.address}")
    with opened(browser, db, settings, "operator", "/simulator", locale) as page:
        expect(page.get_by_text(quiet, exact=True)).to_be_visible(timeout=PATIENCE)
        page.get_by_role("button", name=add, exact=True).click()
        form = page.get_by_role("dialog")
        form.get_by_label(does).select_option("maintenance")
        form.get_by_label(where).fill("GET /fapi/v1/ping")
        form.get_by_role("button", name=put, exact=True).click()
        row = listed(page, script).get_by_role("row").nth(1)
        expect(row).to_contain_text(maintenance, timeout=PATIENCE)
        expect(row).to_contain_text("GET /fapi/v1/ping")
        assert [one.kind for one in market.house.script.faults] == ["maintenance"]
        struck = listed(page, kinds).get_by_role("row").filter(has_text="maintenance")
        assert struck.get_by_role("cell").last.inner_text() == "0"
        answer = page.request.get(f"http://{market.address}/fapi/v1/ping")
        assert answer.status == 503
        expect(struck.get_by_role("cell").last).to_have_text("1", timeout=PATIENCE)
        row.get_by_role("button", name=clear, exact=True).click()
        expect(page.get_by_text(quiet, exact=True)).to_be_visible(timeout=PATIENCE)
        assert market.house.script.faults == []


@pytest.mark.usefixtures("built")
def test_a_book_moves_grows_old_and_is_gone_with_its_feed(
    browser: Browser,
    db: Database,
    market: Served,
    tmp_path: Path,
) -> None:
    """The book changes, the tape goes on; a book that no snapshot mends is called stale, and a feed
    that has ended is said to be gone."""
    with following(db, market) as running:
        until(lambda: trusted(db), 90)
        at = "/markets/BTCUSDT?venue=simulated"
        with opened(browser, db, SETTINGS, "investor", at, "en-US") as page:
            standing = page.locator("main [role=status]").first
            expect(standing).to_contain_text("Live", timeout=PATIENCE)
            book, tape = table(page, "Order book"), table(page, "Last trades")
            expect(book.locator("tbody tr").first).to_be_visible(timeout=PATIENCE)
            expect(tape.locator("tbody tr").first).to_be_visible(timeout=PATIENCE)
            before, newest = book.inner_text(), tape.locator("tbody tr").first.inner_text()
            until(lambda: book.inner_text() != before)
            until(lambda: tape.locator("tbody tr").first.inner_text() != newest)
            market.house.script.set(
                [
                    {"kind": "depth_gap", "matches": "btcusdt", "times": 1},
                    {"kind": "maintenance", "matches": "/depth"},  # no snapshot mends it
                ]
            )
            expect(standing).to_contain_text("The book is stale", timeout=PATIENCE)
            market.house.script.set([])
            expect(standing).to_contain_text("Live", timeout=PATIENCE)
            running.stop()
            expect(standing).to_contain_text("No feed follows it now", timeout=PATIENCE)
            expect(book).to_have_count(0)
