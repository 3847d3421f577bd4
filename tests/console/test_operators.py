"""What operators do in the console, in two: a change of the return matrix, and a settlement run.

A real server over a real database; the test is the clock, and does what workers do.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from playwright.sync_api import Browser, Locator, Page, expect

from browsing import Visit, visiting
from commenda.app import create_app
from commenda.identity import Role, create_user, prepare_password
from commenda.kit.db import Database
from commenda.managed import State
from managed_calls import market
from people import SETTINGS
from processes import answer, free_port, until
from scripted import D
from world import World

PASSWORD = "a long enough passphrase 7"
OFFICE = replace(SETTINGS, require_second_factor=False)
OLGA, OTTO = "olga", "otto"


@dataclass(frozen=True)
class Words:
    """What the test presses and reads, in one language."""

    locale: str
    propose: str
    preview: str
    ask: str
    approve: str
    to_come: str
    in_force: str
    waiting: str
    none_waits: str
    before: str
    everything: str
    follow: str
    settled: str
    stuck: str
    refused: str
    add_key: str
    passphrase: str


ENGLISH = Words(
    locale="en-US",
    propose="Propose a change",
    preview="See what it changes",
    ask="Ask for it",
    approve="Approve",
    to_come="To come",
    in_force="In force",
    waiting="Waits for somebody's decision",
    none_waits="Nothing waits",
    before="12.00%",
    everything="Settle all that is ready",
    follow="Follow the run",
    settled="All settled",
    stuck="its closing is asked for with the next tick",
    refused="let warningPercent be at most alertPercent",
    add_key="Add a key",
    passphrase="Passphrase",
)
CHINESE = Words(
    locale="zh-CN",
    propose="提出变更",
    preview="预览变更",
    ask="提交申请",
    approve="批准",
    to_come="待生效",
    in_force="生效中",
    waiting="待审批事项",
    none_waits="没有待审批事项",
    before="12.00%",
    everything="结算全部可结算的",
    follow="查看进度",
    settled="全部结算",
    stuck="将于下一轮申请清仓",
    refused="不得大于告警",
    add_key="添加密钥",
    passphrase="密码短语",
)


@dataclass
class House:
    world: World
    visit: Visit

    def sign_in(self, name: str, locale: str) -> Page:
        page = self.visit("/", locale, viewport={"width": 1440, "height": 900})
        page.locator("[name=username]").fill(name)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("[type=submit]").click()
        expect(page.locator("nav")).to_be_attached()
        return page


@contextmanager
def serving(database: Database) -> Iterator[str]:
    port = free_port()
    config = uvicorn.Config(create_app(OFFICE, database), port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        address = f"http://127.0.0.1:{port}"
        until("the server answers", lambda: answer(f"{address}/healthz"), 60)
        yield address
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def house(built: Path, browser: Browser, db: Database) -> Iterator[House]:
    world = market(db)
    with db.transaction() as tx:
        for name in (OLGA, OTTO):
            hashed = prepare_password(PASSWORD, name)
            create_user(tx, name, hashed, Role.OPERATOR, world.now, actor="test")
    with serving(db) as address, visiting(browser, address) as visit:
        yield House(world, visit)


@pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=lambda words: words.locale)
def test_the_matrix_is_changed_by_two_and_says_so(house: House, words: Words) -> None:
    product = house.world.product(days=1)
    olga, otto = house.sign_in(OLGA, words.locale), house.sign_in(OTTO, words.locale)

    olga.goto("/products")
    olga.locator("main table a").first.click()
    olga.wait_for_url(f"**/products/{product}")
    press(olga, words.propose)
    fill(olga, "annualReturn", "0.15")
    fill(olga, "warningPercent", "90")
    press(olga, words.preview)
    expect(window(olga).get_by_text(words.refused).first).to_be_visible()
    fill(olga, "warningPercent", "2")
    press(olga, words.preview)
    changed = window(olga).locator("tr", has_text="15.00%")
    expect(changed).to_contain_text(words.before)
    press(olga, words.ask)
    expect(window(olga).get_by_role("status")).to_be_visible()
    olga.keyboard.press("Escape")
    expect(card(olga, words.waiting)).to_contain_text(OLGA)
    expect(card(olga, words.waiting)).to_contain_text("15.00%")

    decide(otto, words, "15.00%")
    house.world.advance()

    olga.goto(f"/products/{product}")
    row = olga.locator("main tr", has_text="15.00%").first
    for said in (words.before, words.to_come, OLGA, OTTO):
        expect(row).to_contain_text(said)
    expect(card(olga, words.waiting)).to_contain_text(words.none_waits)
    house.world.advance(72)
    olga.reload()
    expect(olga.locator("main tr", has_text="15.00%").first).to_contain_text(words.in_force)
    house.world.assert_sound()


@pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=lambda words: words.locale)
def test_a_run_settles_what_has_matured(house: House, words: Words) -> None:
    world = house.world
    subscription = matured(world)
    olga, otto = house.sign_in(OLGA, words.locale), house.sign_in(OTTO, words.locale)

    olga.goto(f"/subscriptions/{subscription}")
    expect(olga.get_by_text(words.stuck).first).to_be_visible()
    olga.goto("/settlement")
    ready = olga.locator("main table").first
    expect(ready).to_contain_text("10,000.00")
    press(olga, words.everything)
    press(olga, words.ask)
    window(olga).get_by_role("link", name=words.follow).click()
    olga.wait_for_url("**/settlement/*")

    decide(otto, words, "10,000.00")
    assert world.status(subscription) == State.LIQUIDATING
    olga.reload()
    expect(olga.locator("progress")).to_have_attribute("value", "0")
    world.liquidate()
    world.settle(subscription)
    world.move_cash()

    olga.reload()
    expect(olga.locator("progress")).to_have_attribute("value", "1")
    expect(olga.get_by_text(words.settled).first).to_be_visible()
    expect(olga.locator("main")).to_contain_text(OTTO)
    olga.goto("/settlement")
    expect(olga.locator("main tr", has_text=OTTO).first).to_contain_text("1 / 1")
    world.assert_sound()


@pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=lambda words: words.locale)
def test_a_passphrase_is_asked_for_where_the_exchange_has_one(house: House, words: Words) -> None:
    """And goes there with its key, of which this exchange thinks nothing."""
    exchange = Unwilling(("127.0.0.1", 0), Refusing)
    threading.Thread(target=exchange.serve_forever, daemon=True).start()
    olga = house.sign_in(OLGA, words.locale)
    olga.goto("/venues")
    press(olga, words.add_key)
    phrase = window(olga).get_by_label(words.passphrase, exact=True)
    expect(window(olga).locator("[name=secret]")).to_be_visible()
    for account, times in (("binance_usdm:desk", 0), ("okx_swap:desk", 1), ("bybit_linear:", 0)):
        fill(olga, "account", account)
        expect(phrase).to_have_count(times)
    fill(olga, "account", "okx_swap:desk")
    fill(olga, "address", f"http://127.0.0.1:{exchange.server_port}")
    for name in ("key", "secret", "passphrase"):
        fill(olga, name, f"a {name} of the desk")
    expect(phrase).to_have_attribute("type", "password")
    with olga.expect_response(lambda told: told.url.endswith("/venues")) as told:
        window(olga).locator("[type=submit]").click()
    exchange.shutdown()
    assert told.value.json()["code"] == "key_refused"
    assert exchange.phrases == {"a passphrase of the desk"}


class Unwilling(ThreadingHTTPServer):
    """An exchange that knows the time and OKX's words for a wrong passphrase, and what it was told
    for one."""

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        self.phrases: set[str] = set()


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name that http.server calls
        assert isinstance(self.server, Unwilling)
        told: dict[str, Any] = {"code": "0", "data": [{"ts": str(int(time.time() * 1000))}]}
        phrase = self.headers.get("OK-ACCESS-PASSPHRASE")
        if phrase is not None:
            self.server.phrases.add(phrase)
            told = {"code": "50105", "data": [], "msg": "incorrect"}
        self.send_response(200 if phrase is None else 401)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


def matured(world: World) -> UUID:
    """A subscription whose term is over, and of which nobody has taken notice yet."""
    subscription = world.subscribe(world.investor("ines"), world.product(days=1))
    world.activate()
    world.advance(24).mature()
    world.mark()
    return subscription


def decide(page: Page, words: Words, says: str) -> None:
    """Approve the one request that waits, having read what it changes and proven who one is."""
    page.goto("/approvals")
    page.locator("main table button").first.click()
    expect(window(page).get_by_text(says).first).to_be_visible()
    press(page, words.approve)
    window(page).locator("[name=password]").fill(PASSWORD)
    with page.expect_response(lambda told: told.url.endswith("/approve")) as decided:
        window(page).locator("[type=submit]").click()
    assert decided.value.ok, decided.value.text()
    expect(page.locator("dialog[open]")).to_have_count(0)


def window(page: Page) -> Locator:
    return page.locator("dialog[open]").last


def card(page: Page, title: str) -> Locator:
    return page.locator("section", has=page.get_by_role("heading", name=title, exact=True))


def fill(page: Page, name: str, value: str) -> None:
    window(page).locator(f"[name^='{name}']").fill(value)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).last.click()


@pytest.mark.parametrize(
    "words",
    [
        ("en-US", "Change the limit", "Cancel the order", "Being cancelled", "too far"),
        ("zh-CN", "修改限价", "撤销订单", "撤单中", "相差超过一成"),
    ],
)
def test_an_order_that_rests_is_moved_and_cancelled(
    built: Path, browser: Browser, db: Database, words: tuple[str, ...]
) -> None:
    """From 100 to 99.5, and then not at all; the worker does it when it looks next."""
    locale, move, end, ending, far = words
    world = World(db, slippage="0.01")
    flow = world.creator("anna")
    with db.transaction() as tx:
        tx.execute("UPDATE shared_flows SET entry = 'post_only'")
        hashed = prepare_password(PASSWORD, OLGA)
        create_user(tx, OLGA, hashed, Role.OPERATOR, world.now, actor="test")
    world.activate()
    signal = world.signal(flow, "0.5")
    with serving(db) as address, visiting(browser, address) as visit:
        olga = House(world, visit).sign_in(OLGA, locale)
        olga.goto("/orders")
        olga.locator("main table a").first.click()
        press(olga, move)
        fill(olga, "limitPrice", "50")
        fill(olga, "note", "Nearer")
        window(olga).locator("[type=submit]").click()
        expect(window(olga).get_by_text(far).first).to_be_visible()
        fill(olga, "limitPrice", "99.5")
        window(olga).locator("[type=submit]").click()
        expect(window(olga)).to_have_count(0)
        expect(olga.locator("main")).to_contain_text("99.5")
        world.copy(signal)
        assert world.rows("SELECT status, limit_price FROM orders") == [("accepted", D("99.5"))]
        olga.reload()
        press(olga, end)
        fill(olga, "note", "The market has gone")
        window(olga).locator("[type=submit]").click()
        expect(olga.locator("main")).to_contain_text(ending)
        world.copy(signal)
        assert world.one("SELECT status FROM orders") == "cancelled"
        olga.reload()
        expect(olga.get_by_role("button", name=end)).to_have_count(0)
