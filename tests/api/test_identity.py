"""Registration, sign-in, sessions, second factors, keys and users, over HTTP."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pyotp
import pytest
from fastapi.testclient import TestClient

from commenda.identity import http as routes
from commenda.identity import passwords
from commenda.identity import sign_in as signing_in
from commenda.identity.api_keys import principal_of_key
from commenda.identity.model import PERMISSIONS, Permission, Role
from commenda.identity.sessions import GRACE, LIFETIME, LONGEST_LIFETIME, forget_expired
from commenda.identity.throttle import forget_old
from commenda.identity.tokens import Tokens
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from world import in_threads

PASSWORD = "a fine long passphrase"
API = "/api/v1"

SignIn = Callable[..., dict[str, str]]


class Wall:
    """The wall time that the routes see. It stands in the middle of a code's step, a little in the
    past, and goes on by a microsecond with each look and by what a test adds."""

    def __init__(self) -> None:
        step = int(datetime.now(UTC).timestamp()) // 30
        self.time = datetime.fromtimestamp(step * 30 - 15, UTC)

    def now(self) -> datetime:
        self.time += timedelta(microseconds=1)
        return self.time

    def __call__(self, more: timedelta) -> None:
        self.time += more


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch, client: TestClient) -> Wall:
    """Wall time to be moved; and what ended is known to the gate at once, not within a second."""
    made = Wall()
    monkeypatch.setattr(routes, "wall_now", made.now)
    client.app.state.gate.refresh_seconds = 0  # type: ignore[attr-defined]
    return made


def register(client: TestClient, name: str = "ada", **more: object) -> httpx2.Response:
    body = {"username": name, "password": PASSWORD} | more
    return client.post(f"{API}/auth/register", json=body)


def login(client: TestClient, name: str = "ada", **more: object) -> httpx2.Response:
    body = {"username": name, "password": PASSWORD} | more
    return client.post(f"{API}/auth/login", json=body)


def joined(client: TestClient, name: str = "ada", **more: object) -> dict[str, Any]:
    """Register and sign in: the tokens."""
    assert register(client, name, **more).status_code == 201
    answer = login(client, name)
    assert answer.status_code == 200, answer.text
    signed: dict[str, Any] = answer.json()
    return signed


def bearer(signed: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {signed['accessToken']}"}


def refresh(client: TestClient, token: str) -> httpx2.Response:
    return client.post(f"{API}/auth/refresh", json={"refreshToken": token})


def alive(client: TestClient, headers: dict[str, str]) -> bool:
    answer = client.get(f"{API}/auth/me", headers=headers)
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


def rows(db: Database, query: str, *values: object) -> list[tuple[Any, ...]]:
    with db.transaction() as tx:
        return tx.execute(query, values).fetchall()  # type: ignore[arg-type]


def events(db: Database, kind: str) -> list[tuple[str, str]]:
    """(subject, result) of every audit event of a kind."""
    return [
        (row[0], row[1])
        for row in rows(
            db, "SELECT subject, result FROM audit_events WHERE kind = %s ORDER BY id", kind
        )
    ]


class Authenticator:
    """Somebody's phone, whose set-up was confirmed with the code of the step before this one."""

    def __init__(self, client: TestClient, signed: dict[str, Any]) -> None:
        answer = client.post(f"{API}/auth/totp", headers=bearer(signed))
        assert answer.status_code == 200, answer.text
        self.secret = answer.json()["secret"]
        self.uri = answer.json()["otpauthUri"]
        confirmed = client.post(
            f"{API}/auth/totp/confirm", headers=bearer(signed), json={"code": self.code(-1)}
        )
        assert confirmed.status_code == 200, confirmed.text
        self.signed: dict[str, Any] = confirmed.json()

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(routes.wall_now(), counter_offset=steps)


# --- Registration ----------------------------------------------------------------------------


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


# --- Passwords and sign-in -------------------------------------------------------------------


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


# --- Throttling ------------------------------------------------------------------------------


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


# --- Sessions --------------------------------------------------------------------------------


def test_a_refresh_gives_a_new_pair_and_takes_the_old_token(client: TestClient) -> None:
    signed = joined(client)
    again = refresh(client, signed["refreshToken"])
    assert again.status_code == 200
    assert again.json()["refreshToken"] != signed["refreshToken"]
    assert alive(client, bearer(again.json()))
    assert refresh(client, again.json()["refreshToken"]).status_code == 200


def test_a_token_that_was_never_issued_is_refused(client: TestClient) -> None:
    for token in ("nonsense", "\x00", "é"):
        answer = refresh(client, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_refresh_token")


def test_a_refresh_token_used_again_ends_the_session_everywhere(
    client: TestClient, db: Database, wall: Wall
) -> None:
    stolen = joined(client)["refreshToken"]
    thief = refresh(client, stolen).json()
    wall(GRACE + timedelta(seconds=1))
    answer = refresh(client, stolen)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_refresh_token")
    assert not alive(client, bearer(thief))
    assert refresh(client, thief["refreshToken"]).status_code == 401
    assert [result for _, result in events(db, "session.token_reused")] == ["ended"]
    assert rows(db, "SELECT end_reason FROM sessions") == [("refresh token used again",)]


def test_of_two_tabs_that_refresh_at_once_one_wins_and_the_session_lives(
    client: TestClient, db: Database
) -> None:
    signed = joined(client)
    answers = in_threads(*[partial(refresh, client, signed["refreshToken"])] * 10)
    assert sorted(a.status_code for a in answers) == [200] + [409] * 9
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"refresh_superseded"}
    (winner,) = [a.json() for a in answers if a.status_code == 200]
    assert alive(client, bearer(winner))
    assert refresh(client, winner["refreshToken"]).status_code == 200
    assert events(db, "session.token_reused") == []


def test_a_session_slides_by_thirty_days_and_ends_after_ninety(
    client: TestClient, wall: Wall, db: Database
) -> None:
    token = joined(client)["refreshToken"]
    assert (LIFETIME.days, LONGEST_LIFETIME.days) == (30, 90)
    for _ in range(3):
        wall(timedelta(days=29))
        answer = refresh(client, token)
        assert answer.status_code == 200
        token = answer.json()["refreshToken"]
    wall(timedelta(days=4))  # the 91st day, four days after the last refresh
    assert refresh(client, token).status_code == 401
    assert len(rows(db, "SELECT 1 FROM used_refresh_tokens")) == 3
    with db.transaction() as tx:
        assert forget_expired(tx, datetime.now(UTC) + timedelta(days=91)) == 3


def test_a_session_not_refreshed_for_thirty_days_is_over(client: TestClient, wall: Wall) -> None:
    token = joined(client)["refreshToken"]
    wall(timedelta(days=30, seconds=1))
    assert refresh(client, token).status_code == 401


def test_who_signs_out_is_out(client: TestClient) -> None:
    signed = joined(client)
    assert client.post(f"{API}/auth/logout", headers=bearer(signed)).status_code == 204
    assert not alive(client, bearer(signed))
    assert refresh(client, signed["refreshToken"]).status_code == 401


def test_a_session_that_ended_by_a_slower_clock_is_over(client: TestClient, db: Database) -> None:
    signed = joined(client)
    with db.transaction() as tx:  # the database's clock goes by another machine than the token's
        tx.execute("UPDATE sessions SET ended_at = clock_timestamp() - interval '16 minutes'")
    assert not alive(client, bearer(signed))


def test_a_session_is_ended_from_another_one_and_not_by_anybody_else(client: TestClient) -> None:
    here, lost = joined(client, "ada"), login(client, "ada").json()
    eve = joined(client, "eve")
    listed = client.get(f"{API}/auth/sessions", headers=bearer(here)).json()
    assert [one["current"] for one in listed].count(True) == 1
    (other,) = [one["id"] for one in listed if not one["current"]]
    by_eve = client.delete(f"{API}/auth/sessions/{other}", headers=bearer(eve))
    assert (by_eve.status_code, by_eve.json()["code"]) == (404, "unknown_session")
    path = f"{API}/auth/sessions/{other}"
    assert client.delete(path, headers=bearer(here)).status_code == 204
    assert not alive(client, bearer(lost))
    assert alive(client, bearer(here))
    assert client.delete(path, headers=bearer(here)).status_code == 404


# --- The second factor -----------------------------------------------------------------------


def test_a_confirmed_second_factor_is_needed_from_then_on(client: TestClient) -> None:
    signed = joined(client)
    phone = Authenticator(client, signed)
    assert phone.uri.startswith("otpauth://totp/Commenda:ada?secret=" + phone.secret)
    assert not alive(client, bearer(signed)), "the session before it has ended"
    me = client.get(f"{API}/auth/me", headers=bearer(phone.signed)).json()
    assert (me["secondFactor"], me["sessionSecondFactor"]) == (True, True)
    missing = login(client)
    assert (missing.status_code, missing.json()["code"]) == (401, "second_factor_needed")
    with_it = login(client, totpCode=phone.code())
    assert with_it.status_code == 200
    me = client.get(f"{API}/auth/me", headers=bearer(with_it.json())).json()
    assert me["sessionSecondFactor"] is True


def test_a_set_up_that_was_not_confirmed_changes_nothing(client: TestClient) -> None:
    signed = joined(client)
    begun = client.post(f"{API}/auth/totp", headers=bearer(signed))
    assert begun.status_code == 200
    wrong = client.post(f"{API}/auth/totp/confirm", headers=bearer(signed), json={"code": "000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_code")
    assert login(client).status_code == 200


def test_a_code_is_taken_once(client: TestClient) -> None:
    phone = Authenticator(client, joined(client))
    code = phone.code()
    answers = in_threads(*[partial(login, client, totpCode=code)] * 4)
    assert sorted(a.status_code for a in answers) == [200, 401, 401, 401]
    assert login(client, totpCode=phone.code(-1)).status_code == 401, "nor an older one"
    assert login(client, totpCode=phone.code(1)).status_code == 200


def test_a_code_of_two_steps_away_is_refused(client: TestClient) -> None:
    phone = Authenticator(client, joined(client))
    assert login(client, totpCode=phone.code(3)).status_code == 401


def test_codes_cannot_be_guessed_by_who_knows_the_password(client: TestClient) -> None:
    phone = Authenticator(client, joined(client))
    wrong = {"000000", "111111", "222222", "333333"} - {phone.code(n) for n in (-1, 0, 1)}
    code = wrong.pop()
    for _ in range(6):
        assert login(client).json()["code"] in ("second_factor_needed", "too_many_requests")
        assert login(client, totpCode=code).status_code == 401
    assert login(client, totpCode=code).status_code == 429


def test_a_stolen_session_cannot_guess_the_code_that_removes_the_factor(
    client: TestClient,
) -> None:
    phone = Authenticator(client, joined(client))
    codes = [f"{n:06d}" for n in range(12) if f"{n:06d}" not in map(phone.code, (-1, 0, 1))]
    path = f"{API}/auth/totp"
    answers = [
        client.delete(path, params={"code": code}, headers=bearer(phone.signed)).status_code
        for code in codes[:7]
    ]
    assert answers == [422] * 6 + [429]


def test_removing_the_second_factor_needs_a_code_and_ends_every_session(
    client: TestClient,
) -> None:
    phone = Authenticator(client, joined(client))
    path = f"{API}/auth/totp"
    removed = client.delete(path, params={"code": phone.code()}, headers=bearer(phone.signed))
    assert removed.status_code == 204
    assert not alive(client, bearer(phone.signed))
    assert login(client).status_code == 200


def test_a_second_factor_is_not_replaced_without_being_removed(client: TestClient) -> None:
    phone = Authenticator(client, joined(client))
    again = client.post(f"{API}/auth/totp", headers=bearer(phone.signed))
    assert (again.status_code, again.json()["code"]) == (409, "second_factor_exists")


# --- API keys --------------------------------------------------------------------------------


def made_key(
    client: TestClient, headers: dict[str, str], *scopes: str, **more: object
) -> dict[str, Any]:
    body = {"name": "report", "scopes": list(scopes)} | more
    answer = client.post(f"{API}/auth/api-keys", headers=headers, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
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
    for scope in ("account", "users"):
        answer = client.post(
            f"{API}/auth/api-keys",
            headers=sign_in("investor"),
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
    key = made_key(client, bearer(signed), "share", "market")
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
    plain = made_key(client, bearer(signed), "withdraw")
    phone = Authenticator(client, signed)
    strong = made_key(client, bearer(phone.signed), "withdraw", name="strong")
    with db.transaction() as tx:
        kinds = [principal_of_key(tx, one["secret"]) for one in (plain, strong)]
        assert [one is not None and one.second_factor for one in kinds] == [False, True]
        tx.execute("UPDATE users SET totp_confirmed = false")
        after = principal_of_key(tx, strong["secret"])
        assert after is not None
        assert after.second_factor is False


# --- Users -----------------------------------------------------------------------------------


def test_an_administrator_creates_staff_who_sign_in(client: TestClient, sign_in: SignIn) -> None:
    made = client.post(
        f"{API}/users",
        headers=sign_in("admin"),
        json={"username": "clerk", "password": PASSWORD, "role": "operator"},
    )
    assert made.status_code == 201
    assert login(client, "clerk").json()["user"]["role"] == "operator"


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
    key = made_key(client, bearer(signed), "market")
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
    assert login(client).status_code == 200


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


# --- Nothing gives a secret away -------------------------------------------------------------


def test_no_secret_is_in_a_response_a_log_line_an_event_or_a_table(
    client: TestClient,
    db: Database,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    signed = joined(client)
    phone = Authenticator(client, signed)
    key = made_key(client, bearer(phone.signed), "market")
    again = refresh(client, phone.signed["refreshToken"]).json()
    said = [
        login(client, password="a wrong passphrase").text,
        client.post(f"{API}/auth/login", json={"password": PASSWORD}).text,
        client.post(f"{API}/auth/login", json={"username": "ada", "Password": PASSWORD}).text,
        client.post(f"{API}/auth/login", json={"username": "ada", "password": PASSWORD * 20}).text,
        client.post(f"{API}/auth/refresh", json={"token": again["refreshToken"]}).text,
        # A whole body that is none, and names as they are spelt in Python.
        client.post(f"{API}/auth/login", json=f'{{"password": "{PASSWORD}"}}').text,
        client.post(f"{API}/auth/login", json=[PASSWORD]).text,
        client.post(f"{API}/auth/login", content=f"username=ada&password={PASSWORD}").text,
        client.post(f"{API}/auth/refresh", json={"refresh_token": again["refreshToken"] * 9}).text,
        client.get(f"{API}/auth/me", headers=bearer(again)).text,
        client.get(f"{API}/auth/sessions", headers=bearer(again)).text,
        client.get(f"{API}/auth/api-keys", headers=bearer(again)).text,
    ]
    secrets = {
        PASSWORD,
        "a wrong passphrase",
        signed["refreshToken"],
        again["refreshToken"],
        phone.secret,
        key["secret"],
        *(token.split(".")[2] for token in (signed["accessToken"], again["accessToken"])),
    }
    with psycopg.connect(db.owner_url) as owner:
        tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        stored = [
            str(owner.execute(f"SELECT t::text FROM {table} t").fetchall())
            for (table,) in tables.fetchall()
        ]
    logged = [line for line in caplog.text.splitlines() if "httpx" not in line]
    for secret in secrets:
        for text in (*said, *stored, *logged, *capfd.readouterr()):
            assert secret not in text


def test_a_code_is_not_repeated_however_its_field_is_spelt(client: TestClient) -> None:
    for name in ("totpCode", "totp_code"):
        answer = login(client, **{name: "31415"})
        assert (answer.status_code, answer.json()["field"]) == (422, name)
        assert "31415" not in answer.text


def test_a_queue_of_sign_ins_keeps_nobody_else_waiting(
    client: TestClient, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    verify = passwords.verify

    def slow(password: str, stored: str | None) -> passwords.Verdict:
        release.wait(30)
        return verify(password, stored)

    monkeypatch.setattr(passwords, "verify", slow)
    with ThreadPoolExecutor(8) as pool:
        guesses = [pool.submit(login, client, f"nobody{number}") for number in range(6)]
        try:
            time.sleep(0.3)
            asked = pool.submit(client.get, f"{API}/auth/me", headers=sign_in("investor"))
            assert asked.result(timeout=10).status_code == 200
        finally:
            release.set()
        assert [guess.result().status_code for guess in guesses] == [401] * 6


def test_a_field_name_that_is_half_a_character_is_refused_like_any_other(
    client: TestClient,
) -> None:
    answer = client.post(
        f"{API}/auth/login",
        content=b'{"username": "ada", "password": "x", "\\ud800": "\\ud800"}',
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_token_of_another_key_opens_nothing(client: TestClient) -> None:
    signed = joined(client)
    forged = Tokens(b"another key of 32 bytes, or so it is").issue(
        UUID(signed["user"]["id"]), Role.ADMIN, uuid4(), True, datetime.now(UTC)
    )
    assert not alive(client, {"Authorization": f"Bearer {forged}"})


def test_the_totp_secret_is_sealed_with_the_master_key(client: TestClient, db: Database) -> None:
    phone = Authenticator(client, joined(client))
    ((sealed,),) = rows(db, "SELECT totp_secret FROM users")
    assert phone.secret.encode() not in bytes(sealed)
    keys: Keys = client.app.state.service.keys  # type: ignore[attr-defined]
    assert keys.open("totp", bytes(sealed)).decode() == phone.secret


def test_the_application_may_not_remove_users_or_sessions(db: Database) -> None:
    for table in ("users", "sessions", "api_keys", "approvals"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), db.transaction() as tx:
            tx.execute(f"DELETE FROM {table}")


def test_no_transaction_is_open_while_a_password_is_hashed(
    client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(client)
    open_ones: list[int] = []
    verify = passwords.verify

    def looking(password: str, stored: str | None) -> passwords.Verdict:
        with psycopg.connect(db.owner_url) as owner:
            row = owner.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE usename = 'commenda_app' AND datname = current_database()"
                "  AND state LIKE 'idle in transaction%'"
            ).fetchone()
        assert row is not None
        open_ones.append(row[0])
        return verify(password, stored)

    monkeypatch.setattr(signing_in.passwords, "verify", looking)
    assert login(client).status_code == 200
    assert open_ones == [0]
