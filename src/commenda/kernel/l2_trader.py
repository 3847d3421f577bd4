"""The strategy's side of a replay: what it saw and was told, what it asks for, its accounts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from commenda.kernel import l2_orders as table
from commenda.kernel import l2_queue as queue
from commenda.kernel.bars import Array
from commenda.kernel.compiling import (
    FLOATS,
    INDEXES,
    INTEGER_CUBE,
    TABLE,
    inlined,
    inner,
    record_of,
)
from commenda.kernel.l2_book import (
    ASK,
    BEST,
    BID,
    BOUGHT,
    CLEAR,
    SHOWN,
    apply_shown,
    is_level,
    new_book,
    next_level,
)

FEED, ORDER, RESPONSE = range(3)
"""The latencies, in nanoseconds."""

HELD, NOTIONAL, MAKER, TAKER, ACCOUNT_SIZE = range(5)
"""An account in whole numbers: lots, what they cost, and notionals traded, in ticks times lots."""

CASH, UNIT, MAKER_RATE, TAKER_RATE, MARK, MONEY_SIZE = range(6)
"""Money: cash at the start, quote currency of one tick times one lot, fees as fractions; and the
last mid in ticks, at which positions are valued."""

NEXT_STEP, INTERVAL, EVERY, SEEN, ARRIVED, ASKED, PLACED, TOLD, BOOKED, STEPS, RUIN = range(11)
CLOCK_SIZE = 11
"""When the next step is due, and how far each cursor has come: events seen by the strategy, orders
arrived at the exchange of those asked for (PLACED are orders, the others cancels), reports told to
the strategy and booked, steps done, and of these samples the one (counted from 1) of ruin."""

ASK_TIME, ASK_ROW, ASK_SERIAL, ASK_LOTS, ASK_PRICE, ASK_FLAGS, ASK_COLUMNS = range(7)
"""An order or a cancel on its way."""

CANCEL = np.int64(0)
"""The ASK_LOTS of a cancel. Not Python's 0: see the kinds of reports in `l2_queue.py`."""


class Trader(NamedTuple):
    """The strategy's side: what its step is handed, its own copy of the book, and both accounts.

    `known` is the account as the strategy knows it, `account` as it is at the exchange.
    """

    state: Any
    params: Any
    orders: Any
    book: Any
    position: Any
    levels: Any
    edges: Any
    known: Any
    account: Any
    clock: Any
    latency: Any
    money: Any


TRADER_TYPE = record_of(
    Trader,
    *(FLOATS, FLOATS, TABLE, FLOATS, FLOATS),
    *(INTEGER_CUBE, INDEXES, INDEXES, INDEXES, INDEXES, INDEXES, FLOATS),
)


def new_trader(
    params: Array, state_size: int, most_orders: int, depth: int, span: int, **arrays: Any
) -> Trader:
    """A strategy that has seen nothing; `arrays` are its clock, latency and money."""
    book = np.zeros(table.LADDER + table.LADDER_COLUMNS * depth)
    book[table.L2_LAST] = np.nan
    levels, edges = new_book(span)
    return Trader(
        state=np.zeros(state_size),
        params=params,
        orders=table.new_orders(most_orders),
        book=book,
        position=np.zeros(table.L2_POSITION_SIZE),
        levels=levels,
        edges=edges,
        known=np.zeros(ACCOUNT_SIZE, np.int64),
        account=np.zeros(ACCOUNT_SIZE, np.int64),
        **arrays,
    )


@inlined
def cash_of(account, money):  # type: ignore[no-untyped-def]
    """Cash after everything booked in `account`, in quote currency."""
    fees = money[MAKER_RATE] * account[MAKER] + money[TAKER_RATE] * account[TAKER]
    return money[CASH] - money[UNIT] * (account[NOTIONAL] + fees)


@inlined
def book_fill(account, reports, row):  # type: ignore[no-untyped-def]
    """Book a report in an account, if it is a fill."""
    kind = reports[row, queue.REPORT_KIND]
    if queue.BY_TRADE <= kind <= queue.BY_TAKING:
        lots = reports[row, queue.REPORT_LOTS]
        worth = lots * reports[row, queue.REPORT_PRICE]
        sign = 1 if reports[row, queue.REPORT_SIDE] == BID else -1
        account[HELD] += sign * lots
        account[NOTIONAL] += sign * worth
        account[TAKER if kind == queue.BY_TAKING else MAKER] += worth


@inner
def see(trader, events, base, until):  # type: ignore[no-untyped-def]
    """Bring the strategy's copy of the book to what it can know: events up to `until`."""
    i = trader.clock[SEEN]
    trader.book[table.L2_BOUGHT] = 0.0
    trader.book[table.L2_SOLD] = 0.0
    while i < events.ts.size and events.ts[i] <= until:
        kind = events.kind[i]
        if kind <= ASK or kind == CLEAR:
            apply_shown(trader.levels, trader.edges, base, kind, events.price[i], events.lots[i])
        else:
            trader.book[table.L2_LAST] = events.price[i]
            trader.book[table.L2_BOUGHT if kind == BOUGHT else table.L2_SOLD] += events.lots[i]
        i += 1
    trader.clock[SEEN] = i


@inner
def show(trader, base):  # type: ignore[no-untyped-def]
    """Write the best levels of the strategy's copy to its `book` array."""
    for side in (BID, ASK):
        at = trader.edges[BEST + side]
        for column in range(table.LADDER + 2 * side, trader.book.size, table.LADDER_COLUMNS):
            if is_level(trader.edges, side, at):
                trader.book[column] = base + at
                trader.book[column + 1] = trader.levels[side, at, SHOWN]
                at = next_level(trader.levels, trader.edges, side, at)
            else:
                trader.book[column] = np.nan
                trader.book[column + 1] = 0.0


@inner
def learn(trader, reports, count, until):  # type: ignore[no-untyped-def]
    """Tell the strategy what the exchange said up to `until`."""
    orders = trader.orders
    i = trader.clock[TOLD]
    while i < count and reports[i, queue.REPORT_TIME] <= until:
        row, kind = reports[i, queue.REPORT_ROW], reports[i, queue.REPORT_KIND]
        book_fill(trader.known, reports, i)
        if kind == queue.ACCEPTED:
            orders[row, table.STATUS] = table.LIVE
        elif kind <= queue.BY_TAKING:
            orders[row, table.FILLED_LOTS] += reports[i, queue.REPORT_LOTS]
            if orders[row, table.FILLED_LOTS] == abs(orders[row, table.LOTS]):
                orders[row, table.STATUS] = table.FILLED
        elif kind == queue.ENDED:
            orders[row, table.STATUS] = table.CANCELLED
        elif kind == queue.LAPSED:
            orders[row, table.STATUS] = table.EXPIRED
        else:
            orders[row, table.STATUS] = table.REJECTED
        i += 1
    trader.clock[TOLD] = i


@inner
def ask(trader, requests, row, lots, arrival):  # type: ignore[no-untyped-def]
    """Send one order or cancel; return the log of requests, which may have been made anew."""
    count = trader.clock[ASKED]
    if count == requests.shape[0]:
        requests = queue.grown(requests)
    requests[count, ASK_TIME] = arrival
    requests[count, ASK_ROW] = row
    requests[count, ASK_LOTS] = lots
    requests[count, ASK_SERIAL] = int(trader.orders[row, table.SERIAL])
    requests[count, ASK_PRICE] = int(trader.orders[row, table.PRICE])
    requests[count, ASK_FLAGS] = int(trader.orders[row, table.ORDER_FLAGS])
    trader.clock[ASKED] = count + 1
    if lots != CANCEL:
        trader.clock[PLACED] += 1
    return requests


@inner
def send(trader, requests, arrival):  # type: ignore[no-untyped-def]
    """Send what the step asked for: cancels first, then orders as they were placed."""
    orders = trader.orders
    if orders[0, table.ASKED_FOR] == 0.0:
        return requests
    orders[0, table.ASKED_FOR] = 0.0
    for row in range(1, orders.shape[0]):
        if orders[row, table.CANCELLING] == table.CANCEL_ASKED:
            orders[row, table.CANCELLING] = table.CANCEL_SENT
            requests = ask(trader, requests, row, CANCEL, arrival)
    for serial in range(int(orders[0, table.FIRST_DRAFT]), int(orders[0, table.NEXT_SERIAL])):
        for row in range(1, orders.shape[0]):
            if orders[row, table.STATUS] == table.DRAFT and orders[row, table.SERIAL] == serial:
                orders[row, table.STATUS] = table.SENT
                requests = ask(trader, requests, row, int(orders[row, table.LOTS]), arrival)
    orders[0, table.FIRST_DRAFT] = orders[0, table.NEXT_SERIAL]
    return requests
