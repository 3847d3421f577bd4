"""Signals and their executions, for a flow's creator and for those who follow it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString
from uuid import UUID

from commenda.copying import bodies
from commenda.copying.queries import unknown_flow
from commenda.copying.sheets import Sheet, count_of, rows_of
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.money import plain

# A creator sees all; a follower what was published until they left.
_SEEN: LiteralString = (
    " AND (f.creator_id = %(user)s OR EXISTS (SELECT FROM flow_subscriptions mine"
    "  WHERE mine.follower_id = %(user)s AND mine.flow_id = f.id"
    "   AND (mine.status <> 'cancelled' OR mine.updated_at >= t.created_at)))"
)
_SIGNALS: LiteralString = (
    "SELECT t.id, t.flow_id, t.creator_id, t.creator_vault_address, t.signal_type,"
    " t.from_token, t.to_token, t.amount_in_percentage, t.slippage_tolerance, t.chain_type,"
    " t.node_id, t.node_type, t.created_at, t.processed_at, i.base, e.executed_amount,"
    " coalesce(t.executions_total, n.total) AS total,"
    " coalesce(t.executions_executed, n.executed) AS executed,"
    " coalesce(t.executions_failed, n.failed) AS failed,"
    " coalesce(t.executions_skipped, n.skipped) AS skipped"
    " FROM trading_signals t JOIN shared_flows f ON f.id = t.flow_id"
    " JOIN instruments i ON i.id = t.instrument_id"
    " LEFT JOIN flow_subscriptions own ON own.flow_id = f.id AND own.is_leader"
    " LEFT JOIN signal_executions e ON e.signal_id = t.id AND e.subscription_id = own.id"
    # Counted here only while the signal is being copied.
    " LEFT JOIN LATERAL (SELECT count(*) AS total,"
    "   count(*) FILTER (WHERE status IN ('completed', 'partial')) AS executed,"
    "   count(*) FILTER (WHERE status = 'failed') AS failed,"
    "   count(*) FILTER (WHERE status = 'skipped') AS skipped"
    "  FROM signal_executions WHERE signal_id = t.id AND t.executions_total IS NULL) n ON true"
    " WHERE t.flow_id = %(flow)s"
)
_SIGNAL_OF_MINE: LiteralString = (
    "SELECT f.creator_id = %(user)s FROM trading_signals t"
    " JOIN shared_flows f ON f.id = t.flow_id WHERE t.id = %(signal)s"
)


def signals_of(tx: Tx, flow_id: UUID, user_id: UUID, limit: int) -> bodies.SignalList:
    """A flow's signals, newest first, for its creator and those who follow it; for others, and
    for nobody's flow, code `unknown_flow`."""
    values = {"flow": flow_id, "user": user_id, "limit": limit}
    related = tx.execute(
        "SELECT FROM shared_flows f WHERE f.id = %(flow)s AND (f.creator_id = %(user)s"
        " OR EXISTS (SELECT FROM flow_subscriptions mine"
        "  WHERE mine.follower_id = %(user)s AND mine.flow_id = f.id))",
        values,
    ).fetchone()
    if related is None:
        raise unknown_flow(flow_id)
    rows = rows_of(tx, _SIGNALS + _SEEN + " ORDER BY t.sequence DESC LIMIT %(limit)s", values)
    return bodies.SignalList(items=[_signal(row) for row in rows])


def _signal(row: Mapping[str, Any]) -> bodies.TradingSignal:
    done = row["executed"] + row["failed"] + row["skipped"]
    traded = row["executed_amount"]
    return bodies.TradingSignal(
        signal_id=row["id"],
        flow_id=row["flow_id"],
        creator_id=row["creator_id"],
        creator_vault_address=row["creator_vault_address"],
        signal_type=row["signal_type"],
        signal_data=bodies.SignalData(
            from_token=row["from_token"],
            to_token=row["to_token"],
            amount_in_percentage=row["amount_in_percentage"],
            amount_in_human_readable=f"{plain(abs(traded))} {row['base']}" if traded else None,
            slippage_tolerance=row["slippage_tolerance"],
            chain_type=row["chain_type"],
        ),
        execution_status=bodies.ExecutionStatus(
            total=row["total"],
            executed=row["executed"],
            failed=row["failed"],
            pending=row["total"] - done,
            skipped=row["skipped"],
        ),
        node_id=row["node_id"],
        node_type=row["node_type"],
        created_at=row["created_at"],
        processed_at=row["processed_at"],
    )


def executions_of(tx: Tx, signal_id: UUID, user_id: UUID, sheet: Sheet) -> bodies.ExecutionPage:
    """What a signal did: all books for its creator, their own for a follower; for others, and for
    no signal, code `unknown_signal`."""
    values = {"signal": signal_id, "user": user_id}
    related = tx.execute(_SIGNAL_OF_MINE + _SEEN, values).fetchone()
    if related is None:
        raise unknown("signal", signal_id, "signalId")
    source: LiteralString = (
        " FROM signal_executions e JOIN flow_subscriptions s ON s.id = e.subscription_id"
        " WHERE e.signal_id = %(signal)s"
    )
    if not related[0]:
        source += " AND s.follower_id = %(user)s"
    rows = rows_of(
        tx,
        "SELECT e.signal_id, e.subscription_id, s.follower_id, s.follower_vault_address, e.status,"
        " e.executed_amount, e.executed_price, e.gas_cost, e.slippage, e.order_id, e.error,"
        " e.created_at, e.executed_at, e.completed_at"
        + source
        + " ORDER BY e.subscription_id LIMIT %(limit)s OFFSET %(offset)s",
        {**values, "limit": sheet.limit, "offset": sheet.offset},
    )
    return bodies.ExecutionPage(
        items=[_execution(row) for row in rows],
        total=count_of(tx, "SELECT count(*)" + source, values),
        page=sheet.page,
        limit=sheet.limit,
    )


def _execution(row: Mapping[str, Any]) -> bodies.SignalExecution:
    return bodies.SignalExecution(
        execution_id=ids.derive("execution", row["signal_id"], row["subscription_id"]),
        signal_id=row["signal_id"],
        subscription_id=row["subscription_id"],
        follower_id=row["follower_id"],
        follower_vault_address=row["follower_vault_address"],
        status=row["status"],
        executed_amount=row["executed_amount"],
        executed_price=row["executed_price"],
        gas_cost=row["gas_cost"],
        slippage=row["slippage"],
        tx_hash=None if row["order_id"] is None else str(row["order_id"]),
        error=row["error"],
        created_at=row["created_at"],
        executed_at=row["executed_at"],
        completed_at=row["completed_at"],
    )
