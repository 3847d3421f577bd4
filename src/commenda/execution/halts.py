"""Nothing is opened or increased while a breaker is open, nor where a live market is not trusted.

A signal's plan is judged when it becomes orders (`copying`), leg by leg, and each order once more
when it is sent: between the two a process may have died. An order is cut to what it closes: exits
and reductions are let through, whoever shares the order with them.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from commenda.execution.rules import in_lots
from commenda.kit.db import Tx
from commenda.kit.rows import columns
from commenda.market import TRUST_PATIENCE, Instrument, untrusted
from commenda.risk import COVERS, TRIAL

MARKET_UNTRUSTED, ORDER_LATE = "market_untrusted", "order_late"
BREAKER_OPEN = "breaker_open"
SEND_WITHIN = timedelta(minutes=5)
"""Business time in which an order that opens something is sent, after it was intended."""


def halted_instruments(tx: Tx) -> dict[int, str]:
    """Why nothing is opened in an instrument now, by its id: a stable code, and words."""
    return {
        one.instrument_id: f"{MARKET_UNTRUSTED}: nothing is opened while {one.symbol}'s live market"
        f" cannot be trusted ({one.why})"
        for one in untrusted(tx, TRUST_PATIENCE)
    }


def why_held(tx: Tx, order_id: UUID) -> str | None:
    """Why an order that was not sent yet may open nothing in a live market: it is not trusted, or
    the order was intended long ago. None where that is no reason."""
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
    return why


def hold_back(tx: Tx, instrument: Instrument, order_id: UUID, why: str | None) -> str | None:
    """Take from an order what it opens for legs that a breaker covers or, where there is a reason
    `why`, for any; each says so. A breaker that is half open lets a part of it through. Why nothing
    is left of it: then it is as it was.

    The caller has locked it, and it is not sent.
    """
    parts = tx.execute(_PARTS + _HELD, _values(order_id, why)).fetchall()
    asked = [(leg, part) for leg, part, *_ in parts if part]
    left = dict(in_lots(asked, instrument, order_id))
    if not left:
        return next((said for _, _, said, _ in parts if said), None)
    rows = [(leg, left.get(leg, Decimal(0)), said) for leg, _, said, _ in parts]
    tx.execute(
        "UPDATE allocations a SET requested = n.part, held_back = n.why"
        " FROM unnest(%s::uuid[], %s::numeric[], %s::text[]) AS n (leg_id, part, why)"
        " WHERE a.order_id = %s AND a.leg_id = n.leg_id"
        "  AND (n.why IS NOT NULL OR a.requested <> n.part)",
        (*columns(rows, 3), order_id),
    )
    tx.execute(
        "UPDATE orders SET quantity = (SELECT abs(sum(requested)) FROM allocations"
        " WHERE order_id = orders.id) WHERE id = %s",
        (order_id,),
    )
    return None


def is_stopped(tx: Tx, order_id: UUID) -> bool:
    """Whether a breaker that is open covers any of what an order opens."""
    parts = tx.execute(_PARTS + _HELD, _values(order_id, None)).fetchall()
    return any(stops for *_, stops in parts)


def _values(order_id: UUID, why: str | None) -> dict[str, object]:
    return {"order": order_id, "why": why, "code": BREAKER_OPEN, "trial": TRIAL}


# What each leg's request closes for certain: of what it holds, less what is sent already to close
# it. The rest opens, and is left out where something holds it back.
_PARTS: LiteralString = (
    "WITH o AS MATERIALIZED (SELECT id, venue, instrument_id FROM orders WHERE id = %(order)s),"  # noqa: S608 - constants
    " leaving AS MATERIALIZED (SELECT x.leg_id, sum(x.requested) AS requested"
    "  FROM o JOIN orders q ON q.instrument_id = o.instrument_id AND q.id <> o.id"
    "   AND q.allocated_at IS NULL AND q.sent_at IS NOT NULL"
    "  JOIN allocations x ON x.order_id = q.id AND x.quantity IS NULL"
    "  JOIN positions p ON p.leg_id = x.leg_id AND p.instrument_id = o.instrument_id"
    "  WHERE p.quantity * x.requested < 0 GROUP BY x.leg_id),"
    " asked AS (SELECT a.leg_id, a.requested, o.venue, o.instrument_id, CASE"
    "   WHEN p.quantity * a.requested < 0 THEN sign(a.requested) * least(abs(a.requested),"
    "    greatest(0, abs(p.quantity) - abs(coalesce(n.requested, 0)))) ELSE 0 END AS closes"
    "  FROM o JOIN allocations a ON a.order_id = o.id"
    "  LEFT JOIN positions p ON p.leg_id = a.leg_id AND p.instrument_id = o.instrument_id"
    "  LEFT JOIN leaving n ON n.leg_id = a.leg_id),"
    " parts AS (SELECT o.leg_id, coalesce(%(why)s::text, w.why) AS why,"
    "   %(why)s::text IS NOT NULL OR w.stops AS stops, CASE WHEN %(why)s::text IS NOT NULL"
    "    OR w.stops THEN o.closes WHEN w.why IS NULL THEN o.requested"
    "    ELSE o.closes + div((o.requested - o.closes) * %(trial)s, i.lot) * i.lot END AS part"
    "  FROM asked o JOIN legs l ON l.id = o.leg_id JOIN instruments i ON i.id = o.instrument_id"
    "  LEFT JOIN LATERAL (SELECT b.state = 'open' AS stops,"
    "    concat(%(code)s::text, ': ', b.measure, ' of ', b.level, nullif(' ' || b.subject, ' '),"
    "     ', ', b.reason, ' (breaker ', b.id, ')') AS why"
    "   FROM risk_breakers b WHERE b.state <> 'closed' AND "
    + COVERS
    + "   ORDER BY b.state = 'open' DESC, b.opened_at, b.id LIMIT 1) w ON true"
    "  WHERE o.requested <> o.closes"
    "  UNION ALL SELECT leg_id, NULL, false, requested FROM asked WHERE requested = closes)"
)
_HELD: LiteralString = " SELECT leg_id, part, why, stops FROM parts ORDER BY leg_id"


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
