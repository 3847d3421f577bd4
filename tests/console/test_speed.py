"""How much comes before the first page is seen, and whether thousands of rows scroll as few do."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, Route, expect

from browsing import Visit, arrive, enter

FIRST_LOAD = 250_000
"""Bytes, packed, that sign-in and home may take."""


def test_sign_in_and_home_are_small_and_bring_no_charts(visit: Visit, built: Path) -> None:
    page = visit("/register")
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.reload(wait_until="networkidle")
    page.locator("[name=username]").fill("first-load")
    page.locator("[name=password]").fill("a long enough passphrase 7")
    page.locator("[type=submit]").click()
    page.wait_for_url("**/home")
    page.wait_for_load_state("networkidle")
    site = built / "site"
    assert any(file.is_file() for file in site.glob("assets/*.js"))
    assets = {url.rpartition("/")[2] for url in asked if "/assets/" in url}
    files = [site / "index.html", *(site / "assets" / name for name in sorted(assets))]
    packed = {one.name: one.with_name(f"{one.name}.gz") for one in files}
    size = sum(
        (gz if gz.is_file() else gz.with_suffix("")).stat().st_size for gz in packed.values()
    )
    assert size < FIRST_LOAD, {name: gz.stat().st_size for name, gz in packed.items()}
    assert list(site.glob("assets/time-canvas-*.js"))
    assert not [name for name in packed if "canvas" in name]  # where the charts' code begins


SCROLL = """async (rows) => {
    const times = []
    let long = 0
    new PerformanceObserver((list) => { long += list.getEntries().length })
        .observe({ type: "longtask" })
    let before = await new Promise(requestAnimationFrame)
    let most = 0
    for (let frame = 0; frame < 150; frame++) {
        rows.scrollTop = (frame * 977) % Math.max(rows.scrollHeight - rows.clientHeight, 1)
        const now = await new Promise(requestAnimationFrame)
        times.push(now - before)
        before = now
        most = Math.max(most, rows.querySelectorAll("tr").length)
    }
    return { times, long, most, height: rows.scrollHeight }
}"""


def scrolled(page: Page, count: int) -> dict[str, object]:
    """Scroll a list of so many journals: what the demo has of them, again and again."""

    def many(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        real = told["items"]
        told["items"] = [
            {**real[place % len(real)], "id": 10_000_000 + place} for place in range(count)
        ]
        told["nextCursor"] = None
        route.fulfill(response=answer, body=json.dumps(told))

    page.route("**/api/v1/ledger/journals?*", many)
    arrive(page, "/journals")
    rows = page.locator("main [data-rows]").first
    expect(rows.locator("tbody tr[data-index='0']")).to_be_attached()
    found: dict[str, object] = rows.evaluate(SCROLL)
    page.unroute("**/api/v1/ledger/journals?*")
    return found


def test_five_thousand_rows_scroll_as_fifty_do(visit: Visit) -> None:
    page = visit("/")
    enter(page, "auditor")
    few, many = scrolled(page, 50), scrolled(page, 5_000)
    assert many["height"] > 5_000 * 30  # type: ignore[operator]
    assert many["most"] < 80  # type: ignore[operator]
    # What a frame takes says how busy the machine is, too: it is told, and not judged here.
    frames = [median(one["times"]) for one in (few, many)]  # type: ignore[call-overload]
    print(f"a frame took {frames[0]:.1f} ms among 50 rows, {frames[1]:.1f} ms among 5,000")
