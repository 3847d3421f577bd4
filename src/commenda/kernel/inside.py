"""The inside of a bar at a desk: what its prices set off between the open and the close.

Rules 2 and 3 of `matching.py`.
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel import orders as table
from commenda.kernel.account import equity_at
from commenda.kernel.bars import CLOSE, HIGH, LOW, OPEN, VOLUME
from commenda.kernel.compiling import inner, inner_inlined
from commenda.kernel.filling import liquidate, offer, stop_position, work_order
from commenda.kernel.orders import slide

NOTHING, THE_STOP, THE_LIQUIDATION = 0, -1, -2
UP, DOWN = 1.0, -1.0
SAME = 1e-12
"""Two equities that differ by a smaller part differ by rounding."""


@inner
def work_inside(account, bar, rules, tally, orders, finer, fills, row):  # type: ignore[no-untyped-def]
    """Play the inside of a bar; on finer bars where the order of its events is unknown."""
    first, last = int(tally[at.FINER_FROM]), int(tally[at.FINER_TO])
    if first == last:
        end, ambiguous = both_ways(account, bar, rules, tally, orders, fills, row)
        tally[at.AMBIGUOUS] += ambiguous
        return end
    kept, kept_tally, kept_orders = account.copy(), tally.copy(), orders.copy()
    end, ambiguous = both_ways(account, bar, rules, tally, orders, fills, row)
    if not ambiguous:
        return end
    copy(kept, account)
    copy(kept_tally, tally)
    copy_rows(kept_orders, orders)
    end, ambiguous = row, False
    left, at_open = tally[at.LEFT], tally[at.BOUGHT] + tally[at.SOLD]
    for each in range(first, last):
        inside = finer[each]
        # What the open took, it took from the first of them, and all share what it left of the bar.
        offer(inside[VOLUME], at_open if each == first else 0.0, rules, tally)
        since = tally[at.BOUGHT] + tally[at.SOLD] - at_open
        tally[at.LEFT] = min(tally[at.LEFT], max(0.0, left - since))
        if reachable(account, inside, tally, orders) > 0:
            end, unknown = both_ways(account, inside, rules, tally, orders, fills, end)
            ambiguous = ambiguous or unknown
        else:
            slide(orders, inside[HIGH], account[book.BARS_SEEN])
            slide(orders, inside[LOW], account[book.BARS_SEEN])
    tally[at.REFINED] += 1.0
    tally[at.AMBIGUOUS] += ambiguous
    return end


@inner
def both_ways(account, bar, rules, tally, orders, fills, row):  # type: ignore[no-untyped-def]
    """Play a bar along both ways and keep the one that ends poorer; whether they differ."""
    expected = reachable(account, bar, tally, orders)
    kept, kept_tally, kept_orders = account.copy(), tally.copy(), orders.copy()
    end = play_way(account, bar, DOWN, rules, tally, orders, fills, row)
    worth, held = equity_at(account, bar[CLOSE]), account[book.QUANTITY]
    live, idle = orders[0, table.LIVE], math.isnan(account[book.PENDING])
    alone = expected == 1 and end <= row + 1 and idle
    if alone and reachable(account, bar, tally, orders) == 0:
        return end, False
    copy(kept, account)
    copy(kept_tally, tally)
    copy_rows(kept_orders, orders)
    end = play_way(account, bar, UP, rules, tally, orders, fills, row)
    other = equity_at(account, bar[CLOSE])
    same_book = account[book.QUANTITY] == held and orders[0, table.LIVE] == live
    same_book = same_book and math.isnan(account[book.PENDING]) == idle
    if same_book and abs(other - worth) <= SAME * abs(worth):
        return end, False
    if worth < other:
        copy(kept, account)
        copy(kept_tally, tally)
        copy_rows(kept_orders, orders)
        end = play_way(account, bar, DOWN, rules, tally, orders, fills, row)
    return end, True


@inner
def copy(source, destination):  # type: ignore[no-untyped-def]
    """Copy an array. A loop of our own: an assignment to a slice takes seconds to compile."""
    for place in range(source.size):
        destination[place] = source[place]


@inner
def copy_rows(source, destination):  # type: ignore[no-untyped-def]
    for row in range(source.shape[0]):
        for column in range(source.shape[1]):
            destination[row, column] = source[row, column]


@inner
def play_way(account, bar, first, rules, tally, orders, fills, row):  # type: ignore[no-untyped-def]
    """Open, then the extreme on the side of `first`, then the other one, then the close."""
    near, far = (bar[LOW], bar[HIGH]) if first == DOWN else (bar[HIGH], bar[LOW])
    # What lies beyond the open on the side that comes second is reached at the open all the same.
    row = play(account, bar[OPEN], bar[OPEN], -first, rules, tally, orders, fills, row)
    row = play(account, bar[OPEN], near, first, rules, tally, orders, fills, row)
    row = play(account, near, far, -first, rules, tally, orders, fills, row)
    return play(account, far, bar[CLOSE], first, rules, tally, orders, fills, row)


@inner
def play(account, start, stop, way, rules, tally, orders, fills, row):  # type: ignore[no-untyped-def]
    """Everything that is set off between two prices, the nearest first."""
    price = start
    while True:
        which, price = nearest(account, price, stop, way, tally, orders)
        if which == NOTHING:
            break
        if which == THE_STOP:
            row = stop_position(account, price, rules, tally, orders, fills, row)
        elif which == THE_LIQUIDATION:
            row = liquidate(account, price, rules, tally, orders, fills, row)
        else:
            row = set_off(account, which, price, rules, tally, orders, fills, row)
    slide(orders, stop, account[book.BARS_SEEN])
    return row


@inner
def set_off(account, each, price, rules, tally, orders, fills, row):  # type: ignore[no-untyped-def]
    """An order's price is reached: fill it, or make the limit order of it that it asked for."""
    kind = orders[each, table.ORDER_KIND]
    if kind == table.STOP_LIMIT:
        orders[each, table.ORDER_KIND] = table.LIMIT
        limit = orders[each, table.ORDER_LIMIT]
        if (limit - price) * orders[each, table.ORDER_QUANTITY] < 0.0:
            return row
        return work_order(account, each, price, book.TAKER, rules, tally, orders, fills, row)
    if kind == table.LIMIT:
        limit = orders[each, table.ORDER_LIMIT]
        return work_order(account, each, limit, book.MAKER, rules, tally, orders, fills, row)
    return work_order(account, each, price, book.TAKER, rules, tally, orders, fills, row)


@inner
def nearest(account, price, stop, way, tally, orders):  # type: ignore[no-untyped-def]
    """What is set off first on the way from `price` to `stop` (`way` 1 up, -1 down), and where.

    At one price the stop comes before liquidation, and both before any order; but who is beyond
    liquidation already, as after a gap, is liquidated first.
    """
    number = account[book.BARS_SEEN]
    which, best = NOTHING, np.nan
    if account[book.QUANTITY] * way < 0.0:
        level = tally[at.LEVEL]
        if way * (stop - level) >= 0.0:
            which, best = THE_STOP, beyond(level, price, way)
        level = tally[at.LIQUIDATION]
        if way * (stop - level) >= 0.0:
            reached = beyond(level, price, way)
            behind = way * (price - level) >= 0.0
            if which == NOTHING or behind or way * (best - reached) > 0.0:
                which, best = THE_LIQUIDATION, reached
    if orders[0, table.LIVE] == 0.0:
        return which, best
    for each in range(1, orders.shape[0]):
        kind = orders[each, table.ORDER_KIND]
        if kind == table.FREE or kind == table.MARKET or orders[each, table.ORDER_FROM] > number:
            continue
        side = math.copysign(1.0, orders[each, table.ORDER_QUANTITY])
        if kind == table.LIMIT:
            level = orders[each, table.ORDER_LIMIT]
            # Through the price, not on it; and it is met on the way towards the other side.
            if side == way or tally[at.LEFT] <= 0.0 or way * (stop - level) <= 0.0:
                continue
        else:
            level = orders[each, table.ORDER_TRIGGER]
            if side != way or math.isnan(level) or way * (stop - level) < 0.0:
                continue
        reached = beyond(level, price, way)
        if which == NOTHING or way * (best - reached) > 0.0:
            which, best = each, reached
    return which, best


@inner
def beyond(level, price, way):  # type: ignore[no-untyped-def]
    """Where on the way a level is met: at once, if it lies behind already."""
    return max(level, price) if way > 0.0 else min(level, price)


@inner_inlined
def reachable(account, bar, tally, orders):  # type: ignore[no-untyped-def]
    """How many things the bar's range may set off; an order whose way matters counts twice."""
    count = 0
    held = account[book.QUANTITY]
    if held > 0.0:
        count += bar[LOW] <= tally[at.LEVEL]
        count += bar[LOW] <= tally[at.LIQUIDATION]
    elif held < 0.0:
        count += bar[HIGH] >= tally[at.LEVEL]
        count += bar[HIGH] >= tally[at.LIQUIDATION]
    if orders[0, table.LIVE] > 0.0:
        count += reachable_orders(bar, orders, account[book.BARS_SEEN])
    return count


@inner
def reachable_orders(bar, orders, number):  # type: ignore[no-untyped-def]
    """The part of `reachable` that orders make up."""
    count = 0
    for each in range(1, orders.shape[0]):
        kind = orders[each, table.ORDER_KIND]
        if kind == table.FREE or kind == table.MARKET or orders[each, table.ORDER_FROM] > number:
            continue
        buys = orders[each, table.ORDER_QUANTITY] > 0.0
        if kind == table.LIMIT:
            limit = orders[each, table.ORDER_LIMIT]
            count += bar[LOW] < limit if buys else bar[HIGH] > limit
        elif kind == table.TRAILING:
            distance = bar[HIGH] - bar[LOW]
            trigger = orders[each, table.ORDER_TRIGGER]
            near = bar[HIGH] >= trigger if buys else bar[LOW] <= trigger
            if near or distance >= orders[each, table.ORDER_TRAIL]:
                count += 2
        else:
            trigger = orders[each, table.ORDER_TRIGGER]
            if bar[HIGH] >= trigger if buys else bar[LOW] <= trigger:
                count += 2 if kind == table.STOP_LIMIT else 1
    return count
