"""One instrument as it is followed: what each message means for its book, bars, marks and trust."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from commenda.market.ingest.bars import Bars, Candle, Trade
from commenda.market.ingest.book import DepthBook, DepthDelta, DepthSnapshot
from commenda.market.ingest.record import Recording
from commenda.market.ingest.watch import Watch
from commenda.market.model import FindingKind, Instrument, Kind, Mark

SHOWN = 20
"""Trades that are kept to be shown."""
BOOK_KINDS = (FindingKind.SEQUENCE_BREAK, FindingKind.CROSSED_BOOK)


class Observation(NamedTuple):
    """A number that was known at a time: `funding`, `index`, `mark` or `open_interest`."""

    series: str
    ts: datetime
    value: Decimal


@dataclass(slots=True)
class Followed:
    """Everything that is kept of one instrument; `hear` changes it, nothing here waits."""

    instrument: Instrument
    bars: Bars
    book: DepthBook = field(default_factory=DepthBook)
    watch: Watch = field(default_factory=Watch)
    recording: Recording | None = None
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=SHOWN))
    traded_at: int = 0
    """When the exchange told the last of them, in milliseconds."""
    depth_at: int = 0
    """When it told the last update of the book."""
    mark: Mark | None = None
    marked: dict[str, Any] | None = None
    """How the exchange told it: with index and the funding to come."""
    observations: list[Observation] = field(default_factory=list)
    funding_due: int | None = None
    """A funding stamp (ms) whose rate is not known yet."""
    event: int = 0
    """The exchange's time of the newest message, in milliseconds."""
    heard: int = 0
    """When that came, by this machine's clock."""
    messages: int = 0
    resyncs: int = 0
    is_asking: bool = False
    """For bars that no stream brought."""
    is_joining: bool = False
    """A snapshot is asked for."""
    distrusted: datetime | None = None
    """Since when it cannot be trusted, by the wall."""
    _trusted_once: bool = False
    _next_funding: int = 0
    _minute: int = 0

    @property
    def needs_snapshot(self) -> bool:
        return not self.book.right and not self.is_joining

    @property
    def has_news(self) -> bool:
        return bool(self.bars.closed or self.bars.findings or self.watch.found)

    def hear(self, told: dict[str, Any], wall: int) -> None:
        """Take an event of a stream; one of a kind that is not followed changes nothing."""
        take = _TAKES.get(told["e"])
        if take is None:
            return
        event: int = told["E"]
        self.messages += 1
        self.event, self.heard = max(self.event, event), wall
        self.watch.clock(event, wall)
        take(self, told, event)

    def take_snapshot(self, snapshot: DepthSnapshot) -> bool:
        """Whether the book is right with it."""
        self.resyncs += 1
        if not self.book.take(snapshot):
            return False
        self._judge_book(self.event)
        if self.book.right and self.recording is not None:
            self.recording.begin(self.book, self.depth_at or self.event)
        return self.book.right

    def lose(self, why: str, *, depth: bool) -> None:
        """A connection is gone: of the depth's, or of everything else's."""
        if depth:
            self._end_part()
            self.book.forget(why)
        self._stale(why)

    def __post_init__(self) -> None:
        self.watch.hold(FindingKind.STALE, "nothing was heard yet")

    def check(self, wall: int, silence: float, lost: str | None) -> None:
        """Look at what only time tells: silence, and bars that did not come. `lost` says why a
        connection is not open."""
        quiet = (wall - self.heard) / 1000
        explained = any(kind in self.watch.lasting for kind in BOOK_KINDS)
        if lost is not None:
            self._stale(lost)
        elif not self.book.right and not explained:
            self._stale(self.book.why or "")
        elif quiet > silence:
            self._stale(f"nothing was heard for {quiet:.0f} s")
        else:
            self.watch.end(FindingKind.STALE)
        missing = self.bars.missing(self.event)
        if missing is None:
            self.watch.end(FindingKind.GAP)
        else:
            since = datetime.fromtimestamp(missing[0], UTC)
            self.watch.hold(FindingKind.GAP, f"bars are missing since {since:%Y-%m-%d %H:%M}")

    def note_trust(self, wall: int) -> None:
        """Have `distrusted` say what the watch says now."""
        if self.watch.distrust is None:
            self.distrusted, self._trusted_once = None, True
        elif self.distrusted is None:
            self.distrusted = datetime.fromtimestamp(wall / 1000, UTC)

    def _stale(self, why: str) -> None:
        if self._trusted_once:
            self.watch.begin(FindingKind.STALE, self.event, why)
        else:
            self.watch.hold(FindingKind.STALE, why)

    def _depth(self, told: dict[str, Any], event: int) -> None:
        was_right = self.book.right
        self.depth_at = event
        delta, before = DepthDelta.of(told), self.book.last
        if self.book.hear(delta):
            self._judge_book(event)
        elif was_right:
            self.watch.begin(FindingKind.SEQUENCE_BREAK, event, f"depth: {self.book.why}")
        if was_right and not self.book.right:
            self._end_part()
        elif self.recording is not None and self.book.right and self.book.last != before:
            self.recording.delta(delta, told.get("T", event))  # spot tells one time only

    def _end_part(self) -> None:
        """What is recorded of the book ends here: there is a gap, or it is not to be trusted."""
        if self.recording is not None and self.recording.part.has_book:
            self.recording.end()

    def turn_part(self, begun: int) -> None:
        """Begin another part of the recording, with the book as it is."""
        if self.recording is not None:
            self.recording.end(begun)
            if self.book.right:
                self.recording.begin(self.book, self.depth_at or self.event)

    def _judge_book(self, event: int) -> None:
        if self.book.crossed:
            prices = f"bid {self.book.best_bid}, ask {self.book.best_ask}"
            self.watch.begin(FindingKind.CROSSED_BOOK, event, prices)
            self.book.go_stale(f"crossed: {prices}")
        else:
            for kind in BOOK_KINDS:
                self.watch.end(kind)

    def _trade(self, told: dict[str, Any], event: int) -> None:
        trade = Trade.of(told)
        if not self.trades or trade.number > self.trades[-1].number:
            self.trades.append(trade)
            self.traded_at = event
            if self.instrument.kind is Kind.SPOT:  # which has no mark of the exchange's
                at = datetime.fromtimestamp(trade.at / 1000, UTC)
                self.mark = Mark(Decimal(told["p"]), at, "trade")
            if self.recording is not None:
                self.recording.trade(trade)
        missing = self.bars.hear(trade, event)
        if missing is not None:  # the exchange's bars stand in: nothing is lasting
            self.watch.once(FindingKind.SEQUENCE_BREAK, event, missing)
        self.watch.price(trade.price, trade.at)

    def _kline(self, told: dict[str, Any], event: int) -> None:
        if told["k"]["x"]:
            self.bars.tell(Candle.of_stream(told))

    def _marked(self, told: dict[str, Any], event: int) -> None:
        at = datetime.fromtimestamp(event / 1000, UTC)
        self.marked = told
        self.mark = Mark(Decimal(told["p"]), at, "mark")
        minute = event // 60_000
        if minute != self._minute:
            self._minute = minute
            opened = datetime.fromtimestamp(minute * 60, UTC)
            self.observations.append(Observation("mark", opened, self.mark.price))
            self.observations.append(Observation("index", opened, Decimal(told["i"])))
        following: int = told["T"]
        if self._next_funding and following > self._next_funding:
            self.funding_due = self._next_funding
        self._next_funding = following


_TAKES: dict[str, Callable[[Followed, dict[str, Any], int], None]] = {
    "depthUpdate": Followed._depth,
    "aggTrade": Followed._trade,
    "kline": Followed._kline,
    "markPriceUpdate": Followed._marked,
}
