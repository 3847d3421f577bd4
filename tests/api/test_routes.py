"""One walk over all routes: who is nobody, who may not, whose is it not, and what is declared."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from commenda.app import PUBLIC, create_app
from commenda.identity import Permission, Role
from commenda.kit.db import Database
from people import SETTINGS, SignIn, signed_in
from routes import api_routes, permissions_of, roles_for

ROUTES = api_routes()
GUARDED_IDS = sorted(name for name in ROUTES if name not in PUBLIC)
DOCUMENT = create_app(SETTINGS).openapi()


def filled(route: APIRoute) -> str:
    """The route's path with ids that nobody has."""
    return re.sub(r"\{[^}]+\}", lambda _: str(uuid4()), route.path)


def ask(client: TestClient, route: APIRoute, headers: dict[str, str]) -> Any:
    (method,) = route.methods
    return client.request(method, filled(route), headers=headers)


def test_every_route_has_a_permission_or_is_listed_as_public() -> None:
    without = {name for name, route in ROUTES.items() if not permissions_of(route)}
    assert without == {name for name in PUBLIC if name in ROUTES}


def test_the_document_says_what_each_operation_asks_for() -> None:
    said = {
        operation["operationId"]: operation["security"]
        for path in DOCUMENT["paths"].values()
        for operation in path.values()
    }
    assert {name for name, asked in said.items() if not asked} == set(PUBLIC)
    assert said["subscribe"] == [{"session": ["subscribe"]}, {"key": ["subscribe"]}]
    named = {scheme for asked in said.values() for one in asked for scheme in one}
    assert named == set(DOCUMENT["components"]["securitySchemes"])


def test_every_route_has_an_operation_id_of_its_own() -> None:
    paths = DOCUMENT["paths"].values()
    ids = [operation["operationId"] for path in paths for operation in path.values()]
    assert len(ids) == len(set(ids))
    assert set(ROUTES) <= set(ids)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", one) for one in ids)


def test_what_the_ledger_shows_has_names_of_its_own() -> None:
    """Where two bodies share a name, the document names their modules: commenda__ledger__…"""
    names = set(DOCUMENT["components"]["schemas"])
    assert {"HoldView", "Freeze"} <= names
    assert not [name for name in names if "__ledger__" in name or "__funding__" in name]


@pytest.mark.parametrize("name", GUARDED_IDS)
def test_every_guarded_route_declares_what_it_refuses_with_and_says_what_it_does(name: str) -> None:
    operation = _operation(name)
    assert {"401", "403", "422", "429"} <= set(operation["responses"])
    for status in ("401", "403", "422", "429"):
        assert "application/problem+json" in operation["responses"][status]["content"]
    assert operation["description"].strip()


def _operation(name: str) -> dict[str, Any]:
    for path in DOCUMENT["paths"].values():
        for operation in path.values():
            if operation["operationId"] == name:
                found: dict[str, Any] = operation
                return found
    raise KeyError(name)


def test_without_a_token_every_guarded_route_is_401(client: TestClient) -> None:
    answers = {name: ask(client, ROUTES[name], {}) for name in GUARDED_IDS}
    assert {one.status_code for one in answers.values()} == {401}
    assert {one.json()["code"] for one in answers.values()} == {"not_authenticated"}
    assert all(one.headers["www-authenticate"] == "Bearer" for one in answers.values())


@pytest.mark.parametrize("false", ["nonsense", "a.b.c", "ck_nobody"])
def test_with_a_false_token_every_guarded_route_is_401(client: TestClient, false: str) -> None:
    headers = {"Authorization": f"Bearer {false}"}
    assert {ask(client, ROUTES[name], headers).status_code for name in GUARDED_IDS} == {401}


def test_with_a_role_that_may_not_every_guarded_route_is_403(
    client: TestClient, sign_in: SignIn
) -> None:
    asked = 0
    for name in GUARDED_IDS:
        for role in set(Role) - set(roles_for(ROUTES[name])):
            answer = ask(client, ROUTES[name], sign_in(role))
            assert answer.status_code == 403, (name, role, answer.text)
            assert answer.json()["code"] == "not_permitted"
            asked += 1
    assert asked > len(GUARDED_IDS)


def test_what_takes_a_person_takes_a_fresh_proof_on_every_route(
    client: TestClient, sign_in: SignIn
) -> None:
    """Words of the two who decide, and accounts: a stolen token gives none and touches none."""
    of_a_person = {Permission.APPROVE, Permission.BANK, Permission.USERS}
    asked = set()
    for name in GUARDED_IDS:
        route = ROUTES[name]
        if "GET" in route.methods or not of_a_person & set(permissions_of(route)):
            continue
        token = {"Authorization": sign_in(roles_for(route)[0])["Authorization"]}
        answer = ask(client, route, token)
        assert (answer.status_code, answer.json()["code"]) == (403, "proof_needed"), name
        asked.add(name)
    assert asked >= {"approve", "reject", "readBankStatement", "inviteUser"}


WITHOUT_KEY = {
    **dict.fromkeys(
        ("createUser", "inviteUser", "resetUser", "createApiKey", "makeRecoveryCodes", "setUpTotp"),
        "it answers a secret, which is not kept; a second one takes the place of the first or has a"
        " name of its own",
    ),
    **dict.fromkeys(
        (
            *("changeUser", "toggleSharedFlowStatus", "updateSubscriptionSettings"),
            *("setFaults", "changePortfolio", "changeFlowTerms", "setFlowStops", "setStopTemplate"),
        ),
        "it sets a state: sent again, it finds it set",
    ),
    **dict.fromkeys(
        (
            *("deleteSchedule", "revokeApiKey", "removeVenueKey"),
            *("endSession", "logout", "unsubscribeFromFlow", "closePortfolio"),
        ),
        "it ends something: sent again, it finds it ended",
    ),
    **dict.fromkeys(
        ("changePassword", "confirmTotp", "removeTotp"),
        "it takes a password or a code, which the first one changes or spends",
    ),
    **dict.fromkeys(("prove", "previewReturnMatrix"), "it changes nothing"),
    "testVenueKey": "it asks the exchange again, and keeps what is answered now",
}
"""Guarded writes that take no Idempotency-Key, and why they need none."""


def test_every_write_takes_an_idempotency_key_or_says_why_not() -> None:
    without = set()
    for name in GUARDED_IDS:
        one = ROUTES[name].dependant
        heads = {head.alias for part in (one, *one.dependencies) for head in part.header_params}
        if "GET" not in ROUTES[name].methods and "Idempotency-Key" not in heads:
            without.add(name)
    assert without == WITHOUT_KEY.keys()


def test_a_key_without_scopes_may_nothing(client: TestClient, sign_in: SignIn) -> None:
    """What every role may (its account, the market, products) needs a scope, too."""
    made = client.post(
        "/api/v1/auth/api-keys",
        headers=sign_in("investor"),
        json={"name": "narrow", "scopes": ["wallet"]},
    )
    assert made.status_code == 201, made.text
    headers = {"X-API-Key": made.json()["secret"]}
    for name in GUARDED_IDS:
        answer = ask(client, ROUTES[name], headers)
        allowed = Permission.WALLET in permissions_of(ROUTES[name])
        assert (answer.status_code == 403) is not allowed, (name, answer.text)


def test_an_object_that_nobody_has_is_404_on_every_route(client: TestClient, db: Database) -> None:
    """Where the path names one: whoever may use the route learns no more than that."""
    for name in GUARDED_IDS:
        route = ROUTES[name]
        if "{" not in route.path or "GET" not in route.methods:
            continue
        answer = ask(client, route, signed_in(db, roles_for(route)[0]))
        assert answer.status_code == 404, (name, answer.text)
        assert answer.json()["code"].startswith("unknown_"), name
