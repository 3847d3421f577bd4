"""Strategies over HTTP: the catalogue is there from the start, and whose parameters are whose."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.kit.db import Database
from commenda.strategies import (
    Registrar,
    Status,
    catalogue,
    move,
    register,
    register_catalogue,
)
from databases import empty
from people import SETTINGS, SignIn, signed_in, user_of

STRATEGIES = "/api/v1/strategies"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
EMA = catalogue()["ema_trend"]


@pytest.fixture(autouse=True)
def _shipped(db: Database) -> None:
    with db.transaction() as tx:
        register_catalogue(tx, NOW)


def get(client: TestClient, path: str, headers: dict[str, str], status: int = 200) -> Any:
    answer = client.get(STRATEGIES + path, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def keep(client: TestClient, headers: dict[str, str], status: int = 201, **body: Any) -> Any:
    sent = {"name": "calm", "params": {"fast": 24}} | body
    answer = client.post(f"{STRATEGIES}/ema_trend/params", headers=headers, json=sent)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_an_api_that_starts_registers_what_it_ships_once(db: Database) -> None:
    empty(db)
    for _ in range(2):
        with TestClient(create_app(replace(SETTINGS, database_url=db.owner_url))) as started:
            listed = get(started, "", signed_in(db, "creator"))
            assert [one["name"] for one in listed] == sorted(catalogue())
    with db.transaction() as tx:
        told = tx.execute("SELECT count(*) FROM audit_events WHERE kind = 'strategy.registered'")
        assert told.fetchone() == (len(catalogue()),)


def test_the_shipped_catalogue_is_listed_with_its_versions(
    client: TestClient, sign_in: SignIn
) -> None:
    headers = sign_in("creator")
    listed = get(client, "", headers)
    assert [(one["name"], one["status"], one["latestVersion"]) for one in listed] == [
        (each.name, "published", each.version)
        for each in sorted(catalogue().values(), key=lambda each: each.name)
    ]
    detail = get(client, "/ema_trend", headers)
    assert detail["latest"]["sourceHash"] == EMA.source_hash
    assert detail["latest"]["shipped"] is detail["latest"]["compiled"] is True
    assert [one["name"] for one in detail["latest"]["params"]] == [p.name for p in EMA.params]
    assert get(client, "/ema_trend/versions", headers) == [detail["latest"]]


def test_parameters_are_kept_as_revisions_and_replayed_under_one_key(
    client: TestClient, sign_in: SignIn
) -> None:
    headers = sign_in("creator", "cleo")
    first = keep(client, headers, note="slower")
    assert (first["revision"], first["version"]) == (1, EMA.version)
    assert first["params"] == EMA.resolve({"fast": 24})
    key = {"Idempotency-Key": "one"}
    again = [keep(client, headers | key) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0]["revision"] == 2
    kept = get(client, "/ema_trend/params?set=calm", headers)
    assert [one["revision"] for one in kept] == [2, 1]
    assert get(client, "/ema_trend/params?version=9", headers) == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"params": {"fast": 1}}, 422, "bad_parameter"),
        ({"params": {"fast": 300, "slow": 200}}, 422, "bad_parameter"),
        ({"params": {"quick": 1}}, 404, "unknown_parameter"),
        ({"version": "9.9"}, 404, "unknown_version"),
        ({"params": {"fast": "much"}}, 422, "invalid_request"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(
    client: TestClient, sign_in: SignIn, body: dict[str, Any], status: int, code: str
) -> None:
    problem = keep(client, sign_in("creator"), status, **body)
    assert problem["code"] == code
    assert problem["field"]


@pytest.mark.parametrize("asked", ["version", "set"])
def test_a_text_that_the_database_cannot_hold_is_refused(
    client: TestClient, sign_in: SignIn, asked: str
) -> None:
    answer = client.get(f"{STRATEGIES}/ema_trend/params?{asked}=a%00b", headers=sign_in("creator"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_sets_are_seen_by_their_owner_and_the_staff(client: TestClient, sign_in: SignIn) -> None:
    keep(client, sign_in("creator", "cleo"))
    keep(client, sign_in("creator", "carl"), name="bold")
    mine = get(client, "/ema_trend/params", sign_in("creator", "cleo"))
    assert [one["name"] for one in mine] == ["calm"]
    assert len(get(client, "/ema_trend/params", sign_in("operator"))) == 2


def test_a_draft_and_another_s_strategy_are_unknown(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    cleo, carl = sign_in("creator", "cleo"), sign_in("creator", "carl")
    mine = Registrar("creator", NOW, user_of("creator", "cleo"))
    with db.transaction() as tx:
        register(tx, Registrar("platform", NOW), replace(EMA, name="coming"))
        register(tx, mine, replace(EMA, name="cleos"))
    assert get(client, "/cleos", cleo)["latest"]["shipped"] is False
    for name, headers in (("cleos", carl), ("coming", cleo), ("nothing", cleo)):
        for path in ("", "/versions", "/params"):
            assert get(client, f"/{name}{path}", headers, 404)["code"] == "unknown_strategy"
    assert get(client, "/coming", sign_in("operator"))["status"] == "draft"
    with db.transaction() as tx:
        move(tx, Registrar("platform", NOW), "ema_trend", Status.RETIRED)
    assert keep(client, cleo, 409)["code"] == "strategy_is_final"
