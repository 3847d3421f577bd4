"""What is known of one instrument over time, held for fast lookups: bars, marks and funding."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from math import fsum
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from commenda.kit.errors import CommendaError
from commenda.kit.money import quantise
from commenda.kit.times import iso
from commenda.market.due import DueFunding
from commenda.market.grid import Stamps, closes_of
from commenda.market.model import Funding, Instrument, Kind, Mark, exact

Array: TypeAlias = npt.NDArray[np.float64]

MARK_SCALE = 8
"""Decimals of a venue's mark price."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One candle. `ts` is its OPEN time in epoch seconds UTC; prices in quote, volume in base."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def composed(bars: Sequence[Bar], base: int, interval: int) -> list[Bar]:
    """Bars of `interval` seconds, made of shorter ones of `base` that are in order: from the first
    that there is to the last, on whole intervals since the epoch."""
    if interval == base:
        return list(bars)
    parts = [list(group) for _, group in groupby(bars, key=lambda one: one.ts // interval)]
    return [
        Bar(
            part[0].ts // interval * interval,
            part[0].open,
            max(one.high for one in part),
            min(one.low for one in part),
            part[-1].close,
            fsum(one.volume for one in part),
        )
        for part in parts
    ]


@dataclass(frozen=True, slots=True, eq=False)
class BarArrays:
    """The candles of one instrument in read-only columns; `ts` as in `Bar`, increasing."""

    ts: Stamps
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array

    def __len__(self) -> int:
        return self.ts.size


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Numbers that each became known at a time: epoch seconds UTC, increasing."""

    ts: Stamps
    values: Array

    @classmethod
    def none(cls) -> Self:
        return cls(np.empty(0, np.int64), np.empty(0, np.float64))


class Track:
    """One instrument's bars of one interval, its mark prices and its funding rates.

    Scalars are looked up in Python lists: an element of a numpy array costs several times more.
    """

    def __init__(
        self,
        instrument: Instrument,
        interval: int,
        bars: BarArrays,
        marks: Observations,
        funding: Observations,
    ) -> None:
        for column in (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume):
            column.flags.writeable = False
        self.instrument = instrument
        self.interval = interval
        self.arrays = bars
        self._opens: list[int] = bars.ts.tolist()
        self._closes: list[int] = closes_of(bars.ts, interval).tolist()
        self._rows = {ts: row for row, ts in enumerate(self._opens)}
        self._columns: tuple[list[float], ...] = tuple(
            column.tolist() for column in (bars.open, bars.high, bars.low, bars.close, bars.volume)
        )
        self._mark_ts: list[int] = marks.ts.tolist()
        self._marks: list[float] = marks.values.tolist()
        self._funding_ts: list[int] = funding.ts.tolist()
        self._rates: list[Decimal] = [exact(rate) for rate in funding.values.tolist()]
        self._due = DueFunding(self._funding_ts)

    def bar(self, ts: int) -> Bar | None:
        """The bar that opens at `ts`, or None where there is none."""
        return self._bar(self._rows.get(ts))

    def closed_bar(self, ts: int) -> Bar | None:
        """The bar that closed at `ts`, or None where none did."""
        row = bisect_left(self._closes, ts)
        return self._bar(row if self._closes[row : row + 1] == [ts] else None)

    def _bar(self, row: int | None) -> Bar | None:
        return None if row is None else Bar(self._opens[row], *(one[row] for one in self._columns))

    def mark_at(self, ts: int) -> Mark:
        """The freshest price known at or before `ts`; see `CandleFeed.mark_at`."""
        mark_row = bisect_right(self._mark_ts, ts) - 1
        bar_row = bisect_right(self._closes, ts) - 1
        if mark_row < 0 and bar_row < 0:
            raise CommendaError(
                "no_price", f"No price of {self.instrument.symbol} is known yet"
            ).at("ts", iso(_moment(ts)), "start later, or import data that begins earlier")
        closed_at = self._closes[bar_row] if bar_row >= 0 else None
        if mark_row >= 0 and (closed_at is None or self._mark_ts[mark_row] >= closed_at):
            price = quantise(exact(self._marks[mark_row]), MARK_SCALE)
            return Mark(price, _moment(self._mark_ts[mark_row]), "mark")
        assert closed_at is not None  # one of the two is known
        close = self._columns[3][bar_row]
        return Mark(self.instrument.to_tick(close), _moment(closed_at), "candle")

    def funding_between(self, after_ts: int, until_ts: int) -> list[Funding]:
        """The stamps in (after, until]; see `CandleFeed.funding_between`."""
        if self.instrument.kind is not Kind.LINEAR_PERPETUAL or until_ts <= after_ts:
            return []
        missing = self._due.first_missing(after_ts, until_ts)
        if missing is not None:
            raise CommendaError(
                "missing_funding", f"The funding rate of {self.instrument.symbol} is not known"
            ).at(
                "ts",
                iso(_moment(missing)),
                "import funding that covers it, or end before it",
            )
        first = bisect_right(self._funding_ts, after_ts)
        last = bisect_right(self._funding_ts, until_ts)
        return [
            Funding(ts, rate, self.mark_at(ts))
            for ts, rate in zip(self._funding_ts[first:last], self._rates[first:last], strict=True)
        ]


def open_between(opens: Sequence[int], start: int, end: int) -> list[int]:
    """The sorted `opens` within [start, end)."""
    return list(opens[bisect_left(opens, start) : bisect_left(opens, end)])


def _moment(ts: int) -> datetime:
    return datetime.fromtimestamp(ts, UTC)
