"""Orders of a strategy that places its own: the table, and what an author may do with it.

A step with a fifth argument gets the table:

    def step(state, bar, position, params, orders):
        if position[POSITION_QUANTITY] == 0.0 and working(orders) == 0:
            entry = limit_order(orders, 1.0, bar[CLOSE] * 0.995)
        return np.nan

An order is sent at the close of the bar the step sees, and is live from the next open on (later
with a latency, see `terms.py`). Quantities are signed units, prices in quote currency. What the
venue does with an order is in `matching.py` and `inside.py`.

The table is one float64 array, saved with the account. Row 0 is its header; a row whose kind is 0
is free.
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel.bars import Array
from commenda.kernel.compiling import compiled, inlined, inner

(
    ORDER_ID,
    ORDER_KIND,
    ORDER_QUANTITY,  # still to fill: signed units
    ORDER_LIMIT,
    ORDER_TRIGGER,
    ORDER_TRAIL,  # distance of a trailing stop, in quote currency
    ORDER_REDUCE,  # 1: it may only make the position smaller
    ORDER_GROUP,  # of orders that cancel one another, or 0
    ORDER_FROM,  # live from the opening of this bar on
    ORDER_UNTIL,  # cancelled at the opening of this bar
    ORDER_COLUMNS,
) = range(11)

NEXT_ID, ARRIVES, LIVE, REFUSED = range(4)
"""Columns of the header: next id, bar at which what is sent now arrives, orders not yet done,
orders the venue would not take."""

FREE, MARKET, LIMIT, STOP, STOP_LIMIT, TRAILING = 0.0, 1.0, 2.0, 3.0, 4.0, 5.0


def open_orders(slots: int) -> Array:
    """An empty table for at most `slots` orders at a time."""
    orders = np.zeros((slots + 1, ORDER_COLUMNS))
    orders[0, NEXT_ID] = 1.0
    return orders


@compiled
def place(orders, kind, quantity, limit, trigger, trail):  # type: ignore[no-untyped-def]
    """Send an order and return its id; ValueError where it is none, or the table is full."""
    if not (abs(quantity) > 0.0 and abs(quantity) < np.inf):
        raise ValueError("an order's quantity is zero or no number")
    for row in range(1, orders.shape[0]):
        if orders[row, ORDER_KIND] == FREE:
            number = orders[0, NEXT_ID]
            orders[0, NEXT_ID] += 1.0
            orders[0, LIVE] += 1.0
            orders[row, ORDER_ID] = number
            orders[row, ORDER_KIND] = kind
            orders[row, ORDER_QUANTITY] = quantity
            orders[row, ORDER_LIMIT] = limit
            orders[row, ORDER_TRIGGER] = trigger
            orders[row, ORDER_TRAIL] = trail
            orders[row, ORDER_REDUCE] = 0.0
            orders[row, ORDER_GROUP] = 0.0
            orders[row, ORDER_FROM] = orders[0, ARRIVES]
            orders[row, ORDER_UNTIL] = np.inf
            return int(number)
    raise ValueError("the order table is full: declare more orders for the strategy, or cancel")


@inlined
def market_order(orders, quantity):  # type: ignore[no-untyped-def]
    """Buy (positive) or sell (negative) at the open it arrives at."""
    return place(orders, MARKET, quantity, np.nan, np.nan, np.nan)


@inlined
def limit_order(orders, quantity, price):  # type: ignore[no-untyped-def]
    """Buy at `price` or lower, or sell at it or higher; it rests until filled or cancelled."""
    return place(orders, LIMIT, quantity, required(price), np.nan, np.nan)


@inlined
def stop_order(orders, quantity, trigger):  # type: ignore[no-untyped-def]
    """A market order once the price has reached `trigger`: from below to buy, above to sell."""
    return place(orders, STOP, quantity, np.nan, required(trigger), np.nan)


@inlined
def stop_limit_order(orders, quantity, trigger, price):  # type: ignore[no-untyped-def]
    """A limit order at `price` once the price has reached `trigger`."""
    return place(orders, STOP_LIMIT, quantity, required(price), required(trigger), np.nan)


@inlined
def trailing_order(orders, quantity, distance):  # type: ignore[no-untyped-def]
    """A stop order that follows the best price since it arrived at `distance` behind it."""
    return place(orders, TRAILING, quantity, np.nan, np.nan, required(distance))


@inlined
def required(price):  # type: ignore[no-untyped-def]
    """`price`; ValueError where it is no positive number."""
    if not (price > 0.0 and price < np.inf):
        raise ValueError("an order's price is no positive number")
    return price


@compiled
def reduce_only(orders, number):  # type: ignore[no-untyped-def]
    """Let the order only make the position smaller; it ends with the position. Returns its id."""
    for row in range(1, orders.shape[0]):
        if orders[row, ORDER_ID] == number and orders[row, ORDER_KIND] != FREE:
            orders[row, ORDER_REDUCE] = 1.0
    return number


@compiled
def one_cancels_other(orders, first, second):  # type: ignore[no-untyped-def]
    """As soon as one of the two fills, even in part, the other is cancelled.

    Linked to one that has a link already, an order joins that group.
    """
    group = 0.0
    for row in range(1, orders.shape[0]):
        if orders[row, ORDER_KIND] != FREE and orders[row, ORDER_ID] in (first, second):
            group = max(group, orders[row, ORDER_GROUP])
    if group == 0.0:
        group = min(first, second)
    for row in range(1, orders.shape[0]):
        if orders[row, ORDER_KIND] != FREE and orders[row, ORDER_ID] in (first, second):
            orders[row, ORDER_GROUP] = group


@compiled
def cancel(orders, number):  # type: ignore[no-untyped-def]
    """Ask for an order's cancellation; it holds from when the request arrives."""
    for row in range(1, orders.shape[0]):
        if orders[row, ORDER_ID] == number and orders[row, ORDER_KIND] != FREE:
            orders[row, ORDER_UNTIL] = min(orders[row, ORDER_UNTIL], orders[0, ARRIVES])


@compiled
def cancel_all(orders):  # type: ignore[no-untyped-def]
    """Ask for the cancellation of every order."""
    for row in range(1, orders.shape[0]):
        if orders[row, ORDER_KIND] != FREE:
            orders[row, ORDER_UNTIL] = min(orders[row, ORDER_UNTIL], orders[0, ARRIVES])


@inlined
def working(orders):  # type: ignore[no-untyped-def]
    """How many orders are neither done nor cancelled, those on their way included."""
    return int(orders[0, LIVE])


@compiled
def remaining(orders, number):  # type: ignore[no-untyped-def]
    """Units an order still has to fill, signed; 0 once it is done or cancelled."""
    for row in range(1, orders.shape[0]):
        if orders[row, ORDER_ID] == number and orders[row, ORDER_KIND] != FREE:
            return orders[row, ORDER_QUANTITY]
    return 0.0


@inner
def close_order(orders, row):  # type: ignore[no-untyped-def]
    """Take an order out of the table."""
    orders[row, ORDER_KIND] = FREE
    orders[0, LIVE] -= 1.0


@inner
def close_group(orders, row):  # type: ignore[no-untyped-def]
    """Cancel the others of the group of the order in `row`."""
    group = orders[row, ORDER_GROUP]
    for other in range(1, orders.shape[0]):
        live = other != row and orders[other, ORDER_KIND] != FREE
        if live and orders[other, ORDER_GROUP] == group:
            close_order(orders, other)


@inner
def close_reducing(orders, held):  # type: ignore[no-untyped-def]
    """A position is no more: cancel what may only reduce, and reduces nothing of the `held` now."""
    for row in range(1, orders.shape[0]):
        reduces = orders[row, ORDER_KIND] != FREE and orders[row, ORDER_REDUCE] == 1.0
        if reduces and orders[row, ORDER_QUANTITY] * held >= 0.0:
            close_order(orders, row)


@inner
def close_all(orders):  # type: ignore[no-untyped-def]
    """Cancel every order at once."""
    for row in range(1, orders.shape[0]):
        if orders[row, ORDER_KIND] != FREE:
            close_order(orders, row)


@inner
def slide(orders, price, number):  # type: ignore[no-untyped-def]
    """Let trailing orders follow a price that has been reached."""
    if orders[0, LIVE] == 0.0:
        return
    for each in range(1, orders.shape[0]):
        live = orders[each, ORDER_FROM] <= number
        if orders[each, ORDER_KIND] == TRAILING and live:
            side = math.copysign(1.0, orders[each, ORDER_QUANTITY])
            trigger = price + side * orders[each, ORDER_TRAIL]
            standing = orders[each, ORDER_TRIGGER]
            if math.isnan(standing) or side * (trigger - standing) < 0.0:
                orders[each, ORDER_TRIGGER] = trigger
