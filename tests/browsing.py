"""What tests in a browser share: which one is driven, and what a page may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import NoReturn

import pytest
from playwright.sync_api import Page

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
