"""Books that are asked to close and are not closed yet: how often that was tried, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.books.model import Trigger
from commenda.kit.db import Tx
from commenda.kit.rows import records
from commenda.kit.wire import Amount, on_wire, one_of


@on_wire
@dataclass(frozen=True, slots=True)
class OpenClosing:
    """A book, or a part of one, whose positions are to be closed at its venue."""

    id: UUID
    scope_id: UUID
    subject: Annotated[UUID, Field(description="The subscription.")]
    kind: Annotated[str, Field(description="Of the book.", examples=["managed"])]
    owner_id: UUID
    owner: Annotated[str | None, Field(description="Their name.")]
    asset: str
    amount: Annotated[Amount | None, Field(description="Of a part: what is wanted of the book.")]
    trigger: Annotated[str, one_of(Trigger)]
    requested_at: datetime
    age_seconds: Annotated[float, Field(description="Business time since it was asked for.")]
    attempts: Annotated[int, Field(description="That failed.")]
    reason: Annotated[str | None, Field(description="Why the last one did.")]
    tried_at: Annotated[datetime | None, Field(description="When it was tried last.")]
    next_retry_at: datetime | None
    instruments: Annotated[list[str], Field(description="What is still held.")]


def open_closings(
    tx: Tx, *, failed: bool, after: tuple[datetime, UUID] | None, limit: int
) -> list[OpenClosing]:
    """Closings that are not done, the oldest first; those that `failed` at least once, or all."""
    place = {"at": after[0] if after else None, "id": after[1] if after else None}
    return records(tx, OpenClosing, _OPEN, {"failed": failed, "limit": limit, **place})


_OPEN: LiteralString = (
    "SELECT c.id, c.scope_id, c.subject, s.kind, s.owner_id, name_of(s.owner_id) AS owner, s.asset,"
    " c.amount, c.trigger, c.requested_at,"
    " greatest(0, extract(epoch FROM business_now() - c.requested_at))::float8 AS age_seconds,"
    " c.attempts, c.reason, c.next_retry_at,"
    " (SELECT max(a.begun_at) FROM closing_attempts a WHERE a.closing_id = c.id) AS tried_at,"
    " ARRAY(SELECT DISTINCT i.symbol FROM legs l JOIN positions p ON p.leg_id = l.id"
    "  JOIN instruments i ON i.id = p.instrument_id WHERE l.scope_id = s.id AND p.quantity <> 0"
    "  ORDER BY 1) AS instruments"
    " FROM closings c JOIN scopes s ON s.id = c.scope_id"
    " WHERE c.closed_at IS NULL AND c.given_up_at IS NULL AND (NOT %(failed)s OR c.attempts > 0)"
    "  AND (%(at)s::timestamptz IS NULL OR (c.requested_at, c.id) > (%(at)s, %(id)s))"
    " ORDER BY c.requested_at, c.id LIMIT %(limit)s"
)
