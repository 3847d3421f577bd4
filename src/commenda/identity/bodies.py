"""What the routes of identity take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from commenda.identity.model import Permission, Role, UserStatus
from commenda.kit.wire import Body, Moment

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
    """What somebody says to be let in."""

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
        min_length=1, max_length=64, pattern="^[A-Za-z0-9 ._-]+$", examples=["nightly-report"]
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
