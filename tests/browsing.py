"""What tests in a browser share: which one is driven, and what a page may ask for."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Page, expect

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# A page waits for an answer as long as a busy machine takes: what is looked for comes, or never.
expect.set_options(timeout=30_000)

Visit = Callable[..., Page]
"""`visit(path="/", locale="en-US", **context)` -> the page, in a profile of its own."""


def without(what: str, mend: str) -> NoReturn:
    """Skip for something that the machine has not; under CI, which must have it, fail."""
    give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    give_up(f"no {what}: {mend}")


def executable() -> str:
    """Where the browser lies: one that the machine has; none is downloaded."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or without("browser", f"install one of {', '.join(BROWSERS)}")


def elsewhere(url: str, own: str) -> list[str]:
    """What is wrong with asking for this, where only `own` is to be asked."""
    scheme, _, rest = url.partition("://")
    here = own.partition("://")[2]
    within = scheme in ("http", "ws") and rest.partition("/")[0] == here
    return [] if within or url.startswith(("data:", "blob:")) else [f"asked {url}"]


def enter(page: Page, role: str) -> None:
    """Sign in as one of the demo's people."""
    page.locator("[name=username]").fill(f"demo-{role}")
    page.locator("[name=password]").fill("commenda-demo")
    page.locator("[type=submit]").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=60_000)
    expect(page.locator("nav").first).to_be_attached()


def arrive(page: Page, path: str) -> None:
    """Go somewhere, and wait until what is asked for has come."""
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=60_000)
    expect(page.locator("main .skeleton")).to_have_count(0, timeout=60_000)


REFUSED = "responded with a status of 422"
"""What the browser says of an answer that the page shows as a refusal."""
NO_DEMO = "/demo.json"
"""Asked for before sign-in; where there is no demo, there is none, and the browser says so."""


@contextmanager
def visiting(browser: Browser, address: str) -> Iterator[Visit]:
    """Opens pages of the console at an address. At the end none of them may have complained (an
    error, a warning, something that the policy stopped) or asked another host. What a test does to
    a page on purpose is `excused`: the pattern of what the browser says of it."""
    wrong: list[str] = []
    contexts = []

    def visit(
        path: str = "/", locale: str = "en-US", *, excused: str = "(?!)", **options: object
    ) -> Page:
        context = browser.new_context(base_url=address, locale=locale, **options)  # type: ignore[arg-type]
        contexts.append(context)
        context.on("request", lambda asked: wrong.extend(elsewhere(asked.url, address)))
        page = context.new_page()
        page.on("websocket", lambda asked: wrong.extend(elsewhere(asked.url, address)))
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda said: (
                wrong.append(f"{page.url}: {said.text}")
                if said.type in ("error", "warning")
                and REFUSED not in said.text
                and not re.search(excused, said.text)
                and not said.location["url"].endswith(NO_DEMO)
                else None
            ),
        )
        page.goto(path, wait_until="networkidle")
        return page

    yield visit
    for one in contexts:
        one.close()
    if wrong:
        pytest.fail("\n".join(wrong))
