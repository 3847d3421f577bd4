"""A managed subscription that runs, and what became of what was taken out of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from commenda.books import Trigger
from commenda.copying import Flow
from commenda.kit.db import Database
from commenda.ledger import Owner
from commenda.managed import FeeTerms, withdrawals_of
from scripted import D, steps
from world import World

UNIT = D("0.00000001")


SHARED = FeeTerms(profit_share=D("0.20"), platform_cut=D("0.30"))


RISING = {"AAAUSDT": steps((0, 100), (10, 110))}


def running(
    db: Database,
    terms: FeeTerms = SHARED,
    prices: dict[str, Any] | None = None,
    *,
    exposure: str = "0.5",
    days: int = 3,
    **venue: Any,
) -> tuple[World, UUID, Owner, Flow]:
    """10,000 of one investor in one leg that follows Anna, without trading fees."""
    world = World(db, prices or RISING, fee=D(0), **venue)
    flow = world.creator("anna", capital=0)
    ines = world.investor("ines")
    subscription = world.subscribe(ines, world.product(days, terms, early_exit=True))
    world.activate()
    world.signal(flow, exposure)
    return world, subscription, ines, flow


def only_leg(world: World, subscription: UUID) -> UUID:
    (leg,) = world.legs(subscription)
    return leg


def outcome(world: World, subscription: UUID) -> tuple[Any, ...]:
    """(status, attempts, reason) of the last withdrawal."""
    with world.database.transaction() as tx:
        last = withdrawals_of(tx, subscription)[-1]
    return last.status, last.attempts, last.reason


def owed(world: World) -> Decimal:
    return -D(world.one("SELECT coalesce(sum(balance), 0) FROM accounts WHERE kind = 'receivable'"))


def close(world: World, subscription: UUID) -> None:
    world.ask(subscription, Trigger.INVESTOR)
    world.liquidate()
    world.settle(subscription)
    world.move_cash()
    world.assert_sound()
