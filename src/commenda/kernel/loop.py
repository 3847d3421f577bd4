"""A whole history in one compiled loop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel.account import charge_funding, decide, trade_bar
from commenda.kernel.bars import (
    CLOSE,
    HIGH,
    LOW,
    OPEN,
    VOLUME,
    Array,
    Bars,
    BookSamples,
    Funding,
    Stamps,
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
)
from commenda.kernel.desk import Desk, open_desk
from commenda.kernel.matching import fund_margin, send, work_bar
from commenda.kernel.orders import REFUSED
from commenda.kernel.program import Program
from commenda.kernel.terms import Costs, Terms

NEXT_BAR, NEXT_ROW, NEXT_STAMP, ROOM = range(4)
SAME_PRICE = 1e-9
"""Prices that differ by a smaller part are the same."""


class FillKind(StrEnum):
    """Why a fill happened: a new target, one of the engine's stops, or an order of the strategy."""

    TARGET = "target"
    STOP = "stop"
    TRAILING = "trailing"
    EQUITY_CURVE = "equity_curve"
    ACCOUNT = "account"
    TIME = "time"
    LIQUIDATION = "liquidation"
    MARKET = "market"
    LIMIT = "limit"
    STOP_ORDER = "stop_order"


KINDS = tuple(FillKind)
"""By the numbers KIND_ of account.py."""


class Fill(NamedTuple):
    """One fill in bar number `bar`: signed units and the units held after it, price with slippage,
    fee in quote currency, why, and whether a resting order of ours was filled.
    """

    bar: int
    quantity: float
    held: float
    price: float
    fee: float
    kind: FillKind
    maker: bool


class Counts(NamedTuple):
    """What a run met with at its desk; all zero in a plain run.

    `ambiguous` bars whose order of events is unknown and were taken the poorer way, `refined` bars
    played on finer ones for that reason (those still unknown there count as ambiguous as well);
    `short_filled` times that liquidity was short; `clamped` targets and orders cut down to the
    leverage; `refused` orders; `shortfall` in quote currency beyond the collateral of liquidations;
    `mean_share` and `greatest_share` of a bar's volume taken, over the bars with fills.
    """

    ambiguous: int = 0
    refined: int = 0
    short_filled: int = 0
    clamped: int = 0
    refused: int = 0
    shortfall: float = 0.0
    mean_share: float = 0.0
    greatest_share: float = 0.0


@dataclass(frozen=True, eq=False)
class Result:
    """What a run left behind. Money is in quote currency.

    `equity` is marked at each close; `targets` holds the standing target after each close (0 until
    the first decision); `fill_table` has the fills in its rows, with the columns of `account.py`;
    `funding` is what was paid, negative when received; `account` is the final account, laid out as
    in `account.py`.
    """

    equity: Array
    targets: Array
    fill_table: Array
    fees: float
    slippage: float
    funding: float
    account: Array
    counts: Counts

    @cached_property
    def fills(self) -> tuple[Fill, ...]:
        """The fills in order, made when first asked for: a search over parameters never asks."""
        return as_fills(self.fill_table)


def as_fills(table: Array) -> tuple[Fill, ...]:
    """Rows of a table of fills as named tuples."""
    bar, *amounts, kind, maker = table.T
    columns = (
        bar.astype(np.int64).tolist(),
        *(amount.tolist() for amount in amounts),
        [KINDS[number] for number in kind.astype(np.int64).tolist()],
        (maker == 1.0).tolist(),
    )
    return tuple(map(Fill._make, zip(*columns, strict=True)))


def as_counts(desk: Desk | None) -> Counts:
    """The desk's tallies of what happened."""
    if desk is None:
        return Counts()
    tally = desk.tally.tolist()
    return Counts(
        ambiguous=int(tally[at.AMBIGUOUS]),
        refined=int(tally[at.REFINED]),
        short_filled=int(tally[at.SHORT_FILLED]),
        clamped=int(tally[at.CLAMPED]),
        refused=int(desk.orders[0, REFUSED]),
        shortfall=tally[at.SHORTFALL],
        mean_share=tally[at.SHARE_SUM] / max(tally[at.SHARE_BARS], 1.0),
        greatest_share=tally[at.SHARE_MOST],
    )


def typical_interval(bars: Bars) -> timedelta:
    """The shortest distance between two bars; a day where there is one bar."""
    if len(bars) < 2:
        return timedelta(days=1)
    return timedelta(microseconds=int(np.diff(bars.ts).min()) // 1_000)


def needs_desk(program: Program, costs: Costs, terms: Terms) -> bool:
    """Whether a run asks for more than the plain account of account.py."""
    plain = program.stops.plain and costs.plain and terms.plain
    return program.orders > 0 or not plain


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
        from commenda.kernel.stepper import step_through

        if finer is not None or samples is not None:
            raise ValueError(f"{program.identity}: a plain Python step runs without finer bars")
        return step_through(program, bars, cash, funding, costs, size, terms)
    account = book.open_account(cash)
    desk: Desk | None = None
    inputs: tuple[Any, ...] = ()
    if needs_desk(program, costs, terms) or finer is not None or samples is not None:
        levels = samples.sizes.shape[2] if samples else 0
        interval = typical_interval(bars)
        desk = open_desk(
            program, costs, terms, cash=cash, interval=interval, size=size, levels=levels
        )
        inputs = (desk.tally, desk.orders, *sampled_books(bars, samples), *finer_rows(bars, finer))
    equity, targets = np.empty(len(bars)), np.empty(len(bars))
    room = most_fills_a_bar(desk, bars, finer)
    fills = np.empty((4 * room + len(bars) // 16, book.FILL_COLUMNS))
    cursor = np.array((0, 0, 0, room))
    rules = program.rules(costs, size) if desk is None else desk.rules
    loop = plain_loop() if desk is None else desk_loop(program.orders > 0)
    state, stamps = program.new_state(), funding.bar_indexes(bars.ts)
    bar = np.zeros(VOLUME + 1)
    position = np.zeros(book.POSITION_SIZE if desk is None else at.DESK_POSITION_SIZE)
    prices = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    while True:
        paid = (stamps, funding.rate, funding.mark)
        kept = (equity, targets, fills, cursor)
        mine = (state, program.params, account, rules, bar, position)
        loop(program.step, *mine, *prices, *paid, *inputs, *kept)
        if cursor[NEXT_BAR] == len(bars):
            break
        # No room for the fills of another bar.
        fills = np.concatenate((fills, np.empty((len(fills) + room, book.FILL_COLUMNS))))
    return Result(
        equity=equity,
        targets=targets,
        fill_table=fills[: cursor[NEXT_ROW]].copy(),
        fees=float(account[book.FEES]),
        slippage=float(account[book.SLIPPAGE]),
        funding=float(account[book.FUNDING_PAID]),
        account=account,
        counts=as_counts(desk),
    )


def most_fills_a_bar(desk: Desk | None, bars: Bars | None = None, finer: Bars | None = None) -> int:
    """Room a bar's fills may need: target and stop, or each order twice in each finer bar."""
    if desk is None:
        return book.MOST_FILLS_A_BAR
    inside = 0
    if bars is not None and finer is not None:
        inside = int(np.diff(finer_rows(bars, finer)[0], axis=1).max(initial=0))
    return 2 * (len(desk.orders) + 3) * (1 + inside)


def finer_rows(bars: Bars, finer: Bars | None) -> tuple[Stamps, Array]:
    """First and last (exclusive) row of the finer bars inside each bar, and these as a table.

    A bar has none whose high and low are not theirs: some are missing, or of another market, and
    what the bar reached might never be met in them.
    """
    if finer is None:
        return np.zeros((0, 2), np.int64), np.zeros((0, VOLUME + 1))
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
        while due < funding_bars.size and funding_bars[due] <= i:
            charge_funding(account, funding_rates[due], funding_marks[due])
            due += 1
        bar[OPEN] = opens[i]
        bar[HIGH] = highs[i]
        bar[LOW] = lows[i]
        bar[CLOSE] = closes[i]
        bar[VOLUME] = volumes[i]
        row = trade_bar(account, bar, position, rules, fills, row)
        decide(account, step(state, bar, position, params), rules)
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
        while due < funding_bars.size and funding_bars[due] <= i:
            charge_funding(account, funding_rates[due], funding_marks[due])
            fund_margin(account, funding_rates[due], funding_marks[due], rules, tally)
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
        row = work_bar(account, bar, position, rules, tally, orders, finer, fills, row)
        target = ask(step, state, bar, position, params, orders)
        send(account, target, rules, tally, orders)
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
