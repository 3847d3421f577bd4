"""Flows as people see them: one question for a page of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.copying.model import Entry
from commenda.copying.performance import METHOD
from commenda.copying.queries import unknown_flow
from commenda.kit.db import Tx
from commenda.kit.money import quantise, scale_of
from commenda.kit.pages import Numbered, Sheet
from commenda.kit.rows import first, sheet
from commenda.kit.wire import Amount, on_wire, one_of

NAV_POINTS = 3660
"""Ten years of days in one answer."""


@on_wire
@dataclass(frozen=True, slots=True)
class FlowPerformance:
    """Fractions: 0.12 is 12 %. Null while there is no record."""

    total_return: Amount | None
    win_rate: Amount | None
    sharpe_ratio: Amount | None
    max_drawdown: Amount | None
    as_of: Annotated[datetime | None, Field(description="Of the last daily NAV in it.")]
    method: Annotated[str, Field(examples=[METHOD])] = METHOD


@on_wire
@dataclass(frozen=True, slots=True)
class FlowStats:
    followers: Annotated[int, Field(ge=0, examples=[12], description="Those who paused included.")]
    total_aum: Annotated[
        Amount,
        Field(serialization_alias="totalAUM", description="The followers' equity, in `currency`."),
    ]
    currency: Annotated[str, Field(examples=["USDT"])]
    as_of: Annotated[
        datetime, Field(description="When followers and equity were last counted as a whole.")
    ]
    performance: FlowPerformance


@on_wire
@dataclass(frozen=True, slots=True)
class FlowTerms:
    is_active: bool
    max_followers: int | None
    min_investment: Amount
    automatic: Annotated[
        bool, Field(description="Whether the machine may change its parameters and stops.")
    ]


@on_wire
@dataclass(frozen=True, slots=True)
class SharedFlow:
    """A creator's shared strategy: one instrument, led by a book of the creator's own."""

    flow_id: UUID
    user_id: UUID
    title: str
    description: str
    tags: list[str]
    strategy: str
    symbol: str
    market: Annotated[str, Field(description="The instrument's venue.")]
    interval_seconds: Annotated[
        int | None, Field(description="Of the bars it steps on; null: those of its market.")
    ]
    entry: Annotated[
        str, one_of(Entry), Field(description="How what opens or increases a position is ordered.")
    ]
    stats: FlowStats
    settings: FlowTerms
    status: Literal["active", "paused", "closed"]
    created_at: datetime
    updated_at: datetime
    last_signal_at: datetime | None


_FLOW: LiteralString = (
    "SELECT f.id AS flow_id, f.creator_id AS user_id, f.title, f.description, f.tags, f.strategy,"
    " i.symbol, i.venue AS market, f.interval_seconds, f.entry,"
    ' t.followers AS "stats.followers", t.total_aum AS "stats.total_aum",'
    ' i.quote AS "stats.currency", t.updated_at AS "stats.as_of",'
    ' t.total_return AS "stats.performance.total_return",'
    ' t.win_rate AS "stats.performance.win_rate",'
    ' t.sharpe_ratio AS "stats.performance.sharpe_ratio",'
    ' t.max_drawdown AS "stats.performance.max_drawdown",'
    ' t.nav_as_of AS "stats.performance.as_of", f.is_active AS "settings.is_active",'
    ' f.max_followers AS "settings.max_followers", f.min_investment AS "settings.min_investment",'
    ' f.automatic AS "settings.automatic",'
    " f.status, f.created_at, f.updated_at, f.last_signal_at"
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


def list_flows(tx: Tx, tags: Sequence[str], sort_by: str, asked: Numbered) -> Sheet[SharedFlow]:
    """Flows that take followers, with any of the tags."""
    where: LiteralString = "WHERE f.status = 'active' AND f.canary_of IS NULL"
    if tags:
        where += " AND f.tags && %(tags)s::text[]"
    return _flows(tx, where, _ORDERS[sort_by], {"tags": list(tags)}, asked)


def flows_of(tx: Tx, creator_id: UUID, asked: Numbered) -> Sheet[SharedFlow]:
    """A creator's own flows, newest first, whatever their status."""
    where: LiteralString = "WHERE f.creator_id = %(creator)s"
    return _flows(tx, where, _ORDERS["newest"], {"creator": creator_id}, asked)


def _flows(
    tx: Tx, where: LiteralString, order: LiteralString, values: dict[str, Any], asked: Numbered
) -> Sheet[SharedFlow]:
    query = _FLOW + where + " ORDER BY " + order
    return sheet(tx, SharedFlow, query, _COUNT + where, values, asked).each(_in_whole_units)


def flow_view(tx: Tx, flow_id: UUID) -> SharedFlow:
    """One flow; code `unknown_flow`."""
    flow = first(tx, SharedFlow, _FLOW + "WHERE f.id = %(id)s", {"id": flow_id})
    if flow is None:
        raise unknown_flow(flow_id)
    return _in_whole_units(flow)


def _in_whole_units(flow: SharedFlow) -> SharedFlow:
    """Positions at marks have more decimals than their currency."""
    total = quantise(flow.stats.total_aum, scale_of(flow.stats.currency))
    return replace(flow, stats=replace(flow.stats, total_aum=total))


@on_wire
@dataclass(frozen=True, slots=True)
class NavPoint:
    at: datetime
    nav: Annotated[Amount, Field(description="1 at the opening of the book.")]


@on_wire
@dataclass(frozen=True, slots=True)
class FlowNav:
    """A flow's record: the daily NAV of its creator's own book, as an index."""

    flow_id: UUID
    currency: str
    as_of: datetime | None
    points: list[NavPoint]
    method: str = "TWR of the creator's own book, index 1 at its opening, daily"


def flow_nav(tx: Tx, flow_id: UUID) -> FlowNav:
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
        "SELECT at, greatest(nav, 0) / capital FROM nav_history"
        " WHERE scope_id = %s AND leg_id = %s AND capital > 0 AND at > %s"
        " ORDER BY at DESC LIMIT %s",
        (scope_id, leg_id, opened_at, NAV_POINTS),
    ).fetchall()
    points = [NavPoint(at, quantise(nav, 10)) for at, nav in reversed(days)]
    if points and len(points) < NAV_POINTS:
        points.insert(0, NavPoint(opened_at, Decimal(1)))
    return FlowNav(flow_id, currency, points[-1].at if points else None, points)
