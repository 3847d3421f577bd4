"""The append-only record of events and alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.kit.context import request_id
from commenda.kit.db import Tx


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to `subject`, or an alert about it."""

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
    tx.execute(
        "INSERT INTO audit_events"
        " (happened_at, kind, actor, subject, correlation_id, result, rule_version, details,"
        "  request_id)"
        " SELECT n.*, %s FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::text[],"
        "  %s::uuid[], %s::text[], %s::text[], %s::jsonb[]) AS n ON CONFLICT DO NOTHING",
        (
            request_id.get(),
            [event.at for event in rows],
            [event.kind for event in rows],
            [event.actor for event in rows],
            [event.subject for event in rows],
            [event.correlation_id for event in rows],
            [event.result for event in rows],
            [event.rule_version for event in rows],
            [Jsonb(dict(event.details)) for event in rows],
        ),
    )
