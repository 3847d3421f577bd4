"""Books with a past, and how the staff reads them over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.kit.db import Database
from commenda.ledger import Owner, OwnerKind
from people import user_of
from scripted import D, steps
from world import World

SignIn = Callable[..., dict[str, str]]
RISING = {"AAAUSDT": steps((0, 100.0), (30, 120.0)), "BBBUSDT": steps((0, 50.0))}


def ines() -> Owner:
    return Owner(OwnerKind.INVESTOR, user_of("investor", "ines"))


def get(client: TestClient, path: str, who: dict[str, str], **params: Any) -> Any:
    answer = client.get(f"/api/v1/ledger/{path}", params=params, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def pages(client: TestClient, path: str, who: dict[str, str], **params: Any) -> list[Any]:
    """Every item of a list, page by page."""
    items = []
    while True:
        page = get(client, path, who, **params)
        assert len(page["items"]) <= params["limit"]
        items += page["items"]
        if page["nextCursor"] is None:
            return items
        params["cursor"] = page["nextCursor"]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def world(db: Database, sign_in: SignIn) -> World:
    """Ines has a running subscription, and an hour has passed since."""
    sign_in("investor", "ines")
    world = World(db, RISING)
    flow = world.creator("anna")
    world.pay_in(ines(), D(20_000), "first")
    world.authorise(ines())
    world.subscribe(ines(), world.product(), 10_000)
    world.activate()
    world.signal(flow, "0.5")
    world.advance()
    return world
