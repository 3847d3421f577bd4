"""The append-only record of events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.kit.context import request_id
from commenda.kit.db import Tx


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to `subject`."""

    kind: str
    subject: str
    correlation_id: UUID
    result: str
    actor: str
    rule_version: str
    at: datetime
    details: Mapping[str, Any] = field(default_factory=dict)


def record(tx: Tx, events: Iterable[Event]) -> None:
    """Append events; one that a repeated step records again is kept once."""
    rows = list(events)
    if len(rows) == 1:
        (row,) = rows
        values = (getattr(row, name) for name in _COLUMNS)
        tx.execute(_APPEND_ONE, (*values, Jsonb(dict(row.details)), request_id.get()))
    elif rows:
        tx.execute(_APPEND, _columns(rows))


def record_new(tx: Tx, events: Iterable[Event]) -> list[Event]:
    """Append events as `record` does; those of them that were not there yet."""
    rows = list(events)
    kept = tx.execute(_APPEND + " RETURNING kind, subject, happened_at, result", _columns(rows))
    new = set(kept.fetchall())
    return [event for event in rows if (event.kind, event.subject, event.at, event.result) in new]


# Mostly one event is recorded: eight arrays would take as long as the insert.
_APPEND_ONE: LiteralString = (
    "INSERT INTO audit_events (happened_at, kind, actor, subject, correlation_id, result,"
    "  rule_version, details, request_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
_APPEND: LiteralString = (
    "INSERT INTO audit_events (happened_at, kind, actor, subject, correlation_id, result,"
    "  rule_version, details, request_id)"
    " SELECT n.*, %s FROM ROWS FROM (unnest(%s::timestamptz[], %s::text[], %s::text[], %s::text[],"
    "  %s::uuid[], %s::text[], %s::text[]), jsonb_array_elements(%s)) AS n ON CONFLICT DO NOTHING"
)

_COLUMNS = ("at", "kind", "actor", "subject", "correlation_id", "result", "rule_version")


def _columns(events: Sequence[Event]) -> tuple[Any, ...]:
    return (
        request_id.get(),
        *([getattr(event, name) for event in events] for name in _COLUMNS),
        Jsonb([dict(event.details) for event in events]),
    )
