"""The kill switch over HTTP and at the machine: one call stops, two people resume."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from commenda.app import create_app
from commenda.cli import stopping
from commenda.cli.risk import app as risk_app
from commenda.kit.db import Database
from people import SETTINGS, SignIn, user_of
from world import World

KILL = "/api/v1/risk/kill"
Headers = dict[str, str]


@pytest.fixture
def world(db: Database) -> World:
    return World(db, fee="0")


def kill(client: TestClient, who: Headers, key: str | None = None, **more: Any) -> Any:
    body = {"level": "platform", "reason": "prices are wrong", **more}
    return client.post(KILL, json=body, headers=who | ({"Idempotency-Key": key} if key else {}))


def get(client: TestClient, who: Headers, path: str) -> Any:
    answer = client.get(f"/api/v1/risk/{path}", headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_one_call_stops_and_says_what_was_on_its_way(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    flow = world.creator("anna")
    officer = sign_in("risk")
    answer = kill(client, officer, level="flow", subject=str(flow.id), effect="cancel")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["sending"], told["unanswered"], told["ending"]) == ([], [], 0)
    breaker = told["breaker"]
    assert {name: breaker[name] for name in ("level", "called", "measure", "state", "effect")} == {
        "level": "flow",
        "called": "anna",
        "measure": "kill",
        "state": "open",
        "effect": "cancel",
    }
    assert breaker["openedByName"] == "risk"
    world.signal(flow, "0.5")
    assert world.one("SELECT count(*) FROM positions WHERE quantity <> 0") == 0
    assert get(client, sign_in("auditor"), "breakers?standing=true") == [breaker]
    (alert,) = client.get("/api/v1/alerts", headers=officer).json()["items"]
    assert (alert["kind"], alert["severity"]) == ("alert.breaker_open", "critical")
    (event,) = world.rows("SELECT actor FROM audit_events WHERE kind = 'risk.open'")
    assert event == (f"risk:{user_of('risk')}",)


def test_the_same_key_stops_once_and_answers_again(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    officer = sign_in("risk")
    first, again = (kill(client, officer, "k1") for _ in range(2))
    assert first.json()["breaker"] == again.json()["breaker"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert kill(client, officer, "k1", reason="else").json()["code"] == "idempotency_conflict"
    assert world.one("SELECT count(*) FROM risk_breaker_changes") == 1


def test_who_may_not_stops_nothing_and_a_second_factor_is_always_asked_for(
    client: TestClient, db: Database, world: World, sign_in: SignIn
) -> None:
    for role in ("investor", "creator", "auditor"):
        assert kill(client, sign_in(role)).json()["code"] == "not_permitted"
    careless = sign_in("risk", "careless", second_factor=False)
    lenient = create_app(replace(SETTINGS, require_second_factor=False), db)
    with TestClient(lenient) as at_home:
        assert kill(at_home, careless).json()["code"] == "second_factor_required"
        assert kill(at_home, sign_in("operator")).status_code == 200
    demo = create_app(replace(SETTINGS, require_second_factor=False, demo=True), db)
    with TestClient(demo) as at_show:
        assert kill(at_show, careless).status_code == 200, "its people have none"


@pytest.mark.parametrize(
    ("order", "status", "code"),
    [
        ({"level": "flow", "subject": "nobody"}, 404, "unknown_flow"),
        ({"level": "instrument", "subject": "*"}, 422, "bad_subject"),
        ({"level": "platform", "subject": "paper"}, 422, "bad_subject"),
        ({"level": "galaxy"}, 422, "invalid_request"),
        ({"effect": "sell"}, 422, "invalid_request"),
        ({"reason": ""}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_stopped_is_refused_by_its_field(
    client: TestClient, world: World, sign_in: SignIn, order: Any, status: int, code: str
) -> None:
    answer = kill(client, sign_in("risk"), **order)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert get(client, sign_in("risk"), "breakers") == []


def test_it_takes_two_people_to_resume(client: TestClient, world: World, sign_in: SignIn) -> None:
    flow = world.creator("anna")
    officer, second = sign_in("risk"), sign_in("operator")
    breaker = kill(client, officer).json()["breaker"]

    def resume(who: Headers = officer) -> Any:
        path = f"/api/v1/risk/breakers/{breaker['id']}/resume"
        return client.post(path, json={"reason": "they are right again"}, headers=who)

    def approve(who: Headers, approval: str) -> Any:
        return client.post(f"/api/v1/approvals/{approval}/approve", headers=who)

    assert resume(sign_in("auditor")).json()["code"] == "not_permitted"
    asked = resume()
    assert (asked.status_code, asked.json()["state"]) == (202, "open")
    approval = asked.json()["approvalId"]
    assert resume().json()["approvalId"] == approval, "asked twice it is one request"
    assert approve(officer, approval).json()["code"] == "same_person"
    world.signal(flow, "0.5")
    assert world.one("SELECT count(*) FROM positions WHERE quantity <> 0") == 0
    done = approve(second, approval)
    assert done.status_code == 200, done.text
    (change,) = done.json()["changes"]
    assert (change["before"]["state"], change["after"]) == ("open", {"state": "closed"})
    assert get(client, officer, "breakers?standing=true") == []
    changes = get(client, officer, "breakers/changes")["items"]
    assert [(one["state"], one["actorName"]) for one in changes] == [
        ("closed", "operator"),
        ("open", "risk"),
    ]
    world.signal(flow, "0.4")
    assert world.one("SELECT sum(quantity) FROM positions") == 40
    assert resume().json()["code"] == "breaker_closed"


def test_accounts_of_one_person_are_one_and_what_changed_since_is_asked_anew(
    client: TestClient, db: Database, world: World, sign_in: SignIn
) -> None:
    officer, other = sign_in("risk"), sign_in("operator")
    breaker = kill(client, officer).json()["breaker"]
    path = f"/api/v1/risk/breakers/{breaker['id']}/resume"
    approval = client.post(path, json={"reason": "again"}, headers=officer).json()["approvalId"]
    with psycopg.connect(db.owner_url) as owner:
        owner.execute(
            "INSERT INTO ties SELECT a.id, b.id, 'invited', now() FROM users a, users b"
            " WHERE a.username = 'operator' AND b.username = 'risk'"
        )
    approve = f"/api/v1/approvals/{approval}/approve"
    assert client.post(approve, headers=other).json()["code"] == "same_person"
    assert kill(client, other, effect="flatten").json()["breaker"]["version"] == 2
    answer = client.post(approve, headers=sign_in("admin"))
    assert (answer.status_code, answer.json()["code"]) == (409, "breaker_changed")
    unknown = client.post(
        f"/api/v1/risk/breakers/{user_of('risk')}/resume", json={"reason": "x"}, headers=officer
    )
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_breaker")


# --- At the machine ------------------------------------------------------------------------------


@pytest.fixture
def machine(db: Database, world: World, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    class Open:
        def __enter__(self) -> Database:
            return db

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(stopping, "open_database", lambda _=None: Open())
    return CliRunner()


def test_the_machine_stops_and_says_what_stands(machine: CliRunner, world: World) -> None:
    none = machine.invoke(risk_app, ["status", "--json"])
    assert (none.exit_code, json.loads(none.output)) == (0, [])
    done = machine.invoke(risk_app, ["kill", "--reason", "prices are wrong", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert (told["breaker"]["openedBy"], told["sending"]) == ("cli", [])
    standing = machine.invoke(risk_app, ["status"])
    assert standing.exit_code == 1
    assert "kill of the platform" in standing.output
    refused = machine.invoke(risk_app, ["kill", "flow", "nobody", "--reason", "x"])
    assert getattr(refused.exception, "code", None) == "unknown_flow"
