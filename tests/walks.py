"""What walks through the console share: words in both languages, people who are signed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from playwright.sync_api import Locator, Page, expect

from browsing import Visit

PASSWORD = "commenda-demo"
PATIENCE = 240_000
"""Milliseconds for a worker to end what it was asked for, on a busy machine."""


@dataclass(frozen=True)
class Words:
    """What the tests press and read, in one language."""

    locale: str
    backtest: str
    study: str
    verdict: re.Pattern[str]
    publish: str
    follow: str
    see: str
    stop: str
    exit_fee: str
    to_wallet: str
    followers: str
    follows: str
    left: str
    edit: str
    save: str
    prove: str
    clean: str
    rules: re.Pattern[str]
    evidence: str
    csv: str
    lines: str
    find: str
    open: str


ENGLISH = Words(
    locale="en-US",
    backtest="Run a backtest",
    study="Start a study",
    verdict=re.compile("^(Promote|Doubtful|Overfit)$"),
    publish="Publish a flow",
    follow="Follow",
    see="See it",
    stop="Stop copying",
    exit_fee="Venue fees of closing it",
    to_wallet="Paid to the wallet",
    followers="Followers",
    follows="Follows",
    left="Left",
    edit="Change terms",
    save="Change them",
    prove="Prove now",
    clean="Clean",
    rules=re.compile("All \\d+ rules"),
    evidence="Take evidence",
    csv="Export CSV",
    lines="Export JSON lines",
    find="Find",
    open="Open its page",
)
CHINESE = Words(
    locale="zh-CN",
    backtest="运行回测",
    study="发起参数研究",
    verdict=re.compile("^(通过|存疑|过拟合)$"),
    publish="发布信号流",
    follow="跟单",
    see="查看",
    stop="停止跟单",
    exit_fee="平仓的交易所手续费",
    to_wallet="已转入钱包",
    followers="跟单者",
    follows="跟单中",
    left="已退出",
    edit="变更条款",
    save="确认变更",
    prove="立即证明",
    clean="无误",
    rules=re.compile("全部 \\d+ 条规则"),
    evidence="导出证据",
    csv="导出 CSV",
    lines="导出 JSON 行",
    find="查找",
    open="打开页面",
)


def signed_in(visit: Visit, role: str, words: Words) -> Page:
    page = visit("/", words.locale)
    page.locator("[name=username]").fill(f"demo-{role}")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[type=submit]").click()
    expect(page.locator("nav")).to_be_attached()
    return page


def asked(page: Page, path: str) -> Any:
    """What the API answers whoever is signed in on a page."""
    return page.evaluate(
        """async (path) => {
            const { accessToken } = JSON.parse(sessionStorage.getItem("commenda.session"))
            const headers = { Authorization: `Bearer ${accessToken}` }
            return (await fetch(path, { headers })).json()
        }""",
        path,
    )


def sent(page: Page, path: str, body: Mapping[str, Any], method: str = "POST") -> Any:
    """What the API answers to a write of whoever is signed in on a page, with their password."""
    return page.evaluate(
        """async ([path, body, key, password, method]) => {
            const { accessToken } = JSON.parse(sessionStorage.getItem("commenda.session"))
            const headers = { Authorization: `Bearer ${accessToken}` }
            headers["Content-Type"] = "application/json"
            const send = async (method, path, body) => {
                const answer = await fetch(path, { method, headers, body })
                if (!answer.ok) throw new Error(await answer.text())
                return answer.json()
            }
            const { proof } = await send("POST", "/api/v1/auth/proof", JSON.stringify({ password }))
            headers["X-Proof"] = proof
            headers["Idempotency-Key"] = key
            return send(method, path, JSON.stringify(body))
        }""",
        [path, dict(body), str(uuid4()), PASSWORD, method],
    )


def window(page: Page) -> Locator:
    return page.locator("dialog[open]").last


def pressing(page: Page) -> Callable[..., None]:
    def press(name: str, *, first: bool = False) -> None:
        found = page.get_by_role("button", name=name, exact=True)
        (found.first if first else found.last).click()

    return press
