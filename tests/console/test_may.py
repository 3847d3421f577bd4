"""Whoever is shown a button may press it: what the console sends that changes something stands on
pages whose readers may all send it, or is shown to those who may (`useMay`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from commenda.identity import PERMISSIONS, Permission
from commenda.identity.access import permissions_of
from routes import api_routes

SOURCE = Path(__file__).parents[2] / "web" / "src"
SENT = re.compile(r'\.(POST|PUT|PATCH|DELETE)\(\s*"(/api/v1/[^"]+)"')
ASKED = re.compile(r"useMay\(([^)]*)\)")
IMPORTED = re.compile(r'(?:from|import\()\s*"([^"]+)"')
PAGE = re.compile(
    r'needs: (\[[^\]]+\]|"\w+"),(?:\s*icon: \w+,)?\s*load: \(\) => import\("([^"]+)"\)'
)
FRAME = "app/shell.tsx"
"""What is around every page, whoever reads it."""


@cache
def text_of(name: str) -> str:
    return (SOURCE / name).read_text("utf-8")


def gates_in(name: str) -> set[Permission]:
    """What somebody is asked for before parts of a file are shown to them."""
    asked = (re.findall(r'"(\w+)"', one) for one in ASKED.findall(text_of(name)))
    return {Permission(one) for some in asked for one in some if one in set(Permission)}


def imports_of(name: str) -> Iterator[str]:
    """The files of the console that a file imports, at once or when they are needed."""
    for one in IMPORTED.findall(text_of(name)):
        path = SOURCE / one[2:] if one.startswith("@/") else (SOURCE / name).parent / one
        for file in (path.with_name(f"{path.name}.tsx"), path.with_name(f"{path.name}.ts")):
            if file.is_file():
                yield file.resolve().relative_to(SOURCE.resolve()).as_posix()


def pages() -> Iterator[tuple[tuple[Permission, ...], str]]:
    """Who may open a page, and the file it is in."""
    for file in sorted((SOURCE / "app" / "pages").glob("*.ts")):
        for needs, load in PAGE.findall(file.read_text("utf-8")):
            asked = tuple(Permission(one) for one in re.findall(r'"(\w+)"', needs))
            yield asked, load.removeprefix("@/") + ".tsx"
    yield (Permission.ACCOUNT,), FRAME


def needed() -> dict[tuple[str, str], set[Permission]]:
    """The permissions that a route asks for, any one of which will do, by its method and path."""
    return {
        (method, re.sub(r"\{\w+\}", "{}", route.path)): set(permissions_of(route))
        for route in api_routes().values()
        for method in route.methods
    }


def shown_to_whoever_may_not() -> Iterator[str]:
    asked_for = needed()
    for opens, page in pages():
        readers = [held for held in PERMISSIONS.values() if set(opens) & held]
        ways = [(page,)]
        while ways:
            way = ways.pop()
            if way[-1].startswith("app/pages/"):  # the frame's list of the other pages
                continue
            ways += [(*way, one) for one in imports_of(way[-1]) if one not in way]
            gates = {one for file in way for one in gates_in(file)}
            for method, path in SENT.findall(text_of(way[-1])):
                wanted = asked_for[method, re.sub(r"\{\w+\}", "{}", path)]
                if wanted and not wanted & gates and not all(wanted & held for held in readers):
                    yield f"{' > '.join(way)}: {method} {path} needs {sorted(wanted)}"


def test_what_changes_something_is_shown_to_whoever_may_do_it() -> None:
    assert len(list(pages())) > 40
    assert sorted(set(shown_to_whoever_may_not())) == []


def test_a_button_whose_gate_was_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real, name = text_of, "features/risk/alerts.tsx"
    ungated = ASKED.sub("true", real(name))
    monkeypatch.setitem(globals(), "text_of", lambda one: ungated if one == name else real(one))
    found = list(shown_to_whoever_may_not())
    assert found
    assert all(name in one and "acknowledge" in one for one in found)


def test_pages_are_shown_to_whoever_may_read_what_they_ask_for() -> None:
    """A page that all of its own requests refuse is no page."""
    asked_for = needed()
    read = re.compile(r'(?:"get",\s*|\.GET\(\s*)"(/api/v1/[^"]+)"')
    for opens, page in pages():
        routes = [
            asked_for["GET", re.sub(r"\{\w+\}", "{}", one)] for one in read.findall(text_of(page))
        ]
        for role, held in PERMISSIONS.items():
            if set(opens) & held and routes:
                assert any(not wanted or wanted & held for wanted in routes), (page, role)
