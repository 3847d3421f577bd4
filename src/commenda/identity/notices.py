"""What the owner of an account is told of it, read off the audit trail: none is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, LiteralString
from uuid import UUID

from commenda.identity.model import Role
from commenda.kit.db import Tx
from commenda.kit.rows import records
from commenda.kit.wire import Internal, on_wire, one_of

KINDS: Final = (
    "session.new_device",
    "session.token_reused",
    "user.password_changed",
    "user.reset",
    "user.joined",
    "user.changed",
    "user.approved",
    "second_factor",
    "recovery_codes",
    "api_key",
    "funding.new_address",
    "copy.flow_changed",
    "copy.flow_paused",
    "copy.flow_resumed",
)
"""Events about a user (their id is the correlation) that the user is told."""


@on_wire
@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to one's account. Whoever did not do it: change the password."""

    sequence: Internal[int]
    kind: Annotated[str, one_of(KINDS)]
    result: str
    at: datetime
    by: Annotated[str, one_of([*Role, "system"])]
    details: Mapping[str, Any]


def notices_of(tx: Tx, user: UUID, before: int | None, limit: int) -> list[Notice]:
    """The latest of a user's notices, before a sequence number: at most `limit`."""
    rows: LiteralString = (
        "SELECT id AS sequence, kind, result, happened_at AS at, details,"
        " CASE WHEN split_part(actor, ':', 1) = ANY (%(roles)s) THEN split_part(actor, ':', 1)"
        "  ELSE 'system' END AS by FROM audit_events"
        " WHERE correlation_id = %(user)s AND kind = ANY (%(kinds)s)"
        "  AND (%(before)s::numeric IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s"
    )
    said = {"user": user, "kinds": list(KINDS), "roles": [str(role) for role in Role]}
    return records(tx, Notice, rows, said | {"before": before, "limit": limit})
