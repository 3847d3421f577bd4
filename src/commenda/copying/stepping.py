"""A living operation's strategies: every open flow is handed the bars that have closed.

One transaction takes a bar to all flows: their states, the signals of stops that fired and the
workflows that will copy them are stored together, so a bar is taken once whatever is killed. New
targets wait in `pending_target` until the tick's other work is done, and trade at the same open.

A flow that fails fails alone: it is behind by a bar and tries again at the next tick, somebody is
told, and it is paused when it goes on failing. A flow whose last signal could not be copied waits.

A target that could not be traded in time (`rules.is_late`) is traded as far as it reduces what is
held, and no further: the next decision is taken afresh.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from commenda.alerts import end_alerts, open_alerts, raise_alerts
from commenda.audit import Event, record
from commenda.copying.actions import publish_signal
from commenda.copying.decisions import Decided, Taken, Target, come_to, note_taken, worth_noting
from commenda.copying.jobs import enqueue_copy
from commenda.copying.model import RULES, Flow
from commenda.copying.queries import find_signal, last_target
from commenda.copying.rules import LATE, is_late, reduced
from commenda.copying.runner import Runner, load_runner, save_runners, signal_key
from commenda.execution import Broker, halted_instruments
from commenda.kernel import Costs
from commenda.kit import ids
from commenda.kit.db import AWAY, Tx
from commenda.kit.money import plain
from commenda.kit.times import iso
from commenda.market import CandleFeed

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

    def of(self, tx: Tx, flow: Flow, last_bar: datetime | None, version: int) -> Runner:
        known = self._loaded.get(flow.id)
        stored = None if last_bar is None else int(last_bar.timestamp())
        if known is None or known.last_bar != stored or known.goes_by != version:
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
    due = _due(tx, broker)
    if due is not None and not due:
        return 0
    runners_now, signals = [], 0
    notes: list[Decided] = []
    where: LiteralString = "status <> 'closed' AND " + _COPIED
    flows = _flows(tx, broker, where if due is None else where + _NAMED, due or ())
    for flow, last_bar, _, version in flows:
        with runners.apart(tx, flow, now, "step"):
            runner = runners.of(tx, flow, last_bar, version)
            before, interval = runner.last_bar, runner.interval(broker.feed)
            moves = _take(runner, broker.feed, int(now.timestamp()))
            if moves:
                signals += _decide(tx, broker, flow, now, moves, tell)
                notes += worth_noting(flow.id, moves, before, interval)
                runners_now.append(runner)
    save_runners(tx, runners_now)
    note_taken(tx, notes, now)
    _end_what_is_over(tx, runners, [flow.id for flow, *_ in flows], now)
    return signals


def _due(tx: Tx, broker: Broker) -> list[UUID] | None:
    """The flows for which a bar may have closed that they have not taken; None for all.

    Asked without a lock: on a live market a tick comes each second and a bar each minute.
    """
    feed = broker.feed
    if not feed.live:
        return None
    known = {one.id: feed.closed_until(one.id) for one in feed.instruments}
    rows = tx.execute(
        "SELECT id, instrument_id, extract(epoch FROM last_bar_at)::bigint,"
        " coalesce(interval_seconds, %s) FROM shared_flows WHERE status <> 'closed'",
        (feed.interval,),
    )
    return [
        flow
        for flow, instrument, last, interval in rows
        if (until := known.get(instrument)) is not None
        and (last is None or until >= last + 2 * interval)
    ]


def _decide(
    tx: Tx, broker: Broker, flow: Flow, now: datetime, moves: Sequence[Taken], tell: Published
) -> int:
    """Publish a stop that fired and keep the target to move to; how many signals."""
    stop, target = come_to(moves)
    if stop is None and target is None:
        return 0
    with tx.transaction():
        tx.execute(
            "UPDATE shared_flows SET pending_target = %s, pending_at = %s, pending_stop = %s"
            " WHERE id = %s",
            (*(target.columns if target else (None, None, None)), flow.id),
        )
        if (line := (stop or target or _NOTHING).line) is not None:
            _note_stop(tx, flow, now, line, stop)
        if stop is None:
            return 0
        # What was inside a live bar is past: its stop is left at the market.
        price = None if broker.feed.live else stop.value
        return _publish(tx, broker, flow, now, "stop", stop._replace(value=Decimal(0)), price, tell)


_NOTHING = Target(Decimal(0), None)


def _note_stop(
    tx: Tx, flow: Flow, now: datetime, line: Mapping[str, Any], fired: Target | None
) -> None:
    """Say in the trail which stop ended a position and why; without `fired` one without a price."""
    price = None if fired is None else plain(fired.value)
    correlation, about = ids.derive("flow", flow.id), str(flow.id)
    result = f"{line['layer']} {iso(now)}"
    said = {**line, "price": price}
    record(tx, [Event("flow.stopped", about, correlation, result, "copying", RULES, now, said)])


def publish_targets(
    tx: Tx, broker: Broker, runners: Runners, now: datetime, tell: Published
) -> int:
    """Publish the targets of active flows that wait for this open; how many."""
    # Locked before it is read: of two who do this at once the second finds nothing.
    waiting = _flows(tx, broker, "status = 'active' AND pending_target IS NOT NULL AND " + _COPIED)
    halted = halted_instruments(tx) if waiting else {}
    signals = 0
    for flow, _, target, _ in waiting:
        assert target is not None, "asked for"
        with runners.apart(tx, flow, now, "target"), tx.transaction():
            stands = last_target(tx, flow.id)
            if target.value == stands and flow.instrument_id in halted:
                continue  # it was held back, and is asked for again once the market is trusted
            tx.execute(
                "UPDATE shared_flows SET pending_target = NULL, pending_at = NULL,"
                " pending_stop = NULL WHERE id = %s",
                (flow.id,),
            )
            interval = flow.interval_seconds or broker.feed.interval
            if is_late(target.decided_at, now, interval):
                wanted, target = target, target._replace(value=reduced(stands, target.value))
                _note_late(tx, flow, now, wanted, target)
                if target.value == stands:
                    continue
            kind = "again" if target.value == stands else "target"
            signals += _publish(tx, broker, flow, now, kind, target, None, tell)
    return signals


def _note_late(tx: Tx, flow: Flow, now: datetime, wanted: Target, traded: Target) -> None:
    """Say in the trail what of a decision came too late to be traded."""
    decided = None if wanted.decided_at is None else iso(wanted.decided_at)
    said = {"decided": decided, "target": plain(wanted.value), "traded": plain(traded.value)}
    correlation = ids.derive("flow", flow.id)
    result = f"late {decided}"
    about = str(flow.id)
    record(tx, [Event("flow.target_late", about, correlation, result, "copying", RULES, now, said)])


def repeat_exits(
    tx: Tx, broker: Broker, runners: Runners, now: datetime, flow_ids: list[UUID], tell: Published
) -> int:
    """Ask again for exits that the venue refused or filled in part; how many signals."""
    signals = 0
    for flow, *_ in _flows(tx, broker, "true" + _NAMED, flow_ids):
        with runners.apart(tx, flow, now, "exit"), tx.transaction():
            signals += _publish(tx, broker, flow, now, "exit", Target(Decimal(0), now), None, tell)
    return signals


def _take(runner: Runner, feed: CandleFeed, now: int) -> list[Taken]:
    """Take the bars that closed by `now`; what each made the strategy do.

    A flow's first bar is the one that has closed last, just now: it does not trade on what was
    before it, and is warmed by it.
    """
    instrument, interval = runner.flow.instrument_id, runner.interval(feed)
    earlier = runner.warmup + int(LATE.total_seconds()) // interval
    bars = feed.closed_bars(instrument, interval, runner.last_bar, now, earlier)
    if runner.last_bar is None and bars:
        closed = datetime.fromtimestamp(bars[-1].ts + interval, UTC)
        if is_late(closed, datetime.fromtimestamp(now, UTC), interval):
            return []
        runner.warm(bars[:-1])
        bars = bars[-1:]
    return [Taken(bar.ts + interval, runner.step(feed, bar)) for bar in bars]


def _publish(
    tx: Tx,
    broker: Broker,
    flow: Flow,
    now: datetime,
    kind: str,
    target: Target,
    stop_price: Decimal | None,
    tell: Published,
) -> int:
    signal_id, new = publish_at_open(
        tx, broker, flow, now, kind, target.value, stop_price, target.decided_at, target.line
    )
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
    decided_at: datetime | None = None,
    line: Mapping[str, Any] | None = None,
) -> tuple[UUID, bool]:
    """Store a signal at this open's price or, where a stop fired, at its; (its id, whether new).

    A bar leads to one signal of a kind, whoever publishes it how often: its close is the key, which
    on a live market is before this open.
    """
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
        natural_key=signal_key(ts if decided_at is None else int(decided_at.timestamp()), kind),
        target=target,
        reference_price=instrument.to_tick(price),
        trigger_price=None if stop_price is None else instrument.to_tick(stop_price),
        base=instrument.base,
        quote=instrument.quote,
        now=now,
        stop=line,
    )


_TRADED: LiteralString = (
    "SELECT id, creator_id, title, strategy, params, instrument_id, interval_seconds, last_bar_at,"
    " pending_target, pending_at, pending_stop, terms_version FROM shared_flows"
    " WHERE instrument_id = ANY (%(traded)s) AND "
)
_COPIED: LiteralString = (
    "NOT EXISTS (SELECT FROM trading_signals s"
    " WHERE s.flow_id = shared_flows.id AND s.status <> 'processed')"
)
"""A flow's signals are copied in order: while one could not be, none may follow it."""
_NAMED: LiteralString = " AND id = ANY (%(ids)s)"


def _flows(
    tx: Tx, broker: Broker, where: LiteralString, flow_ids: Sequence[UUID] = ()
) -> list[tuple[Flow, datetime | None, Target | None, int]]:
    """(flow, its last bar, what it is to move to, the version of its terms) of the broker's
    instruments, locked in order."""
    rows = tx.execute(
        _TRADED + where + " ORDER BY id FOR NO KEY UPDATE",
        {"traded": [one.id for one in broker.feed.instruments], "ids": list(flow_ids)},
    ).fetchall()
    return [
        (
            replace(Flow(*flow), interval_seconds=interval),
            last_bar,
            None if target is None else Target(target, decided, line),
            version,
        )
        for *flow, interval, last_bar, target, decided, line, version in rows
    ]


def unprocessed_signals(tx: Tx) -> list[UUID]:
    """Signals that are not copied yet, oldest first."""
    rows = tx.execute(
        "SELECT id FROM trading_signals WHERE status <> 'processed' ORDER BY created_at, sequence"
    ).fetchall()
    return [row[0] for row in rows]
