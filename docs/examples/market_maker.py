"""A market maker in a recorded order book.

commenda backtest docs/examples/market_maker.py --depth depth.parquet --trades trades.parquet
"""

from __future__ import annotations

import numpy as np

from commenda.kernel import (
    L2_HELD,
    L2_POST_ONLY,
    l2_ask,
    l2_bid,
    l2_cancel,
    l2_limit,
    l2_open,
    l2_price,
)
from commenda.strategies import Param, depth_strategy


@depth_strategy(
    name="market_maker",
    version="1.0.0",
    params=[
        Param("lots", default=10, low=1, high=100_000, kind=int),
        Param("most", default=100, low=1, high=1_000_000, kind=int),
    ],
    state_size=lambda p: 2,  # the ids of its bid and its ask
    orders=6,  # two that rest, two on their way out, two that take their place
    levels=1,
)
def market_maker(state, book, position, params, orders):  # type: ignore[no-untyped-def]
    """Keep `lots` at the best bid and at the best ask, holding `most` lots at most either way."""
    for side in range(2):
        lots = params[0] if side == 0 else -params[0]
        price = l2_bid(book, 0) if side == 0 else l2_ask(book, 0)
        if l2_open(orders, state[side]):
            if l2_price(orders, state[side]) == price:
                continue
            l2_cancel(orders, state[side])
        if abs(position[L2_HELD] + lots) <= params[1] and not np.isnan(price):
            state[side] = l2_limit(orders, lots, price, L2_POST_ONLY)
