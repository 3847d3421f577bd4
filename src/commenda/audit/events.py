"""The append-only record of events and alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.kit import bus
from commenda.kit.context import request_id
from commenda.kit.db import Tx

ALERTS = "alerts"
"""The topic of live messages about alerts."""


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
    """Append events; one that a repeated step records again is kept once.

    New alerts are told to whoever listens, once this transaction commits.
    """
    rows = list(events)
    alerts = tx.execute(
        "WITH kept AS (INSERT INTO audit_events"
        " (happened_at, kind, actor, subject, correlation_id, result, rule_version, details,"
        "  request_id)"
        " SELECT n.*, %s FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::text[],"
        "  %s::uuid[], %s::text[], %s::text[], %s::jsonb[]) AS n ON CONFLICT DO NOTHING"
        " RETURNING kind, subject, happened_at, result)"
        " SELECT * FROM kept WHERE kind LIKE 'alert.%%' OR kind = 'liquidation.failed'",
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
    ).fetchall()
    new = set(alerts)
    for event in rows:
        if new and (event.kind, event.subject, event.at, event.result) in new:
            bus.publish(tx, ALERTS, _alert(event))


def latest_alerts(tx: Tx, limit: int) -> list[dict[str, Any]]:
    """The last alerts, newest first, in the form in which new ones are told."""
    rows = tx.execute(
        "SELECT kind, subject, correlation_id, result, actor, rule_version, happened_at, details"
        " FROM audit_events WHERE kind LIKE 'alert.%%' OR kind = 'liquidation.failed'"
        " ORDER BY happened_at DESC, id DESC LIMIT %s",
        (limit,),
    ).fetchall()
    return [_alert(Event(*row)) for row in rows]


def _alert(event: Event) -> dict[str, Any]:
    return {
        "type": "alert",
        "kind": event.kind,
        "subject": event.subject,
        "correlationId": event.correlation_id,
        "result": event.result,
        "at": event.at,
        "details": dict(event.details),
    }
