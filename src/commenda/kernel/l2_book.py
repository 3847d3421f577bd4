"""The order book as arrays over price ticks, rebuilt from recorded events one by one.

Prices are whole ticks and quantities whole lots throughout, so that what was offered and what was
taken compare exactly. A book covers every tick between the lowest and the highest price of its
events: a level is found by subtraction, and pages of ticks that never hold anything take no
memory. Each level holds what is SHOWN and how much of it is GONE: traded away since the level was
last updated, by the recorded market or by one's own orders. An update of the level sets both anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from commenda.kernel.bars import BookSamples, Stamps, refuse_first
from commenda.kernel.compiling import compiled, inlined, inner

Integers: TypeAlias = npt.NDArray[np.int64]

BID, ASK, SOLD, BOUGHT, CLEAR = range(5)


class L2Kind(IntEnum):
    """Kinds of events: a level's new quantity (0 removes it), a trade by who was the aggressor (one
    who SOLD hit the bids, one who BOUGHT lifted the asks), the book emptied before a snapshot.
    """

    BID = BID
    ASK = ASK
    SOLD = SOLD
    BOUGHT = BOUGHT
    CLEAR = CLEAR


SHOWN, GONE = range(2)
BEST, FARTHEST = 0, 2
"""The `edges` of a book: best index of each side, and farthest ever used of each side."""

MOST_TICKS = 1 << 27


@dataclass(frozen=True, slots=True, eq=False)
class L2Events:
    """Depth updates and trades of one instrument, in the order in which the exchange made them.

    `ts` is the exchange's time and `local` the recorder's, in nanoseconds UTC (-1 where there is
    none); `kind` holds L2Kind; `price` in ticks, `lots` in lots; `update` is the id of the depth
    message or of the trade. `tick` (quote currency) and `lot` (units) are the grid of both.
    """

    ts: Stamps
    local: Stamps
    kind: npt.NDArray[np.int8]
    price: Integers
    lots: Integers
    update: Integers
    tick: float
    lot: float
    closes: npt.NDArray[np.bool_] = field(init=False)
    """The last row of its message: between the others the book is half updated."""
    base: int = field(init=False)
    """The lowest price, which is index 0 of a book."""
    span: int = field(init=False)
    """Ticks from the lowest price to the highest, both included."""

    def __post_init__(self) -> None:
        for name in ("ts", "local", "kind", "price", "lots", "update"):
            dtype = np.int8 if name == "kind" else np.int64
            column = np.require(getattr(self, name), dtype, ["C", "A", "W"])
            object.__setattr__(self, name, column)
            if column.shape != self.ts.shape:
                raise ValueError(f"events: {name} has {column.size} rows, ts has {self.ts.size}")
        if self.ts.size == 0:
            raise ValueError("events: there are none")
        if not (0.0 < self.tick < np.inf and 0.0 < self.lot < np.inf):
            raise ValueError(f"events: tick {self.tick!r} and lot {self.lot!r} are not positive")
        refuse_first(self.ts[1:] < self.ts[:-1], self.ts[1:], "the stamp goes back")
        refuse_first((self.kind < BID) | (self.kind > CLEAR), self.ts, "no such kind of event")
        emptying, trade = self.kind == CLEAR, (self.kind == SOLD) | (self.kind == BOUGHT)
        unsound = ~emptying & ((self.price <= 0) | (self.lots < 0) | (trade & (self.lots == 0)))
        refuse_first(unsound, self.ts, "price or quantity is not a positive number")
        closes = np.ones(self.ts.size, np.bool_)
        closes[:-1] = trade[1:] | trade[:-1] | (self.update[1:] != self.update[:-1])
        object.__setattr__(self, "closes", closes)
        priced = self.price[~emptying]
        low, high = (int(priced.min()), int(priced.max())) if priced.size else (1, 1)
        object.__setattr__(self, "base", low)
        object.__setattr__(self, "span", high - low + 1)
        if self.span > MOST_TICKS:
            raise ValueError(f"events: prices span {self.span:,} ticks, {MOST_TICKS:,} at most")

    def __len__(self) -> int:
        return self.ts.size


def new_book(span: int) -> tuple[npt.NDArray[np.int64], Integers]:
    """An empty book: levels[side, index, SHOWN or GONE] and its edges."""
    return np.zeros((2, span, 2), np.int64), np.array([-1, span, span, -1], np.int64)


@inlined
def set_level(levels, edges, side, at, lots):  # type: ignore[no-untyped-def]
    """An update: the level's quantity is now `lots`, whatever was gone of it."""
    levels[side, at, SHOWN] = lots
    levels[side, at, GONE] = 0
    if side == BID:
        if lots > 0:
            edges[BEST + BID] = max(edges[BEST + BID], at)
            edges[FARTHEST + BID] = min(edges[FARTHEST + BID], at)
        elif at == edges[BEST + BID]:
            while at >= edges[FARTHEST + BID] and levels[BID, at, SHOWN] == 0:
                at -= 1
            edges[BEST + BID] = at if at >= edges[FARTHEST + BID] else -1
    elif lots > 0:
        edges[BEST + ASK] = min(edges[BEST + ASK], at)
        edges[FARTHEST + ASK] = max(edges[FARTHEST + ASK], at)
    elif at == edges[BEST + ASK]:
        while at <= edges[FARTHEST + ASK] and levels[ASK, at, SHOWN] == 0:
            at += 1
        edges[BEST + ASK] = at if at <= edges[FARTHEST + ASK] else levels.shape[1]


@inlined
def is_level(edges, side, at):  # type: ignore[no-untyped-def]
    """Whether an index from the best or from `next_level` is a level at all."""
    return edges[FARTHEST + BID] <= at if side == BID else at <= edges[FARTHEST + ASK]


@inner
def clear(levels, edges):  # type: ignore[no-untyped-def]
    """Empty both sides, as before a snapshot."""
    for side in (BID, ASK):
        best, farthest = edges[BEST + side], edges[FARTHEST + side]
        if is_level(edges, side, best):
            for at in range(min(best, farthest), max(best, farthest) + 1):
                levels[side, at, SHOWN] = 0
                levels[side, at, GONE] = 0
    span = levels.shape[1]
    edges[0], edges[1], edges[2], edges[3] = -1, span, span, -1


@inlined
def trade_away(levels, edges, side, at, lots):  # type: ignore[no-untyped-def]
    """A recorded trade took `lots` of the level at `at`, and proves better levels to be gone."""
    levels[side, at, GONE] += lots
    if side == BID:
        for i in range(at + 1, edges[BEST + BID] + 1):
            levels[BID, i, GONE] = levels[BID, i, SHOWN]
    else:
        for i in range(edges[BEST + ASK], at):
            levels[ASK, i, GONE] = levels[ASK, i, SHOWN]


@inlined
def left_at(levels, side, at):  # type: ignore[no-untyped-def]
    """Lots of a level that are still there to be taken; 0 beyond the book's ticks."""
    if at < 0 or at >= levels.shape[1]:
        return 0
    return max(0, levels[side, at, SHOWN] - levels[side, at, GONE])


@inlined
def next_level(levels, edges, side, at):  # type: ignore[no-untyped-def]
    """The next shown level behind `at`; an index beyond the farthest if there is none."""
    if side == BID:
        at -= 1
        while at >= edges[FARTHEST + BID] and levels[BID, at, SHOWN] == 0:
            at -= 1
    else:
        at += 1
        while at <= edges[FARTHEST + ASK] and levels[ASK, at, SHOWN] == 0:
            at += 1
    return at


@inlined
def apply_shown(levels, edges, base, kind, price, lots):  # type: ignore[no-untyped-def]
    """Apply one event to a book that nobody trades with; trades do not change what is shown."""
    if kind <= ASK:
        set_level(levels, edges, kind, price - base, lots)
    elif kind == CLEAR:
        clear(levels, edges)


class BookSurvey(NamedTuple):
    """Depth messages, and after how many of them the book was crossed (bid above ask), locked (bid
    at ask) or without one of its sides.
    """

    messages: int
    crossed: int
    locked: int
    one_sided: int


def survey_book(events: L2Events) -> BookSurvey:
    """Rebuild the book and count the messages that leave it in a state no market can be in."""
    counts = np.zeros(4, np.int64)
    columns = (events.kind, events.price, events.lots, events.closes)
    _survey(*new_book(events.span), events.base, *columns, counts)
    return BookSurvey(*counts.tolist())


@compiled
def _survey(levels, edges, base, kinds, prices, lots, closes, counts):  # type: ignore[no-untyped-def]
    for i in range(kinds.size):
        apply_shown(levels, edges, base, kinds[i], prices[i], lots[i])
        if not closes[i] or kinds[i] == SOLD or kinds[i] == BOUGHT:
            continue
        bid, ask = edges[BEST + BID], edges[BEST + ASK]
        counts[0] += 1
        if bid < 0 or ask >= levels.shape[1]:
            counts[3] += 1
        elif bid > ask:
            counts[1] += 1
        elif bid == ask:
            counts[2] += 1


def book_samples(events: L2Events, every: int, levels: int) -> BookSamples:
    """Books of `levels` levels a side, sampled every `every` nanoseconds from the first event on.

    A sample holds all events up to its stamp, that one included. Moments at which a side has fewer
    levels, or the book is crossed, have no sample: the one before holds on.
    """
    if every <= 0 or levels <= 0:
        raise ValueError(f"book samples: every {every!r} ns and {levels!r} levels must be positive")
    first, last = int(events.ts[0]), int(events.ts[-1])
    stamps = np.arange(first, last + 1, every, dtype=np.int64)
    sizes, offsets = np.zeros((stamps.size, 2, levels)), np.zeros((stamps.size, 2, levels))
    columns = (events.ts, events.kind, events.price, events.lots)
    _sample(*new_book(events.span), events.base, *columns, stamps, sizes, offsets)
    whole = (sizes > 0.0).all(axis=(1, 2)) & (offsets >= 0.0).all(axis=(1, 2))
    return BookSamples(stamps[whole], sizes[whole] * events.lot, offsets[whole])


@compiled
def _sample(levels, edges, base, ts, kinds, prices, lots, stamps, sizes, offsets):  # type: ignore[no-untyped-def]
    i = 0
    for row in range(stamps.size):
        while i < ts.size and ts[i] <= stamps[row]:
            apply_shown(levels, edges, base, kinds[i], prices[i], lots[i])
            i += 1
        bid, ask = edges[BEST + BID], edges[BEST + ASK]
        if bid < 0 or ask >= levels.shape[1]:
            continue
        mid = base + 0.5 * (bid + ask)
        for side in (BID, ASK):
            sign, taker = (-1.0, 1) if side == BID else (1.0, 0)  # who buys takes the asks
            at, size, beyond = edges[BEST + side], 0, 0.0
            for k in range(sizes.shape[2]):
                if not is_level(edges, side, at):
                    break
                size += levels[side, at, SHOWN]
                beyond += levels[side, at, SHOWN] * sign * (base + at - mid)
                sizes[row, taker, k] = size
                offsets[row, taker, k] = beyond / (size * mid)
                at = next_level(levels, edges, side, at)
