"""Access tokens: signed, short-lived, read without a question to the database."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

from commenda.identity.model import PERMISSIONS, Principal, Role
from commenda.kit.errors import CommendaError

ACCESS_LIFETIME = timedelta(minutes=15)
_ALGORITHM = "HS256"
_ISSUER = "commenda"


_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues and reads access tokens under one key. Lifetimes are wall time.

    A token that was found good is remembered until it expires: checking it takes a tenth of a
    short request's time.
    """

    key: bytes = field(repr=False)
    _good: dict[str, tuple[float, Principal]] = field(default_factory=dict, repr=False)

    def issue(
        self, user_id: UUID, role: Role, session_id: UUID, second_factor: bool, now: datetime
    ) -> str:
        return jwt.encode(
            {
                "iss": _ISSUER,
                "sub": str(user_id),
                "role": role.value,
                "sid": str(session_id),
                "mfa": second_factor,
                "iat": now,
                "exp": now + ACCESS_LIFETIME,
            },
            self.key,
            algorithm=_ALGORITHM,
        )

    def read(self, token: str) -> Principal:
        """Who a token speaks for; code `not_authenticated` for one that is false or too old."""
        known = self._good.get(token)
        if known is not None and time.time() < known[0]:
            return known[1]
        expires, principal = self._decode(token)
        if len(self._good) >= _MOST_REMEMBERED:
            self._good.clear()
        self._good[token] = expires, principal
        return principal

    def _decode(self, token: str) -> tuple[float, Principal]:
        try:
            claims = jwt.decode(
                token,
                self.key,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                options={"require": ["exp", "sub", "sid", "role", "mfa"]},
            )
            role = Role(claims["role"])
            principal = Principal(
                UUID(claims["sub"]),
                role,
                PERMISSIONS[role],
                UUID(claims["sid"]),
                bool(claims["mfa"]),
            )
            return float(claims["exp"]), principal
        except (jwt.InvalidTokenError, ValueError) as error:
            raise CommendaError(
                "not_authenticated",
                "The access token is not valid any more"
                if isinstance(error, jwt.ExpiredSignatureError)
                else "The access token is not valid",
                status=401,
            ).at("Authorization", hint="sign in, or refresh the token") from error


def wall_now() -> datetime:
    """Wall time, which tokens, sessions and throttles go by whatever the business clock says."""
    return datetime.now(UTC)
