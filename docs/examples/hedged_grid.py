"""Both sides of one instrument at once, in hedge mode: a grid of one step on each side.

commenda backtest docs/examples/hedged_grid.py --data candles.parquet --hedge --maker 0.0002
"""

from __future__ import annotations

import numpy as np

from commenda.kernel import (
    POSITION_ENTRY,
    POSITION_EQUITY,
    POSITION_QUANTITY,
    POSITION_SIDE,
    cancel_all,
    limit_order,
    reduce_only,
    remaining,
)
from commenda.kernel.bars import CLOSE
from commenda.strategies import Param, strategy


@strategy(
    name="hedged_grid",
    version="1.0.0",
    params=[
        Param("spacing", default=0.01, low=0.0005, high=0.2),
        Param("part", default=0.25, low=0.01, high=2.0),
    ],
    state_size=lambda p: 1,
    warmup=lambda p: 0,
    orders=2,  # the one that rests, and the one that takes its place at the next open
)
def hedged_grid(state, bar, position, params, orders):  # type: ignore[no-untyped-def]
    """Enter `spacing` below the close (on the short side above it), leave as far in profit.

    `part` of the account's equity on each side. In one-way mode it trades the long side only.
    """
    spacing, held, equity = params[0], position[POSITION_QUANTITY], position[POSITION_EQUITY]
    side = -1.0 if position[POSITION_SIDE] < 0.0 else 1.0
    if equity <= 0.0 or (held != 0.0 and remaining(orders, state[0]) == -held):
        return np.nan
    cancel_all(orders)
    if held == 0.0:
        units = side * params[1] * equity / bar[CLOSE]
        state[0] = limit_order(orders, units, bar[CLOSE] * (1.0 - side * spacing))
    else:
        target = position[POSITION_ENTRY] * (1.0 + side * spacing)
        state[0] = reduce_only(orders, limit_order(orders, -held, target))
    return np.nan
