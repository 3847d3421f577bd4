"""A living operation's strategies: every open flow is handed the bars that have closed.

One transaction takes a bar to all flows: their states, the signals of stops that fired and the
workflows that will copy them are stored together, so a bar is taken once whatever is killed. New
targets wait in `pending_target` until the tick's other work is done, and trade at the same open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from commenda.copying.actions import publish_signal
from commenda.copying.jobs import enqueue_copy
from commenda.copying.model import Flow
from commenda.copying.runner import Move, Runner, load_runner, save_runners, signal_key
from commenda.kernel import Costs
from commenda.kit.db import Tx
from commenda.trading import Desk

Published = Callable[[Tx, UUID], None]
"""Told of each new signal, in the transaction that stores it."""


@dataclass(slots=True)
class Runners:
    """The runners of one process. One that another process has taken further is loaded again."""

    costs: Costs
    _loaded: dict[UUID, Runner] = field(default_factory=dict)

    def of(self, tx: Tx, flow: Flow, last_bar: datetime | None) -> Runner:
        known = self._loaded.get(flow.id)
        stored = None if last_bar is None else int(last_bar.timestamp())
        if known is None or known.last_bar != stored:
            self._loaded[flow.id] = known = load_runner(tx, flow, self.costs)
        return known

    def forget(self) -> None:
        """Drop what was stepped in a transaction that did not commit."""
        self._loaded.clear()


def step_flows(tx: Tx, desk: Desk, runners: Runners, now: datetime, tell: Published) -> int:
    """Hand every open flow the bars that closed by `now`; how many signals were published.

    A flow that is behind by more than one bar (the workers were down) steps through all of them,
    and trades only where it has come to: a stop or target of the past cannot be traded any more.
    A paused flow goes on deciding: its stops protect whoever holds something, and its latest
    target waits until it is resumed.
    """
    open_ts = int(now.timestamp())
    runners_now, signals = [], 0
    traded = [one.id for one in desk.feed.instruments]
    for flow, last_bar in _open_flows(tx, traded):
        runner = runners.of(tx, flow, last_bar)
        moves = _take(runner, desk, open_ts)
        if not moves:
            continue
        runners_now.append(runner)
        stop, target = _come_to(moves)
        if stop is not None:
            signals += _publish(tx, desk, flow, now, "stop", Decimal(0), stop, tell)
        if stop is not None or target is not None:
            tx.execute(
                "UPDATE shared_flows SET pending_target = %s WHERE id = %s", (target, flow.id)
            )
    save_runners(tx, runners_now)
    return signals


def publish_targets(tx: Tx, desk: Desk, now: datetime, tell: Published) -> int:
    """Publish the targets of active flows that wait for this open; how many."""
    rows = tx.execute(
        "UPDATE shared_flows f SET pending_target = NULL FROM shared_flows old"
        " WHERE f.id = old.id AND old.pending_target IS NOT NULL AND f.status = 'active'"
        " RETURNING f.id, old.pending_target"
    ).fetchall()
    targets: dict[UUID, Decimal] = dict(rows)
    return sum(
        _publish(tx, desk, flow, now, "target", targets[flow.id], None, tell)
        for flow in _flows(tx, list(targets))
    )


def repeat_exits(tx: Tx, desk: Desk, now: datetime, flow_ids: list[UUID], tell: Published) -> int:
    """Ask again for exits that the venue refused or filled in part; how many signals."""
    return sum(
        _publish(tx, desk, flow, now, "exit", Decimal(0), None, tell)
        for flow in _flows(tx, flow_ids)
    )


def _take(runner: Runner, desk: Desk, open_ts: int) -> list[Move | None]:
    """Take the bars that closed by `open_ts`; what each made the strategy do.

    A flow's first bar is the one that has just closed: it does not trade on what was before it.
    """
    feed = desk.feed
    last = open_ts - feed.interval
    first = last if runner.last_bar is None else runner.last_bar + feed.interval
    return [
        runner.take(feed, ts)
        for ts in feed.timestamps(first, last + 1)
        if feed.bar(runner.flow.instrument_id, ts) is not None
    ]


def _come_to(moves: list[Move | None]) -> tuple[Decimal | None, Decimal | None]:
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
    desk: Desk,
    flow: Flow,
    now: datetime,
    kind: str,
    target: Decimal,
    stop_price: Decimal | None,
    tell: Published,
) -> int:
    """Store a signal and have it copied. At this open's price or, where a stop fired, at its."""
    instrument = desk.instrument(flow.instrument_id)
    ts = int(now.timestamp())
    bar = desk.feed.bar(instrument.id, ts)
    if stop_price is not None:
        price = stop_price
    elif bar is not None:
        price = Decimal(repr(bar.open))
    else:
        price = desk.feed.mark_at(instrument.id, ts).price
    signal_id, new = publish_signal(
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
    if new:
        enqueue_copy(tx, signal_id, now)
        tell(tx, signal_id)
    return int(new)


_SELECT: LiteralString = (
    "SELECT id, creator_id, title, strategy, params, instrument_id, last_bar_at FROM shared_flows "
)


def _open_flows(tx: Tx, instruments: list[int]) -> list[tuple[Flow, datetime | None]]:
    """Flows of some instruments that are not closed, locked in id order, and their last bar."""
    rows = tx.execute(
        _SELECT + "WHERE status <> 'closed' AND instrument_id = ANY (%s)"
        " ORDER BY id FOR NO KEY UPDATE",
        (instruments,),
    ).fetchall()
    return [(Flow(*row[:6]), row[6]) for row in rows]


def _flows(tx: Tx, flow_ids: list[UUID]) -> list[Flow]:
    rows = tx.execute(_SELECT + "WHERE id = ANY (%s) ORDER BY id", (flow_ids,)).fetchall()
    return [Flow(*row[:6]) for row in rows]


def unprocessed_signals(tx: Tx) -> list[UUID]:
    """Signals that are not copied yet, oldest first."""
    rows = tx.execute(
        "SELECT id FROM trading_signals WHERE status <> 'processed' ORDER BY created_at, sequence"
    ).fetchall()
    return [row[0] for row in rows]
