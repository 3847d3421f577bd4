"""How a replayed business went, day by day, and what its charts are drawn from.

Sums are taken by the database in exact decimals, so that they do not depend on the order in which
rows are read: the same scenario and seed give the same series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import LiteralString

from commenda.kit.db import Tx
from commenda.simulate.plain import Row, one, rows, text
from commenda.simulate.scenario import Scenario

ALL = "all"
BASE = Decimal(100)
"""Where every NAV index begins."""
_INDEX_UNIT = Decimal("1e-8")
_STEPS = [Decimal(digit).scaleb(power) for power in range(-6, 3) for digit in (1, 2, 5)]
_MOST_BINS = 24


def series(tx: Tx, scenario: Scenario) -> Row:
    """Everything by day (at the close of business, 00:00 UTC) or by class."""
    days = rows(tx, _DAYS)
    return {
        "days": days,
        "index": _index(tx, [day["at"] for day in days]),
        "returns": _returns(tx),
        "profits": one(tx, _PROFITS),
        "liquidation": {
            "days": rows(tx, _TRIES_BY_DAY),
            "refusals": rows(tx, _REFUSALS_BY_HOUR),
            "symbols": rows(tx, _SLIPPAGE_BY_SYMBOL),
            **one(tx, _WAITS),
        },
        "outages": _outages(scenario),
    }


# Open books hold matured subscriptions too, until their liquidation is through.
_DAYS: LiteralString = (
    "SELECT d.at, (SELECT count(*) FROM managed_subscriptions s WHERE s.activated_at <= d.at"
    "   AND (s.matured_at IS NULL OR s.matured_at > d.at)) AS active,"
    " count(n.scope_id) AS books, coalesce(sum(n.capital), 0) AS principal,"
    " coalesce(sum(n.nav), 0) AS nav"
    " FROM (SELECT DISTINCT at FROM nav_history) d"
    " LEFT JOIN (nav_history n JOIN scopes c ON c.id = n.scope_id AND c.kind = 'managed')"
    "   ON n.at = d.at AND n.leg_id IS NULL"
    " GROUP BY d.at ORDER BY d.at"
)
# The return from one day to the next of the books that were open at both, weighted by what they
# were worth at the first: money that joins or leaves changes the weights and not the return, nor
# does what a crystallisation took out.
_GROWTH: LiteralString = (
    "WITH n AS (SELECT scope_id, at, nav, lag(nav) OVER each AS before, lag(at) OVER each AS last"
    "   FROM nav_history WHERE leg_id IS NULL WINDOW each AS (PARTITION BY scope_id ORDER BY at)"
    "  ), t AS (SELECT n.scope_id, n.at,"
    "   sum(k.collected + k.management_fee + k.profit_share + k.to_wallet) AS taken"
    "   FROM crystallisations k JOIN n ON n.scope_id = k.subscription_id"
    "    AND k.at > n.last AND k.at <= n.at GROUP BY n.scope_id, n.at)"
    " SELECT n.at, p.profile,"
    "  greatest(sum(n.nav + coalesce(t.taken, 0)), 0) / sum(n.before) AS growth"
    " FROM n LEFT JOIN t ON t.scope_id = n.scope_id AND t.at = n.at"
    " JOIN managed_subscriptions s ON s.id = n.scope_id JOIN products p ON p.id = s.product_id"
    " WHERE n.before > 0 GROUP BY GROUPING SETS ((n.at, p.profile), (n.at)) ORDER BY n.at"
)
_PROFITS: LiteralString = (
    "SELECT coalesce(sum(profit), 0) AS gross,"
    " count(*) FILTER (WHERE profit > 0) AS gaining,"
    " coalesce(sum(profit) FILTER (WHERE profit > 0), 0) AS gains,"
    " count(*) FILTER (WHERE profit <= 0) AS losing,"
    " coalesce(sum(profit) FILTER (WHERE profit <= 0), 0) AS losses"
    " FROM (SELECT equity - principal AS profit FROM settlements) s"
)
_TRIES_BY_DAY: LiteralString = (
    "SELECT date_trunc('day', a.begun_at, 'UTC') AS at,"
    " count(*) FILTER (WHERE a.outcome = 'closed') AS through,"
    " count(*) FILTER (WHERE a.outcome = 'failed') AS refused"
    " FROM closing_attempts a"
    " GROUP BY 1 ORDER BY 1"
)
_REFUSALS_BY_HOUR: LiteralString = (
    "SELECT date_trunc('hour', a.begun_at, 'UTC') AS at, count(*) AS refused"
    " FROM closing_attempts a"
    " WHERE a.outcome = 'failed' GROUP BY 1 ORDER BY 1"
)
_SLIPPAGE_BY_SYMBOL: LiteralString = (
    "SELECT i.symbol, count(DISTINCT o.id) AS orders, sum(f.quantity * f.price) AS notional,"
    " sum(f.quantity * (f.price - o.reference_price)"
    "   * CASE o.side WHEN 'buy' THEN 1 ELSE -1 END)"
    "   / nullif(sum(f.quantity * f.price), 0) * 10000 AS slippage_bps"
    " FROM orders o JOIN fills f ON f.order_id = o.id JOIN instruments i ON i.id = o.instrument_id"
    " WHERE o.cause = 'liquidation' GROUP BY i.symbol ORDER BY i.symbol"
)
_WAITS: LiteralString = (
    "SELECT count(*) FILTER (WHERE hours > 0) AS waited,"
    " percentile_disc(0.5) WITHIN GROUP (ORDER BY hours) AS median_hours,"
    " max(hours) AS longest_hours"
    " FROM (SELECT extract(epoch FROM closed_at - requested_at) / 3600 AS hours"
    "   FROM closings WHERE closed_at IS NOT NULL AND amount IS NULL) s"
)


def _index(tx: Tx, days: Sequence[str]) -> list[Row]:
    """The chained index of all managed books and of each profile's; None before it begins.

    It begins with 100 on the day before its first return, and stands still while no book is open
    from one day to the next.
    """
    growth: dict[str, dict[str, Decimal]] = {ALL: {}}
    for at, profile, factor in tx.execute(_GROWTH):
        growth.setdefault(profile or ALL, {})[text(at)] = factor
    chains = {name: chain(days, growth[name]) for name in sorted(growth)}
    return [
        {"at": day, **{name: text(levels[place]) for name, levels in chains.items()}}
        for place, day in enumerate(days)
    ]


def chain(days: Sequence[str], growth: dict[str, Decimal]) -> list[Decimal | None]:
    """Levels at `days` of an index that grows by a factor on some of them."""
    begun = next((place for place, day in enumerate(days) if day in growth), None)
    levels: list[Decimal | None] = []
    level = BASE
    for place, day in enumerate(days):
        if begun is None or place < begun - 1:
            levels.append(None)
            continue
        level *= growth.get(day, Decimal(1))
        levels.append(level.quantize(_INDEX_UNIT))
    return levels


def _returns(tx: Tx) -> list[Row]:
    found = tx.execute("SELECT to_wallet / principal - 1 FROM settlements ORDER BY 1").fetchall()
    return [
        {"from": text(begin), "to": text(end), "settled": count}
        for begin, end, count in bins([row[0] for row in found])
    ]


def bins(values: Sequence[Decimal]) -> list[tuple[Decimal, Decimal, int]]:
    """Classes [begin, end) of one round width that hold all values; zero is always a border."""
    if not values:
        return []
    spread = max(values) - min(values)
    step = next((size for size in _STEPS if spread <= size * (_MOST_BINS - 1)), _STEPS[-1])
    places = [math.floor(value / step) for value in values]
    return [
        (place * step, (place + 1) * step, places.count(place))
        for place in range(min(places), max(places) + 1)
    ]


def _outages(scenario: Scenario) -> list[Row]:
    """The outages as far as the replay came to see them."""
    found = []
    for outage in scenario.venue.outages:
        begin = scenario.start + _days(outage.day)
        if begin < scenario.end:
            end = min(begin + _days(outage.hours / 24), scenario.end)
            moments = {"begin": text(begin), "end": text(end)}
            found.append(moments | {"symbol": outage.symbol, "reason": outage.reason})
    return found


def _days(count: Decimal) -> timedelta:
    return timedelta(seconds=round(count * 86_400))
