"""What happens to a flow, told to the trail and to whoever copies it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from commenda.audit import record
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.ledger import Author


def tell_followers(
    tx: Tx, author: Author, kind: str, flow_id: UUID, result: str, details: Mapping[str, object]
) -> None:
    """Let whoever copies a flow by an order of their own read of it among their notices."""
    told = tx.execute(
        "SELECT s.id, s.follower_id, f.title FROM flow_subscriptions s"
        " JOIN shared_flows f ON f.id = s.flow_id JOIN legs l ON l.id = s.leg_id"
        " JOIN scopes c ON c.id = l.scope_id AND c.kind = 'copy'"
        " WHERE s.flow_id = %s AND s.status <> 'cancelled'",
        (flow_id,),
    )
    record(
        tx,
        [
            author.event(kind, subscription, follower, result, {"flow": title, **details})
            for subscription, follower, title in told
        ],
    )


def note(
    tx: Tx, author: Author, kind: str, flow_id: UUID, result: str, details: Mapping[str, object]
) -> None:
    """Record what happened to a flow."""
    record(tx, [author.event(kind, flow_id, ids.derive("flow", flow_id), result, details)])
