"""How far limits are used by what is there already.

Prices move, and losses come, without any order: a breaker goes by what they make of what is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString

from commenda.kit.db import Tx
from commenda.risk.exposure import GROUPS, values_of
from commenda.risk.model import Limit
from commenda.risk.rules import WATCHED
from commenda.risk.watching import Reading, watched

BOUNDLESS: Final = Decimal(10**9)
"""The share of what is held that no equity stands behind."""


def readings(tx: Tx, limits: Sequence[Limit], now: datetime) -> list[Reading]:
    """What is measured now of each limit and group that has anything: what is in flight counts as
    if it were filled. Each order is judged by itself: of those nothing is measured."""
    seen = [one for one in limits if one.measure in WATCHED]
    held = [one for one in limits if one.measure not in WATCHED]
    found = watched(tx, seen, now) if seen else []
    if held:
        values = values_of(held, now, None, None) | {"boundless": BOUNDLESS}
        found += [Reading(*row) for row in tx.execute(GROUPS + _USED, values)]
    return found


_USED: LiteralString = (
    " SELECT id, key, value, said FROM (SELECT u.id, u.key, CASE"
    "   WHEN n.measure IN ('gross_notional', 'position') THEN u.gross"
    "   WHEN n.measure = 'net_notional' THEN greatest(u.high, -u.low)"
    "   WHEN n.measure IN ('order_rate', 'open_orders') THEN u.count"
    "   WHEN u.gross = 0 THEN 0 WHEN coalesce(w.equity, 0) <= 0 THEN %(boundless)s"
    "   ELSE round(u.gross * CASE n.measure WHEN 'margin_use' THEN %(initial)s ELSE 1 END"
    "    / w.equity, 12) END AS value,"
    "  jsonb_strip_nulls(jsonb_build_object('asset', n.asset, 'instrumentId', u.instrument_id,"
    "   'gross', round(u.gross, 8)::text, 'equity', round(w.equity, 8)::text,"
    "   'orders', u.count)) AS said"
    "  FROM used u JOIN lim n ON n.id = u.id AND n.asset = u.asset"
    "  LEFT JOIN wealth w ON w.id = u.id AND w.key = u.key AND w.asset = u.asset"
    " UNION ALL SELECT w.id, w.key, round(w.lost, 12), jsonb_build_object('asset', w.asset,"
    "   'equity', round(w.equity, 8)::text)"
    "  FROM wealth w JOIN lim n ON n.id = w.id AND n.asset = w.asset"
    "  WHERE n.measure = 'daily_loss') seen WHERE key IS NOT NULL ORDER BY id, key, value"
)
