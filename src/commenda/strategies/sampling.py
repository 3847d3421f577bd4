"""Long series made short enough to be drawn, without losing what would have been seen.

Every n-th value would miss the very peaks that matter. A drawing has so many columns of pixels;
the least and the greatest value of each column paint what all values would have painted (after
Jugel, Jerzak, Hackenbroich, Markl: M4, VLDB 2014).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from commenda.kernel import Array

Indexes = npt.NDArray[np.int64]
Stamps = npt.NDArray[np.int64]


def column_of(stamps: Stamps, columns: int) -> Indexes:
    """Which of so many columns of equal time each stamp falls into."""
    if stamps.size == 0:
        return np.empty(0, np.int64)
    span = max(int(stamps[-1] - stamps[0]), 1)
    places = (stamps - stamps[0]).astype(np.float64) / span * columns
    found: Indexes = np.minimum(places.astype(np.int64), columns - 1)
    return found


def extremes(stamps: Stamps, values: Array, columns: int) -> Indexes:
    """Indexes of the first value, of each column's least and greatest, and of the last, in order.

    All of them where there are no more than two for each column. NaN is not drawn.
    """
    if values.size <= 2 * columns:
        return np.arange(values.size)
    column = column_of(stamps, columns)
    begins = np.flatnonzero(np.diff(column, prepend=-1))
    ends = np.append(begins[1:], values.size)
    kept = {0, values.size - 1}
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        part = values[begin:end]
        kept.add(begin + int(np.argmin(part)))
        kept.add(begin + int(np.argmax(part)))
    return np.array(sorted(kept), np.int64)
