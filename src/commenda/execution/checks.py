"""What must hold between the venue's fills and their allocation."""

from __future__ import annotations

from commenda.audit import Check

CHECKS = (
    Check(
        "allocations add up to the venue's fills",
        "SELECT 'order ' || o.id,"
        "  concat_ws(' / ', coalesce(f.quantity, 0), coalesce(f.notional, 0), coalesce(f.fee, 0)),"
        "  concat_ws(' / ', abs(a.quantity), abs(a.notional), a.fee)"
        " FROM orders o"
        " JOIN (SELECT order_id, sum(quantity) AS quantity, sum(notional) AS notional,"
        "   sum(fee) AS fee FROM allocations GROUP BY order_id"
        "   HAVING bool_and(quantity IS NOT NULL)) a ON a.order_id = o.id"
        " LEFT JOIN (SELECT order_id, sum(quantity) AS quantity, sum(quantity * price) AS notional,"
        "   sum(fee) AS fee FROM fills GROUP BY order_id) f ON f.order_id = o.id"
        " WHERE abs(a.quantity) <> coalesce(f.quantity, 0)"
        "  OR abs(a.notional) <> coalesce(f.notional, 0) OR a.fee <> coalesce(f.fee, 0)",
    ),
    Check(
        "fills belong to terminal orders and are shared out",
        "SELECT 'order ' || o.id, 'shared out', 'waiting' FROM orders o"
        " WHERE o.terminal_at < (SELECT now_at FROM business_clock)"
        "  AND EXISTS (SELECT FROM allocations a"
        "    WHERE a.order_id = o.id AND a.quantity IS NULL)"
        " UNION ALL SELECT 'order ' || o.id, 'sent', o.status FROM orders o"
        "  WHERE o.status = 'intended' AND EXISTS (SELECT FROM fills f WHERE f.order_id = o.id)"
        " UNION ALL SELECT 'order ' || o.id, 'allocated once terminal', o.status FROM orders o"
        "  WHERE o.allocated_at IS NOT NULL AND (o.terminal_at IS NULL OR EXISTS"
        "   (SELECT FROM allocations a WHERE a.order_id = o.id AND a.quantity IS NULL))",
    ),
    Check(
        "every fill of a venue belongs to an order that waited for it",
        "SELECT 'fill ' || venue || ' ' || fill_id, 'none',"
        "  concat_ws(' ', side, quantity, 'of order', coalesce(order_id::text, 'unknown'))"
        " FROM stray_fills s WHERE NOT EXISTS"
        "  (SELECT FROM fills f WHERE (f.venue, f.fill_id) = (s.venue, s.fill_id))",
    ),
    Check(
        "no leg gets more than it asked for, nor the other side",
        "SELECT 'order ' || order_id || ' leg ' || leg_id, requested::text, quantity::text"
        " FROM allocations WHERE abs(quantity) > abs(requested) OR quantity * requested < 0",
    ),
    Check(
        "a flat position holds no cash",
        "SELECT 'leg ' || p.leg_id || ' instrument ' || p.instrument_id, '0', a.balance::text"
        " FROM positions p JOIN accounts a ON a.id = p.account_id"
        " WHERE p.quantity = 0 AND a.balance <> 0",
    ),
    Check(
        "transit accounts are empty between orders",
        "SELECT a.kind || ' ' || coalesce(a.instrument_id::text, ''), '0', a.balance::text"
        " FROM accounts a WHERE a.owner_kind = 'platform' AND a.balance <> 0"
        "  AND (a.kind = 'unallocated' OR (a.kind = 'position' AND a.leg_id IS NULL))"
        "  AND NOT EXISTS (SELECT FROM allocations WHERE quantity IS NULL)",
    ),
)
