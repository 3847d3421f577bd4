"""What the exchange remembers of its market: candles, trades, the day, and depth by message."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import takewhile
from typing import Any

from commenda.exchange.market import Marked, Print
from commenda.exchange.matching import Matching
from commenda.exchange.model import BUY, SELL, ZERO, Contract

MINUTE = 60_000
KEPT = 3_000
"""Minutes and trades that are remembered."""
INTERVALS = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360,
    "8h": 480, "12h": 720, "1d": 1440,
}  # fmt: skip
"""Minutes of a candle."""
DEPTH = 1_000
"""Levels of a side that are told."""

Shown = dict[int, int]
"""Lots by ticks."""


@dataclass(slots=True)
class Candle:
    """One candle of whole ticks and lots; times in milliseconds."""

    at: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    quote: Decimal = ZERO
    bought: int = 0
    bought_quote: Decimal = ZERO
    trades: int = 0
    first: int = 0
    last: int = 0

    def add(self, ticks: int, lots: int, worth: Decimal, bought: bool, number: int) -> None:
        self.high, self.low, self.close = max(self.high, ticks), min(self.low, ticks), ticks
        self.lots += lots
        self.quote += worth
        if bought:
            self.bought += lots
            self.bought_quote += worth
        self.trades += 1
        self.first, self.last = self.first or number, number

    def join(self, later: Candle) -> None:
        """Take in the candle that follows."""
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        self.lots += later.lots
        self.quote += later.quote
        self.bought += later.bought
        self.bought_quote += later.bought_quote
        self.trades += later.trades
        self.first, self.last = self.first or later.first, later.last or self.last


@dataclass(slots=True)
class Depth:
    """The shown book as it was last told, and the ids of messages."""

    shown: dict[int, Shown] = field(default_factory=lambda: {BUY: {}, SELL: {}})
    update: int = 1_000
    told: int = 1_000
    dirty: bool = False


@dataclass(slots=True)
class Tape:
    """Listens to an exchange; `publish` is told each stream's message: name and payload."""

    exchange: Matching[Any]
    publish: Callable[[str, str, dict[str, Any]], None]
    """The kind of stream (public or market), its name, and what is told."""
    heard: Callable[[str], bool] = lambda name: name.endswith("@kline_1m")
    """Whether anybody listens to a candle's stream: longer ones are put together then alone."""
    minutes: dict[str, deque[Candle]] = field(init=False)
    trades: dict[str, deque[tuple[Print, int, int]]] = field(init=False)
    """Each with its number, and the one it has among its contract's alone: that has no hole."""
    funding: dict[str, deque[tuple[int, Decimal, Decimal]]] = field(init=False)
    depth: dict[str, Depth] = field(init=False)

    def __post_init__(self) -> None:
        traded = self.exchange.contracts
        self.minutes = {one: deque(maxlen=KEPT) for one in traded}
        self.trades = {one: deque(maxlen=KEPT) for one in traded}
        self.funding = {one: deque(maxlen=KEPT) for one in traded}
        self.depth = {one: Depth() for one in traded}

    def hear(self, kind: str, account: str | None, what: Any) -> None:
        """What the exchange tells; see `engine.Teller`."""
        if kind == "print":
            self._printed(*what)
        elif kind == "mark":
            self._marked(what)
        elif kind == "levels":
            self.depth[what.symbol].dirty = True
        elif kind == "order":
            self.depth[what[0].symbol].dirty = True
        elif kind == "funding":
            self.funding[what.symbol].append((what.at, what.rate, what.mark))

    def _printed(self, tick: Print, number: int) -> None:
        contract = self.exchange.contracts[tick.symbol]
        self.depth[tick.symbol].dirty = True
        trades = self.trades[tick.symbol]
        aggregate = trades[-1][2] + 1 if trades else 1
        trades.append((tick, number, aggregate))
        at = tick.at // MINUTE * MINUTE
        minutes = self.minutes[tick.symbol]
        if not minutes or minutes[-1].at != at:
            if minutes:
                self._tell_candles(tick.symbol, at)
            minutes.append(Candle(at, tick.ticks, tick.ticks, tick.ticks, tick.ticks))
        worth = contract.worth(tick.ticks, tick.lots)
        minutes[-1].add(tick.ticks, tick.lots, worth, tick.taker == BUY, number)
        told = {
            "e": "aggTrade",
            "E": self.exchange.now,
            "s": tick.symbol,
            "a": aggregate,
            "p": str(contract.price(tick.ticks)),
            "q": str(contract.quantity(tick.lots)),
            "f": number,
            "l": number,
            "T": tick.at,
            "m": tick.taker == SELL,
        }
        name = tick.symbol.lower()
        self.publish("market", f"{name}@aggTrade", told)
        trade = {key: told[key] for key in ("E", "s", "p", "q", "T", "m")}
        self.publish("market", f"{name}@trade", {"e": "trade", "t": number, "X": "MARKET", **trade})
        self._tell_candles(tick.symbol)

    def _tell_candles(self, symbol: str, following: int | None = None) -> None:
        """Those that stand; or, where a minute follows, those that are over before it."""
        last, over = self.minutes[symbol][-1].at, following is not None
        for name, minutes in INTERVALS.items():
            span, stream = minutes * MINUTE, f"{symbol.lower()}@kline_{name}"
            goes_on = following is not None and following // span == last // span
            if self.heard(stream) and not goes_on:
                told = self._told(symbol, self._standing(symbol, span), name, span, over)
                self.publish("market", stream, told)

    def _standing(self, symbol: str, span: int) -> Candle:
        """The newest candle of that span."""
        kept = self.minutes[symbol]
        begin = kept[-1].at // span * span
        parts = list(takewhile(lambda one: one.at >= begin, reversed(kept)))[::-1]
        first = parts[0].open
        found = Candle(begin, first, first, first, first)
        for one in parts:
            found.join(one)
        return found

    def _told(self, symbol: str, one: Candle, name: str, span: int, closed: bool) -> dict[str, Any]:
        of = self.exchange.contracts[symbol]
        return {
            "e": "kline",
            "E": self.exchange.now,
            "s": symbol,
            "k": {
                "t": one.at,
                "T": one.at + span - 1,
                "s": symbol,
                "i": name,
                "f": one.first,
                "L": one.last,
                "o": str(of.price(one.open)),
                "c": str(of.price(one.close)),
                "h": str(of.price(one.high)),
                "l": str(of.price(one.low)),
                "v": str(of.quantity(one.lots)),
                "n": one.trades,
                "x": closed,
                "q": str(one.quote),
                "V": str(of.quantity(one.bought)),
                "Q": str(one.bought_quote),
                "B": "0",
            },
        }

    def _marked(self, tick: Marked) -> None:
        told = {
            "e": "markPriceUpdate",
            "E": tick.at,
            "s": tick.symbol,
            "p": str(tick.mark),
            "i": str(tick.spot),
            "P": str(tick.mark),
            "r": str(tick.rate),
            "T": tick.next_funding,
        }
        name = tick.symbol.lower()
        for stream in (f"{name}@markPrice", f"{name}@markPrice@1s"):
            self.publish("market", stream, told)

    # --- depth ----------------------------------------------------------------------------------

    def visible(self, symbol: str) -> dict[int, Shown]:
        """What the book shows now, ours included: of each side the best levels."""
        found: dict[int, Shown] = {}
        for sign, side in self.exchange.books[symbol].sides.items():
            levels: Shown = {}
            for ticks in side.reaching(None):
                lots = side.left(ticks) + sum(one.left for one in side.own.get(ticks, ()))
                if lots:
                    levels[ticks] = lots
                    if len(levels) == DEPTH:
                        break
            found[sign] = levels
        return found

    def tell_depth(self, symbols: Iterable[str]) -> None:
        """A message of what changed since the last one, for each book that changed."""
        for symbol in symbols:
            depth = self.depth[symbol]
            if depth.dirty:
                depth.dirty = False
                self._tell_changes(symbol, depth, self.visible(symbol))

    def _tell_changes(self, symbol: str, depth: Depth, now: dict[int, Shown]) -> None:
        of = self.exchange.contracts[symbol]
        changes: dict[int, list[list[str]]] = {}
        count = 0
        for side in (BUY, SELL):
            before, after = depth.shown[side], now[side]
            moved = {t: n for t, n in after.items() if before.get(t) != n}
            moved |= {t: 0 for t in before if t not in after}
            changes[side] = [[str(of.price(t)), str(of.quantity(n))] for t, n in moved.items()]
            count += len(moved)
        if not count:
            return
        depth.shown, first = now, depth.update + 1
        depth.update += count
        told = {
            "e": "depthUpdate",
            "E": self.exchange.now,
            "T": self.exchange.now,
            "s": symbol,
            "U": first,
            "u": depth.update,
            "pu": depth.told,
            "b": changes[BUY],
            "a": changes[SELL],
        }
        depth.told = depth.update
        name = symbol.lower()
        for stream in (f"{name}@depth", f"{name}@depth@100ms", f"{name}@depth@500ms"):
            self.publish("public", stream, told)
        best = {side: next(iter(now[side].items()), None) for side in (BUY, SELL)}
        if best[BUY] and best[SELL]:
            self.publish("public", f"{name}@bookTicker", self._best(symbol, of, depth, best))

    def _best(
        self, symbol: str, of: Contract, depth: Depth, best: dict[int, Any]
    ) -> dict[str, Any]:
        (bid, bids), (ask, asks) = best[BUY], best[SELL]
        return {
            "e": "bookTicker",
            "u": depth.update,
            "s": symbol,
            "b": str(of.price(bid)),
            "B": str(of.quantity(bids)),
            "a": str(of.price(ask)),
            "A": str(of.quantity(asks)),
            "T": self.exchange.now,
            "E": self.exchange.now,
        }

    # --- candles --------------------------------------------------------------------------------

    def candles(self, symbol: str, minutes: int) -> list[Candle]:
        """Candles of that many minutes, of what was traded here."""
        found: list[Candle] = []
        span = minutes * MINUTE
        for one in self.minutes[symbol]:
            at = one.at // span * span
            if not found or found[-1].at != at:
                found.append(Candle(at, one.open, one.high, one.low, one.close))
            found[-1].join(one)
        return found
