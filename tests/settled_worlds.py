"""Worlds with managed subscriptions that are matured, liquidated or settled."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from commenda.books import Trigger
from commenda.kit.db import Database
from commenda.referrals import release_due
from scripted import ASSET, D, steps
from world import World

UNIT = D("0.00000001")


def a_world(db: Database) -> World:
    """A price that rises by 20 % on the first day, one creator, fees as usual."""
    world = World(db, {"AAAUSDT": steps((0, 100), (10, 120))})
    world.flow = world.creator("anna")  # type: ignore[attr-defined]
    return world


def matured(db: Database) -> tuple[World, list[UUID]]:
    """A subscription with a gain whose term is over, brought by a chain of two."""
    world = a_world(db)
    world.far = world.investor("far", 100)  # type: ignore[attr-defined]
    world.near = world.investor("near", 100, world.far)  # type: ignore[attr-defined]
    investor = world.investor("ines", referrer=world.near)  # type: ignore[attr-defined]
    subscription = world.subscribe(investor, world.product())
    world.activate()
    world.signal(world.flow, "0.8")  # type: ignore[attr-defined]
    world.advance(72)
    assert world.mature() == 1
    return world, [subscription]


def liquidated(db: Database) -> tuple[World, UUID]:
    world, (subscription,) = matured(db)
    world.ask(subscription)
    assert world.liquidate() == 1
    return world, subscription


def settled(db: Database, trigger: Trigger) -> tuple[World, UUID]:
    world, (subscription,) = matured(db)
    world.ask(subscription, trigger)
    assert world.liquidate() == 1
    world.settle(subscription)
    world.move_cash()
    return world, subscription


def journal_of(world: World, subscription: UUID) -> dict[str, Any]:
    """What makes two settlements the same: kind, key, times, rules, and every line."""
    ((key, kind, actor, rules, posted, effective, journal),) = world.rows(
        "SELECT key, kind, actor, rule_version, posted_at, effective_at, id FROM journals"
        " WHERE kind = 'settlement' AND key LIKE %s",
        f"%{subscription}",
    )
    lines = world.rows(
        "SELECT a.kind, a.owner_id, e.amount FROM entries e JOIN accounts a ON a.id = e.account_id"
        " WHERE e.journal_id = %s AND a.asset = %s ORDER BY a.kind, a.owner_id, e.amount",
        journal,
        ASSET,
    )
    return {
        "head": (key, kind, actor, rules, posted, effective),
        "lines": lines,
    }


def total(journal: dict[str, Any], kind: str) -> Decimal:
    return sum((amount for name, _, amount in journal["lines"] if name == kind), D(0))


def release(world: World) -> int:
    with world.database.transaction() as tx:
        return release_due(tx, world.author)


def at_the_hour(world: World) -> Any:
    return world.now.replace(minute=0, second=0) + timedelta(hours=1)
