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
from commenda.risk.exposure import BEFORE, EXPOSED, GROUPS, PRICED, values_of
from commenda.risk.model import RULES, Level, Limit
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
        return f"{RISK_LIMIT}: {limit.told()} (limit {limit.id})"


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
    own = [limit for limit in limits if limit.level == Level.SCOPE]
    shared = [limit for limit in limits if limit.level != Level.SCOPE]
    cuts: dict[tuple[UUID, Decimal], Cut] = {}
    left = requests
    # A book's own limits first: the room of its groups is not taken by what it may not have anyway.
    for statement, theirs in ((SCOPES_JUDGED, own), (GROUPS_JUDGED, shared)):
        if not theirs:
            continue
        legs, venues, quantities = columns(left, 3)
        asked: dict[str, Any] = {"legs": legs, "venues": venues, "quantities": quantities}
        values = values_of(theirs, now, instrument_id, price)
        found = {
            (leg, one): (granted, limit)
            for leg, one, granted, limit in tx.execute(statement, values | asked)
        }
        if found:
            after = []
            for (leg, venue, wanted), (_, _, one) in zip(requests, left, strict=True):
                granted, limit = found.get((leg, one), (one, None))
                if limit is not None:
                    cuts[leg, wanted] = Cut(leg, wanted, granted, limit)
                after.append((leg, venue, granted))
            left = after
    if not cuts:
        return Verdict(requests)
    known = {limit.id: limit for limit in limits}
    _note(tx, cause, cause_id, instrument_id, price, list(cuts.values()), known, now)
    return Verdict(left, list(cuts.values()), known)


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
_ASKED: LiteralString = (
    ", asked AS (SELECT a.venue, sign(a.quantity)::integer AS side, l.creator_id, l.scope_id,"
    "   b.flow_id, f.strategy, a.leg_id, abs(a.quantity) AS wanted,"
    "   coalesce(e.held + e.buys, 0) AS high, coalesce(e.held - e.sells, 0) AS low"
    "  FROM unnest(%(legs)s::uuid[], %(venues)s::text[], %(quantities)s::numeric[])"
    "   AS a (leg_id, venue, quantity)"
    "  JOIN legs l ON l.id = a.leg_id"
    "  LEFT JOIN flow_subscriptions b ON b.leg_id = a.leg_id AND %(by_flow)s"
    "  LEFT JOIN shared_flows f ON f.id = b.flow_id"
    "  LEFT JOIN exposed e ON e.leg_id = a.leg_id AND e.instrument_id = %(instrument)s"
    "  WHERE a.quantity <> 0),"
    " parted AS MATERIALIZED (SELECT a.venue, a.side, a.creator_id, a.scope_id, a.flow_id,"
    "   a.strategy, a.leg_id, a.wanted, CASE WHEN side = 1 AND high >= 0 OR side = -1 AND low <= 0"
    "    THEN 0 ELSE least(wanted, ceil(round(abs(CASE side WHEN 1 THEN high ELSE low END) / i.lot,"
    "     6)) * i.lot) END AS closes,"
    "   greatest(0, CASE side WHEN 1 THEN abs(high + wanted) ELSE abs(low - wanted) END"
    "    - greatest(abs(high), abs(low))) AS grows, i.lot, i.quote"
    "  FROM asked a, instruments i WHERE i.id = %(instrument)s)"
)
# What a limit leaves, and of how much: both in money, but for what is let through or not.
_ROOM: LiteralString = (
    " CASE WHEN measure IN ('order_rate', 'open_orders')"
    "    THEN CASE WHEN coalesce(count, 0) + orders <= amount THEN 1 ELSE 0 END"
    "   WHEN measure = 'daily_loss' THEN CASE WHEN coalesce(lost, 0) < amount THEN 1 ELSE 0 END"
    "   WHEN measure = 'net_notional' THEN amount - closes"
    "    - CASE side WHEN 1 THEN coalesce(high, 0) ELSE -coalesce(low, 0) END"
    "   WHEN measure = 'order_notional' THEN amount - closes"
    "   ELSE amount * CASE WHEN measure IN ('gross_notional', 'position') THEN 1"
    "     WHEN measure = 'margin_use' THEN greatest(0, coalesce(equity, 0)) / %(initial)s"
    "     ELSE greatest(0, coalesce(equity, 0)) END - coalesce(gross, 0) END AS room,"
    " CASE WHEN measure IN ('order_rate', 'open_orders', 'daily_loss') THEN 1"
    "  WHEN measure IN ('net_notional', 'order_notional') THEN opens ELSE grows END AS needed"
)
# Where a group is past its limit nothing opens in it, not even a turn that would not grow.
_TIGHT: LiteralString = (
    " greatest(0, room) AS room, CASE WHEN room < 0 THEN 1 ELSE needed END AS needed FROM share"
    "  WHERE opens > 0 AND room < CASE WHEN room < 0 THEN 1 ELSE needed END"
)
_LEFT: LiteralString = (
    " SELECT p.leg_id, p.side * p.wanted, p.side * (p.closes"
    "   + div((p.wanted - p.closes) * t.room, t.needed * p.lot) * p.lot), t.id"
    " FROM tight t JOIN parted p ON"
)

# All requests whose books are the same at every level but their own are one class.
_CLASSES: LiteralString = (
    ", class AS MATERIALIZED (SELECT row_number() OVER () AS number, n.*,"
    "   ARRAY['', venue, %(instrument)s::text, strategy, flow_id::text, creator_id::text, NULL]"
    "    AS keys FROM (SELECT venue, side, creator_id, flow_id, strategy, quote,"
    "    sum(closes) * %(price)s AS closes, sum(wanted - closes) * %(price)s AS opens,"
    "    sum(grows) * %(price)s AS grows FROM parted"
    "    GROUP BY venue, side, creator_id, flow_id, strategy, quote) n),"
    # Whose requests share the room: all of a group, or those of a side, or of one parent order.
    " member AS MATERIALIZED (SELECT c.number, c.opens, c.closes, c.grows, c.venue, c.side,"
    "   n.id, n.asset, n.measure, n.amount, c.keys[n.place] AS key,"
    "   CASE WHEN n.measure IN ('net_notional', 'order_notional') THEN c.side ELSE 0 END"
    "    AS of_side,"
    "   CASE WHEN n.measure = 'order_notional' THEN c.venue ELSE '' END AS of_venue"
    "  FROM class c JOIN lim n ON n.asset = c.quote AND (n.subject = c.keys[n.place]"
    "    OR n.subject = '*' AND c.keys[n.place] IS NOT NULL)),"
    " room AS (SELECT m.id, m.key, m.of_side AS side, m.of_venue, sum(m.opens) AS opens,"
    "   sum(m.grows) AS grows, sum(m.closes) AS closes, m.measure, m.amount,"
    "   count(DISTINCT (m.venue, m.side)) FILTER (WHERE m.opens > 0) AS orders,"
    "   max(u.gross) AS gross, max(u.high) AS high, max(u.low) AS low, max(u.count) AS count,"
    "   max(w.equity) AS equity, max(w.lost) AS lost"
    "  FROM member m"
    "  LEFT JOIN used u ON u.id = m.id AND u.key = m.key AND u.asset = m.asset"
    "   AND coalesce(u.instrument_id, %(instrument)s) = %(instrument)s"
    "  LEFT JOIN wealth w ON w.id = m.id AND w.key = m.key AND w.asset = m.asset"
    "  GROUP BY m.id, m.key, m.of_side, m.of_venue, m.measure, m.amount),"
    " share AS (SELECT id, key, side, of_venue, opens,"
)
_BY_CLASS: LiteralString = (
    " FROM room), tight AS (SELECT DISTINCT ON (m.number) m.number, c.venue, c.side, c.creator_id,"
    "   c.flow_id, c.strategy, s.id, s.room, s.needed"
    "  FROM member m JOIN class c ON c.number = m.number"
    "  JOIN (SELECT id, key, side, of_venue,"
)
_TIGHTEST: LiteralString = (
    ") s ON (s.id, s.key, s.side, s.of_venue) = (m.id, m.key, m.of_side, m.of_venue)"
    "  ORDER BY m.number, s.room / s.needed, s.id)"
)
_OF_CLASS: LiteralString = (
    " (p.venue, p.side) = (t.venue, t.side) AND p.creator_id IS NOT DISTINCT FROM t.creator_id"
    "  AND p.flow_id IS NOT DISTINCT FROM t.flow_id AND p.strategy IS NOT DISTINCT FROM t.strategy"
    " WHERE p.wanted > p.closes ORDER BY p.leg_id"
)
GROUPS_JUDGED: LiteralString = (
    GROUPS + _ASKED + _CLASSES + _ROOM + _BY_CLASS + _TIGHT + _TIGHTEST + _LEFT + _OF_CLASS
)

# A book's own limits: of thousands of books each is a group, so no names of other levels are made.
_SCOPES: LiteralString = (
    ", of_scope AS (SELECT n.*, g.grows * %(price)s AS grows"  # noqa: S608 - constants
    "  FROM (SELECT scope_id, side, sum(closes) * %(price)s AS closes,"
    "    sum(wanted - closes) * %(price)s AS opens FROM parted GROUP BY scope_id, side) n"
    "  JOIN (SELECT scope_id, sum(grows) AS grows FROM parted GROUP BY scope_id) g"
    "   ON g.scope_id = n.scope_id),"
    " has AS (SELECT l.scope_id,"
    "   sum(greatest(abs(p.held + p.buys), abs(p.held - p.sells)) * p.price) AS gross,"
    "   sum(greatest(abs(p.held + p.buys), abs(p.held - p.sells)) * p.price)"
    "    FILTER (WHERE p.instrument_id = %(instrument)s) AS one,"
    "   sum((p.held + p.buys) * p.price) AS high, sum((p.held - p.sells) * p.price) AS low,"
    "   sum(p.held * p.price + p.cash) AS value"
    "  FROM legs l JOIN priced p ON p.leg_id = l.id"
    "  WHERE l.scope_id IN (SELECT scope_id FROM parted) GROUP BY l.scope_id),"
    " began AS (SELECT l.scope_id, sum(a.balance) AS cash,"
    "   " + BEFORE + " AS before"
    "  FROM legs l JOIN accounts a ON a.id = l.account_id"
    "  LEFT JOIN nav_history h ON h.scope_id = l.scope_id AND h.leg_id = l.id AND %(by_loss)s"
    "   AND h.at = (SELECT max(at) FROM nav_history WHERE leg_id IS NULL)"
    "  WHERE %(by_equity)s AND l.scope_id IN (SELECT scope_id FROM parted) GROUP BY l.scope_id),"
    " room AS (SELECT n.id, n.measure, n.amount, o.scope_id, o.side, o.closes, o.opens, o.grows,"
    "   0 AS count, 0 AS orders, h.high, h.low, b.cash + coalesce(h.value, 0) AS equity,"
    "   CASE WHEN n.measure IN ('position', 'concentration') THEN h.one ELSE h.gross END AS gross,"
    "   CASE WHEN b.before > 0 THEN 1 - (b.cash + coalesce(h.value, 0)) / b.before END AS lost"
    "  FROM of_scope o JOIN lim n ON n.subject IN ('*', o.scope_id::text)"
    "   AND n.asset = (SELECT quote FROM instruments WHERE id = %(instrument)s)"
    "  LEFT JOIN has h ON h.scope_id = o.scope_id LEFT JOIN began b ON b.scope_id = o.scope_id),"
    " share AS (SELECT id, scope_id, side, opens,"
)
_BY_SCOPE: LiteralString = (
    " FROM room), tight AS (SELECT DISTINCT ON (scope_id, side) * FROM  (SELECT id, scope_id, side,"
)
_TIGHTEST_OF_SCOPE: LiteralString = ") s ORDER BY scope_id, side, room / needed, id)"
_OF_SCOPE: LiteralString = (
    " (p.scope_id, p.side) = (t.scope_id, t.side) WHERE p.wanted > p.closes ORDER BY p.leg_id"
)
SCOPES_JUDGED: LiteralString = (
    EXPOSED
    + PRICED
    + _ASKED
    + _SCOPES
    + _ROOM
    + _BY_SCOPE
    + _TIGHT
    + _TIGHTEST_OF_SCOPE
    + _LEFT
    + _OF_SCOPE
)
