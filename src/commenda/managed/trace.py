"""The chain from one subscription to its last commission, read back from what was recorded."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.managed.queries import NAVS

_LINKS: tuple[tuple[str, LiteralString], ...] = (
    (
        "allocation",
        "SELECT a.flow_id, f.title, a.creator_id, a.leg_id, a.weight, a.amount"
        " FROM managed_allocations a JOIN shared_flows f ON f.id = a.flow_id"
        " WHERE a.subscription_id = %(id)s ORDER BY a.weight DESC, a.flow_id",
    ),
    (
        "executions",
        "SELECT s.created_at, f.title, i.symbol, o.side, e.requested, e.executed_amount,"
        "  e.executed_price, e.gas_cost, e.status, e.error, e.signal_id, e.order_id"
        " FROM managed_allocations a JOIN signal_executions e"
        "  ON e.subscription_id = (SELECT id FROM flow_subscriptions WHERE leg_id = a.leg_id)"
        " JOIN trading_signals s ON s.id = e.signal_id JOIN shared_flows f ON f.id = s.flow_id"
        " JOIN instruments i ON i.id = s.instrument_id LEFT JOIN orders o ON o.id = e.order_id"
        " WHERE a.subscription_id = %(id)s ORDER BY s.created_at, e.signal_id",
    ),
    ("nav", NAVS),
    (
        "liquidation",
        "SELECT a.begun_at, a.attempt, CASE WHEN c.amount IS NOT NULL THEN a.outcome"
        "  WHEN a.outcome = 'closed' THEN 'LIQUIDATED'"
        "  WHEN a.outcome = 'failed' THEN 'LIQUIDATING' END AS outcome, c.amount AS part_amount,"
        " a.reason, i.symbol, o.side, al.requested,"
        "  al.quantity, al.notional, al.fee, o.reference_price, o.id AS order_id"
        " FROM closings c JOIN closing_attempts a ON a.closing_id = c.id"
        " LEFT JOIN (orders o JOIN allocations al ON al.order_id = o.id"
        "   JOIN legs l ON l.id = al.leg_id AND l.scope_id = %(id)s"
        "   JOIN instruments i ON i.id = o.instrument_id)"
        "  ON o.cause = 'liquidation' AND o.cause_id = a.batch_id"
        " WHERE c.scope_id = %(id)s ORDER BY a.begun_at, i.symbol, al.leg_id",
    ),
    (
        "crystallisations",
        "SELECT k.*, m.hurdle_kind, c.requested_at FROM crystallisations k"
        " JOIN managed_subscriptions s ON s.id = k.subscription_id"
        " JOIN product_terms m ON (m.product_id, m.valid_from) = (s.product_id, s.terms_valid_from)"
        " LEFT JOIN closings c ON c.id = k.closing_id"
        " WHERE k.subscription_id = %(id)s ORDER BY k.number",
    ),
    (
        "settlement",
        # What stood above the mark, and whether that passed the hurdle, explains the share.
        "SELECT t.*, c.journal_id, m.hurdle_kind, h.mark, h.above_mark,"
        "  h.above_mark > t.hurdle AS hurdle_passed"
        " FROM settlements t JOIN closings c ON c.id = t.subscription_id"
        " JOIN managed_subscriptions s ON s.id = t.subscription_id"
        " JOIN product_terms m ON (m.product_id, m.valid_from) = (s.product_id, s.terms_valid_from)"
        " CROSS JOIN LATERAL (SELECT s.mark_net_deposits + s.mark_greatest_profit AS mark,"
        "   t.equity - t.collected - t.management_fee - s.mark_net_deposits"
        "    - s.mark_greatest_profit AS above_mark) h"
        " WHERE t.subscription_id = %(id)s",
    ),
    (
        "referral",
        "SELECT level, payee_id, amount, release_at, released_at FROM referral_commissions"
        " WHERE subscription_id = %(id)s ORDER BY release_at, level",
    ),
    (
        "journals",
        "SELECT j.id, j.kind, j.posted_at, j.actor, j.rule_version, a.kind AS account,"
        "  a.owner_kind, a.owner_id, e.amount"
        " FROM journals j JOIN entries e ON e.journal_id = j.id"
        " JOIN accounts a ON a.id = e.account_id"
        " WHERE j.correlation_id = %(correlation)s ORDER BY j.id, a.kind, a.id",
    ),
    (
        "events",
        "SELECT happened_at, kind, actor, result, details FROM audit_events"
        " WHERE correlation_id = %(correlation)s ORDER BY happened_at, id",
    ),
)


def trace(tx: Tx, subscription_id: UUID) -> dict[str, Any]:
    """Subscription -> allocation -> executions -> NAV -> liquidation -> settlement -> referral.

    Withdrawals and shares that fell due before the end are `crystallisations`.

    Each link is a list of rows, with the journals and events of the subscription's correlation id
    beside them. Code `unknown_subscription`.
    """
    values = {"id": subscription_id, "correlation": ids.derive("managed", subscription_id)}
    with tx.cursor(row_factory=dict_row) as cursor:
        subscription = cursor.execute(
            "SELECT s.*, c.requested_at AS liquidation_requested_at, c.trigger AS liquidation_door,"
            " coalesce(c.attempts, 0) AS liquidation_attempts, c.next_retry_at,"
            " c.reason AS failure_reason, c.closed_at AS liquidated_at, p.profile,"
            " p.term_days, p.tier, a.version AS allocation_version, a.seed"
            " FROM managed_subscriptions s JOIN products p ON p.id = s.product_id"
            " JOIN allocation_snapshots a ON a.subscription_id = s.id"
            " LEFT JOIN closings c ON c.id = s.id WHERE s.id = %(id)s",
            values,
        ).fetchone()
        if subscription is None:
            raise unknown("subscription", subscription_id, "id")
        chain: dict[str, Any] = {"subscription": subscription}
        for name, query in _LINKS:
            chain[name] = cursor.execute(query, values).fetchall()
    return chain
