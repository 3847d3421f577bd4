"""Lines that follow a trend and turn with it: supertrend, and two parabolic SARs.

Each returns its line and the side of the trend: 1.0 while it rises and the line lies below the
prices, -1.0 while it falls and the line lies above; 0.0, and NaN for the line, until it is known.

Wilder (1978) tells how a parabolic stop goes on but not how it begins, so two ways are in use,
and they differ in how they turn as well:

- `sar` as Skender.Stock.Indicators: it takes the first bar for a rising one and says nothing
  until the bar after that guess's first reversal. A bar turns it by passing the line. The new line
  is the old extreme.
- `sarext` as TA-Lib's SAR and SAREXT (and LEAN's): it begins on the second bar, with the side that
  moved farther, or where it is told to. A bar turns it by touching the line. The new line is the
  old extreme, or the end of this bar or the last where that lies beyond.
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel.compiling import inlined
from commenda.kernel.indicators.ranges import ATR_SIZE, atr

SUPERTREND_SIZE = ATR_SIZE + 3
SAR_SIZE = 8

LINE, EXTREME, RATE, SIDE, HIGH, LOW, SEEN, TURNED = range(SAR_SIZE)
"""A SAR's memory: line of the coming bar, extreme and acceleration of the trend, the last bar."""


@inlined
def supertrend(memory, high, low, close, length, multiple):  # type: ignore[no-untyped-def]
    """O. Seban's line, `multiple` times the `atr` from the bar's middle, that only nears prices.

    It turns when the close reaches it. Known from bar `length` (0-based) on; his own are length 10
    and multiple 3.
    """
    before, bands = memory[0], memory[ATR_SIZE:]
    reach = multiple * atr(memory[:ATR_SIZE], high, low, close, length)
    if math.isnan(reach):
        return np.nan, 0.0
    middle = (high + low) / 2.0
    upper, lower, side = middle + reach, middle - reach, bands[2]
    if side == 0.0:
        side = 1.0 if close >= middle else -1.0
    else:
        if before <= bands[0] < upper:
            upper = bands[0]
        if before >= bands[1] > lower:
            lower = bands[1]
    side = -1.0 if close <= (lower if side > 0.0 else upper) else 1.0
    bands[0], bands[1], bands[2] = upper, lower, side
    return lower if side > 0.0 else upper, side


@inlined
def sar(memory, high, low, step, most):  # type: ignore[no-untyped-def]
    """Parabolic SAR as Skender.Stock.Indicators begins it; acceleration from `step` up to `most`.

    Wilder's own are 0.02 and 0.2.
    """
    if memory[SEEN] == 0.0:
        # Its first line is not held below the first low, or it could never rise from there.
        _carry(memory, high, low, 1.0, low, high, step)
        memory[LINE] = low + step * (high - low)
        return np.nan, 0.0
    side, line, extreme, rate = memory[SIDE], memory[LINE], memory[EXTREME], memory[RATE]
    known = memory[TURNED] != 0.0
    best, worst = (high, low) if side > 0.0 else (low, high)
    if side * worst < side * line:
        line, extreme, rate, side = extreme, worst, step, -side
        memory[TURNED] = 1.0
    elif side * best > side * extreme:
        extreme, rate = best, min(rate + step, most)
    _carry(memory, high, low, side, line, extreme, rate)
    return (line, side) if known else (np.nan, 0.0)


@inlined
def sarext(memory, high, low, start, offset, rising, falling):  # type: ignore[no-untyped-def]
    """Parabolic SAR as TA-Lib begins it, with all the freedom of its SAREXT.

    `start` > 0 begins rising with that line, < 0 falling with its amount, and 0 with the side
    that moved farther and the first bar's far end. At a reversal the new line is moved away from
    the prices by `offset`, a fraction. `rising` and `falling` are (first, step, most) of the
    acceleration in a trend of that side. TA-Lib's SAR(step, most) is start 0, offset 0 and
    (step, step, most) for both; its SAREXT is the line times the side.
    """
    if memory[SEEN] == 0.0:
        memory[HIGH], memory[LOW], memory[SEEN] = high, low, 1.0
        return np.nan, 0.0
    if memory[SEEN] == 1.0:
        down, up = memory[LOW] - low, high - memory[HIGH]
        side = -1.0 if start < 0.0 or (start == 0.0 and down > 0.0 and down > up) else 1.0
        line = abs(start) if start != 0.0 else (memory[LOW] if side > 0.0 else memory[HIGH])
        extreme = high if side > 0.0 else low
        rate = rising[0] if side > 0.0 else falling[0]
        memory[HIGH], memory[LOW] = high, low  # so TA-Lib: the first bar binds the line no more
    else:
        side, line, extreme, rate = memory[SIDE], memory[LINE], memory[EXTREME], memory[RATE]
    best, worst = (high, low) if side > 0.0 else (low, high)
    if side * worst <= side * line:
        line = max(extreme, memory[HIGH], high) if side > 0.0 else min(extreme, memory[LOW], low)
        line *= 1.0 + side * offset
        extreme, side = worst, -side
        rate = rising[0] if side > 0.0 else falling[0]
    elif side * best > side * extreme:
        _, step, most = rising if side > 0.0 else falling
        extreme, rate = best, min(rate + step, most)
    _carry(memory, high, low, side, line, extreme, rate)
    return line, side


@inlined
def _carry(memory, high, low, side, line, extreme, rate):  # type: ignore[no-untyped-def]
    """Write down the coming bar's line: on toward the extreme, never into the last two bars."""
    coming = line + rate * (extreme - line)
    coming = min(coming, low, memory[LOW]) if side > 0.0 else max(coming, high, memory[HIGH])
    memory[LINE], memory[EXTREME], memory[RATE], memory[SIDE] = coming, extreme, rate, side
    memory[HIGH], memory[LOW] = high, low
    memory[SEEN] += 1.0
