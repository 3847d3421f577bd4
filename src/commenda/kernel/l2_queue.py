"""Own orders at the exchange: their place in the queue, and what fills them.

The record does not know of our orders, so every rule asks what they could have got of what was
really there, and no more:

- **A trade** fills the orders it would have reached first: all at prices better than the trade's,
  then those at its price once the quantity queued ahead has traded. Its own quantity is the cap,
  shared between own orders by price and then by arrival. A touch without trades fills nothing.
- **The opposite side of the book** at or through the price of a resting order, after a complete
  message, fills it at its limit: whoever is displayed there would have met it. The displayed
  quantity is the cap.
- **An order that crosses** takes what is displayed, level by level, at the levels' prices.

What is taken from a displayed level is gone until an update sets that level anew. Traded quantity
is gone in the same way, so that an order which arrives before the next update finds what is left.

An order arrives behind all that is left of its level. Trades consume the queue ahead of it. When
the displayed quantity falls by more than was traded, somebody cancelled, ahead or behind: how much
of it was ahead is what the queue model says, f(ahead) / (f(ahead) + f(behind)) of it, with f(x) =
x^n ("power"; n = 1 is proportional) or ln(1 + x) ("log", x in lots), or nothing ("pessimistic").
More than is displayed is never ahead. Sources: E. Rigtorp, "Estimating order queue position"
(2013); hftbacktest, "Queue Models" (RiskAverse, PowerProb, LogProb).

Own orders do not trade with each other: an order that would reach one of them takes only better
prices, and its remainder expires.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from commenda.kernel.compiling import (
    FLOAT,
    FLOATS,
    INDEXES,
    INTEGER,
    INTEGER_CUBE,
    INTEGER_TABLE,
    inlined,
    inner,
    record_of,
)
from commenda.kernel.l2_book import (
    ASK,
    BEST,
    BID,
    BOUGHT,
    GONE,
    SHOWN,
    is_level,
    left_at,
    next_level,
)
from commenda.kernel.l2_orders import L2_IOC, L2_POST_ONLY, MARKET

PESSIMISTIC, POWER, LOG = range(3)
"""Queue models."""

OWN_SERIAL, OWN_SIDE, OWN_AT, OWN_LEFT, OWN_COLUMNS = range(5)
"""An own resting order: its side of the book, the index of its price, lots not filled."""

REPORT_TIME, REPORT_EVENT, REPORT_ROW, REPORT_SERIAL, REPORT_KIND = range(5)
REPORT_SIDE, REPORT_PRICE, REPORT_LOTS, REPORT_LEVEL, REPORT_OFFERED = range(5, 10)
REPORT_COLUMNS = 10
"""What the exchange says of an order, as whole numbers: when, after which event, price in ticks,
and for a fill the price and the lots of the trade or the displayed level that it came from."""

# Not Python's integers: numba would compile `report` anew for each of those.
ACCEPTED, BY_TRADE, BY_BOOK, BY_TAKING, ENDED, LAPSED, REFUSAL = np.arange(7)
"""Kinds of reports: accepted; filled as maker by a trade, as maker by the opposite side of the
book, as taker; then cancelled, expired, rejected."""

(
    NOW,  # nanoseconds: the moment at which something happens to own orders
    EVENT,  # index of the last event applied
    REPORTS,  # rows in the log
    AMBIGUOUS,  # decreases of a level that the queue model had to divide
    MISSED_CANCELS,  # cancels that found the order at its end
    SELF_CROSSES,  # orders cut short because they would have met an own one
    RESTING_BIDS,
    RESTING_ASKS,
    BEST_OWN_BID,  # index; -1 where there is none
    BEST_OWN_ASK,  # index; an index beyond the book where there is none
    COUNTERS,
) = range(11)

NO_BID, NO_ASK = -(1 << 62), 1 << 62
NOTHING = np.int64(0)
_WHOLE = 1e-9  # of a lot: float noise in a queue position must not eat a lot


class Exchange(NamedTuple):
    """The exchange as own orders see it: its book, and the orders resting in it.

    `queue[side]` lists the rows of resting orders by price and then by arrival; `ahead` is what
    stands before each in lots; `model` and `exponent` are the queue model.
    """

    levels: Any
    edges: Any
    own: Any
    ahead: Any
    queue: Any
    counters: Any
    base: int
    model: int
    exponent: float


EXCHANGE_TYPE = record_of(
    Exchange,
    INTEGER_CUBE,
    INDEXES,
    INTEGER_TABLE,
    FLOATS,
    INTEGER_TABLE,
    INDEXES,
    INTEGER,
    INTEGER,
    FLOAT,
)


def new_exchange(
    levels: Any, edges: Any, rows: int, base: int, model: int, exponent: float
) -> Exchange:
    """An exchange without orders; `rows` as many as the strategy's table has."""
    counters = np.zeros(COUNTERS, np.int64)
    counters[BEST_OWN_BID], counters[BEST_OWN_ASK] = NO_BID, NO_ASK
    own, queue = np.zeros((rows, OWN_COLUMNS), np.int64), np.zeros((2, rows), np.int64)
    return Exchange(levels, edges, own, np.zeros(rows), queue, counters, base, model, exponent)


@inner
def grown(log):  # type: ignore[no-untyped-def]
    """The log with twice its rows."""
    wider = np.empty((2 * log.shape[0], log.shape[1]), np.int64)
    for row in range(log.shape[0]):  # a slice's assignment takes numba a second to compile
        for column in range(log.shape[1]):
            wider[row, column] = log[row, column]
    return wider


@inner
def report(exchange, reports, row, serial, kind, side, at, lots, level, offered):  # type: ignore[no-untyped-def]
    """Append to the log, and return it: it may have been made anew."""
    count = exchange.counters[REPORTS]
    if count == reports.shape[0]:
        reports = grown(reports)
    reports[count, REPORT_TIME] = exchange.counters[NOW]
    reports[count, REPORT_EVENT] = exchange.counters[EVENT]
    reports[count, REPORT_ROW] = row
    reports[count, REPORT_SERIAL] = serial
    reports[count, REPORT_KIND] = kind
    reports[count, REPORT_SIDE] = side
    reports[count, REPORT_PRICE] = exchange.base + at
    reports[count, REPORT_LOTS] = lots
    reports[count, REPORT_LEVEL] = exchange.base + level
    reports[count, REPORT_OFFERED] = offered
    exchange.counters[REPORTS] = count + 1
    return reports


@inlined
def is_better(side, at, other):  # type: ignore[no-untyped-def]
    """Whether the price at index `at` goes before `other` on that side of the book."""
    return at > other if side == BID else at < other


@inner
def settle_queue(exchange, side):  # type: ignore[no-untyped-def]
    """Drop orders without a remainder, and note the best own price."""
    kept = 0
    for k in range(exchange.counters[RESTING_BIDS + side]):
        row = exchange.queue[side, k]
        if exchange.own[row, OWN_LEFT] > 0:
            exchange.queue[side, kept] = row
            kept += 1
    exchange.counters[RESTING_BIDS + side] = kept
    nothing = NO_BID if side == BID else NO_ASK
    best = exchange.own[exchange.queue[side, 0], OWN_AT] if kept > 0 else nothing
    exchange.counters[BEST_OWN_BID + side] = best


@inner
def rest(exchange, row, serial, side, at, lots):  # type: ignore[no-untyped-def]
    """Put an order behind all that is left of its level, and behind own orders at its price."""
    exchange.own[row, OWN_SERIAL] = serial
    exchange.own[row, OWN_SIDE] = side
    exchange.own[row, OWN_AT] = at
    exchange.own[row, OWN_LEFT] = lots
    exchange.ahead[row] = left_at(exchange.levels, side, at)
    k = exchange.counters[RESTING_BIDS + side]
    while k > 0 and is_better(side, at, exchange.own[exchange.queue[side, k - 1], OWN_AT]):
        exchange.queue[side, k] = exchange.queue[side, k - 1]
        k -= 1
    exchange.queue[side, k] = row
    exchange.counters[RESTING_BIDS + side] += 1
    exchange.counters[BEST_OWN_BID + side] = exchange.own[exchange.queue[side, 0], OWN_AT]


@inner
def share_ahead(front, back, model, exponent):  # type: ignore[no-untyped-def]
    """The part of a cancelled quantity that stood ahead, by the queue model: 0 to 1."""
    if model == PESSIMISTIC or front <= 0.0:
        return 0.0
    if back <= 0.0:
        return 1.0
    if model == LOG:
        ahead, behind = math.log1p(front), math.log1p(back)
    else:
        # The ratio first: quantities to a high power overflow.
        ahead, behind = 1.0, (back / front) ** exponent
    return ahead / (ahead + behind)


@inner
def requeue(exchange, side, at, lots):  # type: ignore[no-untyped-def]
    """Move own orders forward in their queue, before their level is set to `lots`."""
    shown, gone = exchange.levels[side, at, SHOWN], exchange.levels[side, at, GONE]
    left = max(0, shown - gone)
    cancelled = left - lots
    for k in range(exchange.counters[RESTING_BIDS + side]):
        row = exchange.queue[side, k]
        if exchange.own[row, OWN_AT] == at:
            front = exchange.ahead[row]
            back = max(0.0, left - front)
            if cancelled > 0:
                if front > 0.0 and back > 0.0 and lots > 0:
                    exchange.counters[AMBIGUOUS] += 1
                front -= cancelled * share_ahead(front, back, exchange.model, exchange.exponent)
            exchange.ahead[row] = max(0.0, min(front, float(lots)))


@inner
def requeue_all(exchange):  # type: ignore[no-untyped-def]
    """After a snapshot: what is ahead is at most what is displayed."""
    for side in (BID, ASK):
        for k in range(exchange.counters[RESTING_BIDS + side]):
            row = exchange.queue[side, k]
            shown = left_at(exchange.levels, side, exchange.own[row, OWN_AT])
            exchange.ahead[row] = min(exchange.ahead[row], float(shown))


@inner
def meet_trade(exchange, reports, kind, at, lots):  # type: ignore[no-untyped-def]
    """Fill own orders that a recorded trade would have reached first."""
    side = ASK if kind == BOUGHT else BID
    left = float(lots)
    queued = 0.0  # lots of the level's queue that this trade has consumed so far
    resting = exchange.counters[RESTING_BIDS + side]
    for k in range(resting):
        row = exchange.queue[side, k]
        price = exchange.own[row, OWN_AT]
        if is_better(side, at, price):
            break
        if price == at:
            waits = min(left, max(0.0, exchange.ahead[row] - queued))
            queued += waits
            left -= waits
        else:
            exchange.ahead[row] = 0.0
        offered = int(left + _WHOLE)
        taken = min(offered, exchange.own[row, OWN_LEFT])
        if taken > 0:
            exchange.own[row, OWN_LEFT] -= taken
            left -= taken
            serial = exchange.own[row, OWN_SERIAL]
            reports = report(
                exchange, reports, row, serial, BY_TRADE, side, price, taken, at, offered
            )
    for k in range(resting):
        row = exchange.queue[side, k]
        if exchange.own[row, OWN_AT] == at:
            exchange.ahead[row] = max(0.0, exchange.ahead[row] - queued)
    settle_queue(exchange, side)
    return reports


@inner
def meet_book(exchange, reports, side):  # type: ignore[no-untyped-def]
    """Fill own orders of `side` whose price the opposite side of the book has reached."""
    other = 1 - side
    at = exchange.edges[BEST + other]
    for k in range(exchange.counters[RESTING_BIDS + side]):
        row = exchange.queue[side, k]
        price = exchange.own[row, OWN_AT]
        while (
            exchange.own[row, OWN_LEFT] > 0
            and is_level(exchange.edges, other, at)
            and not is_better(side, at, price)
        ):
            offered = left_at(exchange.levels, other, at)
            taken = min(offered, exchange.own[row, OWN_LEFT])
            if taken > 0:
                exchange.levels[other, at, GONE] += taken
                exchange.own[row, OWN_LEFT] -= taken
                serial = exchange.own[row, OWN_SERIAL]
                reports = report(
                    exchange, reports, row, serial, BY_BOOK, side, price, taken, at, offered
                )
            if taken == offered:
                at = next_level(exchange.levels, exchange.edges, other, at)
    settle_queue(exchange, side)
    return reports


@inlined
def book_reaches(exchange, side):  # type: ignore[no-untyped-def]
    """Whether the opposite side is displayed at or through the best own price of `side`."""
    if side == BID:
        return exchange.edges[BEST + ASK] <= exchange.counters[BEST_OWN_BID]
    return exchange.edges[BEST + BID] >= exchange.counters[BEST_OWN_ASK]


@inner
def first_left(exchange, side):  # type: ignore[no-untyped-def]
    """Index of the best level of `side` that is not all gone; beyond the farthest if none."""
    at = exchange.edges[BEST + side]
    while is_level(exchange.edges, side, at) and left_at(exchange.levels, side, at) == 0:
        at = next_level(exchange.levels, exchange.edges, side, at)
    return at


@inner
def arrive(exchange, reports, row, serial, lots, price, flags):  # type: ignore[no-untyped-def]
    """An order reaches the exchange: it takes what it crosses, then rests or expires."""
    side = BID if lots > 0 else ASK
    other = 1 - side
    left = abs(lots)
    is_market = flags == MARKET
    limit = price - exchange.base
    if is_market:
        limit = NO_ASK if side == BID else NO_BID
    own = exchange.counters[BEST_OWN_BID + other]  # beyond every limit but a market order's if none
    none = own == (NO_BID if other == BID else NO_ASK)
    meets_own = not none and not is_better(side, own, limit)
    at = first_left(exchange, other)
    crosses = is_level(exchange.edges, other, at) and not is_better(side, at, limit)
    named = 0 if is_market else limit  # a market order has no price to report
    if flags == L2_POST_ONLY and (crosses or meets_own):
        return report(exchange, reports, row, serial, REFUSAL, side, limit, left, limit, NOTHING)
    reports = report(exchange, reports, row, serial, ACCEPTED, side, named, left, named, NOTHING)
    while left > 0 and is_level(exchange.edges, other, at) and not is_better(side, at, limit):
        if meets_own and not is_better(other, at, own):
            break
        offered = left_at(exchange.levels, other, at)
        taken = min(offered, left)
        if taken > 0:
            exchange.levels[other, at, GONE] += taken
            left -= taken
            reports = report(
                exchange, reports, row, serial, BY_TAKING, side, at, taken, at, offered
            )
        at = next_level(exchange.levels, exchange.edges, other, at)
    if left > 0 and meets_own:
        exchange.counters[SELF_CROSSES] += 1
    if left > 0 and (is_market or meets_own or flags == L2_IOC):
        return report(exchange, reports, row, serial, LAPSED, side, named, left, named, NOTHING)
    if left > 0:
        rest(exchange, row, serial, side, limit, left)
    return reports


@inner
def withdraw(exchange, reports, row, serial):  # type: ignore[no-untyped-def]
    """Cancel an order, or count the cancel as missed where the order is at its end."""
    if exchange.own[row, OWN_SERIAL] != serial or exchange.own[row, OWN_LEFT] == 0:
        exchange.counters[MISSED_CANCELS] += 1
        return reports
    side, at, left = (
        exchange.own[row, OWN_SIDE],
        exchange.own[row, OWN_AT],
        exchange.own[row, OWN_LEFT],
    )
    exchange.own[row, OWN_LEFT] = 0
    settle_queue(exchange, side)
    return report(exchange, reports, row, serial, ENDED, side, at, left, at, NOTHING)
