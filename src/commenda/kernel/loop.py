"""A whole history in one compiled loop."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from commenda.kernel import account as book
from commenda.kernel.account import charge_funding, decide, trade_bar
from commenda.kernel.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, Array, Bars, Costs, Funding
from commenda.kernel.compiling import (
    FLOATS,
    INDEXES,
    INTEGER,
    STEP_FUNCTION,
    TABLE,
    compiled_for,
)
from commenda.kernel.program import Program


class FillKind(StrEnum):
    """Why a fill happened: a new target at the open, or the hard stop inside the bar."""

    TARGET = "target"
    STOP = "stop"


class Fill(NamedTuple):
    """One fill in bar number `bar`: signed units and the units held after it, price with slippage,
    fee in quote currency.
    """

    bar: int
    quantity: float
    held: float
    price: float
    fee: float
    kind: FillKind


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a run left behind. Money is in quote currency.

    `equity` is marked at each close; `targets` holds the standing target after each close (0 until
    the first decision); `funding` is what was paid, negative when received; `account` is the final
    account, laid out as in `account.py`.
    """

    equity: Array
    targets: Array
    fills: tuple[Fill, ...]
    fees: float
    slippage: float
    funding: float
    account: Array


def as_fills(table: Array) -> tuple[Fill, ...]:
    """Rows of a table of fills as named tuples."""
    kinds = {book.KIND_TARGET: FillKind.TARGET, book.KIND_STOP: FillKind.STOP}
    return tuple(
        Fill(int(bar), quantity, held, price, fee, kinds[kind])
        for bar, quantity, held, price, fee, kind in table.tolist()
    )


def run(
    program: Program,
    bars: Bars,
    *,
    cash: float,
    funding: Funding | None = None,
    costs: Costs | None = None,
) -> Result:
    """Run `program` over `bars` from a flat account holding `cash`.

    `funding` None charges none; it is the caller's to know whether stamps are missing.
    """
    funding = funding or Funding.none()
    account = book.open_account(cash)
    equity, targets = np.empty(len(bars)), np.empty(len(bars))
    # Untouched pages of an empty array take no memory, so the worst case costs nothing.
    fills = np.empty((book.MOST_FILLS_A_BAR * len(bars), book.FILL_COLUMNS))
    count = _compiled_loop()(
        program.step,
        program.new_state(),
        program.params,
        account,
        program.rules(costs or Costs()),
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.volume,
        funding.bar_indexes(bars.ts),
        funding.rate,
        funding.mark,
        equity,
        targets,
        fills,
    )
    return Result(
        equity=equity,
        targets=targets,
        fills=as_fills(fills[:count]),
        fees=float(account[book.FEES]),
        slippage=float(account[book.SLIPPAGE]),
        funding=float(account[book.FUNDING_PAID]),
        account=account,
    )


def _loop(  # type: ignore[no-untyped-def]
    step,
    state,
    params,
    account,
    rules,
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
):
    bar = np.zeros(VOLUME + 1)
    position = np.zeros(book.POSITION_SIZE)
    due = 0
    row = 0
    for i in range(opens.size):
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
    return row


@cache
def _compiled_loop() -> Any:
    # A step passed as a plain dispatcher is a type of its own: the loop would be compiled anew for
    # every strategy (0.7-0.9 s a process) and never be found in the disk cache. As a first-class
    # function of one explicit signature the loop is compiled once and cached; made here, on first
    # use, so that importing the package compiles nothing.
    before, after = [FLOATS] * 9, [FLOATS] * 4
    return compiled_for(INTEGER(STEP_FUNCTION, *before, INDEXES, *after, TABLE))(_loop)
