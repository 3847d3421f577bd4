"""Publish a flow's signals and copy them.

Copying a signal is a chain of small transactions, each safe to repeat:

    publish -> plan (a chunk of followers each) -> intend parents
            -> submit to the venue -> observe -> allocate (a chunk each) -> finish

`copy_signal` calls them one after the other; the durable workflow in `jobs.py` calls the same
ones as recorded steps. Signals of one flow are copied one at a time and in order: processed
together, two signals would both compute their difference from the same old position.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.copying import queries
from commenda.copying.model import RULES, Entry, Flow, Signal
from commenda.copying.rules import is_late, signal_type
from commenda.execution import (
    CHUNK,
    Broker,
    execute_order,
    halted_instruments,
    intend,
    orders_of,
    working,
)
from commenda.kit import clock, ids
from commenda.kit.db import Database, Tx
from commenda.kit.rows import put
from commenda.ledger import Author
from commenda.venues import TimeInForce

SIGNAL_LATE = "signal_late: it was copied too long after it was published to open anything"


def publish_signal(
    tx: Tx,
    *,
    flow: Flow,
    natural_key: str,
    target: Decimal,
    reference_price: Decimal,
    now: datetime,
    base: str,
    quote: str,
    trigger_price: Decimal | None = None,
    node_id: str = "strategy-runner",
    stop: Mapping[str, Any] | None = None,
) -> tuple[UUID, bool]:
    """Store a signal once; (its id, whether it is new).

    Delivered again under the same natural key it is the same signal. The flow's row is locked, so
    that sequence numbers have no gap and no tie.
    """
    signal_id = ids.derive("signal", flow.id, natural_key)
    row = tx.execute(
        "SELECT last_sequence FROM shared_flows WHERE id = %s FOR NO KEY UPDATE", (flow.id,)
    ).fetchone()
    assert row is not None, "a signal's flow is shared before it publishes"
    sequence = row[0] + 1
    last = tx.execute(
        "SELECT target FROM trading_signals WHERE flow_id = %s AND sequence = %s",
        (flow.id, sequence - 1),
    ).fetchone()
    previous = last[0] if last else Decimal(0)
    kind = signal_type(previous, target)
    signal = {
        "id": signal_id,
        "flow_id": flow.id,
        "sequence": sequence,
        "natural_key": natural_key,
        "creator_id": flow.creator_id,
        "signal_type": kind,
        "instrument_id": flow.instrument_id,
        "from_token": quote if kind == "buy" else base,
        "to_token": base if kind == "buy" else quote,
        "amount_in_percentage": abs(target - previous) * 100,
        "slippage_tolerance": Decimal("0.01"),
        "previous_target": previous,
        "target": target,
        "reference_price": reference_price,
        "trigger_price": trigger_price,
        "stop": stop and Jsonb(stop),
        "node_id": node_id,
        "node_type": flow.strategy,
        "created_at": now,
    }
    new = put(tx, "INSERT INTO trading_signals", signal)
    if new:
        tx.execute(
            "UPDATE shared_flows SET last_sequence = %s, last_signal_at = %s, updated_at = %s"
            " WHERE id = %s",
            (sequence, now, now, flow.id),
        )
    return signal_id, new


def plan(tx: Tx, broker: Broker, signal_id: UUID, now: datetime) -> bool:
    """Decide what the next chunk of followers does on a signal; True while more may follow.

    Differences are computed under the lock of each leg's cash account, from equity at the price
    the signal carries. Whoever stops a subscription meanwhile waits until the plan stands.
    """
    return queries.plan_executions(tx, signal_id, broker.marks(now), CHUNK, now) == CHUNK


def intend_parents(tx: Tx, broker: Broker, signal_id: UUID, now: datetime) -> list[UUID]:
    """Turn a signal's planned executions into one parent order for each side.

    What would open or increase a position is left out while the market is not to be trusted, or
    where the signal waited for too long, and is cut to the limits of risk; each execution says so.
    """
    signal = queries.claim_planned(tx, signal_id)
    if signal is None:
        return [order.id for order in orders_of(tx, "signal", signal_id)]
    why = halted_instruments(tx).get(signal.instrument_id)
    halted = why is not None
    if why is None and is_late(signal.created_at, clock.business_now(tx)):
        why = SIGNAL_LATE
    if why and queries.hold_back(tx, signal, why) and halted and not signal.repeats:
        queries.ask_again(tx, signal)
    requests = queries.requests_of(tx, signal.id)
    entry, bar = _entry(tx, broker, signal)
    opening = [one for one in requests if entry is not Entry.MARKET and one[2] * signal.opens > 0]
    ask = partial(
        intend,
        tx,
        cause="signal",
        cause_id=signal.id,
        correlation_id=signal.id,
        instrument=broker.instrument(signal.instrument_id),
        reference_price=signal.reference_price,
        now=now,
        exits=signal.target == 0,
    )
    orders, verdict = ask(
        requests=[one for one in requests if one not in opening],
        trigger_price=signal.trigger_price,
        # A strategy's stop rested in the bar that has just closed.
        active_from=now - timedelta(seconds=broker.feed.interval) if signal.trigger_price else None,
    )
    if opening:
        waits = entry is Entry.POST_ONLY
        more, judged = ask(
            requests=opening,
            collar=Decimal(0) if waits else signal.slippage_tolerance,
            time_in_force=TimeInForce(entry),
            expires_at=now + bar if waits else None,
        )
        orders += more
        queries.note_cuts(tx, signal.id, judged)
    queries.note_cuts(tx, signal.id, verdict)
    return [order.id for order in orders]


def _entry(tx: Tx, broker: Broker, signal: Signal) -> tuple[Entry, timedelta]:
    """How a signal's flow orders what it opens, and the length of its bars."""
    row = tx.execute(
        "SELECT entry, interval_seconds FROM shared_flows WHERE id = %s", (signal.flow_id,)
    ).fetchone()
    assert row is not None, "a signal's flow is shared before it publishes"
    return Entry(row[0]), timedelta(seconds=row[1] or broker.feed.interval)


def finish(tx: Tx, signal_id: UUID, now: datetime) -> bool:
    """Write each execution's outcome and close the signal; False while a parent of it works."""
    if working(tx, "signal", signal_id):
        return False
    queries.complete_executions(tx, signal_id, now)
    queries.close_signal(tx, signal_id, now)
    return True


def copy_signal(database: Database, broker: Broker, signal_id: UUID, now: datetime) -> bool:
    """Copy a signal to everybody who follows its flow, after all earlier ones of the flow.

    Every part of it can be repeated: killed anywhere and called again, it goes on. False while an
    order of it, or of an earlier one, works at a venue: called again later, it goes on then.
    """
    with database.read() as tx:
        earlier = queries.unprocessed_before(tx, signal_id)
    return all(_copy_one(database, broker, one, now) for one in [*earlier, signal_id])


def _copy_one(database: Database, broker: Broker, signal_id: UUID, now: datetime) -> bool:
    author = Author("copying", RULES, now)
    more = True
    while more:
        with database.transaction() as tx:
            more = plan(tx, broker, signal_id, now)
            order_ids = [] if more else intend_parents(tx, broker, signal_id, now)
    for order_id in order_ids:
        execute_order(database, broker, order_id, author)
    with database.transaction() as tx:
        return finish(tx, signal_id, now)
