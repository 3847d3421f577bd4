"""An indicator driven over a series, as its tests do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

Rows = Sequence[tuple[float, ...]]


def values_of(
    indicator: Callable[..., Any], size: int, rows: Iterable[tuple[float, ...]], *settings: Any
) -> np.ndarray:
    """The indicator after each row: one column for each value it returns."""
    memory = np.zeros(size)
    out = np.array([indicator(memory, *row, *settings) for row in rows], dtype=np.float64)
    return out[:, None] if out.ndim == 1 else out
