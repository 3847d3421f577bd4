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
from commenda.kernel import Costs, Decision, Stepper, Terms
from commenda.kit.db import Tx
from commenda.kit.rows import columns
from commenda.market import Bar, CandleFeed, Kind
from commenda.strategies import catalogue, plain_terms

_SECOND = 1_000_000_000
RUNNER_CASH = 100_000.0
"""The kernel account's cash at the start. Targets are fractions of equity: its size is free."""


class Move(NamedTuple):
    """What a closed bar made the strategy do. `stop_price` is set when its stop fired in the bar;
    `target` when a new one waits for the next open. Both may happen, the stop first."""

    stop_price: Decimal | None
    target: Decimal | None


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
        decision = self._look_at(bar, funding)
        self.last_bar = bar.ts
        if not decision.stopped and not decision.changed:
            return None
        return Move(
            Decimal(repr(decision.stop_price)) if decision.stopped else None,
            Decimal(repr(decision.target)) if decision.changed else None,
        )

    def warm(self, bars: Sequence[Bar]) -> None:
        """Look at bars before the first one: within the warm-up nothing is decided, nor held."""
        for bar in bars[-self.warmup :] if self.warmup else ():
            self._look_at(bar, ())

    def interval(self, feed: CandleFeed) -> int:
        """Seconds of the flow's bars."""
        return self.flow.interval_seconds or feed.interval

    def _look_at(self, bar: Bar, funding: Sequence[tuple[float, float]]) -> Decision:
        return self.stepper.on_bar(
            bar.ts * _SECOND, bar.open, bar.high, bar.low, bar.close, bar.volume, funding
        )


def load_runner(tx: Tx, flow: Flow, costs: Costs) -> Runner:
    """The flow's stepper where it stopped, or a new one."""
    row = tx.execute(
        "SELECT f.params, f.runner_state, f.last_bar_at, i.kind FROM shared_flows f"
        " JOIN instruments i ON i.id = f.instrument_id WHERE f.id = %s",
        (flow.id,),
    ).fetchone()
    assert row is not None, "a flow is shared before it runs"
    params, state, last_bar, kind = row
    program, terms = catalogue()[flow.strategy].bind(**params), Terms(spot=kind == Kind.SPOT)
    if state is None:
        stepper = Stepper(program, cash=RUNNER_CASH, costs=costs, terms=terms)
        return Runner(flow, stepper, None, program.warmup, costs)
    stepper = Stepper.restore(program, state, costs=costs, terms=terms)
    return Runner(flow, stepper, int(last_bar.timestamp()), costs=costs)


def save_runners(tx: Tx, runners: Sequence[Runner]) -> None:
    """Store every runner's state."""
    rows = [
        (
            one.flow.id,
            one.stepper.save(),
            datetime.fromtimestamp(one.last_bar, UTC),
            Jsonb(plain_terms(one.costs)),
        )
        for one in runners
        if one.last_bar is not None
    ]
    tx.execute(
        "UPDATE shared_flows f SET runner_state = s.state, last_bar_at = s.at,"
        "  runner_costs = s.costs"
        " FROM unnest(%s::uuid[], %s::bytea[], %s::timestamptz[], %s::jsonb[])"
        "  AS s (id, state, at, costs) WHERE f.id = s.id",
        columns(rows, 4),
    )


def signal_key(ts: int, kind: str) -> str:
    """The natural key of what a bar led to."""
    return f"{ts}:{kind}"
