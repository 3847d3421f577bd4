"""How fast the kernel is: the loop, the stepper, and the start of a process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from commenda.kernel import Bars, Program, Stepper, run
from commenda.strategies import CATALOGUE

LOOP_BARS = 1_000_000
STEPPED_BARS = 100_000
RUNS = 5
FIVE_MINUTES = 300_000_000_000
START = """
import time
begun = time.perf_counter()
import numpy as np
from commenda.kernel import Bars, run
from commenda.strategies import catalogue
imported = time.perf_counter()
ones = np.ones(1_000)
bars = Bars(np.arange(1_000), ones, ones, ones, ones, ones)
for each in catalogue().values():
    run(each.bind(), bars, cash=1_000.0)
print(imported - begun, time.perf_counter() - imported)
"""


def synthetic_bars(count: int) -> Bars:
    """A seeded random walk with steps of 0.1 %."""
    rng = np.random.default_rng(1)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-3, count)))
    opening = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(opening, close) * 1.0005, np.minimum(opening, close) * 0.9995
    stamps = FIVE_MINUTES * np.arange(count)
    return Bars(stamps, opening, high, low, close, np.ones(count))


def median_seconds(work: Callable[[], object]) -> float:
    """Median of RUNS runs, after one that does not count."""
    work()
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def step_through(program: Program, bars: Bars, count: int) -> None:
    """Hand the first `count` bars to a new stepper, one by one."""
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows = zip(*(column[:count].tolist() for column in columns), strict=True)
    on_bar = Stepper(program, cash=10_000.0).on_bar
    for row in rows:
        on_bar(*row)


def start_of_a_process(cache: str) -> tuple[float, float]:
    """Seconds to import, and to run the whole catalogue once, with the numba cache in `cache`."""
    shown = subprocess.run(
        [sys.executable, "-c", START],
        env={**os.environ, "COMMENDA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    imported, first_runs = map(float, shown.stdout.split())
    return imported, first_runs


def main() -> None:
    """Print bars a second for each catalogue strategy, and cold and warm starts."""
    bars = synthetic_bars(LOOP_BARS)
    print(f"kernel: {LOOP_BARS:,} bars in the loop, {STEPPED_BARS:,} bar by bar, median of {RUNS}")
    print(f"{'strategy':<20}{'loop, bars/s':>16}{'stepper, bars/s':>18}{'us a bar':>10}")
    for each in CATALOGUE:
        program = each.bind()
        loop = median_seconds(partial(run, program, bars, cash=10_000.0))
        stepper = median_seconds(partial(step_through, program, bars, STEPPED_BARS))
        print(
            f"{each.name:<20}{LOOP_BARS / loop:>16,.0f}{STEPPED_BARS / stepper:>18,.0f}"
            f"{stepper / STEPPED_BARS * 1e6:>10.2f}"
        )
    with tempfile.TemporaryDirectory() as cache:
        for name in ("cold", "warm"):
            imported, first_runs = start_of_a_process(cache)
            print(f"{name} start: import {imported:.2f} s, first run of all {first_runs:.2f} s")


if __name__ == "__main__":
    main()
