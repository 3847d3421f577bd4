"""A browser, a living demo behind it, and the console that was built for both."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from browsing import Visit, elsewhere, executable, without
from commenda.site import CONSOLE
from processes import Process, answer, free_port, until

PACE = "1440"
"""Business seconds in a second of the demo: a day a minute."""


@pytest.fixture(scope="session")
def built() -> Path:
    """The package's built console: `site/`, and `report.html`."""
    folder = Path(str(CONSOLE)).parent
    if not (folder / "built").is_file():
        without("built console", "`make console` builds it")
    return folder


@pytest.fixture(scope="module")  # its event loop would be in the way of other modules' own
def browser() -> Iterator[Browser]:
    path = executable()
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=flags)


@pytest.fixture(scope="session")
def demo(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a living demo: real processes on a real database."""
    executable()  # without a browser nobody would look at it
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    address = f"http://127.0.0.1:{port}"
    data = str(folder / "data")
    arguments = ("up", "--demo", "--port", str(port), "--data", data, "--pace", PACE)
    process = Process(folder / "demo.log", *arguments)
    try:
        until("the demo is ready", lambda: answer(f"{address}/readyz"), 120, process)
        yield address
    finally:
        process.stop()


@pytest.fixture
def visit(browser: Browser, demo: str) -> Iterator[Visit]:
    """Opens pages of the demo's console. At the end none of them may have complained (an error, a
    warning, something that the policy stopped) or asked another host. What a test does to a page on
    purpose is `excused`: the pattern of what the browser says of it."""
    wrong: list[str] = []
    contexts = []

    def visit(
        path: str = "/", locale: str = "en-US", *, excused: str = "(?!)", **options: object
    ) -> Page:
        context = browser.new_context(base_url=demo, locale=locale, **options)  # type: ignore[arg-type]
        contexts.append(context)
        context.on("request", lambda asked: wrong.extend(elsewhere(asked.url, demo)))
        page = context.new_page()
        page.on("websocket", lambda asked: wrong.extend(elsewhere(asked.url, demo)))
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda said: (
                wrong.append(f"{page.url}: {said.text}")
                if said.type in ("error", "warning") and not re.search(excused, said.text)
                else None
            ),
        )
        page.goto(path, wait_until="networkidle")
        return page

    yield visit
    for one in contexts:
        one.close()
    assert wrong == []
