"""Managed wealth over HTTP: what its tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient

from commenda.kit import ids
from commenda.kit.db import Database
from commenda.ledger import Owner, OwnerKind
from scripted import ASSET, steps
from world import World

API = "/api/v1"


SUBSCRIPTIONS = f"{API}/managed-subscriptions"


SignIn = Callable[..., dict[str, str]]


RISING = {"AAAUSDT": steps((0, 100.0), (30, 120.0)), "BBBUSDT": steps((0, 50.0))}


def owner_of(name: str) -> Owner:
    return Owner(OwnerKind.INVESTOR, ids.derive("test-user", "investor", name))


def rich(client: TestClient, sign_in: SignIn, name: str, amount: int = 20_000) -> dict[str, str]:
    """A signed-in investor with money and an authorisation, both by HTTP."""
    who = sign_in("investor", name)
    body = {"amount": str(amount)}
    assert client.post(f"{API}/participation/funding", json=body, headers=who).status_code == 201
    limit = {"asset": ASSET, "limit": str(amount)}
    answer = client.post(f"{API}/participation/custody-auth", json=limit, headers=who)
    assert answer.status_code == 200
    return who


def order(
    client: TestClient,
    who: dict[str, str],
    product: UUID,
    amount: str = "10000",
    key: str | None = None,
) -> Any:
    headers = who if key is None else who | {"Idempotency-Key": key}
    body = {"productId": str(product), "amount": amount}
    return client.post(SUBSCRIPTIONS, json=body, headers=headers)


def approve(client: TestClient, who: dict[str, str], asked: Any) -> Any:
    assert asked.status_code == 202, asked.text
    answer = client.post(f"{API}/approvals/{asked.json()['approvalId']}/approve", headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def get(client: TestClient, path: str, who: dict[str, str], **params: Any) -> Any:
    answer = client.get(f"{API}/{path}", params=params, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def market(db: Database, **changes: Any) -> World:
    world = World(db, RISING, **changes)
    for name in "abcdefgh":
        world.creator(name)
    return world


def mark(world: World, symbol: str, price: int) -> None:
    with world.database.transaction() as tx:
        tx.execute(
            "INSERT INTO market_marks SELECT id, %s, %s, 'test' FROM instruments WHERE symbol = %s"
            " ON CONFLICT (instrument_id) DO UPDATE SET price = excluded.price",
            (price, world.now, symbol),
        )
