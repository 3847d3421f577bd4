"""What is told live: the latest of each topic, in the very form in which news of it follows.

    market:<venue>:<symbol>  bars that closed; beside them what feeds know now (`kit.cache`)
    strategy:<flow id>       signals of a flow, and the daily value of its creator's own book
    alerts                   what somebody should look at (told by `commenda.alerts`, as raised)

The form is the same so that a reader can drop news that a snapshot already had.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from commenda import alerts
from commenda.identity import Permission
from commenda.kit import bus
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.wire import wire
from commenda.market import Bar, Instrument, bar_message

Message = dict[str, Any]

_BARS, _SIGNALS, _VALUES, _ALERTS = 100, 50, 30, 50
_SIGNAL_ROWS: LiteralString = (
    'SELECT s.id AS "signalId", s.flow_id AS "flowId", i.symbol, s.signal_type AS "signalType",'
    ' s.target, s.reference_price AS "referencePrice", s.created_at AS "createdAt"'
    " FROM trading_signals s JOIN instruments i ON i.id = s.instrument_id "
)
_VALUE_ROWS: LiteralString = (
    'SELECT b.flow_id AS "flowId", n.at, n.capital, n.nav FROM flow_subscriptions b'
    " JOIN legs l ON l.id = b.leg_id"
    " JOIN nav_history n ON n.scope_id = l.scope_id AND n.leg_id = l.id WHERE b.is_leader "
)


def latest_bars(tx: Tx, instrument: Instrument) -> list[Message]:
    """The last bars of an instrument that closed, oldest first."""
    bars = tx.execute(
        "SELECT extract(epoch FROM ts)::bigint, interval_seconds, open, high, low, close, volume"
        " FROM market_bars WHERE instrument_id = %s ORDER BY ts DESC LIMIT %s",
        (instrument.id, _BARS),
    ).fetchall()
    return [
        bar_message(instrument, interval, Bar(ts, *prices))
        for ts, interval, *prices in reversed(bars)
    ]


def require_listener(tx: Tx, flow_id: UUID, user_id: UUID | None) -> None:
    """Who may hear of a flow: its creator and those who follow it; None stands for the staff.

    Code `unknown_flow`, for others as for nobody's flow.
    """
    related = tx.execute(
        "SELECT FROM shared_flows f WHERE f.id = %(flow)s AND (%(user)s::uuid IS NULL"
        " OR f.creator_id = %(user)s OR EXISTS (SELECT FROM flow_subscriptions mine"
        "  WHERE mine.follower_id = %(user)s AND mine.flow_id = f.id"
        "   AND mine.status <> 'cancelled'))",
        {"flow": flow_id, "user": user_id},
    ).fetchone()
    if related is None:
        raise unknown("flow", flow_id, "flowId")


def latest_signals(tx: Tx, flow_id: UUID) -> list[Message]:
    """The last signals of a flow and values of its creator's book."""
    of_flow: LiteralString = "WHERE s.flow_id = %s ORDER BY s.sequence DESC LIMIT %s"
    signals = _messages(tx, "signal", _SIGNAL_ROWS + of_flow, flow_id, _SIGNALS)
    of_book: LiteralString = "AND b.flow_id = %s ORDER BY n.at DESC LIMIT %s"
    values = _messages(tx, "nav", _VALUE_ROWS + of_book, flow_id, _VALUES)
    return values[::-1] + signals[::-1]


def latest_alerts(tx: Tx) -> list[Message]:
    """The last alerts, oldest first."""
    return [wire(one) for one in alerts.latest_alerts(tx, Permission.OVERVIEW, _ALERTS)[::-1]]


def signal_published(tx: Tx, signal_id: UUID) -> None:
    """Tell who listens to a flow of its new signal."""
    (signal,) = _messages(tx, "signal", _SIGNAL_ROWS + "WHERE s.id = %s", signal_id)
    bus.publish(tx, f"strategy:{signal['flowId']}", signal)


def nav_recorded(tx: Tx, at: datetime) -> None:
    """Tell who listens to a flow what its creator's own book is worth at the end of the day."""
    for value in _messages(tx, "nav", _VALUE_ROWS + "AND n.at = %s ORDER BY b.flow_id", at):
        bus.publish(tx, f"strategy:{value['flowId']}", value)


def _messages(tx: Tx, kind: str, query: LiteralString, *values: object) -> list[Message]:
    with tx.cursor(row_factory=dict_row) as cursor:
        return [{"type": kind, **row} for row in cursor.execute(query, values)]
