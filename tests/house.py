"""A house with staff whose accounts came about as they do: by the machine, and by invitation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pyotp
from fastapi.testclient import TestClient

from commenda.identity import Role, create_user
from commenda.identity.tokens import Tokens
from commenda.kit import ids
from commenda.kit.clock import business_now
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from people import SETTINGS

API = "/api/v1"
PASSWORD = "a fine long passphrase"
Headers = dict[str, str]


def person_id(name: str) -> UUID:
    return ids.derive("user", name)


def signed(name: str, role: str) -> Headers:
    """Headers of somebody who has signed in with both factors and just given their password."""
    now, user = datetime.now(UTC), person_id(name)
    session = ids.derive("test-session", user)
    tokens = Tokens(Keys.of(SETTINGS).derive("access-tokens"))
    token = tokens.issue(user, Role(role), session, True, now)
    proof = tokens.issue_proof(user, session, now)
    return {"Authorization": f"Bearer {token}", "X-Proof": proof}


@dataclass
class House:
    client: TestClient
    database: Database

    def at_machine(self, name: str, role: str = "admin") -> Headers:
        """Somebody whose account was made at the machine."""
        with self.database.transaction() as tx:
            now = business_now(tx)
            create_user(tx, name, "no password matches this", Role(role), now, actor="cli")
        return signed(name, role)

    def customer(self, name: str) -> Headers:
        body = {"username": name, "password": PASSWORD}
        assert self.client.post(f"{API}/auth/register", json=body).status_code == 201
        return signed(name, "investor")

    def invite(self, by: Headers, name: str, role: str = "operator") -> str:
        body = {"username": name, "role": role}
        answer = self.client.post(f"{API}/users/invitations", headers=by, json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def take_up(self, token: str, password: str = PASSWORD) -> dict[str, Any]:
        """Choose a password and a second factor; what becomes of the account."""
        body = {"token": token, "password": password}
        joining = self.client.post(f"{API}/auth/invitation", json=body)
        assert joining.status_code == 200, joining.text
        code = pyotp.TOTP(joining.json()["secret"]).now()
        body = {"token": token, "code": code}
        joined = self.client.post(f"{API}/auth/invitation/confirm", json=body)
        assert joined.status_code == 200, joined.text
        told: dict[str, Any] = joined.json()
        return told

    def hired(self, by: Headers, approver: Headers, name: str, role: str = "operator") -> Headers:
        """Somebody whom one of the staff invited and another one approved."""
        waiting = self.take_up(self.invite(by, name, role))
        assert self.approve(approver, waiting["approvalId"]).status_code == 200
        return signed(name, role)

    def approve(self, who: Headers, approval: str) -> Any:
        keyed = who | {"Idempotency-Key": uuid4().hex}
        return self.client.post(f"{API}/approvals/{approval}/approve", headers=keyed)

    def fund(self, who: Headers, **body: Any) -> Any:
        return self.client.post(f"{API}/participation/funding", headers=who, json=body)

    def available(self, who: Headers) -> str:
        held = self.client.get(f"{API}/wallet/balances", headers=who).json()
        return str(held[0]["available"]) if held else "0"


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")
