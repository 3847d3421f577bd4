"""Long commands that are told to end: no process is left, and what goes on is said word for word.

Real processes with real signals, over embedded databases of their own. Who is left is read from
/proc: all that the command started is in its session, but for the database server, which is known
by its directory.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from processes import Process, until
from study_histories import candles

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ENDLESS = '''from commenda.strategies import strategy


@strategy(name="endless", version="1.0.0", params=[], state_size=lambda p: 1, warmup=lambda p: 0)
def endless(state, bar, position, params):
    """Does not come back from its tenth bar."""
    state[0] += 1.0
    while state[0] >= 10.0 and bar[0] > 0.0:
        state[0] += 1.0
    return 0.0
'''


def left(session: int, directory: Path) -> list[str]:
    """Processes of a session, and those that name a directory: zombies are not counted."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if stat[0] != "Z" and (int(stat[3]) == session or str(directory) in words):
            found.append(words)
    return found


@pytest.fixture
def history(tmp_path: Path) -> Path:
    moves = np.random.default_rng(1).normal(0.0, 0.01, 20_000)
    return candles(tmp_path / "noise.parquet", np.cumsum(moves))


def session_of(process: Process) -> int:
    return os.getsid(process._process.pid)


def ended(process: Process, how: signal.Signals, home: Path) -> str:
    """End it by a signal; what it wrote."""
    session = session_of(process)
    assert left(session, home)
    assert process.stop(how) == 128 + how
    # A server that stops and workers that are reaped take a moment.
    until("nobody is left", lambda: not left(session, home), 20)
    return process.written()


@pytest.mark.parametrize(("how", "jobs"), [(signal.SIGTERM, "2"), (signal.SIGINT, "1")])
def test_a_study_leaves_nobody_and_goes_on_by_the_words_it_says(
    tmp_path: Path, history: Path, how: signal.Signals, jobs: str
) -> None:
    home = tmp_path / "home"
    asked = (
        "study", "run", "zscore_reversion", "--data", str(history), "--trials", "2000", "--jobs",
        jobs, "--space", "window=10:200,entry=0.5:3,exit=0:0.4", "--nice", "0", "--database",
        str(home),
    )  # fmt: skip
    process = Process(tmp_path / "log", *asked)
    until("it has begun", lambda: "study " in process.written(), 120, process)
    if jobs == "2":
        session = session_of(process)
        workers = lambda: any("loky" in one for one in left(session, home))  # noqa: E731
        until("its workers run", workers, 120, process)
    said = ended(process, how, home)
    assert "Traceback" not in said
    again = re.search(r"to go on with it:\n  (commenda study resume .*)", said)
    assert again is not None, said
    words = shlex.split(again[1])
    given = ["--jobs", "2"] if jobs == "2" else []
    assert words[4:] == [*given, "--nice", "0", "--database", str(home)]
    # The words are a command that finds the study, and runs it on.
    resumed = Process(tmp_path / "again", *words[1:])
    until("it goes on", lambda: f"study {words[3]}" in resumed.written(), 120, resumed)
    assert words[3] in ended(resumed, signal.SIGTERM, home)


TOLD_WITHIN_EXEC = """import os, signal
from commenda.cli.lives import life
import typer
try:
    with life():
        exec("os.kill(os.getpid(), signal.SIGTERM)\\nsum(range(1000))")  # as a dataclass is made
except typer.Exit as end:
    raise SystemExit(end.exit_code)
"""


def test_a_signal_that_comes_within_the_making_of_a_dataclass_is_told_by_its_number(
    tmp_path: Path,
) -> None:
    (tmp_path / "told.py").write_text(TOLD_WITHIN_EXEC, "utf-8")
    ran = subprocess.run([sys.executable, "-m", "told"], cwd=tmp_path, timeout=60)
    assert ran.returncode == 128 + signal.SIGTERM


TOLD_WITHIN_DEL = """import os, signal, time
from commenda.cli.lives import life
import typer
class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(1000))
try:
    with life():
        try:
            Last()
            time.sleep(60)
        finally:
            print("closed in order")
except typer.Exit as end:
    raise SystemExit(end.exit_code)
"""


def test_a_signal_that_comes_where_exceptions_are_ignored_is_not_lost(tmp_path: Path) -> None:
    """As in a callback of the garbage collector's: Python says so, and goes on."""
    (tmp_path / "told.py").write_text(TOLD_WITHIN_DEL, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "told"], cwd=tmp_path, timeout=60, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (128 + signal.SIGINT, "closed in order\n")
    assert ran.stderr == "interrupted\n"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_step_that_does_not_come_back_is_left(
    tmp_path: Path, history: Path, how: signal.Signals
) -> None:
    step = tmp_path / "endless.py"
    step.write_text(ENDLESS, "utf-8")
    process = Process(tmp_path / "log", "backtest", str(step), "--data", str(history))
    session = session_of(process)
    # It runs once compiled: from there on it burns its processor, in one thread.
    until("it runs", lambda: _seconds(process) > 12.0, 120, process)
    assert process.stop(how, within=20.0) == 128 + how
    assert left(session, step) == []


def _seconds(process: Process) -> float:
    """Of a processor that a process has used."""
    stat = Path(f"/proc/{process._process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def test_a_replay_leaves_nobody_and_says_how_to_go_on(tmp_path: Path) -> None:
    scenario, kept = tmp_path / "months.toml", tmp_path / "kept"
    small = Path(__file__).with_name("small.toml").read_text("utf-8")
    scenario.write_text(small.replace("days = 3", "days = 90"), "utf-8")
    process = Process(tmp_path / "log", "simulate", str(scenario), "--keep", str(kept))
    until("its server runs", lambda: (kept / "postgres" / "postmaster.pid").exists(), 120, process)
    until("it replays", lambda: _seconds(process) > 8.0, 120, process)
    said = ended(process, signal.SIGTERM, kept)
    assert f"to go on with it:\n  commenda simulate {scenario} --resume {kept}" in said
