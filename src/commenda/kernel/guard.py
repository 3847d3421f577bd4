"""The watch over a position: where its stops lie, from bar to bar. The rules are in stops.py."""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel import stops as rule
from commenda.kernel.bars import CLOSE, HIGH, LOW
from commenda.kernel.compiling import compiled, inner, inner_inlined
from commenda.kernel.indicators import (
    ATR_SIZE,
    EWMA_VOLATILITY_SIZE,
    atr,
    ewma_volatility,
    extreme_size,
    highest,
    lowest,
)
from commenda.kernel.margin import liquidation_price
from commenda.kernel.orders import LIVE, close_all


@inner_inlined
def slides(rules):  # type: ignore[no-untyped-def]
    """Whether a stop of this run moves with the market."""
    return (
        rules[at.ATR_MULTIPLE] > 0.0
        or rules[at.VOLATILITY_MULTIPLE] > 0.0
        or rules[at.CHANDELIER_MULTIPLE] > 0.0
        or rules[at.SAR_STEP] > 0.0
    )


@inner
def start_position(account, rules, tally):  # type: ignore[no-untyped-def]
    """A position has just been opened: forget the one before, measure the distance from entry."""
    tally[at.TRAIL] = tally[at.SAR] = np.nan
    tally[at.BARS_AT_MOST] = 0.0
    if slides(rules):
        tighten_from_entry(account, rules, tally)


@inner
def tighten(account, price, layer, first, second, tally):  # type: ignore[no-untyped-def]
    """Take `price` for the sliding level if it is tighter than the one that stands."""
    side = math.copysign(1.0, account[book.QUANTITY])
    if rule.tighter(side, price, tally[at.TRAIL]):
        trails = layer == rule.BY_CHANDELIER or layer == rule.BY_SAR
        tally[at.TRAIL] = price
        tally[at.TRAIL_KIND] = book.KIND_TRAILING if trails else book.KIND_STOP
        tally[at.TRAIL_LAYER] = layer
        tally[at.TRAIL_FIRST] = first
        tally[at.TRAIL_SECOND] = second


@inner
def tighten_from_entry(account, rules, tally):  # type: ignore[no-untyped-def]
    """The strategy layer's stops that measure their distance from the entry."""
    side, entry = math.copysign(1.0, account[book.QUANTITY]), account[book.ENTRY_PRICE]
    if rules[at.ATR_MULTIPLE] > 0.0:
        price = rule.atr_stop(entry, side, tally[at.ATR_NOW], rules[at.ATR_MULTIPLE])
        tighten(account, price, rule.BY_ATR, entry, tally[at.ATR_NOW], tally)
    if rules[at.VOLATILITY_MULTIPLE] > 0.0:
        price = rule.volatility_stop(
            entry, side, tally[at.DEVIATION_NOW], rules[at.VOLATILITY_MULTIPLE]
        )
        tighten(account, price, rule.BY_VOLATILITY, entry, tally[at.DEVIATION_NOW], tally)


@inner
def set_levels(account, rules, tally):  # type: ignore[no-untyped-def]
    """Where the tightest stop and the liquidation of the position lie now.

    Beside other legs no price of this one tells what the account is worth: there its floors and its
    liquidation are looked for as it goes, in `inside.py`.
    """
    quantity, cash = account[book.QUANTITY], account[book.CASH]
    side, alone = math.copysign(1.0, quantity), rules[at.JOINT] == 0.0
    level, kind, layer = np.nan, book.KIND_STOP, rule.NO_LAYER
    first = second = np.nan
    closing = account[book.STOPPED] == 1.0 and account[book.PENDING] == 0.0
    if not closing:
        if rules[book.STOP] > 0.0:
            level = rule.fraction_stop(account[book.ENTRY_PRICE], side, rules[book.STOP])
            layer, first, second = rule.BY_FRACTION, account[book.ENTRY_PRICE], rules[book.STOP]
        if rule.tighter(side, tally[at.TRAIL], level):
            level, kind, layer = tally[at.TRAIL], tally[at.TRAIL_KIND], tally[at.TRAIL_LAYER]
            first, second = tally[at.TRAIL_FIRST], tally[at.TRAIL_SECOND]
        if alone and rules[at.CURVE_DRAWDOWN] > 0.0:
            floor = tally[at.PEAK] * (1.0 - rules[at.CURVE_DRAWDOWN])
            price = rule.floor_stop(floor, cash, quantity)
            if rule.tighter(side, price, level):
                level, kind, layer = price, book.KIND_EQUITY_CURVE, rule.BY_EQUITY_CURVE
                first, second = tally[at.PEAK], rules[at.CURVE_DRAWDOWN]
        if alone and rules[at.ACCOUNT_LOSS] > 0.0:
            floor = tally[at.START] * (1.0 - rules[at.ACCOUNT_LOSS])
            price = rule.floor_stop(floor, cash, quantity)
            if rule.tighter(side, price, level):
                level, kind, layer = price, book.KIND_ACCOUNT, rule.BY_ACCOUNT
                first, second = tally[at.START], rules[at.ACCOUNT_LOSS]
    tally[at.LEVEL] = level
    tally[at.LEVEL_KIND] = kind
    tally[at.LEVEL_LAYER] = layer
    tally[at.LEVEL_FIRST] = first
    tally[at.LEVEL_SECOND] = second
    if rules[at.ISOLATED] == 1.0:
        collateral = tally[at.MARGIN] - quantity * account[book.ENTRY_PRICE]
        tally[at.LIQUIDATION] = liquidation_price(quantity, collateral, rules)
    elif alone:
        tally[at.LIQUIDATION] = liquidation_price(quantity, cash, rules)


@inner_inlined
def watch_close(account, bar, rules, tally, orders):  # type: ignore[no-untyped-def]
    """At the close: slide what slides, count bars and equity, and start or end what follows."""
    if slides(rules):
        learn(bar, rules, tally)
        if account[book.QUANTITY] != 0.0:
            tighten_from_entry(account, rules, tally)
            trail(account, bar, rules, tally)
    most = bars_at_most(rules, tally)
    if account[book.QUANTITY] != 0.0 and account[book.BARS_HELD] >= most > 0.0:
        close_at_open(account, book.KIND_TIME, tally)
    worth = account[book.EQUITY] + tally[at.OTHERS]
    watch_equity(account, worth, rules, tally, orders)
    if rules[at.FEES] > 1.0:
        tally[at.DAY_LEFT] -= 1.0
        if tally[at.DAY_LEFT] == 0.0:
            end_day(rules, tally)


@inner
def bars_at_most(rules, tally):  # type: ignore[no-untyped-def]
    """For how many bars the position may be held; 0: for any number."""
    most, left = rules[at.MOST_BARS], tally[at.BARS_AT_MOST]
    return left if left > 0.0 and (most == 0.0 or left < most) else most


@inner
def learn(bar, rules, tally):  # type: ignore[no-untyped-def]
    """Let the stops' indicators see the closed bar."""
    guard = tally[int(rules[at.GUARD_AT]) :]
    after = ATR_SIZE + EWMA_VOLATILITY_SIZE
    if rules[at.ATR_MULTIPLE] > 0.0 or rules[at.CHANDELIER_MULTIPLE] > 0.0:
        memory, length = guard[:ATR_SIZE], int(rules[at.ATR_LENGTH])
        tally[at.ATR_NOW] = atr(memory, bar[HIGH], bar[LOW], bar[CLOSE], length)
    if rules[at.VOLATILITY_MULTIPLE] > 0.0:
        memory = guard[ATR_SIZE:after]
        tally[at.DEVIATION_NOW] = ewma_volatility(memory, bar[CLOSE], rules[at.VOLATILITY_DECAY])
    if rules[at.CHANDELIER_MULTIPLE] > 0.0:
        length = int(rules[at.CHANDELIER_LENGTH])
        size = extreme_size(length)
        tally[at.HIGHEST_NOW] = highest(guard[after : after + size], bar[HIGH], length)
        tally[at.LOWEST_NOW] = lowest(guard[after + size :], bar[LOW], length)


@inner
def trail(account, bar, rules, tally):  # type: ignore[no-untyped-def]
    """The trailing layer: Chandelier and parabolic, once the entry bar has closed."""
    side = math.copysign(1.0, account[book.QUANTITY])
    if rules[at.CHANDELIER_MULTIPLE] > 0.0:
        tighten_by_chandelier(account, rules, tally)
    if rules[at.SAR_STEP] > 0.0:
        step_sar(side, bar, rules, tally)
        extreme, rate = tally[at.SAR_EXTREME], tally[at.SAR_RATE]
        tighten(account, tally[at.SAR], rule.BY_SAR, extreme, rate, tally)


@inner
def tighten_by_chandelier(account, rules, tally):  # type: ignore[no-untyped-def]
    """A multiple of the ATR from the window's extreme."""
    side, average = math.copysign(1.0, account[book.QUANTITY]), tally[at.ATR_NOW]
    highest_high, lowest_low = tally[at.HIGHEST_NOW], tally[at.LOWEST_NOW]
    multiple = rules[at.CHANDELIER_MULTIPLE]
    price = rule.chandelier_stop(side, highest_high, lowest_low, average, multiple)
    extreme = highest_high if side > 0.0 else lowest_low
    tighten(account, price, rule.BY_CHANDELIER, extreme, average, tally)


@inner
def step_sar(side, bar, rules, tally):  # type: ignore[no-untyped-def]
    """Move the parabolic on by a closed bar; it begins at the entry bar's far extreme."""
    best, worst = (bar[HIGH], bar[LOW]) if side > 0.0 else (bar[LOW], bar[HIGH])
    if math.isnan(tally[at.SAR]):
        tally[at.SAR] = worst
        tally[at.SAR_EXTREME] = best
        tally[at.SAR_RATE] = rules[at.SAR_STEP]
        tally[at.SAR_WORST] = worst
        return
    if side * (best - tally[at.SAR_EXTREME]) > 0.0:
        tally[at.SAR_EXTREME] = best
        tally[at.SAR_RATE] = min(tally[at.SAR_RATE] + rules[at.SAR_STEP], rules[at.SAR_MOST])
    line = rule.next_sar(tally[at.SAR], tally[at.SAR_EXTREME], tally[at.SAR_RATE])
    # Never into the last two bars.
    if side > 0.0:
        line = min(line, worst, tally[at.SAR_WORST])
    else:
        line = max(line, worst, tally[at.SAR_WORST])
    tally[at.SAR] = line
    tally[at.SAR_WORST] = worst


@inner
def close_at_open(account, kind, tally):  # type: ignore[no-untyped-def]
    """Close the position at the next open, and stay flat until the target changes."""
    if account[book.STOPPED] == 1.0 and account[book.PENDING] == 0.0:
        return
    account[book.STOPPED] = 1.0
    account[book.PENDING] = 0.0
    tally[at.PENDING_KIND] = kind


@inner_inlined
def watch_equity(account, worth, rules, tally, orders):  # type: ignore[no-untyped-def]
    """Peak, pause and halt: what the equity-curve and the account layer lead to."""
    if tally[at.COOLING] > 0.0:
        if not math.isnan(tally[at.PEAK]):  # else the stop fired in this very bar
            tally[at.COOLING] -= 1.0
        tally[at.PEAK] = worth
        if tally[at.COOLING] == 0.0 and account[book.STANDING] != 0.0:
            account[book.PENDING] = account[book.STANDING]
            account[book.STOPPED] = 0.0
            tally[at.PENDING_KIND] = book.KIND_TARGET
    elif not worth <= tally[at.PEAK]:
        tally[at.PEAK] = worth
    floor = tally[at.START] * (1.0 - rules[at.ACCOUNT_LOSS])
    if rules[at.ACCOUNT_LOSS] > 0.0 and worth <= floor:
        tally[at.HALTED] = 1.0
    if tally[at.HALTED] == 1.0:
        account[book.PENDING] = np.nan  # of what the strategy wants, or a pause has kept
        if account[book.QUANTITY] != 0.0:
            close_at_open(account, book.KIND_ACCOUNT, tally)
    if tally[at.HALTED] == 1.0 or tally[at.COOLING] > 0.0:
        begin = int(rules[at.INFLIGHT_AT])
        for slot in range(begin, begin + int(rules[at.INFLIGHT])):
            tally[slot] = np.nan
        if orders[0, LIVE] > 0.0:
            close_all(orders)


@inner
def end_day(rules, tally):  # type: ignore[no-untyped-def]
    """Put a day's turnover into the ring of thirty and take the fees of its new sum."""
    place = int(tally[at.NEXT_DAY])
    tally[at.DAYS_AT + place] = tally[at.NOTIONAL_TODAY]
    tally[at.NOTIONAL_TODAY] = 0.0
    tally[at.DAY_LEFT] = rules[at.BARS_A_DAY]
    tally[at.NEXT_DAY] = (place + 1) % at.DAYS_OF_TURNOVER
    turnover = 0.0
    for day in range(at.DAYS_AT, at.DAYS_AT + at.DAYS_OF_TURNOVER):
        turnover += tally[day]
    begin, tier, last = int(rules[at.FEES_AT]), 0, int(rules[at.FEES]) - 1
    while tier < last and rules[begin + 3 * (tier + 1)] <= turnover:
        tier += 1
    tally[at.FEE_TIER] = tier


@compiled
def take_over(account, bars, rules, tally, old_rules, old_tally, carries, keeps):  # type: ignore[no-untyped-def]
    """Go on under other stops: those learn from `bars` what they have not seen, and act at once.

    A position's level is carried where it `keeps` it, as what slides no further away; and so are
    the bars it may be held. `carries` tells whether there was a desk before.
    """
    begin, end = int(rules[at.GUARD_AT]), tally.size
    if slides(rules):
        for row in range(bars.shape[0]):
            learn(bars[row], rules, tally)
    if carries:
        atr_end = ATR_SIZE
        deviation_end = ATR_SIZE + EWMA_VOLATILITY_SIZE
        old = int(old_rules[at.GUARD_AT])
        fed = old_rules[at.ATR_MULTIPLE] > 0.0 or old_rules[at.CHANDELIER_MULTIPLE] > 0.0
        if fed and rules[at.ATR_LENGTH] == old_rules[at.ATR_LENGTH]:
            carry(old_tally, old, tally, begin, atr_end)
            tally[at.ATR_NOW] = old_tally[at.ATR_NOW]
        same = rules[at.VOLATILITY_DECAY] == old_rules[at.VOLATILITY_DECAY]
        if old_rules[at.VOLATILITY_MULTIPLE] > 0.0 and same:
            carry(old_tally, old + atr_end, tally, begin + atr_end, EWMA_VOLATILITY_SIZE)
            tally[at.DEVIATION_NOW] = old_tally[at.DEVIATION_NOW]
        same = rules[at.CHANDELIER_LENGTH] == old_rules[at.CHANDELIER_LENGTH]
        if old_rules[at.CHANDELIER_MULTIPLE] > 0.0 and same:
            size = end - begin - deviation_end
            carry(old_tally, old + deviation_end, tally, begin + deviation_end, size)
            tally[at.HIGHEST_NOW] = old_tally[at.HIGHEST_NOW]
            tally[at.LOWEST_NOW] = old_tally[at.LOWEST_NOW]
        if rules[at.SAR_STEP] == 0.0 or old_rules[at.SAR_STEP] == 0.0:
            tally[at.SAR] = np.nan
    if account[book.QUANTITY] == 0.0:
        return
    tally[at.TRAIL] = np.nan
    tally[at.BARS_AT_MOST] = 0.0
    if keeps:
        set_levels(account, old_rules, old_tally)
        tally[at.TRAIL] = old_tally[at.LEVEL]
        tally[at.TRAIL_KIND] = old_tally[at.LEVEL_KIND]
        tally[at.TRAIL_LAYER] = old_tally[at.LEVEL_LAYER]
        tally[at.TRAIL_FIRST] = old_tally[at.LEVEL_FIRST]
        tally[at.TRAIL_SECOND] = old_tally[at.LEVEL_SECOND]
        tally[at.BARS_AT_MOST] = bars_at_most(old_rules, old_tally)
    tighten_from_entry(account, rules, tally)
    if rules[at.CHANDELIER_MULTIPLE] > 0.0:
        tighten_by_chandelier(account, rules, tally)


@inner
def carry(source, begin, destination, to, size):  # type: ignore[no-untyped-def]
    """Copy a region of one tally into another's."""
    for place in range(size):
        destination[to + place] = source[begin + place]


@compiled
def show_levels(account, rules, tally):  # type: ignore[no-untyped-def]
    """`set_levels`, for whoever looks on."""
    set_levels(account, rules, tally)
