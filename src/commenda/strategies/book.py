"""A recorded order book beside the bars of a backtest, sampled: what takers walk."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from commenda.kernel import Bars, book_samples
from commenda.kit.errors import CommendaError
from commenda.strategies.data import SampledBook
from commenda.strategies.depth import read_book
from commenda.strategies.funding import nanoseconds, utc

MOST_LEVELS = 100_000_000
"""Of all samples on one side: 3 GB."""


def sample_book(file: Path, bars: Bars, every: timedelta, levels: int) -> SampledBook:
    """Sample a file of depth, or of raw frames, over `bars`.

    Codes of `read_book` (tick and lot are the instrument's, by the file's name), `book_too_large`
    where that is more than MOST_LEVELS, and `book_too_short` where it does not cover them all.
    """
    try:
        found = read_book(file, None, filled=False)
    except CommendaError as error:
        if error.code == "grid_needed":
            error.at("--book", file.name, "name it by an instrument known here: VENUE_SYMBOL_….")
        raise
    events = found.record.events
    count = int(events.ts[-1] - events.ts[0]) // nanoseconds(every) + 1
    if count * levels > MOST_LEVELS:
        raise CommendaError(
            "book_too_large", f"The samples have at most {MOST_LEVELS:,} levels on a side"
        ).at("--book-every", f"{count:,} of {levels}", "sample less often, or fewer --book-levels")
    samples = book_samples(events, nanoseconds(every), levels)
    ts = samples.ts
    if not (ts.size and ts[0] <= bars.ts[0] and bars.ts[-1] < ts[-1] + nanoseconds(every)):
        there = f"{utc(ts[0])} to {utc(ts[-1])}" if ts.size else "never"
        raise CommendaError(
            "book_too_short", f"The book was not recorded over all bars, {levels} levels deep"
        ).at("--book", there, "choose bars by --from and --to, or fewer --book-levels")
    return SampledBook(samples, found.name, found.sha256, every, levels)
