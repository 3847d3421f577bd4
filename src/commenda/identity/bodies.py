"""What the routes of identity take and answer with, on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, SecretStr

from commenda.identity.api_keys import ApiKey
from commenda.identity.model import PERMISSIONS, Permission, Role, User, UserStatus
from commenda.identity.sessions import Opened, Session
from commenda.identity.tokens import ACCESS_LIFETIME, Tokens
from commenda.kit.web import Body, Moment

Password = Annotated[SecretStr, Field(min_length=1, max_length=128)]
"""Never part of a log line or a message. How short one may be is for the rules to say."""
Code = Annotated[str, Field(pattern="^[0-9]{6}$", examples=["492039"])]
Username = Annotated[str, Field(min_length=1, max_length=64, examples=["ada.lovelace"])]


class Registration(Body):
    username: Username
    password: Password
    role: Literal["investor", "creator"] = "investor"
    referrer: Username | None = Field(
        default=None, description="The username of whoever brought this user.", examples=[None]
    )


class Credentials(Body):
    username: Username
    password: Password
    totp_code: Code | None = None


class RefreshToken(Body):
    refresh_token: Annotated[SecretStr, Field(min_length=1, max_length=200)]


class NewPassword(Body):
    current: Password
    new: Password


class TotpCode(Body):
    code: Code


class NewKey(Body):
    name: str = Field(
        min_length=1,
        max_length=64,
        pattern="^[A-Za-z0-9 ._-]+$",
        examples=["nightly-report"],
    )
    scopes: list[Permission] = Field(min_length=1, max_length=len(Permission))
    expires_at: Moment | None = None


class NewUser(Body):
    username: Username
    password: Password
    role: Role


class UserChange(Body):
    role: Role | None = None
    status: UserStatus | None = None


class Profile(Body):
    """A user, with what their role (or, for the one who asks, their token or key) may do."""

    id: UUID
    username: str = Field(examples=["ada.lovelace"])
    role: Role
    status: UserStatus
    created_at: datetime
    permissions: list[Permission]
    second_factor: bool = Field(description="Whether a second factor is set up and confirmed.")

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            id=user.id,
            username=user.username,
            role=user.role,
            status=user.status,
            created_at=user.created_at,
            permissions=sorted(PERMISSIONS[user.role]),
            second_factor=user.second_factor,
        )


class Me(Profile):
    session_id: UUID | None
    session_second_factor: bool = Field(
        description="Whether the present session was opened with a second factor."
    )


class UserPage(Body):
    items: list[Profile]
    next_cursor: str | None


class SignedIn(Body):
    """Tokens of a session: the access token for requests, the refresh token for the next pair."""

    access_token: str
    refresh_token: str
    expires_in: int = Field(description="Seconds that the access token lives.", examples=[900])
    token_type: Literal["Bearer"] = "Bearer"
    user: Profile

    @classmethod
    def of(cls, opened: Opened, tokens: Tokens, now: datetime) -> Self:
        user = opened.user
        return cls(
            access_token=tokens.issue(
                user.id, user.role, opened.session_id, opened.second_factor, now
            ),
            refresh_token=opened.refresh_token,
            expires_in=int(ACCESS_LIFETIME.total_seconds()),
            user=Profile.of(user),
        )


class TotpSetUp(Body):
    secret: str = Field(description="Shown once; to be typed into an authenticator.")
    otpauth_uri: str = Field(description="The same, to be scanned.")


class SessionView(Body):
    id: UUID
    second_factor: bool
    user_agent: str
    address: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    current: bool = Field(description="Whether it is the one that asks.")

    @classmethod
    def of(cls, session: Session, present: UUID | None) -> Self:
        return cls(
            id=session.id,
            second_factor=session.second_factor,
            user_agent=session.user_agent,
            address=session.address,
            created_at=session.created_at,
            refreshed_at=session.refreshed_at,
            expires_at=session.expires_at,
            current=session.id == present,
        )


class KeyView(Body):
    id: UUID
    name: str
    scopes: list[Permission]
    created_at: datetime
    expires_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey, **more: str) -> Self:
        return cls(
            id=key.id,
            name=key.name,
            scopes=list(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
            **more,
        )


class MadeKey(KeyView):
    secret: str = Field(
        description="Shown once; sent as X-API-Key, or as a bearer token.", examples=["ck_…"]
    )
