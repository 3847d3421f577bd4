"""Whatever an exchange does wrong, our books end as its own have them.

For each scenario so many lives (`COMMENDA_FAULT_RUNS`; 100 with `make test-all`, else a few), each
drawn from COMMENDA_TEST_SEED, the scenario's name and its number alone. A life that fails says how
it is lived again.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from commenda.kit.db import Database
from commenda.market import Kind
from extent import up_to
from world import World

from .judged import check, told
from .lived import D, Life
from .scenarios import SCENARIOS, Scenario
from .spot_lives import SPOT_SCENARIOS, SpotLife

RUNS = int(os.environ.get("COMMENDA_FAULT_RUNS", up_to(2, 100)))
FIRST_RUN = int(os.environ.get("COMMENDA_FAULT_FIRST", 0))
STEPS = 9


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_books_end_as_the_exchange_has_them(db: Database, seed: int, scenario: Scenario) -> None:
    lives_end_well(World(db, fee="0.0005", lot="0.001", minimum_notional=5), seed, scenario, Life)


@pytest.mark.parametrize("scenario", SPOT_SCENARIOS, ids=lambda one: one.name)
def test_books_end_as_spot_has_them(db: Database, seed: int, scenario: Scenario) -> None:
    world = World(db, fee="0.001", lot="0.001", minimum_notional="5", kind=Kind.SPOT)
    lives_end_well(world, seed, scenario, SpotLife)


def lives_end_well(world: World, seed: int, scenario: Scenario, kind: type[Life]) -> None:
    struck: Counter[str] = Counter()
    traded = 0
    for run in range(FIRST_RUN, FIRST_RUN + RUNS):
        life = lived(world, seed, scenario, run, kind)
        struck.update(life.near.house.script.struck)
        traded += len(life.desk.trades)
    assert world.findings() == []
    assert traded or RUNS < 10
    missing = {one["kind"] for one in scenario.faults} - struck.keys()
    assert not missing or RUNS < 10, f"never struck: {missing}"
    print(scenario.name, RUNS, "runs", traded, "trades", dict(struck))


def lived(world: World, seed: int, scenario: Scenario, run: int, kind: type[Life]) -> Life:
    """One life, from its opening to its end, and checked."""
    place = "" if kind is Life else f"{kind.market}:"
    draw = random.Random(f"{seed}:{place}{scenario.name}:{run}")
    again = f"COMMENDA_TEST_SEED={seed} COMMENDA_FAULT_FIRST={run} COMMENDA_FAULT_RUNS=1"
    knows = frozenset(
        {"AAAUSDT"} if "unknown-instrument" in scenario.name else {"AAAUSDT", "BBBUSDT"}
    )
    life = kind(world, draw, run, D(scenario.capital), knows)
    try:
        if scenario.before is not None:
            scenario.before(life)
        life.mortal = scenario.mortal
        life.script(*scenario.faults)
        for _ in range(STEPS):
            if scenario.act is not None:
                scenario.act(life)
            life.step()
        life.end()
        check(life)
    except Exception as error:
        what = f"{error or type(error).__name__}\nagain with {again}, -k {scenario.name}"
        print(what)
        raise AssertionError(f"{what}\n{told(life)}") from error
    return life
