"""How strongly prices move one way: RSI and the directional movement index (both Wilder, 1978)."""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel.compiling import inlined
from commenda.kernel.indicators.averages import WILDER_SIZE, wilder
from commenda.kernel.indicators.ranges import ATR_SIZE, atr

RSI_SIZE = 2 + 2 * WILDER_SIZE
ADX_SIZE = ATR_SIZE + 2 + 3 * WILDER_SIZE


@inlined
def rsi(memory, value, length):  # type: ignore[no-untyped-def]
    """Relative strength index, 0 to 100: the part of gains in all movement, by Wilder's smoothing.

    The first value has no change, so the index begins with value `length` (0-based); NaN before,
    and as long as nothing has moved at all.
    """
    change, known = value - memory[0], memory[1] != 0.0
    memory[0], memory[1] = value, 1.0
    if not known:
        return np.nan
    gain = wilder(memory[2:4], change if change > 0.0 else 0.0, length)
    loss = wilder(memory[4:6], -change if change < 0.0 else 0.0, length)
    return 100.0 * gain / (gain + loss)


@inlined
def adx(memory, high, low, close, length):  # type: ignore[no-untyped-def]
    """Average directional index, +DI and −DI, each 0 to 100.

    ±DI compare the smoothed movement beyond the bar before with the smoothed true range, and
    begin on bar `length` (0-based); ADX smooths |+DI − −DI| / (+DI + −DI) and begins on bar
    2 · `length` − 1. NaN before. A market that has not moved has no direction: all are 0.
    """
    known, rest = memory[1] != 0.0, memory[ATR_SIZE:]
    span = atr(memory[:ATR_SIZE], high, low, close, length)
    up, down = high - rest[0], rest[1] - low
    rest[0], rest[1] = high, low
    if not known:
        return np.nan, np.nan, np.nan
    rise = wilder(rest[2:4], up if up > down and up > 0.0 else 0.0, length)
    fall = wilder(rest[4:6], down if down > up and down > 0.0 else 0.0, length)
    if math.isnan(span):
        return np.nan, np.nan, np.nan
    plus = 100.0 * rise / span if span > 0.0 else 0.0
    minus = 100.0 * fall / span if span > 0.0 else 0.0
    index = 100.0 * abs(plus - minus) / (plus + minus) if plus + minus > 0.0 else 0.0
    return wilder(rest[6:8], index, length), plus, minus
