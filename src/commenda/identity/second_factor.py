"""The second factor: time-based codes (RFC 6238) of a secret that is stored sealed.

A code counts within one step of 30 seconds of the clock, and once: the last step that was taken is
remembered, so a code that somebody saw over a shoulder is worth nothing. A new secret waits beside
the old one until its own first code confirms it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from commenda.identity import recovery
from commenda.identity.model import User
from commenda.identity.sessions import end_sessions
from commenda.identity.trail import note
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, not_found
from commenda.kit.keys import Keys
from commenda.kit.wire import on_wire

STEP_SECONDS = 30
WINDOW = 1
_PURPOSE = "totp"


@on_wire
@dataclass(frozen=True, slots=True)
class TotpSetUp:
    """A new secret, shown once, to be typed or scanned into an authenticator."""

    secret: Annotated[str, Field(description="Shown once; to be typed into an authenticator.")] = (
        field(repr=False)
    )
    otpauth_uri: Annotated[str, Field(description="The same, to be scanned.")] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Factor:
    """What somebody shows beside the password: a code of the authenticator, or a recovery code."""

    totp_code: str | None = None
    recovery_code: str | None = None

    @property
    def missing(self) -> bool:
        return self.totp_code is None and self.recovery_code is None


def new_secret(keys: Keys, username: str) -> tuple[bytes, TotpSetUp]:
    """A new secret: sealed, and as it is shown once."""
    import pyotp

    secret = pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name="Commenda")
    return keys.seal(_PURPOSE, secret.encode()), TotpSetUp(secret, uri)


def begin(tx: Tx, keys: Keys, user: User, now: datetime) -> TotpSetUp:
    """Make a secret that counts once a code confirms it, in place of the one there is."""
    sealed, shown = new_secret(keys, user.username)
    tx.execute("UPDATE users SET totp_pending = %s WHERE id = %s", (sealed, user.id))
    _note(tx, user, "begun", now)
    return shown


def confirm(tx: Tx, keys: Keys, user: User, code: str, now: datetime) -> bool:
    """Confirm a begun set-up with its first code; False for a wrong one.

    Code `unknown_second_factor` where none was begun.
    """
    row = tx.execute("SELECT totp_pending FROM users WHERE id = %s", (user.id,)).fetchone()
    if row is None or row[0] is None:
        raise _unknown_factor()
    step = step_of_sealed(keys, row[0], code, now)
    if step is None:
        return False
    enrol(tx, user, row[0], step, now)
    return True


def enrol(tx: Tx, user: User, sealed: bytes, step: int, now: datetime) -> None:
    """Let a secret count from now on, whose code of this step was just shown."""
    tx.execute(
        "UPDATE users SET totp_secret = %s, totp_confirmed = true, totp_last_step = %s,"
        " totp_pending = NULL WHERE id = %s",
        (sealed, step, user.id),
    )
    _note(tx, user, "confirmed", now)


def remove(tx: Tx, user: User, now: datetime) -> None:
    """Forget a user's own second factor; code `unknown_second_factor` where there is none."""
    require(user)
    drop(tx, user, now, actor=user.actor)


def require(user: User) -> None:
    """Code `unknown_second_factor` for a user without one."""
    if not user.second_factor:
        raise _unknown_factor()


def drop(tx: Tx, user: User, now: datetime, *, actor: str) -> None:
    """Forget a second factor and its recovery codes; every session ends."""
    tx.execute(
        "UPDATE users SET totp_secret = NULL, totp_confirmed = false, totp_last_step = NULL,"
        " totp_pending = NULL WHERE id = %s",
        (user.id,),
    )
    recovery.forget(tx, user.id)
    end_sessions(tx, user.id, "second factor removed", now)
    _note(tx, user, "removed", now, actor)


def take(tx: Tx, keys: Keys, user: User, shown: Factor, now: datetime) -> bool:
    """Whether what is shown is right and was not taken before; taken now, if so."""
    if shown.recovery_code is not None:
        return recovery.take_recovery_code(tx, user, shown.recovery_code, now)
    return shown.totp_code is not None and take_code(tx, keys, user.id, shown.totp_code, now)


def take_code(tx: Tx, keys: Keys, user_id: UUID, code: str, now: datetime) -> bool:
    """Whether a code is right and was not taken before; taken now, if so.

    Code `unknown_second_factor` where none is set up.
    """
    row = tx.execute(
        "SELECT totp_secret, totp_confirmed, totp_last_step FROM users WHERE id = %s"
        " FOR NO KEY UPDATE",
        (user_id,),
    ).fetchone()
    if row is None or not row[1]:
        raise _unknown_factor()
    step = step_of_sealed(keys, row[0], code, now)
    if step is None or (row[2] is not None and step <= row[2]):
        return False
    tx.execute("UPDATE users SET totp_last_step = %s WHERE id = %s", (step, user_id))
    return True


def step_of_sealed(keys: Keys, sealed: bytes, code: str, now: datetime) -> int | None:
    """The step whose code this is, of those that count at `now`."""
    return step_of(keys.open(_PURPOSE, sealed).decode(), code, now)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step whose code of this secret this is, of those that count at `now`."""
    import pyotp

    totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
    present = totp.timecode(now)
    steps = range(present - WINDOW, present + WINDOW + 1)
    return next((step for step in steps if totp.generate_otp(step) == code), None)


def _unknown_factor() -> CommendaError:
    return not_found("unknown_second_factor", "No second factor is set up").at(
        "code", hint="begin with POST /api/v1/auth/totp"
    )


def _note(tx: Tx, user: User, result: str, now: datetime, actor: str | None = None) -> None:
    note(tx, "second_factor", user.id, result, actor or user.actor, user.id, now)
