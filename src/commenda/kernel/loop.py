"""A whole history in one compiled loop."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel.account import charge_funding, decide, trade_bar
from commenda.kernel.bars import (
    CLOSE,
    HIGH,
    LOW,
    NO_FINER,
    OPEN,
    VOLUME,
    Array,
    Bars,
    BookSamples,
    Funding,
    Stamps,
    typical_interval,
)
from commenda.kernel.compiling import (
    FLOATS,
    INDEXES,
    INTEGER_TABLE,
    NOTHING,
    ORDER_STEP_FUNCTION,
    STEP_FUNCTION,
    TABLE,
    ask,
    borrowed,
    compiled_for,
    inner,
    inner_inlined,
)
from commenda.kernel.desk import Desk, most_fills_a_bar, needs_desk, open_desk
from commenda.kernel.matching import fund_margin, send, work_bar
from commenda.kernel.program import Program
from commenda.kernel.results import Result, result_of
from commenda.kernel.stepper import step_through
from commenda.kernel.terms import Costs, Terms

NEXT_BAR, NEXT_ROW, NEXT_STAMP, ROOM = range(4)
SAME_PRICE = 1e-9
"""Prices that differ by a smaller part are the same."""

# What the stepper calls from Python is here made part of the loops, and nothing else of it.
_trade_bar, _decide, _work_bar, _send = map(inner_inlined, (trade_bar, decide, work_bar, send))
_charge, _fund_margin = map(inner, (charge_funding, fund_margin))


def run(
    program: Program,
    bars: Bars,
    *,
    cash: float,
    funding: Funding | None = None,
    costs: Costs | None = None,
    size: float | None = None,
    terms: Terms | None = None,
    finer: Bars | None = None,
    samples: BookSamples | None = None,
) -> Result:
    """Run `program` over `bars` from a flat account holding `cash`.

    `funding` None charges none; it is the caller's to know whether stamps are missing. A target of
    1 means the whole equity, or `size` units where that is given. `finer` bars of the same
    instrument resolve the bars whose order of events is unknown; sampled books of `samples` are
    walked by takers, on top of the slippage of `costs`.
    """
    funding, costs, terms = funding or Funding.none(), costs or Costs(), terms or Terms()
    if not program.compiled:
        if finer is not None or samples is not None:
            raise ValueError(f"{program.identity}: a plain Python step runs without finer bars")
        return step_through(program, bars, cash, funding, costs, size, terms)
    start = open_run(program, bars, cash, costs, size, terms, finer, samples)
    equity, targets = np.empty(len(bars)), np.empty(len(bars))
    fills = np.empty((4 * start.room + len(bars) // 16, book.FILL_COLUMNS))
    cursor = np.array((0, 0, 0, start.room))
    prices = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    paid = (funding.bar_indexes(bars.ts), funding.rate, funding.mark)
    while True:
        kept = (equity, targets, fills, cursor)
        start.loop(program.step, *start.mine, *prices, *paid, *start.inputs, *kept)
        if cursor[NEXT_BAR] == len(bars):
            break
        # No room for the fills of another bar.
        fills = np.concatenate((fills, np.empty((len(fills) + start.room, book.FILL_COLUMNS))))
    table = fills[: cursor[NEXT_ROW]].copy()
    return result_of(equity, targets, table, start.account, start.desk)


class Start(NamedTuple):
    """What a run begins with: its compiled loop, what only that loop changes, what it reads
    besides at a desk, and how many fills one bar may need room for.
    """

    loop: Any
    account: Array
    desk: Desk | None
    mine: tuple[Array, ...]
    inputs: tuple[Any, ...]
    room: int


def open_run(
    program: Program,
    bars: Bars,
    cash: float,
    costs: Costs,
    size: float | None,
    terms: Terms,
    finer: Bars | None = None,
    samples: BookSamples | None = None,
) -> Start:
    """The start of a run over `bars`: plain where that will do, else at a desk."""
    account, bar = book.open_account(cash), np.zeros(VOLUME + 1)
    known = (program.new_state(), program.params, account)
    if finer is None and samples is None and not needs_desk(program, costs, terms):
        mine = (*known, program.rules(costs, size, terms), bar, np.zeros(book.POSITION_SIZE))
        return Start(plain_loop(), account, None, mine, (), book.MOST_FILLS_A_BAR)
    levels, interval = samples.sizes.shape[2] if samples else 0, typical_interval(bars)
    desk = open_desk(program, costs, terms, cash=cash, interval=interval, size=size, levels=levels)
    rows, table = finer_rows(bars, finer)
    inside = int(np.diff(rows, axis=1).max(initial=0))
    inputs = (desk.tally, desk.orders, *sampled_books(bars, samples), rows, table)
    mine = (*known, desk.rules, bar, np.zeros(at.DESK_POSITION_SIZE))
    loop = desk_loop(program.orders > 0)
    return Start(loop, account, desk, mine, inputs, most_fills_a_bar(desk, inside))


def finer_rows(bars: Bars, finer: Bars | None) -> tuple[Stamps, Array]:
    """First and last (exclusive) row of the finer bars inside each bar, and these as a table.

    A bar has none whose high and low are not theirs: some are missing, or of another market, and
    what the bar reached might never be met in them.
    """
    if finer is None:
        return np.zeros((0, 2), np.int64), NO_FINER
    length = typical_interval(bars) // timedelta(microseconds=1) * 1_000
    ends = np.minimum(np.append(bars.ts[1:], np.iinfo(np.int64).max), bars.ts + length)
    begins, ends = (np.searchsorted(finer.ts, stamps, side="left") for stamps in (bars.ts, ends))
    rows = np.column_stack((begins, ends)).astype(np.int64)
    # Of each pair of rows the stretch between; one row more, for a stretch may end with the last.
    high = np.maximum.reduceat(np.append(finer.high, 0.0), rows.ravel())[::2]
    low = np.minimum.reduceat(np.append(finer.low, 0.0), rows.ravel())[::2]
    whole = np.isclose(high, bars.high, rtol=SAME_PRICE, atol=0.0)
    whole &= np.isclose(low, bars.low, rtol=SAME_PRICE, atol=0.0)
    rows[~whole] = 0
    columns = (finer.open, finer.high, finer.low, finer.close, finer.volume)
    table = np.ascontiguousarray(np.column_stack(columns))
    return rows, table


def sampled_books(bars: Bars, samples: BookSamples | None) -> tuple[Stamps, Array]:
    """The row of the newest sample at each bar's open (-1: none yet), and the samples, flat."""
    if samples is None:
        return np.empty(0, np.int64), np.zeros((0, 0))
    newest = np.searchsorted(samples.ts, bars.ts, side="right") - 1
    if newest.min(initial=0) < 0:
        raise ValueError("samples: there is no sampled book at or before the first bar's open")
    table = np.stack((samples.sizes, samples.offsets), axis=-1)
    return newest.astype(np.int64), np.ascontiguousarray(table.reshape(len(samples.ts), -1))


def _over_plain(  # type: ignore[no-untyped-def]
    step,
    state,
    params,
    account,
    rules,
    bar,
    position,
    opens,
    highs,
    lows,
    closes,
    volumes,
    funding_bars,
    funding_rates,
    funding_marks,
    equity,
    targets,
    fills,
    cursor,
):
    state, params = borrowed(state), borrowed(params)
    account, rules = borrowed(account), borrowed(rules)
    bar, position, fills = borrowed(bar), borrowed(position), borrowed(fills)
    i, row, due = cursor[NEXT_BAR], cursor[NEXT_ROW], cursor[NEXT_STAMP]
    while i < opens.size and row + cursor[ROOM] <= fills.shape[0]:
        if account[book.RUIN] > 0.0:
            equity[i] = targets[i] = 0.0
            i += 1
            continue
        while due < funding_bars.size and funding_bars[due] <= i:
            _charge(account, funding_rates[due], funding_marks[due])
            due += 1
        bar[OPEN] = opens[i]
        bar[HIGH] = highs[i]
        bar[LOW] = lows[i]
        bar[CLOSE] = closes[i]
        bar[VOLUME] = volumes[i]
        row = _trade_bar(account, bar, position, rules, fills, row)
        if account[book.RUIN] == 0.0:
            _decide(account, step(state, bar, position, params), rules)
        equity[i] = account[book.EQUITY]
        targets[i] = account[book.STANDING]
        i += 1
    cursor[NEXT_BAR], cursor[NEXT_ROW], cursor[NEXT_STAMP] = i, row, due


def _over_desk(  # type: ignore[no-untyped-def]
    step,
    state,
    params,
    account,
    rules,
    bar,
    position,
    opens,
    highs,
    lows,
    closes,
    volumes,
    funding_bars,
    funding_rates,
    funding_marks,
    tally,
    orders,
    sample_rows,
    samples,
    finer_rows,
    finer,
    equity,
    targets,
    fills,
    cursor,
):
    state, params = borrowed(state), borrowed(params)
    account, rules = borrowed(account), borrowed(rules)
    bar, position, fills = borrowed(bar), borrowed(position), borrowed(fills)
    tally, orders, finer = borrowed(tally), borrowed(orders), borrowed(finer)
    i, row, due = cursor[NEXT_BAR], cursor[NEXT_ROW], cursor[NEXT_STAMP]
    while i < opens.size and row + cursor[ROOM] <= fills.shape[0]:
        if account[book.RUIN] > 0.0:
            equity[i] = targets[i] = 0.0
            i += 1
            continue
        while due < funding_bars.size and funding_bars[due] <= i:
            _charge(account, funding_rates[due], funding_marks[due])
            _fund_margin(account, funding_rates[due], funding_marks[due], rules, tally)
            due += 1
        bar[OPEN] = opens[i]
        bar[HIGH] = highs[i]
        bar[LOW] = lows[i]
        bar[CLOSE] = closes[i]
        bar[VOLUME] = volumes[i]
        if sample_rows.size > 0:
            begin = int(rules[at.BOOK_AT])
            for place in range(samples.shape[1]):
                tally[begin + place] = samples[sample_rows[i], place]
        if finer_rows.shape[0] > 0:
            tally[at.FINER_FROM] = finer_rows[i, 0]
            tally[at.FINER_TO] = finer_rows[i, 1]
        tally[at.ROW] = row
        _work_bar(account, bar, position, rules, tally, orders, finer, fills)
        row = int(tally[at.ROW])
        if account[book.RUIN] == 0.0:
            target = ask(step, state, bar, position, params, orders)
            _send(account, target, rules, tally, orders)
        equity[i] = account[book.EQUITY]
        targets[i] = account[book.STANDING]
        i += 1
    cursor[NEXT_BAR], cursor[NEXT_ROW], cursor[NEXT_STAMP] = i, row, due


# A step passed as a plain dispatcher is a type of its own: the loop would be compiled anew for each
# strategy (0.7-0.9 s a process) and never be found in the disk cache. As a first-class function of
# one explicit signature a loop is compiled once for each kind of step and cached; made here, on
# first use, so that importing the package compiles nothing.
_BEFORE = (*[FLOATS] * 6, *[FLOATS] * 5, INDEXES, FLOATS, FLOATS)
_AFTER = (FLOATS, FLOATS, TABLE, INDEXES)


@cache
def plain_loop() -> Any:
    return compiled_for(NOTHING(STEP_FUNCTION, *_BEFORE, *_AFTER))(_over_plain)


@cache
def desk_loop(places_orders: bool) -> Any:
    step = ORDER_STEP_FUNCTION if places_orders else STEP_FUNCTION
    desk = (FLOATS, TABLE, INDEXES, TABLE, INTEGER_TABLE, TABLE)
    return compiled_for(NOTHING(step, *_BEFORE, *desk, *_AFTER))(_over_desk)
