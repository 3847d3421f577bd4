"""Reading users."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from commenda.identity.model import Role, User, UserStatus
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, unknown

_SELECT: LiteralString = "SELECT id, username, role, status, created_at, totp_confirmed FROM users"


def user_by_id(tx: Tx, user_id: UUID, lock: LiteralString = "") -> User:
    """The user; code `unknown_user`."""
    row = tx.execute(_SELECT + " WHERE id = %s" + lock, (user_id,)).fetchone()
    if row is None:
        raise unknown_user("id", user_id)
    return _user(row)


def locked_user(tx: Tx, user_id: UUID) -> User:
    """The user, whom nobody else changes until the end of the transaction."""
    return user_by_id(tx, user_id, " FOR NO KEY UPDATE")


def find_user(tx: Tx, username: str) -> User | None:
    """The user of this name, if there is one."""
    row = tx.execute(_SELECT + " WHERE username = %s", (username,)).fetchone()
    return _user(row) if row else None


def users(tx: Tx, role: Role | None, after: str, limit: int) -> list[User]:
    """Users by name, of one role if given, after a name."""
    rows = tx.execute(
        _SELECT + " WHERE username > %s AND (%s::text IS NULL OR role = %s)"
        " ORDER BY username LIMIT %s",
        (after, role, role, limit),
    ).fetchall()
    return [_user(row) for row in rows]


def password_hash(tx: Tx, user_id: UUID) -> str | None:
    """What is stored of a user's password; None for somebody who cannot sign in."""
    row = tx.execute("SELECT password_hash FROM users WHERE id = %s", (user_id,)).fetchone()
    return row[0] if row else None


def unknown_user(field: str, value: object) -> CommendaError:
    return unknown("user", value, field)


def _user(row: tuple[Any, ...]) -> User:
    user_id, username, role, status, created_at, second_factor = row
    return User(user_id, username, Role(role), UserStatus(status), created_at, second_factor)
