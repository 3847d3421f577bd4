"""Accounts by invitation: a one-time token, with which the invited choose their own password and
second factor, so that nobody else ever knows them.

    invited      WAITING -> the token is taken up -> another of the staff approves -> ACTIVE
    reset        ACTIVE  -> the token is taken up: WAITING -> another approves -> ACTIVE

Who approves can ask the person whether it was them who took it up. At the machine there is nobody
to tell apart: whoever sits there has the database and the master key. An account that is invited or
reset there is active as soon as the token is taken up, and all of the staff are told.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from commenda.identity import passwords, recovery, second_factor, throttle
from commenda.identity.actions import canonical, set_access, set_password
from commenda.identity.api_keys import revoke_keys
from commenda.identity.approvals import Approval, Changed, request_approval
from commenda.identity.model import CUSTOMERS, PERMISSIONS, Principal, Role, User, UserStatus
from commenda.identity.queries import find_user, locked_user, user_by_id
from commenda.identity.tokens import wall_now
from commenda.identity.trail import note
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError, conflict, not_found
from commenda.kit.keys import Keys
from commenda.kit.rows import put
from commenda.kit.wire import on_wire

LIFETIME = timedelta(days=3)
"""Of a token that nobody takes up; wall time."""
ACCOUNT = "identity.account"
"""The request that lets an account in which was invited or reset."""
ACCESS = "identity.access"
"""The request that gives one of the staff another role, or lets them in again."""


@on_wire
@dataclass(frozen=True, slots=True)
class Invitation:
    """A token that its bearer takes up once; shown when it is made, and never again."""

    user_id: UUID
    username: str
    role: Role
    expires_at: datetime
    token: Annotated[
        str, Field(description="Shown once; for nobody but the invited.", examples=["ci_…"])
    ] = field(repr=False)


@on_wire
@dataclass(frozen=True, slots=True)
class Joining(second_factor.TotpSetUp):
    """Who was invited as what, and the second factor to be confirmed by its first code."""

    username: str = ""
    role: Role = Role.INVESTOR


@on_wire
@dataclass(frozen=True, slots=True)
class Joined:
    """What became of a token that was taken up."""

    username: str
    status: Annotated[UserStatus, Field(description="waiting: until somebody else approves.")]
    approval_id: UUID | None
    recovery_codes: Annotated[
        list[str], Field(description="Each stands in once for a lost authenticator; shown once.")
    ] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Open:
    id: UUID
    user: User
    purpose: str
    invited_by: UUID | None
    password_hash: str | None
    totp_secret: bytes | None


def invite(
    tx: Tx, by: Principal | None, username: str, role: Role, now: datetime, *, actor: str = ""
) -> Invitation:
    """Invite one of the staff; None is the machine. Somebody who waits may be invited anew.

    Codes `bad_username`, `username_taken`, `not_staff` (customers register themselves).
    """
    if role in CUSTOMERS:
        raise CommendaError("not_staff", "Customers register themselves").at(
            "role", role.value, "invite one of the staff"
        )
    name = canonical(username)
    user = User(ids.derive("user", name), name, role, UserStatus.WAITING, now, False)
    tx.execute(
        "INSERT INTO users (id, username, role, status, created_at) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (user.id, name, role, user.status, now),
    )
    found = find_user(tx, name)
    if found is None or (found.role, found.status) != (role, UserStatus.WAITING):
        raise conflict("username_taken", "This username is taken").at(
            "username", name, "choose another one"
        )
    return _issue(tx, by, found, "join", "user.invited", now, actor)


def reset(
    tx: Tx, by: Principal | None, user_id: UUID, now: datetime, *, actor: str = ""
) -> Invitation:
    """Give somebody who is locked out a token for a new password and second factor; until it is
    taken up nothing changes. Codes `unknown_user`, `own_account`, `user_disabled`."""
    user = locked_user(tx, user_id)
    if by is not None and user.id == by.user_id:
        raise conflict("own_account", "Nobody resets their own account").at(
            "id", user_id, "ask another administrator"
        )
    if user.status is UserStatus.DISABLED:
        raise conflict("user_disabled", "This user is disabled").at("id", user_id, "enable them")
    return _issue(tx, by, user, "reset", "user.reset", now, actor)


def _issue(
    tx: Tx, by: Principal | None, user: User, purpose: str, kind: str, now: datetime, actor: str
) -> Invitation:
    token = "ci_" + secrets.token_urlsafe(32)
    digest, expires_at = _digest(token), now + LIFETIME
    tx.execute(
        "UPDATE invitations SET closed_at = %s WHERE user_id = %s AND closed_at IS NULL",
        (now, user.id),
    )
    put(
        tx,
        "INSERT INTO invitations",
        {"id": ids.derive("invitation", digest.hex()), "user_id": user.id, "purpose": purpose}
        | {"token_hash": digest, "invited_by": by.user_id if by else None}
        | {"created_at": now, "expires_at": expires_at},
    )
    who = by.actor if by else actor
    note(tx, kind, user.id, "issued", who, user.id, now, username=user.username, role=user.role)
    return Invitation(user.id, user.username, user.role, expires_at, token)


# --- Taking it up -----------------------------------------------------------------------------


def take_up(database: Database, keys: Keys, token: str, password: str, now: datetime) -> Joining:
    """Choose a password, and be shown a second factor. May be repeated until that is confirmed.

    Codes `unknown_invitation`, `weak_password`.
    """
    with database.transaction() as tx:
        username = _find(tx, token, now).user.username
    passwords.require_good(password, username)
    hashed = passwords.hash_of(password)
    with database.transaction() as tx:
        found = _find(tx, token, now)
        sealed, shown = second_factor.new_secret(keys, username)
        tx.execute(
            "UPDATE invitations SET password_hash = %s, totp_secret = %s WHERE id = %s",
            (hashed, sealed, found.id),
        )
    return Joining(shown.secret, shown.otpauth_uri, username, found.user.role)


def confirm(
    database: Database, keys: Keys, token: str, code: str, now: datetime, business: datetime
) -> Joined:
    """Confirm the second factor by its first code: the account is its owner's from here on.

    Codes `unknown_invitation`, `not_taken_up`, `wrong_code`, `too_many_requests`.
    """
    with database.transaction() as tx:
        throttle.charge(tx, [throttle.by_user(_find(tx, token, now).user.id)], now)
    with database.transaction() as tx:
        found = _find(tx, token, now)
        user, sealed, hashed = found.user, found.totp_secret, found.password_hash
        if sealed is None or hashed is None:
            raise conflict("not_taken_up", "Choose a password first").at("token")
        step = second_factor.step_of_sealed(keys, sealed, code, now)
        if step is None:
            raise CommendaError("wrong_code", "This code is not right").at(
                "code", hint="wait for the next code of the authenticator"
            )
        throttle.clear(tx, throttle.by_user(user.id))
        tx.execute("UPDATE invitations SET closed_at = %s WHERE id = %s", (now, found.id))
        set_password(tx, user, hashed, now, actor=user.actor)
        second_factor.enrol(tx, user, sealed, step, now)
        revoke_keys(tx, user, now, actor=user.actor)
        codes = recovery.make_codes(tx, user, now)
        approval, status = None, UserStatus.ACTIVE
        if found.invited_by is not None:
            status, approval = UserStatus.WAITING, _ask(tx, found, found.invited_by, business).id
        tx.execute("UPDATE users SET status = %s WHERE id = %s", (status, user.id))
        note(tx, "user.joined", user.id, status, user.actor, user.id, now, purpose=found.purpose)
    return Joined(user.username, status, approval, codes)


def _ask(tx: Tx, found: _Open, inviter: UUID, now: datetime) -> Approval:
    by = user_by_id(tx, inviter)
    asking = Principal(by.id, by.role, PERMISSIONS[by.role], None, True)
    user = found.user
    payload = {"username": user.username, "role": user.role, "purpose": found.purpose}
    return request_approval(tx, asking, ACCOUNT, str(user.id), payload, user.id, now)


def _find(tx: Tx, token: str, now: datetime) -> _Open:
    row = tx.execute(
        "SELECT id, user_id, purpose, invited_by, password_hash, totp_secret FROM invitations"
        " WHERE token_hash = %s AND closed_at IS NULL AND expires_at > %s FOR UPDATE",
        (_digest(token), now),
    ).fetchone()
    if row is None:
        raise not_found("unknown_invitation", "This invitation is taken up, replaced or over").at(
            "token", hint="ask for another one"
        )
    return _Open(row[0], locked_user(tx, row[1]), *row[2:])


# --- Deciding -----------------------------------------------------------------------------------
# Accounts and sessions go by wall time, though approvals go by the business clock.


def let_in(tx: Tx, approval: Approval, approver: str) -> dict[str, str]:
    """Let an account in that was invited or reset; whoever approves is tied to it from then on."""
    user, now = locked_user(tx, UUID(approval.subject)), wall_now()
    set_access(tx, user, user.role, UserStatus.ACTIVE, now, kind="user.approved", actor=approver)
    return {"userId": str(user.id), "status": UserStatus.ACTIVE}


def account_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """Somebody who may not come in, and may."""
    return _changed(asked, user_by_id(tx, UUID(asked.subject)), UserStatus.ACTIVE)


def access_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """Role and status as they are, and as somebody asked."""
    user = user_by_id(tx, UUID(asked.subject))
    return _changed(asked, user, asked.payload["status"], asked.payload["role"])


def _changed(asked: Approval, user: User, status: str, role: str | None = None) -> list[Changed]:
    before = {"role": user.role, "status": user.status}
    after = {"role": role or user.role, "status": status}
    return [Changed("user", asked.subject, {"username": user.username}, before, after)]


def keep_out(tx: Tx, approval: Approval, author: str) -> None:
    """Nobody vouched for who took the token up: what they chose is forgotten, and they wait."""
    user, now = locked_user(tx, UUID(approval.subject)), wall_now()
    tx.execute("UPDATE users SET password_hash = NULL WHERE id = %s", (user.id,))
    second_factor.drop(tx, user, now, actor=user.actor)
    note(tx, "user.refused", user.id, UserStatus.WAITING, author, user.id, now)


def give_access(tx: Tx, approval: Approval, approver: str) -> dict[str, str]:
    """Give one of the staff the role and status that somebody asked for; both are tied to them."""
    user, now = locked_user(tx, UUID(approval.subject)), wall_now()
    role, status = Role(approval.payload["role"]), UserStatus(approval.payload["status"])
    asked = user_by_id(tx, approval.requested_by).actor
    set_access(tx, user, role, status, now, actor=asked)
    note(tx, "user.approved", user.id, status, approver, user.id, now, role=role)
    return {"userId": str(user.id), "role": role, "status": status}


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
