"""The loops of a creator and of an auditor, in a browser, against a living demo."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browsing import Visit
from walks import CHINESE, ENGLISH, PATIENCE, Words, asked, pressing, signed_in, window

UNTIL = "2026-01-05T02:00"
"""A moment early in the demo: what was posted before it stays as it is."""


both = pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=lambda words: words.locale)


@both
def test_a_creator_tries_publishes_and_sees_a_follower_come_and_go(
    visit: Visit, words: Words
) -> None:
    page = signed_in(visit, "creator", words)
    page.goto("/studio")
    card = page.locator("section", has=page.get_by_role("heading", name="sma_cross"))
    card.locator("a[href^='/backtests?run=']").click()
    form = window(page)
    form.locator("[name=start]").fill("2025-12-20T00:00")
    form.get_by_role("button", name=words.backtest, exact=True).click()
    page.wait_for_url(re.compile("/backtests/[0-9a-f-]{36}"), timeout=PATIENCE)
    expect(page.locator("main canvas").first).to_be_visible(timeout=PATIENCE)

    page.goto("/studies?run=sma_cross")
    form = window(page)
    form.locator("[name=start]").fill("2025-12-20T00:00")
    form.locator("[name='space.fast']").fill("10|20")
    form.locator("[name='space.slow']").fill("60|90")
    form.locator("[name=trials]").fill("8")
    form.get_by_role("button", name=words.study, exact=True).click()
    page.wait_for_url(re.compile("/studies/[0-9a-f-]{36}"), timeout=PATIENCE)
    expect(page.get_by_text(words.verdict).first).to_be_visible(timeout=PATIENCE)

    title = f"Walked {words.locale}"
    page.goto("/my-flows?publish=sma_cross")
    form = window(page)
    form.locator("[name=title]").fill(title)
    form.locator("[name=investment]").fill("400")
    form.locator("[name=minimum]").fill("50")
    form.locator("[type=checkbox][required]").check()
    form.get_by_role("button", name=words.publish, exact=True).click()
    expect(form).to_have_count(0)
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(title)
    pressing(page)(words.edit)
    window(page).locator("[name=most]").fill("25")
    window(page).get_by_role("button", name=words.save, exact=True).click()
    expect(page.get_by_text("25", exact=True)).to_be_visible()

    follower = signed_in(visit, "investor", words)
    follower.goto(f"/discover?kind=flows&by=newest&search={title.replace(' ', '+')}")
    follower.get_by_role("button", name=words.follow, exact=True).click()
    expect(window(follower).locator("[name=amount]")).to_have_value("50")  # the least
    window(follower).locator("[name=amount]").fill("120")
    window(follower).get_by_role("button", name=words.follow, exact=True).click()
    window(follower).get_by_role("link", name=words.see).click()
    expect(follower.get_by_role("heading", level=1)).to_contain_text(title)
    expect(follower.get_by_text("120.00").first).to_be_visible()

    row = page.get_by_role("region", name=words.followers).locator("tbody tr", has_text="120.00")
    expect(row).to_contain_text(words.follows, timeout=60_000)

    pressing(follower)(words.stop)
    expect(window(follower).get_by_text(words.exit_fee)).to_be_visible()
    window(follower).get_by_role("button", name=words.stop, exact=True).click()
    paid = follower.locator("dt", has_text=words.to_wallet).locator("+ dd")
    expect(paid).to_have_text(re.compile("\\d"), timeout=PATIENCE)
    expect(row).to_contain_text(words.left, timeout=60_000)


@both
def test_an_auditor_proves_the_books_takes_evidence_and_traces_a_journal(
    visit: Visit, words: Words
) -> None:
    page = signed_in(visit, "auditor", words)
    page.goto("/proof")
    with page.expect_response(
        lambda one: one.request.method == "POST" and one.url.endswith("/audit/proofs")
    ) as answered:
        pressing(page)(words.prove)
    run = f"/api/v1/audit/proofs/{answered.value.json()['id']}"
    until(page, run, lambda answer: answer["state"] != "running")
    expect(page.locator("main").get_by_role("status").first).to_contain_text(words.clean)
    page.locator("summary", has_text=words.rules).click()
    latest = asked(page, run)
    assert (latest["state"], len(latest["lines"])) == ("clean", latest["steps"])
    expect(page.get_by_text(latest["lines"][0]["rule"])).to_be_visible()

    until(page, "/api/v1/ledger/trial-balance", lambda answer: answer["asOf"] > UNTIL)
    page.locator("[name=to]").fill(UNTIL)
    with page.expect_download() as taken:
        pressing(page)(words.evidence)
    archive = zipfile.ZipFile(taken.value.path())
    files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    assert {one["name"] for one in manifest["files"]} == set(files) - {"manifest.json"}
    assert json.loads(files["proof.json"])["id"] == latest["id"]
    trial = json.loads(files["trial-balance.json"])
    assert {one["balance"] for one in trial["totals"]} == {"0"}
    assert trial == asked(page, f"/api/v1/ledger/trial-balance?asOf={UNTIL}:00Z")
    journals = [json.loads(line) for line in files["journals.ndjson"].splitlines()]
    assert [one["id"] for one in reversed(journals)] == all_journals(page)
    journal = journals[-1]
    assert (
        len(journal["entries"])
        == asked(page, f"/api/v1/ledger/journals/{journal['id']}")["entryCount"]
    )

    page.goto("/trail?kind=proof.ended")
    expect(page.locator("tbody tr").first).to_be_visible(timeout=60_000)
    listed = asked(page, "/api/v1/audit/logs?kind=proof.ended&limit=200")["items"]
    with page.expect_download() as table:
        pressing(page)(words.csv)
    rows = list(csv.DictReader(io.StringIO(table.value.path().read_text())))
    assert [int(one["id"]) for one in rows] == [one["id"] for one in reversed(listed)]
    with page.expect_download() as lines:
        pressing(page)(words.lines)
    read = [json.loads(line) for line in lines.value.path().read_text().splitlines()]
    assert [one["id"] for one in read] == [int(one["id"]) for one in rows]

    page.goto("/trace")
    page.locator("[name=name]").fill(journal["key"])
    pressing(page)(words.find)
    page.get_by_role("link", name=words.open).click()
    page.wait_for_url(f"**/journals/{journal['id']}")
    expect(page.get_by_text(journal["key"]).first).to_be_visible(timeout=30_000)
    entries = page.locator("tbody tr")
    expect(entries.first).to_be_visible(timeout=60_000)
    entries.first.get_by_role("link").click()
    page.wait_for_url("**/accounts/*")
    expect(page.locator("tbody tr").first).to_be_visible(timeout=60_000)


def until(page: Page, path: str, reached: Callable[[Any], bool]) -> None:
    """Ask the API again and again until its answer is as wanted."""
    for _ in range(PATIENCE // 500):
        if reached(asked(page, path)):
            return
        page.wait_for_timeout(500)
    pytest.fail(f"{path} did not come to what was waited for")


def all_journals(page: Page) -> list[int]:
    """Their ids by the list, newest first."""
    ids: list[int] = []
    cursor = ""
    while True:
        path = f"/api/v1/ledger/journals?limit=200&until={UNTIL}:00Z{cursor}"
        listed = asked(page, path)
        ids += [one["id"] for one in listed["items"]]
        if listed["nextCursor"] is None:
            return ids
        cursor = f"&cursor={listed['nextCursor']}"
