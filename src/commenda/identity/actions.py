"""Register users."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from commenda.kit.db import Tx


def register_users(tx: Tx, users: Sequence[tuple[UUID, str]], role: str, now: datetime) -> None:
    """Register (id, username) pairs with one role; a user that exists is left as it is."""
    tx.execute(
        "INSERT INTO users (id, username, role, created_at)"
        " SELECT id, username, %s, %s FROM unnest(%s::uuid[], %s::text[]) AS n (id, username)"
        " ON CONFLICT DO NOTHING",
        (role, now, [user for user, _ in users], [name for _, name in users]),
    )
