"""What people do in the console, in a browser, against a living demo: the investor's whole loop,
in both languages, and what else is looked after every day."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyotp
from playwright.sync_api import Page, expect

from browsing import Visit, enter
from walks import pressing, window

PASSWORD = "a long enough passphrase 7"
SETTLED = 240_000
"""Milliseconds for a product of one day to be settled, at a day a minute on a busy machine."""
TAKEN_BACK = 600_000
"""Milliseconds for the bank to take a payment back, which it does after six days."""


@dataclass(frozen=True)
class Words:
    """What the test presses and reads, in one language."""

    locale: str
    register: str
    deposit: str
    authorise: str
    subscribe: str
    set_up: str
    go_on: str
    confirm: str
    see: str
    reserved: re.Pattern[str]
    settled: str
    to_wallet: str
    profile: str


ENGLISH = Words(
    locale="en-US",
    register="Register",
    deposit="Deposit",
    authorise="Authorise custody",
    subscribe="Subscribe",
    set_up="Set up",
    go_on="Go on",
    confirm="Confirm",
    see="See it",
    reserved=re.compile("Reserved|Active|Matured"),
    settled="Settled",
    to_wallet="To the wallet",
    profile="Conservative",
)
CHINESE = Words(
    locale="zh-CN",
    register="注册",
    deposit="充值",
    authorise="授权托管",
    subscribe="认购",
    set_up="启用",
    go_on="继续",
    confirm="确认",
    see="查看",
    reserved=re.compile("已预留|运作中|已到期"),
    settled="已结算",
    to_wallet="转入钱包",
    profile="稳健",
)


def test_an_investor_goes_from_registering_to_being_paid_in_either_language(visit: Visit) -> None:
    waiting = [(subscribed(visit, words), words) for words in (ENGLISH, CHINESE)]
    for page, words in waiting:  # for what ends on one day
        is_paid(page, words)


def subscribed(visit: Visit, words: Words) -> Page:
    """Register, pay in, authorise and subscribe; the page of the subscription."""
    page = visit("/register", words.locale)
    press = pressing(page)
    page.locator("[name=username]").fill(f"walker-{words.locale[:2]}")
    page.locator("[name=password]").fill(PASSWORD)
    press(words.register)

    page.wait_for_url("**/home")
    page.goto("/account")
    press(words.set_up)
    window(page).locator("[name=password]").fill(PASSWORD)
    press(words.go_on)
    secret = page.locator("code", has_text=re.compile("^[A-Z2-7]{16,}$")).inner_text()
    page.locator("form", has=page.locator("svg")).locator("[name=code]").fill(
        pyotp.TOTP(secret).now()
    )
    press(words.confirm)
    expect(page.locator("li", has_text=re.compile(r"^[\w-]{8,}$")).first).to_be_visible()

    page.goto("/home")
    press(words.deposit)
    window(page).locator("[name=amount]").fill("5000")
    window(page).get_by_role("button", name=words.deposit, exact=True).click()
    expect(window(page).get_by_role("status")).to_be_visible()
    page.goto("/home")
    expect(page.get_by_text("5,000.00").first).to_be_visible()
    press(words.authorise)
    window(page).locator("[name=limit]").fill("4000")
    window(page).get_by_role("button", name=words.authorise, exact=True).click()
    expect(window(page)).to_have_count(0)

    page.goto("/discover?profile=conservative")
    press(words.subscribe, first=True)
    window(page).locator("[name=amount]").fill("2500")
    window(page).get_by_role("checkbox").check()
    window(page).get_by_role("button", name=words.subscribe, exact=True).click()
    window(page).get_by_role("link", name=words.see).click()

    expect(page.get_by_role("heading", level=1)).to_contain_text(words.profile)
    expect(page.get_by_text("2,500.00").first).to_be_visible()
    return page


def is_paid(page: Page, words: Words) -> None:
    expect(page.get_by_text(words.settled, exact=True).first).to_be_visible(timeout=SETTLED)
    expect(page.get_by_text(words.to_wallet).first).to_be_visible()

    page.goto("/activity")
    expect(page.get_by_text("+5,000.00").first).to_be_visible()
    expect(page.get_by_text("-2,500.00").first).to_be_visible()


PAGES = {  # each is visited in test_access.py
    "investor": (
        "/home",
        "/discover",
        "/discover?kind=flows",
        "/discover?kind=pools",
        "/holdings",
        "/portfolios",
        "/activity",
        "/statement?accounts=all",
        "/account",
        "/markets",
    ),
    "creator": ("/studio", "/backtests", "/studies", "/my-flows", "/income", "/referrals"),
    "operator": (
        "/operation",
        "/subscriptions",
        "/approvals",
        "/alerts?shown=all",
        "/work",
        "/settlement",
        "/products",
        "/products?kind=pools",
        "/products?kind=accruals",
        "/money",
        "/money?view=freezes",
        "/schedules",
        "/venues",
    ),
    "auditor": (
        "/proof",
        "/journals",
        "/accounts",
        "/trace?name=demo-investor",
        "/statements",
        "/trail",
    ),
    "risk": (
        "/exposure",
        "/exposure?by=creator",
        "/exposure?by=venue",
        "/limits",
        "/limits?view=findings",
        "/orders",
        "/breakers",
        "/abilities",
        "/decisions",
        "/margins",
        "/margins?view=closings",
        "/margins?view=freezes",
        "/alerts",
        "/market-data",
    ),
    "admin": ("/users", "/schedules"),
}


def test_a_risk_officer_finds_what_is_behind_a_figure_and_looks_after_an_alert(
    visit: Visit,
) -> None:
    page = visit("/")
    enter(page, "risk")
    page.goto("/exposure")
    page.locator("main tbody button").first.click()
    behind = page.get_by_role("region", name="Books behind it")
    expect(behind.locator("tbody tr").first).to_be_visible()
    assert "of=" in page.url

    page.goto("/alerts?severity=critical")
    alerts = page.get_by_role("region", name="Alerts")
    waits = page.get_by_role("button", name="Acknowledge", exact=True).first
    expect(waits).to_be_visible(timeout=TAKEN_BACK)
    waits.click()
    kind = window(page).locator("dd").first.inner_text()
    window(page).locator("[name=note]").fill("The venue was called: it trades again at noon")
    window(page).get_by_role("button", name="Acknowledge", exact=True).click()
    expect(window(page)).to_have_count(0)
    row = alerts.locator("tr", has_text="it trades again at noon")
    expect(row).to_contain_text(kind)
    expect(row).to_contain_text("Acknowledged")
    expect(row).to_contain_text("demo-risk")
    page.goto("/alerts?shown=acknowledged")
    expect(alerts.locator("tr", has_text="it trades again at noon")).to_be_visible()

    # An auditor reads the note, and has nothing to press.
    other = visit("/")
    enter(other, "auditor")
    other.goto("/alerts")
    expect(other.get_by_text("it trades again at noon").first).to_be_visible()
    expect(other.get_by_role("button", name="Acknowledge", exact=True)).to_have_count(0)


def test_amounts_can_be_hidden_and_the_choice_stays(visit: Visit) -> None:
    page = visit("/")
    enter(page, "investor")
    page.get_by_role("button", name="Hide amounts").click()
    expect(page.locator("main").get_by_text("••••••").first).to_be_visible()
    page.reload()
    expect(page.locator("main").get_by_text("••••••").first).to_be_visible()
