"""The kill switch while two workers send at a slow venue: real processes, observed at the venue."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import kill_worker
from commenda.copying import Flow, enqueue_copy
from commenda.kit import durable
from commenda.kit.db import Database
from commenda.kit.outbox import wait
from commenda.settings import Settings
from extent import up_to
from scripted import flat
from stopped import ARRIVED, resumed, stopped
from world import World

SYMBOLS = [f"{letter * 3}USDT" for letter in "ABCDEFGHIJ"]
RUNS = up_to(4, 20)
_OPENED = (
    "SELECT s.previous_target = 0 AS opens, count(*), max(a.at), count(*) FILTER (WHERE a.at > %s)"
    " FROM arrived a JOIN orders o ON o.id = a.order_id JOIN trading_signals s ON s.id = o.cause_id"
    " WHERE a.at > %s GROUP BY opens ORDER BY opens"
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    data = tmp_path / "data"
    with Database.open(Settings(data=data)) as database:
        durable.prepare(database.owner_url)
        with psycopg.connect(database.owner_url) as owner:
            owner.execute(ARRIVED)
        world = World(database, {one: flat() for one in SYMBOLS})
        workers = [
            subprocess.Popen(
                [sys.executable, kill_worker.__file__, str(data), ",".join(SYMBOLS)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        try:
            for one in workers:
                assert one.stdout
                one.stdout.readline()
            yield world
        finally:
            for one in workers:
                one.kill()
                one.wait()
                assert one.stdout
                one.stdout.close()


def fan_out(world: World, **targets: list[Flow]) -> None:
    """Publish a signal of each flow, to enter or to leave, and have the workers copy them."""
    for way, flows in targets.items():
        for flow in flows:
            signal = world.publish(flow, {"enter": "0.5", "leave": "0"}[way])
            with world.database.transaction() as tx:
                enqueue_copy(tx, signal, world.now)


def test_nothing_that_opens_is_sent_after_the_call_returned_and_exits_are(
    world: World, seed: int
) -> None:
    draw = random.Random(seed)
    flows = [world.creator(f"creator {one}", one) for one in SYMBOLS]
    leaving, entering = flows[:5], flows[5:]
    fan_out(world, enter=leaving)
    wait(world.database, timeout=60)
    held = world.one("SELECT count(*) FROM positions WHERE quantity <> 0")
    assert held == 5
    sent_before = sent_in_all = 0
    for run in range(RUNS):
        began = world.one("SELECT clock_timestamp()")
        fan_out(world, enter=entering, leave=leaving)
        time.sleep(draw.uniform(0, 0.4))
        done = stopped(world)
        returned = world.one("SELECT clock_timestamp()")
        assert done.sending == []
        wait(world.database, timeout=60)
        seen = {
            opens: (count, late) for opens, count, _, late in world.rows(_OPENED, returned, began)
        }
        opened, late = seen.get(True, (0, 0))
        assert late == 0, f"run {run}: {late} entries came in after the call had returned"
        assert seen[False][0] == 5, "exits are sent, before or after"
        holds = world.one("SELECT count(*) FROM positions WHERE quantity <> 0")
        assert holds == opened, "what came in before stands, and no exit was refused"
        told = world.one(
            "SELECT count(*) FROM signal_executions WHERE error LIKE 'breaker_open:%%'"
            " AND signal_id IN (SELECT id FROM trading_signals ORDER BY created_at, id)"
        )
        assert told >= 5 - opened
        sent_before, sent_in_all = sent_before + opened, sent_in_all + 5
        resumed(world, done.breaker)
        # Everybody out, then half of them in: the next run finds the same.
        fan_out(world, leave=entering)
        wait(world.database, timeout=60)
        fan_out(world, enter=leaving)
        wait(world.database, timeout=60)
    print(f"{sent_before} of {sent_in_all} entries were sent before the switch, in {RUNS} runs")
    world.assert_sound()
