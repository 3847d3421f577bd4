"""Orders that open what a breaker covers: which are on their way, and having them ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, LiteralString
from uuid import UUID

from commenda.execution.changes import ask_end
from commenda.kit.db import Tx
from commenda.kit.rows import records
from commenda.kit.wire import Amount, on_wire, one_of
from commenda.ledger import Author
from commenda.risk import COVERS
from commenda.venues import OrderStatus, Side

UNSETTLED = (OrderStatus.INTENDED, OrderStatus.SENT, OrderStatus.UNKNOWN)
"""Of which it is not known here whether the venue has them."""


@on_wire
@dataclass(frozen=True, slots=True)
class Opening:
    """A parent order that is not over, and opens or increases what somebody holds."""

    id: UUID
    number: int
    venue: str
    symbol: str
    side: Annotated[str, one_of(Side)]
    quantity: Amount
    status: Annotated[str, one_of(OrderStatus)]
    sent_at: datetime | None


def opening_orders(tx: Tx, breaker_id: UUID) -> list[Opening]:
    """The orders that open something of what a breaker covers and are not over, in their order."""
    return records(tx, Opening, _OPENINGS, {"breaker": breaker_id})


def end_openings(tx: Tx, author: Author, breaker_id: UUID, note: str) -> int:
    """Have those of them ended that were sent; of how many that was not asked before."""
    rows = [one for one in opening_orders(tx, breaker_id) if one.status != OrderStatus.INTENDED]
    asked = tx.execute(
        "SELECT id FROM orders WHERE id = ANY (%s) AND cancel_asked_at IS NULL"
        " ORDER BY id FOR NO KEY UPDATE",
        ([one.id for one in rows],),
    ).fetchall()
    for (order_id,) in asked:
        ask_end(tx, author, order_id, note)
    return len(asked)


_OPENINGS: LiteralString = (
    "SELECT o.id, o.number, o.venue, i.symbol, o.side, o.quantity, o.status, o.sent_at"  # noqa: S608 - constants
    " FROM risk_breakers b JOIN orders o ON o.allocated_at IS NULL AND o.terminal_at IS NULL"
    " JOIN instruments i ON i.id = o.instrument_id"
    " WHERE b.id = %(breaker)s AND EXISTS (SELECT FROM allocations a JOIN legs l ON l.id = a.leg_id"
    "   LEFT JOIN positions p ON p.leg_id = a.leg_id AND p.instrument_id = o.instrument_id"
    "   WHERE a.order_id = o.id AND " + COVERS + " AND"
    "    abs(coalesce(p.quantity, 0) + a.requested) > abs(coalesce(p.quantity, 0)))"
    " ORDER BY o.number"
)
