"""What is due: one cheap question before any of the sweeps is called."""

from __future__ import annotations

from datetime import datetime

from commenda.kit.db import Tx


def anything_due(tx: Tx, now: datetime) -> bool:
    """Whether a subscription waits to be activated or matured, or a book to be closed or paid."""
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM managed_subscriptions"
        "  WHERE status NOT IN ('SETTLED', 'CANCELLED') AND (status = 'MATURED'"
        "   OR (status = 'RESERVED' AND subscribed_at < %(now)s)"
        "   OR (status = 'ACTIVE' AND matures_at <= %(now)s)))"
        " OR EXISTS (SELECT FROM closings WHERE closed_at IS NULL AND next_retry_at <= %(now)s)"
        " OR EXISTS (SELECT FROM closings WHERE closed_at IS NOT NULL AND paid_at IS NULL"
        "  AND given_up_at IS NULL)"
        " OR EXISTS (SELECT FROM closing_attempts WHERE outcome IS NULL)"
        " OR EXISTS (SELECT FROM transfers WHERE done_at IS NULL)",
        {"now": now},
    ).fetchone()
    return bool(row and row[0])
