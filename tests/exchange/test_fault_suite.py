"""Whatever an exchange does wrong, our books end as its own have them."""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from commenda.kit.db import Database
from extent import up_to
from world import World

from .lived import Life

RUNS = int(os.environ.get("COMMENDA_FAULT_RUNS", up_to(3, 100)))
STEPS = 14


def test_first(db: Database, seed: int) -> None:
    world = World(db, fee="0.0005", lot="0.001", minimum_notional=5)
    struck: Counter[str] = Counter()
    for run in range(RUNS):
        began = time.time()
        life = Life(world, random.Random(f"{seed}:{run}"), run)
        a = time.time()
        life.script({"kind": "lost_answer", "chance": 0.3}, {"kind": "unknown", "chance": 0.2})
        for _ in range(STEPS):
            if life.draw.random() < 0.6:
                life.ask_any()
            life.work()
            life.stir()
            life.pass_time(life.draw.uniform(1, 15))
            if life.draw.random() < 0.1:
                life.fund()
        b = time.time()
        life.end()
        try:
            life.check()
        except AssertionError:
            print(life.told())
            raise
        print(
            run,
            a - began,
            b - a,
            time.time() - b,
            len(life.orders),
            len(life.desk.trades),
            len(life.near.door.asked),
        )
        struck.update(life.near.house.script.struck)
    print(struck)
