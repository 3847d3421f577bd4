"""What tests in a browser share: which one is driven, and what a page may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import NoReturn

import pytest
from playwright.sync_api import Page, expect

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

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
