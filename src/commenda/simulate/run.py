"""Run a scenario from its first tick, or from where a killed run came to, to its report."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from commenda.kit.db import Database
from commenda.settings import Settings
from commenda.simulate.business import open_business
from commenda.simulate.replay import Replay, begin
from commenda.simulate.report import report
from commenda.simulate.scenario import Scenario

Progress = Callable[[int, int], None]
"""Told (ticks done, ticks in all) after every tick."""


def simulate(scenario: Scenario, data: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Replay a scenario on the database under `data`; its report, with `timings`.

    A `data` that a killed run left behind is continued: the result is the same as if it had never
    been killed. Code `other_scenario` when it was begun with another scenario or seed.
    """
    begun = time.perf_counter()
    # A replay that loses its last commits does them again, so it need not wait for the disk.
    with Database.open(Settings(data=data, durable_commits=False, pool_size=4)) as database:
        begin(database, scenario)
        replay = Replay(open_business(scenario, database))
        ticks = replay.ticks()
        opened = time.perf_counter()
        for place, _ in enumerate(replay.run(ticks), start=1):
            if progress is not None:
                progress(place, len(ticks))
        replayed = time.perf_counter()
        result = report(replay.business)
    return result | {
        "timings": {
            "openSeconds": round(opened - begun, 3),
            "replaySeconds": round(replayed - opened, 3),
            "reportSeconds": round(time.perf_counter() - replayed, 3),
            "ticksThisRun": len(ticks),
            "peakMemoryMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    }
