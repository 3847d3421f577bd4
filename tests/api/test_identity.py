"""Registration, sign-in, passwords and throttling over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from fastapi.testclient import TestClient

from commenda.identity import http as routes
from commenda.identity import passwords
from commenda.identity.model import PERMISSIONS, Role
from commenda.identity.throttle import forget_old
from commenda.kit.db import Database
from identity_steps import (
    API,
    PASSWORD,
    SignIn,
    Wall,
    alive,
    bearer,
    events,
    joined,
    login,
    register,
    rows,
)
from world import in_threads


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch, client: TestClient) -> Wall:
    """Wall time to be moved; and what ended is known to the gate at once, not within a second."""
    made = Wall()
    monkeypatch.setattr(routes, "wall_now", made.now)
    client.app.state.gate.refresh_seconds = 0  # type: ignore[attr-defined]
    return made


def test_whoever_registers_signs_in_and_is_told_what_they_may_do(client: TestClient) -> None:
    """And who they are; 004-10 names id, username and createdAt of a user."""
    made = register(client, "Ada.Lovelace", role="creator")
    assert made.status_code == 201
    assert made.json()["username"] == "ada.lovelace"
    answer = login(client, "ADA.lovelace")
    assert answer.status_code == 200
    signed = answer.json()
    assert (signed["tokenType"], signed["expiresIn"]) == ("Bearer", 900)
    me = client.get(f"{API}/auth/me", headers=bearer(signed)).json()
    assert (me["id"], me["username"]) == (made.json()["id"], "ada.lovelace")
    assert datetime.fromisoformat(me["createdAt"]).tzinfo is not None
    assert me["role"] == "creator"
    assert set(me["permissions"]) == {str(one) for one in PERMISSIONS[Role.CREATOR]}
    assert (me["secondFactor"], me["sessionSecondFactor"]) == (False, False)


def test_a_name_is_taken_once_even_by_twenty_at_a_time(client: TestClient, db: Database) -> None:
    answers = in_threads(*[partial(register, client, "ada")] * 20)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"username_taken"}
    assert len(events(db, "user.created")) == 1


@pytest.mark.parametrize("name", ["ab", "a" * 33, "ada lovelace", "ada\x00", "ädä", "ada/../root"])
def test_a_name_of_other_letters_is_refused(client: TestClient, name: str) -> None:
    answer = register(client, name)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_username")


@pytest.mark.parametrize(
    "password", ["short", "Ada.Lovelace", "password123", "PASSWORD1234", "aaaaaaaaaaaa"]
)
def test_a_bad_password_is_refused_without_being_repeated(
    client: TestClient, password: str
) -> None:
    answer = register(client, "ada.lovelace", password=password)
    assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
    assert password not in answer.text


def test_a_password_of_any_letters_works(client: TestClient) -> None:
    odd = "пароль из 🐎 и \x00 и \ud800"
    body = json.dumps({"username": "ada", "password": odd}).encode()
    headers = {"Content-Type": "application/json"}
    assert client.post(f"{API}/auth/register", content=body, headers=headers).status_code == 201
    assert client.post(f"{API}/auth/login", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("role", ["operator", "risk", "auditor", "admin"])
def test_nobody_registers_as_staff(client: TestClient, role: str) -> None:
    assert register(client, role=role).status_code == 422


def test_a_referrer_is_recorded_with_the_registration(client: TestClient, db: Database) -> None:
    register(client, "grace")
    assert register(client, "ada", referrer="Grace").status_code == 201
    query = (
        "SELECT u.username, r.username FROM referrals"
        " JOIN users u ON u.id = user_id JOIN users r ON r.id = referrer_id"
    )
    assert rows(db, query) == [("ada", "grace")]


def test_an_unknown_referrer_refuses_the_registration(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    sign_in("operator", "clerk")  # staff bring nobody
    for referrer in ("nobody", "clerk", "a\x00b", "ada"):
        answer = register(client, "ada", referrer=referrer)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_referrer") or (
            referrer == "ada" and answer.status_code in (404, 422)
        )
    assert rows(db, "SELECT 1 FROM users WHERE username = 'ada'") == []


def test_every_reason_for_a_refused_sign_in_looks_the_same(
    client: TestClient, db: Database
) -> None:
    joined(client, "ada")
    joined(client, "eve")
    with db.transaction() as tx:
        tx.execute("UPDATE users SET status = 'disabled' WHERE username = 'eve'")
    refused = [
        login(client, "nobody"),
        login(client, "no\x00body"),
        login(client, "ada", password="not her password"),
        login(client, "eve"),
    ]
    told = [{k: v for k, v in a.json().items() if k != "requestId"} for a in refused]
    assert {a.status_code for a in refused} == {401}
    assert told == [told[0]] * 4
    assert told[0]["code"] == "bad_credentials"
    assert [result for _, result in events(db, "sign_in.refused")] == [
        "unknown user",
        "unknown user",
        "wrong password",
        "disabled",
    ]


@pytest.mark.usefixtures("dear_passwords")
def test_an_unknown_user_costs_as_much_as_a_known_one(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(client)
    seen: list[tuple[str, ...]] = []
    hasher = passwords.hasher()

    class Counting:
        def verify(self, password: bytes, stored: str) -> bool:
            seen.append(tuple(stored.split("$")[1:4]))  # variant, version, cost
            return hasher.verify(password, stored)

        check_needs_rehash = staticmethod(hasher.check_needs_rehash)

    monkeypatch.setattr(passwords, "hasher", Counting)
    login(client, "ada")
    login(client, "nobody")
    assert len(seen) == 2
    assert seen[0] == seen[1]


@pytest.mark.usefixtures("dear_passwords")
def test_a_hash_made_more_cheaply_is_made_anew_at_the_next_sign_in(
    client: TestClient, db: Database
) -> None:
    from pwdlib.hashers.argon2 import Argon2Hasher

    joined(client)
    cheap = Argon2Hasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    with db.transaction() as tx:
        tx.execute("UPDATE users SET password_hash = %s", (cheap,))
    assert login(client).status_code == 200
    ((stored,),) = rows(db, "SELECT password_hash FROM users")
    assert "m=19456,t=2,p=1" in stored
    assert login(client).status_code == 200


def test_a_changed_password_ends_the_other_sessions_and_keeps_this_one(
    client: TestClient,
) -> None:
    here = joined(client)
    elsewhere = login(client).json()
    wrong = client.post(
        f"{API}/auth/password",
        headers=bearer(here),
        json={"current": "not my password", "new": "another fine passphrase"},
    )
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_password")
    changed = client.post(
        f"{API}/auth/password",
        headers=bearer(here),
        json={"current": PASSWORD, "new": "another fine passphrase"},
    )
    assert changed.status_code == 204
    assert alive(client, bearer(here))
    assert not alive(client, bearer(elsewhere))
    assert login(client).status_code == 401
    assert login(client, password="another fine passphrase").status_code == 200


def test_the_sixth_failure_makes_wait_and_the_right_password_waits_too(
    client: TestClient, wall: Wall
) -> None:
    register(client)
    for _ in range(6):
        assert login(client, password="a wrong passphrase").status_code == 401
    blocked = login(client)
    assert (blocked.status_code, blocked.json()["code"]) == (429, "too_many_requests")
    assert blocked.headers["Retry-After"] == "2"
    wall(timedelta(seconds=2))
    assert login(client).status_code == 200
    for _ in range(5):  # success has cleared the count
        assert login(client, password="a wrong passphrase").status_code == 401
    assert login(client).status_code == 200


def test_a_blocked_attempt_is_not_counted_again(client: TestClient, wall: Wall) -> None:
    register(client)
    for _ in range(6):
        login(client, password="a wrong passphrase")
    assert {login(client).status_code for _ in range(30)} == {429}
    wall(timedelta(seconds=2))
    assert login(client).status_code == 200


def test_many_guesses_at_once_are_as_many_failures(client: TestClient, db: Database) -> None:
    register(client)
    answers = in_threads(*[partial(login, client, password="a wrong passphrase")] * 16)
    assert sorted({a.status_code for a in answers}) == [401, 429]
    assert sum(a.status_code == 401 for a in answers) == 6


def test_an_address_that_tries_many_names_waits(client: TestClient) -> None:
    for n in range(21):
        assert login(client, f"name{n}").status_code == 401
    assert login(client, "another").status_code == 429


def test_a_good_sign_in_does_not_let_an_address_guess_for_ever(client: TestClient) -> None:
    register(client)
    for n in range(20):
        login(client, f"name{n}")
        assert login(client).status_code == 200
    login(client, "name20")
    assert login(client, "another").status_code == 429


def test_what_was_tried_is_not_stored_and_forgotten_after_an_hour(
    client: TestClient, db: Database
) -> None:
    login(client, "my-password-by-mistake")
    assert "mistake" not in str(rows(db, "SELECT * FROM login_throttle"))
    assert "mistake" not in str(rows(db, "SELECT * FROM audit_events"))
    with db.transaction() as tx:
        assert forget_old(tx, datetime.now(UTC) + timedelta(minutes=59)) == 0
        assert forget_old(tx, datetime.now(UTC) + timedelta(minutes=61)) == 2
