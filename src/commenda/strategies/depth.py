"""A strategy in a recorded order book: what is replayed, by which rules, and what came of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from commenda.kernel import (
    BASIS_POINT,
    Array,
    Fill,
    FillKind,
    FillSource,
    L2Fill,
    L2Result,
    L2Rules,
    run_l2,
    source_digest,
)
from commenda.kernel.bars import Stamps
from commenda.kit.errors import CommendaError
from commenda.kit.times import iso
from commenda.market import (
    SYMBOL,
    VENUE,
    DepthRecord,
    depth_record,
    load_catalogue,
    read_depth,
    read_frames,
)
from commenda.strategies.backtest import Trade, round_trips
from commenda.strategies.data import utc_of
from commenda.strategies.depth_sdk import DepthStrategy
from commenda.strategies.faults import watch
from commenda.strategies.plan import Row, plain, plain_strategy, refuse_amount

_NAME = re.compile(rf"(?P<venue>{VENUE})_(?P<symbol>(?=[^_]*[^\W\d_]){SYMBOL})_.*")
FRAMES = (".jsonl", ".gz")
"""Endings of raw frames, which hold depth and trades in one file."""


@dataclass(frozen=True, slots=True, eq=False)
class DepthData:
    """A record of the order book, and what it is. `venue` and `symbol` are None where the file's
    name does not say them; `sha256` is of the events, whatever file they lay in.
    """

    record: DepthRecord
    name: str
    venue: str | None
    symbol: str | None
    sha256: str


def read_book(
    depth: Path,
    trades: Path | None,
    tick: float | None = None,
    lot: float | None = None,
    *,
    filled: bool = True,
) -> DepthData:
    """A depth file with its file of trades, or one file of raw frames, which has both; where no
    orders are to be `filled` in it, depth will do.

    `tick` and `lot` are the instrument's, by the file's name, where they are not given. Codes
    `trades_needed`, `trades_twice` and `grid_needed`, and those of `market.read_depth` and
    `market.read_frames`.
    """
    named = _NAME.fullmatch(depth.stem)
    venue, symbol = (named["venue"], named["symbol"]) if named else (None, None)
    known = load_catalogue().get((venue, symbol)) if venue and symbol else None
    tick = tick or (float(known.tick) if known else None)
    lot = lot or (float(known.lot) if known else None)
    if tick is None or lot is None:
        raise CommendaError(
            "grid_needed", "The file's name does not say which instrument it is of"
        ).at("--tick, --lot", depth.name, "give both, in quote currency and in units")
    if depth.suffix in FRAMES:
        if trades is not None:
            raise CommendaError("trades_twice", "Raw frames hold the trades already").at(
                "--trades", trades, "leave out --trades"
            )
        frames = read_frames(depth)
        record = depth_record(frames.depth, frames.trades, tick=tick, lot=lot)
    elif trades is None and filled:
        raise CommendaError("trades_needed", "Orders are filled by trades, and none are given").at(
            "--trades", hint="give the file of trades recorded with this depth"
        )
    else:
        record = read_depth(depth, trades, tick=tick, lot=lot)
    if filled and record.quality.trades == 0:
        raise CommendaError("trades_needed", "No trade falls into the time of the depth").at(
            "--trades", str(trades or depth), "give the file of trades recorded with this depth"
        )
    events, digest = record.events, hashlib.sha256(repr((tick, lot)).encode())
    for column in (events.ts, events.kind, events.price, events.lots, events.update):
        digest.update(column.tobytes())
    name = depth.name if trades is None else f"{depth.name}, {trades.name}"
    return DepthData(record, name, venue, symbol, digest.hexdigest())


@dataclass(frozen=True, slots=True, eq=False)
class DepthPlan:
    """One replay. `cash` is in quote currency; of `rules`, what the strategy declares is its own:
    how many levels it is shown and how many orders it may have.
    """

    strategy: DepthStrategy
    params: Mapping[str, object]
    data: DepthData
    rules: L2Rules
    cash: float = 10_000.0
    seed: int | None = None

    def __post_init__(self) -> None:
        refuse_amount("cash", self.cash)
        levels, orders = self.strategy.levels, self.strategy.orders
        rules = replace(self.rules, depth=levels, most_orders=orders)
        object.__setattr__(self, "rules", rules)

    def run(self) -> DepthRun:
        program = self.strategy.bind(self.strategy.resolve(self.params))
        events = self.data.record.events

        def over(count: int | None) -> L2Result:
            columns = ("ts", "local", "kind", "price", "lots", "update")
            part = {name: getattr(events, name)[:count] for name in columns}
            given = events if count is None else replace(events, **part)
            return run_l2(program, given, self.rules, cash=self.cash)

        step, identity = program.step, self.strategy.identity
        result = watch(step, identity, over, lambda: events.ts, of="event")
        return DepthRun(
            ts=np.append(result.ts, events.ts[-1]),
            equity=np.append(result.equity, result.final_equity),
            result=result,
            trades=round_trips(self._as_fills(result.fills, result.ts)),
        )

    def _as_fills(self, fills: tuple[L2Fill, ...], steps: Stamps) -> tuple[Fill, ...]:
        """Fills by the step they came before, in lots, so that a position ends at exactly 0."""
        bars = np.searchsorted(steps, [fill.ts for fill in fills]).tolist()
        held = np.cumsum([fill.lots for fill in fills]).tolist()
        events, rules = self.data.record.events, self.rules
        found = []
        for fill, bar, after in zip(fills, bars, held, strict=True):
            price, takes = fill.price * events.tick * events.lot, fill.source is FillSource.TAKING
            rate = (rules.taker_bps if takes else rules.maker_bps) * BASIS_POINT
            kind = FillKind.MARKET if takes else FillKind.LIMIT
            fee = abs(fill.lots) * price * rate
            found.append(Fill(bar, float(fill.lots), float(after), price, fee, kind, not takes))
        return tuple(found)

    def inputs(self) -> Row:
        """Everything the result depends on, as plain JSON."""
        data, events = self.data, self.data.record.events
        return {
            "strategy": plain_strategy(self.strategy, self.strategy.resolve(self.params)),
            "data": {
                "name": data.name,
                "venue": data.venue,
                "symbol": data.symbol,
                "first": iso(utc_of(int(events.ts[0]))),
                "last": iso(utc_of(int(events.ts[-1]))),
                "events": len(events),
                "tick": events.tick,
                "lot": events.lot,
                "sha256": data.sha256,
            },
            "depth": plain(self.rules),
            "funding": None,
            "finer": None,
            "cash": self.cash,
            "size": None,
            "seed": self.seed,
            "engineHash": source_digest(),
        }


@dataclass(frozen=True, eq=False)
class DepthRun:
    """What a replay came to: the equity at each step (`ts`, nanoseconds UTC) and at the end, and
    the trades from flat to flat, whose `opened` and `closed` are numbers of steps.
    """

    ts: Stamps
    equity: Array
    result: L2Result
    trades: tuple[Trade, ...]

    @property
    def fills(self) -> tuple[L2Fill, ...]:
        return self.result.fills

    @cached_property
    def held(self) -> Array:
        """Lots held at each of `ts`."""
        last = 0 if self.result.ruined_at is not None else sum(fill.lots for fill in self.fills)
        return np.append(self.result.held, last).astype(float)
