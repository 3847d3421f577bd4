"""Rungs of margin use that reduce a book before it is closed by its margin.

Worked by hand: 10,000 hold 500 at 100, five times their equity, without fees. At the price p there
is equity of 500 p - 40,000 over gross of 500 p. Initial margin is a tenth of gross, and a book is
closed below a twentieth: 25 p > 500 p - 40,000, below p = 84.21, where margin use is 2. The book
is a managed one: others are not closed by their margin.
"""

from __future__ import annotations

from typing import Any

import pytest

from commenda.books import guard_margins
from commenda.copying import Flow
from commenda.kit.db import Database
from commenda.operations import Operation
from commenda.operations.breaking import heed_breakers, sweep_breakers
from commenda.operations.jobs import PRODUCTS
from commenda.risk import LimitOrder, all_breakers, tighten
from scripted import D, flat, steps
from world import World

FALL = (100, 100, 96, 92, 88, 84, 80, 78, 76, 64)
"""The price at each hour; the book begins at the second."""
RUNGS = (
    ("platform", "", "0.55", "no_entries"),
    ("venue", "*", "0.7", "cancel"),
    ("creator", "*", "0.75", "reduce"),
    ("scope", "*", "0.95", "flatten"),
)
"""Each at a level of its own: a limit is one for its level, subject and measure."""


def fallen(
    db: Database, rungs: tuple[tuple[str, str, str, str], ...], fall: tuple[int, ...] = FALL
) -> tuple[World, Flow]:
    prices = {"AAAUSDT": steps(*enumerate(fall)), "BBBUSDT": flat(50.0)}
    world = World(db, prices, fee="0")
    flow = world.creator("anna", capital=0)
    investor = world.investor("ines", 10_000)
    world.subscribe(investor, world.product(), 10_000)
    world.activate()
    for level, subject, amount, effect in rungs:
        said = {"level": level, "subject": subject, "amount": amount, "effect": effect}
        order = LimitOrder.model_validate(said | {"measure": "margin_use", "reason": "a ladder"})
        with world.database.transaction() as tx:
            tighten(tx, world.author, order)
    world.mark()
    world.signal(flow, "5")
    assert quantity(world) == 500
    return world, flow


def quantity(world: World) -> Any:
    return world.one("SELECT sum(quantity) FROM positions")


def hour(world: World) -> list[str]:
    """An hour later: what breakers do about the new price, and then whom their margin closes."""
    world.advance().mark()
    operation = Operation(world.database, world.broker)
    sweep_breakers(operation, world.now)
    heed_breakers(operation, world.now)
    with world.database.transaction() as tx:
        guard_margins(tx, world.author, world.broker.marks(world.now), PRODUCTS)
        return [one.effect for one in all_breakers(tx, standing=True)]


def margin_closings(world: World) -> Any:
    return world.one("SELECT count(*) FROM closings WHERE trigger = 'margin'")


def test_a_ladder_reduces_before_the_margin_closes(db: Database) -> None:
    world, flow = fallen(db, RUNGS)
    assert hour(world) == ["no_entries"], "at 96 4,800 of 8,000: 0.6"
    world.signal(flow, "6")
    assert quantity(world) == 500, "nothing more is opened"
    # At 92 4,600 of 6,000 is 0.767, beyond two rungs: half of 500 is left, and 0.383 of use.
    assert sorted(hour(world)) == ["cancel", "no_entries", "reduce"]
    assert quantity(world) == 250
    # 250 p - 17,000 of equity: 0.44, 0.525 and 0.667; the rung has calmed down meanwhile.
    for price in (88, 84, 80):
        assert "flatten" not in hour(world), price
        assert quantity(world) == 250
    # At 78 1,950 of 2,500 is 0.78: halved again. 125 p - 7,250: at 76 950 of 2,250, 0.42.
    for price in (78, 76):
        assert "flatten" not in hour(world), price
        assert quantity(world) == 125
    assert "flatten" in hour(world), "at 64 800 of 750: 1.07"
    assert quantity(world) == 0
    assert margin_closings(world) == 0
    kept = world.one("SELECT sum(balance) FROM accounts a JOIN legs l ON l.account_id = a.id")
    assert kept == D(750), "the equity that was left"
    world.assert_sound()


def test_a_fall_past_all_rungs_at_once_is_met_by_the_strongest(db: Database) -> None:
    """At 83 equity is 1,500 and 2,075 must be kept: it is flat before the margins are looked at."""
    world, _ = fallen(db, RUNGS, (100, 100, 83))
    assert sorted(hour(world)) == ["cancel", "flatten", "no_entries", "reduce"]
    assert quantity(world) == 0
    assert margin_closings(world) == 0
    world.assert_sound()


@pytest.mark.parametrize("rungs", [(), RUNGS[:2]], ids=["none", "none that reduces"])
def test_without_it_the_margin_closes_the_book(
    db: Database, rungs: tuple[tuple[str, str, str, str], ...]
) -> None:
    world, _ = fallen(db, rungs)
    for price in (96, 92, 88):
        hour(world)
        assert margin_closings(world) == 0, price
    hour(world)
    assert margin_closings(world) == 1, "at 84 equity is 2,000, and 2,100 must be kept"


def test_a_managed_book_opens_and_turns_nothing_under_an_open_breaker(db: Database) -> None:
    """Its signals are a door of their own: what reduces passes, a reversal only closes."""
    world, flow = fallen(db, RUNGS[:1], (100, 100, 96))
    assert hour(world) == ["no_entries"]
    for target, left in (("6", 500), ("2", 166), ("4", 166), ("-3", 0), ("1", 0)):
        world.signal(flow, target)
        assert int(quantity(world)) == left, target
    world.assert_sound()
