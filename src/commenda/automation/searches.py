"""What abilities 1 and 6 look at: flows whose parameters can be searched, and their searches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from commenda.copying import TermsVersion, versions_of
from commenda.kit.db import Tx
from commenda.kit.rows import records
from commenda.strategies import Strategy, catalogue

SIZES = frozenset({"exposure"})
"""Parameters that say how much, not when: a ratio does not tell one of them from another."""


@dataclass(frozen=True, slots=True)
class SearchedFlow:
    """An open flow with all that a search of its parameters needs."""

    id: UUID
    title: str
    strategy: str
    params: Mapping[str, float]
    terms_version: int
    instrument_id: int
    symbol: str
    interval: int
    base_interval: int
    costs: Mapping[str, Any] | None


_OPEN: LiteralString = (
    "SELECT f.id, f.title, f.strategy, f.params, f.terms_version, f.instrument_id, i.symbol,"
    " coalesce(f.interval_seconds, b.interval_seconds) AS interval,"
    " b.interval_seconds AS base_interval, f.runner_costs AS costs"
    " FROM shared_flows f JOIN instruments i ON i.id = f.instrument_id"
    " CROSS JOIN LATERAL (SELECT interval_seconds FROM market_bars"
    "  WHERE instrument_id = f.instrument_id ORDER BY ts DESC LIMIT 1) b"
    " WHERE f.status <> 'closed' AND f.canary_of IS NULL"
    " AND NOT EXISTS (SELECT FROM optimizer_tasks t"
    "  WHERE t.flow_id = f.id::text AND t.status = 'running') ORDER BY f.title, f.id"
)


def searchable_flows(tx: Tx) -> Iterator[tuple[SearchedFlow, Strategy]]:
    """The open flows whose strategy has something to search and whose bars are stored, but those
    that are searched just now."""
    for flow in records(tx, SearchedFlow, _OPEN):
        strategy = catalogue().get(flow.strategy)
        if strategy is not None and ranges_of(strategy):
            yield flow, strategy


def running_search(tx: Tx, flow_id: str) -> UUID | None:
    """The study of a flow's parameters that runs; None where none does."""
    row = tx.execute(
        "SELECT id FROM optimizer_tasks WHERE flow_id = %s AND status = 'running' LIMIT 1",
        (flow_id,),
    ).fetchone()
    return None if row is None else row[0]


def study_begun_by(tx: Tx, decision_id: UUID) -> UUID | None:
    """The study that a decision began."""
    row = tx.execute(
        "SELECT ref::uuid FROM decision_links WHERE decision_id = %s AND kind = 'study'",
        (decision_id,),
    ).fetchone()
    return None if row is None else row[0]


def ranges_of(strategy: Strategy) -> list[dict[str, Any]]:
    """What a search may change, and within what: neither how much is traded nor its hard stop."""
    return [
        {"name": one.name, "whole": one.kind is int, "low": one.low, "high": one.high}
        for one in strategy.params
        if one.name not in SIZES and one.name != strategy.stop and one.low < one.high
    ]


def taken_up(versions: Sequence[TermsVersion]) -> TermsVersion:
    """The version since which a flow has had its present parameters; `versions` begins with the
    present one."""
    found = versions[0]
    for one in versions[1:]:
        if dict(one.params) != dict(versions[0].params):
            break
        found = one
    return found


def record_of(tx: Tx, flow_id: UUID, now: datetime, days: int) -> tuple[TermsVersion, list[Any]]:
    """(the version since which a flow has had its parameters, its daily record under them).

    The record is the NAV of the creator's own book over its capital, day by day, the last `days` of
    it with the one before them: another version's record says nothing of this one. It begins with
    what the book was worth when the version was given, the 1 of its opening for the first.
    """
    since = taken_up(versions_of(tx, flow_id))
    rows = tx.execute(
        _NAV + " AND n.at > %(since)s AND n.at <= %(now)s ORDER BY n.at DESC LIMIT %(limit)s",
        {"flow": flow_id, "since": since.since, "now": now, "limit": days + 1},
    ).fetchall()
    if rows and len(rows) <= days:
        before = tx.execute(
            _NAV + " AND n.at <= %(since)s ORDER BY n.at DESC LIMIT 1",
            {"flow": flow_id, "since": since.since},
        ).fetchone()
        rows.append((since.since, before[1] if before else 1.0))
    return since, [[at, nav] for at, nav in reversed(rows)]


_NAV: LiteralString = (
    "SELECT n.at, (n.nav / n.capital)::float8 FROM flow_subscriptions s"
    " JOIN legs l ON l.id = s.leg_id"
    " JOIN nav_history n ON n.scope_id = l.scope_id AND n.leg_id = l.id AND n.capital > 0"
    " WHERE s.flow_id = %(flow)s AND s.is_leader"
)


def stored_span(
    tx: Tx, flow: SearchedFlow, now: datetime, days: float
) -> tuple[datetime, datetime, int] | None:
    """(open of the first, close of the last, how many) of a flow's own bars that are stored within
    the last `days` and had closed by `now`; None where there are none."""
    row = tx.execute(
        "SELECT min(ts), max(ts), count(*) FROM market_bars WHERE instrument_id = %s"
        " AND interval_seconds = %s AND ts >= %s AND ts <= %s",
        (
            flow.instrument_id,
            flow.base_interval,
            now - timedelta(days=days),
            now - timedelta(seconds=flow.base_interval),
        ),
    ).fetchone()
    assert row is not None
    first, last, count = row
    if not count:
        return None
    closed = int(last.timestamp()) + flow.base_interval
    until = datetime.fromtimestamp(closed // flow.interval * flow.interval, UTC)
    return first, until, count * flow.base_interval // flow.interval


def hole_ended(
    tx: Tx, flow: SearchedFlow, now: datetime, within: timedelta
) -> tuple[datetime, datetime] | None:
    """(when the last bar before it closed, when the first after it opened) of the latest hole in
    the stored bars that ended `within` so long ago; None without one."""
    row = tx.execute(
        "SELECT before + %(step)s, ts FROM (SELECT ts, lag(ts) OVER (ORDER BY ts) AS before"
        "  FROM market_bars WHERE instrument_id = %(instrument)s AND interval_seconds = %(base)s"
        "   AND ts > %(since)s AND ts <= %(until)s) AS each"
        " WHERE ts > before + %(step)s ORDER BY ts DESC LIMIT 1",
        {
            "step": timedelta(seconds=flow.base_interval),
            "instrument": flow.instrument_id,
            "base": flow.base_interval,
            "since": now - within,
            "until": now - timedelta(seconds=flow.base_interval),
        },
    ).fetchone()
    return None if row is None else (row[0], row[1])


def daily_closes(tx: Tx, flow: SearchedFlow, now: datetime, days: int) -> list[float]:
    """The last close of each whole day before `now`, the latest of so many days last."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = tx.execute(
        "SELECT DISTINCT ON (date_trunc('day', ts, 'UTC')) close FROM market_bars"
        " WHERE instrument_id = %s AND interval_seconds = %s AND ts >= %s AND ts < %s"
        " ORDER BY date_trunc('day', ts, 'UTC'), ts DESC",
        (flow.instrument_id, flow.base_interval, today - timedelta(days=days), today),
    ).fetchall()
    return [close for (close,) in rows]
