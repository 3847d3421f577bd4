"""Limits of risk over HTTP: set, asked for, listed with what is used of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.kit.db import Database
from commenda.operations import verify
from people import user_of
from scripted import D
from world import World

LIMITS, FINDINGS = "/api/v1/risk/limits", "/api/v1/risk/findings"
SignIn = Callable[..., dict[str, str]]
Headers = dict[str, str]


@pytest.fixture
def world(db: Database) -> World:
    return World(db, fee=D(0))


def put(client: TestClient, who: Headers, amount: str | None, **more: Any) -> Any:
    said = {"level": "platform", "measure": "gross_notional", "reason": "a test"}
    return client.post(LIMITS, json=said | {"amount": amount} | more, headers=who)


def listed(client: TestClient, who: Headers, **asked: str) -> list[dict[str, Any]]:
    answer = client.get(LIMITS, params=asked, headers=who)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_a_limit_is_tightened_by_one_and_loosened_by_two(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    world.creator("anna")
    risk, operator = sign_in("risk"), sign_in("operator")
    made = put(client, risk, "9000")
    assert made.status_code == 200, made.text
    assert made.json()["limit"]["amount"] == "9000"
    assert put(client, operator, "8000").status_code == 200, "either of them tightens"
    asked = put(client, risk, "10000")
    assert (asked.status_code, asked.json()["status"]) == (202, "requested")
    assert asked.json()["limit"]["amount"] == "8000"
    (one,) = listed(client, risk)
    assert (one["amount"], one["version"]) == ("8000", 2)
    approval = asked.json()["approvalId"]
    (shown,) = client.get("/api/v1/approvals", headers=operator).json()["items"]
    assert shown["id"] == approval
    assert shown["changes"][0]["before"] == {"amount": "8000"}
    assert shown["changes"][0]["after"] == {"amount": "10000"}
    done = client.post(f"/api/v1/approvals/{approval}/approve", headers=operator)
    assert done.status_code == 200, done.text
    (one,) = listed(client, risk)
    assert (one["amount"], one["approvalId"]) == ("10000", approval)
    assert {row["amount"] for row in listed(client, risk, state="past")} == {"8000", "9000"}
    assert len(listed(client, risk, state="all")) == 3
    with world.database.transaction() as tx:
        assert [str(found) for found in verify(tx)] == []


def test_who_may_not_set_one_is_refused(client: TestClient, world: World, sign_in: SignIn) -> None:
    for role in ("investor", "creator", "auditor", "admin"):
        answer = put(client, sign_in(role), "9000")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert client.get(LIMITS, headers=sign_in("investor")).status_code == 403


def test_the_same_key_sets_it_once(client: TestClient, world: World, sign_in: SignIn) -> None:
    world.creator("anna")
    key = {"Idempotency-Key": "limit-1"}
    first = put(client, sign_in("risk") | key, "9000")
    again = put(client, sign_in("risk") | key, "9000")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({"level": "galaxy"}, "invalid_request", "level"),
        ({"measure": "luck"}, "invalid_request", "measure"),
        ({"amount": "0"}, "invalid_request", "amount"),
        ({"amount": "-5"}, "invalid_request", "amount"),
        ({"amount": "NaN"}, "invalid_request", "amount"),
        ({"level": "scope", "subject": str(user_of("risk"))}, "unknown_scope", "subject"),
        ({"level": "flow", "subject": "x"}, "unknown_flow", "subject"),
        ({"subject": "all"}, "bad_subject", "subject"),
        ({"reason": ""}, "invalid_request", "reason"),
    ],
)
def test_bad_input_is_refused_by_field_value_and_mend(
    client: TestClient, world: World, sign_in: SignIn, said: dict[str, Any], code: str, field: str
) -> None:
    world.creator("anna")
    answer = put(client, sign_in("risk"), said.pop("amount", "10"), **said)
    body = answer.json()
    assert (body["code"], body["field"]) == (code, field), body
    assert body["mend"]
    assert listed(client, sign_in("risk")) == []


def test_what_is_used_of_each_is_said_by_hand_worked_figures(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """Anna's flow holds 14,000 of AAA on an equity of 14,000, bert's is short of 5,000 on 10,000:
    gross 19,000 and net 9,000 on 24,000."""
    anna, bert = world.creator("anna"), world.creator("bert", "BBBUSDT")
    for amount in (3000, 1000):
        world.follow(world.investor(f"i{amount}"), anna, D(amount))
    risk = sign_in("risk")
    for measure, amount in {
        "gross_notional": "50000",
        "net_notional": "50000",
        "position": "50000",
        "leverage": "2",
        "concentration": "0.9",
        "margin_use": "0.5",
        "daily_loss": "0.1",
        "order_notional": "40000",
        "open_orders": "9",
        "order_rate": "9",
    }.items():
        assert put(client, risk, amount, measure=measure).status_code == 200
    assert put(client, risk, "3", level="flow", subject="*", measure="leverage").status_code == 200
    book = {"level": "flow", "subject": str(bert.id), "measure": "gross_notional"}
    assert put(client, risk, "5500", **book).status_code == 200
    world.advance().signal(anna, "1")
    world.signal(bert, "-0.5")
    figures = {
        (one["level"], one["measure"]): (one["used"], one["headroom"])
        for one in listed(client, risk)
    }
    assert figures == {
        ("platform", "gross_notional"): ("19000", "31000"),
        ("platform", "net_notional"): ("9000", "41000"),
        ("platform", "position"): ("14000", "36000"),
        ("platform", "leverage"): ("0.79166667", "1.20833333"),
        ("platform", "concentration"): ("0.58333333", "0.31666667"),
        ("platform", "margin_use"): ("0.07916667", "0.42083333"),
        ("platform", "daily_loss"): ("0", "0.1"),
        ("platform", "order_notional"): (None, None),
        ("platform", "open_orders"): ("0", "9"),
        ("platform", "order_rate"): ("2", "7"),
        ("flow", "leverage"): ("1", "2"),
        ("flow", "gross_notional"): ("5000", "500"),
    }
    named = {(one["level"], one["measure"]): one for one in listed(client, risk)}
    assert named["flow", "leverage"]["usedBy"] == str(anna.id)
    assert named["flow", "gross_notional"]["called"] == "bert"

    world.signal(bert, "-1")  # 5,000 more, and 500 are left
    (found,) = client.get(FINDINGS, headers=risk).json()["items"]
    assert (found["cut"], found["refused"]) == (1, 0)
    assert (found["wanted"], found["granted"]) == ("5000", "500")
    assert (found["symbol"], found["asset"], found["cause"]) == ("BBBUSDT", "USDT", "signal")
    text = client.get("/metrics").text
    assert 'commenda_risk_checks_total{measure="gross_notional",outcome="cut"} 1' in text


def test_a_follower_sees_what_was_cut_and_why(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    flow = world.creator("anna")
    risk, ines = sign_in("risk"), sign_in("investor", "ines")
    world.follow(world.investor("jon"), flow, D(1000))
    owner = world.investor("kim")
    world.follow(owner, flow, D(2000))
    world.execute("UPDATE flow_subscriptions SET follower_id = %s WHERE follower_id = %s",
                  user_of("investor", "ines"), owner.id)  # fmt: skip
    limit = put(client, risk, "6500").json()["limit"]
    signal = world.advance().signal(flow, "1")
    path = f"/api/v1/co-trading/executions/{signal}"
    answer = client.get(path, headers=ines)
    assert answer.status_code == 200, answer.text
    (mine,) = answer.json()["items"]
    assert (mine["status"], mine["wanted"], mine["executedAmount"]) == ("partial", "20", "10")
    assert mine["limitId"] == limit["id"]
    assert mine["error"] == f"risk_limit: gross_notional of the platform (limit {limit['id']})"
