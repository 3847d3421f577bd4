"""Candles, marks and funding in memory: the one source of prices for whoever replays or trades.

Times are epoch seconds UTC. A bar is named by its OPEN time and is known only once it closed, one
interval later; nothing here ever answers with a price from after the time that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, not_found
from commenda.market import queries
from commenda.market.files import load, read_imported
from commenda.market.grid import Stamps, interval_name
from commenda.market.instruments import find_instrument
from commenda.market.model import Funding, Instrument, Mark, Series
from commenda.market.simulated import SimulatedSeries
from commenda.market.track import (
    Bar,
    BarArrays,
    Observations,
    Track,
    composed,
    open_between,
)


@dataclass(frozen=True, slots=True)
class SeriesFiles:
    """The Parquet files of one instrument. A perpetual without funding cannot be charged any."""

    candles: Path
    funding: Path | None = None
    mark: Path | None = None
    mark_interval: int = 8 * 3600


class CandleFeed:
    """The candles of several instruments at one interval, with their marks and funding.

    Lookups cost O(1), those by time O(log n). An id that is not in `instruments` is refused with
    the code `unknown_instrument`.
    """

    instruments: tuple[Instrument, ...]
    interval: int
    """Seconds from a bar's open to its close."""
    live: ClassVar[bool] = False
    """Whether another process stores the bars as they come: what was inside one is past."""

    def __init__(self, tracks: Iterable[Track], interval: int) -> None:
        self._tracks = {track.instrument.id: track for track in tracks}
        self.instruments = tuple(track.instrument for track in self._tracks.values())
        self.interval = interval
        every_open = [track.arrays.ts for track in self._tracks.values()]
        self._opens: list[int] = (
            np.unique(np.concatenate(every_open)).tolist() if every_open else []
        )

    @classmethod
    def from_files(cls, sources: Iterable[tuple[Instrument, SeriesFiles]], interval: int) -> Self:
        """Read Parquet files, imported or not; refused as an import would refuse them."""
        return cls((_track_of_files(*source, interval) for source in sources), interval)

    @classmethod
    def from_data_dir(
        cls,
        tx: Tx,
        data_dir: Path,
        symbols: Sequence[str],
        interval: int,
        *,
        venue: str = "binance_usdm",
    ) -> Self:
        """Read the imported datasets of `symbols`, with the finest mark prices there are.

        Codes `unknown_instrument`; `no_dataset` where no candles of the interval were imported;
        `dataset_changed` where a file is no longer the one that was imported.
        """
        found = [find_instrument(tx, venue, symbol) for symbol in symbols]
        return cls((_imported_track(tx, data_dir, one, interval) for one in found), interval)

    @classmethod
    def from_simulation(
        cls, instruments: Sequence[Instrument], series: Mapping[str, SimulatedSeries]
    ) -> Self:
        """Serve what `simulate_market` made; code `not_simulated` for a real instrument."""
        intervals = {series[instrument.symbol].interval for instrument in instruments}
        if len(intervals) != 1:
            raise CommendaError("bad_interval", "A feed has exactly one interval").at(
                "interval", sorted(intervals)
            )
        (interval,) = intervals
        return cls((_simulated_track(one, series[one.symbol]) for one in instruments), interval)

    def instrument(self, instrument_id: int) -> Instrument:
        return self._track(instrument_id).instrument

    def bar(self, instrument_id: int, ts: int) -> Bar | None:
        """The bar that OPENS at `ts`, or None where the series has none."""
        return self._track(instrument_id).bar(ts)

    def closed_bar(self, instrument_id: int, ts: int) -> Bar | None:
        """The bar that CLOSED at `ts`: where the next one opens, else one interval after its own
        open; None without one.
        """
        return self._track(instrument_id).closed_bar(ts)

    def look(self) -> None:
        """Take notice of what is new where others store it; a tick begins with it."""

    def closed_until(self, instrument_id: int) -> int | None:
        """When the last bar closed that is there; None where that need not be asked."""
        return None

    def closed_bars(
        self, instrument_id: int, interval: int, after: int | None, until: int, earlier: int = 0
    ) -> list[Bar]:
        """The bars of `interval` seconds that opened after `after` and closed by `until`, in order.

        Without `after` the last that closed, and up to `earlier` ones before it. Bars that are
        longer than the feed's are made of those: `interval` is a whole number of them.
        """
        begin = until - (earlier + 2) * interval if after is None else after
        opens = self.timestamps(begin + 1, until - self.interval + 1)
        bars = [bar for ts in opens if (bar := self.bar(instrument_id, ts)) is not None]
        made = composed(bars, self.interval, interval)
        return [one for one in made if begin < one.ts <= until - interval]

    def funding_between(self, instrument_id: int, after_ts: int, until_ts: int) -> list[Funding]:
        """The funding stamps in (after, until], each with the mark known at the stamp.

        Spot pays none. A stamp that was due and is not recorded, within the series or beyond its
        ends, is the error `missing_funding`: it never counts as zero.
        """
        return self._track(instrument_id).funding_between(after_ts, until_ts)

    def mark_at(self, instrument_id: int, ts: int) -> Mark:
        """The freshest price known at or before `ts`: the one dated source of marks.

        A mark-price observation (the open of a mark candle, known at its stamp) or the close of a
        candle (known when it closed); the mark price where both are equally fresh. The mark price
        has 8 decimals, a close is at its tick. Code `no_price` when nothing is known yet.
        """
        return self._track(instrument_id).mark_at(ts)

    def timestamps(self, start: int, end: int) -> list[int]:
        """The times in [start, end) at which a bar of any instrument opens, in order."""
        return open_between(self._opens, start, end)

    def arrays(self, instrument_id: int) -> BarArrays:
        """All bars of an instrument as read-only columns, for backtests."""
        return self._track(instrument_id).arrays

    def _track(self, instrument_id: int) -> Track:
        try:
            return self._tracks[instrument_id]
        except KeyError:
            raise not_found("unknown_instrument", "This feed has no such instrument").at(
                "instrument_id", instrument_id
            ) from None


def _track_of_files(instrument: Instrument, files: SeriesFiles, interval: int) -> Track:
    candles = load(files.candles, Series.CANDLES, interval).frame
    marks = load(files.mark, Series.MARK, files.mark_interval).frame if files.mark else None
    funding = load(files.funding, Series.FUNDING, 0).frame if files.funding else None
    return _track(instrument, interval, candles, marks, funding)


def _imported_track(tx: Tx, data_dir: Path, instrument: Instrument, interval: int) -> Track:
    datasets = queries.datasets_of(tx, instrument.id)
    candles = [d for d in datasets if (d.series, d.interval_seconds) == (Series.CANDLES, interval)]
    if not candles:
        name = interval_name(interval)
        raise CommendaError(
            "no_dataset", f"No {name} candles of {instrument.symbol} were imported"
        ).at(
            "symbol",
            instrument.symbol,
            f"commenda market import {instrument.venue}_{instrument.symbol}_{name}.parquet",
        )
    marks = sorted(
        (d for d in datasets if d.series is Series.MARK), key=lambda d: d.interval_seconds
    )
    funding = [d for d in datasets if d.series is Series.FUNDING]
    first = [read_imported(data_dir, some[0]) if some else None for some in (marks, funding)]
    return _track(instrument, interval, read_imported(data_dir, candles[0]), *first)


def _track(
    instrument: Instrument,
    interval: int,
    candles: pl.DataFrame,
    marks: pl.DataFrame | None,
    funding: pl.DataFrame | None,
) -> Track:
    bars = BarArrays(
        _seconds(candles),
        *(candles[name].to_numpy() for name in ("open", "high", "low", "close", "volume")),
    )
    # Only the open of a mark candle was known at its stamp; the rest of it came later.
    return Track(
        instrument, interval, bars, _observations(marks, "open"), _observations(funding, "rate")
    )


def _observations(frame: pl.DataFrame | None, column: str) -> Observations:
    if frame is None:
        return Observations.none()
    return Observations(_seconds(frame), frame[column].to_numpy())


def _seconds(frame: pl.DataFrame) -> Stamps:
    return frame["ts"].dt.epoch("s").to_numpy().astype(np.int64)


def _simulated_track(instrument: Instrument, series: SimulatedSeries) -> Track:
    if not instrument.simulated:
        raise CommendaError(
            "not_simulated", "A simulated market belongs to instruments of the venue 'simulated'"
        ).at("venue", instrument.venue)
    return Track(instrument, series.interval, series.bars, series.marks, series.funding)
