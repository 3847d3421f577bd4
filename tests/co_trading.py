"""A creator with a shared flow, over HTTP, and people who may follow it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from commenda.copying import find_flow
from commenda.kit.db import Database
from commenda.ledger import Owner, OwnerKind
from people import SignIn, user_of
from scripted import D, steps
from world import World

API = "/api/v1/co-trading"
NOBODY = "00000000-0000-4000-8000-000000000000"
FLOW = {
    "title": "Trend",
    "description": "Follows it.",
    "tags": ["trend", "calm"],
    "maxFollowers": 3,
    "minInvestment": "50",
    "strategy": "ema_trend",
    "symbol": "AAAUSDT",
    "investmentAmount": "1000",
}


class Market:
    """A world, a creator with a flow in it, and people who may follow."""

    def __init__(self, db: Database, client: TestClient, sign_in: SignIn, **world: Any) -> None:
        self.world = World(db, {"AAAUSDT": steps((0, 100), (30, 110), (54, 99))}, **world)
        self.client, self.sign_in = client, sign_in
        self.anna = self.person("creator", "anna")
        answer = client.post(f"{API}/flows", headers=self.anna, json=FLOW)
        assert answer.status_code == 201, answer.text
        self.flow = answer.json()
        self.flow_id = self.flow["flowId"]

    def person(self, role: str, name: str, amount: int = 10_000) -> dict[str, str]:
        """Headers of somebody with money."""
        headers = self.sign_in(role, name)
        self.world.pay_in(self.owner(role, name), D(amount), "first")
        return headers

    def owner(self, role: str, name: str) -> Owner:
        return Owner(OwnerKind(role), user_of(role, name))

    def get(self, who: dict[str, str], path: str, **params: Any) -> Any:
        answer = self.client.get(f"{API}/{path}", headers=who, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def subscribe(
        self, who: dict[str, str], amount: str = "1000", key: str | None = None, **more: Any
    ) -> Any:
        headers = who if key is None else {**who, "Idempotency-Key": key}
        body = {"flowId": self.flow_id, "investmentAmount": amount, **more}
        return self.client.post(f"{API}/subscribe", headers=headers, json=body)

    def signal(self, target: str) -> UUID:
        with self.world.database.transaction() as tx:
            flow = find_flow(tx, UUID(self.flow_id))
        return self.world.signal(flow, target)


@pytest.fixture
def market(db: Database, client: TestClient, sign_in: SignIn) -> Market:
    return Market(db, client, sign_in)


def code_of(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["code"])
