"""What happens to orders, targets and stops inside one bar, where a run has a desk.

A bar tells four prices and one volume, not the way between them. The rules:

1. *At the open*: first the target whose time has come, then market orders, then limit orders that
   arrive already beyond the market. These take liquidity at the open.
2. *Inside*: the bar is played along two ways, open-low-high-close and open-high-low-close. On a
   stretch from one price to the next, what is triggered happens in order of price, and anything it
   sets off (a stop of a position just entered) can happen on the rest of the way. Stops and
   liquidation are reached by a touch and take liquidity there, or at the open if it lies beyond.
   A limit order fills at its price as a maker, and only once the price has gone *through* it: who
   stands behind in the queue gets nothing from a touch.
3. Where the two ways end in different books the bar is *ambiguous*: it is played again on finer
   bars where there are some, else the way that leaves less equity at the close stands.
4. All fills of a bar, or finer bar, share `participation` of its volume; what is taken is gone.
   (Not a liquidation: the venue takes the position over whole, and the trader pays for it.)
   A target short of liquidity is sized anew at the next open until it is reached; the rest of an
   order stays, of a triggered stop as a market order.

An order that would open more than the leverage allows is cut down to it. One that may only reduce
is cut down to the position and ends with it.
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel import orders as table
from commenda.kernel.account import adopt, equity_at, mark_close, wanted_units
from commenda.kernel.bars import CLOSE, HIGH, LOW, OPEN, VOLUME
from commenda.kernel.compiling import inlined, inner, inner_inlined
from commenda.kernel.dealing import (
    affordable,
    available,
    deal,
    in_lots,
    liquidate,
    stop_position,
)
from commenda.kernel.guard import set_levels, watch_close

NOTHING, THE_STOP, THE_LIQUIDATION = 0, -1, -2
UP, DOWN = 1.0, -1.0
SAME = 1e-12
"""Two equities that differ by a smaller part differ by rounding."""


@inlined
def work_bar(account, bar, position, rules, tally, orders, finer, fills, row):  # type: ignore[no-untyped-def]
    """Events 2 to 4 of a bar (see `account.py`) at a desk.

    `finer` has the open, high, low, close and volume of finer bars in its rows; the tally names
    those inside this bar.
    """
    row = work_prices(account, bar, rules, tally, orders, finer, fills, row)
    mark_close(account, bar, position)
    work_close(account, bar, position, rules, tally, orders)
    return row


@inlined
def work_prices(account, bar, rules, tally, orders, finer, fills, row):  # type: ignore[no-untyped-def]
    """What a bar's prices lead to, from its open to its close."""
    receive_target(account, rules, tally)
    account[book.STOP_FILL] = np.nan
    if rules[at.MOVES] == 1.0 and account[book.QUANTITY] != 0.0:
        set_levels(account, rules, tally)
    waits = not math.isnan(account[book.PENDING]) or orders[0, table.LIVE] > 0.0
    if waits or reachable(account, bar, tally, orders) > 0:
        row = work_busy(account, bar, rules, tally, orders, finer, fills, row)
    return row


@inlined
def work_close(account, bar, position, rules, tally, orders):  # type: ignore[no-untyped-def]
    """What a close leads to, once the account is marked at it."""
    if rules[at.WATCHES] == 1.0:
        watch_close(account, bar, rules, tally, orders)
    tell(account, position, rules, tally, orders)


@inner
def work_busy(account, bar, rules, tally, orders, finer, fills, row):  # type: ignore[no-untyped-def]
    """A bar in which something may be traded: its open, then its inside."""
    tally[at.BOUGHT] = tally[at.SOLD] = 0.0
    offer(bar[VOLUME], tally[at.OTHERS_TAKEN], rules, tally)
    if not math.isnan(account[book.PENDING]):
        row = approach_target(account, bar[OPEN], rules, tally, orders, fills, row)
    if orders[0, table.LIVE] > 0.0:
        row = work_open(account, bar[OPEN], rules, tally, orders, fills, row)
    if reachable(account, bar, tally, orders) > 0:
        row = work_inside(account, bar, rules, tally, orders, finer, fills, row)
    else:
        slide(orders, bar[HIGH], account[book.BARS_SEEN])
        slide(orders, bar[LOW], account[book.BARS_SEEN])
    if tally[at.BOUGHT] + tally[at.SOLD] > 0.0:
        count_liquidity(bar[VOLUME], tally)
    return row


@inlined
def fund_margin(account, rate, mark, rules, tally):  # type: ignore[no-untyped-def]
    """Take a funding payment out of an isolated position's margin as well."""
    if rules[at.ISOLATED] == 1.0:
        tally[at.MARGIN] -= account[book.QUANTITY] * mark * rate


@inner_inlined
def offer(volume, taken, rules, tally):  # type: ignore[no-untyped-def]
    """Set out what the bar about to be traded has to give, less what is `taken` already."""
    tally[at.VOLUME_NOW] = volume
    tally[at.LEFT] = np.inf
    if rules[at.PARTICIPATION] > 0.0:
        tally[at.LEFT] = max(0.0, volume * rules[at.PARTICIPATION] - taken)


@inner_inlined
def receive_target(account, rules, tally):  # type: ignore[no-untyped-def]
    """Make pending the target that has reached the venue by this bar's opening."""
    slot = slot_of(account[book.BARS_SEEN], rules)
    if not math.isnan(tally[slot]):
        account[book.PENDING] = tally[slot]
        account[book.STOPPED] = 0.0
        tally[at.PENDING_KIND] = book.KIND_TARGET
        tally[slot] = np.nan
        if account[book.QUANTITY] != 0.0:
            set_levels(account, rules, tally)  # what a stop was still closing has its stops again


@inner
def approach_target(account, price, rules, tally, orders, fills, row):  # type: ignore[no-untyped-def]
    """Trade towards the pending target at the open, as far as liquidity goes."""
    worth = equity_at(account, price) + tally[at.OTHERS]
    wanted = wanted_units(account[book.PENDING], worth, price, rules[book.SIZE])
    if rules[at.SIDE] * wanted < 0.0:
        wanted = 0.0  # in hedge mode the other side's leg takes it
    held = account[book.QUANTITY]
    change = affordable(account, wanted - held, price, rules, tally)
    if rules[at.LOT] > 0.0 and wanted != 0.0:
        change = in_lots(in_lots(held + change, rules) - held, rules)
    size = available(change, book.TAKER, rules, tally)
    kind = tally[at.PENDING_KIND]
    if size >= abs(change):
        account[book.PENDING] = np.nan
        tally[at.PENDING_KIND] = book.KIND_TARGET
    else:
        tally[at.SHORT_FILLED] += 1.0
    if size == 0.0:
        return row
    change = math.copysign(size, change)
    return deal(account, change, price, book.TAKER, np.nan, kind, rules, tally, orders, fills, row)


@inner
def work_open(account, price, rules, tally, orders, fills, row):  # type: ignore[no-untyped-def]
    """At the open: cancellations, market orders, limit orders that arrive beyond the market."""
    number = account[book.BARS_SEEN]
    for each in range(1, orders.shape[0]):
        kind = orders[each, table.ORDER_KIND]
        if kind != table.FREE and orders[each, table.ORDER_UNTIL] <= number:
            table.close_order(orders, each)
            continue
        if kind == table.FREE or orders[each, table.ORDER_FROM] > number:
            continue
        if kind == table.MARKET:
            row = work_order(account, each, price, book.TAKER, rules, tally, orders, fills, row)
        elif kind == table.LIMIT and orders[each, table.ORDER_FROM] == number:
            limit = orders[each, table.ORDER_LIMIT]
            if (limit - price) * orders[each, table.ORDER_QUANTITY] >= 0.0:
                row = work_order(account, each, price, book.TAKER, rules, tally, orders, fills, row)
    slide(orders, price, number)
    return row


@inner
def slide(orders, price, number):  # type: ignore[no-untyped-def]
    """Let trailing orders follow a price that has been reached."""
    if orders[0, table.LIVE] == 0.0:
        return
    for each in range(1, orders.shape[0]):
        live = orders[each, table.ORDER_FROM] <= number
        if orders[each, table.ORDER_KIND] == table.TRAILING and live:
            side = math.copysign(1.0, orders[each, table.ORDER_QUANTITY])
            trigger = price + side * orders[each, table.ORDER_TRAIL]
            standing = orders[each, table.ORDER_TRIGGER]
            if math.isnan(standing) or side * (trigger - standing) < 0.0:
                orders[each, table.ORDER_TRIGGER] = trigger


@inner
def work_order(account, each, price, maker, rules, tally, orders, fills, row):  # type: ignore[no-untyped-def]
    """Fill the order in row `each` of the table near `price`, as far as it may and can be."""
    held = account[book.QUANTITY]
    quantity = orders[each, table.ORDER_QUANTITY]
    kind = orders[each, table.ORDER_KIND]
    shrinks = held * quantity < 0.0
    reduces = orders[each, table.ORDER_REDUCE] == 1.0 or rules[at.SIDE] * quantity < 0.0
    if reduces:
        quantity = math.copysign(min(abs(quantity), abs(held)), quantity) if shrinks else 0.0
    quantity = in_lots(affordable(account, quantity, price, rules, tally), rules)
    if quantity == 0.0:
        orders[0, table.REFUSED] += 1.0
        table.close_order(orders, each)
        return row
    size = available(quantity, maker, rules, tally)
    whole = size >= abs(quantity)
    if size > 0.0:
        if orders[each, table.ORDER_GROUP] > 0.0:
            table.close_group(orders, each)
        why = book.KIND_STOP_ORDER
        if kind == table.MARKET:
            why = book.KIND_MARKET
        elif kind == table.LIMIT:
            why = book.KIND_LIMIT
        bound = orders[each, table.ORDER_LIMIT]
        change = math.copysign(size, quantity)
        row = deal(account, change, price, maker, bound, why, rules, tally, orders, fills, row)
    if orders[each, table.ORDER_KIND] == table.FREE:
        return row  # it ended with the position
    if whole:
        table.close_order(orders, each)
        return row
    tally[at.SHORT_FILLED] += 1.0
    orders[each, table.ORDER_QUANTITY] = quantity - math.copysign(size, quantity)
    if kind == table.STOP or kind == table.TRAILING:
        orders[each, table.ORDER_KIND] = table.MARKET
    elif maker == book.TAKER:
        orders[each, table.ORDER_FROM] = account[book.BARS_SEEN] + 1.0  # takes on at the next open
    elif size == 0.0:
        tally[at.LEFT] = 0.0  # less than a lot is nothing
    return row


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
    """Copy a table."""
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

    At one price the stop comes before liquidation, and both before any order.
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
            if which == NOTHING or way * (best - reached) > 0.0:
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


@inner
def count_liquidity(volume, tally):  # type: ignore[no-untyped-def]
    """Note the share of the bar's volume that this bar's fills took."""
    share = (tally[at.BOUGHT] + tally[at.SOLD]) / volume if volume > 0.0 else np.inf
    tally[at.SHARE_SUM] += share
    tally[at.SHARE_BARS] += 1.0
    tally[at.SHARE_MOST] = max(tally[at.SHARE_MOST], share)


@inner_inlined
def tell(account, position, rules, tally, orders):  # type: ignore[no-untyped-def]
    """Write what the step may know: its position as of when it has heard of it."""
    worth = account[book.EQUITY]
    if tally[at.OTHERS] != 0.0:
        worth += tally[at.OTHERS]
        position[book.EXPOSURE] = account[book.QUANTITY] * account[book.LAST_CLOSE] / worth
    position[at.POSITION_QUANTITY] = account[book.QUANTITY]
    position[at.POSITION_EQUITY] = worth
    position[at.POSITION_SIDE] = rules[at.SIDE]
    orders[0, table.ARRIVES] = account[book.BARS_SEEN] + rules[at.DELAY]
    late = int(rules[at.SEEN])
    if late > 1:
        size = at.DESK_POSITION_SIZE
        now = int(rules[at.SEEN_AT]) + (int(account[book.BARS_SEEN]) - 1) % late * size
        then = int(rules[at.SEEN_AT]) + int(account[book.BARS_SEEN]) % late * size
        for column in range(size):
            tally[now + column] = position[column]
            position[column] = tally[then + column]


@inner_inlined
def slot_of(number, rules):  # type: ignore[no-untyped-def]
    """Where in the tally the target lies that arrives at the opening of bar `number`."""
    begin = int(rules[at.INFLIGHT_AT])
    return begin + int(number) % int(rules[at.INFLIGHT]) if rules[at.DELAY] > 0.0 else begin


@inlined
def send(account, target, rules, tally, orders):  # type: ignore[no-untyped-def]
    """Take the step's target and orders: on their way to the venue, unless a stop forbids.

    Nor is anything sent in the warm-up.
    """
    adopted = adopt(account, target, rules)
    warming = account[book.BARS_SEEN] <= rules[book.WARMUP]
    if warming or tally[at.HALTED] == 1.0 or tally[at.COOLING] > 0.0:
        if orders[0, table.LIVE] > 0.0:
            table.close_all(orders)
        return adopted
    if adopted:
        tally[slot_of(account[book.BARS_SEEN] + rules[at.DELAY], rules)] = target
    return adopted
