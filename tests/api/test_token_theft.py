"""What a thief has of a stolen access token: fifteen minutes of looking, and nothing that lasts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.identity import http as routes
from commenda.identity.tokens import Tokens
from identity_steps import (
    API,
    PASSWORD,
    Authenticator,
    SignIn,
    Wall,
    alive,
    bearer,
    joined,
    login,
    made_key,
    proved,
)
from people import user_of

NEW = "another fine passphrase"


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch, client: TestClient) -> Wall:
    made = Wall()
    monkeypatch.setattr(routes, "wall_now", made.now)
    client.app.state.gate.refresh_seconds = 0  # type: ignore[attr-defined]
    return made


LASTING = [
    ("POST", "/auth/totp", None),
    ("DELETE", "/auth/totp", None),
    ("POST", "/auth/recovery-codes", None),
    ("POST", "/auth/api-keys", {"name": "mine", "scopes": ["market"]}),
]
OF_AN_ADMINISTRATOR = [
    ("POST", "/users", {"username": "carl", "password": PASSWORD, "role": "investor"}),
    ("POST", "/users/invitations", {"username": "mine", "role": "operator"}),
    ("POST", "/users/{user}/reset", None),
    ("PATCH", "/users/{user}", {"role": "creator"}),
]
ONE_OF_TWO_WORDS = [
    ("POST", "/approvals/{user}/approve", None),
    ("POST", "/approvals/{user}/reject", {"reason": "no"}),
    ("POST", "/bank/statements", {"kind": "csv", "content": "tried"}),
]


@pytest.mark.parametrize(
    ("role", "method", "path", "body"),
    [("admin", *one) for one in LASTING + OF_AN_ADMINISTRATOR]
    + [("operator", *one) for one in ONE_OF_TWO_WORDS],
)
def test_a_token_alone_does_nothing_that_lasts(
    client: TestClient, sign_in: SignIn, role: str, method: str, path: str, body: Any
) -> None:
    sign_in("investor", "ines")
    path = API + path.format(user=user_of("investor", "ines"))
    stolen = {"Authorization": sign_in(role)["Authorization"]}
    another = sign_in("risk")["X-Proof"]  # what somebody else proved for themselves
    for proof in ({}, {"X-Proof": another}, {"X-Proof": stolen["Authorization"][7:]}):
        answer = client.request(method, path, headers=stolen | proof, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "proof_needed")
    proved_now = client.request(method, path, headers=sign_in(role), json=body)
    assert proved_now.status_code < 500
    assert proved_now.status_code == 204 or proved_now.json().get("code") != "proof_needed"


def test_a_proof_is_of_one_session_and_of_five_minutes(client: TestClient, wall: Wall) -> None:
    here, elsewhere = joined(client), login(client).json()
    proof = proved(client, here)["X-Proof"]
    body = {"name": "one", "scopes": ["market"]}
    path = f"{API}/auth/api-keys"
    other = client.post(path, headers=bearer(elsewhere) | {"X-Proof": proof}, json=body)
    assert other.json()["code"] == "proof_needed"
    assert not alive(client, {"Authorization": f"Bearer {proof}"}), "nor is it an access token"
    tokens: Tokens = client.app.state.gate.tokens  # type: ignore[attr-defined]
    who = tokens.read(here["accessToken"])
    old = tokens.issue_proof(who.user_id, who.session_id, wall.now() - timedelta(minutes=6))
    late = client.post(path, headers=bearer(here) | {"X-Proof": old}, json=body)
    assert late.json()["code"] == "proof_needed"
    assert (
        client.post(path, headers=bearer(here) | {"X-Proof": proof}, json=body).status_code == 201
    )


def test_a_thief_neither_guesses_the_password_nor_changes_it(client: TestClient) -> None:
    stolen = joined(client)
    guesses = [
        client.post(
            f"{API}/auth/{path}", headers=bearer(stolen), json={field: f"guess number {n}"} | more
        ).status_code
        for n, (path, field, more) in enumerate(
            [("proof", "password", {}), ("password", "current", {"new": NEW})] * 4
        )
    ]
    assert guesses == [422] * 6 + [429] * 2
    assert login(client).status_code == 200


def test_who_knows_the_password_still_needs_the_factor_to_change_it(client: TestClient) -> None:
    phone = Authenticator(client, joined(client))
    body = {"current": PASSWORD, "new": NEW}
    path = f"{API}/auth/password"
    bare = client.post(path, headers=bearer(phone.signed), json=body)
    assert (bare.status_code, bare.json()["code"]) == (401, "second_factor_needed")
    code = {"totpCode": phone.code()}
    assert client.post(path, headers=bearer(phone.signed), json=body | code).status_code == 204
    assert login(client, password=NEW, totpCode=phone.code(1)).status_code == 200


def test_a_changed_password_revokes_the_keys_where_that_is_wanted(client: TestClient) -> None:
    signed = joined(client)
    key = made_key(client, proved(client, signed), "market")["secret"]
    path, market = f"{API}/auth/password", f"{API}/market/instruments"
    for revoke, current, new, left in ((False, PASSWORD, NEW, 200), (True, NEW, PASSWORD, 401)):
        body = {"current": current, "new": new, "revokeKeys": revoke}
        assert client.post(path, headers=bearer(signed), json=body).status_code == 204
        assert client.get(market, headers={"X-API-Key": key}).status_code == left


def test_a_confirmed_factor_ends_every_other_session(client: TestClient) -> None:
    here, stolen = joined(client), login(client).json()
    phone = Authenticator(client, here)
    assert not alive(client, bearer(stolen))
    assert alive(client, bearer(phone.signed))


def notices(client: TestClient, signed: dict[str, Any]) -> list[tuple[str, str]]:
    items = client.get(f"{API}/auth/notices", headers=bearer(signed)).json()["items"]
    return [(one["kind"], one["result"]) for one in items]


def test_the_owner_is_told_what_happened_to_the_account(client: TestClient) -> None:
    signed = joined(client)
    assert notices(client, signed) == [], "the first sign-in is no news"
    login(client)
    assert notices(client, signed) == [], "nor is another one from there"
    client.headers["User-Agent"] = "a thief's browser"
    thief = login(client).json()
    key = made_key(client, proved(client, thief), "market")
    client.post(
        f"{API}/auth/password", headers=bearer(thief), json={"current": PASSWORD, "new": NEW}
    )
    told = notices(client, login(client, password=NEW).json())
    assert told == [
        ("user.password_changed", "changed"),
        ("api_key", "created"),
        ("session.new_device", "password"),
    ]
    page = {"limit": 1}
    first = client.get(f"{API}/auth/notices", headers=bearer(thief), params=page).json()
    assert [one["kind"] for one in first["items"]] == ["user.password_changed"]
    assert first["nextCursor"] is not None
    assert key["secret"] not in str(first)
    eve = joined(client, "eve")
    assert notices(client, eve) == []
