"""What somebody who is new looks for, counted in presses from the first page of their role."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from browsing import Visit
from walks import CHINESE, ENGLISH, PATIENCE, Words, asked, sent, signed_in, window

MOST = 4
both = pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=lambda words: words.locale)


class Presses:
    """Presses what is seen, and counts."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, what: Locator) -> None:
        what.click()
        self.made += 1
        assert self.made <= MOST, f"more than {MOST} presses"


def home_of(
    visit: Visit, role: str, words: Words
) -> tuple[Page, Presses, Callable[[str], Locator]]:
    """Somebody signed in at the first page of their role, and the links of the navigation."""
    page = signed_in(visit, role, words)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page, Presses(), lambda path: page.locator(f"nav a[href='{path}']")


@both
def test_what_i_earned_net_of_fees_this_month(visit: Visit, words: Words) -> None:
    page, press, _ = home_of(visit, "investor", words)
    named = {"en-US": "Gain, net of fees", "zh-CN": "净收益（扣费后）"}[words.locale]
    figure = page.locator("section", has_text=named).first
    expect(figure).to_contain_text(re.compile("[0-9]"))
    expect(figure).to_contain_text({"en-US": "over 30 days", "zh-CN": "近 30 天"}[words.locale])
    assert press.made == 0


@both
def test_why_my_subscription_is_not_settled(visit: Visit, words: Words) -> None:
    page, press, to = home_of(visit, "investor", words)
    offers = asked(page, "/api/v1/managed/products")
    longest = max(offers, key=lambda one: (one["termDays"], -float(one["minimum"])))
    order = {"productId": longest["productId"], "amount": longest["minimum"]}
    open_one = sent(page, "/api/v1/managed-subscriptions", order)["subscriptionId"]
    press(to("/holdings"))
    press(page.locator(f"tbody a[href='/holdings/{open_one}']"))
    why = {"en-US": "Why it is not settled", "zh-CN": "未结算的原因"}[words.locale]
    card = page.locator("section", has=page.get_by_role("heading", name=why))
    expect(card).to_contain_text(re.compile("\\d{4}-\\d{2}-\\d{2}"))


def test_who_changed_the_matrix(visit: Visit) -> None:
    asker, decider = signed_in(visit, "operator", ENGLISH), signed_in(visit, "operator-2", ENGLISH)
    cell = asked(asker, "/api/v1/managed/return-matrix?limit=1")
    first = (cell["items"] if isinstance(cell, dict) else cell)[0]
    change = {
        "productId": first["productId"],
        "annualReturn": "0.07",
        "warningPercent": first["warningPercent"],
        "alertPercent": first["alertPercent"],
        "validFrom": "2027-01-01T00:00:00Z",
    }
    waiting = sent(asker, "/api/v1/managed/return-matrix", change, "PUT")
    sent(decider, f"/api/v1/approvals/{waiting['approvalId']}/approve", {})

    page, press, to = home_of(visit, "auditor", ENGLISH)
    press(to("/products"))
    press(page.locator(f"a[href='/products/{first['productId']}']"))
    row = page.get_by_role("region", name="Expected return over time").locator("tbody tr").first
    expect(row).to_contain_text("demo-operator")
    expect(row).to_contain_text("demo-operator-2")


@both
def test_stop_a_copy(visit: Visit, words: Words) -> None:
    page, press, to = home_of(visit, "investor", words)
    flow = asked(page, "/api/v1/co-trading/flows?sortBy=newest&limit=1")["items"][0]
    order = {"flowId": flow["flowId"], "investmentAmount": "150"}
    copy = sent(page, "/api/v1/co-trading/subscribe", order)["subscriptionId"]
    press(to("/holdings"))
    press(page.locator(f"tbody a[href='/copies/{copy}']"))
    press(page.get_by_role("button", name=words.stop, exact=True))
    press(window(page).get_by_role("button", name=words.stop, exact=True))
    paid = page.locator("dt", has_text=words.to_wallet).locator("+ dd")
    expect(paid).to_have_text(re.compile("\\d"), timeout=PATIENCE)


@both
def test_the_best_parameters_sharpe_out_of_sample(visit: Visit, words: Words) -> None:
    page, press, to = home_of(visit, "creator", words)
    study = sent(
        page,
        "/api/v1/optimizer/run",
        {
            "strategy": "sma_cross",
            "venue": "simulated",
            "symbol": "BTCUSDT",
            "interval": "5m",
            "space": {"fast": "10|20", "slow": "60|90"},
            "sampler": "grid",
            "start": "2025-12-20T00:00:00Z",
        },
    )["id"]
    press(to("/studies"))
    row = page.locator(f"tbody a[href='/studies/{study}']")
    expect(row).to_be_visible()
    press(row)
    said = {"en-US": "Sharpe out of sample", "zh-CN": "样本外夏普"}[words.locale]
    figure = page.locator("section", has_text=said).first
    expect(figure).to_contain_text(re.compile("-?\\d+[.]\\d"), timeout=PATIENCE)


@both
def test_why_my_flow_earns_otherwise_than_its_backtest(visit: Visit, words: Words) -> None:
    """A row for each cause that the API tells; none where both did the same so far."""
    page, press, to = home_of(visit, "creator", words)
    press(to("/my-flows"))
    press(page.locator("tbody a[href^='/my-flows/']").first)
    compare, causes = {
        "en-US": ("Compare", "What the difference is made of"),
        "zh-CN": ("开始对比", "差异的构成"),
    }[words.locale]
    flow = page.url.rpartition("/")[2]
    with page.expect_response(re.compile(f"/flows/{flow}/comparison")) as answered:
        press(page.get_by_role("button", name=compare, exact=True))
    told = answered.value.json()
    assert told["decisions"]["agreeing"] == told["decisions"]["backtest"]
    table = page.get_by_role("region", name=causes).first  # its card; the table has its name, too
    expect(table).to_be_visible()
    expect(table.locator("tbody tr")).to_have_count(len(told["causes"]))
