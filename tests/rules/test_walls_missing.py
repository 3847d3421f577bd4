"""Machines that lack a wall: it is said, it is refused, and what is left holds what it can."""

from __future__ import annotations

import json
import os
import sys
import threading
import uuid
from pathlib import Path

import pytest
from tests.strangers import HEAD, alive, with_word
from typer.testing import CliRunner

from commenda.cli import app
from commenda.kit.errors import CommendaError
from commenda.strategies import WALLS, run_sandboxed, sandbox, try_walls, walls
from commenda.testing import sample_bars

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")


def _on_a_machine_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...]
) -> None:
    """Have the child's kernel refuse these functions, and set no limit on processes."""
    text = Path(walls.__file__).read_text()
    start = "    _told = json.loads(sys.argv[1])\n    _raised, _mapped = enter(**_told)\n"
    assert start in text
    early = (
        "    def refused(*_): raise OSError(38, 'Function not implemented')\n"
        "    resource.RLIMIT_NPROC = resource.RLIMIT_CORE\n"
    ) + "".join(f"    {name} = refused\n" for name in refused)
    late = (
        "    import commenda.strategies.walls as imported\n"
        "    imported.no_more_calls = no_more_calls\n"
    )
    (tmp_path / "walls.py").write_text(text.replace(start, early + start + late))
    monkeypatch.setattr(walls, "__file__", str(tmp_path / "walls.py"))
    monkeypatch.setattr(sandbox, "_bubblewrap", list)


def test_an_attack_finds_each_wall_open_where_nothing_was_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = ("no_more_calls", "_unshare", "_lay_down", "_landlock")
    _on_a_machine_without(tmp_path, monkeypatch, nothing)
    held, raised = try_walls()
    as_root = {"root"} if os.geteuid() == 0 else set()
    assert {name for name in held if held[name]} == WALLS.keys() - {"limits", "root"} | as_root
    assert set(raised.values()) == {"not to be had: Function not implemented"}


LEAVES = """
    import os, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
        os._exit(0)
    time.sleep(0.3)
    return 0.0
"""


@pytest.mark.parametrize("lacks", [("no_more_calls",), ("no_more_calls", "_unshare")])
def test_what_left_its_session_is_ended_without_seccomp_and_without_namespaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: tuple[str, ...]
) -> None:
    _on_a_machine_without(tmp_path, monkeypatch, lacks)
    path = tmp_path / "tried.py"
    path.write_text(HEAD + LEAVES)
    with pytest.raises(CommendaError) as caught:
        run_sandboxed(str(path), {}, sample_bars(2))
    assert (caught.value.code, caught.value.field) == ("sandbox_open", "allow")
    assert {"network", "processes"} <= set(str(caught.value.value).split(", "))
    seed = uuid.uuid4().int % 2**32
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            seen.update(with_word(f"PYTHONHASHSEED={seed}"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run_sandboxed(str(path), {}, sample_bars(2), hash_seed=seed, allow=WALLS)
    finally:
        over.set()
        watcher.join()
    assert len(seen) >= 4  # the keeper, the strategy, and the two that left it
    assert alive(f"PYTHONHASHSEED={seed}") == []


def test_a_name_that_is_no_wall_opens_nothing() -> None:
    with pytest.raises(CommendaError) as caught:
        run_sandboxed("sma_cross", {}, sample_bars(2), allow=["netwrok"])
    assert (caught.value.code, caught.value.value) == ("unknown_wall", "netwrok")


def test_the_command_line_says_what_holds_and_runs_a_strangers_file(tmp_path: Path) -> None:
    """A strategy that stays out of the market ends with what it began with."""
    shown = CliRunner().invoke(app, ["strategy", "walls", "--json"])
    told = json.loads(shown.output)
    assert list(told["walls"]) == list(WALLS)
    assert shown.exit_code == (1 if any(told["walls"].values()) else 0)
    path = tmp_path / "flat.py"
    path.write_text(HEAD + "    return 0.0\n")
    open_here = [word for wall in WALLS for word in ("--allow", wall)]
    shown = CliRunner().invoke(app, ["strategy", "try", str(path), *open_here])
    assert shown.exit_code == 0, shown.output
    assert "tried 1 over 6,000 bars: +0.00%" in shown.output
