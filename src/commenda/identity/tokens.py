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
_PROOF = "commenda/proof"
PROOF_LIFETIME = timedelta(minutes=5)


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

    def issue_proof(self, user_id: UUID, session_id: UUID | None, now: datetime) -> str:
        """What shows for a few minutes that whoever asks gave their password, in this session."""
        claims = {"iss": _PROOF, "sub": str(user_id), "sid": str(session_id), "iat": now}
        return jwt.encode(claims | {"exp": now + PROOF_LIFETIME}, self.key, algorithm=_ALGORITHM)

    def require_proof(self, proof: str | None, who: Principal) -> None:
        """Code `proof_needed` without one that was issued to this session and is not over."""
        try:
            claims = jwt.decode(
                proof or "",
                self.key,
                algorithms=[_ALGORITHM],
                issuer=_PROOF,
                options={"require": ["exp", "sub", "sid"]},
            )
            if (claims["sub"], claims["sid"]) == (str(who.user_id), str(who.session_id)):
                return
        except (jwt.InvalidTokenError, ValueError):
            pass
        raise CommendaError(
            "proof_needed", "A token is not enough for this: prove that it is you", status=403
        ).at("X-Proof", hint="send what POST /api/v1/auth/proof answers to your password")

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
