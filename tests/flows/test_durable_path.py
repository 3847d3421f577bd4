"""The durable path (queue and worker) leads to the same books as calling the actions directly."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from commenda.kit import durable, outbox
from commenda.kit.db import Database
from commenda.operations import verify
from commenda.settings import Settings
from commenda.simulate import load_scenario, report, simulate
from commenda.simulate.business import open_business
from commenda.simulate.replay import Replay
from extent import long, up_to

HERE = Path(__file__).parent
SCENARIO = HERE / "small.toml"
PLAN = load_scenario(SCENARIO)


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the scenario comes to when every action is called directly."""
    result = simulate(PLAN, tmp_path_factory.mktemp("direct"))
    return comparable(result)


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(json.dumps(result, default=str))
    kept.pop("timings", None)
    return kept


class Workers:
    """One worker process at a time, killed and started again at will."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.process = self.start()

    def start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, HERE / "scenario_worker.py", SCENARIO, self.data],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline().startswith("slot"), "the worker did not start"
        return process

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        self.kill()
        self.process = self.start()


def replay_through_the_queue(data: Path, kill_after: list[float]) -> dict[str, Any]:
    """Replay with a worker that is killed after each of the given waits (seconds)."""
    with Database.open(Settings(data=data, durable_commits=True)) as database:
        durable.prepare(database.owner_url)
        business = open_business(PLAN, database)
        replay = Replay(business, queued=True)
        workers = Workers(data)
        done = threading.Event()

        def reaper() -> None:
            for wait in kill_after:
                if done.wait(wait):
                    return
                workers.restart()

        killer = threading.Thread(target=reaper)
        killer.start()
        try:
            for _ in replay.run(replay.ticks()):
                pass
        finally:
            done.set()
            killer.join()
            workers.kill()
        with database.transaction() as tx:
            assert outbox.pending(tx) == 0
            assert not outbox.failures(tx)
        with database.transaction() as tx:
            assert not list(verify(tx))
        return comparable(report(business))


@long  # the killed one comes to the same books, too
def test_the_queue_and_a_worker_lead_to_the_same_books(
    tmp_path: Path, direct: dict[str, Any]
) -> None:
    assert replay_through_the_queue(tmp_path, []) == direct


def test_a_worker_killed_at_random_points_completes_everything_once(
    tmp_path: Path, direct: dict[str, Any], seed: int
) -> None:
    moments = random.Random(seed)
    waits = [moments.uniform(0.05, 1.2) for _ in range(up_to(3, 10))]
    assert replay_through_the_queue(tmp_path, waits) == direct
