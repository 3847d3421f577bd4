"""The console without anybody asking: one acts, another sees it; a lost connection is said, and is
made good; the socket ends with the session."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import Any
from uuid import uuid4

from playwright.sync_api import Browser, Locator, Page, expect

from browsing import Visit

PATIENCE = 10_000
"""Milliseconds that a busy machine may take; where nothing else runs, two seconds are enough."""
PASSWORD = "commenda-demo"


def signed_in(page: Page, role: str, path: str) -> Page:
    page.locator("[name=username]").fill(f"demo-{role}")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[type=submit]").click()
    expect(page.locator("nav")).to_be_attached(timeout=60_000)
    page.goto(path)
    expect(mark(page)).to_have_attribute("data-live", "live")
    return page


def mark(page: Page) -> Locator:
    return page.locator("[data-live]")


def asked_by(page: Page) -> list[str]:
    """The addresses that a page asks from now on."""
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    return asked


def call(page: Page, path: str, body: dict[str, Any], **headers: str) -> Any:
    """What the API answers to whoever is signed in on a page."""
    session = page.evaluate("JSON.parse(sessionStorage.getItem('commenda.session'))")
    headers |= {
        "Authorization": f"Bearer {session['accessToken']}",
        "Idempotency-Key": str(uuid4()),
    }
    answer = page.request.post(f"/api/v1{path}", data=body, headers=headers)
    assert answer.ok, answer.text()
    return answer.json()


def money(where: Locator) -> Decimal:
    """The first amount that stands there."""
    expect(where).to_contain_text("USDT")
    found = re.search(r"[\d,]+\.\d+", where.inner_text())
    assert found is not None
    return Decimal(found[0].replace(",", ""))


def available(page: Page) -> Locator:
    """What an investor's home page says can be spent."""
    return page.get_by_role("region", name="Where it is")


def test_a_deposit_is_seen_in_another_browser_without_a_reload(visit: Visit) -> None:
    seeing = signed_in(visit(), "investor", "/home")
    acting = signed_in(visit(), "investor", "/home")
    before = money(available(seeing))
    acting.get_by_role("button", name="Deposit", exact=True).click()
    form = acting.locator("dialog[open]")
    form.locator("[name=amount]").fill("1.25")
    form.get_by_role("button", name="Deposit", exact=True).click()
    expect(form.get_by_role("status")).to_be_visible()
    begun = time.monotonic()
    while money(available(seeing)) != before + Decimal("1.25"):
        assert time.monotonic() - begun < PATIENCE / 1000, "nobody told the other browser"
        seeing.wait_for_timeout(20)
    print(f"a deposit was seen after {time.monotonic() - begun:.2f} s")


def test_what_an_operator_decides_is_seen_by_whose_it_is(visit: Visit) -> None:
    investor = signed_in(visit(), "investor", "/home")
    operator = signed_in(visit(), "operator", "/approvals")
    rows = operator.locator("main tbody tr", has_text=re.compile("20,?000"))
    expect(operator.locator("main .skeleton")).to_have_count(0)
    expect(rows).to_have_count(0)
    body = {"direction": "withdrawal", "asset": "USDT", "amount": "20000"}
    asked = call(investor, "/participation/funding", body)
    begun = time.monotonic()
    expect(rows).to_have_count(1, timeout=PATIENCE)
    print(f"a request was seen after {time.monotonic() - begun:.2f} s")
    expect(available(investor)).to_contain_text("20,000.00", timeout=PATIENCE)
    proof = call(operator, "/auth/proof", {"password": PASSWORD})["proof"]
    decision = {"reason": "not today"}
    call(operator, f"/approvals/{asked['approvalId']}/reject", decision, **{"X-Proof": proof})
    begun = time.monotonic()
    expect(available(investor)).not_to_contain_text("20,000.00", timeout=PATIENCE)
    print(f"a decision was seen after {time.monotonic() - begun:.2f} s")


def test_a_lost_connection_is_said_and_made_good(browser: Browser, demo: str) -> None:
    context = browser.new_context(base_url=demo, locale="en-US")  # which may complain of it
    page = context.new_page()
    page.goto("/")
    signed_in(page, "investor", "/activity")
    context.set_offline(True)
    expect(mark(page)).not_to_have_attribute("data-live", "live", timeout=PATIENCE)
    expect(mark(page)).to_have_text(re.compile("Reconnecting|Not live"))
    asked = asked_by(page)
    context.set_offline(False)
    expect(mark(page)).to_have_attribute("data-live", "live", timeout=PATIENCE)
    page.wait_for_timeout(1_000)
    assert any("/wallet/asset-log" in url for url in asked), "what may be missed is read anew"
    context.close()


def test_the_socket_ends_with_the_session(visit: Visit) -> None:
    page = visit("/")
    with page.expect_websocket(timeout=90_000) as opened:
        page.locator("[name=username]").fill("demo-investor")
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("[type=submit]").click()
    socket = opened.value
    assert socket.url.endswith("/ws/changes")
    expect(mark(page)).to_have_attribute("data-live", "live")
    page.get_by_role("button", name=re.compile("^You")).click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.locator("[name=username]")).to_be_visible()
    page.wait_for_timeout(500)
    assert socket.is_closed()
