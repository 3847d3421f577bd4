"""How widely values spread: deviation, Bollinger bands, z-score, and the volatility of returns.

Volatility is that of one bar; times the square root of the bars in a year it is a year's.
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel.compiling import inlined, plain
from commenda.kernel.indicators.averages import sma, sma_size

EWMA_VOLATILITY_SIZE = 4
FLAT = 1e-9
"""A window whose deviation is a smaller part of its mean varies by nothing but rounding."""


@plain
def window_size(length: int) -> int:
    """Memory that `moments` and what is built on it need for a window of `length` values."""
    return 4 + length


@plain
def realised_volatility_size(length: int) -> int:
    """Memory that `realised_volatility` needs for a window of `length` returns."""
    return 2 + sma_size(length)


@inlined
def moments(memory, value, length):  # type: ignore[no-untyped-def]
    """Mean of the last `length` values, and the sum of their squared distances from it.

    NaN until there are so many. Both move with the window and are summed anew once a turn of the
    ring, so that rounding cannot build up; what an outlier leaves behind is gone after a turn.
    """
    count, mean, squares = memory[0], memory[1], memory[2]
    slot = int(memory[3])
    window = memory[4 : 4 + length]
    left = window[slot]
    window[slot] = value
    if count < length:
        count += 1.0
        shift = (value - mean) / count
        squares += (value - mean) * (value - mean - shift)
    else:
        shift = (value - left) / length
        squares += (value - left) * (value - mean - shift + left - mean)
    mean += shift
    slot += 1
    if slot == length:
        slot = 0
        mean = _total(window) / length
        squares = _squared_distance(window, mean)
    memory[0], memory[1], memory[2], memory[3] = count, mean, squares, slot
    if count < length:
        return np.nan, np.nan
    # Rounding may leave a flat window a little less than nothing.
    return mean, squares if squares > 0.0 else 0.0


@inlined
def deviation(memory, value, length):  # type: ignore[no-untyped-def]
    """Population standard deviation of the last `length` values; NaN until there are so many."""
    _, squares = moments(memory, value, length)
    return math.sqrt(squares / length)


@inlined
def bollinger(memory, value, length, width):  # type: ignore[no-untyped-def]
    """Upper band, mean, lower band: `width` population deviations either side of the mean.

    NaN until there are `length` values. J. Bollinger's own are length 20 and width 2.
    """
    mean, squares = moments(memory, value, length)
    reach = width * math.sqrt(squares / length)
    return mean + reach, mean, mean - reach


@inlined
def zscore(memory, value, length):  # type: ignore[no-untyped-def]
    """Population deviations of `value` from the mean of the last `length` values, it included.

    NaN until the window is full, or while it does not vary (see FLAT).
    """
    mean, squares = moments(memory, value, length)
    if squares <= length * (FLAT * mean) ** 2:
        return np.nan
    return (value - mean) / math.sqrt(squares / length)


@inlined
def realised_volatility(memory, price, length):  # type: ignore[no-untyped-def]
    """Root of the mean squared log return of the last `length` bars; NaN until there are so many.

    About zero, not about their mean: over bars the mean is noise, and its estimate would be taken
    for calm in a steady trend. T. Andersen and T. Bollerslev (1998) sum the same squares.
    """
    change = _log_return(memory, price)
    if math.isnan(change):
        return np.nan
    return math.sqrt(sma(memory[2:], change * change, length))


@inlined
def ewma_volatility(memory, price, decay):  # type: ignore[no-untyped-def]
    """Root of the exponentially weighted mean of squared log returns, each `decay` of the next.

    J. P. Morgan's RiskMetrics (1996), there with 0.94 for days. Divided by the sum of the weights
    so far, so that the first return does not count for all that were not seen. NaN on the first
    bar.
    """
    change = _log_return(memory, price)
    if math.isnan(change):
        return np.nan
    memory[2] = decay * memory[2] + change * change
    memory[3] = decay * memory[3] + 1.0
    return math.sqrt(memory[2] / memory[3])


@inlined
def _log_return(memory, price):  # type: ignore[no-untyped-def]
    # A quotient first: the difference of two logarithms would lose what they have in common.
    change = math.log(price / memory[0]) if memory[1] != 0.0 else np.nan
    memory[0], memory[1] = price, 1.0
    return change


@inlined
def _total(values):  # type: ignore[no-untyped-def]
    result = 0.0
    for value in values:
        result += value
    return result


@inlined
def _squared_distance(values, centre):  # type: ignore[no-untyped-def]
    result = 0.0
    for value in values:
        result += (value - centre) * (value - centre)
    return result
