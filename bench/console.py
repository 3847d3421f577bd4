"""What a browser waits for: sign-in and home of the console, from nothing, on a running demo.

Chromium's own marks: the first and the largest paint, when the page was last kept busy for 50 ms,
and what came over the wire. Beside them the floor: the same host with an answer of one word.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from bench.kit import Figure, median, show
from bench.service import free_port
from bench.startup import is_ready

ROUNDS = 5
WATCH = """
    window.seen = { largest: 0, busy: 0 }
    const watch = (type, take) =>
        new PerformanceObserver((list) => list.getEntries().forEach(take))
            .observe({ type, buffered: true })
    watch("largest-contentful-paint", (one) => { seen.largest = one.startTime })
    watch("longtask", (one) => { seen.busy = one.startTime + one.duration })
"""
READ = """() => ({
    first: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
    ...seen,
    bytes: ["navigation", "resource"].flatMap((one) => performance.getEntriesByType(one))
        .reduce((sum, one) => sum + one.transferSize, 0),
})"""
NAMES = {
    "first": ("first paint", "ms"),
    "largest": ("largest paint", "ms"),
    "busy": ("last busy for 50 ms", "ms"),
    "bytes": ("over the wire", "kB"),
}


def main() -> None:
    """Print the medians of ROUNDS fresh browsers' profiles, for each of the two pages."""
    with demo() as address, sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        rounds = [visited(browser, address) for _ in range(ROUNDS)]
    figures = [
        Figure(f"{page}: {name}", median(one[page][key] for one in rounds) / scale, unit)
        for page in ("nothing", "sign-in", "home")
        for key, (name, unit) in NAMES.items()
        for scale in [1000 if unit == "kB" else 1]
    ]
    show(
        f"console: median of {ROUNDS} profiles without a cache, Chromium, no throttling",
        figures,
        "`nothing` is /healthz; home is opened by somebody who is signed in already",
        f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}",
    )


def visited(browser: Browser, address: str) -> dict[str, dict[str, float]]:
    """What the pages took, each in a profile that has seen nothing; only who signed in is kept."""
    found = {}
    for name, path in (("nothing", "/healthz"), ("sign-in", "/")):
        page = browser.new_context(base_url=address).new_page()
        found[name] = read(page, path)
    page.locator("[name=username]").fill("demo-investor")
    page.locator("[name=password]").fill("commenda-demo")
    page.locator("[type=submit]").click()
    page.wait_for_url("**/home")
    kept = page.evaluate("sessionStorage.getItem('commenda.session')")
    home = browser.new_context(base_url=address)
    home.add_init_script(f"sessionStorage.setItem('commenda.session', {kept!r})")
    found["home"] = read(home.new_page(), "/home")
    for context in browser.contexts:
        context.close()
    return found


def read(page: Page, path: str) -> dict[str, float]:
    page.add_init_script(WATCH)
    page.goto(path, wait_until="networkidle")
    told: dict[str, float] = page.evaluate(READ)
    return told


@contextmanager
def demo() -> Iterator[str]:
    """The address of a demo of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="commenda-bench-") as data:
        command = [sys.executable, "-m", "commenda", "up", "--demo", "--data", data]
        process = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
        try:
            while not is_ready(port):
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    main()
