"""Nothing gives a secret away, and nobody waits for others' passwords."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient

from commenda.identity import http as routes
from commenda.identity import passwords
from commenda.identity import sign_in as signing_in
from commenda.identity.model import Role
from commenda.identity.tokens import Tokens
from commenda.kit.db import Database
from commenda.kit.keys import Keys
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


def test_no_secret_is_in_a_response_a_log_line_an_event_or_a_table(
    client: TestClient,
    db: Database,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    signed = joined(client)
    phone = Authenticator(client, signed)
    key = made_key(client, phone.proved(), "market")
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
    proof = phone.proved(1)["X-Proof"]
    said.append(client.delete(f"{API}/auth/totp", headers=bearer(again) | {"X-Proof": proof}).text)
    secrets = {
        PASSWORD,
        proof.split(".")[2],
        *phone.recovery_codes,
        *(code.replace("-", "") for code in phone.recovery_codes),
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


def test_a_refusal_names_the_rule_of_the_schema_and_its_bound(client: TestClient) -> None:
    """So a reader can be told in another language what this API says in English."""
    signed = joined(client)
    asked = {"current": PASSWORD, "new": "x" * 999}
    long = client.post(f"{API}/auth/password", json=asked, headers=bearer(signed)).json()
    assert (long["field"], long["rule"], long["bound"]) == ("new", "too_long", "128")
    other = client.delete(f"{API}/auth/sessions/x", headers=bearer(signed)).json()
    assert (other["field"], other["rule"]) == ("session_id", "uuid_parsing")
    assert other["detail"].startswith("An id has 36 characters")


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
