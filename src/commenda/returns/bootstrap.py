"""Confidence intervals of what depends on the order of returns: bootstraps by blocks.

Blocks keep the dependence between neighbours that single draws would destroy. The stationary
bootstrap draws blocks of random (geometric) length (Politis and Romano, "The Stationary Bootstrap",
Journal of the American Statistical Association 89, 1994); the circular one blocks of one length
(Politis and Romano, "A Circular Block-Resampling Procedure", 1992). Both go on at the beginning
where the record ends, so every return is drawn equally often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from commenda.kit.errors import CommendaError
from commenda.returns.rules import Array, Numbers, rounding

CELLS = 1 << 21
"""Returns drawn at once: 16 MB for each array of them."""


class Blocks(StrEnum):
    """How long a block is: of random length, or all of one."""

    STATIONARY = "stationary"
    CIRCULAR = "circular"


class Interval(NamedTuple):
    """The middle `confidence` of what a statistic may be."""

    low: float
    high: float
    confidence: float


def block_indexes(
    count: int, samples: int, length: float, kind: Blocks, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Rows of indexes into a record of `count`; `length` is of a block (its mean, if random)."""
    places = np.arange(count)
    if kind is Blocks.STATIONARY:
        begins = rng.random((samples, count)) < 1.0 / length
        begins[:, 0] = True
        begun = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
        starts = np.take_along_axis(rng.integers(count, size=(samples, count)), begun, axis=1)
        return (starts + places - begun) % count
    size = round(length)
    starts = rng.integers(count, size=(samples, -(-count // size)))
    drawn = starts[:, :, None] + np.arange(size)
    return drawn.reshape(samples, -1)[:, :count] % count


def bootstrap_interval(
    returns: Numbers,
    statistic: Callable[[Array], Array],
    *,
    seed: int,
    samples: int = 2_000,
    confidence: float = 0.95,
    length: float | None = None,
    kind: Blocks = Blocks.STATIONARY,
) -> Interval | None:
    """The percentile interval of `statistic` over resampled `returns`.

    `statistic` takes rows of returns and gives one number for each row, NaN where it is undefined;
    the interval is None where more rows are undefined than it leaves out at an end. `length` is in
    returns, by default count^(1/3), the order that is best for a mean. Code `short_record`.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.size < 2:
        raise CommendaError("short_record", "Resampling needs two returns").at(
            "returns", values.size, "give a longer record"
        )
    block = min(max(values.size ** (1 / 3) if length is None else length, 1.0), values.size)
    rng = np.random.default_rng(seed)
    found = np.concatenate(
        [
            statistic(values[block_indexes(values.size, batch, block, kind, rng)])
            for batch in _batches(samples, max(1, CELLS // values.size))
        ]
    )
    tail = (1.0 - confidence) / 2.0
    if np.isnan(found).mean() > tail:
        return None
    low, high = np.nanquantile(found, [tail, 1.0 - tail])
    return Interval(float(low), float(high), confidence)


def _batches(total: int, most: int) -> Iterator[int]:
    while total > 0:
        yield min(total, most)
        total -= most


def row_sharpe(returns: Array) -> Array:
    """The Sharpe ratio of one period (ddof 1) of each row; NaN where a row does not vary."""
    deviation = returns.std(axis=1, ddof=1)
    flat = deviation <= rounding(returns, axis=1)
    ratio: Array = np.where(flat, np.nan, returns.mean(axis=1) / np.where(flat, 1.0, deviation))
    return ratio
