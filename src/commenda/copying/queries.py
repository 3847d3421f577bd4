"""SQL of flows, subscriptions, signals and executions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from commenda.copying.model import Flow, Signal
from commenda.copying.rules import DEAD_BAND
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, unknown
from commenda.kit.rows import columns, first
from commenda.risk import Verdict

_COLUMNS: LiteralString = (
    "id, flow_id, sequence, instrument_id, previous_target, target, reference_price,"
    " trigger_price, status, created_at, slippage_tolerance"
)
_SIGNAL: LiteralString = "SELECT " + _COLUMNS + " FROM trading_signals "  # noqa: S608 - constants


def find_signal(tx: Tx, signal_id: UUID) -> Signal:
    signal = first(tx, Signal, _SIGNAL + "WHERE id = %s", (signal_id,))
    assert signal is not None, f"signal {signal_id} was published before it is copied"
    return signal


def find_flow(tx: Tx, flow_id: UUID) -> Flow:
    """A shared flow; code `unknown_flow`."""
    flow = first(
        tx,
        Flow,
        "SELECT id, creator_id, title, strategy, params, instrument_id, status,"
        " max_followers, min_investment, description, tags, venue, interval_seconds, entry,"
        " automatic, canary_of FROM shared_flows WHERE id = %s",
        (flow_id,),
    )
    if flow is None:
        raise unknown_flow(flow_id)
    return flow


def open_flow_ids(tx: Tx) -> list[UUID]:
    """The flows that are not closed."""
    rows = tx.execute("SELECT id FROM shared_flows WHERE status <> 'closed' ORDER BY id")
    return [row[0] for row in rows]


def asset_of(tx: Tx, instrument_id: int) -> str:
    """The asset that books on an instrument are kept in."""
    row = tx.execute("SELECT quote FROM instruments WHERE id = %s", (instrument_id,)).fetchone()
    assert row is not None, "a flow trades an instrument that is stored"
    return str(row[0])


def unknown_flow(flow_id: UUID) -> CommendaError:
    """Also for another's flow where one's own is asked for."""
    return unknown("flow", flow_id, "flowId")


def unprocessed_before(tx: Tx, signal_id: UUID) -> list[UUID]:
    """Earlier signals of the same flow that are not finished, oldest first."""
    rows = tx.execute(
        "SELECT e.id FROM trading_signals s JOIN trading_signals e"
        "  ON e.flow_id = s.flow_id AND e.sequence < s.sequence AND e.status <> 'processed'"
        " WHERE s.id = %s ORDER BY e.sequence",
        (signal_id,),
    )
    return [row[0] for row in rows]


def unprocessed(tx: Tx, natural_key: str) -> list[UUID]:
    """The signals of any flow that were published under a key and are not finished."""
    rows = tx.execute(
        "SELECT id FROM trading_signals WHERE natural_key = %s AND status <> 'processed'"
        " ORDER BY flow_id",
        (natural_key,),
    )
    return [row[0] for row in rows]


def unfinished_exits(tx: Tx) -> list[UUID]:
    """Flows that have left the market while their followers still hold something: a lot of it, for
    less cannot be sold."""
    rows = tx.execute(
        "SELECT f.id FROM shared_flows f JOIN trading_signals s"
        "  ON s.flow_id = f.id AND s.sequence = f.last_sequence"
        " WHERE s.target = 0 AND s.status = 'processed'"
        "  AND (SELECT sum(abs(p.quantity)) FROM flow_subscriptions b"
        "    JOIN positions p ON p.leg_id = b.leg_id AND p.instrument_id = s.instrument_id"
        "    WHERE b.flow_id = f.id AND b.status = 'active' AND p.quantity <> 0)"
        "   >= (SELECT lot FROM instruments i WHERE i.id = s.instrument_id)"
        " ORDER BY f.id"
    )
    return [row[0] for row in rows]


def planned(tx: Tx, scope_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the scopes that a signal has made a plan for and not traded yet.

    Plans that are just being made are waited for; later ones see what the caller asks for.
    """
    tx.execute(
        "SELECT pg_advisory_xact_lock_shared(plan_lock(flow_id)) FROM (SELECT DISTINCT s.flow_id"
        "  FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
        "  WHERE l.scope_id = ANY (%s) AND s.status = 'active' ORDER BY s.flow_id) f",
        (list(scope_ids),),
    )
    rows = tx.execute(
        "SELECT DISTINCT l.scope_id FROM trading_signals s"
        " JOIN signal_executions e ON e.signal_id = s.id AND e.status = 'pending'"
        " JOIN legs l ON l.id = e.leg_id"
        " WHERE s.status <> 'processed' AND l.scope_id = ANY (%s)",
        (list(scope_ids),),
    )
    return {row[0] for row in rows}


def plan_executions(
    tx: Tx,
    signal_id: UUID,
    marks: Mapping[int, Decimal],
    limit: int,
    now: datetime,
) -> int:
    """Plan what the next followers of a signal's flow do; how many there were.

    It is the only one that plans for the flow: those who stop a follower wait for it, by the
    trigger `stopping_waits_for_plans`.
    """
    row = tx.execute(
        "SELECT plan_executions(%s, %s, %s::smallint[], %s::numeric[], %s, %s)",
        (signal_id, DEAD_BAND, list(marks), list(marks.values()), limit, now),
    ).fetchone()
    assert row is not None
    return int(row[0])


def requests_of(tx: Tx, signal_id: UUID) -> list[tuple[UUID, str, Decimal]]:
    """(leg, its venue, signed quantity) of every execution of a signal that wants to trade."""
    return tx.execute(
        "SELECT e.leg_id, l.venue, e.requested FROM signal_executions e"
        " JOIN legs l ON l.id = e.leg_id"
        " WHERE e.signal_id = %s AND e.requested <> 0 ORDER BY e.leg_id",
        (signal_id,),
    ).fetchall()


def complete_executions(tx: Tx, signal_id: UUID, now: datetime) -> None:
    """Write what each execution got from its parent order, whose fills are shared out."""
    tx.execute(
        "UPDATE signal_executions e SET"
        "  status = CASE WHEN a.quantity = 0 THEN 'failed'"
        # What is bought at spot is less than was asked for by the fee that was taken of it.
        "                WHEN a.quantity = coalesce(e.wanted, e.requested) OR o.status = 'filled'"
        "                 AND e.wanted IS NULL AND a.held_back IS NULL THEN 'completed'"
        "                ELSE 'partial' END,"
        "  order_id = o.id, executed_amount = a.quantity, gas_cost = a.fee,"
        "  executed_price = a.notional / nullif(a.quantity, 0),"
        "  slippage = (a.notional / nullif(a.quantity, 0) / o.reference_price - 1)"
        "             * sign(a.requested),"
        "  error = CASE WHEN a.quantity = e.requested THEN e.error"
        "               WHEN a.quantity = a.requested THEN a.held_back"
        "               ELSE coalesce(o.reason, a.held_back, e.error) END,"
        "  executed_at = %(now)s, completed_at = %(now)s"
        " FROM orders o JOIN allocations a ON a.order_id = o.id"
        " WHERE o.cause = 'signal' AND o.cause_id = %(signal)s"
        "  AND e.signal_id = %(signal)s AND e.leg_id = a.leg_id AND e.status = 'pending'"
        "  AND a.quantity IS NOT NULL",
        {"signal": signal_id, "now": now},
    )
    # Less than a lot, together with all others of its side.
    tx.execute(
        "UPDATE signal_executions e SET status = 'skipped', requested = 0, error = 'below one lot'"
        " WHERE e.signal_id = %(signal)s AND e.status = 'pending' AND NOT EXISTS (SELECT FROM"
        "  orders o JOIN allocations a ON a.order_id = o.id WHERE o.cause = 'signal'"
        "   AND o.cause_id = %(signal)s AND a.leg_id = e.leg_id)",
        {"signal": signal_id},
    )


def close_signal(tx: Tx, signal_id: UUID, now: datetime) -> None:
    """Close a signal, once, and keep what became of its executions with it: lists show it by the
    dozen."""
    tx.execute(
        "UPDATE trading_signals s SET status = 'processed', processed_at = %(now)s,"
        "  executions_total = n.total, executions_executed = n.executed,"
        "  executions_failed = n.failed, executions_skipped = n.skipped"
        " FROM (SELECT count(*) AS total,"
        "   count(*) FILTER (WHERE status IN ('completed', 'partial')) AS executed,"
        "   count(*) FILTER (WHERE status = 'failed') AS failed,"
        "   count(*) FILTER (WHERE status = 'skipped') AS skipped"
        "  FROM signal_executions WHERE signal_id = %(signal)s) n"
        " WHERE s.id = %(signal)s AND s.status <> 'processed'",
        {"signal": signal_id, "now": now},
    )


def last_target(tx: Tx, flow_id: UUID) -> Decimal:
    """The exposure that a flow's last signal asked for; 0 before the first."""
    row = tx.execute(
        "SELECT target FROM trading_signals WHERE flow_id = %s ORDER BY sequence DESC LIMIT 1",
        (flow_id,),
    ).fetchone()
    return Decimal(0) if row is None else Decimal(row[0])


def hold_back(tx: Tx, signal: Signal, why: str) -> int:
    """Take from a signal's plan what would open or increase a position; of how many executions.

    What is taken out says `why`; the part that reduces is left.
    """
    return tx.execute(
        "UPDATE signal_executions e SET requested = n.part, error = %(why)s,"
        "  status = CASE WHEN n.part = 0 THEN 'skipped' ELSE e.status END"
        " FROM (SELECT e.leg_id, CASE WHEN coalesce(p.quantity, 0) * e.requested >= 0 THEN 0"
        "   ELSE sign(e.requested) * least(abs(e.requested), abs(p.quantity)) END AS part"
        "  FROM signal_executions e LEFT JOIN positions p"
        "   ON p.leg_id = e.leg_id AND p.instrument_id = %(instrument)s"
        "  WHERE e.signal_id = %(signal)s AND e.status = 'pending') n"
        " WHERE e.signal_id = %(signal)s AND e.leg_id = n.leg_id AND e.requested <> n.part",
        {"signal": signal.id, "instrument": signal.instrument_id, "why": why},
    ).rowcount


def note_cuts(tx: Tx, signal_id: UUID, verdict: Verdict) -> None:
    """Write into each execution that a limit left less of what it gets, what it wanted, and why."""
    if verdict.cuts:
        tx.execute(
            "UPDATE signal_executions e SET requested = n.granted, wanted = n.wanted,"
            "  limit_id = n.of, error = n.why,"
            "  status = CASE WHEN n.granted = 0 THEN 'skipped' ELSE e.status END"
            " FROM unnest(%s::uuid[], %s::numeric[], %s::numeric[], %s::uuid[], %s::text[])"
            "   AS n (leg_id, wanted, granted, of, why)"
            " WHERE e.signal_id = %s AND e.leg_id = n.leg_id AND e.status = 'pending'",
            (*columns([(*cut, verdict.why(cut)) for cut in verdict.cuts], 5), signal_id),
        )


def ask_again(tx: Tx, signal: Signal) -> None:
    """Let a target wait once more, where its flow has decided nothing since."""
    tx.execute(
        "UPDATE shared_flows SET pending_target = %s, pending_at = %s"
        " WHERE id = %s AND pending_target IS NULL AND last_sequence = %s",
        (signal.target, signal.created_at, signal.flow_id, signal.sequence),
    )


def repeat_targets(tx: Tx, flow_ids: Sequence[UUID], now: datetime) -> None:
    """Let the standing targets of active flows wait once more, so that legs that were given another
    amount come to them with the next step; who stands there already is within the dead-band."""
    tx.execute(
        "UPDATE shared_flows f SET pending_target = s.target, pending_at = %s"
        " FROM trading_signals s WHERE f.id = ANY (%s) AND f.status = 'active'"
        "  AND f.pending_target IS NULL AND s.flow_id = f.id AND s.sequence = f.last_sequence",
        (now, list(flow_ids)),
    )


def take_waiting(tx: Tx) -> dict[UUID, Decimal]:
    """The targets of active flows that wait, by flow; whoever takes them publishes them."""
    rows = tx.execute(
        "UPDATE shared_flows f SET pending_target = NULL, pending_at = NULL FROM shared_flows old"
        " WHERE old.id = f.id AND f.status = 'active' AND f.pending_target IS NOT NULL"
        " RETURNING f.id, old.pending_target"
    ).fetchall()
    return dict(rows)


def claim_planned(tx: Tx, signal_id: UUID) -> Signal | None:
    """Be the one who turns a signal's plan into orders; None where another has."""
    return first(
        tx,
        Signal,
        "UPDATE trading_signals SET status = 'planned'"  # noqa: S608 - constants
        " WHERE id = %s AND status = 'published' RETURNING " + _COLUMNS,
        (signal_id,),
    )
