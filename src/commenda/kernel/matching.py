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

Rules 2 and 3 are carried out in `inside.py`.
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel import orders as table
from commenda.kernel.account import adopt, equity_at, mark_close, write_off
from commenda.kernel.bars import HIGH, LOW, OPEN, VOLUME
from commenda.kernel.compiling import inlined, inner, inner_inlined
from commenda.kernel.filling import affordable, available, fill, in_lots, offer, work_order
from commenda.kernel.guard import set_levels, watch_close
from commenda.kernel.inside import reachable, work_inside
from commenda.kernel.orders import slide


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
    """Take the target that has arrived, and trade the bar from its open to its close."""
    receive_target(account, rules, tally)
    account[book.STOP_FILL] = np.nan
    if account[book.QUANTITY] != 0.0:
        set_levels(account, rules, tally)
    waits = not math.isnan(account[book.PENDING]) or orders[0, table.LIVE] > 0.0
    if waits or reachable(account, bar, tally, orders) > 0:
        row = work_busy(account, bar, rules, tally, orders, finer, fills, row)
    return row


@inlined
def work_close(account, bar, position, rules, tally, orders):  # type: ignore[no-untyped-def]
    """Move stops and fee tiers on after a close, and tell the step its position."""
    if account[book.EQUITY] <= 0.0 and tally[at.OTHERS] == 0.0:
        account[book.BARS_SEEN] -= 1.0
        write_off(account)
        account[book.BARS_SEEN] += 1.0
        account[book.EQUITY] = 0.0
    if rules[at.WATCHES] == 1.0:
        watch_close(account, bar, rules, tally, orders)
    tell(account, position, rules, tally, orders)


@inner
def work_busy(account, bar, rules, tally, orders, finer, fills, row):  # type: ignore[no-untyped-def]
    """Trade a bar's open, then its inside."""
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
    wanted = account[book.PENDING]
    wanted *= rules[book.SIZE] if rules[book.SIZE] > 0.0 else max(0.0, worth) / price
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
    return fill(account, change, price, book.TAKER, np.nan, kind, rules, tally, orders, fills, row)


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
def count_liquidity(volume, tally):  # type: ignore[no-untyped-def]
    """Note the share of the bar's volume that this bar's fills took."""
    share = (tally[at.BOUGHT] + tally[at.SOLD]) / volume if volume > 0.0 else np.inf
    tally[at.SHARE_SUM] += share
    tally[at.SHARE_BARS] += 1.0
    tally[at.SHARE_MOST] = max(tally[at.SHARE_MOST], share)


@inner_inlined
def tell(account, position, rules, tally, orders):  # type: ignore[no-untyped-def]
    """Write the position that the step sees: late by the response latency."""
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
