"""Reversion: sell what is unusually far above its mean, buy what is unusually far below."""

from __future__ import annotations

from commenda.kernel.bars import CLOSE
from commenda.kernel.indicators import window_size, zscore
from commenda.strategies.sdk import Conflict, Param, Values, strategy


def exit_inside_entry(values: Values) -> Conflict | None:
    """A position must open farther from the mean than it closes."""
    if values["exit"] < values["entry"]:
        return None
    return Conflict("exit", "exit is not below entry", f"give less than {values['entry']:g}")


@strategy(
    name="zscore_reversion",
    version="1.0.0",
    params=[
        Param("window", default=288, low=5, high=10_000, kind=int),
        Param("entry", default=2.5, low=0.1, high=10.0),
        Param("exit", default=0.5, low=0.0, high=9.0),
        Param("exposure", default=1.0, low=0.05, high=3.0),
        Param("stop", default=0.04, low=0.0, high=0.5),
    ],
    state_size=lambda p: 1 + window_size(int(p["window"])),
    warmup=lambda p: p["window"] - 1,
    stop="stop",
    check=exit_inside_entry,
)
def zscore_reversion(state, bar, position, params):  # type: ignore[no-untyped-def]
    """Against the move when the close is more than `entry` deviations from its rolling mean.

    Out again within `exit` deviations of the mean, or beyond it. `window` in bars.
    """
    window, entry, leave, exposure = int(params[0]), params[1], params[2], params[3]
    score = zscore(state[1:], bar[CLOSE], window)
    side = state[0]
    if score > entry:
        side = -1.0
    elif score < -entry:
        side = 1.0
    elif side * score > -leave:
        side = 0.0
    state[0] = side
    return side * exposure
