"""Fills at a desk: how much of a quantity may and can be filled, at what price, what follows."""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel import orders as table
from commenda.kernel.account import cost_rate, equity_at, trade
from commenda.kernel.compiling import inner, inner_inlined
from commenda.kernel.guard import set_levels, start_position

ROUNDING = 1e-12
"""A quantity smaller than this part of what was asked for is rounding, not a remainder."""
SAME = 1e-9
"""Amounts that differ by a smaller part are the same."""


@inner
def cost_of(change, maker, rules, tally):  # type: ignore[no-untyped-def]
    """What `change` costs, as a fraction of its notional at the reference price."""
    fees = int(rules[at.FEES_AT]) + 3 * int(tally[at.FEE_TIER])
    if maker == book.MAKER or change == 0.0:
        return rules[fees + 2]
    return cost_rate(change, slip(change, rules, tally), rules[fees + 1])


@inner
def affordable(account, change, price, maker, rules, tally):  # type: ignore[no-untyped-def]
    """The part of `change` that the leverage allows, its costs paid. Less is always allowed.

    An isolated position is opened with what is set aside for no other.
    """
    held = account[book.QUANTITY]
    wanted, leverage = held + change, rules[at.LEVERAGE]
    if leverage == 0.0 or (abs(wanted) <= abs(held) and wanted * held >= 0.0):
        return change
    side, rate = math.copysign(1.0, wanted), cost_of(change, maker, rules, tally)
    worth = max(0.0, equity_at(account, price) + tally[at.OTHERS])
    most = max(0.0, worth * leverage - tally[at.OTHERS_NOTIONAL]) / price
    limit = (most - side * held) / (1.0 + leverage * rate)
    closes = max(0.0, -side * held)
    if rules[at.ISOLATED] == 1.0:
        free = account[book.CASH] + tally[at.OTHERS_FREE]
        if closes > 0.0:
            free += held * price - closes * price * rate
        elif held != 0.0:
            free += held * account[book.ENTRY_PRICE] - tally[at.MARGIN]
        limit = min(limit, closes + max(0.0, free) / (price * (1.0 / leverage + rate)))
    limit = max(limit, closes)
    if abs(change) > limit * (1.0 + SAME):
        tally[at.CLAMPED] += 1.0
        return side * limit
    return change


@inner
def in_lots(quantity, rules):  # type: ignore[no-untyped-def]
    """`quantity` cut to whole lots, towards zero."""
    lot = rules[at.LOT]
    if lot == 0.0:
        return quantity
    return math.copysign(math.floor(abs(quantity) / lot + 1e-9) * lot, quantity)


@inner
def available(change, maker, rules, tally):  # type: ignore[no-untyped-def]
    """Units of `change` that this bar's volume still has, and for a taker its book; in lots."""
    size = min(abs(change), tally[at.LEFT])
    side = at.BUY if change > 0.0 else at.SELL
    if rules[at.BOOK_LEVELS] > 0.0 and maker == book.TAKER:
        taken = tally[at.BOUGHT] if change > 0.0 else tally[at.SOLD]
        last = level_at(side, int(rules[at.BOOK_LEVELS]) - 1, rules)
        size = min(size, max(0.0, tally[last + at.SAMPLE_SIZE] - taken))
    if size >= abs(change) * (1.0 - ROUNDING):
        return abs(change)
    return in_lots(size, rules)


@inner
def fill(account, change, reference, maker, bound, kind, rules, tally, orders, fills):  # type: ignore[no-untyped-def]
    """Fill `change` units near `reference`, never beyond `bound` (NaN: any price)."""
    size, held = abs(change), account[book.QUANTITY]
    fees = int(rules[at.FEES_AT]) + 3 * int(tally[at.FEE_TIER])
    price, rate = reference, rules[fees + 2]
    if maker == book.TAKER:
        price = reference * (1.0 + math.copysign(slip(change, rules, tally), change))
        if not math.isnan(bound):
            price = min(price, bound) if change > 0.0 else max(price, bound)
        rate = rules[fees + 1]
        if kind == book.KIND_LIQUIDATION:
            rate += rules[at.LIQUIDATION_FEE]
    wanted = held + change
    if abs(wanted) <= ROUNDING * size:
        wanted = 0.0
    fee = size * price * rate
    if rules[at.ISOLATED] == 1.0:
        if held * change < 0.0:
            bear(account, min(1.0, abs(held) / size), change, price, fee, tally)
        set_margin(held, wanted, price, rules, tally)
    row = int(tally[at.ROW])
    tally[at.ROW] = trade(account, wanted, price, reference, fee, kind, maker, fills, row)
    tally[at.LEFT] = max(0.0, tally[at.LEFT] - size)
    tally[at.TAKEN] += size
    tally[at.BOUGHT if change > 0.0 else at.SOLD] += size
    tally[at.NOTIONAL_TODAY] += size * price
    if held != 0.0 and held * wanted <= 0.0 and orders[0, table.LIVE] > 0.0:
        table.close_reducing(orders, wanted)
    if wanted == 0.0:
        tally[at.LEVEL] = tally[at.LIQUIDATION] = np.nan
        return
    if held * wanted <= 0.0:
        start_position(account, rules, tally)
    set_levels(account, rules, tally)


@inner
def bear(account, part, change, price, fee, tally):  # type: ignore[no-untyped-def]
    """The venue bears what closing an isolated position loses beyond its margin.

    `part` of `change` closes; the rest, and of the fee its part, opens the other way.
    """
    closed = -part * change
    margin = tally[at.MARGIN] * closed / account[book.QUANTITY]
    left = margin + closed * (price - account[book.ENTRY_PRICE]) - part * fee
    if left < 0.0:
        account[book.CASH] -= left
        account[book.SHORTFALL] -= left


@inner
def set_margin(held, wanted, price, rules, tally):  # type: ignore[no-untyped-def]
    """Move the collateral of an isolated position with its size."""
    if held * wanted <= 0.0:
        tally[at.MARGIN] = abs(wanted) * price / rules[at.LEVERAGE]
    elif abs(wanted) > abs(held):
        tally[at.MARGIN] += abs(wanted - held) * price / rules[at.LEVERAGE]
    else:
        tally[at.MARGIN] *= wanted / held


@inner
def slip(change, rules, tally):  # type: ignore[no-untyped-def]
    """What a taker pays beyond the reference price, as a fraction of it: see `Costs`."""
    fraction = rules[book.SLIPPAGE_RATE] + rules[at.SPREAD_RATE]
    if rules[at.IMPACT_RATE] > 0.0:
        volume = tally[at.VOLUME_NOW]
        share = abs(change) / volume if volume > 0.0 else 1.0
        fraction += rules[at.IMPACT_RATE] * math.sqrt(share)
    if rules[at.BOOK_LEVELS] > 0.0:
        fraction += walk(change, rules, tally)
    return fraction


@inner
def level_at(side, level, rules):  # type: ignore[no-untyped-def]
    """Where in the tally a level of the sampled book in force lies."""
    row = side * int(rules[at.BOOK_LEVELS]) + level
    return int(rules[at.BOOK_AT]) + row * at.SAMPLE_COLUMNS


@inner
def walk(change, rules, tally):  # type: ignore[no-untyped-def]
    """Average offset of filling `change` units in the sampled book, behind what is taken."""
    side = at.BUY if change > 0.0 else at.SELL
    taken = tally[at.BOUGHT] if change > 0.0 else tally[at.SOLD]
    cost = cost_to(taken + abs(change), side, rules, tally) - cost_to(taken, side, rules, tally)
    return cost / abs(change)


@inner
def cost_to(size, side, rules, tally):  # type: ignore[no-untyped-def]
    """Size times average offset of the first `size` units of a side, linear between levels."""
    filled, cost = 0.0, 0.0
    for level in range(int(rules[at.BOOK_LEVELS])):
        place = level_at(side, level, rules)
        there = tally[place + at.SAMPLE_SIZE]
        whole = there * tally[place + at.SAMPLE_OFFSET]
        if size <= there:
            return cost + (whole - cost) * (size - filled) / (there - filled)
        filled, cost = there, whole
    return cost


@inner
def stop_position(account, price, rules, tally, orders, fills):  # type: ignore[no-untyped-def]
    """Close the position at its tightest stop; what liquidity is short of, at the next opens."""
    kind = tally[at.LEVEL_KIND]
    tally[at.FIRED_LEVEL] = tally[at.LEVEL]
    account[book.STOP_FILL] = price
    account[book.STOPPED] = 1.0
    account[book.PENDING] = np.nan
    tally[at.LEVEL] = np.nan
    if kind == book.KIND_ACCOUNT:
        tally[at.HALTED] = 1.0
    elif kind == book.KIND_EQUITY_CURVE:
        tally[at.COOLING] = rules[at.CURVE_BARS]
        tally[at.PEAK] = np.nan  # counted anew from this bar's close
    if (kind == book.KIND_ACCOUNT or kind == book.KIND_EQUITY_CURVE) and orders[0, table.LIVE] > 0:
        table.close_all(orders)
    held = account[book.QUANTITY]
    size = available(-held, book.TAKER, rules, tally)
    if size < abs(held):
        tally[at.SHORT_FILLED] += 1.0
        account[book.PENDING] = 0.0
        tally[at.PENDING_KIND] = kind
    if size > 0.0:
        change = math.copysign(size, -held)
        fill(account, change, price, book.TAKER, np.nan, kind, rules, tally, orders, fills)


@inner
def seize(account, price, rules, tally, orders, fills):  # type: ignore[no-untyped-def]
    """The venue closes a leg: what it holds, what it wants, and every order."""
    account[book.STOPPED] = 1.0
    account[book.PENDING] = np.nan
    tally[at.LOST] = 0.0
    if orders[0, table.LIVE] > 0.0:
        table.close_all(orders)
    held, before = account[book.QUANTITY], account[book.CASH]
    if held == 0.0:
        return
    paid = held * account[book.ENTRY_PRICE]
    account[book.STOP_FILL] = price
    kind = book.KIND_LIQUIDATION
    fill(account, -held, price, book.TAKER, np.nan, kind, rules, tally, orders, fills)
    tally[at.LOST] = max(0.0, paid - (account[book.CASH] - before))
    if tally[at.TRADES] == 0.0:  # at its last close, for there is no bar
        fills[int(tally[at.ROW]) - 1, book.FILL_BAR] -= 1.0


@inner_inlined
def offer(volume, taken, rules, tally):  # type: ignore[no-untyped-def]
    """Set out what the bar about to be traded has to give, less what is `taken` already."""
    tally[at.VOLUME_NOW] = volume
    tally[at.LEFT] = np.inf
    if rules[at.PARTICIPATION] > 0.0:
        tally[at.LEFT] = max(0.0, volume * rules[at.PARTICIPATION] - taken)


@inner
def work_order(account, each, price, maker, rules, tally, orders, fills):  # type: ignore[no-untyped-def]
    """Fill the order in row `each` of the table near `price`, as far as it may and can be."""
    held = account[book.QUANTITY]
    quantity = orders[each, table.ORDER_QUANTITY]
    kind = orders[each, table.ORDER_KIND]
    shrinks = held * quantity < 0.0
    reduces = orders[each, table.ORDER_REDUCE] == 1.0 or rules[at.SIDE] * quantity < 0.0
    if reduces:
        quantity = math.copysign(min(abs(quantity), abs(held)), quantity) if shrinks else 0.0
    quantity = in_lots(affordable(account, quantity, price, maker, rules, tally), rules)
    if quantity == 0.0:
        orders[0, table.REFUSED] += 1.0
        table.close_order(orders, each)
        return
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
        fill(account, change, price, maker, bound, why, rules, tally, orders, fills)
    if orders[each, table.ORDER_KIND] == table.FREE:
        return  # it ended with the position
    if whole:
        table.close_order(orders, each)
        return
    tally[at.SHORT_FILLED] += 1.0
    orders[each, table.ORDER_QUANTITY] = quantity - math.copysign(size, quantity)
    if kind == table.STOP or kind == table.TRAILING:
        orders[each, table.ORDER_KIND] = table.MARKET
    elif maker == book.TAKER:
        orders[each, table.ORDER_FROM] = account[book.BARS_SEEN] + 1.0  # takes on at the next open
    elif size == 0.0:
        tally[at.LEFT] = 0.0  # less than a lot is nothing
