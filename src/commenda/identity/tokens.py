"""Access tokens: signed, short-lived, read without a question to the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

from commenda.identity.model import PERMISSIONS, Principal, Role
from commenda.kit.errors import CommendaError

ACCESS_LIFETIME = timedelta(minutes=15)
_ALGORITHM = "HS256"
_ISSUER = "commenda"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues and reads access tokens under one key. Lifetimes are wall time."""

    key: bytes = field(repr=False)

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
        try:
            claims = jwt.decode(
                token,
                self.key,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                options={"require": ["exp", "sub", "sid", "role", "mfa"]},
            )
            role = Role(claims["role"])
            return Principal(
                UUID(claims["sub"]),
                role,
                PERMISSIONS[role],
                UUID(claims["sid"]),
                bool(claims["mfa"]),
            )
        except (jwt.InvalidTokenError, ValueError) as error:
            raise CommendaError(
                "not_authenticated",
                "The access token is not valid any more"
                if isinstance(error, jwt.ExpiredSignatureError)
                else "The access token is not valid",
                field="Authorization",
                mend="sign in, or refresh the token",
            ) from error


def wall_now() -> datetime:
    """Wall time, which tokens, sessions and throttles go by whatever the business clock says."""
    return datetime.now(UTC)
