"""What an author's code does wrong is one message with file, line and bar, wherever it is run.

The right bar and line of each are read off the strategies below: they count their bars, from 1.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from commenda.kernel import Bars, L2Events, L2Rules, run_l2
from commenda.kernel.l2_book import ASK, BID
from commenda.kit.errors import CommendaError
from commenda.strategies import find_depth_strategy, find_strategy, run_program
from commenda.strategies.faults import watch
from commenda.studies.evaluate import evaluate
from extent import SEED, sampled
from study_outcomes import course, noise

FILE = '''"""Steps that go wrong."""
from commenda.kernel import compiled
from commenda.strategies import Param, strategy

FORM = {"version": "1.0.0", "state_size": lambda p: 1, "warmup": lambda p: 0}


@compiled
def deeper(count, last):
    if count > last:
        raise ValueError("deeper down")  # DEEPER
    return 0.5


@strategy(name="raises", params=[Param("last", 30, 0, 1_000, int)], **FORM)
def raises(state, bar, position, params):
    """Raises after so many bars, in a function that it calls."""
    state[0] += 1.0
    return deeper(state[0], params[0])


@strategy(name="infinite", params=[Param("last", 30, 0, 1_000, int)], **FORM)
def infinite(state, bar, position, params):
    """Answers no end of exposure after so many bars."""
    state[0] += 1.0
    if state[0] > params[0]:
        return 1.0 / (state[0] - params[0] - 1.0)  # INFINITE
    return 0.5


@strategy(name="texts", params=[], **FORM)
def texts(state, bar, position, params):
    """Reads a bar by a name."""
    return bar["close"]  # TEXTS


@strategy(name="plain", params=[], python=True, **FORM)
def plain(state, bar, position, params):
    """Raises in plain Python."""
    state[0] += 1.0
    if state[0] == 8.0:
        raise KeyError("eight")  # PLAIN
    return 0.5


@strategy(name="nothing", params=[], python=True, **FORM)
def nothing(state, bar, position, params):
    """Answers nothing at all."""
    state[0] += 1.0
    if state[0] < 4.0:
        return 0.5
    return None  # NOTHING


@strategy(name="memory", params=[], version="1.0.0", warmup=lambda p: 0,
          state_size=lambda p: p["length"])  # MEMORY
def memory(state, bar, position, params):
    """Its memory is of a parameter that it does not have."""
    return 0.5
'''
DEPTH = '''"""A step in the order book that goes wrong."""
from commenda.strategies import depth_strategy


@depth_strategy(name="counting", version="1.0.0", params=[], state_size=lambda p: 1, orders=1)
def counting(state, book, position, params, orders):
    """Raises at its third call."""
    state[0] += 1.0
    if state[0] == 3.0:
        raise RuntimeError("three")  # THREE
'''
WRONG = {
    "raises": ("strategy_failed", "DEEPER", 30, "ValueError: deeper down"),
    "infinite": ("strategy_failed", "INFINITE", 30, "it answered an infinite target"),
    "plain": ("strategy_failed", "PLAIN", 7, "KeyError: 'eight'"),
    "nothing": ("strategy_failed", "NOTHING", 3, "it answered no number but None"),
    "texts": ("strategy_does_not_compile", "TEXTS", None, "it cannot be compiled: "),
    "memory": ("strategy_failed", "MEMORY", None, "what it declares: KeyError: 'length'"),
}
"""For each: the code, the mark of its line, the number of its bar, what is said."""


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("author") / "wrong.py"
    path.write_text(FILE, "utf-8")
    return path


def line_of(mark: str, text: str = FILE) -> int:
    return next(at for at, line in enumerate(text.splitlines(), 1) if line.endswith(f"# {mark}"))


def check(error: CommendaError, name: str) -> None:
    code, mark, bar, said = WRONG[name]
    assert error.code == code
    where = f"wrong.py, line {line_of(mark)}, "
    if bar is not None:
        where += f"bar {bar} (1970-01-0{1 + bar // 24}T{bar % 24:02d}:00:00Z): "
    assert error.message.startswith(where + said), error.message
    assert (error.field, error.value) == ("strategy", f"{name} 1.0.0")


@pytest.mark.parametrize("name", WRONG)
def test_a_run_says_where_and_at_which_bar(steps: Path, name: str) -> None:
    with pytest.raises(CommendaError) as refused:
        run_program(find_strategy(f"{steps}:{name}").bind(), noise(200, 3), cash=1_000.0)
    check(refused.value, name)


def test_a_fault_in_the_last_bar_and_in_the_first_is_found(steps: Path) -> None:
    bars, step = noise(200, 3), find_strategy(f"{steps}:raises")
    for last in (0, 199):
        with pytest.raises(CommendaError, match=f"bar {last} "):
            run_program(step.bind(last=last), bars, cash=1_000.0)
    assert len(run_program(step.bind(last=200), bars, cash=1_000.0).equity) == 200


def test_a_fault_that_is_none_of_the_authors_is_not_said_to_be(steps: Path) -> None:
    with pytest.raises(TypeError):
        run_program(find_strategy(f"{steps}:raises").bind(), noise(20, 3), cash="much")


def test_a_trial_that_fails_says_so_and_the_others_go_on(steps: Path) -> None:
    bars, step = noise(200, 3), find_strategy(f"{steps}:raises")
    failed, whole = evaluate(course(bars, None), [step.bind(last=30), step.bind(last=900)])
    where = f"wrong.py, line {line_of('DEEPER')}, bar 30 (1970-01-02T06:00:00Z)"
    assert failed.reason == f"{where}: ValueError: deeper down"
    assert (whole.reason, whole.bars) == (None, 200)
    # What cannot be compiled cannot for any other parameters: the study ends at once.
    with pytest.raises(CommendaError) as refused:
        evaluate(course(bars, None), [find_strategy(f"{steps}:texts").bind()])
    check(refused.value, "texts")


def test_a_step_in_the_order_book_says_at_which_event(tmp_path: Path) -> None:
    path = tmp_path / "depth.py"
    path.write_text(DEPTH, "utf-8")
    strategy = find_depth_strategy(str(path))
    second = 1_000_000_000
    ts = np.arange(1, 11) * second
    sides = np.where(np.arange(10) % 2, ASK, BID)
    events = L2Events(
        ts, ts, sides, 100 + np.arange(10) % 2, np.full(10, 5), np.arange(10), tick=0.1, lot=1.0
    )

    program = strategy.bind(strategy.resolve({}))
    rules = L2Rules(every_events=2, interval=0)

    def over(count: int | None) -> object:
        columns = (column[:count] for column in (ts, ts, sides, events.price, events.lots, ts))
        given = events if count is None else L2Events(*columns, tick=0.1, lot=1.0)
        return run_l2(program, given, rules, cash=1_000.0)

    with pytest.raises(CommendaError) as refused:
        watch(program.step, strategy.identity, over, lambda: events.ts, of="event")
    # A step after every two events: the third is due with the sixth, number 5.
    assert refused.value.message == (
        f"depth.py, line {line_of('THREE', DEPTH)}, event 5 (1970-01-01T00:00:06Z):"
        " RuntimeError: three"
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for symbol in ("BTCUSDT", "ETHUSDT"):
        write(noise(200, 3), folder / f"x_{symbol}_1h.csv")
    return folder


def write(bars: Bars, file: Path) -> None:
    columns = (
        bars.ts // 10**9 + 1_735_689_600,
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.volume,
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = ["ts,open,high,low,close,volume", *(",".join(map(repr, row)) for row in rows)]
    file.write_text("\n".join(lines), "utf-8")


def commenda(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A command of its own: what is printed, and with which code it ends."""
    given = [sys.executable, "-m", "commenda", *words]
    return subprocess.run(given, capture_output=True, text=True, cwd=home, timeout=180)


COMMANDS = [
    ["backtest", "{}:raises", "--data", "x_BTCUSDT_1h.csv"],
    ["backtest", "{}:raises", "--data", "x_BTCUSDT_1h.csv", "--data", "x_ETHUSDT_1h.csv"],
    ["backtest", "{}:infinite", "--data", "x_BTCUSDT_1h.csv", "--leverage", "3"],
    ["backtest", "{}:plain", "--data", "x_BTCUSDT_1h.csv"],
    ["strategy check", "{}:raises", "--data", "x_BTCUSDT_1h.csv"],
]
"""Each but the second and the third takes two seconds; those compile for twenty."""


@pytest.mark.parametrize("words", sampled(COMMANDS, 3, SEED), ids=" ".join)
def test_a_command_is_one_message_and_exit_code_2(
    steps: Path, data: Path, words: list[str]
) -> None:
    given = [*words[0].split(), *(word.format(steps) for word in words[1:])]
    said = commenda(*given, "--json", home=data)
    name = words[1].partition(":")[2]
    _, mark, bar, what = WRONG[name]
    assert said.returncode == 2
    assert "Traceback" not in said.stderr
    assert len(said.stderr.strip().splitlines()) == 3
    problem = json.loads(said.stdout)
    assert (problem["code"], problem["value"]) == ("strategy_failed", f"{name} 1.0.0")
    assert re.match(rf"wrong.py, line {line_of(mark)}, bar {bar} \(.*\): {what}", problem["detail"])
    assert problem["detail"] in said.stderr
