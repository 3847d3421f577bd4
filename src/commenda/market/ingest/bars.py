"""Candles of one's own, made of trades as they come, and held against the exchange's.

A bar is closed when a trade of a later one comes, or when the exchange closes its own and names a
last trade that was heard. It is whole where no trade is missing since before it opened, which
their numbers tell. A whole one is stored as it is, and compared; where one is not whole the
exchange's stands in. A bar that neither stream brings is asked for, and what the exchange has none
of is a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self

from commenda.market.model import Finding, FindingKind
from commenda.market.track import Bar

INTERVAL = 60
"""Seconds of a bar: the finest that the exchange makes too."""
PATIENCE = 5
"""Seconds after its end within which a stream brings a bar; then it is asked for."""
_REMEMBERED = 10
"""Bars that are kept to be compared."""


class Trade(NamedTuple):
    """A trade of the exchange: its number among the aggregated ones, the last single one in it."""

    number: int
    last: int
    price: float
    quantity: Decimal
    at: int
    """Milliseconds."""
    sold: bool = False
    """Whether the taker sold: the buyer's order was in the book."""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """An `aggTrade`."""
        price, quantity = float(told["p"]), Decimal(told["q"])
        return cls(told["a"], told["l"], price, quantity, told["T"], told["m"])


@dataclass(slots=True)
class Candle:
    """A bar in the making; `ts` in seconds. `event` is when the exchange told what closed it."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: Decimal
    last: int = 0
    """The single trade it ends with."""
    whole: bool = True
    event: int = 0

    @classmethod
    def of_stream(cls, told: dict[str, Any]) -> Self:
        """A `kline` event."""
        of = told["k"]
        opened, high, low, close = (float(of[name]) for name in "ohlc")
        volume, last = Decimal(of["v"]), of["L"]
        return cls(of["t"] // 1000, opened, high, low, close, volume, last, event=told["E"])

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Self:
        """A row of `klines`."""
        opened, high, low, close = map(float, row[1:5])
        return cls(row[0] // 1000, opened, high, low, close, Decimal(row[5]))

    def add(self, trade: Trade) -> None:
        self.high, self.low = max(self.high, trade.price), min(self.low, trade.price)
        self.close, self.last = trade.price, trade.last
        self.volume += trade.quantity

    def bar(self) -> Bar:
        return Bar(self.ts, self.open, self.high, self.low, self.close, float(self.volume))

    def differs_from(self, told: Candle) -> str | None:
        """Where two bars are not the same, number by number."""
        apart = [
            f"{name} {mine} against {its}"
            for name in ("open", "high", "low", "close", "volume")
            if (mine := getattr(self, name)) != (its := getattr(told, name))
        ]
        return ", ".join(apart) or None


class Bars:
    """The closed bars of one instrument, each once.

    What is to be stored gathers in `closed` and `findings`, for whoever takes it. `next` is the
    open of the first bar that is not there yet; None until something is heard.
    """

    def __init__(self, following: int | None = None) -> None:
        self.next = following
        self.closed: list[Candle] = []
        self.findings: list[Finding] = []
        self.compared = 0
        self._now: Candle | None = None
        self._number: int | None = None
        self._whole_since = 0
        self._own: dict[int, Candle] = {}
        self._told: dict[int, Candle] = {}
        self._done: set[int] = set()

    def hear(self, trade: Trade, event: int) -> str | None:
        """Take a trade in; which are missing before it, if any are."""
        if self._number is not None and trade.number <= self._number:
            return None  # told again
        ts = trade.at // 1000 // INTERVAL * INTERVAL
        missing = None
        if trade.number - 1 != self._number:
            if self._number is not None:
                missing = f"trades {self._number + 1} to {trade.number - 1}"
            if self._now is not None:
                self._now.whole = False
            self._whole_since = trade.at
        self._number = trade.number
        if self.next is None:
            self.next = ts
        if self._now is not None and ts > self._now.ts:
            self._close(event)
        if self._now is None:
            whole = self._whole_since < ts * 1000 and ts not in self._own
            price = trade.price
            self._now = Candle(ts, price, price, price, price, Decimal(0), whole=whole)
        self._now.add(trade)
        return missing

    def tell(self, told: Candle) -> None:
        """Take in a bar that the exchange closed."""
        if self.next is None:
            self.next = told.ts
        self._remember(self._told, told)
        now = self._now
        if now is not None and now.ts == told.ts:
            if told.last > now.last:
                return  # trades of it are still on their way
            self._close(told.event)
        else:
            self._settle(told.ts)

    def missing(self, now: int) -> tuple[int, int] | None:
        """The opens of the first and last bar to ask for, `now` in the exchange's milliseconds."""
        if self.next is None:
            return None
        last = (now // 1000 - PATIENCE) // INTERVAL * INTERVAL - INTERVAL
        return (self.next, last) if self.next <= last else None

    def fill(self, told: Iterable[Candle], until: int, why: str = "the exchange has none") -> None:
        """Take in what the exchange has of the bars up to the one that opens `until`; of the others
        say `why` they are missing."""
        assert self.next is not None
        if self._now is not None and self._now.ts <= until:
            self._now.whole = False  # its last trades did not come
            self._close(0)
        for candle in told:
            if self.next <= candle.ts <= until and candle.ts not in self._done:
                self._remember(self._told, candle)
                self._store(candle)
        while self.next <= until:
            first = self.next
            while self.next <= until and self.next not in self._done:
                self.next += INTERVAL
            absent = (self.next - first) // INTERVAL
            if absent:
                self._find(FindingKind.GAP, first, f"{absent} missing, {why}")
            self._advance()

    def _close(self, event: int) -> None:
        assert self._now is not None
        candle, self._now = self._now, None
        candle.event = event
        self._remember(self._own, candle)
        if candle.whole:
            self._store(candle)
        self._settle(candle.ts)

    def _settle(self, ts: int) -> None:
        """Compare a bar with the exchange's, or have that one stand in."""
        own, told = self._own.get(ts), self._told.get(ts)
        if told is None:
            return
        if own is None or not own.whole:
            self._store(told)
            return
        self.compared += 1
        apart = own.differs_from(told)
        if apart is not None:
            self._find(FindingKind.CANDLE_DIFFERS, ts, f"from trades: {apart}")

    def _store(self, candle: Candle) -> None:
        if self.next is not None and candle.ts >= self.next and candle.ts not in self._done:
            self.closed.append(candle)
            self._done.add(candle.ts)
            self._advance()

    def _advance(self) -> None:
        assert self.next is not None
        while self.next in self._done:
            self._done.discard(self.next)
            self.next += INTERVAL

    def _find(self, kind: FindingKind, ts: int, details: str) -> None:
        self.findings.append(Finding(kind, datetime.fromtimestamp(ts, UTC), details))

    @staticmethod
    def _remember(where: dict[int, Candle], candle: Candle) -> None:
        where[candle.ts] = candle
        if len(where) > _REMEMBERED:
            del where[min(where)]
