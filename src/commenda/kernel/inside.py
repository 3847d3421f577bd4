"""The inside of a bar at a desk: what its prices set off between the open and the close.

Rules 2 and 3 of `matching.py`. An account of several legs is played as one: see `liquidation.py`.
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel import orders as table
from commenda.kernel.bars import CLOSE, HIGH, LOW, OPEN, VOLUME
from commenda.kernel.compiling import inner, inner_inlined
from commenda.kernel.filling import offer, seize, stop_position, work_order
from commenda.kernel.liquidation import (
    account_in_danger,
    floor_of,
    has_floor,
    liquidate,
    price_at,
    share_volume,
    stand,
    used_up,
    worth_at,
)
from commenda.kernel.orders import slide

NOTHING, THE_STOP, THE_LIQUIDATION, THE_FLOOR = 0, -1, -2, -3
UP, DOWN = 1.0, -1.0
SAME = 1e-12
"""Two equities that differ by a smaller part differ by rounding."""


@inner
def work_inside(accounts, bars, rules, tallies, orders, finer, fills):  # type: ignore[no-untyped-def]
    """Play the inside of a bar; on finer bars where the order of its events is unknown."""
    first, count = finer_inside(tallies)
    if count == 0:
        ambiguous = both_ways(accounts, bars, rules, tallies, orders, fills)
        tallies[first, at.AMBIGUOUS] += ambiguous
        return
    kept, kept_tallies, kept_orders = accounts.copy(), tallies.copy(), orders.copy()
    if not both_ways(accounts, bars, rules, tallies, orders, fills):
        return
    restore(kept, kept_tallies, kept_orders, accounts, tallies, orders)
    inside, ambiguous = bars.copy(), False
    for each in range(count):
        for k in range(accounts.shape[0]):
            if tallies[k, at.TRADES] == 0.0:
                continue
            for column in range(VOLUME + 1):
                inside[k, column] = finer[int(tallies[k, at.FINER_FROM]) + each, column]
            # What the open took, it took from the first, and all share what it left of the bar.
            at_open = kept_tallies[k, at.TAKEN]
            offer(inside[k, VOLUME], at_open if each == 0 else 0.0, rules[k], tallies[k])
            left = kept_tallies[k, at.LEFT] - (tallies[k, at.TAKEN] - at_open)
            tallies[k, at.LEFT] = min(tallies[k, at.LEFT], max(0.0, left))
        if may_happen(accounts, inside, rules, tallies, orders) > 0:
            unknown = both_ways(accounts, inside, rules, tallies, orders, fills)
            ambiguous = ambiguous or unknown
        else:
            slide_over(accounts, inside, tallies, orders)
    tallies[first, at.REFINED] += 1.0
    tallies[first, at.AMBIGUOUS] += ambiguous


@inner
def finer_inside(tallies):  # type: ignore[no-untyped-def]
    """The first leg that trades, and how many finer bars each that does has: 0 if not as many."""
    first, count = -1, 0
    for k in range(tallies.shape[0]):
        if tallies[k, at.TRADES] == 0.0:
            continue
        there = int(tallies[k, at.FINER_TO] - tallies[k, at.FINER_FROM])
        if first < 0:
            first, count = k, there
        elif there != count:
            return first, 0
    return max(first, 0), count


@inner
def both_ways(accounts, bars, rules, tallies, orders, fills):  # type: ignore[no-untyped-def]
    """Play a bar along both ways and keep the one that ends poorer; whether they differ."""
    expected = may_happen(accounts, bars, rules, tallies, orders)
    if expected == 1 and closes_whole(accounts, rules, tallies, orders):
        play_way(accounts, bars, DOWN, rules, tallies, orders, fills)
        return False
    kept, kept_tallies, kept_orders = accounts.copy(), tallies.copy(), orders.copy()
    play_way(accounts, bars, DOWN, rules, tallies, orders, fills)
    alone = expected == 1
    for k in range(accounts.shape[0]):
        once = tallies[k, at.ROW] <= kept_tallies[k, at.ROW] + 1.0
        alone = alone and once and math.isnan(accounts[k, book.PENDING])
    if alone and may_happen(accounts, bars, rules, tallies, orders) == 0:
        return False
    worth, down, down_orders = worth_at(accounts, bars, CLOSE), accounts.copy(), orders.copy()
    restore(kept, kept_tallies, kept_orders, accounts, tallies, orders)
    play_way(accounts, bars, UP, rules, tallies, orders, fills)
    other, same_book = worth_at(accounts, bars, CLOSE), True
    for k in range(accounts.shape[0]):
        same = accounts[k, book.QUANTITY] == down[k, book.QUANTITY]
        same = same and orders[k, 0, table.LIVE] == down_orders[k, 0, table.LIVE]
        idle, was_idle = math.isnan(accounts[k, book.PENDING]), math.isnan(down[k, book.PENDING])
        same_book = same_book and same and idle == was_idle
    if same_book and abs(other - worth) <= SAME * abs(worth):
        return False
    if worth < other:
        restore(kept, kept_tallies, kept_orders, accounts, tallies, orders)
        play_way(accounts, bars, DOWN, rules, tallies, orders, fills)
    return True


@inner
def closes_whole(accounts, rules, tallies, orders):  # type: ignore[no-untyped-def]
    """Whether a stop, or the venue, would close all that there is, so that nothing follows it."""
    enough = rules[0, at.BOOK_LEVELS] == 0.0 and tallies[0, at.LEFT] >= abs(
        accounts[0, book.QUANTITY]
    )
    return enough and accounts.shape[0] == 1 and orders[0, 0, table.LIVE] == 0.0


@inner
def restore(kept, kept_tallies, kept_orders, accounts, tallies, orders):  # type: ignore[no-untyped-def]
    """Take a bar back that was played."""
    copy(kept, accounts)
    copy(kept_tallies, tallies)
    for k in range(orders.shape[0]):
        copy(kept_orders[k], orders[k])


@inner
def copy(source, destination):  # type: ignore[no-untyped-def]
    """Copy a table. A loop of our own: an assignment to a slice takes seconds to compile."""
    for row in range(source.shape[0]):
        for column in range(source.shape[1]):
            destination[row, column] = source[row, column]


@inner
def slide_over(accounts, bars, tallies, orders):  # type: ignore[no-untyped-def]
    """Let trailing orders follow bars in which nothing happens."""
    for k in range(accounts.shape[0]):
        if tallies[k, at.TRADES] == 1.0:
            slide(orders[k], bars[k, HIGH], accounts[k, book.BARS_SEEN])
            slide(orders[k], bars[k, LOW], accounts[k, book.BARS_SEEN])


@inner
def play_way(accounts, bars, first, rules, tallies, orders, fills):  # type: ignore[no-untyped-def]
    """Open, then the extreme on the side of `first`, then the other one, then the close."""
    near, far = (LOW, HIGH) if first == DOWN else (HIGH, LOW)
    # What lies beyond the open on the side that comes second is reached at the open all the same.
    start, stop, way = OPEN, OPEN, -first
    for stretch in range(4):
        play(accounts, bars, start, stop, way, rules, tallies, orders, fills)
        start, way = stop, -way
        stop = near if stretch == 0 else far if stretch == 1 else CLOSE


@inner_inlined
def play(accounts, bars, start, stop, way, rules, tallies, orders, fills):  # type: ignore[no-untyped-def]
    """Everything that is set off on the way between two prices, in the order of the way."""
    legs, s = accounts.shape[0], 0.0
    for k in range(legs):
        tallies[k, at.NOW] = bars[k, start]
    while True:
        who, which, price, least = 0, NOTHING, np.nan, 2.0
        for k in range(legs):
            if tallies[k, at.TRADES] == 0.0:
                continue
            now, end = tallies[k, at.NOW], bars[k, stop]
            found, reached = nearest(accounts[k], now, end, way, tallies[k], orders[k])
            if found != NOTHING:
                part = s
                if end != bars[k, start]:
                    part = max(s, (reached - bars[k, start]) / (end - bars[k, start]))
                # At one moment stops and liquidations come before orders.
                if part < least or (part == least and found < 0 < which):
                    who, which, price, least = k, found, reached, part
        if legs > 1:
            which, who, least = on_the_account(
                accounts, bars, start, stop, s, which, who, least, rules, tallies
            )
        if which == NOTHING:
            break
        s = least
        for k in range(legs):
            tallies[k, at.NOW] = price_at(bars, k, start, stop, s)
        if which == THE_FLOOR or who < 0:
            price = tallies[who, at.NOW]
        else:
            tallies[who, at.NOW] = price
        if legs > 1 and who >= 0:
            stand(who, accounts, rules, tallies)
        set_off(accounts, who, which, price, rules, tallies, orders, fills)
    for k in range(legs):
        if tallies[k, at.TRADES] == 1.0:
            slide(orders[k], bars[k, stop], accounts[k, book.BARS_SEEN])


@inner
def on_the_account(accounts, bars, start, stop, s, which, who, least, rules, tallies):  # type: ignore[no-untyped-def]
    """Whether a floor of the account's equity, or its liquidation, is met before `which`."""
    now = here = 0.0
    for k in range(accounts.shape[0]):
        now += accounts[k, book.CASH]
        if accounts[k, book.QUANTITY] != 0.0:
            now += accounts[k, book.QUANTITY] * price_at(bars, k, start, stop, s)
    here = worth_at(accounts, bars, stop)
    for k in range(accounts.shape[0]):
        if not has_floor(k, accounts, rules, tallies):
            continue
        floor, _ = floor_of(k, rules, tallies)
        if min(now, here) > floor:
            continue
        part = s if now <= floor else s + (now - floor) / (now - here) * (1.0 - s)
        if (part <= least and which != THE_FLOOR) or part < least:
            which, who, least = THE_FLOOR, k, part
    part = used_up(accounts, bars, start, stop, s, rules, tallies)
    if part < least or part == s or (part == least and which > 0):
        which, who, least = THE_LIQUIDATION, -1, part
    return which, who, least


@inner
def set_off(accounts, who, which, price, rules, tallies, orders, fills):  # type: ignore[no-untyped-def]
    """Carry out what is met: a stop, a liquidation, or the order in a row of the leg's table."""
    if which == THE_LIQUIDATION and (who < 0 or rules[who, at.ISOLATED] == 0.0):
        liquidate(accounts, False, rules, tallies, orders, fills)
        return
    rule, tally, before = rules[who], tallies[who], tallies[who, at.TAKEN]
    if which == THE_LIQUIDATION:
        seize(accounts[who], price, rule, tally, orders[who], fills[who])
    elif which in (THE_STOP, THE_FLOOR):
        if which == THE_FLOOR:
            tally[at.LEVEL_KIND] = floor_of(who, rules, tallies)[1]
        stop_position(accounts[who], price, rule, tally, orders[who], fills[who])
    else:
        meet(accounts[who], which, price, rule, tally, orders[who], fills[who])
    share_volume(who, before, rules, tallies)


@inner
def meet(account, each, price, rules, tally, orders, fills):  # type: ignore[no-untyped-def]
    """An order's price is reached: fill it, or make the limit order of it that it asked for."""
    kind = orders[each, table.ORDER_KIND]
    limit, maker = orders[each, table.ORDER_LIMIT], book.TAKER
    if kind == table.STOP_LIMIT:
        orders[each, table.ORDER_KIND] = table.LIMIT
        if (limit - price) * orders[each, table.ORDER_QUANTITY] < 0.0:
            return
    elif kind == table.LIMIT:
        price, maker = limit, book.MAKER
    work_order(account, each, price, maker, rules, tally, orders, fills)


@inner
def may_happen(accounts, bars, rules, tallies, orders):  # type: ignore[no-untyped-def]
    """How many things these bars may set off; an order whose way matters counts twice."""
    count = 0
    for k in range(accounts.shape[0]):
        if tallies[k, at.TRADES] == 1.0:
            count += reachable(accounts[k], bars[k], tallies[k], orders[k])
    if accounts.shape[0] > 1 and account_in_danger(accounts, bars, rules, tallies):
        count += 1
    return count


@inner_inlined
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
