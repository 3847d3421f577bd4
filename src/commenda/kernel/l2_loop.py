"""The compiled loop of a replay: events, orders that arrive, and steps, in the order of time."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from commenda.kernel import l2_queue as queue
from commenda.kernel import l2_trader as who
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
from commenda.kernel.l2_orders import L2_CASH, L2_CLOCK, L2_HELD

NEVER = (1 << 63) - 1


class Columns(NamedTuple):
    ts: Any
    kind: Any
    price: Any
    lots: Any
    closes: Any


class Samples(NamedTuple):
    """One value for each step, taken before it, and for the moment at which nothing was left."""

    ts: Any
    equity: Any
    held: Any


COLUMNS_TYPE = record_of(Columns, INDEXES, CODES, INDEXES, INDEXES, FLAGS)
SAMPLES_TYPE = record_of(Samples, INDEXES, FLOATS, INDEXES)


def columns_of(events: L2Events) -> Columns:
    return Columns(events.ts, events.kind, events.price, events.lots, events.closes)


def new_clock(events: L2Events, interval: int, every: int, feed: int) -> Integers:
    """A clock whose first step is due one interval after the first event, or when the strategy
    sees the n-th; no step at all where both are 0.
    """
    clock = np.zeros(who.CLOCK_SIZE, np.int64)
    clock[who.INTERVAL], clock[who.EVERY] = interval, every
    clock[who.NEXT_STEP] = NEVER
    if interval > 0:
        clock[who.NEXT_STEP] = events.ts[0] + interval
    elif 0 < every <= len(events):
        clock[who.NEXT_STEP] = events.ts[every - 1] + feed
    return clock


def new_samples(events: L2Events, interval: int, every: int) -> Samples:
    """Room for as many steps as there can be, and ruin."""
    if interval > 0:
        steps = int(events.ts[-1] - events.ts[0]) // interval
    else:
        steps = len(events) // every if every > 0 else 0
    room = steps + 1
    return Samples(np.zeros(room, np.int64), np.zeros(room), np.zeros(room, np.int64))


@compiled
def idle(state, book, position, params, orders):  # type: ignore[no-untyped-def]
    """The step of a replay without a strategy; it is never called."""


@inner
def value(exchange, trader, reports):  # type: ignore[no-untyped-def]
    """Book what happened at the exchange, and return the account's worth at the mid there.

    Where a side of the book is missing the last known mid counts.
    """
    while trader.clock[who.BOOKED] < exchange.counters[queue.REPORTS]:
        who.book_fill(trader.account, reports, trader.clock[who.BOOKED])
        trader.clock[who.BOOKED] += 1
    bid, ask = exchange.edges[BEST + BID], exchange.edges[BEST + ASK]
    if bid >= 0 and ask < exchange.levels.shape[1]:
        trader.money[who.MARK] = exchange.base + 0.5 * (bid + ask)
    held = trader.account[who.HELD]
    worth = trader.money[who.UNIT] * held * trader.money[who.MARK] if held != 0 else 0.0
    return who.cash_of(trader.account, trader.money) + worth


@inner
def is_ruined(exchange, trader, reports, samples, now):  # type: ignore[no-untyped-def]
    """Whether the equity is gone; the sample of that moment, and the replay's last, says so."""
    clock = trader.clock
    moved = trader.account[who.HELD] != 0 or clock[who.BOOKED] < exchange.counters[queue.REPORTS]
    if not moved or value(exchange, trader, reports) > 0.0:
        return False
    samples.ts[clock[who.STEPS]] = now
    clock[who.STEPS] += 1
    clock[who.RUIN] = clock[who.STEPS]
    return True


@inner
def take_step(step, exchange, trader, events, samples, requests, reports):  # type: ignore[no-untyped-def]
    """One step of the strategy, at its own time."""
    clock, latency, position = trader.clock, trader.latency, trader.position
    now = clock[who.NEXT_STEP]
    who.see(trader, events, exchange.base, now - latency[who.FEED])
    who.show(trader, exchange.base)
    who.learn(trader, reports, exchange.counters[queue.REPORTS], now - latency[who.RESPONSE])
    samples.ts[clock[who.STEPS]] = now
    samples.equity[clock[who.STEPS]] = value(exchange, trader, reports)
    samples.held[clock[who.STEPS]] = trader.account[who.HELD]
    position[L2_CLOCK] = now - events.ts[0]
    position[L2_HELD] = trader.known[who.HELD]
    position[L2_CASH] = who.cash_of(trader.known, trader.money)
    step(trader.state, trader.book, position, trader.params, trader.orders)
    clock[who.STEPS] += 1
    if clock[who.INTERVAL] > 0:
        clock[who.NEXT_STEP] = now + clock[who.INTERVAL]
    else:
        # Of events with one stamp the strategy sees all at once, and steps once.
        nth = (clock[who.SEEN] // clock[who.EVERY] + 1) * clock[who.EVERY]
        seen_at = events.ts[nth - 1] if nth <= events.ts.size else NEVER - latency[who.FEED]
        clock[who.NEXT_STEP] = seen_at + latency[who.FEED]
    return who.send(trader, requests, now + latency[who.ORDER])


@inner
def catch_up(step, exchange, trader, events, samples, requests, reports, until):  # type: ignore[no-untyped-def]
    """Arrivals and steps before `until`; return both logs and when the next one is due."""
    clock = trader.clock
    while True:
        coming = clock[who.ARRIVED] < clock[who.ASKED]
        arrival = requests[clock[who.ARRIVED], who.ASK_TIME] if coming else NEVER
        due = min(arrival, clock[who.NEXT_STEP])
        if due >= until:
            return requests, reports, due
        exchange.counters[queue.NOW] = due
        if arrival > clock[who.NEXT_STEP]:
            requests = take_step(step, exchange, trader, events, samples, requests, reports)
            continue
        i = clock[who.ARRIVED]
        row, serial = requests[i, who.ASK_ROW], requests[i, who.ASK_SERIAL]
        lots = requests[i, who.ASK_LOTS]
        if lots == who.CANCEL:
            reports = queue.withdraw(exchange, reports, row, serial)
        else:
            price, flags = requests[i, who.ASK_PRICE], requests[i, who.ASK_FLAGS]
            reports = queue.arrive(exchange, reports, row, serial, lots, price, flags)
        clock[who.ARRIVED] = i + 1
        if is_ruined(exchange, trader, reports, samples, arrival):
            return requests, reports, NEVER


@inlined
def stands_at(exchange, side, at):  # type: ignore[no-untyped-def]
    """Whether an own order rests at that level."""
    for k in range(exchange.counters[queue.RESTING_BIDS + side]):
        if exchange.own[exchange.queue[side, k], queue.OWN_AT] == at:
            return True
    return False


def _replay(step, exchange, trader, events, samples):  # type: ignore[no-untyped-def]
    levels, edges = exchange.levels, exchange.edges
    counters, base = exchange.counters, exchange.base
    kinds, prices, quantities, closes = events.kind, events.price, events.lots, events.closes
    requests = np.empty((64, who.ASK_COLUMNS), np.int64)
    reports = np.empty((64, queue.REPORT_COLUMNS), np.int64)
    due = trader.clock[who.NEXT_STEP]
    emptied = False
    last_bid, last_ask = edges[BEST + BID], edges[BEST + ASK]
    for i in range(kinds.size):
        if due < events.ts[i]:
            counters[queue.EVENT] = i - 1
            requests, reports, due = catch_up(
                step, exchange, trader, events, samples, requests, reports, events.ts[i]
            )
            if trader.clock[who.RUIN] > 0:
                return reports, value(exchange, trader, reports)
        kind, at, lots = kinds[i], prices[i] - base, quantities[i]
        resting = counters[queue.RESTING_BIDS] + counters[queue.RESTING_ASKS] > 0
        if kind <= ASK:
            if resting and stands_at(exchange, kind, at):
                queue.requeue(exchange, kind, at, lots)
            set_level(levels, edges, kind, at, lots)
        elif kind == CLEAR:
            clear(levels, edges)
            emptied = True
        else:
            side = ASK if kind == BOUGHT else BID
            if resting:
                counters[queue.NOW], counters[queue.EVENT] = events.ts[i], i
                reports = queue.meet_trade(exchange, reports, kind, at, lots)
            trade_away(levels, edges, side, at, lots)
        if resting and closes[i]:
            counters[queue.NOW], counters[queue.EVENT] = events.ts[i], i
            if emptied:
                queue.requeue_all(exchange)
            for side in (BID, ASK):
                if queue.book_reaches(exchange, side):
                    reports = queue.meet_book(exchange, reports, side)
        if closes[i]:
            emptied = False
            bid, ask = edges[BEST + BID], edges[BEST + ASK]
            moved = bid != last_bid or ask != last_ask
            if moved or trader.clock[who.BOOKED] < counters[queue.REPORTS]:
                last_bid, last_ask = bid, ask
                if is_ruined(exchange, trader, reports, samples, events.ts[i]):
                    return reports, value(exchange, trader, reports)
    counters[queue.EVENT] = kinds.size - 1
    if not is_ruined(exchange, trader, reports, samples, events.ts[-1]):  # by half a message
        requests, reports, due = catch_up(
            step, exchange, trader, events, samples, requests, reports, events.ts[-1] + 1
        )
    return reports, value(exchange, trader, reports)


@cache
def compiled_replay() -> Any:
    """The loop, compiled once for every step: see `loop.py`."""
    given = (L2_STEP_FUNCTION, queue.EXCHANGE_TYPE, who.TRADER_TYPE, COLUMNS_TYPE, SAMPLES_TYPE)
    return compiled_for(tuple_of(INTEGER_TABLE, FLOAT)(*given))(_replay)
