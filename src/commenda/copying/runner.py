"""A creator's strategy, run bar by bar: closed bars in, decisions out, state saved each time.

The stepper keeps an account of its own (the kernel's), so its decisions are those of the
backtest to the last bit, whatever the venue fills. The state commits with the tick's cursor: a
restart continues where the last tick ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from psycopg.types.json import Jsonb

from commenda.copying.model import Flow
from commenda.copying.terms import Change, changes_after, note_begun, program_of, versions_of
from commenda.kernel import (
    Costs,
    Decision,
    Stepper,
    StopLine,
    Terms,
    closing_stop,
    fired_stop,
    wants,
    with_stops,
)
from commenda.kit.db import Tx
from commenda.kit.rows import columns
from commenda.market import Bar, CandleFeed, Kind
from commenda.strategies import plain_terms

_SECOND = 1_000_000_000
SEEN = 500
"""Bars that stops learn from which begin to watch a flow that trades: Wilder's average of 22 bars
has forgotten what was before them to the tenth digit."""
RUNNER_CASH = 100_000.0
"""The kernel account's cash at the start. Targets are fractions of equity: its size is free."""


class Move(NamedTuple):
    """What a closed bar made the strategy do. `stop_price` is set when its stop fired in the bar;
    `target` when a new one waits for the next open. Both may happen, the stop first. `line` is the
    stop that fired, or that the target carries out."""

    stop_price: Decimal | None
    target: Decimal | None
    line: StopLine | None = None


def move_of(stepper: Stepper, decision: Decision, was: float, *, anew: bool = False) -> Move | None:
    """What the account does after a bar, before which it wanted `was`; None where that is what it
    did. A stop may hold back what the strategy decides, or let it pass later; and begun `anew` it
    decides again what may have been carried out."""
    now = wants(stepper)
    stands = 0.0 if decision.stopped else was
    is_new = now != stands or (decision.changed and now == decision.target and not anew)
    if not decision.stopped and not is_new:
        return None
    return Move(
        Decimal(repr(decision.stop_price)) if decision.stopped else None,
        Decimal(repr(now)) if is_new else None,
        fired_stop(stepper) if decision.stopped else closing_stop(stepper),
    )


@dataclass(slots=True)
class Runner:
    """One flow's stepper."""

    flow: Flow
    stepper: Stepper
    last_bar: int | None
    """Open time (epoch seconds) of the last bar taken."""
    warmup: int = 0
    """Bars before its first one that it looks at, where there are any."""
    costs: Costs = field(default_factory=Costs)
    """What its account pays."""
    terms: Terms = field(default_factory=Terms)
    version: int = 1
    """Of the terms it runs by."""
    changes: list[Change] = field(default_factory=list)
    """Terms that it takes up at its next bar."""
    begun: list[tuple[int, datetime]] = field(default_factory=list)
    """Versions whose first bar it has taken since it was saved, and when that bar closed."""
    _was: float | None = None
    """What it wanted before it was begun anew, until its next bar."""

    def take(self, feed: CandleFeed, ts: int) -> Move | None:
        """Take the bar that opened at `ts` and has closed; None where it decides nothing."""
        bar = feed.bar(self.flow.instrument_id, ts)
        return None if bar is None else self.step(feed, bar)

    def step(self, feed: CandleFeed, bar: Bar) -> Move | None:
        """Take a bar that has closed; None where it decides nothing."""
        after = bar.ts - self.interval(feed) if self.last_bar is None else self.last_bar
        funding = [
            (float(stamp.rate), float(stamp.mark.price))
            for stamp in feed.funding_between(self.flow.instrument_id, after, bar.ts)
        ]
        first = self.last_bar is None or bool(self.changes)
        self._take_up(feed, bar.ts)
        anew, was = self._was is not None, self._was
        if was is None:
            was = wants(self.stepper)
        decision = self._look_at(bar, funding)
        move, self._was = move_of(self.stepper, decision, was, anew=anew), None
        self.last_bar = bar.ts
        if first:
            closed = datetime.fromtimestamp(bar.ts + self.interval(feed), UTC)
            self.begun.append((self.version, closed))
        return move

    def _take_up(self, feed: CandleFeed, before: int) -> None:
        """Go on under the terms that were set since the last bar, from the bar that opens at
        `before` on."""
        for change in self.changes:
            stepper = self.stepper
            if change.anew:
                self._was = wants(stepper) if self._was is None else self._was
                self.stepper = Stepper(
                    change.program, cash=RUNNER_CASH, costs=self.costs, terms=self.terms
                )
                self.warmup = change.program.warmup
                self.warm(self._bars_before(feed, before, self.warmup))
            else:
                seen = self._bars_before(feed, before, SEEN)
                self.stepper = with_stops(
                    stepper,
                    change.program.stops,
                    [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in seen],
                    cash=RUNNER_CASH,
                    loosen=change.loosen,
                )
            self.version = change.version
        self.changes.clear()

    def _bars_before(self, feed: CandleFeed, before: int, count: int) -> list[Bar]:
        """The last bars that closed by `before`, so many at most."""
        if count == 0:
            return []
        interval, instrument = self.interval(feed), self.flow.instrument_id
        return feed.closed_bars(instrument, interval, None, before, count)[-count:]

    def warm(self, bars: Sequence[Bar]) -> None:
        """Look at bars before the first one: within the warm-up nothing is decided, nor held."""
        for bar in bars[-self.warmup :] if self.warmup else ():
            self._look_at(bar, ())

    @property
    def goes_by(self) -> int:
        """The version of the terms that its next bar is taken under."""
        return self.changes[-1].version if self.changes else self.version

    def interval(self, feed: CandleFeed) -> int:
        """Seconds of the flow's bars."""
        return self.flow.interval_seconds or feed.interval

    def _look_at(self, bar: Bar, funding: Sequence[tuple[float, float]]) -> Decision:
        return self.stepper.on_bar(
            bar.ts * _SECOND, bar.open, bar.high, bar.low, bar.close, bar.volume, funding
        )


def load_runner(tx: Tx, flow: Flow, costs: Costs) -> Runner:
    """The flow's stepper where it stopped, with what was changed since, or a new one."""
    row = tx.execute(
        "SELECT f.runner_state, f.last_bar_at, f.runner_version, i.kind FROM shared_flows f"
        " JOIN instruments i ON i.id = f.instrument_id WHERE f.id = %s",
        (flow.id,),
    ).fetchone()
    assert row is not None, "a flow is shared before it runs"
    state, last_bar, version, kind = row
    terms = Terms(spot=kind == Kind.SPOT)
    versions = versions_of(tx, flow.id, since=version)
    if state is None:
        program = program_of(flow.strategy, versions[0])
        stepper = Stepper(program, cash=RUNNER_CASH, costs=costs, terms=terms)
        return Runner(flow, stepper, None, program.warmup, costs, terms, versions[0].version)
    program = program_of(flow.strategy, versions[-1])
    stepper = Stepper.restore(program, state, costs=costs, terms=terms)
    changes = changes_after(flow.strategy, versions)
    at = int(last_bar.timestamp())
    return Runner(flow, stepper, at, 0, costs, terms, version, changes)


def save_runners(tx: Tx, runners: Sequence[Runner]) -> None:
    """Store every runner's state."""
    rows = [
        (
            one.flow.id,
            one.stepper.save(),
            datetime.fromtimestamp(one.last_bar, UTC),
            Jsonb(plain_terms(one.costs)),
            one.version,
        )
        for one in runners
        if one.last_bar is not None
    ]
    tx.execute(
        "UPDATE shared_flows f SET runner_state = s.state, last_bar_at = s.at,"
        "  runner_costs = s.costs, runner_version = s.version"
        " FROM unnest(%s::uuid[], %s::bytea[], %s::timestamptz[], %s::jsonb[], %s::integer[])"
        "  AS s (id, state, at, costs, version) WHERE f.id = s.id",
        columns(rows, 5),
    )
    for one in runners:
        note_begun(tx, [(one.flow.id, *begun) for begun in one.begun])
        one.begun.clear()


def signal_key(ts: int, kind: str) -> str:
    """The natural key of what a bar led to."""
    return f"{ts}:{kind}"
