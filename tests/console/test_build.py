"""How the console is built: with which Node.js, when again, and from what is named."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).parents[2]
WEB = REPOSITORY / "web"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """web/build.py, over a few sources of the test's own."""
    spec = importlib.util.spec_from_file_location("console_build", WEB / "build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    web = tmp_path / "web"
    (web / "src").mkdir(parents=True)
    (web / "public").mkdir()
    (web / "package-lock.json").write_text("{}")
    (web / "src" / "main.ts").write_text("1")
    monkeypatch.setattr(module, "WEB", web)
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "package")
    return module


def outcome(web: Path, report: str) -> None:
    """What vite leaves behind."""
    for folder in ("console", "report"):
        (web / "dist" / folder).mkdir(parents=True, exist_ok=True)
    (web / "dist" / "console" / "index.html").write_text("a page " * 50)
    (web / "dist" / "console" / "tiny.js").write_text("1")
    (web / "dist" / "report" / "index.html").write_text(report)


def test_what_is_built_is_built_again_only_when_a_source_changes(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, ...]] = []

    def run(_tools: object, *command: str, check: bool = True) -> int:
        ran.append(command)
        (build.WEB / "node_modules").mkdir(exist_ok=True)
        outcome(build.WEB, build.PLACEHOLDER)
        return 0

    monkeypatch.setattr(build, "run", run)
    monkeypatch.setattr(build, "node_tools", dict)
    assert build.main([]) == 0
    assert ran == [("npm", "ci"), ("npm", "run", "build")]
    assert {one.name for one in (build.PACKAGE / "site").iterdir()} == {
        "index.html",
        "index.html.gz",
        "tiny.js",
    }
    ran.clear()
    (build.WEB / "src" / "main.test.ts").write_text("a test is nothing that is served")
    assert build.main([]) == 0
    assert ran == []
    (build.WEB / "src" / "main.ts").write_text("2")
    assert build.main([]) == 0
    assert ran == [("npm", "run", "build")]
    (build.WEB / "package-lock.json").write_text("{ }")
    assert build.main(["npm", "run", "lint"]) == 0
    assert ran[1:] == [("npm", "ci"), ("npm", "run", "lint")]


def test_a_report_without_a_place_for_its_data_is_not_published(build: ModuleType) -> None:
    outcome(build.WEB, "<html></html>")
    with pytest.raises(SystemExit, match=r"web/report\.html must have its place"):
        build.publish("a hash")
    assert not build.PACKAGE.exists()


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v18.20.4", False),
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.19.0", True),
        ("none", False),
    ],
)
def test_the_machines_node_is_taken_where_vite_runs_with_it(
    build: ModuleType, tmp_path: Path, version: str, enough: bool
) -> None:
    node = tmp_path / "node"
    node.write_text(f"#!{sys.executable}\nprint({version!r})\n")
    node.chmod(0o755)
    assert build.new_enough(str(node)) is enough


def test_a_machine_without_node_has_the_one_of_the_wheel(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    tools = build.node_tools()
    assert all(Path(file).is_file() for command in tools.values() for file in command)
    assert tools["npm"][0] == tools["node"][0]
    assert build.new_enough(tools["node"][0])


def test_the_lock_names_hashes_and_no_place_to_get_them_from() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert all("resolved" not in one for one in packages.values())
    assert all("integrity" in one for one in packages.values() if not one.get("inBundle"))
