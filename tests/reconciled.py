"""A business and the reconciliations of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from commenda.books import post_funding
from commenda.operations import Part, Reconciliation, reconcile_all
from scripted import D, flat, steps
from world import World

PRICES = {"AAAUSDT": steps((0, 100.0), (10, 120.0), (30, 90.0)), "BBBUSDT": flat(50.0)}


def now(world: World) -> Reconciliation:
    with world.database.transaction() as tx:
        return reconcile_all(tx)


def then(world: World, moment: datetime) -> Reconciliation:
    with world.database.transaction() as tx:
        return reconcile_all(tx, moment)


def unexplained(found: Reconciliation) -> dict[tuple[str, str], Decimal]:
    return {(line.part.value, line.subject): line.unexplained for line in found.unexplained}


def figures(found: Reconciliation, *parts: Part) -> dict[tuple[str, str], tuple[Decimal, ...]]:
    return {
        (line.part.value, line.subject): (line.venue, line.ledger, line.explained)
        for line in found.lines
        if line.part in parts
    }


def tamper(world: World, statement: str, *values: Any) -> None:
    """As whoever owns the database, past every door."""
    with psycopg.connect(world.database.owner_url, autocommit=True) as owner:
        assert owner.execute(statement, values).rowcount > 0  # type: ignore[call-overload]


def charge_funding(world: World, hours: int) -> None:
    begin = world.now
    world.advance(hours)
    for payment in world.venue.income(begin.isoformat(), world.now)[0]:
        with world.database.transaction() as tx:
            instrument = world.broker.instrument(payment.instrument_id)
            post_funding(tx, world.author, world.venue.name, payment, instrument)


def live(world: World) -> list[Reconciliation]:
    """A whole business, with its reconciliation at the end of each stage."""
    seen: list[Reconciliation] = []

    def stage() -> None:
        seen.append(now(world))
        world.advance()

    anna, bea = world.creator("anna"), world.creator("bea", "BBBUSDT")
    ines = world.investor("ines", 30_000, world.investor("rosa", 100))
    stage()
    first = world.subscribe(ines, world.product(), 5_000, key="first")
    stage()
    world.activate()
    carl = world.investor("carl")
    copied = world.follow(carl, anna, D(1000))
    stage()
    world.signal(anna, "0.6")
    world.signal(bea, "-0.4")
    stage()
    charge_funding(world, 8)
    stage()
    world.signal(anna, "-0.3")
    stage()
    charge_funding(world, 12)
    stage()
    world.advance(52).mature()
    world.ask(first)
    world.liquidate()
    stage()
    world.settle(first)
    stage()
    world.move_cash()
    world.leave(copied, carl)
    world.close_copies()
    stage()
    return seen
