"""Pictures of the console: each page of each role, in both themes and languages, wide and narrow.

    make screenshots                      # of a demo that runs at http://localhost:8080
    python tests/console/pictures.py --at http://localhost:9000 --into pictures --only /home,/docs

They are there to be looked at: each for itself, and a sheet for each theme, language and width.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from browsing import arrive, enter, executable
from console.test_loop import PAGES

OUTSIDE = ("/", "/register", "/docs", "/docs/subscribe")
THEMES = ("light", "dark")
LOCALES = ("en-US", "zh-CN")
WIDTHS = {1440: 900, 390: 844}
SHEET = 6
"""Pictures in a row of a sheet."""


def main() -> None:
    """Take what was asked for."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--at", default="http://localhost:8080", help="where the demo runs")
    asked.add_argument("--into", type=Path, default=Path("pictures"), help="a folder")
    asked.add_argument("--only", default="", help="addresses, apart by commas")
    asked.add_argument("--role", choices=("", *PAGES), help="one role's pages")
    asked.add_argument("--theme", choices=THEMES)
    asked.add_argument("--locale", choices=LOCALES)
    asked.add_argument("--width", choices=tuple(WIDTHS), type=int)
    given = asked.parse_args()
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    given.into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=flags)
        for theme, locale, width in product(THEMES, LOCALES, WIDTHS):
            look = {"theme": theme, "locale": locale, "width": width}
            if any(getattr(given, name) not in (None, value) for name, value in look.items()):
                continue
            pictures = list(taken(browser, given, theme, locale, width))
            named = f"{theme}-{locale[:2]}-{width}"
            sheet(browser, pictures, given.into / f"sheet-{named}.png", width)
            print(f"{named}: {len(pictures)} pictures", flush=True)


def taken(
    browser: Browser, given: argparse.Namespace, theme: str, locale: str, width: int
) -> Iterator[Path]:
    """One picture of each page, whole, and of each kind of page that one of them leads to."""
    only = set(filter(None, given.only.split(",")))
    for role, pages in {"": OUTSIDE, **PAGES}.items():
        wanted = [path for path in pages if not only or path in only]
        if not wanted or given.role not in (None, role):
            continue
        context = browser.new_context(
            base_url=given.at,
            locale=locale,
            color_scheme=theme,  # type: ignore[arg-type]
            viewport={"width": width, "height": WIDTHS[width]},
        )
        page = context.new_page()
        if role:
            page.goto("/")
            enter(page, role)
        seen: set[str] = set()
        for path in wanted:  # which grows
            yield picture(page, path, given.into, f"{theme}-{locale[:2]}-{width}", role)
            if role:
                wanted.extend(behind(page, seen))
        context.close()


def behind(page: Page, seen: set[str]) -> Iterator[str]:
    """The first page of each kind that this one leads to, and no other did."""
    links = page.locator("main a[href^='/']").evaluate_all(
        "all => all.map(one => one.getAttribute('href'))"
    )
    for link in links:
        kind, _, name = link.partition("?")[0].strip("/").partition("/")
        if name and kind not in seen:
            seen.add(kind)
            yield link


def picture(page: Page, path: str, into: Path, look: str, role: str) -> Path:
    arrive(page, path)
    page.wait_for_timeout(500)  # charts are drawn after their data came
    name = "".join(sign if sign.isalnum() else "-" for sign in path.strip("/")) or "sign-in"
    file = into / f"{role or 'nobody'}-{name}-{look}.png"
    page.screenshot(path=file, full_page=True)
    return file


def sheet(browser: Browser, pictures: list[Path], file: Path, width: int) -> None:
    """Many pictures on one, each with its name."""
    each = 640 if width > 1000 else 300
    figures = "".join(
        f"<figure><figcaption>{one.stem}</figcaption><img src='{one.resolve().as_uri()}'></figure>"
        for one in pictures
    )
    style = (
        f"body{{display:flex;flex-wrap:wrap;gap:12px;width:{SHEET * (each + 12)}px;margin:8px}}"
        f"figure{{margin:0;width:{each}px}}img{{width:100%;border:1px solid gray}}"
        "figcaption{font:11px sans-serif}"
    )
    html = file.with_suffix(".html")
    html.write_text(f"<meta charset=utf-8><style>{style}</style>{figures}", "utf-8")
    page = browser.new_page(viewport={"width": SHEET * (each + 12) + 20, "height": 800})
    page.goto(html.resolve().as_uri())
    page.screenshot(path=file, full_page=True)
    page.close()
    html.unlink()


if __name__ == "__main__":
    main()
