"""The range that prices cover: extremes, Donchian's channel, true range, ATR, Chandelier exits."""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel.compiling import inlined, plain
from commenda.kernel.indicators.averages import EMA_SIZE, WILDER_SIZE, ema, wilder

TRUE_RANGE_SIZE = 2
ATR_SIZE = TRUE_RANGE_SIZE + WILDER_SIZE
ATR_EMA_SIZE = TRUE_RANGE_SIZE + EMA_SIZE


@plain
def extreme_size(length: int) -> int:
    """Memory that `highest` and `lowest` need for a window of `length` values."""
    return 3 + 2 * length


@plain
def donchian_size(length: int) -> int:
    """Memory that `donchian` needs for a channel of `length` bars."""
    return 2 * extreme_size(length)


@plain
def chandelier_size(length: int) -> int:
    """Memory that `chandelier` needs for a window of `length` bars."""
    return ATR_SIZE + 2 * extreme_size(length)


@inlined
def highest(memory, value, length):  # type: ignore[no-untyped-def]
    """Greatest of the last `length` values, itself included; of all so far while they are fewer.

    A queue of the values that may yet be the greatest, falling from its head, in a ring: each
    value enters and leaves once, so that a bar costs O(1) on average whatever the length.
    """
    count, head, size = memory[0], int(memory[1]), int(memory[2])
    values = memory[3 : 3 + length]
    born = memory[3 + length : 3 + 2 * length]
    if size > 0 and born[head] <= count - length:
        head = 0 if head + 1 == length else head + 1
        size -= 1
    # The queue's end, wrapped by comparison: a division would cost more than all the rest.
    end = head + size if head + size < length else head + size - length
    while size > 0:
        last = end - 1 if end > 0 else length - 1
        if values[last] > value:
            break
        end = last
        size -= 1
    values[end] = value
    born[end] = count
    memory[0], memory[1], memory[2] = count + 1.0, head, size + 1.0
    return values[head]


@inlined
def lowest(memory, value, length):  # type: ignore[no-untyped-def]
    """Least of the last `length` values, as `highest`."""
    return -highest(memory, -value, length)


@inlined
def donchian(memory, high, low, length):  # type: ignore[no-untyped-def]
    """Upper edge, middle and lower edge of the last `length` bars' range, this one included.

    NaN until there are so many. A breakout is a price beyond what the bar before returned: no
    price leaves a range that holds it.
    """
    upper = highest(memory[: extreme_size(length)], high, length)
    lower = lowest(memory[extreme_size(length) :], low, length)
    if memory[0] < length:
        return np.nan, np.nan, np.nan
    return upper, (upper + lower) / 2.0, lower


@inlined
def true_range(memory, high, low, close):  # type: ignore[no-untyped-def]
    """The bar's range with the gap from the close before it (Wilder, 1978).

    That is max(high, close before) − min(low, close before). NaN on the first bar.
    """
    before, known = memory[0], memory[1] != 0.0
    memory[0], memory[1] = close, 1.0
    return max(high, before) - min(low, before) if known else np.nan


@inlined
def atr(memory, high, low, close, length):  # type: ignore[no-untyped-def]
    """Average true range as Wilder defined it: his smoothing, seeded by the mean of the first.

    The first bar has no true range, so the value begins on bar `length` (0-based); NaN before.
    """
    span = true_range(memory[:TRUE_RANGE_SIZE], high, low, close)
    if math.isnan(span):
        return np.nan
    return wilder(memory[TRUE_RANGE_SIZE:], span, length)


@inlined
def atr_ema(memory, high, low, close, length):  # type: ignore[no-untyped-def]
    """Average true range as an exponential average of weight 2 / (length + 1).

    The first bar counts with high − low and seeds it, so that there is a value from then on. It
    moves about twice as fast as `atr` of the same length.
    """
    span = true_range(memory[:TRUE_RANGE_SIZE], high, low, close)
    return ema(memory[TRUE_RANGE_SIZE:], high - low if math.isnan(span) else span, length)


@inlined
def chandelier(memory, high, low, close, length, multiple):  # type: ignore[no-untyped-def]
    """C. Le Beau's exits: of a long position, of a short one.

    The highest high of the last `length` bars less `multiple` times their `atr`; the lowest low
    plus it. NaN before bar `length` (0-based). His own are length 22 and multiple 3.
    """
    edge = ATR_SIZE + extreme_size(length)
    reach = multiple * atr(memory[:ATR_SIZE], high, low, close, length)
    top = highest(memory[ATR_SIZE:edge], high, length)
    bottom = lowest(memory[edge:], low, length)
    return top - reach, bottom + reach
