"""Signals and their executions, for a flow's creator and for those who follow it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal, LiteralString, cast
from uuid import UUID

from pydantic import Field

from commenda.copying.model import Chain
from commenda.copying.queries import find_flow
from commenda.copying.terms_views import Stop, stop_of
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.pages import Numbered, Sheet
from commenda.kit.rows import records, sheet
from commenda.kit.wire import Amount, derived, on_wire

Count = Annotated[int, Field(ge=0, examples=[12])]


@on_wire
@dataclass(frozen=True, slots=True)
class SignalData:
    from_token: str
    to_token: str
    amount_in_percentage: Annotated[Amount, Field(description="Of the creator's equity.")]
    amount_in_human_readable: Annotated[
        str | None,
        Field(
            description="What the creator's own book traded, once it has.", examples=["0.25 BTC"]
        ),
    ]
    slippage_tolerance: Amount
    chain_type: Chain | None


@on_wire
@dataclass(frozen=True, slots=True)
class ExecutionStatus:
    """How many executions a signal has, and what became of them."""

    total: Count
    executed: Annotated[Count, Field(description="Whole or in part.")]
    failed: Count
    pending: Count
    skipped: Annotated[
        Count, Field(description="Nothing to trade: below one lot, or there already.")
    ]


@on_wire
@dataclass(frozen=True, slots=True)
class TradingSignal:
    signal_id: UUID
    flow_id: UUID
    creator_id: UUID
    creator_vault_address: str | None
    signal_type: Literal["swap", "buy", "sell", "deposit", "withdraw"]
    signal_data: SignalData
    execution_status: ExecutionStatus
    node_id: str | None
    node_type: str | None
    created_at: datetime
    processed_at: datetime | None
    stop: Annotated[Stop | None, Field(description="The protective stop that it carries out.")]


@on_wire
@dataclass(frozen=True, slots=True)
class SignalExecution:
    """What a signal did in one book. Amounts are in the instrument's base; a sale is negative."""

    signal_id: UUID
    subscription_id: UUID
    follower_id: UUID
    follower_vault_address: str | None
    status: Literal["pending", "executing", "completed", "partial", "failed", "skipped"]
    executed_amount: Amount | None
    executed_price: Amount | None
    gas_cost: Annotated[
        Amount | None, Field(description="The venue's fee, where there is no chain.")
    ]
    slippage: Amount | None
    tx_hash: Annotated[
        str | None, Field(description="The order at the venue, where there is no chain.")
    ]
    block_number: int | None
    error: str | None
    wanted: Annotated[
        Amount | None,
        Field(description="What it would have traded, where a limit of risk left less of it."),
    ]
    limit_id: Annotated[UUID | None, Field(description="The limit that did.")]
    created_at: datetime
    executed_at: datetime | None
    completed_at: datetime | None

    @derived
    def execution_id(self) -> UUID:
        return ids.derive("execution", self.signal_id, self.subscription_id)


# The staff and a creator see all; a follower what was published until they left.
_SEEN: LiteralString = (
    " AND (%(all)s OR f.creator_id = %(user)s OR EXISTS (SELECT FROM flow_subscriptions mine"
    "  WHERE mine.follower_id = %(user)s AND mine.flow_id = f.id"
    "   AND (mine.status <> 'cancelled' OR mine.updated_at >= t.created_at)))"
)
_SIGNALS: LiteralString = (
    "SELECT t.id AS signal_id, t.flow_id, t.creator_id, t.creator_vault_address, t.signal_type,"
    ' t.from_token AS "signal_data.from_token", t.to_token AS "signal_data.to_token",'
    ' t.amount_in_percentage AS "signal_data.amount_in_percentage",'
    " CASE WHEN e.executed_amount <> 0 THEN trim_scale(abs(e.executed_amount)) || ' ' || i.base"
    '  END AS "signal_data.amount_in_human_readable",'
    ' t.slippage_tolerance AS "signal_data.slippage_tolerance",'
    ' t.chain_type AS "signal_data.chain_type", n.total AS "execution_status.total",'
    ' n.executed AS "execution_status.executed", n.failed AS "execution_status.failed",'
    ' n.total - n.executed - n.failed - n.skipped AS "execution_status.pending",'
    ' n.skipped AS "execution_status.skipped",'
    " t.node_id, t.node_type, t.created_at, t.processed_at, t.stop"
    " FROM trading_signals t JOIN shared_flows f ON f.id = t.flow_id"
    " JOIN instruments i ON i.id = t.instrument_id"
    " LEFT JOIN flow_subscriptions own ON own.flow_id = f.id AND own.is_leader"
    " LEFT JOIN signal_executions e ON e.signal_id = t.id AND e.subscription_id = own.id"
    # Counted here only while the signal is being copied.
    " CROSS JOIN LATERAL (SELECT coalesce(t.executions_total, count(*)) AS total,"
    "   coalesce(t.executions_executed,"
    "    count(*) FILTER (WHERE status IN ('completed', 'partial'))) AS executed,"
    "   coalesce(t.executions_failed, count(*) FILTER (WHERE status = 'failed')) AS failed,"
    "   coalesce(t.executions_skipped, count(*) FILTER (WHERE status = 'skipped')) AS skipped"
    "  FROM signal_executions WHERE signal_id = t.id AND t.executions_total IS NULL) n"
    " WHERE t.flow_id = %(flow)s"
)
_SIGNAL_OF_MINE: LiteralString = (
    "SELECT %(all)s OR f.creator_id = %(user)s FROM trading_signals t"
    " JOIN shared_flows f ON f.id = t.flow_id WHERE t.id = %(signal)s"
)


def signals_of(
    tx: Tx, flow_id: UUID, user_id: UUID, limit: int, *, everything: bool = False
) -> list[TradingSignal]:
    """A flow's signals, newest first: all for its creator and whoever sees `everything`, for a
    follower those until they left, none for others. Code `unknown_flow`."""
    find_flow(tx, flow_id)
    values = {"flow": flow_id, "user": user_id, "limit": limit, "all": everything}
    query = _SIGNALS + _SEEN + " ORDER BY t.sequence DESC LIMIT %(limit)s"
    found = records(tx, TradingSignal, query, values)
    return [replace(one, stop=stop_of(cast(Any, one.stop))) for one in found]


def executions_of(
    tx: Tx, signal_id: UUID, user_id: UUID, asked: Numbered, *, everything: bool = False
) -> Sheet[SignalExecution]:
    """What a signal did: in all books for its creator and whoever sees `everything`, in their own
    for a follower; for others, and for no signal, code `unknown_signal`."""
    values = {"signal": signal_id, "user": user_id, "all": everything}
    related = tx.execute(_SIGNAL_OF_MINE + _SEEN, values).fetchone()
    if related is None:
        raise unknown("signal", signal_id, "signalId")
    source: LiteralString = (
        " FROM signal_executions e JOIN flow_subscriptions s ON s.id = e.subscription_id"
        " WHERE e.signal_id = %(signal)s"
    )
    if not related[0]:
        source += " AND s.follower_id = %(user)s"
    query: LiteralString = (
        "SELECT e.signal_id, e.subscription_id, s.follower_id, s.follower_vault_address, e.status,"
        " e.executed_amount, e.executed_price, e.gas_cost, e.slippage,"
        " e.order_id::text AS tx_hash, NULL::integer AS block_number, e.error,"
        " e.wanted, e.limit_id,"
        " e.created_at, e.executed_at, e.completed_at" + source + " ORDER BY e.subscription_id"
    )
    return sheet(tx, SignalExecution, query, "SELECT count(*)" + source, values, asked)
