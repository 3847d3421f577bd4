"""Strategies in a process of their own: the same bits, and every way to misbehave ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from commenda.kernel import Costs, run
from commenda.kit.errors import CommendaError
from commenda.strategies import Limits, catalogue, find_strategy, run_program, run_sandboxed
from commenda.testing import sample_bars

BARS = sample_bars(500)
HEAD = """
import numpy as np
from commenda.strategies import Param, strategy

@strategy(name="tried", version="1", params=[Param("level", default=0.5, low=0.0, high=1.0)],
          state_size=lambda p: 1, warmup=lambda p: 0, python={python})
def tried(state, bar, position, params):
"""


def file_of(tmp_path: Path, body: str, *, python: bool = True) -> str:
    """A file with one strategy whose step has this body."""
    path = tmp_path / "tried.py"
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    path.write_text(HEAD.format(python=python) + lines)
    return str(path)


def refusal(named: str, limits: Limits | None = None) -> CommendaError:
    with pytest.raises(CommendaError) as caught:
        run_sandboxed(named, {}, BARS, limits=limits)
    return caught.value


def test_the_result_is_that_of_this_process_to_the_bit() -> None:
    params: dict[str, object] = {"fast": 5, "slow": 20, "stop": 0.02}
    costs = Costs(fee_bps=3.0, slippage_bps=2.0)
    here = run(catalogue()["ema_trend"].bind(**params), BARS, cash=5e3, costs=costs)
    there = run_sandboxed("ema_trend", params, BARS, cash=5e3, costs=costs)
    assert there.equity.tobytes() == here.equity.tobytes()
    assert there.targets.tobytes() == here.targets.tobytes()
    assert there.source_hash == catalogue()["ema_trend"].source_hash


def test_a_compiled_file_runs_the_same_there(tmp_path: Path) -> None:
    body = (
        "state[0] = 0.9 * state[0] + 0.1 * bar[3]\nreturn params[0] if bar[3] > state[0] else 0.0"
    )
    named = file_of(tmp_path, body, python=False)
    here = run(find_strategy(named).bind(), BARS, cash=1e4)
    assert run_sandboxed(named, {}, BARS).equity.tobytes() == here.equity.tobytes()


@pytest.mark.parametrize("python", [True, False])
def test_an_endless_loop_is_ended(tmp_path: Path, python: bool) -> None:
    body = "while bar[0] > 0.0:\n    state[0] += 1.0\nreturn 0.0"
    error = refusal(file_of(tmp_path, body, python=python), Limits(seconds=4.0))
    assert error.code == "strategy_timeout"


def test_sleeping_is_ended_by_the_clock_on_the_wall(tmp_path: Path) -> None:
    error = refusal(file_of(tmp_path, "import time\ntime.sleep(600)"), Limits(seconds=4.0))
    assert error.code == "strategy_timeout"


def test_a_hog_of_memory_is_ended(tmp_path: Path) -> None:
    error = refusal(file_of(tmp_path, "x = bytearray(1 << 31)\nreturn 0.0"))
    assert error.code == "strategy_memory"


@pytest.mark.parametrize(
    ("python", "body"),
    [
        (True, "state[0] += 1\nif state[0] == 5: raise RuntimeError('out of ideas')\nreturn 0.0"),
        (False, "state[0] += 1\nif state[0] == 5: raise ValueError('out of ideas')\nreturn 0.0"),
        (False, "state[0] += 1\nreturn np.inf if state[0] == 5 else 0.0"),
        (True, "return 'much'"),
        (False, "return bar.gone"),
    ],
)
def test_a_step_that_raises_is_told_as_it_is_here(tmp_path: Path, python: bool, body: str) -> None:
    named = file_of(tmp_path, body, python=python)
    with pytest.raises(CommendaError) as here:
        run_program(find_strategy(named).bind(), BARS, cash=1e4)
    there = refusal(named)
    assert str(there) == str(here.value)
    assert there.code in ("strategy_failed", "strategy_does_not_compile")
    assert "tried.py, line " in there.message


def test_a_crash_is_told_with_its_last_words(tmp_path: Path) -> None:
    told = refusal(file_of(tmp_path, "import os\nos.write(2, b'so far')\nos.abort()"))
    assert told.code == "strategy_crashed"
    assert "so far" in told.message
    leaving = refusal(file_of(tmp_path, "import os\nos._exit(0)"))
    assert leaving.code == "strategy_crashed"
    assert "without an answer" in leaving.message
    fault = refusal(file_of(tmp_path, "import ctypes\nctypes.string_at(0)"))
    assert fault.code == "strategy_crashed"
    assert "SIGSEGV" in fault.message


def test_a_forged_answer_is_not_believed(tmp_path: Path) -> None:
    for answer in (b"\x02\0\0\0\0\0\0\0[]", b"\xff" * 64):
        body = f"import os\nfor fd in range(1, 9):\n    try: os.write(fd, {answer!r})\n"
        body += "    except OSError: pass\nos._exit(0)"
        assert refusal(file_of(tmp_path, body)).code == "strategy_crashed"


def test_nothing_of_the_environment_or_the_directory_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", "postgresql://secret@host/commenda")
    body = "import os\nraise RuntimeError(f'{os.getcwd()} {os.listdir()} {sorted(os.environ)}')"
    said = refusal(file_of(tmp_path, body)).message
    assert "secret" not in said
    assert "COMMENDA_DATABASE_URL" not in said
    assert os.getcwd() not in said.rpartition("RuntimeError: ")[2]
    assert "/work [] [" in said


def test_files_and_open_files_are_limited(tmp_path: Path) -> None:
    many = "held = [open('/dev/null') for _ in range(200)]\nreturn 0.0"
    assert "Too many open files" in refusal(file_of(tmp_path, many)).message
    large = "open('large', 'wb').write(bytes(1 << 21))\nreturn 0.0"
    error = refusal(file_of(tmp_path, large), Limits(file_size=1 << 20))
    assert error.code == "strategy_failed"


def test_what_the_file_is_refused_for_is_refused_here(tmp_path: Path) -> None:
    absent = refusal(str(tmp_path / "absent.py"))
    assert (absent.code, absent.value) == ("strategy_file_not_found", str(tmp_path / "absent.py"))
    with pytest.raises(CommendaError) as caught:
        run_sandboxed("ema_trend", {"fast": -1}, BARS)
    assert (caught.value.code, caught.value.field) == ("bad_parameter", "fast")
    with pytest.raises(ValueError, match="limits are positive"):
        Limits(seconds=0.0)
