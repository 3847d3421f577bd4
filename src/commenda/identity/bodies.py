"""What the routes of identity take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from commenda.identity.model import Permission, Role, UserStatus
from commenda.identity.second_factor import Factor
from commenda.kit.wire import Body, Moment

Password = Annotated[SecretStr, Field(min_length=1, max_length=128)]
"""Never part of a log line or a message. How short one may be is for the rules to say."""
Code = Annotated[str, Field(pattern="^[0-9]{6}$", examples=["492039"])]
Token = Annotated[SecretStr, Field(min_length=1, max_length=200)]
RecoveryCode = Annotated[SecretStr, Field(min_length=16, max_length=40)]
Username = Annotated[str, Field(min_length=1, max_length=64, examples=["ada.lovelace"])]


class Registration(Body):
    username: Username
    password: Password
    role: Literal["investor", "creator"] = "investor"
    referrer: Username | None = Field(
        default=None, description="The username of whoever brought this user.", examples=[None]
    )


class WithFactor(Body):
    """A code of the authenticator or, where that is lost, one of the recovery codes."""

    totp_code: Code | None = None
    recovery_code: RecoveryCode | None = None

    @property
    def factor(self) -> Factor:
        lost = self.recovery_code
        return Factor(self.totp_code, None if lost is None else lost.get_secret_value())


class Credentials(WithFactor):
    """What somebody says to be let in."""

    username: Username
    password: Password


class Proving(WithFactor):
    """What somebody who is signed in says to show that it is them."""

    password: Password


class RefreshToken(Body):
    refresh_token: Token


class NewPassword(WithFactor):
    """The present password and, where one is set up, the second factor; and what is to be."""

    current: Password
    new: Password
    revoke_keys: bool = Field(default=False, description="Revoke all of one's API keys, too.")

    @property
    def proving(self) -> Proving:
        return Proving(
            password=self.current, totp_code=self.totp_code, recovery_code=self.recovery_code
        )


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


class Invited(Body):
    username: Username
    role: Role


class TakenUp(Body):
    """The token of an invitation, and the password that whoever was invited chooses."""

    token: Token
    password: Password


class TakenUpCode(Body):
    """The token of an invitation, and the first code of the authenticator that was set up."""

    token: Token
    code: Code


class UserChange(Body):
    role: Role | None = None
    status: UserStatus | None = None
