"""Where compiled code is kept: in a cache that belongs to exactly its sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from commenda import kernel
from commenda.kernel.compiling import as_row, compiled, inner
from commenda.strategies import CATALOGUE, precompile


def test_an_edit_in_the_kernel_or_the_strategies_opens_a_new_cache(tmp_path: Path) -> None:
    rooms = ("kernel", "strategies/shipped", "trading")
    for room in rooms:
        (tmp_path / room).mkdir(parents=True)
        (tmp_path / room / "page.py").write_text("x = 1\n")
    digests = [kernel.source_digest(tmp_path)]
    for room in rooms:
        (tmp_path / room / "page.py").write_text("x = 2\n")
        digests.append(kernel.source_digest(tmp_path))
    assert len(set(digests[:3])) == 3
    assert digests[3] == digests[2]


def test_numba_is_pointed_at_the_cache_of_these_sources(tmp_path: Path) -> None:
    show = "import os, commenda.kernel, numba; print(os.environ['NUMBA_CACHE_DIR'])"
    for order in (show, f"import numba; {show}; assert numba.config.CACHE_DIR"):
        shown = subprocess.run(
            [sys.executable, "-c", order],
            env={**os.environ, "COMMENDA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.strip() == str(tmp_path / f"numba-{kernel.source_digest()}")


def test_a_cache_that_cannot_be_written_falls_back_to_a_private_directory(tmp_path: Path) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_text("not a directory")
    private = kernel.writable(obstacle / "cache")
    assert private.is_dir()
    assert private.stat().st_mode & 0o077 == 0


def test_the_cache_directory_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COMMENDA_CACHE_DIR", str(tmp_path))
    assert kernel.user_cache() == tmp_path


def test_what_is_compiled_ahead_names_every_shipped_strategy_and_runs() -> None:
    parts = dict(precompile())
    assert set(parts) >= {each.name for each in CATALOGUE}
    assert {"sweep", "stepper", "desk", "desk with orders"} <= set(parts)
    assert {"two legs", "two legs with orders", "order book"} <= set(parts)
    for name in ("sma_cross", "sweep", "stepper"):
        parts[name]()


SANDBOXED = """
import sys
from numba.core import event
from commenda.kernel import run
from commenda.strategies import CATALOGUE
from commenda.strategies.sandboxed import keep_nothing
from commenda.testing import sample_bars

class Noted(event.Listener):
    def on_start(self, said):
        print(said.data["dispatcher"].__name__)

    def on_end(self, said):
        pass

if "keeps" not in sys.argv:
    keep_nothing()
event.register("numba:compile", Noted())
run(CATALOGUE[0].bind(), sample_bars(300), cash=1_000.0)
"""


def test_who_may_keep_nothing_compiled_reads_what_others_have_kept(tmp_path: Path) -> None:
    def compiled_by(*words: str) -> list[str]:
        environment = {**os.environ, "COMMENDA_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, "-c", SANDBOXED, *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert "_over_plain" in compiled_by()
    assert "_over_plain" in compiled_by("keeps")  # the first has kept nothing
    assert compiled_by() == []


@inner
def entry(table, row, column):
    if table[row, column] < 0.0:
        raise ValueError("below zero")
    return table[row, column]


@inner
def both(table, column):
    return entry(table, 0, column) + entry(table, 0, 1)


@compiled
def reading(array, column):
    return both(as_row(array), column) + both(as_row(array), 0)


def test_what_only_compiled_code_calls_is_made_once_whatever_constants_it_is_given() -> None:
    fresh = numba.njit(reading.py_func)  # one from the disk has nothing to compile
    assert fresh(np.array((1.0, 20.0, 300.0)), 2) == 300.0 + 20.0 + 1.0 + 20.0
    assert len(entry.signatures) == len(both.signatures) == 1
    with pytest.raises(ValueError, match="below zero"):
        fresh(np.array((1.0, -20.0, 300.0)), 2)
