"""Long work: accepted at once, carried out elsewhere, looked at and cancelled meanwhile.

Whoever asks gets a `Work` back. Its row says how far it is; what it is begun from stays in it, so
that a worker that was killed loses nothing. It ends once: complete, cancelled or failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.idempotency import refused
from commenda.kit.rows import first, put
from commenda.kit.wire import on_wire

RULES = "work/1"
"""By which work is cancelled."""


class WorkState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    FAILED = "failed"


@on_wire
@dataclass(frozen=True, slots=True)
class Work:
    """A piece of long work, and how far it is."""

    id: UUID
    kind: Annotated[str, Field(examples=["backtest"])]
    subject: Annotated[str, Field(examples=["ema_trend BTCUSDT 5m"])]
    state: WorkState
    progress: Annotated[float, Field(description="From 0 to 1.")]
    done: Annotated[int | None, Field(description="Of `total` parts, where they are counted.")]
    total: int | None
    cancellable: bool
    result: Annotated[str | None, Field(description="The id of what it is about or came to.")]
    refusal: Annotated[
        Mapping[str, Any] | None,
        Field(description="Why it failed: code, detail, field, value and mend."),
    ]
    asked_by: str
    started_by: Annotated[str | None, Field(description="The name of whoever asked.")]
    asked_at: datetime
    begun_at: datetime | None
    ended_at: datetime | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", WorkState(self.state))


KEPT: LiteralString = (
    "SELECT w.id, w.kind, w.subject, w.state, w.progress, NULL::int AS done, NULL::int AS total,"
    " w.ended_at IS NULL AS cancellable, w.result, w.refusal, w.asked_by, w.asked_at, w.begun_at,"
    " w.ended_at FROM work w"
)
"""What is kept here, in the form in which every kind of work is listed (`operations.work`)."""

NAMED: LiteralString = (
    "SELECT w.*, (SELECT u.username FROM users u WHERE u.id::text = split_part(w.asked_by, ':', 2))"
    " AS started_by FROM ("
)


def ask(
    tx: Tx,
    ident: UUID,
    kind: str,
    subject: str,
    request: Mapping[str, Any],
    actor: str,
    now: datetime,
) -> Work:
    """Accept a piece of work; asked for again under its id it is the one that is there."""
    values = {
        "id": ident,
        "kind": kind,
        "subject": subject,
        "request": Jsonb(dict(request)),
        "asked_by": actor,
        "asked_at": now,
    }
    put(tx, "INSERT INTO work", values)
    found = first(tx, Work, NAMED + KEPT + " WHERE w.id = %s) w", (ident,))
    assert found is not None
    return found


def begin(tx: Tx, ident: UUID) -> tuple[dict[str, Any], str] | None:
    """Begin work, or begin it anew: its request and who asked. None where it has ended."""
    row = tx.execute(
        "UPDATE work SET state = 'running', progress = 0,"
        " begun_at = coalesce(begun_at, business_now())"
        " WHERE id = %s AND ended_at IS NULL RETURNING request, asked_by",
        (ident,),
    ).fetchone()
    return None if row is None else (row[0], row[1])


def advance(tx: Tx, ident: UUID, progress: float) -> bool:
    """Note how far it is; False where it is not wanted any more."""
    return bool(
        tx.execute(
            "UPDATE work SET progress = %s WHERE id = %s AND state = 'running'", (progress, ident)
        ).rowcount
    )


def wanted(tx: Tx, ident: UUID) -> bool:
    """Whether it waits or runs."""
    row = tx.execute("SELECT FROM work WHERE id = %s AND ended_at IS NULL", (ident,)).fetchone()
    return row is not None


def complete(tx: Tx, ident: UUID, result: str) -> bool:
    return _end(tx, ident, WorkState.COMPLETE, result=result)


def fail(tx: Tx, ident: UUID, error: CommendaError) -> bool:
    """End it with a refusal, which is kept as it would be answered."""
    return _end(tx, ident, WorkState.FAILED, refusal=refused(error)["body"])


def cancel(tx: Tx, ident: UUID) -> bool:
    """Have it stop; False where it has ended."""
    return _end(tx, ident, WorkState.CANCELLED)


def _end(
    tx: Tx,
    ident: UUID,
    state: WorkState,
    *,
    result: str | None = None,
    refusal: Mapping[str, Any] | None = None,
) -> bool:
    return bool(
        tx.execute(
            "UPDATE work SET state = %(state)s, ended_at = business_now(), result = %(result)s,"
            " refusal = %(refusal)s,"
            " progress = CASE WHEN %(state)s = 'complete' THEN 1 ELSE progress END"
            " WHERE id = %(id)s AND ended_at IS NULL",
            {
                "state": state,
                "result": result,
                "refusal": None if refusal is None else Jsonb(dict(refusal)),
                "id": ident,
            },
        ).rowcount
    )
