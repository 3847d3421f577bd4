"""While an instrument's live market cannot be trusted nothing is opened or increased there.

A signal's plan is judged when it becomes orders (`copying`), leg by leg, and each order once more
when it is sent: between the two a process may have died. Exits and reductions are let through.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from commenda.kit.db import Tx
from commenda.market import TRUST_PATIENCE, untrusted

MARKET_UNTRUSTED, ORDER_LATE = "market_untrusted", "order_late"
SEND_WITHIN = timedelta(minutes=5)
"""Business time in which an order that opens something is sent, after it was intended."""


def halted_instruments(tx: Tx) -> dict[int, str]:
    """Why nothing is opened in an instrument now, by its id: a stable code, and words."""
    return {
        one.instrument_id: f"{MARKET_UNTRUSTED}: nothing is opened while {one.symbol}'s live market"
        f" cannot be trusted ({one.why})"
        for one in untrusted(tx, TRUST_PATIENCE)
    }


def refusal_before_sending(tx: Tx, order_id: UUID) -> str | None:
    """Why an order that was not sent yet must not be: it opens or increases what a leg holds while
    its market is not trusted, or long after it was intended. None where it may be sent."""
    row = tx.execute(
        "SELECT instrument_id, business_now() - created_at FROM orders"
        " WHERE id = %s AND status = 'intended'",
        (order_id,),
    ).fetchone()
    if row is None:
        return None
    instrument_id, waited = row
    why = halted_instruments(tx).get(instrument_id)
    if why is None and waited > SEND_WITHIN:
        why = f"{ORDER_LATE}: it was intended {waited} ago, and opens nothing any more"
    return why if why is not None and opens(tx, order_id) else None


def opens(tx: Tx, order_id: UUID) -> bool:
    """Whether any leg holds more after it than before."""
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM orders o JOIN allocations a ON a.order_id = o.id"
        "  LEFT JOIN positions p ON p.leg_id = a.leg_id AND p.instrument_id = o.instrument_id"
        "  WHERE o.id = %s"
        "   AND abs(coalesce(p.quantity, 0) + a.requested) > abs(coalesce(p.quantity, 0)))",
        (order_id,),
    ).fetchone()
    return row == (True,)
