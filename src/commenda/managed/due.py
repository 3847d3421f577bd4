"""What is due: one cheap question before any of the sweeps is called."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from commenda.kit.db import Tx


class Agenda(NamedTuple):
    """What waits to be carried on: to be activated, after its term, to be closed or paid, cash."""

    reserved: bool = True
    over: bool = True
    closings: bool = True
    transfers: bool = True


def agenda(tx: Tx, now: datetime) -> Agenda:
    """Which of subscriptions, books that are to be closed or paid, and transfers wait now."""
    row = tx.execute(
        "SELECT coalesce(bool_or(status = 'RESERVED'), false),"
        "  coalesce(bool_or(status <> 'RESERVED'), false),"
        "  EXISTS (SELECT FROM closings WHERE closed_at IS NULL AND next_retry_at <= %(now)s)"
        "   OR EXISTS (SELECT FROM closings WHERE closed_at IS NOT NULL AND paid_at IS NULL"
        "    AND given_up_at IS NULL)"
        "   OR EXISTS (SELECT FROM closing_attempts WHERE outcome IS NULL),"
        "  EXISTS (SELECT FROM transfers WHERE done_at IS NULL)"
        " FROM managed_subscriptions WHERE status NOT IN ('SETTLED', 'CANCELLED')"
        "  AND (status = 'MATURED' OR (status = 'RESERVED' AND subscribed_at < %(now)s)"
        "   OR (status = 'ACTIVE' AND matures_at <= %(now)s))",
        {"now": now},
    ).fetchone()
    assert row is not None
    return Agenda(*row)
