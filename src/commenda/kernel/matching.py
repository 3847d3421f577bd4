"""What happens to orders, targets and stops inside one bar, where a run has a desk.

A bar tells four prices and one volume, not the way between them. The rules:

1. *At the open*: who opens beyond liquidation is liquidated, and what was pending and every order
   is gone with the position. Else first the target whose time has come, then market orders, then
   limit orders that arrive already beyond the market. These take liquidity at the open.
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

An order that would open more than the leverage allows, its costs paid, is cut down to it. One that
may only reduce is cut down to the position and ends with it.

Rules 2 and 3 are carried out in `inside.py`; what one account of several legs adds to them is in
`liquidation.py`.
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel import orders as table
from commenda.kernel.account import adopt, equity_at, mark_close
from commenda.kernel.bars import CLOSE, HIGH, LOW, OPEN, VOLUME
from commenda.kernel.compiling import as_row, inlined, inner, inner_inlined
from commenda.kernel.filling import (
    SAME,
    affordable,
    available,
    cost_of,
    fill,
    in_lots,
    offer,
    work_order,
)
from commenda.kernel.guard import set_levels, watch_close
from commenda.kernel.inside import may_happen, reachable, slide_over, work_inside
from commenda.kernel.liquidation import liquidate_at_open, share_volume, stand, wind_up, worth_at
from commenda.kernel.orders import slide

ROUNDS = 4
"""For a part of the leverage that costs depend on, and that depends on the costs."""


@inlined
def work_bar(account, bar, position, rules, tally, orders, finer, fills):  # type: ignore[no-untyped-def]
    """Events 2 to 4 of a bar (see `account.py`) at the desk of one leg.

    `finer` has the open, high, low, close and volume of finer bars in its rows; the tally names
    those inside this bar, and the row of `fills` that comes next.
    """
    begin_bar(account, rules, tally)
    if waits(account, orders) or reachable(account, bar, tally, orders) > 0:
        work_alone(account, bar, rules, tally, orders, finer, fills)
    if equity_at(account, bar[CLOSE]) <= 0.0:
        end_alone(account, bar[CLOSE], rules, tally, orders, fills)
    mark_close(account, bar, position)
    if account[book.RUIN] == 0.0:
        work_close(account, bar, position, rules, tally, orders)


@inner_inlined
def begin_bar(account, rules, tally):  # type: ignore[no-untyped-def]
    """Take the target that has arrived, and see where stops and liquidation lie."""
    receive_target(account, rules, tally)
    account[book.STOP_FILL] = np.nan
    if account[book.QUANTITY] != 0.0:
        set_levels(account, rules, tally)


@inner_inlined
def waits(account, orders):  # type: ignore[no-untyped-def]
    """Whether a target or an order is to be traded."""
    return not math.isnan(account[book.PENDING]) or orders[0, table.LIVE] > 0.0


@inner_inlined
def work_close(account, bar, position, rules, tally, orders):  # type: ignore[no-untyped-def]
    """Move stops and fee tiers on after a close, and tell the step its position."""
    if rules[at.WATCHES] == 1.0:
        watch_close(account, bar, rules, tally, orders)
    tell(account, position, rules, tally, orders)


@inner
def work_alone(account, bar, rules, tally, orders, finer, fills):  # type: ignore[no-untyped-def]
    """Trade a bar on an account of one leg."""
    accounts, bars, rule, tallies = as_row(account), as_row(bar), as_row(rules), as_row(tally)
    table_of, filled = as_row(orders), as_row(fills)
    held = account[book.QUANTITY]
    liquidated = held != 0.0 and (bar[OPEN] - tally[at.LIQUIDATION]) * held <= 0.0
    if liquidated or not math.isnan(account[book.PENDING]):
        work_busy(accounts, bars, rule, tallies, table_of, finer, filled)
        return
    # Nothing to size or to liquidate at the open: most of the bars that are not idle.
    offer_bar(bar, rules, tally)
    if orders[0, table.LIVE] > 0.0:
        work_open(account, bar[OPEN], rules, tally, orders, fills)
    if reachable(account, bar, tally, orders) > 0:
        work_inside(accounts, bars, rule, tallies, table_of, finer, filled)
    else:
        slide(orders, bar[HIGH], account[book.BARS_SEEN])
        slide(orders, bar[LOW], account[book.BARS_SEEN])
    count_liquidity(bar[VOLUME], tally)


@inner
def end_alone(account, price, rules, tally, orders, fills):  # type: ignore[no-untyped-def]
    """End an account of one leg whose equity is gone."""
    tally[at.NOW] = price
    wind_up(as_row(account), as_row(rules), as_row(tally), as_row(orders), as_row(fills))


@inner
def work_busy(accounts, bars, rules, tallies, orders, finer, fills):  # type: ignore[no-untyped-def]
    """Trade a bar's open, then its inside, on an account of one or several legs."""
    legs = accounts.shape[0]
    for k in range(legs):
        offer_bar(bars[k], rules[k], tallies[k])
    liquidate_at_open(accounts, bars, rules, tallies, orders, fills)
    for k in range(legs):
        if not math.isnan(target_of(k, accounts, rules, tallies)):
            size_targets(accounts, bars, rules, tallies)
            break
    for k in range(legs):
        if tallies[k, at.TRADES] == 0.0 or not waits(accounts[k], orders[k]):
            continue
        if legs > 1:
            stand(k, accounts, rules, tallies)
        before, price = tallies[k, at.TAKEN], bars[k, OPEN]
        if not math.isnan(accounts[k, book.PENDING]):
            approach_target(accounts[k], price, rules[k], tallies[k], orders[k], fills[k])
        if orders[k, 0, table.LIVE] > 0.0:
            work_open(accounts[k], price, rules[k], tallies[k], orders[k], fills[k])
        share_volume(k, before, rules, tallies)
    if may_happen(accounts, bars, rules, tallies, orders) > 0:
        work_inside(accounts, bars, rules, tallies, orders, finer, fills)
    else:
        slide_over(accounts, bars, tallies, orders)
    for k in range(legs):
        count_liquidity(bars[k, VOLUME], tallies[k])


@inner
def offer_bar(bar, rules, tally):  # type: ignore[no-untyped-def]
    """Nothing of the bar is taken yet."""
    tally[at.BOUGHT] = tally[at.SOLD] = tally[at.TAKEN] = 0.0
    tally[at.NOW] = bar[OPEN]
    offer(bar[VOLUME], 0.0, rules, tally)


@inner
def target_of(k, accounts, rules, tallies):  # type: ignore[no-untyped-def]
    """The target that leg `k` trades towards now; NaN if it keeps what it has.

    In hedge mode the other side's leg takes what is not of its own side.
    """
    target = accounts[k, book.PENDING]
    if tallies[k, at.TRADES] == 0.0:
        return np.nan
    return 0.0 if rules[k, at.SIDE] * target < 0.0 else target


@inner
def size_targets(accounts, bars, rules, tallies):  # type: ignore[no-untyped-def]
    """Find the equity that this open's targets are fractions of, before any of them trades.

    See `execute_pending` in `account.py`. Of several targets the costs are shared: with E' for what
    is left once all are paid, w · p = t · E' and E' = E - Σ c · |w - h| · p have one solution. What
    together is beyond the leverage is cut down in proportion.
    """
    worth, asked, rest, leverage = worth_at(accounts, bars, OPEN), 0.0, 0.0, np.inf
    for k in range(accounts.shape[0]):
        target = target_of(k, accounts, rules, tallies)
        if math.isnan(target):
            rest += abs(accounts[k, book.QUANTITY]) * bars[k, OPEN]
        elif rules[k, book.SIZE] > 0.0:
            rest += abs(target) * rules[k, book.SIZE] * bars[k, OPEN]
        else:
            asked += abs(target)
            if rules[k, at.LEVERAGE] > 0.0:
                leverage = min(leverage, rules[k, at.LEVERAGE])
    # Of less than the whole equity there is cash for the costs: there the whole is the limit.
    scale = max(1.0, (worth - rest) / (asked * worth)) if asked * worth > 0.0 else 1.0
    paid, rate_of_targets = 0.0, 0.0
    for k in range(accounts.shape[0]):
        target, price = target_of(k, accounts, rules, tallies), bars[k, OPEN]
        if math.isnan(target):
            continue
        held, units = accounts[k, book.QUANTITY], target * rules[k, book.SIZE]
        if units == 0.0:
            units = target * scale * worth / price
        rate = math.copysign(cost_of(units - held, book.TAKER, rules[k], tallies[k]), units - held)
        if units == held:
            continue
        if rules[k, book.SIZE] > 0.0:
            paid += rate * (units - held) * price
        else:
            paid -= rate * held * price
            rate_of_targets += rate * target
    limit = scale * (worth - paid) / (1.0 + scale * rate_of_targets)
    part, left = 1.0, worth
    if asked > 0.0 and leverage < np.inf:
        for _ in range(ROUNDS):
            left = max(0.0, worth - paid) / (1.0 + part * rate_of_targets)
            spare = max(0.0, leverage * left - rest)
            part = min(1.0, spare / (asked * left)) if left > 0.0 else 0.0
    for k in range(accounts.shape[0]):
        tallies[k, at.WORTH] = worth
        tallies[k, at.LIMIT] = limit
        tallies[k, at.CAP] = part * left if part < 1.0 else np.inf


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
def approach_target(account, price, rules, tally, orders, fills):  # type: ignore[no-untyped-def]
    """Trade towards the pending target at the open, as far as liquidity goes."""
    target, wanted, held = account[book.PENDING], 0.0, account[book.QUANTITY]
    if rules[at.SIDE] * target < 0.0 or tally[at.WORTH] <= 0.0:
        wanted = 0.0  # in hedge mode the other side's leg takes it
    elif rules[book.SIZE] > 0.0:
        wanted = target * rules[book.SIZE]
    else:
        wanted, limit = target * tally[at.WORTH] / price, target * tally[at.LIMIT] / price
        if (limit - wanted) * target < 0.0:
            wanted = limit
        if rules[at.JOINT] == 1.0 and rules[at.LEVERAGE] > 0.0:
            tally[at.OTHERS_NOTIONAL] = 0.0  # it is in the cap
            cap, keeps = (
                abs(target) * tally[at.CAP] / price,
                max(0.0, math.copysign(1.0, target) * held),
            )
            if abs(wanted) > max(cap, keeps) * (1.0 + SAME):
                tally[at.CLAMPED] += 1.0
                wanted = math.copysign(max(cap, keeps), target)
    change = affordable(account, wanted - held, price, book.TAKER, rules, tally)
    if rules[at.LOT] > 0.0 and wanted != 0.0:
        change = in_lots(in_lots(held + change, rules) - held, rules)
    size = available(change, book.TAKER, rules, tally)
    kind = tally[at.PENDING_KIND]
    if size >= abs(change):
        account[book.PENDING] = np.nan
        tally[at.PENDING_KIND] = book.KIND_TARGET
    else:
        tally[at.SHORT_FILLED] += 1.0
    if size > 0.0:
        change = math.copysign(size, change)
        fill(account, change, price, book.TAKER, np.nan, kind, rules, tally, orders, fills)


@inner
def work_open(account, price, rules, tally, orders, fills):  # type: ignore[no-untyped-def]
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
            work_order(account, each, price, book.TAKER, rules, tally, orders, fills)
        elif kind == table.LIMIT and orders[each, table.ORDER_FROM] == number:
            limit = orders[each, table.ORDER_LIMIT]
            if (limit - price) * orders[each, table.ORDER_QUANTITY] >= 0.0:
                work_order(account, each, price, book.TAKER, rules, tally, orders, fills)
    slide(orders, price, number)


@inner
def count_liquidity(volume, tally):  # type: ignore[no-untyped-def]
    """Note the share of the bar's volume that this bar's fills took."""
    if tally[at.BOUGHT] + tally[at.SOLD] == 0.0:
        return
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
        slot = slot_of(account[book.BARS_SEEN] + rules[at.DELAY], rules)
        tally[slot] = account[book.STANDING]
    return adopted
