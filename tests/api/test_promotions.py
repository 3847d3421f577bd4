"""Promotion over HTTP: who may ask for it and who sees what is tried."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from co_trading import code_of
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.strategies import register_catalogue
from people import SignIn
from scripted import START
from world import World

URL = "/api/v1/strategy/ema_trend"


@pytest.fixture
def flow(db: Database) -> str:
    with db.transaction() as tx:
        register_catalogue(tx, START)
    return str(World(db).creator("anna").id)


def body(flow: str, study: str) -> dict[str, Any]:
    return {"flowId": flow, "studyId": study, "reason": "it looks better"}


def test_what_is_tried_is_seen_and_asked_for(
    client: TestClient, sign_in: SignIn, flow: str
) -> None:
    staff = sign_in("risk")
    seen = client.get(f"{URL}/promotions", headers=staff)
    assert seen.json() == {
        "strategyId": str(ids.derive("strategy", "ema_trend")),
        "strategy": "ema_trend",
        "canaries": [],
        "stages": [],
        "missing": [],
    }
    nothing = str(ids.derive("nothing"))
    for told, code in (
        (body(flow, nothing), "unknown_study"),
        (body(nothing, nothing), "unknown_flow"),
    ):
        answer = client.post(f"{URL}/promote", json=told, headers=staff)
        assert code_of(answer, 404) == code
    answer = client.post("/api/v1/strategy/nobody/promote", json=body(flow, flow), headers=staff)
    assert code_of(answer, 404) == "unknown_strategy"
    investor = sign_in("investor")
    answer = client.post(f"{URL}/promote", json=body(flow, nothing), headers=investor)
    assert answer.status_code == 403
