"""How soon `commenda up` is healthy and ready: on a fresh data directory, and the next time.

Beside the floor, in the same round: the bare initdb and start of the same PostgreSQL, and after it
bare FastAPI with a pool on it. Processor seconds are those of `up` and its processes until it has
stopped again, PostgreSQL's apart.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from bench.kit import Figure, median, show, times
from bench.service import free_port, is_healthy, serving
from commenda.kit.embedded import EmbeddedServer

ROUNDS = 5
AIMS = {"first": "< 4", "second": "< 2.5"}
NOTICE = 0.01
"""Wall seconds between two looks at a starting process."""


def main() -> None:
    """Print the medians of ROUNDS starts, each with what the bare thing took in its round."""
    bare: dict[str, list[float]] = {"first": [], "second": []}
    ours: dict[str, list[tuple[float, float, float]]] = {"first": [], "second": []}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="commenda-bench-") as folder:
            for which in ours:
                bare[which].append(_bare_start(Path(folder) / "bare" / "postgres"))
                ours[which].append(_up(Path(folder) / "ours"))
    figures = []
    for which, starts in ours.items():
        healthy, ready, burnt = (list(each) for each in zip(*starts, strict=True))
        ratio = times(median(healthy), median(bare[which]))
        figures += [
            Figure(f"`up` to healthy, {which} time", median(healthy), "s", ratio, AIMS[which]),
            Figure("    lowest", min(healthy), "s"),
            Figure("    highest", max(healthy), "s"),
            Figure("    to ready, its worker too", median(ready), "s"),
            Figure("    processor time, with the stop", median(burnt), "s"),
            Figure("    floor: bare PostgreSQL, then FastAPI", median(bare[which]), "s"),
        ]
    show(
        f"startup: median of {ROUNDS} fresh data directories, each started twice",
        figures,
        "ratio: ours to the floor; the floor makes (first) and starts PostgreSQL, then one process"
        " of FastAPI with a pool",
        f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), load"
        f" {os.getloadavg()[0]:.1f}, Python {platform.python_version()}",
    )


def _bare_start(directory: Path) -> float:
    """Seconds until bare FastAPI answers beside the wheel's PostgreSQL, made here if need be."""
    begun = time.perf_counter()
    server = EmbeddedServer.start(directory)
    try:
        url = server.prepare()
        with serving([sys.executable, "-m", "bench.bare_api", url]):
            return time.perf_counter() - begun
    finally:
        server.release()


def _up(data: Path) -> tuple[float, float, float]:
    """Seconds until healthy and until ready, and processor seconds, of `up` on this directory."""
    port, before = free_port(), _burnt()
    command = [sys.executable, "-m", "commenda", "up", "--data", str(data), "--port", str(port)]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while not is_healthy(port):
            assert process.poll() is None, "`up` ended"
            time.sleep(NOTICE)
        healthy = time.perf_counter() - begun
        while not is_ready(port):
            time.sleep(NOTICE)
        ready = time.perf_counter() - begun
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return healthy, ready, _burnt() - before


def is_ready(port: int) -> bool:
    url = f"http://127.0.0.1:{port}/readyz"
    with suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return bool(json.load(answer)["ready"])
    return False


def _burnt() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
