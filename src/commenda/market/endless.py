"""A simulated market that never ends: one stretch after another, each from the last one's close.

A stretch depends on the seed, its number and the prices it begins at, so the whole market depends
on the seed alone: a process that starts again draws the same prices up to any moment.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from commenda.market.feed import CandleFeed
from commenda.market.model import Funding, Instrument, Mark
from commenda.market.simulated import SimulatedAsset, SimulatedSeries, simulate_market
from commenda.market.track import Bar, BarArrays, Observations, Track

STRETCH = timedelta(days=30)
"""Whole days, so that funding stamps and bars meet at the seams."""
KEPT = 12
"""Stretches that are held: the latest. What is older was stored when it was the present."""
_DAY = 86400


class EndlessFeed(CandleFeed):
    """A `CandleFeed` that draws more of its market whenever it is asked about a later time.

    It holds the latest `KEPT` stretches: a process that runs for months stays as large as it is.
    """

    def __init__(
        self,
        seed: int,
        assets: Sequence[SimulatedAsset],
        instruments: Sequence[Instrument],
        start: datetime,
        interval: timedelta,
    ) -> None:
        self._seed = seed
        self._assets = list(assets)
        self._stored = {one.symbol: one for one in instruments}
        self._start = start
        self._step = interval
        self._stretches: dict[str, list[SimulatedSeries]] = {one: [] for one in self._stored}
        self._drawn_until = start
        self._drawing = threading.Lock()
        self._known_until = 0
        super().__init__([], int(interval.total_seconds()))
        self._reach(int(start.timestamp()))

    def bar(self, instrument_id: int, ts: int) -> Bar | None:
        self._reach(ts)
        return super().bar(instrument_id, ts)

    def funding_between(self, instrument_id: int, after_ts: int, until_ts: int) -> list[Funding]:
        self._reach(until_ts)
        return super().funding_between(instrument_id, after_ts, until_ts)

    def mark_at(self, instrument_id: int, ts: int) -> Mark:
        self._reach(ts)
        return super().mark_at(instrument_id, ts)

    def timestamps(self, start: int, end: int) -> list[int]:
        self._reach(end)
        return super().timestamps(start, end)

    def _reach(self, ts: int) -> None:
        """Draw the market until a day past `ts`, at least."""
        if ts < self._known_until:
            return
        with self._drawing:
            while self._drawn_until.timestamp() < ts + _DAY:
                self._draw_stretch()
                for parts in self._stretches.values():
                    del parts[:-KEPT]
            drawn = CandleFeed([self._joined(one) for one in self._stored.values()], self.interval)
            # Replaced whole: a reader on another thread sees the shorter market or the longer one.
            self._tracks, self._opens = drawn._tracks, drawn._opens
            self.instruments = drawn.instruments
            self._known_until = int(self._drawn_until.timestamp()) - _DAY

    def _draw_stretch(self) -> None:
        number = (self._drawn_until - self._start) // STRETCH
        drawn = simulate_market(
            self._seed + number,
            self._assets,
            self._drawn_until.astimezone(UTC),
            STRETCH // self._step,
            self._step,
        )
        self._assets = [
            replace(asset, price=float(drawn[asset.instrument.symbol].bars.close[-1]))
            for asset in self._assets
        ]
        for symbol, series in drawn.items():
            self._stretches[symbol].append(series)
        self._drawn_until += STRETCH

    def _joined(self, instrument: Instrument) -> Track:
        parts = self._stretches[instrument.symbol]
        bars = BarArrays(
            *(
                np.concatenate([getattr(part.bars, name) for part in parts])
                for name in ("ts", "open", "high", "low", "close", "volume")
            )
        )
        return Track(
            instrument,
            self.interval,
            bars,
            _chained([part.marks for part in parts]),
            _chained([part.funding for part in parts]),
        )


def _chained(parts: Sequence[Observations]) -> Observations:
    """Observations one after the other; at a seam the earlier stretch's own stamp stands."""
    kept = [parts[0]]
    for part in parts[1:]:
        later = part.ts > kept[-1].ts[-1]
        kept.append(Observations(part.ts[later], part.values[later]))
    return Observations(
        np.concatenate([part.ts for part in kept]), np.concatenate([part.values for part in kept])
    )
