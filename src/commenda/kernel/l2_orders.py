"""What a step of an L2 strategy is handed, and how it places and cancels orders.

    step(state, book, position, params, orders)

All five are float64 arrays, and the step writes to `state` only, and to `orders` through the
functions below. `book` and `position` are what the strategy can know at its own time: the book as
it was one feed latency ago, and its orders and fills as far as the responses have arrived. Prices
are whole ticks and quantities whole lots.

`orders` is a table: row 0 counts, each other row is one order. An order is named by an id, never
used again. Its row stays readable after its end (filled, cancelled, expired or rejected) until a
new order takes it; from then on the id names nothing.
"""

from __future__ import annotations

import numpy as np

from commenda.kernel.bars import Array
from commenda.kernel.compiling import compiled, inlined, inner

L2_CLOCK, L2_HELD, L2_CASH, L2_POSITION_SIZE = range(4)
"""The `position` array: nanoseconds since the first event, lots held, cash in quote currency."""

L2_LAST, L2_BOUGHT, L2_SOLD, LADDER = range(4)
"""The `book` array: price of the last trade (NaN before the first); lots traded since the step
before, by who was the aggressor; then, for each level from the best, bid, its lots, ask, its lots
(NaN and 0 where there is none)."""

LADDER_COLUMNS = 4

L2_POST_ONLY, L2_IOC, MARKET = 1.0, 2.0, 4.0
"""Flags of an order: reject it if it would take; let its remainder expire instead of resting."""

NEXT_SERIAL, FIRST_DRAFT, ASKED_FOR, REFUSED = range(4)
"""Row 0 of the table of orders: serial of the next order and of the first that was not sent yet,
orders and cancels asked for since then, orders refused."""

STATUS, SERIAL, LOTS, PRICE, ORDER_FLAGS, FILLED_LOTS, CANCELLING, ORDER_COLUMNS = range(8)
FREE, DRAFT, SENT, LIVE, FILLED, CANCELLED, EXPIRED, REJECTED = range(8)
"""STATUS as the strategy knows it; from FILLED on the order is at its end."""

MOST = 1e12
"""An order's lots and its price in ticks lie below."""

NOT_CANCELLING, CANCEL_ASKED, CANCEL_SENT = range(3)


def new_orders(most: int) -> Array:
    """A table with room for `most` orders at a time."""
    orders = np.zeros((most + 1, ORDER_COLUMNS))
    orders[0, NEXT_SERIAL] = orders[0, FIRST_DRAFT] = 1.0
    return orders


@inner
def draft(orders, lots, price, flags):  # type: ignore[no-untyped-def]
    """Write an order to a free row and return its id; 0 if it is no order, or there is no room."""
    is_whole = lots == np.floor(lots) and price == np.floor(price)
    if is_whole and 0.0 < abs(lots) < MOST and 0.0 <= price < MOST:
        for row in range(1, orders.shape[0]):
            if orders[row, STATUS] == FREE or orders[row, STATUS] >= FILLED:
                orders[row, FILLED_LOTS] = 0.0
                orders[row, CANCELLING] = NOT_CANCELLING
                orders[row, STATUS] = DRAFT
                orders[row, SERIAL] = orders[0, NEXT_SERIAL]
                orders[row, LOTS] = lots
                orders[row, PRICE] = price
                orders[row, ORDER_FLAGS] = flags
                orders[0, NEXT_SERIAL] += 1.0
                orders[0, ASKED_FOR] += 1.0
                return int(orders[row, SERIAL]) * orders.shape[0] + row
    orders[0, REFUSED] += 1.0
    return 0


@compiled
def l2_limit(orders, lots, price, flags=0.0):  # type: ignore[no-untyped-def]
    """Buy (lots > 0) or sell (lots < 0) at `price` ticks or better; return its id, 0 if refused.

    `flags` is 0, L2_POST_ONLY or L2_IOC. Refused are parts of lots or ticks, a price that is not
    positive, other flags, and an order too many.
    """
    sound = price > 0.0 and flags in (0.0, L2_POST_ONLY, L2_IOC)
    return draft(orders, lots, price if sound else np.nan, flags)


@compiled
def l2_market(orders, lots):  # type: ignore[no-untyped-def]
    """Buy or sell at whatever the displayed book offers; return its id, 0 if refused.

    What the book cannot fill expires.
    """
    return draft(orders, lots, 0.0, MARKET)


@inlined
def row_of(orders, order):  # type: ignore[no-untyped-def]
    """The row of an order's id, 0 if it has none any more."""
    row = int(order) % orders.shape[0]
    return row if row > 0 and orders[row, SERIAL] == int(order) // orders.shape[0] else 0


@compiled
def l2_cancel(orders, order):  # type: ignore[no-untyped-def]
    """Ask for the cancellation of an open order; cancels go out before the step's new orders."""
    row = row_of(orders, order)
    if row == 0:
        return
    if orders[row, STATUS] == DRAFT:
        orders[row, STATUS] = FREE
    elif FREE < orders[row, STATUS] < FILLED and orders[row, CANCELLING] == NOT_CANCELLING:
        orders[row, CANCELLING] = CANCEL_ASKED
        orders[0, ASKED_FOR] += 1.0


@inlined
def l2_open(orders, order):  # type: ignore[no-untyped-def]
    """Whether, as far as the strategy knows, the order has not come to its end."""
    row = row_of(orders, order)
    return row > 0 and FREE < orders[row, STATUS] < FILLED


@inlined
def l2_price(orders, order):  # type: ignore[no-untyped-def]
    """The limit of the order, in ticks (0 for a market order); NaN if the id names nothing."""
    row = row_of(orders, order)
    return orders[row, PRICE] if row > 0 else np.nan


@inlined
def l2_unfilled(orders, order):  # type: ignore[no-untyped-def]
    """Lots not known to be filled, signed like the order; NaN if the id names nothing."""
    row = row_of(orders, order)
    lots = orders[row, LOTS]
    return lots - np.copysign(orders[row, FILLED_LOTS], lots) if row > 0 else np.nan


@inlined
def l2_bid(book, level):  # type: ignore[no-untyped-def]
    """Price of the bid `level` (0 is the best) in ticks; NaN if there is none."""
    return book[LADDER + LADDER_COLUMNS * level]


@inlined
def l2_bid_lots(book, level):  # type: ignore[no-untyped-def]
    """Lots displayed at the bid `level`."""
    return book[LADDER + LADDER_COLUMNS * level + 1]


@inlined
def l2_ask(book, level):  # type: ignore[no-untyped-def]
    """Price of the ask `level` (0 is the best) in ticks; NaN if there is none."""
    return book[LADDER + LADDER_COLUMNS * level + 2]


@inlined
def l2_ask_lots(book, level):  # type: ignore[no-untyped-def]
    """Lots displayed at the ask `level`."""
    return book[LADDER + LADDER_COLUMNS * level + 3]
