"""What the last version's business must hold when it is left, and how its rows are written down."""

from __future__ import annotations

import psycopg

HALF_DONE = {
    "a subscription in each state": (
        "SELECT string_agg(DISTINCT status, ' ' ORDER BY status) ="
        " 'ACTIVE CANCELLED LIQUIDATED LIQUIDATING MATURED RESERVED SETTLED'"
        " FROM managed_subscriptions"
    ),
    "liquidations that failed and have a next try": (
        "SELECT count(*) > 0 FROM managed_subscriptions s WHERE status = 'LIQUIDATING'"
        " AND liquidation_attempts > 5 AND next_retry_at IS NOT NULL AND NOT EXISTS (SELECT FROM"
        " liquidation_attempts a WHERE a.subscription_id = s.id AND outcome IS NULL)"
    ),
    "two liquidation batches half done": (
        "SELECT count(DISTINCT batch_id) = 2 FROM liquidation_attempts WHERE outcome IS NULL"
    ),
    "two exit batches half done": (
        "SELECT count(DISTINCT batch_id) = 2 FROM copy_exit_attempts WHERE outcome IS NULL"
    ),
    "exits that failed and have a next try": (
        "SELECT count(*) = 2 FROM copy_exits x WHERE attempts > 5 AND closed_at IS NULL AND NOT"
        " EXISTS (SELECT FROM copy_exit_attempts a WHERE a.scope_id = x.scope_id"
        "  AND outcome IS NULL)"
    ),
    "closings that the venue has never heard of": (
        "SELECT count(*) > 0 FROM orders o WHERE status = 'intended' AND cause = 'liquidation'"
        " AND NOT EXISTS (SELECT FROM paper.orders p WHERE p.client_order_id = o.id)"
    ),
    "closings that it has worked and nobody recorded": (
        "SELECT count(DISTINCT cause_id) = 2 FROM orders o"
        " JOIN paper.fills p ON p.client_order_id = o.id"
        " WHERE o.status = 'intended' AND o.cause = 'liquidation'"
    ),
    "a signal intended, one worked": (
        "SELECT count(*) = 2 AND count(p.client_order_id) = 1 FROM orders o"
        " LEFT JOIN paper.orders p ON p.client_order_id = o.id"
        " WHERE o.status = 'intended' AND o.cause = 'signal'"
    ),
    "a signal recorded and not allocated": (
        "SELECT count(DISTINCT o.id) = 1 FROM orders o JOIN allocations a ON a.order_id = o.id"
        " WHERE o.cause = 'signal' AND o.status = 'filled' AND a.quantity IS NULL"
    ),
    "three signals planned, one published": (
        "SELECT string_agg(status, ' ' ORDER BY status) = 'planned planned planned published'"
        " FROM trading_signals WHERE status <> 'processed'"
    ),
    "dust taken over, of which some is still there": (
        "SELECT count(*) > 0 FROM dust_transfers d JOIN positions p ON p.leg_id = d.dust_leg_id"
        " WHERE p.quantity <> 0"
    ),
    "cash that waits to be moved": "SELECT count(*) > 0 FROM transfers WHERE done_at IS NULL",
    "funding, paid and passed on": "SELECT count(*) > 5 FROM funding_payments WHERE amount <> 0",
    "money held for a withdrawal": "SELECT count(*) = 1 FROM holds WHERE status = 'held'",
    "two approvals that wait": "SELECT count(*) = 2 FROM approvals WHERE status = 'requested'",
    "alerts": "SELECT count(*) >= 2 FROM audit_events WHERE kind LIKE 'alert.%%'",
    "a closed period": "SELECT count(*) = 1 FROM ledger_periods",
    "income that was paid": "SELECT count(*) > 0 FROM journals WHERE kind = 'income'",
    "commissions": "SELECT count(*) > 0 FROM referral_commissions",
    "runners that have come to a bar": (
        "SELECT count(*) > 3 FROM shared_flows WHERE runner_state IS NOT NULL"
    ),
}


def dump(owner_url: str) -> str:
    """Every row as COPY statements, referenced tables first, then where the sequences stand."""
    parts = []
    with psycopg.connect(owner_url) as owner:
        for table in in_order(owner):
            columns = ", ".join(
                f'"{name}"'
                for (name,) in owner.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                    " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
                    (table,),
                )
            )
            with owner.cursor() as cursor:
                query = f"COPY (SELECT {columns} FROM {table}) TO STDOUT"
                with cursor.copy(query) as copy:  # type: ignore[arg-type]
                    rows = b"".join(copy).decode()
            if rows:
                parts.append(f"COPY {table} ({columns}) FROM STDIN;\n{rows}\\.\n")
        parts += [
            f"SELECT setval('{name}', {last});\n"
            for name, last in owner.execute(
                "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences"
                " WHERE schemaname IN ('public', 'paper') AND last_value IS NOT NULL ORDER BY 1"
            )
        ]
    return "".join(parts)


def in_order(owner: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """The version's tables, each after those that it refers to."""
    rows = owner.execute(
        "SELECT t.oid::regclass::text, array_agg(k.confrelid::regclass::text)"
        " FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace"
        " LEFT JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'"
        "  AND k.confrelid <> t.oid"
        " WHERE n.nspname IN ('public', 'paper') AND t.relkind IN ('r', 'p')"
        "  AND NOT t.relispartition AND t.relname <> 'schema_migrations' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    waiting = {str(name): set(referred) - {None} for name, referred in rows}  # type: ignore[call-overload]
    ordered: list[str] = []
    while waiting:
        ready = [name for name, referred in waiting.items() if referred <= set(ordered)]
        assert ready, f"tables refer to each other in a circle: {sorted(waiting)}"
        ordered += ready
        for name in ready:
            del waiting[name]
    return ordered
