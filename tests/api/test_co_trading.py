"""Who may do what in co-trading, and what is recorded of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from co_trading import (
    API,
    NOBODY,
    Market,
    code_of,
    market,  # noqa: F401 - a fixture
)
from people import SignIn, user_of
from scripted import D

ROUTES = [
    ("POST", "flows", "share"),
    ("GET", "flows/my", "share"),
    ("GET", "flows", "flows"),
    ("GET", f"flows/{NOBODY}", "flows"),
    ("GET", f"flows/{NOBODY}/nav", "flows"),
    ("GET", f"flows/{NOBODY}/comparison", "share or overview"),
    ("POST", f"flows/{NOBODY}/toggle", "share"),
    ("POST", "subscribe", "copy"),
    ("GET", "subscriptions", "copy"),
    ("GET", f"subscriptions/{NOBODY}", "copy"),
    ("DELETE", f"subscriptions/{NOBODY}", "copy"),
    ("PATCH", f"subscriptions/{NOBODY}/settings", "copy"),
    ("GET", f"signals/{NOBODY}", "flows"),
    ("GET", f"executions/{NOBODY}", "flows"),
]


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_each_route_asks_who_it_is(
    client: TestClient, sign_in: SignIn, method: str, path: str, permission: str
) -> None:
    def ask(headers: dict[str, str] | None) -> Any:
        return client.request(method, f"{API}/{path}", headers=headers)

    assert code_of(ask(None), 401) == "not_authenticated"
    allowed = {
        "share": ["creator"],
        "share or overview": ["creator", "operator", "risk", "auditor", "admin"],
        "copy": ["creator", "investor"],
        "flows": ["creator", "investor", "operator", "risk", "auditor", "admin"],
    }[permission]
    for role in ("creator", "investor", "operator", "risk", "auditor", "admin"):
        answer = ask(sign_in(role))
        if role in allowed:
            assert answer.status_code in (200, 404, 422)
        else:
            assert code_of(answer, 403) == "not_permitted"


def test_a_flow_is_compared_for_its_creator_and_the_staff_once_it_trades(market: Market) -> None:
    path = f"{API}/flows/{market.flow_id}/comparison"
    others = market.sign_in("creator", "otto")
    assert code_of(market.client.get(path, headers=others), 404) == "unknown_flow"
    for who in (market.anna, market.sign_in("operator")):
        assert code_of(market.client.get(path, headers=who), 409) == "flow_untraded"


def test_every_action_leaves_an_event(market: Market) -> None:
    ines = market.person("investor", "ines")
    copy = market.subscribe(ines).json()["subscriptionId"]
    headers, path = market.anna, f"{API}/flows/{market.flow_id}/toggle"
    market.client.post(path, headers=headers, json={"action": "pause"})
    market.client.post(path, headers=headers, json={"action": "resume"})
    market.client.post(
        f"{API}/flows", headers=headers, json={"flowId": market.flow_id, "title": "New"}
    )
    market.client.delete(f"{API}/subscriptions/{copy}", headers=ines)
    market.world.close_copies()
    rows = market.world.rows(
        "SELECT kind, actor FROM audit_events WHERE rule_version <> 'test/1'"
        " AND kind ~ '^(flow|copy)' ORDER BY id"
    )
    anna, investor = (
        f"{role}:{user_of(role, name)}"
        for role, name in (("creator", "anna"), ("investor", "ines"))
    )
    assert rows == [
        ("flow.shared", anna),
        ("copy.subscribed", anna),
        ("copy.subscribed", investor),
        ("flow.paused", anna),
        ("copy.flow_paused", anna),
        ("flow.resumed", anna),
        ("copy.flow_resumed", anna),
        ("flow.changed", anna),
        ("copy.flow_changed", anna),
        ("copy.leave_requested", investor),
        ("copy.closed", "copying"),
    ]
    assert D(market.get(ines, f"subscriptions/{copy}")["exit"]["paid"]) == Decimal(1000)
