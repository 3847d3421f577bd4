"""Decisions that a person was asked about and that nobody decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from commenda.alerts import end_alerts, raise_alerts
from commenda.automation.decisions import waiting_since
from commenda.kit.db import Tx
from commenda.ledger import Author

PATIENCE: Final = timedelta(hours=4)
"""What the machine wants to do now is another thing after a while: the evidence grows old."""


def watch_waiting(tx: Tx, author: Author) -> list[UUID]:
    """Tell the staff of each decision that waits for a person's yes since `PATIENCE`, until it does
    not; which those are."""
    found = waiting_since(tx, author.now - PATIENCE)
    kind = "alert.decision_waits"
    end_alerts(tx, kind, author.now, but=[str(one.id) for one in found])
    raise_alerts(
        tx,
        [
            author.event(
                kind,
                one.id,
                one.id,
                one.ability,
                {"called": one.called, "action": one.action, "approvalId": str(one.approval_id)},
            )
            for one in found
        ],
    )
    return [one.id for one in found]
