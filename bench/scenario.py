"""What a whole replayed business costs: wall time and peak memory, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench.kit import Figure, durability, fresh_database, machine, show
from commenda.simulate import load_scenario

SCENARIOS = Path(__file__).parents[1] / "scenarios"
AIM_SECONDS = 120
NAMES = ("demo", "spring-2025")
COMMAND = "from commenda.cli import main; main()"


class Run(NamedTuple):
    """One child process: its wall time, its peak memory and its server's, and its report."""

    seconds: float
    peak_mib: int
    server_mib: int
    report: dict[str, Any]


def main() -> None:
    """Print wall time and peak memory of the demo and of the month on recorded candles."""
    figures: list[Figure] = []
    notes: list[str] = []
    for name in NAMES:
        path = SCENARIOS / f"{name}.toml"
        absent = _absent(path)
        if absent:
            notes.append(f"{name}: skipped, no candles at {absent}")
            continue
        run = _simulate(path)
        ratio = f"{run.seconds / AIM_SECONDS:.2f} of the aim"
        figures.append(Figure(name, run.seconds, "s", ratio, f"< {AIM_SECONDS} s"))
        figures.append(Figure("    ticks", run.report["timings"]["ticksThisRun"], "candles"))
        figures.append(Figure("    peak memory, Python", run.peak_mib, "MiB"))
        figures.append(Figure("    peak memory, PostgreSQL", run.server_mib, "MiB"))
        clean = "clean" if run.report["verify"]["clean"] else "NOT clean"
        unexplained = run.report["reconciliation"]["unexplained"]
        notes.append(f"{name}: verify {clean}, unexplained difference {unexplained}; one run")
    with fresh_database() as database:
        notes.append(machine(database))
    show("scenario: a whole business replayed", figures, *notes, durability(durable=False))


def _absent(path: Path) -> Path | None:
    """The folder of candles that a scenario on files asks for, where it does not have them."""
    market = load_scenario(path).market
    if market.folder is None or list(market.folder.glob("*.parquet")):
        return None
    return market.folder


def _simulate(path: Path) -> Run:
    with tempfile.TemporaryDirectory(prefix="commenda-bench-") as folder:
        kept, report = Path(folder) / "run", Path(folder) / "report.json"
        begun = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "simulate", path, "--keep", kept, "--json", report],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ended = threading.Event()
        server = _ServerMemory(kept / "postgres" / "postmaster.pid", ended)
        server.start()
        _, _, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begun
        ended.set()
        server.join()
        return Run(
            seconds, usage.ru_maxrss // 1024, server.peak_mib, json.loads(report.read_text())
        )


class _ServerMemory(threading.Thread):
    """Samples the embedded server twice a second: shared pages counted once."""

    def __init__(self, pid_file: Path, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self.peak_mib = 0
        self._pid_file = pid_file
        self._ended = ended

    def run(self) -> None:
        while not self._ended.wait(0.5):
            try:
                postmaster = int(self._pid_file.read_text().split()[0])
                children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
                pids = [postmaster, *map(int, children.split())]
                self.peak_mib = max(self.peak_mib, sum(map(_proportional_kib, pids)) // 1024)
            except (OSError, IndexError, ValueError):  # not up yet, or just gone
                continue


def _proportional_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
