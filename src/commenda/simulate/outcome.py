"""What a replayed business came to in four figures, over all of its books."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import LiteralString

from commenda.kit.db import Tx
from commenda.returns import max_drawdown


@dataclass(frozen=True, slots=True)
class Outcome:
    """Fractions: of the return and the drawdown, of an index of all books together; of turnover and
    cost, of their mean daily worth."""

    total_return: float
    drawdown: float
    turnover: float
    """What was traded."""
    cost: float
    """Fees, and what was paid beyond the price that was decided on."""


FIGURES = tuple(one.name for one in fields(Outcome))


def outcome(tx: Tx) -> Outcome:
    """Read the four figures back from the books.

    A book's daily return is that of its unit (NAV over the capital that is in it), so that money
    that comes or goes is none; a day's is that of all books, by what they were worth before.
    """
    levels = [1.0]
    for (growth,) in tx.execute(_GROWTH):
        levels.append(levels[-1] * max(float(growth), 0.0))
    row = tx.execute(_TRADED).fetchone()
    assert row is not None
    worth, notional, paid = map(float, row)
    return Outcome(
        levels[-1] - 1.0,
        max_drawdown(levels) if len(levels) > 1 else 0.0,
        notional / worth if worth else 0.0,
        paid / worth if worth else 0.0,
    )


_GROWTH: LiteralString = (
    "SELECT 1 + sum(last * (unit / last_unit - 1)) / sum(last)"
    " FROM (SELECT at, nav / capital AS unit, lag(nav) OVER each AS last,"
    "   lag(nav / capital) OVER each AS last_unit FROM nav_history"
    "   WHERE leg_id IS NULL AND capital > 0 WINDOW each AS (PARTITION BY scope_id ORDER BY at)) n"
    " WHERE last > 0 GROUP BY at ORDER BY at"
)
_TRADED: LiteralString = (
    "SELECT coalesce((SELECT avg(nav) FROM (SELECT sum(nav) AS nav FROM nav_history"
    "   WHERE leg_id IS NULL GROUP BY at) d), 0),"
    " coalesce(sum(f.quantity * f.price), 0),"
    " coalesce(sum(f.fee + f.quantity * (f.price - o.reference_price)"
    "   * CASE o.side WHEN 'buy' THEN 1 ELSE -1 END), 0)"
    " FROM fills f JOIN orders o ON o.id = f.order_id"
)
