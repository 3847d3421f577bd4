"""Averages: simple, exponential, and Wilder's.

An exponential average needs a value to start from, and the field knows two: the first value (as
pandas with adjust=False and most streaming libraries have it), or the mean of the first `length`
(as TA-Lib and charting packages have it). Both are here, `ema` and `ema_from_sma`; they meet after
a few lengths. Wilder's always starts from the mean.
"""

from __future__ import annotations

import numpy as np

from commenda.kernel.compiling import inlined, plain

EMA_SIZE = 2
WILDER_SIZE = 2


@plain
def sma_size(length: int) -> int:
    """Memory that `sma` needs for a window of `length` values."""
    return 3 + length


@inlined
def sma(memory, value, length):  # type: ignore[no-untyped-def]
    """Mean of the last `length` values; NaN until there are so many.

    Nothing is ever subtracted, so no rounding builds up and none is left behind by a large value:
    once a turn of the ring its values are summed from the end, so that each slot holds the sum of
    itself and all newer ones, and the window is what is left of those plus the values since.
    """
    slot, newer = int(memory[0]), memory[1] + value
    ring = memory[3 : 3 + length]
    ring[slot] = value
    slot += 1
    if slot == length:
        for i in range(length - 2, -1, -1):
            ring[i] += ring[i + 1]
        slot, newer = 0, 0.0
        memory[2] = 1.0
    memory[0], memory[1] = slot, newer
    return (ring[slot] + newer) / length if memory[2] != 0.0 else np.nan


@inlined
def ema(memory, value, length):  # type: ignore[no-untyped-def]
    """Exponential average with weight 2 / (length + 1) for the newest, seeded by the first value.

    It has a value from the first bar on.
    """
    return _smoothed(memory, value, 2.0 / (length + 1.0), 1.0)


@inlined
def ema_from_sma(memory, value, length):  # type: ignore[no-untyped-def]
    """Exponential average with weight 2 / (length + 1), seeded by the mean of the first `length`.

    NaN until there are so many.
    """
    return _smoothed(memory, value, 2.0 / (length + 1.0), length)


@inlined
def wilder(memory, value, length):  # type: ignore[no-untyped-def]
    """Wilder's smoothing: weight 1 / length for the newest, seeded by the mean of the first.

    NaN until there are `length` values. J. W. Wilder, New Concepts in Technical Trading Systems
    (1978), in which ATR, RSI and ADX are built on it.
    """
    return _smoothed(memory, value, 1.0 / length, length)


@inlined
def _smoothed(memory, value, weight, seeds):  # type: ignore[no-untyped-def]
    # The mean of the first `seeds` values is an average of its own, whose newest weighs 1 / count.
    count = memory[1]
    share = weight if count >= seeds else 1.0 / (count + 1.0)
    memory[0] += share * (value - memory[0])
    memory[1] = count + 1.0
    return memory[0] if count + 1.0 >= seeds else np.nan
