"""The order book of one contract: what the market shows, and the orders of our accounts among it.

What the market shows is recorded or drawn; it does not know of our orders, so each rule asks what
they could have got of what was there, and no more (as `kernel.l2_queue`, whose pessimistic model of
the queue this is):

- An **incoming order** takes level by level at the levels' prices: what is shown ahead of our
  resting orders, then those, then what is shown behind them.
- A **trade of the market** reaches our orders at better prices first, then those at its own price
  once the lots ahead of them have traded.
- **The opposite side** at or through a resting order's price, after a complete message, fills it at
  its limit.

What is taken of a shown level is gone until a message sets that level anew. An order arrives behind
all that is left of its level, and what is cancelled is never ahead of it while it can be behind.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from commenda.exchange.model import BUY, SELL, Order


class Match(NamedTuple):
    """Lots that changed hands: `taker` or `maker` is None where the market stood on that side."""

    taker: Order | None
    maker: Order | None
    ticks: int
    lots: int


def at_most(matches: Iterator[Match], left: int) -> Iterator[Match]:
    """Matches until so many lots have changed hands."""
    for match in matches:
        taken = match._replace(lots=min(match.lots, left))
        yield taken
        left -= taken.lots
        if not left:
            return


class Side:
    """One side of the book: shown lots by price, what was taken of them, our orders by price."""

    __slots__ = ("gone", "own", "own_prices", "prices", "shown", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.shown: dict[int, int] = {}
        self.gone: dict[int, int] = {}
        self.prices: list[int] = []
        self.own: dict[int, list[Order]] = {}
        self.own_prices: list[int] = []

    def left(self, ticks: int) -> int:
        return max(0, self.shown.get(ticks, 0) - self.gone.get(ticks, 0))

    def set(self, ticks: int, lots: int) -> None:
        if lots:
            if ticks not in self.shown:
                insort(self.prices, ticks)
            self.shown[ticks] = lots
        elif self.shown.pop(ticks, None) is not None:
            del self.prices[bisect_left(self.prices, ticks)]
        self.gone.pop(ticks, None)
        for order in self.own.get(ticks, ()):
            order.ahead = min(order.ahead, lots)

    def use(self, ticks: int, lots: int) -> None:
        """Take lots of what is shown, from the front."""
        if lots and ticks in self.shown:
            self.gone[ticks] = self.gone.get(ticks, 0) + lots
            for order in self.own.get(ticks, ()):
                order.ahead = max(0, order.ahead - lots)

    def best(self) -> int | None:
        """The best price that has anything of the market left."""
        for ticks in reversed(self.prices) if self.sign == BUY else self.prices:
            if self.left(ticks):
                return ticks
        return None

    def best_own(self) -> int | None:
        if not self.own_prices:
            return None
        return self.own_prices[-1 if self.sign == BUY else 0]

    def reaching(self, limit: int | None) -> Iterator[int]:
        """Prices from the best on, the market's and ours, that an order with this limit meets."""
        theirs = reversed(self.prices) if self.sign == BUY else iter(self.prices)
        ours = reversed(self.own_prices) if self.sign == BUY else iter(self.own_prices)
        merged = sorted({*theirs, *ours}, reverse=self.sign == BUY) if self.own_prices else theirs
        for ticks in merged:
            if limit is not None and (ticks - limit) * self.sign < 0:
                return
            yield ticks

    def rest(self, order: Order) -> None:
        assert order.ticks is not None
        order.ahead = self.left(order.ticks)
        queue = self.own.get(order.ticks)
        if queue is None:
            self.own[order.ticks] = [order]
            insort(self.own_prices, order.ticks)
        else:
            queue.append(order)

    def drop(self, order: Order) -> None:
        queue = self.own.get(order.ticks or 0)
        if queue and order in queue:
            queue.remove(order)
            if not queue:
                del self.own[order.ticks or 0]
                del self.own_prices[bisect_left(self.own_prices, order.ticks or 0)]


class Book:
    """Both sides of a contract's book, and the last trade."""

    def __init__(self) -> None:
        self.sides = {BUY: Side(BUY), SELL: Side(SELL)}
        self.last: int | None = None

    # --- what the market does -------------------------------------------------------------------

    def show(
        self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]
    ) -> Iterator[Match]:
        """Set levels (ticks, lots; 0 lots for none), then fill what the other side reaches.

        As of every method here that matches: the caller books a match before it asks for the next.
        """
        for ticks, lots in bids:
            self.sides[BUY].set(ticks, lots)
        for ticks, lots in asks:
            self.sides[SELL].set(ticks, lots)
        for side in (BUY, SELL):
            yield from self._cross(side)

    def show_all(
        self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]
    ) -> Iterator[Match]:
        """Set the whole book."""
        new = {BUY: dict(bids), SELL: dict(asks)}
        for sign, side in self.sides.items():
            for ticks in [one for one in side.prices if one not in new[sign]]:
                side.set(ticks, 0)
        return self.show(new[BUY].items(), new[SELL].items())

    def print(self, ticks: int, lots: int, taker: int) -> Iterator[Match]:
        """A trade of the market, which somebody took on side `taker`."""
        self.last = ticks
        side = self.sides[-taker]
        own = reversed(side.own_prices) if side.sign == BUY else side.own_prices
        for price in [one for one in own if (one - ticks) * side.sign >= 0]:
            for order in list(side.own[price]):
                queued = min(lots, order.ahead) if price == ticks else 0
                side.use(price, queued)
                lots -= queued
                taken = min(lots, order.left)
                if taken:
                    lots -= taken
                    yield Match(None, order, price, taken)
        side.use(ticks, lots)

    def _cross(self, sign: int) -> Iterator[Match]:
        """Fill resting orders of a side that what is shown on the other one reaches."""
        mine, other = self.sides[sign], self.sides[-sign]
        while (price := mine.best_own()) is not None:
            best = other.best()
            if best is None or (price - best) * sign < 0:
                return
            order = mine.own[price][0]
            taken = min(order.left, other.left(best))
            other.use(best, taken)
            yield Match(None, order, price, taken)

    # --- what our accounts do -------------------------------------------------------------------

    def holds(self, order: Order) -> bool:
        """Whether an order rests here."""
        return order in self.sides[order.side].own.get(order.ticks or 0, ())

    def crosses(self, order: Order) -> bool:
        """Whether an order would trade at once."""
        return self.offered(order.side, order.ticks) > 0

    def offered(self, side: int, limit: int | None) -> int:
        """How many lots an order of that side could take at once."""
        other = self.sides[-side]
        return sum(
            other.left(ticks) + sum(one.left for one in other.own.get(ticks, ()))
            for ticks in other.reaching(limit)
        )

    def offers(self, order: Order) -> Iterator[tuple[int, int]]:
        """Ticks and lots that an order without a limit would trade with, from the best on."""
        other = self.sides[-order.side]
        for ticks in other.reaching(None):
            ours = (
                one.left
                for one in other.own.get(ticks, ())
                if order.stp == "NONE" or one.account != order.account
            )
            yield ticks, other.left(ticks) + sum(ours)

    def cost(self, order: Order) -> int:
        """What it would trade for, in ticks times lots."""
        left, cost = order.left, 0
        for ticks, offered in self.offers(order):
            taken = min(left, offered)
            left -= taken
            cost += ticks * taken
            if not left:
                break
        return cost

    def take(self, order: Order, limit: int | None) -> Iterator[Match]:
        """Match an incoming order up to a price, or at any."""
        other = self.sides[-order.side]
        for ticks in list(other.reaching(limit)):
            for maker in list(other.own.get(ticks, ())):
                yield from self._take_shown(order, other, ticks, maker.ahead)
                if order.left == 0 or not order.is_open:
                    return
                if maker.is_open and maker.left:
                    yield Match(order, maker, ticks, min(order.left, maker.left))
            yield from self._take_shown(order, other, ticks, other.left(ticks))
            if order.left == 0 or not order.is_open:
                return

    def _take_shown(self, order: Order, other: Side, ticks: int, most: int) -> Iterator[Match]:
        taken = min(order.left, most, other.left(ticks))
        if taken > 0 and order.is_open:  # it may have met an own one, and ended
            other.use(ticks, taken)
            yield Match(order, None, ticks, taken)
