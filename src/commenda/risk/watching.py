"""What only breakers go by: refusals, silence, jumps, differences, bursts, and losses from a peak.

A fact has the keys of the groups that it belongs to, in the order of `Level`. Each limit reads the
facts of its measure that are of its subject; one for each (`*`) reads them key by key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

from commenda.kit.db import Tx
from commenda.market import FEED_SILENCE
from commenda.risk.exposure import MOVED, MOVED_SINCE, PLACES
from commenda.risk.model import Level, Limit, Measure

WINDOW: Final = timedelta(minutes=10)
"""Of orders that an error rate is of."""
FEWEST: Final = 5
"""Orders below which there is none."""
PEAK: Final = timedelta(days=90)
"""How far back a peak counts."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured for a limit of one of its groups."""

    limit_id: UUID
    key: str
    value: Decimal
    details: Mapping[str, Any]


def watched(tx: Tx, limits: Sequence[Limit], now: datetime) -> list[Reading]:
    """What is measured now of these limits, whose measures are `WATCHED`."""
    values = {
        "ids": [one.id for one in limits],
        "places": [PLACES[Level(one.level)] for one in limits],
        "subjects": [one.subject for one in limits],
        "measures": [one.measure for one in limits],
        "now": now,
        "window": WINDOW,
        "fewest": FEWEST,
        "peak": PEAK,
        "silence": FEED_SILENCE,
    }
    found = []
    for measure in {Measure(one.measure) for one in limits}:
        rows = tx.execute(_LIMITS + _FACTS[measure] + _READ[measure], values | {"of": measure})
        found += [Reading(*row) for row in rows]
    return sorted(found, key=lambda one: (str(one.limit_id), one.key))


_LIMITS: LiteralString = (
    "WITH lim AS MATERIALIZED (SELECT * FROM unnest(%(ids)s::uuid[], %(places)s::integer[],"
    "  %(subjects)s::text[], %(measures)s::text[]) AS n (id, place, subject, measure)"
    " WHERE measure = %(of)s),"
)
_OF: LiteralString = (
    " FROM lim n JOIN fact f ON n.subject = f.keys[n.place]"
    "  OR n.subject = '*' AND f.keys[n.place] IS NOT NULL GROUP BY n.id, f.keys[n.place]"
)
_WORST: LiteralString = (
    "SELECT n.id, f.keys[n.place], max(f.value), (array_agg(f.said ORDER BY f.value DESC))[1]" + _OF
)
_ORDER_KEYS: LiteralString = (
    "ARRAY['', o.venue, o.instrument_id::text, w.strategy, w.id::text, w.creator_id::text, NULL]"
)
_LEG_KEYS: LiteralString = (
    "ARRAY['', l.venue, NULL, w.strategy, w.id::text, l.creator_id::text, l.scope_id::text]"
)
_FACTS: Mapping[Measure, LiteralString] = {
    # Of what was sent: what the venue refused, and what it never said anything of.
    Measure.ERROR_RATE: (
        " fact AS (SELECT " + _ORDER_KEYS + " AS keys,"  # noqa: S608 - constants
        "  (o.status IN ('refused', 'unknown'))::integer AS bad, o.reason"
        "  FROM orders o LEFT JOIN trading_signals s ON o.cause = 'signal' AND s.id = o.cause_id"
        "  LEFT JOIN shared_flows w ON w.id = s.flow_id"
        "  WHERE (o.allocated_at IS NULL OR o.allocated_at > %(now)s - %(window)s)"
        "   AND o.sent_at > %(now)s - %(window)s) "
    ),
    # By the business's time since the newest mark; by the wall where its feed says it is wrong.
    Measure.FEED_AGE: (
        " fact AS (SELECT ARRAY['', NULL, i.id::text, NULL, NULL, NULL, NULL] AS keys,"
        "  greatest(0, extract(epoch FROM %(now)s - m.as_of), d.age)::numeric(38,3) AS value,"
        "  jsonb_build_object('symbol', i.symbol, 'mark', m.as_of, 'feed', d.why) AS said"
        "  FROM market_marks m JOIN instruments i ON i.id = m.instrument_id"
        "  LEFT JOIN LATERAL (SELECT min(extract(epoch FROM clock_timestamp()"
        "     - coalesce(f.distrusted_at, f.seen_at))) AS age,"
        "    string_agg(concat(f.name, ': ', coalesce(f.distrust, 'silent')), '; ') AS why"
        "   FROM market_feeds f WHERE f.instrument_id = i.id AND f.stopped_at IS NULL"
        "   HAVING bool_and(f.distrust IS NOT NULL"
        "    OR f.seen_at < clock_timestamp() - make_interval(secs => %(silence)s))) d ON true"
        "  WHERE EXISTS (SELECT FROM shared_flows w WHERE w.instrument_id = i.id"
        "   AND w.status <> 'closed')) "
    ),
    # How far the last bar went from the close before it; a mark beside it counts, too.
    Measure.PRICE_JUMP: (
        " fact AS (SELECT ARRAY['', NULL, i.id::text, NULL, NULL, NULL, NULL] AS keys,"
        "  round((greatest(abs(b.high / b.before - 1), abs(b.low / b.before - 1),"
        "   CASE WHEN m.as_of >= b.ends THEN abs(m.price::float8 / b.close - 1) END))::numeric, 12)"
        "   AS value, jsonb_build_object('symbol', i.symbol, 'bar', b.ts, 'before', b.before,"
        "   'high', b.high, 'low', b.low, 'mark', m.price) AS said"
        "  FROM instruments i CROSS JOIN LATERAL (SELECT ts, high, low, close,"
        "    ts + make_interval(secs => interval_seconds) AS ends,"
        "    2 * make_interval(secs => interval_seconds) AS span,"
        "    lead(close) OVER (ORDER BY ts DESC) AS before FROM (SELECT * FROM market_bars"
        "     WHERE instrument_id = i.id ORDER BY ts DESC LIMIT 2) two ORDER BY ts DESC LIMIT 1) b"
        "  LEFT JOIN market_marks m ON m.instrument_id = i.id"
        "  WHERE b.before > 0 AND b.ends > %(now)s - b.span) "
    ),
    # Of the last reconciliation, in the line's own unit: money, or an instrument.
    Measure.DIFFERENCE: (
        " fact AS (SELECT ARRAY['', CASE WHEN r.part = 'venue' THEN split_part(r.subject, ' ', 1)"
        "   END, NULL, NULL, NULL, NULL, NULL] AS keys, abs(r.unexplained) AS value,"
        "  jsonb_build_object('reconciliation', r.as_of, 'part', r.part, 'subject', r.subject,"
        "   'unexplained', r.unexplained::text) AS said"
        "  FROM reconciliation_lines r"
        "  WHERE r.as_of = (SELECT max(as_of) FROM reconciliations)) "
    ),
    Measure.ORDER_BURST: (
        " fact AS (SELECT ARRAY['', NULL, s.instrument_id::text, w.strategy, w.id::text,"
        "   s.creator_id::text, NULL] AS keys FROM shared_flows w"
        "  CROSS JOIN LATERAL (SELECT instrument_id, creator_id FROM trading_signals"
        "   WHERE flow_id = w.id AND created_at > %(now)s - interval '1 minute'"
        "    AND created_at <= %(now)s OFFSET 0) s) "
    ),
    # What books that are open had earned at their best, less what they have earned now. Money that
    # comes or goes is no loss: it is in neither. What no market is known of counts at its cost.
    Measure.DRAWDOWN: (
        " leg AS MATERIALIZED (SELECT l.id, l.scope_id, g.paid AS capital, e.since, "  # noqa: S608 - constants
        + _LEG_KEYS
        + " AS keys, a.balance + coalesce(v.value, 0) - g.paid AS earned"
        "  FROM legs l JOIN scopes c ON c.id = l.scope_id AND c.closed_at IS NULL"
        "   AND c.kind <> 'house' JOIN accounts a ON a.id = l.account_id"
        "  CROSS JOIN LATERAL (SELECT min(e.at) AS since, sum(e.amount) AS amount,"
        "    (array_agg(e.equity ORDER BY e.at))[1] AS equity FROM " + MOVED + " e) e"
        "  CROSS JOIN LATERAL (SELECT CASE WHEN e.since IS NULL THEN l.capital ELSE e.amount"
        "    + coalesce((SELECT h.capital FROM nav_history h WHERE h.scope_id = l.scope_id"
        "     AND h.leg_id = l.id AND h.at < e.since ORDER BY h.at LIMIT 1), e.equity) END"
        "   AS paid) g"
        "  LEFT JOIN (SELECT p.leg_id,"
        "    sum(coalesce(p.quantity * m.price, p.cost) - p.paid) AS value"
        "   FROM (SELECT q.leg_id, q.instrument_id, q.quantity, b.balance AS cost, 0 AS paid"
        "     FROM positions q JOIN accounts b ON b.id = q.account_id WHERE q.quantity <> 0"
        "    UNION ALL SELECT leg_id, instrument_id, quantity, -cash, -cash FROM working_fills) p"
        "   LEFT JOIN market_marks m USING (instrument_id) GROUP BY p.leg_id) v ON v.leg_id = l.id"
        "  LEFT JOIN flow_subscriptions s ON s.leg_id = l.id"
        "  LEFT JOIN shared_flows w ON w.id = s.flow_id),"
        " fact AS MATERIALIZED (SELECT keys, id, scope_id, capital, earned, since FROM leg) "
    ),
}
_READ: Mapping[Measure, LiteralString] = {
    Measure.ERROR_RATE: (
        "SELECT n.id, f.keys[n.place], round(sum(f.bad)::numeric / count(*), 12),"
        " jsonb_build_object('orders', count(*), 'bad', sum(f.bad), 'reason', max(f.reason))"
        + _OF
        + " HAVING count(*) >= %(fewest)s"
    ),
    Measure.FEED_AGE: _WORST,
    Measure.PRICE_JUMP: _WORST,
    Measure.DIFFERENCE: _WORST,
    Measure.ORDER_BURST: (
        "SELECT n.id, f.keys[n.place], count(*)::numeric,"
        " jsonb_build_object('signals', count(*))" + _OF
    ),
    Measure.DRAWDOWN: (
        ", now AS (SELECT n.id, n.place, f.keys[n.place] AS key, sum(f.capital) AS capital,"  # noqa: S608 - constants
        "   sum(f.earned) AS earned, array_agg(f.id) AS legs" + _OF + ", n.place)"
        " SELECT n.id, n.key, round(CASE WHEN n.capital + p.best > 0"
        "   THEN (p.best - n.earned) / (n.capital + p.best) ELSE 0 END, 12),"
        "  jsonb_build_object('best', p.best::text, 'earned', round(n.earned, 8)::text,"
        "   'capital', n.capital::text)"
        " FROM now n CROSS JOIN LATERAL (SELECT greatest(0, n.earned, max(d.earned)) AS best"
        "  FROM (SELECT sum(h.nav - l.capital + CASE WHEN l.since IS NULL THEN 0 ELSE "
        + MOVED_SINCE
        + " END) AS earned FROM fact l JOIN nav_history h"
        "    ON h.scope_id = l.scope_id AND h.leg_id = l.id WHERE l.id = ANY (n.legs)"
        "    AND h.at > %(now)s - %(peak)s GROUP BY h.at) d) p"
    ),
}
