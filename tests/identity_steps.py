"""What is asked of the routes of identity, and how its answers are read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pyotp
from fastapi.testclient import TestClient

from commenda.identity import http as routes
from commenda.kit.db import Database

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


def proved(client: TestClient, signed: dict[str, Any], **factor: str) -> dict[str, str]:
    """Headers of somebody who has just given their password."""
    body = {"password": PASSWORD} | factor
    answer = client.post(f"{API}/auth/proof", headers=bearer(signed), json=body)
    assert answer.status_code == 200, answer.text
    return bearer(signed) | {"X-Proof": answer.json()["proof"]}


class Authenticator:
    """Somebody's phone, whose set-up was confirmed with the code of the step before this one."""

    def __init__(self, client: TestClient, signed: dict[str, Any]) -> None:
        self.client = client
        answer = client.post(f"{API}/auth/totp", headers=proved(client, signed))
        assert answer.status_code == 200, answer.text
        self.secret = answer.json()["secret"]
        self.uri = answer.json()["otpauthUri"]
        confirmed = client.post(
            f"{API}/auth/totp/confirm", headers=bearer(signed), json={"code": self.code(-1)}
        )
        assert confirmed.status_code == 200, confirmed.text
        self.signed: dict[str, Any] = confirmed.json()
        self.recovery_codes: list[str] = self.signed["recoveryCodes"]

    def proved(self, steps: int = 0) -> dict[str, str]:
        """Headers of somebody who has just given their password and a code."""
        return proved(self.client, self.signed, totpCode=self.code(steps))

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(routes.wall_now(), counter_offset=steps)


def made_key(
    client: TestClient, headers: dict[str, str], *scopes: str, **more: object
) -> dict[str, Any]:
    body = {"name": "report", "scopes": list(scopes)} | more
    answer = client.post(f"{API}/auth/api-keys", headers=headers, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made
