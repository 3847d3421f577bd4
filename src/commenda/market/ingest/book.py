"""An order book kept from a snapshot and the updates that follow it, and known to be right or not.

Each update says which ids it holds and, at futures, which one it follows (`pu`); at spot it follows
the id before its first. Applied in one unbroken row to the snapshot that they overlap, they give
the exchange's book. The first that does not follow makes the book stale, until a new snapshot
joins what came meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

MOST_WAITING = 2_000
"""Updates that wait for a snapshot; of more the oldest are dropped, and it must be newer."""
MOST_LEVELS = 10_000
"""Of a side. Updates tell of levels that no snapshot reaches: beyond, the far half is forgotten."""

Level = tuple[float, float]
"""Price and the quantity that stands there now; 0 removes it."""


class DepthSnapshot(NamedTuple):
    """A whole book, as it was after the update `last`."""

    last: int
    bids: list[Level]
    asks: list[Level]

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Self:
        return cls(answer["lastUpdateId"], levels(answer["bids"]), levels(answer["asks"]))


class DepthDelta(NamedTuple):
    """The ids `first` to `last` and what they changed; `previous` is the id they follow."""

    first: int
    last: int
    previous: int
    bids: list[Level]
    asks: list[Level]

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """A `depthUpdate` of the futures, or of spot, which has no `pu`."""
        first = told["U"]
        previous = told.get("pu", first - 1)
        return cls(first, told["u"], previous, levels(told["b"]), levels(told["a"]))


def levels(rows: Iterable[tuple[str, str]]) -> list[Level]:
    return [(float(price), float(quantity)) for price, quantity in rows]


class DepthBook:
    """One instrument's book. `right` until the chain breaks; stale from there on, saying `why`."""

    __slots__ = ("_ask_prices", "_bid_prices", "_joined", "_waiting", "asks", "bids", "last", "why")

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        # In order, so that the best are there without a look at all.
        self._bid_prices: list[float] = []
        self._ask_prices: list[float] = []
        self.last = 0
        self.why: str | None = "no snapshot yet"
        self._joined = False
        self._waiting: deque[DepthDelta] = deque(maxlen=MOST_WAITING)

    @property
    def right(self) -> bool:
        return self.why is None

    @property
    def best_bid(self) -> float | None:
        return self._bid_prices[-1] if self._bid_prices else None

    @property
    def best_ask(self) -> float | None:
        return self._ask_prices[0] if self._ask_prices else None

    def top(self, levels: int) -> tuple[list[Level], list[Level]]:
        """The best levels of both sides, bids and asks, the best of each first."""
        bids, asks = self._bid_prices[: -levels - 1 : -1], self._ask_prices[:levels]
        return [(one, self.bids[one]) for one in bids], [(one, self.asks[one]) for one in asks]

    @property
    def crossed(self) -> bool:
        """Whether somebody bids what another asks, or more: no exchange's book does."""
        bid, ask = self.best_bid, self.best_ask
        return bid is not None and ask is not None and bid >= ask

    def hear(self, delta: DepthDelta) -> bool:
        """Apply an update, or let it wait for a snapshot; whether the book is right after it."""
        if not self.right:
            self._waiting.append(delta)
            return False
        if delta.last <= self.last:  # told again, or in the snapshot already
            return True
        # The first after a snapshot may reach back behind it: quantities are absolute.
        if delta.previous != self.last and (self._joined or delta.previous > self.last):
            self.go_stale(
                f"{delta.first} to {delta.last} follows {delta.previous}, not {self.last}"
            )
            self._waiting.append(delta)
            return False
        self._joined, self.last = True, delta.last
        _change(self.bids, self._bid_prices, delta.bids)
        _change(self.asks, self._ask_prices, delta.asks)
        if len(self.bids) > MOST_LEVELS:
            _forget(self.bids, self._bid_prices, slice(None, -MOST_LEVELS // 2))
        if len(self.asks) > MOST_LEVELS:
            _forget(self.asks, self._ask_prices, slice(MOST_LEVELS // 2, None))
        return True

    def take(self, snapshot: DepthSnapshot) -> bool:
        """Begin anew from a snapshot and what waited for it; whether the book is right now.

        It is not where the snapshot is older than what waits, or the row of that is broken too.
        """
        self.bids, self.asks = dict(snapshot.bids), dict(snapshot.asks)
        self._bid_prices, self._ask_prices = sorted(self.bids), sorted(self.asks)
        self.last, self.why, self._joined = snapshot.last, None, False
        waited, self._waiting = self._waiting, deque(maxlen=MOST_WAITING)
        for delta in waited:
            self.hear(delta)
        return self.right

    def go_stale(self, why: str) -> None:
        """What is known here is not to be trusted any more. What waits is kept: see `forget`."""
        self.why = why

    def forget(self, why: str) -> None:
        """Stale, and what comes next does not follow what waits: the connection is another."""
        self.go_stale(why)
        self._waiting.clear()


def _change(side: dict[float, float], prices: list[float], changes: list[Level]) -> None:
    """Set levels of a side, whose prices are in order."""
    for price, quantity in changes:
        if quantity:
            if price not in side:
                insort(prices, price)
            side[price] = quantity
        elif side.pop(price, None) is not None:
            del prices[bisect_left(prices, price)]


def _forget(side: dict[float, float], prices: list[float], far: slice) -> None:
    for price in prices[far]:
        del side[price]
    del prices[far]
