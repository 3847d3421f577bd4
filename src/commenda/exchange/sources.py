"""Where the exchange's market comes from: candles, or recorded depth and trades.

A source yields events in the order of time; asked again from the same moment it yields the same.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Protocol

import polars as pl

from commenda.exchange.market import Funding, Levels, Marked, Print, Tick
from commenda.exchange.model import BUY, SELL, Contract
from commenda.market import Bar, CandleFeed, Instrument, Mark

MILLISECOND = 1000
FUNDING_HOURS = 8


class Source(Protocol):
    """A market that can be read from a moment on."""

    def ticks(self, after: int, until: int) -> Iterator[Tick]:
        """What happened in (after, until], times in milliseconds."""

    def candles(self, symbol: str, begin: int, end: int) -> Sequence[Bar]:
        """The bars that opened in [begin, end], in seconds; none where only depth is known."""


def contract_of(instrument: Instrument) -> Contract:
    """The terms of an instrument as the exchange's contract."""
    return Contract(
        instrument.symbol,
        instrument.base,
        instrument.quote,
        instrument.tick,
        instrument.lot,
        instrument.minimum_notional,
        instrument.maker_fee,
        instrument.taker_fee,
    )


@dataclass(frozen=True, slots=True)
class CandleSource:
    """A market drawn inside of candles: their prices are met exactly, their volume to the lot.

    Each bar becomes `steps` moments on the way open → low → high → close where it rose, open →
    high → low → close where it fell. At each a trade prints and the book is shown anew around it:
    `depth` levels a side, a tick apart and more, with lots that are drawn by seed, contract and
    moment. Within a bar this is a guess; its four prices and its volume are not.
    """

    feed: CandleFeed
    seed: int | str = 7
    steps: int = 12
    depth: int = 20
    _drawn: dict[int, tuple[int, list[Tick]]] = field(default_factory=dict, repr=False)
    """Of each instrument the bar that was read last: it is asked for at every request."""

    def traded(self) -> Sequence[Instrument]:
        return self.feed.instruments

    def bar(self, instrument: Instrument, ts: int) -> Bar | None:
        return self.feed.bar(instrument.id, ts)

    def ticks(self, after: int, until: int) -> Iterator[Tick]:
        parts = [self._of(one, after, until) for one in self.traded()]
        return heapq.merge(*parts, key=lambda tick: tick.at)

    def candles(self, symbol: str, begin: int, end: int) -> Sequence[Bar]:
        instrument = next(one for one in self.traded() if one.symbol == symbol)
        opens = self.feed.timestamps(begin, end + 1)
        return [bar for ts in opens if (bar := self.bar(instrument, ts)) is not None]

    def _of(self, instrument: Instrument, after: int, until: int) -> Iterator[Tick]:
        interval = self.feed.interval
        first = after // MILLISECOND // interval * interval
        for ts in self.feed.timestamps(first, until // MILLISECOND + 1):
            yield from self._funded(instrument, ts, after, until)
            for tick in self._during(instrument, ts):
                if after < tick.at <= until:
                    yield tick

    def _during(self, instrument: Instrument, ts: int) -> list[Tick]:
        stamp, ticks = self._drawn.get(instrument.id, (0, []))
        if stamp != ts:
            bar = self.bar(instrument, ts)
            ticks = [] if bar is None else list(self._inside(instrument, bar))
            if bar is not None:
                self._drawn[instrument.id] = ts, ticks
        return ticks

    def _funded(self, instrument: Instrument, ts: int, after: int, until: int) -> Iterator[Tick]:
        """The mark as it is known when a bar opens, and funding that was due since the last one."""
        at = ts * MILLISECOND
        if not after < at <= until:
            return
        for paid in self.feed.funding_between(instrument.id, ts - self.feed.interval, ts):
            yield Funding(at, instrument.symbol, paid.rate, paid.mark.price)

    def _inside(self, instrument: Instrument, bar: Bar) -> Iterator[Tick]:
        draw = random.Random(f"{self.seed} {instrument.symbol} {bar.ts}")
        prices = _way(bar, self.steps, instrument)
        lots = _shares(int(Decimal(str(bar.volume)) / instrument.lot), self.steps, draw)
        mean = max(1, sum(lots) // (4 * self.depth))
        mark = self.feed.mark_at(instrument.id, bar.ts) if bar.ts else None
        step = self.feed.interval * MILLISECOND // self.steps
        for number, (ticks, traded) in enumerate(zip(prices, lots, strict=True)):
            at = bar.ts * MILLISECOND + number * step
            yield self._book(instrument, at, ticks, mean, draw)
            yield _marked(instrument, at, ticks, mark if number == 0 else None)
            if traded:
                up = ticks >= prices[number - 1] if number else draw.random() < 0.5
                yield Print(at, instrument.symbol, ticks, traded, BUY if up else SELL)

    def _book(
        self, instrument: Instrument, at: int, ticks: int, mean: int, draw: random.Random
    ) -> Levels:
        """Levels around a price, denser near it."""
        sides = []
        for sign in (-1, 1):
            level, side = ticks + sign, []
            for _ in range(self.depth):
                if level <= 0:
                    break
                side.append((level, 1 + int(mean * draw.expovariate(1.0))))
                level += sign * (1 + int(draw.expovariate(0.7)))
            sides.append(side)
        return Levels(at, instrument.symbol, sides[0], sides[1], True)


def _way(bar: Bar, steps: int, instrument: Instrument) -> list[int]:
    """The prices of a bar in ticks, in order: its four corners and straight lines between them."""
    corners = [bar.open, bar.low, bar.high, bar.close]
    if bar.close < bar.open:
        corners[1:3] = bar.high, bar.low
    whole = [int(instrument.to_tick(price) / instrument.tick) for price in corners]
    places = [0, steps // 3, 2 * steps // 3, steps - 1]
    found: list[int] = []
    for (a, b), (i, j) in zip(pairwise(whole), pairwise(places), strict=True):
        found += [a + (b - a) * k // (j - i) for k in range(j - i)]
    return [*found, whole[-1]]


def _shares(total: int, parts: int, draw: random.Random) -> list[int]:
    """A whole number in random parts that add up to it."""
    cuts = sorted(draw.randint(0, total) for _ in range(parts - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]


def _marked(instrument: Instrument, at: int, ticks: int, mark: Mark | None) -> Marked:
    price = ticks * instrument.tick if mark is None else mark.price
    period = FUNDING_HOURS * 3600 * MILLISECOND
    following = at // period * period + period
    return Marked(at, instrument.symbol, price, price, Decimal("0.0001"), following)


@dataclass(frozen=True, slots=True)
class DepthSource:
    """Recorded depth messages and trades, as `market import` keeps them; no candles.

    `depth` has the columns of a depth file, `trades` those of a trades file (market.depth). The
    mark is the middle of the best prices, once a second.
    """

    contract: Contract
    depth: pl.DataFrame
    trades: pl.DataFrame

    def candles(self, symbol: str, begin: int, end: int) -> Sequence[Bar]:
        return ()

    def ticks(self, after: int, until: int) -> Iterator[Tick]:
        return heapq.merge(
            self._levels(after, until), self._prints(after, until), key=lambda tick: tick.at
        )

    def _levels(self, after: int, until: int) -> Iterator[Tick]:
        tick, lot = float(self.contract.tick), float(self.contract.lot)
        chosen = self.depth.filter(pl.col("event_ms").is_between(after, until, closed="right"))
        for (at, kind, _), rows in chosen.group_by(["event_ms", "kind", "u"], maintain_order=True):
            levels: dict[str, list[tuple[int, int]]] = {"b": [], "a": []}
            for side, price, lots in rows.select("side", "price", "qty").iter_rows():
                levels[side].append((round(price / tick), round(lots / lot)))
            moment = int(str(at))
            yield Levels(moment, self.contract.symbol, levels["b"], levels["a"], kind == "snapshot")

    def _prints(self, after: int, until: int) -> Iterator[Tick]:
        tick, lot = float(self.contract.tick), float(self.contract.lot)
        # A second's first, whichever moment is asked from: the same market again.
        second = pl.col("trade_ms") // MILLISECOND
        marks = (second != second.shift(1)).fill_null(value=True).alias("marks")
        columns = self.trades.select("trade_ms", "price", "qty", "buyer_maker", marks)
        chosen = columns.filter(pl.col("trade_ms").is_between(after, until, closed="right"))
        for at, price, quantity, buyer_maker, marks_it in chosen.iter_rows():
            ticks = round(price / tick)
            if marks_it:
                mark = self.contract.price(ticks)
                yield Marked(at, self.contract.symbol, mark, mark, Decimal("0.0001"), 0)
            side = SELL if buyer_maker else BUY
            yield Print(at, self.contract.symbol, ticks, round(quantity / lot), side)
