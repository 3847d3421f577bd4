"""The console in a browser, before anybody signs in; and a report that needs nothing but itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from browsing import Visit

PLACE = '<script type="application/json" id="report"></script>'


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_the_console_is_at_the_root_in_both_languages(visit: Visit, locale: str) -> None:
    page = visit("/", locale)
    expect(page).to_have_title("Commenda")
    expect(page.locator("#root")).to_be_attached()
    assert page.evaluate("navigator.language") == locale


def test_the_browser_keeps_the_policy(browser: Browser, demo: str) -> None:
    """A script that somebody got into the page does not run, and another host is not asked; a
    socket to its own host opens, though the policy says no more than 'self'."""
    page = browser.new_page()
    page.goto(demo)
    stopped = page.evaluate(
        """async () => {
            const stopped = []
            document.addEventListener("securitypolicyviolation", (one) => {
                stopped.push(one.effectiveDirective)
            })
            const script = document.createElement("script")
            script.textContent = "window.ran = true"
            document.body.append(script)
            await fetch("http://127.0.0.2:9/").catch(() => {})
            const socket = new WebSocket(`ws://${location.host}/ws/alerts`)
            await new Promise((done) => { socket.onopen = socket.onclose = done })
            return window.ran ? ["nothing"] : stopped
        }"""
    )
    page.close()
    assert stopped == ["script-src-elem", "connect-src"]


def test_a_report_is_one_file_that_asks_nobody(
    browser: Browser, built: Path, tmp_path: Path
) -> None:
    report, asked, said = (built / "report.html").read_text("utf-8"), [], []
    assert report.count(PLACE) == 1
    data = json.dumps({"kind": "none", "title": "</script>"}).replace("<", "\\u003c")
    file = tmp_path / "report.html"
    file.write_text(report.replace(PLACE, PLACE.replace("></", f">{data}</")), "utf-8")
    page = browser.new_page()
    page.on("request", lambda one: asked.append(one.url))
    page.on("console", lambda one: said.append(one.text))
    page.on("pageerror", lambda one: said.append(str(one)))
    page.goto(file.as_uri(), wait_until="load")
    found = page.evaluate("JSON.parse(document.getElementById('report').textContent).title")
    page.close()
    assert found == "</script>"
    assert asked == [file.as_uri()]
    assert said == []
