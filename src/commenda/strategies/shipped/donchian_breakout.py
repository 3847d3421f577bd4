"""Breakout: follow a close beyond the range of the bars before it."""

from __future__ import annotations

from commenda.kernel.bars import CLOSE, HIGH, LOW
from commenda.kernel.indicators import extreme_size, highest, lowest
from commenda.strategies.sdk import Conflict, Param, Values, strategy

HEADER = 6  # side, bars seen, then the two channels' edges before this bar


def exit_below_entry(values: Values) -> Conflict | None:
    """The channel to leave by must be the shorter one, or no position could ever be kept."""
    if values["leave"] <= values["enter"]:
        return None
    return Conflict("leave", "leave is longer than enter", f"give at most {values['enter']:g}")


@strategy(
    name="donchian_breakout",
    version="1.0.0",
    params=[
        Param("enter", default=288, low=2, high=10_000, kind=int),
        Param("leave", default=144, low=1, high=10_000, kind=int),
        Param("exposure", default=1.0, low=0.05, high=3.0),
        Param("stop", default=0.04, low=0.0, high=0.5),
    ],
    state_size=lambda p: (
        HEADER + 2 * extreme_size(int(p["enter"])) + 2 * extreme_size(int(p["leave"]))
    ),
    warmup=lambda p: p["enter"],
    stop="stop",
    check=exit_below_entry,
)
def donchian_breakout(state, bar, position, params):  # type: ignore[no-untyped-def]
    """Long past the high of the last `enter` bars, out past the low of the last `leave`; mirrored.

    Channels span the bars before this one: a bar cannot break out of a range that holds it.
    """
    enter, leave, exposure = int(params[0]), int(params[1]), params[2]
    wide, narrow = extreme_size(enter), extreme_size(leave)
    side, close = state[0], bar[CLOSE]
    if state[1] >= enter:
        if close > state[2]:
            side = 1.0
        elif close < state[3]:
            side = -1.0
        elif (side > 0.0 and close < state[5]) or (side < 0.0 and close > state[4]):
            side = 0.0
    state[0] = side
    state[1] += 1.0
    memory = state[HEADER:]
    state[2] = highest(memory[:wide], bar[HIGH], enter)
    state[3] = lowest(memory[wide : 2 * wide], bar[LOW], enter)
    state[4] = highest(memory[2 * wide : 2 * wide + narrow], bar[HIGH], leave)
    state[5] = lowest(memory[2 * wide + narrow :], bar[LOW], leave)
    return side * exposure
