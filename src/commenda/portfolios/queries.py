"""Portfolios and their rebalances as people see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.money import quantise
from commenda.portfolios.model import (
    ZERO,
    Portfolio,
    PortfolioPart,
    RebalanceMove,
    RebalancePlan,
    rules_from,
)

_PORTFOLIOS: LiteralString = (
    "SELECT p.id, p.owner_id, p.name, s.asset, p.rules, p.rules_version, p.created_at,"
    " CASE WHEN s.closed_at IS NOT NULL THEN 'closed' WHEN c.id IS NOT NULL THEN 'closing'"
    "  ELSE 'active' END AS status, r.number, r.at,"
    " coalesce((SELECT sum(e.amount) FROM journals j JOIN entries e ON e.journal_id = j.id"
    "  JOIN accounts a ON a.id = e.account_id AND a.scope_id = p.id"
    "  WHERE j.key = 'portfolio:' || p.id), 0) AS paid_in"
    " FROM portfolios p JOIN scopes s ON s.id = p.id LEFT JOIN closings c ON c.id = p.id"
    " LEFT JOIN LATERAL (SELECT number, at FROM portfolio_rebalances"
    "  WHERE portfolio_id = p.id ORDER BY number DESC LIMIT 1) r ON true "
)


def portfolios_of(tx: Tx, owner_id: UUID | None, now: datetime, limit: int) -> list[Portfolio]:
    """Somebody's portfolios, or everybody's, the newest first."""
    rows = tx.execute(
        _PORTFOLIOS + "WHERE %(owner)s::uuid IS NULL OR p.owner_id = %(owner)s"
        " ORDER BY p.created_at DESC, p.id LIMIT %(limit)s",
        {"owner": owner_id, "limit": limit},
    ).fetchall()
    return _with_parts(tx, rows, now)


def portfolio_of(tx: Tx, portfolio_id: UUID, owner_id: UUID | None, now: datetime) -> Portfolio:
    """One portfolio; code `unknown_portfolio`, also for another's."""
    rows = tx.execute(
        _PORTFOLIOS + "WHERE p.id = %(id)s AND (%(owner)s::uuid IS NULL OR p.owner_id = %(owner)s)",
        {"id": portfolio_id, "owner": owner_id},
    ).fetchall()
    if not rows:
        raise unknown("portfolio", portfolio_id, "id")
    return _with_parts(tx, rows, now)[0]


_PARTS: LiteralString = (
    "SELECT l.scope_id, l.id, f.id, f.title, i.symbol,"
    " trunc(a.balance + coalesce(h.value, 0), 8), coalesce(h.gross, 0), m.weight"
    " FROM legs l JOIN accounts a ON a.id = l.account_id"
    " LEFT JOIN (flow_subscriptions s JOIN shared_flows f ON f.id = s.flow_id"
    "   JOIN instruments i ON i.id = f.instrument_id) ON s.leg_id = l.id"
    " LEFT JOIN LATERAL (SELECT sum(coalesce(p.quantity * k.price, c.balance)) AS value,"
    "   sum(abs(coalesce(p.quantity * k.price, c.balance))) AS gross"
    "  FROM positions p JOIN accounts c ON c.id = p.account_id"
    "  LEFT JOIN market_marks k ON k.instrument_id = p.instrument_id"
    "  WHERE p.leg_id = l.id AND p.quantity <> 0) h ON true"
    " LEFT JOIN (SELECT DISTINCT ON (r.portfolio_id) r.portfolio_id, r.id"
    "   FROM portfolio_rebalances r WHERE r.portfolio_id = ANY (%(ids)s)"
    "   ORDER BY r.portfolio_id, r.number DESC) last ON last.portfolio_id = l.scope_id"
    " LEFT JOIN portfolio_moves m ON m.rebalance_id = last.id AND m.leg_id = l.id"
    " WHERE l.scope_id = ANY (%(ids)s) ORDER BY f.title NULLS LAST, f.id"
)


def _with_parts(tx: Tx, rows: Sequence[tuple[Any, ...]], now: datetime) -> list[Portfolio]:
    legs: dict[UUID, list[tuple[Any, ...]]] = {row[0]: [] for row in rows}
    for scope, *leg in tx.execute(_PARTS, {"ids": list(legs)}):
        legs[scope].append(tuple(leg))
    found = []
    for portfolio, owner, name, asset, rules, version, created, status, number, at, paid in rows:
        equity = sum((leg[4] for leg in legs[portfolio]), ZERO)
        parts = [
            PortfolioPart(leg, flow, title, symbol, worth, _part(worth, equity), target, gross)
            for leg, flow, title, symbol, worth, gross, target in legs[portfolio]
        ]
        apart = [abs(one.weight - one.target) for one in parts if one.target is not None]
        seen = (rules_from(rules), version, created, now, equity, paid)
        drift = max(apart, default=ZERO) if status == "active" else ZERO
        one = Portfolio(portfolio, owner, name, asset, status, *seen, drift, number or 0, at, parts)
        found.append(one)
    return found


def _part(worth: Decimal, equity: Decimal) -> Decimal:
    return quantise(worth / equity, 8) if equity > 0 else ZERO


def rebalances_of(
    tx: Tx, portfolio_id: UUID, before: int | None, limit: int
) -> list[RebalancePlan]:
    """What was done with a portfolio, the latest first, before a number: at most `limit`."""
    rows = tx.execute(
        "SELECT r.id, r.portfolio_id, r.number, r.cause, r.of_number, r.rules, r.rules_version,"
        " s.asset, r.equity, r.turnover, r.cost, r.reason, r.author, r.at"
        " FROM portfolio_rebalances r JOIN scopes s ON s.id = r.portfolio_id"
        " WHERE r.portfolio_id = %(id)s AND (%(before)s::bigint IS NULL OR r.number < %(before)s)"
        " ORDER BY r.number DESC LIMIT %(limit)s",
        {"id": portfolio_id, "before": before, "limit": limit},
    ).fetchall()
    moves: dict[UUID, list[RebalanceMove]] = {row[0]: [] for row in rows}
    equities = {row[0]: row[8] for row in rows}
    for rebalance, leg, flow, title, equity, target, weight, moved, trade in tx.execute(
        "SELECT m.rebalance_id, m.leg_id, f.id, f.title, m.equity, m.target, m.weight, m.moved,"
        "  m.trade FROM portfolio_moves m"
        " LEFT JOIN (flow_subscriptions s JOIN shared_flows f ON f.id = s.flow_id)"
        "  ON s.leg_id = m.leg_id"
        " WHERE m.rebalance_id = ANY (%s) ORDER BY f.title NULLS LAST, f.id",
        (list(moves),),
    ):
        actual = _part(equity, equities[rebalance])
        near = abs(weight - target) <= Decimal("0.000001")
        why = "kept" if not moved else "target" if near else "eased"
        moves[rebalance].append(
            RebalanceMove(leg, flow, title, equity, actual, target, weight, moved, trade, why)
        )
    found = []
    for rebalance, of, number, cause, back, rules, version, *rest in rows:
        asset, equity, turned, cost, reason, by, at = rest
        told = moves[rebalance]
        plan = RebalancePlan(
            of, number, cause, back, rules_from(rules), version, asset, equity, turned, cost,
            reason, by, at, told,
        )  # fmt: skip
        found.append(plan)
    return found
