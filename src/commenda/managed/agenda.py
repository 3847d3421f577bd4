"""What is due: one cheap question before any of the sweeps is called."""

from __future__ import annotations

from datetime import datetime

from commenda.kit.db import Tx


def anything_due(tx: Tx, now: datetime) -> bool:
    """Whether a subscription waits to be activated, matured, liquidated or settled at `now`."""
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM managed_subscriptions"
        "  WHERE status NOT IN ('SETTLED', 'CANCELLED') AND (status IN ('MATURED', 'LIQUIDATED')"
        "   OR (status = 'RESERVED' AND subscribed_at < %(now)s)"
        "   OR (status = 'ACTIVE' AND matures_at <= %(now)s)"
        "   OR (status = 'LIQUIDATING' AND next_retry_at <= %(now)s)))"
        " OR EXISTS (SELECT FROM transfers WHERE done_at IS NULL)",
        {"now": now},
    ).fetchone()
    return bool(row and row[0])
