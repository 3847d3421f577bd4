"""A living operation's strategies: every open flow is handed the bars that have closed.

One transaction takes a bar to all flows: their states, the signals of stops that fired and the
workflows that will copy them are stored together, so a bar is taken once whatever is killed. New
targets wait in `pending_target` until the tick's other work is done, and trade at the same open.

A flow that fails fails alone: it is behind by a bar and tries again at the next tick, somebody is
told, and it is paused when it goes on failing. A flow whose last signal could not be copied waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from commenda.alerts import end_alerts, open_alerts, raise_alerts
from commenda.audit import Event
from commenda.copying.actions import publish_signal
from commenda.copying.jobs import enqueue_copy
from commenda.copying.model import RULES, Flow
from commenda.copying.queries import find_signal
from commenda.copying.runner import Move, Runner, load_runner, save_runners, signal_key
from commenda.execution import Broker
from commenda.kernel import Costs
from commenda.kit import ids
from commenda.kit.db import AWAY, Tx

Published = Callable[[Tx, UUID], None]
"""Told of each new signal, in the transaction that stores it."""

PATIENCE = 3
"""Failures in a row after which a flow is paused."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Runners:
    """The runners of one process. One that another process has taken further is loaded again."""

    costs: Costs
    _loaded: dict[UUID, Runner] = field(default_factory=dict)
    _failures: dict[tuple[UUID, str], int] = field(default_factory=dict)

    def of(self, tx: Tx, flow: Flow, last_bar: datetime | None) -> Runner:
        known = self._loaded.get(flow.id)
        stored = None if last_bar is None else int(last_bar.timestamp())
        if known is None or known.last_bar != stored:
            self._loaded[flow.id] = known = load_runner(tx, flow, self.costs)
        return known

    def failing(self) -> set[UUID]:
        """The flows that failed the last time."""
        return {flow for flow, _ in self._failures}

    def forget(self) -> None:
        """Drop what was stepped in a transaction that did not commit."""
        self._loaded.clear()

    @contextmanager
    def apart(self, tx: Tx, flow: Flow, now: datetime, part: str) -> Iterator[None]:
        """One flow's part of a transaction: should it fail, the others go on without it."""
        try:
            yield
        except AWAY:
            raise
        except Exception as error:
            _log.exception("the flow %s failed", flow.id)
            self._loaded.pop(flow.id, None)
            times = self._failures.get((flow.id, part), 0) + 1
            self._failures[flow.id, part] = times
            _tell_failure(tx, flow, now, error, times)
        else:
            self._failures.pop((flow.id, part), None)


def _tell_failure(tx: Tx, flow: Flow, now: datetime, error: Exception, times: int) -> None:
    """Raise an alert while a flow fails; it is paused when it goes on failing."""
    if times == PATIENCE:
        tx.execute(
            "UPDATE shared_flows SET status = 'paused', is_active = false, updated_at = %s"
            " WHERE id = %s AND status = 'active'",
            (now, flow.id),
        )
    said = {"title": flow.title, "error": f"{type(error).__name__}: {error}"[:1000]}
    result = "paused" if times >= PATIENCE else "failed"
    _alert(tx, "alert.flow_failed", str(flow.id), flow.id, result, now, said)


def _end_what_is_over(tx: Tx, runners: Runners, tried: Sequence[UUID], now: datetime) -> None:
    """End alerts about flows that work again or are closed, and signals that are copied."""
    flows, signals = open_alerts(tx, "alert.flow_failed", "alert.copy_failed").values()
    if not flows and not signals:
        return
    failing = runners.failing()
    works = [flow for flow in tried if flow not in failing]
    over = tx.execute(
        "SELECT 'alert.flow_failed', id::text FROM shared_flows WHERE id = ANY (%s::uuid[])"
        "  AND (status = 'closed' OR id = ANY (%s))"
        " UNION ALL SELECT 'alert.copy_failed', id::text FROM trading_signals"
        "  WHERE id = ANY (%s::uuid[]) AND status = 'processed'",
        (flows, works, signals),
    ).fetchall()
    for kind, subject in over:
        end_alerts(tx, kind, now, about=[subject])


def tell_uncopied(tx: Tx, signal_id: UUID, error: Exception) -> None:
    """Raise an alert about a signal that cannot be copied, once however often it is tried."""
    signal = find_signal(tx, signal_id)
    said = {"flowId": str(signal.flow_id), "error": f"{type(error).__name__}: {error}"[:1000]}
    subject, at = str(signal_id), signal.created_at
    _alert(tx, "alert.copy_failed", subject, signal.flow_id, "failed", at, said)


def _alert(
    tx: Tx, kind: str, subject: str, flow_id: UUID, result: str, at: datetime, said: dict[str, str]
) -> None:
    correlation = ids.derive("flow", flow_id)
    raise_alerts(tx, [Event(kind, subject, correlation, result, "copying", RULES, at, said)])


def step_flows(tx: Tx, broker: Broker, runners: Runners, now: datetime, tell: Published) -> int:
    """Hand every open flow the bars that closed by `now`; how many signals were published.

    A flow that is behind by more than one bar (the workers were down) steps through all of them,
    and trades only where it has come to: a stop or target of the past cannot be traded any more.
    A paused flow goes on deciding: its stops protect whoever holds something, and its latest
    target waits until it is resumed.
    """
    open_ts = int(now.timestamp())
    runners_now, signals = [], 0
    flows = _flows(tx, broker, "status <> 'closed' AND " + _COPIED)
    for flow, last_bar, _ in flows:
        with runners.apart(tx, flow, now, "step"):
            runner = runners.of(tx, flow, last_bar)
            moves = _take(runner, broker, open_ts)
            if moves:
                signals += _decide(tx, broker, flow, now, moves, tell)
                runners_now.append(runner)
    save_runners(tx, runners_now)
    _end_what_is_over(tx, runners, [flow.id for flow, _, _ in flows], now)
    return signals


def _decide(
    tx: Tx, broker: Broker, flow: Flow, now: datetime, moves: Sequence[Move | None], tell: Published
) -> int:
    """Publish a stop that fired and keep the target to move to; how many signals."""
    stop, target = _come_to(moves)
    if stop is None and target is None:
        return 0
    with tx.transaction():
        tx.execute("UPDATE shared_flows SET pending_target = %s WHERE id = %s", (target, flow.id))
        if stop is None:
            return 0
        return _publish(tx, broker, flow, now, "stop", Decimal(0), stop, tell)


def publish_targets(
    tx: Tx, broker: Broker, runners: Runners, now: datetime, tell: Published
) -> int:
    """Publish the targets of active flows that wait for this open; how many."""
    # Locked before it is read: of two who do this at once the second finds nothing.
    waiting = _flows(tx, broker, "status = 'active' AND pending_target IS NOT NULL AND " + _COPIED)
    signals = 0
    for flow, _, target in waiting:
        assert target is not None, "asked for"
        with runners.apart(tx, flow, now, "target"), tx.transaction():
            tx.execute("UPDATE shared_flows SET pending_target = NULL WHERE id = %s", (flow.id,))
            signals += _publish(tx, broker, flow, now, "target", target, None, tell)
    return signals


def repeat_exits(
    tx: Tx, broker: Broker, runners: Runners, now: datetime, flow_ids: list[UUID], tell: Published
) -> int:
    """Ask again for exits that the venue refused or filled in part; how many signals."""
    signals = 0
    for flow, _, _ in _flows(tx, broker, "id = ANY (%(ids)s)", flow_ids):
        with runners.apart(tx, flow, now, "exit"), tx.transaction():
            signals += _publish(tx, broker, flow, now, "exit", Decimal(0), None, tell)
    return signals


def _take(runner: Runner, broker: Broker, open_ts: int) -> list[Move | None]:
    """Take the bars that closed by `open_ts`; what each made the strategy do.

    A flow's first bar is the one that has just closed: it does not trade on what was before it.
    """
    feed = broker.feed
    last = open_ts - feed.interval
    after = last - feed.interval if runner.last_bar is None else runner.last_bar
    return [
        runner.take(feed, ts)
        for ts in feed.timestamps(after + 1, last + 1)
        if feed.bar(runner.flow.instrument_id, ts) is not None
    ]


def _come_to(moves: Sequence[Move | None]) -> tuple[Decimal | None, Decimal | None]:
    """(price of a stop that fired in the last bar, target to move to), either or none."""
    stop, target = None, None
    for place, move in enumerate(moves, start=1):
        if move is None:
            continue
        if move.stop_price is not None:
            is_last = place == len(moves)
            stop, target = (move.stop_price, None) if is_last else (None, Decimal(0))
        if move.target is not None:
            target = move.target
    return stop, target


def _publish(
    tx: Tx,
    broker: Broker,
    flow: Flow,
    now: datetime,
    kind: str,
    target: Decimal,
    stop_price: Decimal | None,
    tell: Published,
) -> int:
    signal_id, new = publish_at_open(tx, broker, flow, now, kind, target, stop_price)
    if new:
        enqueue_copy(tx, signal_id, now)
        tell(tx, signal_id)
    return int(new)


def publish_at_open(
    tx: Tx,
    broker: Broker,
    flow: Flow,
    now: datetime,
    kind: str,
    target: Decimal,
    stop_price: Decimal | None = None,
) -> tuple[UUID, bool]:
    """Store a signal at this open's price or, where a stop fired, at its; (its id, whether new)."""
    instrument = broker.instrument(flow.instrument_id)
    ts = int(now.timestamp())
    bar = broker.feed.bar(instrument.id, ts)
    if stop_price is not None:
        price = stop_price
    elif bar is not None:
        price = Decimal(repr(bar.open))
    else:
        price = broker.feed.mark_at(instrument.id, ts).price
    return publish_signal(
        tx,
        flow=flow,
        natural_key=signal_key(ts, kind),
        target=target,
        reference_price=instrument.to_tick(price),
        trigger_price=None if stop_price is None else instrument.to_tick(stop_price),
        base=instrument.base,
        quote=instrument.quote,
        now=now,
    )


_TRADED: LiteralString = (
    "SELECT id, creator_id, title, strategy, params, instrument_id, last_bar_at, pending_target"
    " FROM shared_flows WHERE instrument_id = ANY (%(traded)s) AND "
)
_COPIED: LiteralString = (
    "NOT EXISTS (SELECT FROM trading_signals s"
    " WHERE s.flow_id = shared_flows.id AND s.status <> 'processed')"
)
"""A flow's signals are copied in order: while one could not be, none may follow it."""


def _flows(
    tx: Tx, broker: Broker, where: LiteralString, flow_ids: Sequence[UUID] = ()
) -> list[tuple[Flow, datetime | None, Decimal | None]]:
    """(flow, its last bar, what it is to move to) of the broker's instruments, locked in order."""
    rows = tx.execute(
        _TRADED + where + " ORDER BY id FOR NO KEY UPDATE",
        {"traded": [one.id for one in broker.feed.instruments], "ids": list(flow_ids)},
    ).fetchall()
    return [(Flow(*flow), last_bar, target) for *flow, last_bar, target in rows]


def unprocessed_signals(tx: Tx) -> list[UUID]:
    """Signals that are not copied yet, oldest first."""
    rows = tx.execute(
        "SELECT id FROM trading_signals WHERE status <> 'processed' ORDER BY created_at, sequence"
    ).fetchall()
    return [row[0] for row in rows]
