"""Funding for a run: taken from recorded rates, priced at mark, and refused where it has gaps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from commenda.kernel import Bars, Funding
from commenda.kernel.bars import SECOND, Stamps, to_nearest_second
from commenda.kit.errors import CommendaError
from commenda.market import DueFunding, due_after


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

    Funding may come at any interval and change to any other: `market.missing_funding_stamps` says
    what was due. `every` is the longest interval the instrument settled at over the run, where that
    is known better: only a longer step is then a gap.
    """
    if len(bars) == 0:
        return
    first, last = (int(bars.ts[i]) // SECOND for i in (0, -1))
    stamps = [int(stamp) // SECOND for stamp in funding.ts if first < stamp // SECOND <= last]
    if every is None:
        missing = DueFunding(stamps).first_missing(first, last)
    else:
        missing = _first_beyond(every // timedelta(seconds=1), stamps, first, last)
    if missing is not None:
        raise missing_funding(missing)


def _first_beyond(step: int, stamps: Sequence[int], first: int, last: int) -> int | None:
    """The first moment in (first, last] that no stamp reaches within `step`.

    Before the first stamp and after the last one the grid of that stamp goes on.
    """
    anchor = stamps[0] if stamps else 0
    early = due_after(first, anchor, step, min(last, anchor - 1) if stamps else last)
    if early is not None or not stamps:
        return early
    gaps = (a + step for a, b in pairwise([*stamps, last + 1]) if b - a > step)
    return next(gaps, None)


def missing_funding(stamp: int) -> CommendaError:
    """The refusal of a run for which funding at `stamp` (epoch seconds) was due."""
    named = utc(stamp * SECOND)
    return CommendaError("missing_funding", f"no funding for {named}").at(
        "funding",
        named,
        "supply that stamp, choose a range that has every stamp, or charge no funding",
    )
