"""Whether everybody can use the console: each page of each role in both languages, which axe-core
looks at in both themes.

axe is put into the page from outside of it, where the page's policy does not reach.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize

from browsing import Visit, arrive, enter
from console.test_loop import PAGES

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")
TELEPHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=720)
OUTSIDE = ("/", "/register", "/docs", "/docs/subscribe")


def found(page: Page) -> list[str]:
    """What is gravely wrong with a page as it is seen now, each with a few places."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    violations = page.evaluate("axe.run(document).then((told) => told.violations)")
    return [
        f"{page.url} {one['id']}: {[node['target'] for node in one['nodes'][:3]]}"
        f" {one['nodes'][0]['failureSummary']}"
        for one in violations
        if one["impact"] in GRAVE
    ]


@pytest.mark.parametrize("role", PAGES)
@pytest.mark.parametrize(("theme", "locale"), [("light", "en-US"), ("dark", "zh-CN")])
def test_each_page_shows_what_it_is_for_and_keeps_nobody_out(
    visit: Visit, role: str, theme: str, locale: str
) -> None:
    """It comes to a telephone, which it fits, and is looked at by axe at a desk."""
    page = visit("/", locale, color_scheme=theme, viewport=TELEPHONE)
    enter(page, role)
    wrong = []
    for path in PAGES[role]:
        page.set_viewport_size(TELEPHONE)
        arrive(page, path)
        assert page.get_by_role("alert").count() == 0, path
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} px wider than a telephone"
        page.set_viewport_size(DESK)
        page.wait_for_function(f"innerWidth === {DESK['width']}")
        wrong += found(page)
    assert wrong == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_keeps_anybody_out_before_they_are_in(visit: Visit, theme: str) -> None:
    page = visit("/", color_scheme=theme)
    wrong = []
    for path in OUTSIDE:
        page.goto(path, wait_until="networkidle")
        wrong += found(page)
    assert wrong == []


def test_windows_and_menus_keep_nobody_out(visit: Visit) -> None:
    page = visit("/", color_scheme="dark")
    enter(page, "investor")
    wrong = []
    for key in ("Control+k", "?"):
        page.keyboard.press(key)
        page.locator("dialog[open]").wait_for()
        wrong += found(page)
        page.keyboard.press("Escape")
    for menu in page.locator("header [aria-haspopup=menu]").all():
        menu.click()
        page.get_by_role("menu").wait_for()
        wrong += found(page)
        page.keyboard.press("Escape")
    assert wrong == []
