"""What is asked for is held against the limits, before it becomes an order.

Of each request the part that closes what the leg holds is let through, always; the part that opens
or increases is judged. A leg's exposure is the most that it comes to, whatever becomes of what is
in flight: what it holds and what working orders have filled, with all that is still to be bought or
with all that is still to be sold. A group (the books that a limit takes together) has the room that
its exposure leaves; what is asked beyond it is cut, for each request of the group by the same
factor, down to whole lots. Where several limits bind, the tightest does. All of it is one statement
over all requests; without limits it is one look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from commenda.alerts import raise_alerts
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.money import plain
from commenda.kit.rows import columns
from commenda.ledger import Author
from commenda.risk.exposure import GROUPS, values_of
from commenda.risk.model import RULES, Limit
from commenda.risk.queries import limits_in_force, lock
from commenda.risk.rules import WATCHED

RISK_LIMIT = "risk_limit"


class Cut(NamedTuple):
    """A request that a limit left less of: signed, 0 where nothing is left."""

    leg_id: UUID
    wanted: Decimal
    granted: Decimal
    limit_id: UUID


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be asked for, and what was cut of it by which limit."""

    requests: Sequence[tuple[UUID, str, Decimal]]
    cuts: Sequence[Cut] = ()
    limits: Mapping[UUID, Limit] = field(default_factory=dict)

    def why(self, cut: Cut) -> str:
        """A stable code, and words: for whoever follows, and whoever watches."""
        limit = self.limits[cut.limit_id]
        return f"{RISK_LIMIT}: {limit.called()} (limit {limit.id})"


def judge(
    tx: Tx,
    *,
    cause: str,
    cause_id: UUID,
    instrument_id: int,
    price: Decimal,
    requests: Sequence[tuple[UUID, str, Decimal]],
    now: datetime,
) -> Verdict:
    """Cut what these requests, (leg, venue, signed quantity), open beyond the limits in force, and
    note it.

    Whoever judges holds the room that is left until its transaction ends, so that two signals are
    not given the same: what limits are passed by is no more than what was in flight when they were
    set, and what prices do.
    """
    limits = _judged(tx)
    if not limits or not requests:
        return Verdict(requests)
    lock(tx)  # a statement of its own: the next one sees what the lock waited for
    limits = _judged(tx)
    legs, venues, quantities = columns(requests, 3)
    asked: dict[str, Any] = {"legs": legs, "venues": venues, "quantities": quantities}
    values = values_of(limits, now, instrument_id, price)
    rows = tx.execute(GROUPS + _JUDGED, values | asked).fetchall()
    cuts = [Cut(*row) for row in rows]
    if not cuts:
        return Verdict(requests)
    known = {limit.id: limit for limit in limits}
    _note(tx, cause, cause_id, instrument_id, price, cuts, known, now)
    left = {(cut.leg_id, cut.wanted): cut.granted for cut in cuts}
    return Verdict(
        [(leg, venue, left.get((leg, one), one)) for leg, venue, one in requests],
        cuts,
        known,
    )


def _judged(tx: Tx) -> list[Limit]:
    """Those in force that an order can be held against."""
    return [one for one in limits_in_force(tx) if one.measure not in WATCHED]


def _note(
    tx: Tx,
    cause: str,
    cause_id: UUID,
    instrument_id: int,
    price: Decimal,
    cuts: Sequence[Cut],
    limits: Mapping[UUID, Limit],
    now: datetime,
) -> None:
    """Keep what each limit left, and raise an alert about it: not for each book."""
    author = Author("risk", RULES, now)
    alerts = []
    for limit_id in sorted({cut.limit_id for cut in cuts}):
        theirs = [cut for cut in cuts if cut.limit_id == limit_id]
        refused = sum(not cut.granted for cut in theirs)
        wanted = sum((abs(cut.wanted) for cut in theirs), Decimal(0)) * price
        granted = sum((abs(cut.granted) for cut in theirs), Decimal(0)) * price
        tx.execute(
            "INSERT INTO risk_findings AS f (limit_id, cause, cause_id, instrument_id, cut,"
            "  refused, wanted, granted, found_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (limit_id, cause_id, instrument_id, cause) DO UPDATE SET"
            "  cut = f.cut + excluded.cut, refused = f.refused + excluded.refused,"
            "  wanted = f.wanted + excluded.wanted, granted = f.granted + excluded.granted",
            (
                limit_id,
                cause,
                cause_id,
                instrument_id,
                len(theirs) - refused,
                refused,
                wanted,
                granted,
                now,
            ),
        )
        limit = limits[limit_id]
        said = {
            "level": limit.level,
            "subject": limit.subject,
            "measure": limit.measure,
            "amount": plain(limit.amount),
            "requests": len(theirs),
            "refused": refused,
        }
        correlation = ids.derive("risk-finding", limit_id)
        alerts.append(author.event("alert.risk_limit", limit_id, correlation, "bound", said))
    raise_alerts(tx, alerts)


# A request's closing part is what its leg holds on the other side, less what is on its way there
# already; rounded up to lots, because a share of what is filled may be none. Its growth is what the
# exposure of the leg has more with all of it than without: a turn may have none.
_JUDGED: LiteralString = (
    ", asked AS MATERIALIZED (SELECT a.venue, sign(a.quantity) AS side,"
    "   CASE WHEN %(by_creator)s THEN l.creator_id END AS creator_id,"
    "   CASE WHEN %(by_scope)s THEN l.scope_id END AS scope_id,"
    "   b.flow_id, f.strategy, a.leg_id, abs(a.quantity) AS wanted,"
    "   coalesce(e.held + e.buys, 0) AS high, coalesce(e.held - e.sells, 0) AS low"
    "  FROM unnest(%(legs)s::uuid[], %(venues)s::text[], %(quantities)s::numeric[])"
    "   AS a (leg_id, venue, quantity)"
    "  JOIN legs l ON l.id = a.leg_id"
    "  LEFT JOIN flow_subscriptions b ON b.leg_id = a.leg_id AND %(by_flow)s"
    "  LEFT JOIN shared_flows f ON f.id = b.flow_id"
    "  LEFT JOIN exposed e ON e.leg_id = a.leg_id AND e.instrument_id = %(instrument)s"
    "  WHERE a.quantity <> 0),"
    " parted AS (SELECT a.*, least(wanted,"
    "    ceil(round(greatest(0, CASE side WHEN 1 THEN -high ELSE low END) / i.lot, 6)) * i.lot)"
    "    AS closes,"
    "   greatest(0, CASE side WHEN 1 THEN abs(high + wanted) ELSE abs(low - wanted) END"
    "    - greatest(abs(high), abs(low))) AS grows"
    "  FROM asked a, instruments i WHERE i.id = %(instrument)s),"
    " class AS MATERIALIZED (SELECT row_number() OVER () AS number, venue, side,"
    "   ARRAY['', venue, %(instrument)s::text, strategy, flow_id::text, creator_id::text,"
    "    scope_id::text] AS keys,"
    "   sum(closes) * %(price)s AS closes, sum(wanted - closes) * %(price)s AS opens,"
    "   sum(grows) * %(price)s AS grows, array_agg(leg_id) AS legs,"
    "   array_agg(closes) AS closing, array_agg(wanted - closes) AS opening"
    "  FROM parted GROUP BY venue, side, creator_id, scope_id, flow_id, strategy),"
    # Whose requests share the room: all of a group, or those of a side, or of one parent order.
    " member AS MATERIALIZED (SELECT c.number, c.opens, c.closes, c.grows, c.venue, c.side,"
    "   n.id, n.measure, n.amount, n.asset, c.keys[n.place] AS key,"
    "   CASE WHEN n.measure IN ('net_notional', 'order_notional') THEN c.side END AS of_side,"
    "   CASE WHEN n.measure = 'order_notional' THEN c.venue END AS of_venue"
    "  FROM class c JOIN lim n ON (n.subject = c.keys[n.place]"
    "    OR n.subject = '*' AND c.keys[n.place] IS NOT NULL)"
    "   AND n.asset = (SELECT quote FROM instruments WHERE id = %(instrument)s)),"
    " room AS (SELECT m.id, m.key, m.of_side, m.of_venue, sum(m.opens) AS opens,"
    "   sum(m.grows) AS grows, sum(m.closes) AS closes, m.measure, m.amount,"
    "   count(DISTINCT (m.venue, m.side)) FILTER (WHERE m.opens > 0) AS orders,"
    "   u.gross, u.high, u.low, u.count, w.equity, w.lost"
    "  FROM member m"
    "  LEFT JOIN used u ON u.id = m.id AND u.key = m.key"
    "   AND coalesce(u.instrument_id, %(instrument)s) = %(instrument)s"
    "  LEFT JOIN wealth w ON w.id = m.id AND w.key = m.key"
    "  GROUP BY m.id, m.key, m.of_side, m.of_venue, m.measure, m.amount, u.gross, u.high, u.low,"
    "   u.count, w.equity, w.lost),"
    " share AS (SELECT id, key, of_side, of_venue, opens, CASE"
    "    WHEN measure IN ('order_rate', 'open_orders')"
    "     THEN CASE WHEN coalesce(count, 0) + orders <= amount THEN 1 ELSE 0 END"
    "    WHEN measure = 'daily_loss' THEN CASE WHEN coalesce(lost, 0) < amount THEN 1 ELSE 0 END"
    "    WHEN measure = 'net_notional' THEN amount - closes"
    "     - CASE of_side WHEN 1 THEN coalesce(high, 0) ELSE -coalesce(low, 0) END"
    "    WHEN measure = 'order_notional' THEN amount - closes"
    "    ELSE amount * CASE WHEN measure IN ('gross_notional', 'position') THEN 1"
    "      WHEN measure = 'margin_use' THEN greatest(0, coalesce(equity, 0)) / %(initial)s"
    "      ELSE greatest(0, coalesce(equity, 0)) END - coalesce(gross, 0) END AS room,"
    "   CASE WHEN measure IN ('order_rate', 'open_orders', 'daily_loss') THEN 1"
    "    WHEN measure IN ('net_notional', 'order_notional') THEN opens ELSE grows END AS needed"
    "  FROM room),"
    # Where a group is past its limit nothing opens in it, not even a turn that would not grow.
    " tight AS (SELECT DISTINCT ON (m.number) m.number, s.id, greatest(0, s.room) AS room,"
    "   s.needed FROM member m JOIN (SELECT id, key, of_side, of_venue, opens, room,"
    "    CASE WHEN room < 0 THEN 1 ELSE needed END AS needed FROM share) s"
    "   ON s.id = m.id AND s.key = m.key AND s.of_side IS NOT DISTINCT FROM m.of_side"
    "   AND s.of_venue IS NOT DISTINCT FROM m.of_venue"
    "  WHERE s.opens > 0 AND s.room < s.needed"
    "  ORDER BY m.number, greatest(0, s.room) / s.needed, s.id)"
    " SELECT n.leg, c.side * (n.closes + n.opens),"
    "  c.side * (n.closes + div(n.opens * t.room, t.needed * i.lot) * i.lot), t.id"
    " FROM tight t JOIN class c ON c.number = t.number"
    " JOIN instruments i ON i.id = %(instrument)s"
    " CROSS JOIN LATERAL unnest(c.legs, c.closing, c.opening) AS n (leg, closes, opens)"
    " WHERE n.opens > 0 ORDER BY n.leg"
)
