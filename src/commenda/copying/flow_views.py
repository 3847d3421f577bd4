"""Flows as people see them: one question for a page of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from commenda.copying import bodies
from commenda.copying.queries import unknown_flow
from commenda.copying.sheets import Sheet, count_of, rows_of
from commenda.kit.db import Tx
from commenda.kit.money import quantise, scale_of

NAV_POINTS = 3660
"""Ten years of days in one answer."""

_FLOW: LiteralString = (
    "SELECT f.id, f.creator_id, f.title, f.description, f.tags, f.status, f.is_active,"
    " f.max_followers, f.min_investment, f.strategy, f.created_at, f.updated_at, f.last_signal_at,"
    " i.symbol, i.quote, t.followers, t.total_aum, t.total_return, t.win_rate, t.sharpe_ratio,"
    " t.max_drawdown, t.nav_as_of, t.updated_at AS counted_at"
    " FROM flow_stats t JOIN shared_flows f ON f.id = t.flow_id"
    " JOIN instruments i ON i.id = f.instrument_id "
)
_COUNT: LiteralString = "SELECT count(*) FROM shared_flows f "
_ORDERS: Mapping[str, LiteralString] = {
    "performance": "t.total_return DESC NULLS LAST, t.flow_id",
    "followers": "t.followers DESC, t.flow_id",
    "aum": "t.total_aum DESC, t.flow_id",
    "newest": "f.created_at DESC, f.id",
}


def list_flows(tx: Tx, tags: Sequence[str], sort_by: str, sheet: Sheet) -> bodies.FlowPage:
    """Flows that take followers, with any of the tags."""
    where: LiteralString = "WHERE f.status = 'active'"
    if tags:
        where += " AND f.tags && %(tags)s::text[]"
    return _flow_page(tx, where, _ORDERS[sort_by], {"tags": list(tags)}, sheet)


def flows_of(tx: Tx, creator_id: UUID, sheet: Sheet) -> bodies.FlowPage:
    """A creator's own flows, newest first, whatever their status."""
    where: LiteralString = "WHERE f.creator_id = %(creator)s"
    return _flow_page(tx, where, _ORDERS["newest"], {"creator": creator_id}, sheet)


def _flow_page(
    tx: Tx, where: LiteralString, order: LiteralString, values: dict[str, Any], sheet: Sheet
) -> bodies.FlowPage:
    rows = rows_of(
        tx,
        _FLOW + where + " ORDER BY " + order + " LIMIT %(limit)s OFFSET %(offset)s",
        {**values, "limit": sheet.limit, "offset": sheet.offset},
    )
    total = count_of(tx, _COUNT + where, values)
    return bodies.FlowPage(
        items=[_flow(row) for row in rows], total=total, page=sheet.page, limit=sheet.limit
    )


def flow_view(tx: Tx, flow_id: UUID) -> bodies.SharedFlow:
    """One flow; code `unknown_flow`."""
    rows = rows_of(tx, _FLOW + "WHERE f.id = %(id)s", {"id": flow_id})
    if not rows:
        raise unknown_flow(flow_id)
    return _flow(rows[0])


def _flow(row: Mapping[str, Any]) -> bodies.SharedFlow:
    return bodies.SharedFlow(
        flow_id=row["id"],
        user_id=row["creator_id"],
        title=row["title"],
        description=row["description"],
        tags=row["tags"],
        strategy=row["strategy"],
        symbol=row["symbol"],
        stats=bodies.FlowStats(
            followers=row["followers"],
            total_aum=quantise(row["total_aum"], scale_of(row["quote"])),
            currency=row["quote"],
            as_of=row["counted_at"],
            performance=bodies.FlowPerformance(
                total_return=row["total_return"],
                win_rate=row["win_rate"],
                sharpe_ratio=row["sharpe_ratio"],
                max_drawdown=row["max_drawdown"],
                as_of=row["nav_as_of"],
            ),
        ),
        settings=bodies.FlowTerms(
            is_active=row["is_active"],
            max_followers=row["max_followers"],
            min_investment=row["min_investment"],
        ),
        status=row["status"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        last_signal_at=row["last_signal_at"],
    )


def flow_nav(tx: Tx, flow_id: UUID) -> bodies.FlowNav:
    """The record of a flow's own book; code `unknown_flow`. A flow without one has no points."""
    row = tx.execute(
        "SELECT i.quote, s.leg_id, l.scope_id, c.opened_at FROM shared_flows f"
        " JOIN instruments i ON i.id = f.instrument_id"
        " LEFT JOIN (flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
        "   JOIN scopes c ON c.id = l.scope_id) ON s.flow_id = f.id AND s.is_leader"
        " WHERE f.id = %s",
        (flow_id,),
    ).fetchone()
    if row is None:
        raise unknown_flow(flow_id)
    currency, leg_id, scope_id, opened_at = row
    days = tx.execute(
        "SELECT at, nav / capital FROM nav_history"
        " WHERE scope_id = %s AND leg_id = %s AND capital > 0 AND at > %s"
        " ORDER BY at DESC LIMIT %s",
        (scope_id, leg_id, opened_at, NAV_POINTS),
    ).fetchall()
    points = [bodies.NavPoint(at=at, nav=quantise(nav, 10)) for at, nav in reversed(days)]
    if points and len(points) < NAV_POINTS:
        points.insert(0, bodies.NavPoint(at=opened_at, nav=Decimal(1)))
    return bodies.FlowNav(
        flow_id=flow_id,
        currency=currency,
        as_of=points[-1].at if points else None,
        points=points,
    )
