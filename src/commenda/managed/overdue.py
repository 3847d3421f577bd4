"""Steps that did not happen in their time: an alert each, until they did."""

from __future__ import annotations

from commenda.alerts import end_alerts, raise_alerts
from commenda.audit import Event
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.times import iso
from commenda.ledger import Author
from commenda.managed.lifecycle import Deadlines, Milestones, State, overdue

KINDS = (
    "alert.matured_not_liquidating",
    "alert.liquidating_too_long",
    "alert.liquidated_not_settled",
    "alert.matured_not_settled",
    "alert.settled_not_shared",
    "alert.profit_share_failing",
    "alert.withdrawing_too_long",
)
"""What is derived anew each time: what is not found any more is over."""


def alert_overdue(tx: Tx, author: Author) -> int:
    """Raise an alert for every deadline that a subscription misses, and end those about what was
    done since; how many are new.
    """
    rows = tx.execute(
        "SELECT s.id, s.status, s.matures_at, c.requested_at, c.closed_at, c.reason"
        " FROM managed_subscriptions s LEFT JOIN closings c ON c.id = s.id"
        " WHERE s.status IN ('ACTIVE', 'MATURED', 'LIQUIDATING', 'LIQUIDATED')"
        "  AND s.matures_at <= %s",
        (author.now,),
    ).fetchall()
    events: list[Event] = []
    for subscription, status, matures, requested, liquidated, reason in rows:
        milestones = Milestones(State(status), matures, requested, liquidated)
        correlation = ids.derive("managed", subscription)
        details = {"maturesAt": iso(matures), "reason": reason}
        events += (
            author.event(f"alert.{code}", subscription, correlation, status, details)
            for code in overdue(milestones, author.now)
        )
    events += _withdrawals_overdue(tx, author)
    new = raise_alerts(tx, events)
    for kind in KINDS:
        late = [one.subject for one in events if one.kind == kind]
        end_alerts(tx, kind, author.now, but=late)
    return new


def _withdrawals_overdue(tx: Tx, author: Author) -> list[Event]:
    """Withdrawals whose part of the book should have been closed by now."""
    rows = tx.execute(
        "SELECT c.id, c.subject, s.correlation_id, c.requested_at, c.reason FROM closings c"
        " JOIN scopes s ON s.id = c.scope_id WHERE c.closed_at IS NULL AND c.given_up_at IS NULL"
        "  AND c.amount IS NOT NULL AND c.requested_at < %s ORDER BY c.id",
        (author.now - Deadlines().liquidate,),
    ).fetchall()
    return [
        author.event(
            "alert.withdrawing_too_long",
            closing,
            correlation,
            "closing",
            {
                "subscription": str(subject),
                "requestedAt": iso(requested),
                "reason": reason,
            },
        )
        for closing, subject, correlation, requested, reason in rows
    ]
