"""Copying as durable work: the same actions, one recorded step each.

A signal is published and its workflow enqueued in one transaction. The queue is partitioned by
flow, so that the signals of one flow are copied one at a time and in order, over all workers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from commenda.copying import actions, queries
from commenda.copying.model import RULES
from commenda.execution import Broker, allocate_chunk, observe, submit
from commenda.kit import durable, outbox
from commenda.kit.db import Database, Tx
from commenda.ledger import Author
from commenda.venues import OrderView

SIGNALS = outbox.Queue("signals", concurrency=4, partitioned=True)
COPY_SIGNAL = "copying.copy_signal"
LOOKS = (0.0, 0.1, 0.3, 1.0, 3.0)
"""Seconds before each look at an order that works at its venue."""


def workflow_of(signal_id: UUID) -> str:
    """The id of the workflow that copies a signal."""
    return f"{COPY_SIGNAL}:{signal_id}"


def enqueue_copy(tx: Tx, signal_id: UUID, now: datetime) -> None:
    """Have a worker copy a signal once this transaction commits."""
    signal = queries.find_signal(tx, signal_id)
    outbox.enqueue(
        tx,
        COPY_SIGNAL,
        str(signal_id),
        now.isoformat(),
        workflow_id=workflow_of(signal_id),
        queue=SIGNALS,
        partition_key=str(signal.flow_id),
        order=signal.sequence,
    )


def copy_signal_workflow(database: Database, broker: Broker) -> durable.Workflow:
    """The workflow that copies one signal at this worker's broker."""
    return durable.Workflow(COPY_SIGNAL, _copy_signal(database, broker))


def _copy_signal(database: Database, broker: Broker) -> Callable[[str, str], None]:
    def look(order_id: str, at: str, pause: float) -> OrderView | None:
        broker.hints.wait(pause)
        return submit(database, broker, UUID(order_id), datetime.fromisoformat(at))

    def plan(tx: Tx, signal_id: str, at: str) -> bool | None:
        if queries.unprocessed_before(tx, UUID(signal_id)):
            return None
        return actions.plan(tx, broker, UUID(signal_id), datetime.fromisoformat(at))

    def intend(tx: Tx, signal_id: str, at: str) -> list[str]:
        moment = datetime.fromisoformat(at)
        return [str(one) for one in actions.intend_parents(tx, broker, UUID(signal_id), moment)]

    def note(tx: Tx, order_id: str, at: str, view: OrderView | None) -> bool:
        return observe(tx, broker, UUID(order_id), _author(at), view).status.is_terminal

    def share(tx: Tx, order_id: str, at: str, chunk: int) -> bool:
        return allocate_chunk(tx, broker, UUID(order_id), _author(at), chunk)

    def finish(tx: Tx, signal_id: str, at: str) -> bool:
        return actions.finish(tx, UUID(signal_id), datetime.fromisoformat(at))

    def ended(order_id: str, at: str) -> bool:
        for pause in LOOKS:
            view = durable.call(look, order_id, at, pause)
            if durable.step(note, order_id, at, view):
                return True
        return False

    def copy_signal(signal_id: str, at: str) -> None:
        """What waits for an earlier signal, or works at its venue for longer, the tick goes on
        with: a queue is not kept by a venue."""
        while more := durable.step(plan, signal_id, at):
            pass
        if more is None:
            return
        for order_id in durable.step(intend, signal_id, at):
            chunk = 0
            if ended(order_id, at):
                while durable.step(share, order_id, at, chunk):
                    chunk += 1
        durable.step(finish, signal_id, at)

    return copy_signal


def _author(at: str) -> Author:
    return Author("copying", RULES, datetime.fromisoformat(at))
