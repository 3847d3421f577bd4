"""What a flow has done: the record of its creator's own book, and who follows it with how much.

The method is the time-weighted return (TWR). Nothing is paid into or out of such a book between
its opening and its end, so the chain has one link: NAV divided by the capital it opened with.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from commenda.kit.db import Tx
from commenda.kit.rows import columns
from commenda.returns import holding_return, max_drawdown, period_returns, sharpe, win_rate

METHOD = (
    "TWR of the creator's own book, from its daily NAV; Sharpe annualised by 365 days,"
    " win rate by days"
)


class Performance(NamedTuple):
    """Fractions; None where there is no record, or too little of one."""

    total_return: float | None
    win_rate: float | None
    sharpe_ratio: float | None
    max_drawdown: float | None


def performance(index: Sequence[float]) -> Performance:
    """The figures of a daily NAV index that begins with the 1 of its opening."""
    if len(index) < 2:
        return Performance(None, None, None, None)
    # A book that was used up has no returns after that, so no Sharpe ratio.
    ratio = sharpe(period_returns(index), periods_per_year=365) if min(index) > 0 else None
    return Performance(
        holding_return(index[0], index[-1]),
        win_rate(np.diff(np.asarray(index))),
        ratio,
        max_drawdown(index),
    )


def update_flow_stats(tx: Tx, now: datetime) -> int:
    """Compute every flow's figures anew, from daily NAVs and at the latest marks; how many flows.

    Equity is cash plus positions at `market_marks`, or at cost where there is no mark yet.
    """
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('copying.update_flow_stats', 0))")
    records = tx.execute(
        "SELECT s.flow_id, array_agg(n.nav / n.capital ORDER BY n.at), max(n.at)"
        " FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
        " JOIN nav_history n ON n.scope_id = l.scope_id AND n.leg_id = l.id AND n.capital > 0"
        " WHERE s.is_leader GROUP BY s.flow_id"
    ).fetchall()
    figures = [
        (flow_id, *map(_written, performance([1.0, *map(float, units)])), len(units), as_of)
        for flow_id, units, as_of in records
    ]
    tx.execute(
        "UPDATE flow_stats t SET total_return = n.total, win_rate = n.wins,"
        "  sharpe_ratio = n.sharpe, max_drawdown = n.fall, nav_points = n.points,"
        "  nav_as_of = n.as_of"
        " FROM unnest(%s::uuid[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],"
        "  %s::integer[], %s::timestamptz[])"
        "   AS n (flow_id, total, wins, sharpe, fall, points, as_of) WHERE t.flow_id = n.flow_id",
        columns(figures, 7),
    )
    return tx.execute(
        "UPDATE flow_stats t SET followers = coalesce(n.followers, 0),"
        "  total_aum = coalesce(greatest(n.equity, 0), 0), updated_at = %s"
        " FROM shared_flows f LEFT JOIN (SELECT s.flow_id, count(*) AS followers,"
        "   sum(a.balance + coalesce(held.value, 0)) AS equity"
        "  FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
        "  JOIN accounts a ON a.id = l.account_id"
        "  LEFT JOIN (SELECT p.leg_id, sum(coalesce(p.quantity * m.price, c.balance)) AS value"
        "    FROM positions p JOIN accounts c ON c.id = p.account_id"
        "    LEFT JOIN market_marks m ON m.instrument_id = p.instrument_id"
        "    WHERE p.quantity <> 0 GROUP BY p.leg_id) held ON held.leg_id = l.id"
        "  WHERE s.status <> 'cancelled' AND NOT s.is_leader GROUP BY s.flow_id) n"
        "  ON n.flow_id = f.id"
        " WHERE t.flow_id = f.id",
        (now,),
    ).rowcount


def _written(number: float | None) -> str | None:
    return None if number is None else f"{number:.10f}"
