"""Wallets with a past, and how they are read over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient

from commenda.books import Trigger
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.ledger import Owner, OwnerKind
from commenda.managed import authorise_custody
from commenda.referrals import refer
from scripted import ASSET, D, steps
from world import World

SignIn = Callable[..., dict[str, str]]
RISING = {"AAAUSDT": steps((0, 100.0), (30, 120.0)), "BBBUSDT": steps((0, 50.0))}


def owner_of(name: str) -> Owner:
    return Owner(OwnerKind.INVESTOR, ids.derive("test-user", "investor", name))


def get(client: TestClient, path: str, who: dict[str, str], **params: Any) -> Any:
    answer = client.get(f"/api/v1/wallet/{path}", params=params, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def person(world: World, name: str, amount: int, referrer: Owner | None = None) -> Owner:
    owner = owner_of(name)
    world.pay_in(owner, D(amount), "first")
    with world.database.transaction() as tx:
        authorise_custody(tx, world.author, owner.id, ASSET, D(1_000_000))
        if referrer is not None:
            refer(tx, owner.id, referrer.id, world.now)
    return owner


def settled(db: Database, sign_in: SignIn) -> tuple[World, UUID]:
    """Ines, brought by Rita, has a subscription that gained and is settled."""
    world = World(db, RISING)
    flow = world.creator("anna")
    sign_in("investor", "rita")
    sign_in("investor", "ines")
    rita = person(world, "rita", 50)
    ines = person(world, "ines", 15_000, rita)
    subscription = world.subscribe(ines, world.product(), 10_000)
    world.activate()
    world.signal(flow, "0.5")
    world.advance(72).mature()
    world.ask(subscription, Trigger.SWEEP)
    world.liquidate()
    world.settle(subscription)
    world.move_cash()
    return world, subscription
