"""A browser, a living demo behind it, and the console that was built for both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from browsing import Visit, executable, visiting, without
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


@pytest.fixture(scope="package")  # it is work for the machine while other tests run
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
    """Opens pages of the demo's console."""
    with visiting(browser, demo) as visit:
        yield visit
