"""Who may call a route: `may(permission)` is what every route but the public ones depends on.

    Reader = Annotated[Principal, may(Permission.WALLET)]

Access tokens are checked without the database; ended sessions are known to every process within
`Gate.refresh_seconds`. API keys are looked up, and remembered as long.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from commenda.identity.model import SENSITIVE, Permission, Principal
from commenda.identity.tokens import ACCESS_LIFETIME, Tokens
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.settings import Settings

KEY_PREFIX = "ck_"


class Gate:
    """Knows who is asking. One for each API process."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        *,
        require_second_factor: bool,
        refresh_seconds: float = 1.0,
    ) -> None:
        self.database = database
        self.tokens = tokens
        self.require_second_factor = require_second_factor
        self.refresh_seconds = refresh_seconds
        self._ended: frozenset[UUID] = frozenset()
        self._read_at = float("-inf")
        self._reading = threading.Lock()
        self._keys: dict[bytes, tuple[float, Principal]] = {}

    async def principal(self, authorization: str | None, api_key: str | None) -> Principal:
        """Who sent these headers; code `not_authenticated`."""
        scheme, _, credential = (authorization or "").partition(" ")
        if scheme.lower() == "bearer" and credential:
            secret = credential.strip(" ")
        elif api_key:
            secret = api_key.strip(" ")
        else:
            raise _stranger("Sign in first")
        if secret.startswith(KEY_PREFIX):
            remembered = self._remembered(secret)
            if remembered is None:
                remembered = await run_in_threadpool(self._look_up, secret)
            return remembered
        principal = self.tokens.read(secret)
        age = time.monotonic() - self._read_at
        if age > 2 * self.refresh_seconds:
            await run_in_threadpool(self._read_ended)
        elif age > self.refresh_seconds and not self._reading.locked():
            # One request reads for all; the others go by what is known for another second at most.
            await run_in_threadpool(self._read_ended)
        if principal.session_id in self._ended:
            raise _stranger("This session has ended")
        return principal

    def _read_ended(self) -> None:
        """Read which sessions ended while their access tokens may still live.

        Twice as long, because the clocks of two machines need not agree.
        """
        with self._reading:
            if time.monotonic() - self._read_at <= self.refresh_seconds:
                return
            with self.database.transaction() as tx:
                rows = tx.execute(
                    "SELECT id FROM sessions WHERE ended_at > clock_timestamp() - %s",
                    (2 * ACCESS_LIFETIME,),
                ).fetchall()
            self._ended = frozenset(row[0] for row in rows)
            self._read_at = time.monotonic()

    def _remembered(self, secret: str) -> Principal | None:
        known = self._keys.get(hashlib.sha256(secret.encode()).digest())
        if known is None or time.monotonic() - known[0] > self.refresh_seconds:
            return None
        return known[1]

    def _look_up(self, secret: str) -> Principal:
        from commenda.identity.api_keys import principal_of_key

        with self.database.transaction() as tx:
            principal = principal_of_key(tx, secret)
        if principal is None:
            raise _stranger("This API key is unknown or was revoked")
        if len(self._keys) > 10_000:
            self._keys.clear()
        self._keys[hashlib.sha256(secret.encode()).digest()] = (time.monotonic(), principal)
        return principal


class Requires:
    """A dependency that lets only those pass who have one of some permissions."""

    def __init__(self, *permissions: Permission) -> None:
        self.permissions = permissions

    async def __call__(self, request: Request) -> Principal:
        gate: Gate = request.app.state.gate
        principal = await gate.principal(
            request.headers.get("authorization"), request.headers.get("x-api-key")
        )
        request.state.principal = principal
        had = [one for one in self.permissions if principal.may(one)]
        asked = had[0] if had else self.permissions[0]
        require(principal, asked, second_factor=gate.require_second_factor)
        return principal


def require(principal: Principal, permission: Permission, *, second_factor: bool) -> None:
    """Codes `not_permitted`, and `second_factor_required` where one is and there was none."""
    if not principal.may(permission):
        raise CommendaError(
            "not_permitted", f"This needs the permission '{permission}'", status=403
        ).at("role", principal.role.value, "ask an administrator for a role that has it")
    if second_factor and permission in SENSITIVE and not principal.second_factor:
        raise _no_second_factor()


def require_second_factor(principal: Principal, settings: Settings) -> None:
    """Code `second_factor_required` where there was none, whether the installation asks for one or
    not: for what stops or starts the whole business. The demo's people have none."""
    if not principal.second_factor and not settings.demo:
        raise _no_second_factor()


def _no_second_factor() -> CommendaError:
    return CommendaError(
        "second_factor_required",
        "This needs a session that was opened with a second factor",
        hint="set a second factor up for your account, then sign in again with its code",
        status=403,
    )


def may(*permissions: Permission) -> Any:
    """The dependency to annotate a route's principal with: any one of the permissions will do."""
    return Depends(Requires(*permissions))


def permissions_of(route: APIRoute) -> tuple[Permission, ...]:
    """What a route asks for, any one of which will do; nothing where it is open to everybody."""
    asked = (one.call for one in route.dependant.dependencies)
    return next((one.permissions for one in asked if isinstance(one, Requires)), ())


SCHEMES = {
    "session": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token, of POST /api/v1/auth/login; or an API key in its place.",
    },
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key, of POST /api/v1/auth/api-keys.",
    },
}
"""How OpenAPI is told who may send what; with each goes the permission that it must have."""


async def _proved(
    request: Request,
    proof: Annotated[
        str | None,
        Header(
            alias="X-Proof",
            max_length=2_000,
            description="What POST /auth/proof answers to one's password: a stolen access token is"
            " not enough.",
        ),
    ] = None,
) -> None:
    gate: Gate = request.app.state.gate
    gate.tokens.require_proof(proof, request.state.principal)


Proved = Annotated[None, Depends(_proved)]
"""Stands behind a route's principal where whoever asks must have given their password just now."""


def _stranger(message: str) -> CommendaError:
    return CommendaError("not_authenticated", message, status=401).at(
        "Authorization", hint="send: Bearer <access token>"
    )
