"""What is wrong with an instrument's data while it comes, and whether it can be trusted now.

Bars are judged as those of an import are (`quality`). The rest only shows live: silence, a chain
that breaks, a book that is crossed, a price that jumps, clocks that are apart. What lasts is one
finding, at the time that it began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import polars as pl

from commenda.market.files import COLUMNS
from commenda.market.model import Finding, FindingKind, Series
from commenda.market.quality import check_candles
from commenda.market.track import Bar

JUMP = 0.10
"""The part of a price by which two trades in a row may be apart."""
SKEW = 1_000
"""Milliseconds between the exchange's clock and this one, at the least of a window."""
WINDOW = 10_000
"""Milliseconds in which the least delay of a message is looked for."""
UNTRUSTED = (
    FindingKind.STALE,
    FindingKind.SEQUENCE_BREAK,
    FindingKind.CROSSED_BOOK,
    FindingKind.GAP,
)
"""While one of these lasts nobody should trade on the data."""


class Watch:
    """Looks at one instrument. New findings gather in `found`, for whoever takes them."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self.lasting: dict[FindingKind, str] = {}
        self.lag: int | None = None
        """Milliseconds by which this clock was past the exchange's, at the least of a window."""
        self._price: float | None = None
        self._bar: Bar | None = None
        self._least: int | None = None
        self._since: int | None = None

    @property
    def distrust(self) -> str | None:
        """Why the data cannot be trusted now; None where it can."""
        reasons = (f"{kind}: {self.lasting[kind]}" for kind in UNTRUSTED if kind in self.lasting)
        return "; ".join(reasons) or None

    def begin(self, kind: FindingKind, at: int, details: str) -> None:
        """Something is wrong from `at` milliseconds on, until its `end`."""
        if kind not in self.lasting:
            self.once(kind, at, details)
        self.lasting[kind] = details

    def hold(self, kind: FindingKind, details: str) -> None:
        """It lasts, and is found elsewhere or not worth one: at the start nothing is known yet."""
        self.lasting[kind] = details

    def end(self, kind: FindingKind) -> None:
        self.lasting.pop(kind, None)

    def once(self, kind: FindingKind, at: int, details: str) -> None:
        self.found.append(Finding(kind, datetime.fromtimestamp(at / 1000, UTC), details))

    def price(self, price: float, at: int) -> None:
        """A trade's price, held against the one before."""
        before, self._price = self._price, price
        if before is not None and abs(price / before - 1) > JUMP:
            self.once(FindingKind.PRICE_JUMP, at, f"from {before} to {price}")

    def clock(self, event: int, wall: int) -> None:
        """A message that the exchange sent at `event` and that came at `wall`."""
        apart = wall - event
        self._least = apart if self._least is None else min(self._least, apart)
        if self._since is None:
            self._since = event
        if event - self._since < WINDOW:
            return
        least, self._least, self._since = self._least, None, event
        self.lag = least
        if abs(least) > SKEW:
            side = "behind" if least < 0 else "ahead, or messages are late"
            details = f"{abs(least)} ms: this clock is {side}"
            self.begin(FindingKind.CLOCK_SKEW, event, details)
        else:
            self.end(FindingKind.CLOCK_SKEW)

    def bars(self, bars: Sequence[Bar], interval: int) -> None:
        """Judge bars in order, as an import would, the first beside the last of before."""
        before = self._bar
        rows = [before, *bars] if before is not None and before.ts < bars[0].ts else bars
        if before is None or before.ts < bars[-1].ts:  # what was asked for comes after later ones
            self._bar = bars[-1]
        frame = pl.DataFrame([asdict(one) for one in rows]).select(COLUMNS[Series.CANDLES])
        frame = frame.with_columns(pl.from_epoch("ts").cast(pl.Datetime("us", "UTC")))
        opens = {datetime.fromtimestamp(one.ts, UTC) for one in bars}
        for one in bars:  # a run of idle bars is told at its first; here each tells of itself
            if one.volume == 0:
                self.once(FindingKind.ZERO_VOLUME, one.ts * 1000, "1 bar")
        for finding in check_candles(frame, interval):
            if finding.kind is not FindingKind.ZERO_VOLUME and finding.at in opens:
                self.found.append(finding)
