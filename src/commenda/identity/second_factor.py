"""The second factor: time-based codes (RFC 6238) of a secret that is stored sealed.

A code counts within one step of 30 seconds of the clock, and once: the last step that was taken is
remembered, so a code that somebody saw over a shoulder is worth nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from commenda.identity.model import User
from commenda.identity.sessions import Client, Opened, end_session, end_sessions, open_session
from commenda.identity.trail import note
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict
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


def begin(tx: Tx, keys: Keys, user: User, now: datetime) -> TotpSetUp:
    """Make a secret that counts once a code confirms it; code `second_factor_exists`."""
    import pyotp

    if user.second_factor:
        raise CommendaError(
            "second_factor_exists",
            "A second factor is set up already",
            hint="remove it first, with one of its codes",
            status=409,
        )
    secret = pyotp.random_base32()
    tx.execute(
        "UPDATE users SET totp_secret = %s, totp_last_step = NULL WHERE id = %s",
        (keys.seal(_PURPOSE, secret.encode()), user.id),
    )
    _note(tx, user, "begun", now)
    return TotpSetUp(
        secret, pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name="Commenda")
    )


def confirm(
    tx: Tx, keys: Keys, user: User, session: UUID | None, client: Client, code: str, now: datetime
) -> Opened | None:
    """Confirm a begun set-up with its first code; None for a wrong one.

    The present session ends and another, with a second factor, takes its place: whoever holds the
    old one's tokens is not lifted with it.
    """
    if user.second_factor:
        raise conflict("second_factor_exists", "This second factor is confirmed already")
    if not take_code(tx, keys, user.id, code, now, confirmed=False):
        return None
    tx.execute("UPDATE users SET totp_confirmed = true WHERE id = %s", (user.id,))
    _note(tx, user, "confirmed", now)
    if session is not None:
        end_session(tx, session, "second factor confirmed", now)
    return open_session(tx, user, client, now, second_factor=True)


def remove(tx: Tx, keys: Keys, user: User, code: str, now: datetime) -> bool:
    """Remove a second factor by one of its codes; every session ends. False: a wrong code."""
    if not take_code(tx, keys, user.id, code, now):
        return False
    drop(tx, user, now, actor=user.actor)
    return True


def drop(tx: Tx, user: User, now: datetime, *, actor: str) -> None:
    """Forget a second factor without its code: for whoever lost it, by whoever may."""
    tx.execute(
        "UPDATE users SET totp_secret = NULL, totp_confirmed = false, totp_last_step = NULL"
        " WHERE id = %s",
        (user.id,),
    )
    end_sessions(tx, user.id, "second factor removed", now)
    _note(tx, user, "removed", now, actor)


def take_code(
    tx: Tx, keys: Keys, user_id: UUID, code: str, now: datetime, *, confirmed: bool = True
) -> bool:
    """Whether a code is right and was not taken before; taken now, if so.

    Code `unknown_second_factor` where none was begun (or, by default, confirmed).
    """
    row = tx.execute(
        "SELECT totp_secret, totp_confirmed, totp_last_step FROM users WHERE id = %s"
        " FOR NO KEY UPDATE",
        (user_id,),
    ).fetchone()
    if row is None or row[0] is None or (confirmed and not row[1]):
        raise CommendaError(
            "unknown_second_factor",
            "No second factor is set up",
            hint="begin with POST /api/v1/auth/totp",
            status=404,
        )
    step = step_of(keys.open(_PURPOSE, row[0]).decode(), code, now)
    if step is None or (row[2] is not None and step <= row[2]):
        return False
    tx.execute("UPDATE users SET totp_last_step = %s WHERE id = %s", (step, user_id))
    return True


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step whose code this is, of those that count at `now`."""
    import pyotp

    totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
    present = totp.timecode(now)
    steps = range(present - WINDOW, present + WINDOW + 1)
    return next((step for step in steps if totp.generate_otp(step) == code), None)


def _note(tx: Tx, user: User, result: str, now: datetime, actor: str | None = None) -> None:
    note(tx, "second_factor", user.id, result, actor or user.actor, user.id, now)
