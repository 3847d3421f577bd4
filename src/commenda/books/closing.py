"""Close books for good: what that asks of the venue, and why it was refused.

Managed subscriptions and copies are closed in batches of their own, with the cause 'liquidation'.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from commenda.books.dust import dust_beside
from commenda.execution import Broker, intend, open_quantities
from commenda.kit.db import Tx
from commenda.ledger import Author


def intend_closing(
    tx: Tx, broker: Broker, author: Author, batch_id: UUID, scope_ids: Sequence[UUID]
) -> None:
    """Store the parent orders that close all that these scopes hold."""
    requests: dict[int, list[tuple[UUID, Decimal]]] = {}
    for _, leg, instrument, quantity in open_quantities(tx, scope_ids):
        requests.setdefault(instrument, []).append((leg, -quantity))
    beside = dust_beside(tx, broker, requests)
    marks = broker.marks(author.now)
    for instrument_id in sorted(requests):
        requests[instrument_id] += beside.get(instrument_id, [])
        intend(
            tx,
            cause="liquidation",
            cause_id=batch_id,
            correlation_id=batch_id,
            instrument_id=instrument_id,
            requests=requests[instrument_id],
            reference_price=marks[instrument_id],
            now=author.now,
        )


def refusals(tx: Tx, batch_id: UUID) -> dict[UUID, str]:
    """Why a scope still holds something after a batch: the venue's words."""
    return dict(
        tx.execute(
            "SELECT l.scope_id, string_agg(DISTINCT i.symbol || ': ' || o.reason, '; ')"
            " FROM orders o JOIN allocations a ON a.order_id = o.id AND a.quantity <> a.requested"
            " JOIN legs l ON l.id = a.leg_id JOIN instruments i ON i.id = o.instrument_id"
            " WHERE o.cause = 'liquidation' AND o.cause_id = %s GROUP BY l.scope_id",
            (batch_id,),
        ).fetchall()
    )
