"""Steps that did not happen in their time, each raised once as an alert."""

from __future__ import annotations

from commenda.audit import record
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.ledger import Author
from commenda.managed.lifecycle import Milestones, State, overdue


def alert_overdue(tx: Tx, author: Author) -> int:
    """Record an alert for every deadline that a subscription has missed since; how many are new."""
    rows = tx.execute(
        "SELECT s.id, s.status, s.matures_at, c.requested_at, c.closed_at, c.reason,"
        "  ARRAY(SELECT e.kind FROM audit_events e"
        "   WHERE e.subject = s.id::text AND e.kind LIKE 'alert.%%')"
        " FROM managed_subscriptions s LEFT JOIN closings c ON c.id = s.id"
        " WHERE s.status IN ('ACTIVE', 'MATURED', 'LIQUIDATING', 'LIQUIDATED')"
        "  AND s.matures_at <= %s",
        (author.now,),
    ).fetchall()
    events = []
    for subscription, status, matures, requested, liquidated, reason, raised in rows:
        milestones = Milestones(State(status), matures, requested, liquidated)
        for code in overdue(milestones, author.now):
            kind = f"alert.{code}"
            if kind not in raised:
                events.append(
                    author.event(
                        kind,
                        subscription,
                        ids.derive("managed", subscription),
                        status,
                        {"maturesAt": matures.isoformat(), "reason": reason},
                    )
                )
    record(tx, events)
    return len(events)
