"""An order book kept from a snapshot and the updates that follow it, and known to be right or not.

Each update says which ids it holds and, at futures, which one it follows (`pu`); at spot it follows
the id before its first. Applied in one unbroken row to the snapshot that they overlap, they give
the exchange's book. The first that does not follow makes the book stale, until a new snapshot
joins what came meanwhile.
"""

from __future__ import annotations

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

    __slots__ = ("_joined", "_waiting", "asks", "best_ask", "best_bid", "bids", "last", "why")

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.best_bid: float | None = None
        self.best_ask: float | None = None
        self.last = 0
        self.why: str | None = "no snapshot yet"
        self._joined = False
        self._waiting: deque[DepthDelta] = deque(maxlen=MOST_WAITING)

    @property
    def right(self) -> bool:
        return self.why is None

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
        self.best_bid = _changed(self.bids, delta.bids, self.best_bid, max)
        self.best_ask = _changed(self.asks, delta.asks, self.best_ask, min)
        return True

    def take(self, snapshot: DepthSnapshot) -> bool:
        """Begin anew from a snapshot and what waited for it; whether the book is right now.

        It is not where the snapshot is older than what waits, or the row of that is broken too.
        """
        self.bids, self.asks = dict(snapshot.bids), dict(snapshot.asks)
        self.best_bid = max(self.bids, default=None)
        self.best_ask = min(self.asks, default=None)
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


def _changed(side: dict[float, float], changes: list[Level], best: float | None, of: Any) -> Any:
    """Set levels of a side, and its best price then."""
    lost = False
    for price, quantity in changes:
        if quantity:
            side[price] = quantity
            best = price if best is None else of(best, price)
        elif side.pop(price, None) is not None and price == best:
            lost = True
    if len(side) > MOST_LEVELS:
        for price in sorted(side, reverse=of is max)[MOST_LEVELS // 2 :]:
            del side[price]
    # A better one may have been set before the best was removed: looked for only then.
    return of(side, default=None) if lost else best
