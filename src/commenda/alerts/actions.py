"""Raising alerts, and reading the latest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from commenda.alerts.model import KINDS, Kind, kind_named, topic_of
from commenda.audit import Event, record_new
from commenda.identity import Permission
from commenda.kit import bus
from commenda.kit.db import Tx


def raise_alerts(tx: Tx, alerts: Iterable[Event]) -> int:
    """Record alerts and, once this transaction commits, tell who listens; how many are new.

    Each one's `kind` is the name of a row of KINDS: KeyError for another. One that is the same as
    one before, as its kind says, is left out.
    """
    new = record_new(tx, _unheard(tx, list(alerts)))
    for alert in new:
        bus.publish(tx, topic_of(kind_named(alert.kind).told), _shown(alert))
    return len(new)


def _unheard(tx: Tx, alerts: Sequence[Event]) -> list[Event]:
    heard = tx.execute(
        "SELECT n.place FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])"
        "  WITH ORDINALITY AS n (kind, subject, since, until, place)"
        " WHERE EXISTS (SELECT FROM audit_events e WHERE e.kind = n.kind"
        "  AND e.subject = n.subject AND e.happened_at > n.since AND e.happened_at <= n.until)",
        (
            [alert.kind for alert in alerts],
            [alert.subject for alert in alerts],
            [alert.at - kind_named(alert.kind).quiet for alert in alerts],
            [alert.at for alert in alerts],
        ),
    ).fetchall()
    places = {place for (place,) in heard}
    return [alert for place, alert in enumerate(alerts, 1) if place not in places]


def latest_alerts(tx: Tx, told: Permission, limit: int) -> list[dict[str, Any]]:
    """The last alerts for whoever has a permission, newest first, in the form of live messages."""
    rows = tx.execute(
        "SELECT kind, subject, correlation_id, result, actor, rule_version, happened_at, details"
        " FROM audit_events"
        # What the index `audit_events_alerts` has, said so that the planner takes it.
        " WHERE (kind LIKE 'alert.%%' OR kind = 'liquidation.failed') AND kind = ANY(%s)"
        " ORDER BY happened_at DESC, id DESC LIMIT %s",
        ([kind.name for kind in KINDS if kind.told is told], limit),
    ).fetchall()
    return [_shown(Event(*row)) for row in rows]


def count_alerts(tx: Tx) -> dict[Kind, int]:
    """How many of each kind were ever raised."""
    found: dict[str, int] = dict(
        tx.execute(
            "SELECT kind, count(*) FROM audit_events WHERE kind = ANY(%s) GROUP BY kind",
            ([kind.name for kind in KINDS],),
        ).fetchall()
    )
    return {kind: found.get(kind.name, 0) for kind in KINDS}


def _shown(alert: Event) -> dict[str, Any]:
    return {
        "type": "alert",
        "kind": alert.kind,
        "severity": kind_named(alert.kind).severity,
        "subject": alert.subject,
        "correlationId": alert.correlation_id,
        "result": alert.result,
        "at": alert.at,
        "details": dict(alert.details),
    }
