"""Flows that are compared now and then, and who is told of what is not explained."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from commenda.alerts import end_alerts, raise_alerts
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.money import plain
from commenda.ledger import Author
from commenda.modes.actions import compare_flow
from commenda.modes.model import Cause, FlowComparison

MOST_BARS = 100_000
"""Of a comparison that somebody else waits for, a request or a tick: ten weeks of minutes."""


def open_flows(tx: Tx) -> list[UUID]:
    """The flows that may be compared."""
    rows = tx.execute(
        "SELECT id FROM shared_flows WHERE status <> 'closed' AND last_bar_at IS NOT NULL"
        " ORDER BY id"
    )
    return [row[0] for row in rows]


def watch_flow(tx: Tx, author: Author, flow_id: UUID) -> FlowComparison | None:
    """Compare a flow: somebody is told while something of it is not explained. None where it cannot
    be compared."""
    found = None
    with suppress(CommendaError):
        found = compare_flow(tx, flow_id, most=MOST_BARS)
    if found is None:
        return None
    rest = next((one for one in found.causes if one.cause == Cause.UNEXPLAINED), None)
    apart = sum(1 for one in found.moments if one.why == Cause.UNEXPLAINED)
    if rest is None and not apart:
        end_alerts(tx, "alert.flow_apart", author.now, about=[str(flow_id)])
        return found
    said = {
        "unexplained": plain(rest.amount) if rest else "0",
        "difference": plain(found.result.difference),
        "decisionsApart": apart,
    }
    correlation = ids.derive("flow", flow_id)
    told = author.event("alert.flow_apart", flow_id, correlation, "unexplained", said)
    raise_alerts(tx, [told])
    return found
