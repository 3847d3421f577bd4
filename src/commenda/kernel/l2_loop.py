"""The compiled loop of a replay: events, orders that arrive, and steps, in the order of time."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from commenda.kernel.compiling import (
    CODES,
    FLAGS,
    FLOAT,
    FLOATS,
    INDEXES,
    INTEGER_TABLE,
    L2_STEP_FUNCTION,
    compiled,
    compiled_for,
    inlined,
    inner,
    record_of,
    tuple_of,
)
from commenda.kernel.l2_book import (
    ASK,
    BEST,
    BID,
    BOUGHT,
    CLEAR,
    Integers,
    L2Events,
    clear,
    set_level,
    trade_away,
)
from commenda.kernel.l2_orders import (
    L2_CASH,
    L2_CLOCK,
    L2_HELD,
)
from commenda.kernel.l2_queue import (
    EVENT,
    EXCHANGE_TYPE,
    NOW,
    OWN_AT,
    REPORT_COLUMNS,
    REPORTS,
    RESTING_ASKS,
    RESTING_BIDS,
    arrive,
    book_reaches,
    meet_book,
    meet_trade,
    requeue,
    requeue_all,
    withdraw,
)
from commenda.kernel.l2_trader import (
    ARRIVED,
    ASK_COLUMNS,
    ASK_FLAGS,
    ASK_LOTS,
    ASK_PRICE,
    ASK_ROW,
    ASK_SERIAL,
    ASK_TIME,
    ASKED,
    BOOKED,
    CANCEL,
    CLOCK_SIZE,
    EVERY,
    FEED,
    HELD,
    INTERVAL,
    MARK,
    NEXT_STEP,
    ORDER,
    RESPONSE,
    SEEN,
    STEPS,
    TRADER_TYPE,
    UNIT,
    book_fill,
    cash_of,
    learn,
    see,
    send,
    show,
)

NEVER = (1 << 63) - 1


class Columns(NamedTuple):
    """The events' columns."""

    ts: Any
    kind: Any
    price: Any
    lots: Any
    closes: Any


class Samples(NamedTuple):
    """Taken at each step."""

    ts: Any
    equity: Any
    held: Any


COLUMNS_TYPE = record_of(Columns, INDEXES, CODES, INDEXES, INDEXES, FLAGS)
SAMPLES_TYPE = record_of(Samples, INDEXES, FLOATS, INDEXES)


def columns_of(events: L2Events) -> Columns:
    """The columns that the loop reads."""
    return Columns(events.ts, events.kind, events.price, events.lots, events.closes)


def new_clock(events: L2Events, interval: int, every: int, feed: int) -> Integers:
    """A clock whose first step is due one interval after the first event, or when the strategy
    sees the n-th; no step at all where both are 0.
    """
    clock = np.zeros(CLOCK_SIZE, np.int64)
    clock[INTERVAL], clock[EVERY] = interval, every
    clock[NEXT_STEP] = NEVER
    if interval > 0:
        clock[NEXT_STEP] = events.ts[0] + interval
    elif 0 < every <= len(events):
        clock[NEXT_STEP] = events.ts[every - 1] + feed
    return clock


def new_samples(events: L2Events, interval: int, every: int) -> Samples:
    """Room for as many steps as there can be."""
    if interval > 0:
        steps = int(events.ts[-1] - events.ts[0]) // interval
    else:
        steps = len(events) // every if every > 0 else 0
    return Samples(np.zeros(steps, np.int64), np.zeros(steps), np.zeros(steps, np.int64))


@compiled
def idle(state, book, position, params, orders):  # type: ignore[no-untyped-def]
    """The step of a replay without a strategy; it is never called."""


@inner
def value(exchange, trader, reports):  # type: ignore[no-untyped-def]
    """Book what happened at the exchange, and return the account's worth at the mid there.

    Where a side of the book is missing the last known mid counts.
    """
    while trader.clock[BOOKED] < exchange.counters[REPORTS]:
        book_fill(trader.account, reports, trader.clock[BOOKED])
        trader.clock[BOOKED] += 1
    bid, ask = exchange.edges[BEST + BID], exchange.edges[BEST + ASK]
    if bid >= 0 and ask < exchange.levels.shape[1]:
        trader.money[MARK] = exchange.base + 0.5 * (bid + ask)
    held = trader.account[HELD]
    worth = trader.money[UNIT] * held * trader.money[MARK] if held != 0 else 0.0
    return cash_of(trader.account, trader.money) + worth


@inner
def take_step(step, exchange, trader, events, samples, requests, reports):  # type: ignore[no-untyped-def]
    """One step of the strategy, at its own time."""
    clock, latency, position = trader.clock, trader.latency, trader.position
    now = clock[NEXT_STEP]
    see(trader, events, exchange.base, now - latency[FEED])
    show(trader, exchange.base)
    learn(trader, reports, exchange.counters[REPORTS], now - latency[RESPONSE])
    samples.ts[clock[STEPS]] = now
    samples.equity[clock[STEPS]] = value(exchange, trader, reports)
    samples.held[clock[STEPS]] = trader.account[HELD]
    position[L2_CLOCK] = now - events.ts[0]
    position[L2_HELD] = trader.known[HELD]
    position[L2_CASH] = cash_of(trader.known, trader.money)
    step(trader.state, trader.book, position, trader.params, trader.orders)
    clock[STEPS] += 1
    if clock[INTERVAL] > 0:
        clock[NEXT_STEP] = now + clock[INTERVAL]
    else:
        # Of events with one stamp the strategy sees all at once, and steps once.
        nth = (clock[SEEN] // clock[EVERY] + 1) * clock[EVERY]
        seen_at = events.ts[nth - 1] if nth <= events.ts.size else NEVER - latency[FEED]
        clock[NEXT_STEP] = seen_at + latency[FEED]
    return send(trader, requests, now + latency[ORDER])


@inner
def catch_up(step, exchange, trader, events, samples, requests, reports, until):  # type: ignore[no-untyped-def]
    """Arrivals and steps before `until`; return both logs and when the next one is due."""
    clock = trader.clock
    while True:
        arrival = requests[clock[ARRIVED], ASK_TIME] if clock[ARRIVED] < clock[ASKED] else NEVER
        due = min(arrival, clock[NEXT_STEP])
        if due >= until:
            return requests, reports, due
        exchange.counters[NOW] = due
        if arrival > clock[NEXT_STEP]:
            requests = take_step(step, exchange, trader, events, samples, requests, reports)
            continue
        i = clock[ARRIVED]
        row, serial, lots = requests[i, ASK_ROW], requests[i, ASK_SERIAL], requests[i, ASK_LOTS]
        if lots == CANCEL:
            reports = withdraw(exchange, reports, row, serial)
        else:
            price, flags = requests[i, ASK_PRICE], requests[i, ASK_FLAGS]
            reports = arrive(exchange, reports, row, serial, lots, price, flags)
        clock[ARRIVED] = i + 1


@inlined
def stands_at(exchange, side, at):  # type: ignore[no-untyped-def]
    """Whether an own order rests at that level."""
    for k in range(exchange.counters[RESTING_BIDS + side]):
        if exchange.own[exchange.queue[side, k], OWN_AT] == at:
            return True
    return False


def _replay(step, exchange, trader, events, samples):  # type: ignore[no-untyped-def]
    levels, edges, counters, base = (
        exchange.levels,
        exchange.edges,
        exchange.counters,
        exchange.base,
    )
    kinds, prices, quantities, closes = events.kind, events.price, events.lots, events.closes
    requests = np.empty((64, ASK_COLUMNS), np.int64)
    reports = np.empty((64, REPORT_COLUMNS), np.int64)
    due = trader.clock[NEXT_STEP]
    emptied = False
    for i in range(kinds.size):
        if due < events.ts[i]:
            counters[EVENT] = i - 1
            requests, reports, due = catch_up(
                step, exchange, trader, events, samples, requests, reports, events.ts[i]
            )
        kind, at, lots = kinds[i], prices[i] - base, quantities[i]
        resting = counters[RESTING_BIDS] + counters[RESTING_ASKS] > 0
        if kind <= ASK:
            if resting and stands_at(exchange, kind, at):
                requeue(exchange, kind, at, lots)
            set_level(levels, edges, kind, at, lots)
        elif kind == CLEAR:
            clear(levels, edges)
            emptied = True
        else:
            side = ASK if kind == BOUGHT else BID
            if resting:
                counters[NOW], counters[EVENT] = events.ts[i], i
                reports = meet_trade(exchange, reports, kind, at, lots)
            trade_away(levels, edges, side, at, lots)
        if resting and closes[i]:
            counters[NOW], counters[EVENT] = events.ts[i], i
            if emptied:
                requeue_all(exchange)
            for side in (BID, ASK):
                if book_reaches(exchange, side):
                    reports = meet_book(exchange, reports, side)
        if closes[i]:
            emptied = False
    counters[EVENT] = kinds.size - 1
    requests, reports, due = catch_up(
        step, exchange, trader, events, samples, requests, reports, events.ts[-1] + 1
    )
    return reports, value(exchange, trader, reports)


@cache
def compiled_replay() -> Any:
    """The loop, compiled once for every step: see `loop.py`."""
    given = (L2_STEP_FUNCTION, EXCHANGE_TYPE, TRADER_TYPE, COLUMNS_TYPE, SAMPLES_TYPE)
    return compiled_for(tuple_of(INTEGER_TABLE, FLOAT)(*given))(_replay)
