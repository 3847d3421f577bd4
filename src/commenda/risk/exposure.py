"""How much the groups of limits hold, order and lose now: the SQL that a check and a reading share.

`used` has a row for each limit and group of it that has anything (of `position` and
`concentration` one for each instrument): gross and net exposure in money, on either side of what is
in flight, and how many orders. `wealth` has each group's equity and the share of it that was lost
since the last daily NAV. A share is of one asset: a group's books in another are another group;
orders are counted together.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString

from commenda.risk.model import Level, Limit, Measure
from commenda.risk.rules import COUNTS, INITIAL, OF_EQUITY

PLACES = {level: place for place, level in enumerate(Level, 1)}
"""Of each level in the keys of what is measured."""


def values_of(
    limits: Sequence[Limit], now: datetime, instrument_id: int | None, price: Decimal | None
) -> dict[str, Any]:
    """What `GROUPS` is asked with: limits, and the price of the instrument that is traded."""
    levels = {limit.level for limit in limits}
    measures = {limit.measure for limit in limits}
    return {
        "ids": [limit.id for limit in limits],
        "places": [PLACES[Level(limit.level)] for limit in limits],
        "subjects": [limit.subject for limit in limits],
        "measures": [limit.measure for limit in limits],
        "assets": [limit.asset for limit in limits],
        "amounts": [limit.amount for limit in limits],
        "instrument": instrument_id,
        "price": price,
        "now": now,
        "initial": INITIAL,
        "by_flow": bool(levels & {Level.FLOW, Level.STRATEGY}),
        "by_creator": Level.CREATOR in levels,
        "by_scope": Level.SCOPE in levels,
        "by_equity": bool(measures & OF_EQUITY),
        "by_loss": Measure.DAILY_LOSS in measures,
        "by_orders": bool(measures & COUNTS),
    }


# What is in flight: a share of what working orders have filled is held, the rest may be.
EXPOSED: LiteralString = (
    "WITH flight AS MATERIALIZED (SELECT a.leg_id, o.instrument_id, o.reference_price,"
    "   a.requested * f.quantity / o.quantity AS filled,"
    "   -(a.requested * f.notional + abs(a.requested) * f.fee) / o.quantity AS cash,"
    "   CASE WHEN o.status IN ('filled', 'cancelled', 'expired', 'refused') THEN 0"
    "    ELSE a.requested * (o.quantity - f.quantity) / o.quantity END AS rest"
    "  FROM orders o CROSS JOIN LATERAL (SELECT coalesce(sum(quantity), 0) AS quantity,"
    "    coalesce(sum(quantity * price), 0) AS notional, coalesce(sum(fee), 0) AS fee"
    "   FROM fills WHERE order_id = o.id) f"
    "  JOIN allocations a ON a.order_id = o.id AND a.quantity IS NULL"
    "  WHERE o.allocated_at IS NULL),"
    " exposed AS MATERIALIZED (SELECT leg_id, instrument_id, sum(held) AS held, sum(buys) AS buys,"
    "   sum(sells) AS sells, sum(cash) AS cash, max(account_id) AS account_id,"
    "   max(reference_price) AS reference_price"
    "  FROM (SELECT leg_id, instrument_id, quantity AS held, 0 AS buys, 0 AS sells, 0 AS cash,"
    "    account_id, NULL::numeric AS reference_price FROM positions WHERE quantity <> 0"
    "   UNION ALL SELECT leg_id, instrument_id, filled, greatest(rest, 0), greatest(-rest, 0),"
    "    cash, NULL, reference_price FROM flight) n GROUP BY leg_id, instrument_id),"
)
# A market that is not known yet counts at what was paid.
PRICED: LiteralString = (
    " lim AS MATERIALIZED (SELECT n.id, n.place, n.subject, n.measure,"
    "   a.asset, n.amount FROM unnest(%(ids)s::uuid[], %(places)s::integer[], %(subjects)s::text[],"
    "    %(measures)s::text[], %(assets)s::text[], %(amounts)s::numeric[])"
    "   AS n (id, place, subject, measure, asset, amount)"
    "  JOIN (SELECT DISTINCT quote AS asset FROM instruments) a"
    "   ON n.asset IS NULL OR n.asset = a.asset),"
    " priced AS (SELECT e.*, i.quote AS asset, CASE WHEN e.instrument_id = %(instrument)s"
    "    THEN %(price)s ELSE coalesce(m.price, abs(c.balance / nullif(e.held, 0)),"
    "     e.reference_price) END AS price"
    "  FROM exposed e JOIN instruments i ON i.id = e.instrument_id"
    "  LEFT JOIN market_marks m ON m.instrument_id = e.instrument_id"
    "  LEFT JOIN accounts c ON c.id = e.account_id AND m.price IS NULL)"
)
_LINES: LiteralString = (
    ", line AS MATERIALIZED (SELECT p.asset, p.instrument_id,"
    "   ARRAY['', l.venue, p.instrument_id::text, f.strategy, b.flow_id::text,"
    "    CASE WHEN %(by_creator)s THEN l.creator_id END::text,"
    "    CASE WHEN %(by_scope)s THEN l.scope_id END::text] AS keys,"
    "   sum(greatest(abs(p.held + p.buys), abs(p.held - p.sells)) * p.price) AS gross,"
    "   sum((p.held + p.buys) * p.price) AS high, sum((p.held - p.sells) * p.price) AS low,"
    "   sum(p.held * p.price + p.cash) AS value"
    "  FROM priced p JOIN legs l ON l.id = p.leg_id"
    "  LEFT JOIN flow_subscriptions b ON b.leg_id = l.id AND %(by_flow)s"
    "  LEFT JOIN shared_flows f ON f.id = b.flow_id"
    "  GROUP BY p.asset, p.instrument_id, l.venue, f.strategy, b.flow_id,"
    "   CASE WHEN %(by_creator)s THEN l.creator_id END,"
    "   CASE WHEN %(by_scope)s THEN l.scope_id END),"
)
# Orders of signals in the last minute, and those that are not over: what was shared out before then
# is neither, and is not looked at.
_USED: LiteralString = (
    " ordered AS (SELECT ARRAY['', o.venue, o.instrument_id::text, f.strategy,"
    "    f.id::text, f.creator_id::text, NULL] AS keys,"
    "   o.cause = 'signal' AND o.created_at > %(now)s - interval '1 minute' AS lately,"
    "   o.status NOT IN ('filled', 'cancelled', 'expired', 'refused') AS open"
    "  FROM orders o LEFT JOIN trading_signals s ON s.id = o.cause_id AND o.cause = 'signal'"
    "  LEFT JOIN shared_flows f ON f.id = s.flow_id"
    "  WHERE %(by_orders)s AND (o.allocated_at IS NULL"
    "   OR o.allocated_at > %(now)s - interval '1 minute')),"
    " used AS MATERIALIZED (SELECT n.id, n.asset, n.keys[n.place] AS key, n.of AS instrument_id,"
    "   sum(n.gross) AS gross, sum(n.high) AS high, sum(n.low) AS low, NULL::bigint AS count"
    "  FROM (SELECT n.id, n.place, n.measure, n.subject, i.*,"
    "     CASE WHEN n.measure IN ('position', 'concentration') THEN i.instrument_id END AS of"
    "    FROM lim n JOIN line i ON i.asset = n.asset) n"
    "  WHERE n.measure NOT IN ('order_rate', 'open_orders', 'order_notional', 'daily_loss')"
    "   AND (n.subject = n.keys[n.place] OR n.subject = '*' AND n.keys[n.place] IS NOT NULL)"
    "  GROUP BY n.id, n.asset, n.keys[n.place], n.of"
    "  UNION ALL SELECT n.id, n.asset, o.keys[n.place], NULL, NULL, NULL, NULL, count(*)"
    "  FROM lim n JOIN ordered o"
    "   ON CASE n.measure WHEN 'order_rate' THEN o.lately WHEN 'open_orders' THEN o.open END"
    "   AND (n.subject = o.keys[n.place] OR n.subject = '*' AND o.keys[n.place] IS NOT NULL)"
    "  GROUP BY n.id, n.asset, o.keys[n.place]),"
)
# Cash that came to leg `l` (below 0: went) while it was open, and what it was worth before it and
# began with after it: its capital.
MOVED: LiteralString = (
    "(SELECT -c.taken AS amount, k.at, c.equity, c.equity - c.taken AS capital"
    " FROM crystallisation_legs c JOIN crystallisations k ON k.id = c.crystallisation_id"
    " WHERE c.leg_id = l.id UNION ALL SELECT m.moved, r.at, m.equity, m.equity + m.moved"
    " FROM portfolio_rebalances r JOIN portfolio_moves m ON m.rebalance_id = r.id"
    "  AND m.leg_id = l.id WHERE r.portfolio_id = l.scope_id)"
)
MOVED_SINCE: LiteralString = (
    "(SELECT coalesce(sum(e.amount), 0) FROM "  # noqa: S608 - constants
    + MOVED
    + " e WHERE e.at > h.at OR e.at = h.at AND e.capital <> h.capital)"
)
"""What came to leg `l` since its NAV `h`."""
# What a leg was worth at the last daily NAV, with what came since; its capital, if it is younger.
BEFORE: LiteralString = "sum(coalesce(h.nav + " + MOVED_SINCE + ", l.capital))"
_WEALTH: LiteralString = (
    " worth AS (SELECT s.asset, ARRAY['', l.venue, NULL, f.strategy, b.flow_id::text,"  # noqa: S608 - constants
    "    CASE WHEN %(by_creator)s THEN l.creator_id END::text,"
    "    CASE WHEN %(by_scope)s THEN l.scope_id END::text] AS keys,"
    "   sum(a.balance) AS cash,"
    "   sum(a.balance + coalesce(v.value, 0)) FILTER (WHERE s.kind <> 'house') AS now,"
    "   " + BEFORE + " FILTER (WHERE s.kind <> 'house') AS before"
    "  FROM scopes s JOIN legs l ON l.scope_id = s.id JOIN accounts a ON a.id = l.account_id"
    "  LEFT JOIN (SELECT leg_id, sum(held * price + cash) AS value FROM priced GROUP BY leg_id) v"
    "   ON v.leg_id = l.id AND %(by_loss)s"
    "  LEFT JOIN nav_history h ON h.scope_id = l.scope_id AND h.leg_id = l.id AND %(by_loss)s"
    "   AND h.at = (SELECT max(at) FROM nav_history WHERE leg_id IS NULL)"
    "  LEFT JOIN flow_subscriptions b ON b.leg_id = l.id AND %(by_flow)s"
    "  LEFT JOIN shared_flows f ON f.id = b.flow_id"
    "  WHERE s.closed_at IS NULL AND %(by_equity)s"
    "  GROUP BY s.asset, l.venue, f.strategy, b.flow_id,"
    "   CASE WHEN %(by_creator)s THEN l.creator_id END,"
    "   CASE WHEN %(by_scope)s THEN l.scope_id END),"
    " wealth AS MATERIALIZED (SELECT n.id, n.asset, c.key, c.cash + coalesce(v.value, 0) AS equity,"
    "   CASE WHEN c.before > 0 THEN greatest(0, 1 - c.now / c.before) ELSE 0 END AS lost"
    "  FROM lim n JOIN LATERAL (SELECT w.keys[n.place] AS key, sum(w.cash) AS cash,"
    "     sum(w.now) AS now, sum(w.before) AS before FROM worth w WHERE w.asset = n.asset"
    "     AND (n.subject = w.keys[n.place] OR n.subject = '*' AND w.keys[n.place] IS NOT NULL)"
    "     GROUP BY w.keys[n.place]) c ON true"
    "  LEFT JOIN LATERAL (SELECT i.keys[n.place] AS key, sum(i.value) AS value FROM line i"
    "     WHERE i.asset = n.asset AND n.subject IN (i.keys[n.place], '*')"
    "     GROUP BY i.keys[n.place]) v ON v.key = c.key"
    "  WHERE n.measure IN ('leverage', 'concentration', 'margin_use', 'daily_loss'))"
)
GROUPS: LiteralString = EXPOSED + PRICED + _LINES + _USED + _WEALTH
