"""What identity leaves in the audit log. Never a password, a code, a token or a key."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from commenda.audit import Event, record
from commenda.kit.db import Tx

RULES: Final = "identity/1"


def note(
    tx: Tx,
    kind: str,
    subject: UUID | str,
    result: str,
    actor: str,
    correlation_id: UUID,
    at: datetime,
    /,
    **details: object,
) -> None:
    """Record one event; what happens to a user correlates by the user's id."""
    record(tx, [Event(kind, str(subject), correlation_id, result, actor, RULES, at, details)])
