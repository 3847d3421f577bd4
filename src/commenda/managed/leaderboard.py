"""Whom allocation draws from: every flow with its latest score."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import LiteralString
from uuid import UUID

from commenda.kit.db import Tx
from commenda.managed.allocation import Candidate, Candidates
from commenda.managed.model import Profile
from commenda.managed.scoring import Record, Score, score
from commenda.returns import max_drawdown


def list_flow(tx: Tx, flow_id: UUID, profile: Profile, now: datetime) -> None:
    """Offer a flow to the products of one profile; unscored until it has a record."""
    tx.execute(
        "INSERT INTO leaderboard (flow_id, profile, scored_at) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (flow_id, profile, now),
    )


CANDIDATES: LiteralString = (
    "(SELECT string_agg(concat_ws(' ', f.creator_id, f.id, b.profile, b.score, b.max_drawdown,"
    "   CASE WHEN EXISTS (SELECT FROM risk_breakers k WHERE k.level = 'flow' AND k.measure = 'ban'"
    "     AND k.subject = f.id::text AND k.state <> 'closed') THEN 'banned' ELSE f.status END,"
    "   coalesce(followed.amount, 0), b.uptime, b.days), ',' ORDER BY f.id)"
    " FROM leaderboard b JOIN shared_flows f ON f.id = b.flow_id"
    " LEFT JOIN followed_capital followed ON followed.flow_id = f.id)"
)
"""Every listed flow as it is known now, as a text for `candidates_of`."""


@lru_cache(maxsize=8)
def candidates_of(text: str | None) -> Candidates:
    """Those that `CANDIDATES` found. They seldom change: the same text is read once."""
    return Candidates(
        Candidate(
            UUID(creator),
            UUID(flow),
            profile,
            Decimal(points),
            Decimal(drawdown),
            status,
            Decimal(followed),
            Decimal(uptime),
            int(days),
        )
        for creator, flow, profile, points, drawdown, status, followed, uptime, days in (
            map(str.split, text.split(",")) if text else ()
        )
    )


def score_flows(tx: Tx, now: datetime) -> Mapping[UUID, Score]:
    """Score every listed flow from the daily NAV of its creator's own book."""
    rows = tx.execute(
        "SELECT b.flow_id, array_agg(n.nav / n.capital ORDER BY n.at), min(n.at)"
        " FROM leaderboard b"
        " JOIN flow_subscriptions s ON s.flow_id = b.flow_id AND s.is_leader"
        " JOIN nav_history n ON n.leg_id = s.leg_id AND n.capital > 0"
        " GROUP BY b.flow_id ORDER BY b.flow_id"
    ).fetchall()
    scores: dict[UUID, Score] = {}
    drawdowns: list[float] = []
    for flow_id, units, first in rows:
        navs = [1.0, *(float(value) for value in units)]
        days = (now - first) / timedelta(days=1) + 1
        uptime = min(1.0, len(units) / days)
        # One flow trades one instrument, so it is not diversified.
        scores[flow_id] = score(Record(navs, uptime, [1.0]))
        drawdowns.append(max_drawdown(navs))
    tx.execute(
        "UPDATE leaderboard b SET score = s.score, max_drawdown = s.drawdown, uptime = s.uptime,"
        "  days = s.days, scored_at = %s"
        " FROM unnest(%s::uuid[], %s::numeric[], %s::numeric[], %s::numeric[], %s::integer[])"
        "   AS s (flow_id, score, drawdown, uptime, days) WHERE b.flow_id = s.flow_id",
        (
            now,
            list(scores),
            [one.total for one in scores.values()],
            [f"{drawdown:.6f}" for drawdown in drawdowns],
            [one.uptime / 100 for one in scores.values()],
            [one.days for one in scores.values()],
        ),
    )
    return scores
