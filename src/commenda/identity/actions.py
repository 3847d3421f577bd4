"""Register people, create staff, change who may come in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from commenda.identity import passwords
from commenda.identity.api_keys import revoke_keys
from commenda.identity.model import CUSTOMERS, Principal, Role, User, UserStatus
from commenda.identity.queries import locked_user
from commenda.identity.sessions import end_sessions
from commenda.identity.trail import note
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict

USERNAME = re.compile(r"[a-z0-9._-]{3,32}")


DISABLED = UserStatus.DISABLED


class Change(NamedTuple):
    """What is wanted of a user's access."""

    user: User
    role: Role
    status: UserStatus


def register_users(tx: Tx, users: Sequence[tuple[UUID, str]], role: str, now: datetime) -> None:
    """Register (id, username) pairs with one role; a user that exists is left as it is.

    Nobody becomes one of the staff without an event.
    """
    new = tx.execute(
        "INSERT INTO users (id, username, role, created_at)"
        " SELECT id, username, %s, %s FROM unnest(%s::uuid[], %s::text[]) AS n (id, username)"
        " ON CONFLICT DO NOTHING RETURNING id, username",
        (role, now, [user for user, _ in users], [name for _, name in users]),
    ).fetchall()
    for user, name in new if role not in CUSTOMERS else ():
        note(tx, "user.created", user, role, "system:register", user, now, username=name)


def rename_user(tx: Tx, user_id: UUID, username: str) -> None:
    """Give a user another name to sign in by; the id stays."""
    tx.execute("UPDATE users SET username = %s WHERE id = %s", (canonical(username), user_id))


def canonical(username: str) -> str:
    """A username as it is kept: lower case; code `bad_username`."""
    name = username.strip().lower()
    if not USERNAME.fullmatch(name):
        raise CommendaError(
            "bad_username", "A username has 3 to 32 characters: letters, digits, '.', '_' and '-'"
        ).at("username", hint="choose another one")
    return name


def prepare_password(password: str, username: str) -> str:
    """The hash of a password that may be used; slow, so outside of any transaction."""
    passwords.require_good(password, username)
    return passwords.hash_of(password)


def create_user(
    tx: Tx, username: str, password_hash: str, role: Role, now: datetime, *, actor: str = ""
) -> User:
    """Create a user who can sign in; code `username_taken`. Without an actor they came by
    themselves."""
    name = canonical(username)
    user = User(ids.derive("user", name), name, role, UserStatus.ACTIVE, now, False)
    created = tx.execute(
        "INSERT INTO users (id, username, role, created_at, password_hash)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (user.id, name, role, now, password_hash),
    ).rowcount
    if not created:
        raise conflict("username_taken", "This username is taken").at(
            "username", name, "choose another one"
        )
    note(tx, "user.created", user.id, role, actor or user.actor, user.id, now, username=name)
    return user


def change_user(
    tx: Tx,
    by: Principal,
    user_id: UUID,
    role: Role | None,
    status: UserStatus | None,
    now: datetime,
) -> Change | None:
    """Change a user's role or status, and end their sessions; or say what somebody else must
    approve first: whatever gives one of the staff more than they have.

    Codes: `unknown_user`, `own_account` (nobody locks themselves out or lifts themselves up),
    `bad_role_change` (whoever owns money here does not become staff, or the other way round),
    `user_waits`.
    """
    user = locked_user(tx, user_id)
    if user.id == by.user_id:
        raise conflict("own_account", "Nobody changes their own role or status").at(
            "id", user_id, "ask another administrator"
        )
    wanted = Change(user, role or user.role, status or user.status)
    if (wanted.role in CUSTOMERS) != (user.role in CUSTOMERS):
        raise CommendaError(
            "bad_role_change", "Whoever owns money here does not become staff, nor staff a customer"
        ).at("role", wanted.role.value, "create another user")
    if (wanted.role, wanted.status) == (user.role, user.status):
        return None
    if UserStatus.WAITING in (user.status, wanted.status) and wanted.status is not DISABLED:
        raise conflict("user_waits", "Who was invited or reset waits for an approval").at(
            "status", user.status.value, "approve or reject it under /api/v1/approvals"
        )
    if user.role not in CUSTOMERS and (wanted.role != user.role or wanted.status is not DISABLED):
        return wanted
    set_access(tx, user, wanted.role, wanted.status, now, actor=by.actor)
    return None


def set_access(
    tx: Tx,
    user: User,
    role: Role,
    status: UserStatus,
    now: datetime,
    *,
    actor: str,
    kind: str = "user.changed",
) -> None:
    """Give a user a role and a status; every session of theirs ends, and who is disabled has no
    keys any more."""
    tx.execute("UPDATE users SET role = %s, status = %s WHERE id = %s", (role, status, user.id))
    end_sessions(tx, user.id, "role or status changed", now)
    if status is DISABLED:
        revoke_keys(tx, user, now, actor=actor)
    before = {"role": user.role, "status": user.status}
    note(tx, kind, user.id, status, actor, user.id, now, role=role, before=before)


def set_password(
    tx: Tx, user: User, password_hash: str, now: datetime, *, actor: str, but: UUID | None = None
) -> None:
    """Store a new password; every session but perhaps the present one ends."""
    tx.execute("UPDATE users SET password_hash = %s WHERE id = %s", (password_hash, user.id))
    end_sessions(tx, user.id, "password changed", now, but=but)
    note(tx, "user.password_changed", user.id, "changed", actor, user.id, now)
