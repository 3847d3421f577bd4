"""Pool income over HTTP: what its tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient

from commenda.income import Cadence, ProductKind, Terms, accrue_due, create_product
from commenda.ledger import Owner, OwnerKind
from people import user_of
from scripted import ASSET, D
from world import World

POOLS = "/api/v1/pools"


RATE = D("0.0002")


SignIn = Callable[..., dict[str, str]]


def owner_of(name: str) -> Owner:
    return Owner(OwnerKind.INVESTOR, user_of("investor", name))


def rich(world: World, sign_in: SignIn, name: str = "ines", amount: int = 10_000) -> dict[str, str]:
    """Headers of an investor with money."""
    headers = sign_in("investor", name)
    world.pay_in(owner_of(name), D(amount), "first")
    return headers


def product(world: World, name: str = "Savings", **changes: Any) -> UUID:
    """A product: flexible, 0.02 % a day, paid daily, unless changed."""
    terms = {
        "name": name,
        "asset": ASSET,
        "type": ProductKind.FLEXIBLE,
        "cadence": Cadence.DAILY,
        "total_quota": D(100_000),
        "minimum": D(10),
        "daily_rate": RATE,
    }
    with world.database.transaction() as tx:
        return create_product(tx, world.author, Terms(**(terms | changes))).id


def fixed(world: World, days: int = 7, **changes: Any) -> UUID:
    return product(world, f"Fixed {days}", type=ProductKind.FIXED, term_days=days, **changes)


def days_pass(world: World, days: int) -> None:
    """Days pass, and what they earned is accrued."""
    world.advance(24 * days)
    accrue_due(world.database, world.author)


def get(client: TestClient, path: str, who: dict[str, str], **params: Any) -> Any:
    answer = client.get(f"{POOLS}/{path}", params=params, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(
    client: TestClient, path: str, who: dict[str, str], key: str | None = None, **body: Any
) -> Any:
    headers = who if key is None else who | {"Idempotency-Key": key}
    return client.post(f"{POOLS}/{path}", json=body or None, headers=headers)


def hold(client: TestClient, who: dict[str, str], product_id: UUID, amount: str = "1000") -> Any:
    answer = post(client, f"products/{product_id}/subscribe", who, amount=amount)
    assert answer.status_code == 201, answer.text
    return answer.json()


def redeem(client: TestClient, who: dict[str, str], holding: Any, key: str | None = None) -> Any:
    return post(client, f"holdings/{holding['id']}/redeem", who, key)


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def walk(client: TestClient, path: str, who: dict[str, str], **params: Any) -> list[Any]:
    """All items of a list, two by two."""
    items, cursor = [], None
    while True:
        page = get(client, path, who, limit=2, **params, **({"cursor": cursor} if cursor else {}))
        assert len(page["items"]) <= 2
        items += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            return items


ORDER = {
    "name": "Term",
    "type": "fixed",
    "termDays": 30,
    "cadence": "weekly",
    "dailyRate": "0.00025",
    "totalQuota": "50000",
    "minimum": "100",
    "earlyExit": True,
    "earlyExitPenalty": "0.5",
}


def approve(client: TestClient, who: dict[str, str], asked: Any) -> Any:
    assert asked.status_code == 202, asked.text
    approval = asked.json()["approvalId"]
    return client.post(f"/api/v1/approvals/{approval}/approve", headers=who)


def approve_rate(
    client: TestClient, sign_in: SignIn, product_id: UUID, from_day: str, rate: str
) -> None:
    asked = post(
        client,
        f"products/{product_id}/rates",
        sign_in("operator"),
        fromDay=from_day,
        dailyRate=rate,
    )
    assert approve(client, sign_in("risk"), asked).status_code == 200
