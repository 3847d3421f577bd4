"""Trend at its plainest: two simple averages of the close, long or flat."""

from __future__ import annotations

from commenda.kernel.bars import CLOSE
from commenda.kernel.indicators import sma, sma_size
from commenda.strategies.sdk import Param, strategy
from commenda.strategies.shipped.ema_trend import fast_below_slow


@strategy(
    name="sma_cross",
    version="1.0.0",
    params=[
        Param("fast", default=50, low=1, high=2_000, kind=int),
        Param("slow", default=200, low=2, high=10_000, kind=int),
        Param("exposure", default=1.0, low=0.05, high=3.0),
        Param("stop", default=0.0, low=0.0, high=0.5),
    ],
    state_size=lambda p: 1 + sma_size(int(p["fast"])) + sma_size(int(p["slow"])),
    warmup=lambda p: p["slow"] - 1,
    stop="stop",
    check=fast_below_slow,
)
def sma_cross(state, bar, position, params):  # type: ignore[no-untyped-def]
    """Long from a cross of the fast average above the slow one to the cross back, else flat.

    A fast average that is above from the start has not crossed: that trend is sat out. `fast` and
    `slow` in bars.
    """
    fast, slow, exposure = int(params[0]), int(params[1]), params[2]
    memory = state[1:]
    quick = sma(memory[: sma_size(fast)], bar[CLOSE], fast)
    steady = sma(memory[sma_size(fast) :], bar[CLOSE], slow)
    if quick <= steady:
        state[0] = 1.0  # from here on, above is after a cross
    return exposure if quick > steady and state[0] != 0.0 else 0.0
