"""What is around the pages: keys, the reader of the API, and what is said of sessions and of what
grew old."""

from __future__ import annotations

import json
import re
import urllib.request

from playwright.sync_api import expect

from browsing import Visit, arrive, enter

LINK = "document.activeElement.closest('tr')?.dataset.index"


def test_a_list_is_walked_and_opened_by_keys(visit: Visit) -> None:
    page = visit("/")
    enter(page, "operator")
    arrive(page, "/subscriptions")
    expect(page.locator("main tbody tr[data-index='2']")).to_be_attached(timeout=60_000)
    for key, row in (("j", "0"), ("j", "1"), ("ArrowDown", "2"), ("k", "1"), ("Home", "0")):
        page.keyboard.press(key)
        assert page.evaluate(LINK) == row, key
    page.keyboard.press("End")
    page.wait_for_function(f"Number({LINK}) >= 2")  # a row comes when it comes into sight
    before = page.evaluate("history.length")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/subscriptions/[0-9a-f-]{36}"))
    assert page.evaluate("history.length") == before + 1  # one press, one act


def test_keys_find_the_search_and_say_themselves(visit: Visit) -> None:
    page = visit("/")
    enter(page, "auditor")
    arrive(page, "/docs")
    page.keyboard.press("/")
    expect(page.locator("main input[type=search]")).to_be_focused()
    page.keyboard.type("?/j")  # typed, not obeyed
    expect(page.locator("main input[type=search]")).to_have_value("?/j")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_contain_text("Ctrl K")
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.locator("dialog[open] input")).to_be_focused()
    page.keyboard.type("journals")
    page.keyboard.press("Enter")
    page.wait_for_url("**/journals")


def test_the_api_is_read_by_everybody(visit: Visit, demo: str) -> None:
    with urllib.request.urlopen(f"{demo}/openapi.json") as answer:
        document = json.load(answer)
    count = sum(len(path) for path in document["paths"].values())
    page = visit("/docs")
    expect(page.locator("main nav li")).to_have_count(count)
    page.locator("main input[type=search]").fill("idempotency-key withdraw")
    expect(page.locator("main nav li")).not_to_have_count(count)
    page.get_by_role("link", name="POST Subscribe", exact=True).wait_for(state="detached")
    page.goto("/docs/subscribe")
    main = page.locator("main")
    expect(main).to_contain_text("POST /api/v1/managed-subscriptions")
    expect(main.get_by_text("subscribe", exact=True)).to_be_visible()  # the permission
    expect(main.locator("pre").filter(has_text="curl")).to_contain_text("Idempotency-Key")
    page.goto("/docs/nothing")
    expect(main).to_contain_text("no operation nothing")


def test_a_session_that_was_ended_says_so(visit: Visit) -> None:
    page = visit("/", excused="status of 401")
    enter(page, "investor")
    arrive(page, "/holdings")
    page.evaluate(
        """() => {
            const kept = JSON.parse(sessionStorage.getItem("commenda.session"))
            kept.accessToken = kept.refreshToken = "ended"
            sessionStorage.setItem("commenda.session", JSON.stringify(kept))
        }"""
    )
    page.reload()
    cover = page.get_by_role("dialog", name="Sign in")
    expect(cover.get_by_role("status")).to_contain_text("session has ended")
    cover.locator("[name=password]").fill("commenda-demo")
    cover.locator("[type=submit]").click()
    expect(cover).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("Holdings")
    assert page.url.endswith("/holdings")  # where it was


def test_what_was_typed_outlives_a_session(visit: Visit) -> None:
    page = visit("/", excused="status of 401|WebSocket")
    enter(page, "investor")
    arrive(page, "/home")
    page.get_by_role("button", name="Deposit", exact=True).click()
    page.locator("dialog [name=amount]").fill("12.5")
    token = page.evaluate("JSON.parse(sessionStorage.getItem('commenda.session')).accessToken")
    page.request.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {token}"})
    cover = page.get_by_role("dialog", name="Sign in")
    expect(cover.get_by_role("status")).to_contain_text("what you typed")
    page.evaluate("""() => {
        const press = { key: "Escape", code: "Escape", bubbles: true, cancelable: true }
        window.kept = !document.dispatchEvent(new KeyboardEvent("keydown", press))
    }""")
    assert page.evaluate("window.kept")  # else a fast press would reach the window beneath
    for _ in range(5):
        page.keyboard.press("Escape")
    expect(cover).to_be_visible()  # there is no way round it
    expect(cover.locator("[name=username]")).to_have_value("demo-investor")
    cover.locator("[name=password]").fill("commenda-demo")
    cover.locator("[type=submit]").click()
    expect(cover).to_have_count(0)
    form = page.locator("dialog[open]")
    expect(form.locator("[name=amount]")).to_have_value("12.5")
    form.get_by_role("button", name="Deposit", exact=True).click()
    expect(form.get_by_role("status")).to_be_visible()


def test_what_grew_old_is_marked_and_heals(visit: Visit) -> None:
    page = visit("/", excused="Failed to load resource|WebSocket")
    enter(page, "operator")
    arrive(page, "/operation")
    old = page.get_by_role("status").filter(has_text="figures are old")
    expect(old).to_have_count(0)
    page.route("**/api/**", lambda route: route.abort())
    expect(old.first).to_be_visible(timeout=60_000)
    expect(page.get_by_role("heading", level=1)).to_be_visible()  # what was seen stays
    page.unroute("**/api/**")
    expect(old).to_have_count(0, timeout=60_000)
