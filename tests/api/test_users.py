"""API keys and users over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from commenda.identity import http as routes
from commenda.identity.api_keys import principal_of_key
from commenda.identity.model import Permission
from commenda.kit.db import Database
from identity_steps import (
    API,
    PASSWORD,
    Authenticator,
    SignIn,
    Wall,
    alive,
    bearer,
    events,
    joined,
    login,
    made_key,
    proved,
    refresh,
    register,
    rows,
)


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch, client: TestClient) -> Wall:
    """Wall time to be moved; and what ended is known to the gate at once, not within a second."""
    made = Wall()
    monkeypatch.setattr(routes, "wall_now", made.now)
    client.app.state.gate.refresh_seconds = 0  # type: ignore[attr-defined]
    return made


def test_a_key_may_do_what_it_was_given_and_never_touch_the_account(
    client: TestClient, sign_in: SignIn
) -> None:
    auditor = sign_in("auditor")
    key = made_key(client, auditor, "approvals")
    assert key["secret"].startswith("ck_")
    for headers in (
        {"X-API-Key": key["secret"]},
        {"Authorization": f"Bearer {key['secret']}"},
    ):
        assert client.get(f"{API}/approvals", headers=headers).status_code == 200
        assert client.get(f"{API}/users", headers=headers).status_code == 403
        assert client.get(f"{API}/auth/me", headers=headers).status_code == 403
        assert client.get(f"{API}/auth/api-keys", headers=headers).status_code == 403
    unscoped = made_key(client, auditor, "market", name="other")
    refused = client.get(f"{API}/approvals", headers={"X-API-Key": unscoped["secret"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")


def test_a_key_is_given_no_more_than_its_maker_has(client: TestClient, sign_in: SignIn) -> None:
    for role, scope in (
        ("investor", "account"),
        ("investor", "users"),
        ("admin", "users"),
        ("operator", "approve"),  # a key can be handed on: it is no second person
    ):
        answer = client.post(
            f"{API}/auth/api-keys",
            headers=sign_in(role),
            json={"name": "report", "scopes": ["market", scope]},
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "scope_not_held")
        assert answer.json()["value"] == scope


def test_a_key_is_shown_once_and_stored_as_a_digest(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    investor = sign_in("investor")
    key = made_key(client, investor, "market")
    listed = client.get(f"{API}/auth/api-keys", headers=investor)
    assert [one["id"] for one in listed.json()] == [key["id"]]
    assert key["secret"] not in listed.text
    assert key["secret"] not in str(rows(db, "SELECT k::text FROM api_keys k"))


def test_a_revoked_key_is_dead_and_its_name_is_free(client: TestClient, sign_in: SignIn) -> None:
    auditor = sign_in("auditor")
    key = made_key(client, auditor, "approvals")
    headers = {"X-API-Key": key["secret"]}
    assert client.get(f"{API}/approvals", headers=headers).status_code == 200
    taken = client.post(
        f"{API}/auth/api-keys", headers=auditor, json={"name": "report", "scopes": ["market"]}
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "key_name_taken")
    path = f"{API}/auth/api-keys/{key['id']}"
    assert client.delete(path, headers=sign_in("investor")).status_code == 404
    assert client.delete(path, headers=auditor).status_code == 204
    assert client.get(f"{API}/approvals", headers=headers).status_code == 401
    made_key(client, auditor, "approvals")


def test_a_key_dies_at_its_expiry(client: TestClient, sign_in: SignIn, db: Database) -> None:
    auditor = sign_in("auditor")
    late = client.post(
        f"{API}/auth/api-keys",
        headers=auditor,
        json={"name": "late", "scopes": ["market"], "expiresAt": "2020-01-01T00:00:00Z"},
    )
    assert (late.status_code, late.json()["code"]) == (422, "bad_expiry")
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    key = made_key(client, auditor, "approvals", expiresAt=soon)
    with db.transaction() as tx:
        assert principal_of_key(tx, key["secret"]) is not None
        tx.execute("UPDATE api_keys SET expires_at = clock_timestamp()")
        assert principal_of_key(tx, key["secret"]) is None


def test_a_key_loses_what_its_owner_loses(client: TestClient, db: Database) -> None:
    signed = joined(client, role="creator")
    key = made_key(client, proved(client, signed), "share", "market")
    with db.transaction() as tx:
        before = principal_of_key(tx, key["secret"])
        tx.execute("UPDATE users SET role = 'investor'")
        after = principal_of_key(tx, key["secret"])
        tx.execute("UPDATE users SET status = 'disabled'")
        gone = principal_of_key(tx, key["secret"])
    assert before is not None
    assert before.permissions == {Permission.SHARE, Permission.MARKET}
    assert after is not None
    assert after.permissions == {Permission.MARKET}
    assert gone is None


def test_a_key_has_a_second_factor_only_while_its_maker_has(
    client: TestClient, db: Database
) -> None:
    signed = joined(client)
    plain = made_key(client, proved(client, signed), "withdraw")
    phone = Authenticator(client, signed)
    strong = made_key(client, phone.proved(), "withdraw", name="strong")
    with db.transaction() as tx:
        kinds = [principal_of_key(tx, one["secret"]) for one in (plain, strong)]
        assert [one is not None and one.second_factor for one in kinds] == [False, True]
        tx.execute("UPDATE users SET totp_confirmed = false")
        after = principal_of_key(tx, strong["secret"])
        assert after is not None
        assert after.second_factor is False


def test_an_administrator_creates_customers_and_invites_staff(
    client: TestClient, sign_in: SignIn
) -> None:
    body = {"username": "carl", "password": PASSWORD, "role": "investor"}
    assert client.post(f"{API}/users", headers=sign_in("admin"), json=body).status_code == 201
    assert login(client, "carl").json()["user"]["role"] == "investor"
    for role in ("operator", "risk", "auditor", "admin"):
        body = {"username": "clerk", "password": PASSWORD, "role": role}
        refused = client.post(f"{API}/users", headers=sign_in("admin"), json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "invitation_needed")
    assert login(client, "clerk").status_code == 401


def test_users_are_listed_by_name_page_by_page(client: TestClient, sign_in: SignIn) -> None:
    admin = sign_in("admin")
    for name in ("dora", "ben", "cleo", "ada"):
        register(client, name)
    names: list[str] = []
    cursor: str | None = None
    for _ in range(2):
        query = {"role": "investor", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"{API}/users", headers=admin, params=query).json()
        names += [one["username"] for one in page["items"]]
        cursor = page["nextCursor"]
    assert (names, cursor) == (["ada", "ben", "cleo", "dora"], None)


@pytest.mark.parametrize("cursor", ["nonsense", "WzFd", "WyJcdTAwMDAiXQ", "WyJcdWQ4MDAiXQ"])
def test_a_cursor_of_something_else_is_refused(
    client: TestClient, sign_in: SignIn, cursor: str
) -> None:
    answer = client.get(f"{API}/users", headers=sign_in("admin"), params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")


def test_a_disabled_user_is_out_at_once_with_their_keys(
    client: TestClient, sign_in: SignIn
) -> None:
    signed = joined(client)
    key = made_key(client, proved(client, signed), "market")
    user = signed["user"]["id"]
    admin = sign_in("admin")
    path = f"{API}/users/{user}"
    changed = client.patch(path, headers=admin, json={"status": "disabled"})
    assert (changed.status_code, changed.json()["status"]) == (200, "disabled")
    assert not alive(client, bearer(signed))
    assert refresh(client, signed["refreshToken"]).status_code == 401
    assert login(client).status_code == 401
    assert not alive(client, {"X-API-Key": key["secret"]})
    assert client.patch(path, headers=admin, json={"status": "active"}).status_code == 200
    back = login(client)
    assert back.status_code == 200
    market = client.get(f"{API}/market/instruments", headers={"X-API-Key": key["secret"]})
    assert market.status_code == 401, "a key stays revoked"
    assert client.get(f"{API}/auth/api-keys", headers=bearer(back.json())).json() == []


def test_a_changed_role_ends_the_sessions_that_had_the_old_one(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    signed = joined(client)
    path = f"{API}/users/{signed['user']['id']}"
    answer = client.patch(path, headers=sign_in("admin"), json={"role": "creator"})
    assert (answer.status_code, answer.json()["role"]) == (200, "creator")
    assert not alive(client, bearer(signed))
    assert login(client).json()["user"]["role"] == "creator"
    assert events(db, "user.changed") == [(signed["user"]["id"], "active")]


def test_a_change_that_changes_nothing_ends_nothing(client: TestClient, sign_in: SignIn) -> None:
    signed = joined(client)
    path = f"{API}/users/{signed['user']['id']}"
    assert client.patch(path, headers=sign_in("admin"), json={}).status_code == 200
    assert alive(client, bearer(signed))


def test_who_owns_money_does_not_become_staff(client: TestClient, sign_in: SignIn) -> None:
    signed = joined(client)
    path = f"{API}/users/{signed['user']['id']}"
    answer = client.patch(path, headers=sign_in("admin"), json={"role": "operator"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_role_change")


def test_an_administrator_does_not_change_themselves(client: TestClient, sign_in: SignIn) -> None:
    admin = sign_in("admin")
    path = f"{API}/users/{client.get(f'{API}/auth/me', headers=admin).json()['id']}"
    answer = client.patch(path, headers=admin, json={"status": "disabled"})
    assert (answer.status_code, answer.json()["code"]) == (409, "own_account")
    unknown = client.patch(f"{API}/users/{uuid4()}", headers=admin, json={})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_user")


def test_users_are_no_business_of_others_nor_without_a_second_factor(
    client: TestClient, sign_in: SignIn
) -> None:
    for role in ("investor", "creator", "operator", "risk", "auditor"):
        assert client.get(f"{API}/users", headers=sign_in(role)).status_code == 403
    weak = client.get(f"{API}/users", headers=sign_in("admin", second_factor=False))
    assert (weak.status_code, weak.json()["code"]) == (403, "second_factor_required")
