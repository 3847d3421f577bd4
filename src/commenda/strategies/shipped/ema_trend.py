"""Trend: two exponential averages of the close, and a band between them to sit whipsaws out."""

from __future__ import annotations

import numpy as np

from commenda.kernel.bars import CLOSE
from commenda.kernel.indicators import EMA_SIZE, ema
from commenda.strategies.sdk import Conflict, Param, Values, strategy


def fast_below_slow(values: Values) -> Conflict | None:
    """The fast average must be the faster one."""
    if values["fast"] < values["slow"]:
        return None
    return Conflict("fast", "fast is not below slow", f"give less than {values['slow']:g}")


@strategy(
    name="ema_trend",
    version="1.0.0",
    params=[
        Param("fast", default=72, low=2, high=2_000, kind=int),
        Param("slow", default=288, low=3, high=10_000, kind=int),
        Param("band", default=0.002, low=0.0, high=0.2),
        Param("exposure", default=1.0, low=0.05, high=3.0),
        Param("stop", default=0.04, low=0.0, high=0.5),
    ],
    state_size=lambda p: 2 * EMA_SIZE,
    warmup=lambda p: p["slow"],
    stop="stop",
    check=fast_below_slow,
)
def ema_trend(state, bar, position, params):  # type: ignore[no-untyped-def]
    """Long while the fast average is above the slow one by more than `band`, short below it.

    Inside the band the last side is kept. `fast` and `slow` in bars, `band` as a fraction.
    """
    fast, slow, band, exposure = params[0], params[1], params[2], params[3]
    quick = ema(state[:EMA_SIZE], bar[CLOSE], fast)
    steady = ema(state[EMA_SIZE:], bar[CLOSE], slow)
    gap = quick / steady - 1.0
    if gap > band:
        return exposure
    if gap < -band:
        return -exposure
    return np.nan
