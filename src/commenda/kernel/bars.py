"""What a run is given: bars and funding, checked once so that the loop need not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Stamps: TypeAlias = npt.NDArray[np.int64]

SECOND = 1_000_000_000
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
"""Order of the `bar` array that a step receives."""
NO_FINER: Array = np.zeros((0, VOLUME + 1))
"""The table of finer bars of a run that has none."""


def to_nearest_second(stamps: Stamps) -> Stamps:
    """Strip an exchange's jitter (measured: up to 10 ms) from stamps in nanoseconds UTC."""
    return (stamps + SECOND // 2) // SECOND * SECOND


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Closed candles of one instrument. `ts` is each bar's OPEN time in nanoseconds UTC.

    Prices are in quote currency for one unit, volume in units.
    """

    ts: Stamps
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "ts", np.require(self.ts, np.int64, ["C", "A", "W"]))
        for name in ("open", "high", "low", "close", "volume"):
            column = np.require(getattr(self, name), np.float64, ["C", "A", "W"])
            object.__setattr__(self, name, column)
            if column.shape != self.ts.shape:
                raise ValueError(f"bars: {name} has {column.size} rows, ts has {self.ts.size}")
        refuse_first(self.ts[1:] <= self.ts[:-1], self.ts[1:], "stamp does not increase")
        sound = (
            (self.low > 0.0)
            & (self.low <= self.open)
            & (self.low <= self.close)
            & (self.open <= self.high)
            & (self.close <= self.high)
            & (self.high < np.inf)
            & (self.volume >= 0.0)
        )
        refuse_first(~sound, self.ts, "prices are not 0 < low <= open, close <= high < inf")

    def __len__(self) -> int:
        return self.ts.size

    def between(self, start: int, stop: int) -> Bars:
        """The bars numbered `start` to `stop` (exclusive)."""
        prices = (self.open, self.high, self.low, self.close, self.volume)
        return Bars(self.ts[start:stop], *(column[start:stop] for column in prices))


@dataclass(frozen=True, slots=True, eq=False)
class Funding:
    """Funding of one perpetual: a long pays quantity · mark · rate at each stamp, a short gets it.

    `ts` in nanoseconds UTC, rounded here to the nearest second; `rate` as a fraction, signed;
    `mark` is the mark price given for that stamp. `estimated` says how many marks are not the
    exchange's but a candle's close.
    """

    ts: Stamps
    rate: Array
    mark: Array
    estimated: int = 0

    def __post_init__(self) -> None:
        stamps = to_nearest_second(np.asarray(self.ts, dtype=np.int64))
        object.__setattr__(self, "ts", np.require(stamps, np.int64, ["C", "A", "W"]))
        for name in ("rate", "mark"):
            column = np.require(getattr(self, name), np.float64, ["C", "A", "W"])
            object.__setattr__(self, name, column)
            if column.shape != self.ts.shape:
                raise ValueError(f"funding: {name} has {column.size} rows, ts has {self.ts.size}")
        refuse_first(self.ts[1:] <= self.ts[:-1], self.ts[1:], "stamp does not increase")
        sound = np.isfinite(self.rate) & (self.mark > 0.0) & (self.mark < np.inf)
        refuse_first(~sound, self.ts, "rate or mark is not a number")

    @classmethod
    def none(cls) -> Funding:
        """No funding at all."""
        return cls(np.empty(0, np.int64), np.empty(0), np.empty(0))

    def bar_indexes(self, bar_ts: Stamps) -> Stamps:
        """For each stamp the bar that charges it: the first that opens at or after the stamp.

        So bar i charges the stamps in (open of bar i-1, open of bar i]. Bar 0 and anything before
        it charge nothing, for nothing is held yet; stamps past the last open get `len(bar_ts)`.
        """
        return np.searchsorted(bar_ts, self.ts, side="left").astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class BookSamples:
    """Order books sampled now and then: what a taker finds, level by level.

    `ts` in nanoseconds UTC. `sizes` and `offsets` have the shape (samples, 2, levels), buyers'
    side first: units within the first levels together, and the average price of taking exactly
    those as a distance from the mid, in fractions of it. A book holds until the next sample.
    """

    ts: Stamps
    sizes: Array
    offsets: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "ts", np.require(self.ts, np.int64, ["C", "A", "W"]))
        for name in ("sizes", "offsets"):
            column = np.require(getattr(self, name), np.float64, ["C", "A", "W"])
            object.__setattr__(self, name, column)
            if column.ndim != 3 or column.shape[:2] != (self.ts.size, 2) or column.shape[2] == 0:
                raise ValueError(f"samples: {name} has the shape {column.shape}")
        refuse_first(self.ts[1:] <= self.ts[:-1], self.ts[1:], "stamp does not increase")
        steps = np.diff(self.sizes, axis=2, prepend=0.0)
        rise = ((steps > 0.0) & (steps < np.inf)).all(axis=(1, 2))
        refuse_first(np.asarray(~rise), self.ts, "sizes do not rise from level to level")
        sound = ((self.offsets >= 0.0) & (self.offsets < np.inf)).all(axis=(1, 2))
        refuse_first(np.asarray(~sound), self.ts, "an offset is negative or no number")


def typical_interval(bars: Bars) -> timedelta:
    """The shortest distance between two bars; a day where there is one bar."""
    if len(bars) < 2:
        return timedelta(days=1)
    return timedelta(microseconds=int(np.diff(bars.ts).min()) // 1_000)


def refuse_first(wrong: npt.NDArray[np.bool_], stamps: Stamps, why: str) -> None:
    """Raise ValueError naming the first stamp marked `wrong`, if there is one."""
    if wrong.any():
        stamp = np.datetime64(int(stamps[int(np.argmax(wrong))]), "ns")
        raise ValueError(f"{stamp}Z: {why}")
