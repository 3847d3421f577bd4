"""Funding for a run: taken from recorded rates, priced at mark, and refused where it has gaps."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from commenda.kernel import Bars, Funding
from commenda.kernel.bars import Stamps, to_nearest_second
from commenda.kit.errors import CommendaError

EIGHT_HOURS = timedelta(hours=8)


def nanoseconds(span: timedelta) -> int:
    """`span` as whole nanoseconds."""
    return span // timedelta(microseconds=1) * 1_000


def stamps_of(frame: pl.DataFrame) -> Stamps:
    """The `ts` column of a frame as nanoseconds UTC."""
    return frame["ts"].dt.epoch("ns").to_numpy()


def utc(stamp: int) -> str:
    """A stamp in nanoseconds UTC as people write it."""
    return f"{np.datetime64(int(stamp), 'ns').astype('datetime64[s]')}Z"


def funding_between(bars: Bars, rates: pl.DataFrame, marks: pl.DataFrame | None = None) -> Funding:
    """Funding with stamps in (first open, last open] of `bars`.

    `rates` has ts and rate, `marks` candles of the mark price (ts, open, …). A stamp is priced at
    the open of the mark candle that begins at it; where there is none, at the close of the bar
    that ends there, and counted in `Funding.estimated`.
    """
    stamps = to_nearest_second(stamps_of(rates))
    inside = (stamps > bars.ts[0]) & (stamps <= bars.ts[-1])
    stamps = stamps[inside]
    closes = bars.close[np.searchsorted(bars.ts, stamps, side="left") - 1]
    known: dict[int, float] = {}
    if marks is not None:
        known = dict(zip(to_nearest_second(stamps_of(marks)).tolist(), marks["open"], strict=True))
    priced = [known.get(stamp) for stamp in stamps.tolist()]
    return Funding(
        ts=stamps,
        rate=rates["rate"].to_numpy()[inside],
        mark=np.array([c if p is None else p for p, c in zip(priced, closes, strict=True)]),
        estimated=priced.count(None),
    )


def refuse_gaps(funding: Funding, bars: Bars, every: timedelta | None = None) -> None:
    """Raise CommendaError `missing_funding` naming the first stamp missing over the run.

    `every` is the longest interval the instrument settled at over the run; stamps in between are
    welcome (some instruments change between 8, 4 and 1 h). None takes the shortest distance found,
    which is the strict reading, or 8 h where fewer than two stamps are given.
    """
    if len(bars) == 0:
        return
    first, last = int(bars.ts[0]), int(bars.ts[-1])
    step = _interval(funding, every)
    stamps = [int(stamp) for stamp in funding.ts if first < stamp <= last]
    # Before the first stamp and after the last one the grid of that stamp goes on.
    if not stamps:
        _refuse_missing(first // step * step + step, last, step)
        return
    _refuse_missing(stamps[0] - (stamps[0] - first - 1) // step * step, stamps[0] - 1, step)
    for before, after in pairwise(stamps):
        _refuse_missing(before + step, after - 1, step)
    _refuse_missing(stamps[-1] + step, last, step)


def _interval(funding: Funding, every: timedelta | None) -> int:
    if every is not None:
        return nanoseconds(every)
    if funding.ts.size < 2:
        return nanoseconds(EIGHT_HOURS)
    return int(np.diff(funding.ts).min())


def _refuse_missing(expected: int, last: int, step: int) -> None:
    if expected > last:
        return
    raise CommendaError("missing_funding", f"no funding for {utc(expected)}").at(
        "funding",
        utc(expected),
        f"supply that stamp; or state the longest interval with funding_every, if it is not"
        f" {timedelta(microseconds=step // 1_000)}; or pass funding=None to charge none",
    )
