"""What must hold between signals, executions and allocations."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "executions got what was allocated to them",
        "SELECT 'signal ' || e.signal_id || ' leg ' || e.leg_id,"
        "  concat_ws(' / ', o.id, a.quantity, a.fee),"
        "  concat_ws(' / ', e.order_id, e.executed_amount, e.gas_cost)"
        " FROM signal_executions e LEFT JOIN (orders o JOIN allocations a ON a.order_id = o.id)"
        "  ON o.cause = 'signal' AND o.cause_id = e.signal_id AND a.leg_id = e.leg_id"
        " WHERE e.status NOT IN ('pending', 'skipped')"
        "  AND (a.quantity IS DISTINCT FROM e.executed_amount OR a.fee IS DISTINCT FROM e.gas_cost"
        "       OR e.order_id IS DISTINCT FROM o.id)",
    ),
    Check(
        "every allocation of a signal belongs to an execution",
        "SELECT 'order ' || o.id || ' leg ' || a.leg_id, 'an execution', 'none'"
        " FROM orders o JOIN allocations a ON a.order_id = o.id"
        " WHERE o.cause = 'signal' AND NOT EXISTS (SELECT FROM signal_executions e"
        "  WHERE e.signal_id = o.cause_id AND e.leg_id = a.leg_id)",
    ),
    Check(
        "a processed signal leaves no execution behind",
        "SELECT 'signal ' || s.id, '0 pending', count(*) || ' pending'"
        " FROM trading_signals s JOIN signal_executions e ON e.signal_id = s.id"
        " WHERE s.status = 'processed' AND e.status IN ('pending', 'executing') GROUP BY s.id",
    ),
    Check(
        "the capital that follows a flow is that of its active followers",
        "SELECT 'flow ' || f.id, coalesce(sum(s.investment_amount), 0)::text,"
        "  coalesce(c.amount, 0)::text"
        " FROM shared_flows f LEFT JOIN followed_capital c ON c.flow_id = f.id"
        " LEFT JOIN flow_subscriptions s ON s.flow_id = f.id AND s.status = 'active'"
        " GROUP BY f.id, c.amount HAVING coalesce(sum(s.investment_amount), 0)"
        "  <> coalesce(c.amount, 0)",
    ),
    Check(
        "signals of a flow are numbered without a gap",
        "SELECT 'flow ' || f.id, '1 to ' || f.last_sequence,"
        "  count(s.id) || ' from ' || min(s.sequence) || ' to ' || max(s.sequence)"
        " FROM shared_flows f LEFT JOIN trading_signals s ON s.flow_id = f.id"
        " GROUP BY f.id HAVING count(s.id) <> f.last_sequence"
        "  OR min(s.sequence) <> 1 OR max(s.sequence) <> f.last_sequence",
    ),
    Check(
        "a leg trades only on its own flow's signals",
        "SELECT 'leg ' || e.leg_id, sub.flow_id::text, sig.flow_id::text"
        " FROM signal_executions e"
        " JOIN trading_signals sig ON sig.id = e.signal_id"
        " JOIN flow_subscriptions sub ON sub.leg_id = e.leg_id"
        " WHERE sub.flow_id <> sig.flow_id",
    ),
    Check(
        "a copy is cancelled when its book is asked to close",
        "SELECT 'subscription ' || s.id,"
        "  CASE WHEN c.id IS NULL THEN 'open' ELSE 'cancelled' END, s.status"
        " FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
        " JOIN scopes b ON b.id = l.scope_id AND b.kind IN ('copy', 'vault')"
        " LEFT JOIN closings c ON c.id = b.id"
        " WHERE (s.status = 'cancelled') <> (c.id IS NOT NULL)",
    ),
)
