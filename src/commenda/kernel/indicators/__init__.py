"""Incremental indicators: each remembers what it needs in a slice of a plain float64 array.

A memory starts as zeros, belongs to one indicator, and is as long as its SIZE or its size(length)
says. Every function takes the newest value or bar, updates the memory and returns the indicator;
none can look ahead, none looks back at prices it did not keep, and saving the array saves the
indicator to the bit. Windows are summed anew once a turn of their ring: rounding does not build
up however many bars go by.

Until it is warm an indicator is NaN. `ema`, `atr_ema`, `highest` and `lowest` never are: they have
a value from the first on.

An indicator of several values returns a tuple. So the caller names them where it uses them
(`upper, middle, lower = bollinger(...)`), they stay in registers, those not used cost nothing, and
a memory holds nothing but what the next bar needs.

Prices are those of bars: greater than zero. Lengths are whole numbers from 1, passed as int.
"""

from __future__ import annotations

from commenda.kernel.indicators.averages import (
    EMA_SIZE,
    WILDER_SIZE,
    ema,
    ema_from_sma,
    sma,
    sma_size,
    wilder,
)
from commenda.kernel.indicators.momentum import ADX_SIZE, RSI_SIZE, adx, rsi
from commenda.kernel.indicators.ranges import (
    ATR_EMA_SIZE,
    ATR_SIZE,
    TRUE_RANGE_SIZE,
    atr,
    atr_ema,
    chandelier,
    chandelier_size,
    donchian,
    donchian_size,
    extreme_size,
    highest,
    lowest,
    true_range,
)
from commenda.kernel.indicators.spread import (
    EWMA_VOLATILITY_SIZE,
    bollinger,
    deviation,
    ewma_volatility,
    moments,
    realised_volatility,
    realised_volatility_size,
    window_size,
    zscore,
)
from commenda.kernel.indicators.trend import SAR_SIZE, SUPERTREND_SIZE, sar, sarext, supertrend

__all__ = [
    "ADX_SIZE",
    "ATR_EMA_SIZE",
    "ATR_SIZE",
    "EMA_SIZE",
    "EWMA_VOLATILITY_SIZE",
    "RSI_SIZE",
    "SAR_SIZE",
    "SUPERTREND_SIZE",
    "TRUE_RANGE_SIZE",
    "WILDER_SIZE",
    "adx",
    "atr",
    "atr_ema",
    "bollinger",
    "chandelier",
    "chandelier_size",
    "deviation",
    "donchian",
    "donchian_size",
    "ema",
    "ema_from_sma",
    "ewma_volatility",
    "extreme_size",
    "highest",
    "lowest",
    "moments",
    "realised_volatility",
    "realised_volatility_size",
    "rsi",
    "sar",
    "sarext",
    "sma",
    "sma_size",
    "supertrend",
    "true_range",
    "wilder",
    "window_size",
    "zscore",
]
