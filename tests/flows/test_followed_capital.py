"""What follows a flow, as it is kept, against the sum over its followers after every change."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from uuid import UUID

import psycopg

from commenda.copying.checks import CHECKS
from commenda.copying.following import resize_legs
from commenda.kit.db import Database
from scripted import D, steps
from world import World, in_threads

CAPITAL = next(check for check in CHECKS if check.rule.startswith("the capital that follows"))


def kept(world: World, flow: UUID) -> Decimal:
    return Decimal(world.one("SELECT amount FROM followed_capital WHERE flow_id = %s", flow))


def test_followers_that_come_pause_shrink_and_leave_are_counted(db: Database) -> None:
    """The vault of 10,000 leads; 1,000 and 500 come; 500 pauses; of 1,000 a quarter leaves."""
    world = World(db, {"AAAUSDT": steps((0, 100))})
    flow = world.creator("anna")
    begun = kept(world, flow.id)
    ines, otto = world.investor("ines", 5_000), world.investor("otto", 5_000)
    first, second = world.follow(ines, flow, D(1_000)), world.follow(otto, flow, D(500))
    assert kept(world, flow.id) - begun == 1_500
    world.pause(second, otto)
    assert kept(world, flow.id) - begun == 1_000
    world.pause(second, otto, resume=True)
    assert kept(world, flow.id) - begun == 1_500
    with db.transaction() as tx:
        resize_legs(tx, [(first, D("0.75"))], world.now)
    assert kept(world, flow.id) - begun == 1_250
    assert world.leave(second, otto)
    assert kept(world, flow.id) - begun == 750
    assert world.rows(CAPITAL.query) == []


def test_followers_that_come_at_once_are_all_counted(db: Database) -> None:
    world = World(db, {"AAAUSDT": steps((0, 100))})
    flow = world.creator("anna")
    begun = kept(world, flow.id)
    people = [world.investor(f"i{number}", 100) for number in range(6)]
    in_threads(*[partial(world.follow, one, flow, D(100)) for one in people])
    assert kept(world, flow.id) - begun == 600


def test_a_figure_that_is_not_the_sum_is_found(db: Database) -> None:
    world = World(db, {"AAAUSDT": steps((0, 100))})
    world.creator("anna")
    with psycopg.connect(db.owner_url) as owner:
        owner.execute("UPDATE followed_capital SET amount = amount + 1")
    assert len(world.rows(CAPITAL.query)) == 1
