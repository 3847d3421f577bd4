"""A report as one HTML file that needs nothing but itself.

The page is built from the console's own components (`web/src/report/`), which draw and translate;
what is told here is its data: docs/decisions/0037.
"""

from __future__ import annotations

import json
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from commenda.kit.errors import CommendaError

_PAGE = files("commenda") / "console" / "report.html"
_TITLE = "<title>Commenda</title>"
_PLACE = '<script type="application/json" id="report"></script>'


def report_page(kind: str, title: str, data: Any) -> str:
    """The page that shows `data`, which `kind` names in `web/src/report/kinds.tsx`.

    `data` is JSON: what the API would answer. Code `console_unbuilt` as of `require_reports`.
    """
    told = json.dumps({"kind": kind, "data": data}, ensure_ascii=False, allow_nan=False)
    told = told.replace("<", "\\u003c")  # nothing in it ends the script that holds it
    head, tail = _page().split(_PLACE)
    head = head.replace(_TITLE, f"<title>{escape(title)} · Commenda</title>")
    return f"{head}{_PLACE.replace('></', f'>{told}</')}{tail}"


def require_reports(option: str = "--html") -> None:
    """Code `console_unbuilt` where the page was not built: said before a long run."""
    if not _PAGE.is_file():
        raise CommendaError(
            "console_unbuilt", "The console, which draws reports, was not built"
        ).at(option, hint="run `make console`, or install a wheel that `make wheel` made")


@cache
def _page() -> str:
    require_reports()
    return _PAGE.read_text("utf-8")
