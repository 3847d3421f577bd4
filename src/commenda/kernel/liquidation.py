"""An account of one or several legs: what it is worth on its way, and what the venue does about it.

Its legs lie behind one another in each array (`accounts`, `rules`, `tallies`, `orders`, `fills`).
`bars` has a bar in each row; of a leg that has none now, its last close. On the way from one price
of a bar to the next, columns `start` and `stop`, all legs move together: at the part `s` of it each
is that part of its own way along.
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel.bars import OPEN
from commenda.kernel.compiling import inner
from commenda.kernel.filling import SAME, seize
from commenda.kernel.margin import maintenance

HALVINGS = 60
"""Of the way on which the margin is used up: as fine as a float64 tells apart."""


@inner
def price_at(bars, k, start, stop, s):  # type: ignore[no-untyped-def]
    """Price of leg `k` at the part `s` of the way between two columns."""
    return bars[k, start] + s * (bars[k, stop] - bars[k, start])


@inner
def worth_at(accounts, bars, column):  # type: ignore[no-untyped-def]
    """Equity of the whole account at one of the bars' prices."""
    worth = 0.0
    for k in range(accounts.shape[0]):
        if accounts[k, book.QUANTITY] != 0.0:  # a leg that never had a bar has no price
            worth += accounts[k, book.QUANTITY] * bars[k, column]
        worth += accounts[k, book.CASH]
    return worth


@inner
def spare(accounts, bars, start, stop, s, rules, tallies):  # type: ignore[no-untyped-def]
    """What stands for the positions on cross margin beyond the margin they must keep.

    That is the whole account but what isolated positions have set aside. Infinite where no position
    is on cross margin: there is nothing to liquidate then.
    """
    left, stands = 0.0, False
    for k in range(accounts.shape[0]):
        held = accounts[k, book.QUANTITY]
        left += accounts[k, book.CASH]
        if held == 0.0:
            continue
        if rules[k, at.ISOLATED] == 1.0:
            left += held * accounts[k, book.ENTRY_PRICE] - tallies[k, at.MARGIN]
            continue
        price = price_at(bars, k, start, stop, s)
        left += held * price
        if rules[k, at.TIERS] > 0.0:
            left -= maintenance(abs(held) * price, rules[k])
        stands = True
    return left if stands else np.inf


@inner
def used_up(accounts, bars, start, stop, s, rules, tallies):  # type: ignore[no-untyped-def]
    """The part of the way at which nothing is spare any more, from `s` on; NaN if there always is.

    Rates of the maintenance margin rise with the notional, so what is spare is concave on the way:
    where it is positive at both ends it is so between, and else it is used up at one point only.
    """
    if spare(accounts, bars, start, stop, s, rules, tallies) <= 0.0:
        return s
    if spare(accounts, bars, start, stop, 1.0, rules, tallies) > 0.0:
        return np.nan
    low, high = s, 1.0
    for _ in range(HALVINGS):
        middle = low + 0.5 * (high - low)
        if spare(accounts, bars, start, stop, middle, rules, tallies) <= 0.0:
            high = middle
        else:
            low = middle
    return high


@inner
def floor_of(k, rules, tallies):  # type: ignore[no-untyped-def]
    """The greatest equity at which a stop of leg `k` gives the account up, and which stop it is."""
    curve, loss = rules[k, at.CURVE_DRAWDOWN], rules[k, at.ACCOUNT_LOSS]
    floor, kind = -np.inf, book.KIND_EQUITY_CURVE
    if curve > 0.0 and not math.isnan(tallies[k, at.PEAK]):
        floor = tallies[k, at.PEAK] * (1.0 - curve)
    if loss > 0.0 and tallies[k, at.START] * (1.0 - loss) >= floor:
        floor, kind = tallies[k, at.START] * (1.0 - loss), book.KIND_ACCOUNT
    return floor, kind


@inner
def has_floor(k, accounts, rules, tallies):  # type: ignore[no-untyped-def]
    """Whether leg `k` of several has a position that a stop by the account's equity watches."""
    watched = rules[k, at.CURVE_DRAWDOWN] > 0.0 or rules[k, at.ACCOUNT_LOSS] > 0.0
    closing = accounts[k, book.STOPPED] == 1.0 and accounts[k, book.PENDING] == 0.0
    watched = watched and accounts[k, book.QUANTITY] != 0.0 and not closing
    return watched and tallies[k, at.TRADES] == 1.0


@inner
def account_in_danger(accounts, bars, rules, tallies):  # type: ignore[no-untyped-def]
    """Whether some price of these bars may liquidate several legs or reach a floor of theirs.

    Between its corners a way is never worse than at them.
    """
    for column in range(4):
        if spare(accounts, bars, column, column, 0.0, rules, tallies) <= 0.0:
            return True
        worth = worth_at(accounts, bars, column)
        for k in range(accounts.shape[0]):
            if has_floor(k, accounts, rules, tallies) and worth <= floor_of(k, rules, tallies)[0]:
                return True
    return False


@inner
def stand(k, accounts, rules, tallies):  # type: ignore[no-untyped-def]
    """Tell leg `k` what the others are worth, hold and have set aside at the prices of now."""
    worth = notional = free = 0.0
    for j in range(accounts.shape[0]):
        if j == k:
            continue
        cash, held, price = accounts[j, book.CASH], accounts[j, book.QUANTITY], tallies[j, at.NOW]
        if held == 0.0:
            price = 0.0
        worth += cash + held * price
        notional += abs(held) * price
        if held != 0.0 and rules[j, at.ISOLATED] == 1.0:
            free += cash + held * accounts[j, book.ENTRY_PRICE] - tallies[j, at.MARGIN]
        else:
            free += cash + held * price
    tallies[k, at.OTHERS] = worth
    tallies[k, at.OTHERS_NOTIONAL] = notional
    tallies[k, at.OTHERS_FREE] = free


@inner
def share_volume(k, before, rules, tallies):  # type: ignore[no-untyped-def]
    """What leg `k` has taken since is gone for the others on the same bars."""
    taken = tallies[k, at.TAKEN] - before
    for j in range(tallies.shape[0]):
        if j != k and taken > 0.0 and rules[j, at.SAME_BARS] == rules[k, at.SAME_BARS]:
            tallies[j, at.TAKEN] += taken
            tallies[j, at.LEFT] = max(0.0, tallies[j, at.LEFT] - taken)


@inner
def liquidate(accounts, everything, rules, tallies, orders, fills):  # type: ignore[no-untyped-def]
    """The venue closes all that is on cross margin, or `everything`, at the prices of now.

    What that loses beyond the account it bears once: each leg is credited its part of the loss.
    """
    left = size = lost = 0.0
    for k in range(accounts.shape[0]):
        price, held = tallies[k, at.NOW], accounts[k, book.QUANTITY]
        if everything or rules[k, at.ISOLATED] == 0.0:
            if held != 0.0:
                size += abs(held) * price
            seize(accounts[k], price, rules[k], tallies[k], orders[k], fills[k])
            lost += tallies[k, at.LOST]
        left += accounts[k, book.CASH]
        if accounts[k, book.QUANTITY] != 0.0:
            left += accounts[k, book.QUANTITY] * accounts[k, book.ENTRY_PRICE]
            left -= tallies[k, at.MARGIN]
    if left > SAME * size:
        return
    rest = -left
    for k in range(accounts.shape[0] - 1, -1, -1):
        part = rest
        if k > 0:
            share = tallies[k, at.LOST] / lost if lost > 0.0 else 0.0
            if rules[k, at.ISOLATED] == 1.0 and not everything:
                share = 0.0
            part = -left * share
        accounts[k, book.CASH] += part
        accounts[k, book.SHORTFALL] += max(0.0, part)
        rest -= part


@inner
def liquidate_at_open(accounts, bars, rules, tallies, orders, fills):  # type: ignore[no-untyped-def]
    """Who opens beyond liquidation is liquidated before anything else is traded."""
    for k in range(accounts.shape[0]):
        held, price = accounts[k, book.QUANTITY], bars[k, OPEN]
        if tallies[k, at.TRADES] == 0.0 or held == 0.0:
            continue
        if (price - tallies[k, at.LIQUIDATION]) * held <= 0.0:
            if rules[k, at.ISOLATED] == 1.0:
                seize(accounts[k], price, rules[k], tallies[k], orders[k], fills[k])
            else:
                liquidate(accounts, False, rules, tallies, orders, fills)
    if accounts.shape[0] > 1 and spare(accounts, bars, OPEN, OPEN, 0.0, rules, tallies) <= 0.0:
        liquidate(accounts, False, rules, tallies, orders, fills)


@inner
def wind_up(accounts, rules, tallies, orders, fills):  # type: ignore[no-untyped-def]
    """End an account whose equity is gone: see `account.py`."""
    liquidate(accounts, True, rules, tallies, orders, fills)
    for k in range(accounts.shape[0]):
        account = accounts[k]
        account[book.STANDING] = 0.0
        account[book.RUIN] = account[book.BARS_SEEN] + tallies[k, at.TRADES]
