"""Several instruments, or both sides of one, on one account.

A *leg* is one program on one instrument. The legs of a run share one equity: a target of 1 is the
whole account's, cross margin stands with all of it, and a stop by equity or account sees all of it.
Positions, orders, profit and costs stay each leg's own, so a result can be told apart by leg and
adds up to the whole.

In *hedge mode* an instrument's long side and its short side are two legs (`both_sides`): each is
told which it is, takes the targets and orders of its own side, and lets the other side's pass. In
one-way mode a leg holds one net position.

All legs whose bars open at the same moment trade that bar before any of them decides on it, and all
are sized from the equity at its open. Inside the bar they move together, along the same way, and
what is set off on it happens in the order of the way (`liquidation.py`): so the account is valued,
stopped and liquidated as one. Legs on the same bars share its volume, in the order in which they
take of it.

An account whose equity is gone is ruined, and that is the end of the run for all of its legs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel.account import charge_funding, equity_at, mark_close
from commenda.kernel.bars import (
    CLOSE,
    NO_FINER,
    VOLUME,
    Array,
    Bars,
    Funding,
    Stamps,
    typical_interval,
)
from commenda.kernel.compiling import (
    CUBE,
    FLOATS,
    INDEXES,
    INTEGER_CUBE,
    INTEGER_TABLE,
    NOTHING,
    ORDER_STEP_FUNCTION,
    STEP_FUNCTION,
    TABLE,
    ask,
    borrowed,
    compiled_for,
    inner,
    many_of,
)
from commenda.kernel.desk import Desk, most_fills_a_bar, open_desk
from commenda.kernel.filling import SAME
from commenda.kernel.inside import may_happen
from commenda.kernel.liquidation import stand, wind_up, worth_at
from commenda.kernel.loop import finer_rows
from commenda.kernel.matching import begin_bar, fund_margin, send, waits, work_busy, work_close
from commenda.kernel.orders import ORDER_COLUMNS
from commenda.kernel.program import Program
from commenda.kernel.results import Counts, Fill, as_counts, as_fills
from commenda.kernel.terms import Costs, Terms

LONG, SHORT = 1, -1
NEXT_SLICE, ROOM, RUINED = range(3)
ROOMS = (2, 8, 32, 128)
"""How many legs a compiled loop has room for: it is compiled once for each."""
MOST_LEGS = ROOMS[-1]

_charge, _fund_margin, _send = map(inner, (charge_funding, fund_margin, send))


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """One program on one instrument, with its own costs and terms.

    A target of 1 means `share` of the account's equity, or of `size` units where that is given;
    `side` is 1 or -1 in hedge mode. `finer` bars play the bars whose order of events is unknown,
    where every leg that trades has as many of them.
    """

    program: Program
    bars: Bars
    funding: Funding = field(default_factory=Funding.none)
    costs: Costs = field(default_factory=Costs)
    terms: Terms = field(default_factory=Terms)
    share: float = 1.0
    side: int = 0
    size: float | None = None
    finer: Bars | None = None

    def __post_init__(self) -> None:
        if self.side not in (LONG, 0, SHORT):
            raise ValueError(f"leg: side = {self.side!r} is neither 1, 0 nor -1")
        if not 0.0 < self.share < np.inf:
            raise ValueError(f"leg: share = {self.share!r} is not positive")
        if not self.program.compiled:
            raise ValueError(f"{self.program.identity}: a plain Python step has no leg")


def both_sides(
    program: Program,
    bars: Bars,
    funding: Funding | None = None,
    costs: Costs | None = None,
    terms: Terms | None = None,
) -> tuple[Leg, Leg]:
    """The long and the short leg of one program in hedge mode."""
    rest = (program, bars, funding or Funding.none(), costs or Costs(), terms or Terms())
    return Leg(*rest, side=LONG), Leg(*rest, side=SHORT)


@dataclass(frozen=True, slots=True, eq=False)
class LegResult:
    """One leg's part, in quote currency: `profit` after each moment of the run, and its totals."""

    profit: Array
    fills: tuple[Fill, ...]
    target_changes: int
    fees: float
    slippage: float
    funding: float
    counts: Counts


@dataclass(frozen=True, slots=True, eq=False)
class LegsResult:
    """A run of several legs: the account's `equity` at the close of the bars that open at `ts`.

    Equity is the cash begun with and the legs' profits. `ruined_at` is the moment of `ts` whose
    bars took all of it, None if none did: it is 0 from there on.
    """

    ts: Stamps
    equity: Array
    legs: tuple[LegResult, ...]
    ruined_at: int | None


def run_legs(legs: Sequence[Leg], *, cash: float) -> LegsResult:
    """Run all `legs` on one account that begins with `cash` in quote currency.

    Their steps either all place orders or none does. Fills are numbered by the leg's own bars.
    """
    if not legs:
        raise ValueError("legs: there is none")
    places_orders = {leg.program.orders > 0 for leg in legs}
    if len(places_orders) > 1:
        raise ValueError("legs: steps that place orders and steps that do not cannot share a run")
    if len(legs) > MOST_LEGS:
        raise ValueError(f"legs: {len(legs)} are more than {MOST_LEGS}")
    desks = [
        open_desk(
            leg.program,
            leg.costs,
            leg.terms,
            cash=cash,
            interval=typical_interval(leg.bars),
            size=leg.size,
            side=leg.side,
        )
        for leg in legs
    ]
    accounts = np.stack([book.open_account(cash) for _ in legs])
    accounts[1:, [book.CASH, book.EQUITY]] = 0.0  # the first leg keeps it for all
    ts = np.unique(np.concatenate([leg.bars.ts for leg in legs]))
    grid = np.column_stack([rows_at(ts, leg.bars) for leg in legs])
    profits = np.zeros((len(legs), len(ts)))
    rows_inside, finer = finer_of(legs)
    inside = int(np.diff(rows_inside, axis=2).max(initial=0))
    room = max(most_fills_a_bar(desk, inside) for desk in desks)
    fills = np.empty((len(legs), 4 * room + len(ts) // 16, book.FILL_COLUMNS))
    due, changes = np.zeros((2, len(legs)), np.int64)
    cursor = np.array((0, room, 0))
    rules = padded([desk.rules for desk in desks])
    tallies = padded([desk.tally for desk in desks])
    rules[:, at.JOINT], rules[:, at.SAME_BARS] = len(legs) > 1, books_of(legs)
    # Each table has room for as many orders as the program that wants most.
    most = max(len(desk.orders) for desk in desks)
    orders = np.stack([np.resize(desk.orders, (most, ORDER_COLUMNS)) for desk in desks])
    orders[:, 1:] = 0.0
    scratch = np.zeros((len(legs), at.DESK_POSITION_SIZE)), np.zeros((len(legs), VOLUME + 1))
    programs = [leg.program for leg in legs]
    states, state_at = flat([program.new_state() for program in programs])
    params, params_at = flat([program.params for program in programs])
    prices, prices_at = flat_bars([leg.bars for leg in legs])
    paid, paid_at, charged = flat_funding(legs)
    steps = [program.step for program in programs]
    spaces = next(space for space in ROOMS if space >= len(legs))
    steps += [steps[0]] * (spaces - len(steps))
    shares = np.array([leg.share for leg in legs])
    places = np.column_stack((state_at, params_at, prices_at, paid_at))
    places = np.ascontiguousarray(places)
    loop = legs_loop(spaces, places_orders.pop())
    mine = (tuple(steps), states, params, accounts, rules, tallies, orders)
    given = (prices, paid, charged, shares, places, grid, *scratch, rows_inside, finer, profits)
    while True:
        loop(*mine, *given, fills, due, changes, cursor)
        if cursor[NEXT_SLICE] == len(ts):
            break
        fills = np.concatenate((fills, np.empty_like(fills)), axis=1)
    profits[0] -= cash
    equity = cash + profits.sum(axis=0)
    ruined_at = int(cursor[RUINED]) - 1 if cursor[RUINED] else None
    equity[ruined_at if ruined_at is not None else len(ts) :] = 0.0
    after = [Desk(rules[k], tallies[k], orders[k]) for k in range(len(legs))]
    return LegsResult(
        ts=ts,
        equity=equity,
        ruined_at=ruined_at,
        legs=tuple(
            LegResult(
                profit=profits[k],
                fills=as_fills(fills[k, : int(tallies[k, at.ROW])]),
                target_changes=int(changes[k]),
                fees=float(accounts[k, book.FEES]),
                slippage=float(accounts[k, book.SLIPPAGE]),
                funding=float(accounts[k, book.FUNDING_PAID]),
                counts=as_counts(accounts[k], after[k]),
            )
            for k in range(len(legs))
        ),
    )


def rows_at(ts: Stamps, bars: Bars) -> Stamps:
    """The row of the bar that opens at each moment of `ts`, or -1."""
    rows = np.searchsorted(bars.ts, ts)
    there = np.minimum(rows, len(bars) - 1)
    return np.where(bars.ts[there] == ts, there, -1).astype(np.int64)


def padded(arrays: Sequence[Array]) -> Array:
    """Arrays of different lengths as rows of one table, zeros behind them."""
    table = np.zeros((len(arrays), max(array.size for array in arrays)))
    for row, array in zip(table, arrays, strict=True):
        row[: array.size] = array
    return table


def flat(arrays: Sequence[Array]) -> tuple[Array, Stamps]:
    """Arrays behind one another, and where each begins; one more place says where the last ends."""
    ends = np.cumsum([array.size for array in arrays])
    return np.concatenate(arrays), np.column_stack((ends - [a.size for a in arrays], ends))


def flat_bars(all_bars: Sequence[Bars]) -> tuple[Array, Stamps]:
    """All bars as rows of (open, high, low, close, volume), and where each leg's begin."""
    tables = [np.column_stack((b.open, b.high, b.low, b.close, b.volume)) for b in all_bars]
    starts = np.cumsum([0, *(len(table) for table in tables[:-1])])
    return np.ascontiguousarray(np.concatenate(tables)), starts.astype(np.int64)


def flat_funding(legs: Sequence[Leg]) -> tuple[Array, Stamps, Stamps]:
    """All payments as rows of (rate, mark), where each leg's begin and end, and their bars."""
    tables = [np.column_stack((leg.funding.rate, leg.funding.mark)) for leg in legs]
    ends = np.cumsum([len(table) for table in tables])
    places = np.column_stack((ends - [len(table) for table in tables], ends))
    bars = np.concatenate([leg.funding.bar_indexes(leg.bars.ts) for leg in legs])
    return np.ascontiguousarray(np.concatenate(tables)), places, bars.astype(np.int64)


def finer_of(legs: Sequence[Leg]) -> tuple[npt.NDArray[np.int64], Array]:
    """First and last (exclusive) finer row inside each leg's bars, and all finer bars, flat."""
    if not any(leg.finer is not None for leg in legs):
        return np.zeros((0, 0, 2), np.int64), NO_FINER
    rows = np.zeros((len(legs), max(len(leg.bars) for leg in legs), 2), np.int64)
    tables, begin = [], 0
    for k, leg in enumerate(legs):
        own, table = finer_rows(leg.bars, leg.finer)
        rows[k, : len(own)] = own + begin
        begin += len(table)
        tables.append(table)
    return rows, np.ascontiguousarray(np.concatenate(tables))


def books_of(legs: Sequence[Leg]) -> Stamps:
    """The number of the first leg on the same bars: these share their volume."""
    seen: dict[int, int] = {}
    return np.array([seen.setdefault(id(leg.bars), k) for k, leg in enumerate(legs)])


STATE_FROM, STATE_TO, PARAMS_FROM, PARAMS_TO, PRICES_FROM, PAID_FROM, PAID_TO = range(7)
"""Columns of `places`: where each leg's part of the flat arrays lies."""


def _over_legs(  # type: ignore[no-untyped-def]
    steps,
    states,
    params,
    accounts,
    rules,
    tallies,
    orders,
    prices,
    paid,
    charged,
    shares,
    places,
    grid,
    positions,
    bars,
    finer_rows,
    finer,
    profits,
    fills,
    due,
    changes,
    cursor,
):
    states, params, accounts = borrowed(states), borrowed(params), borrowed(accounts)
    rules, tallies, orders = borrowed(rules), borrowed(tallies), borrowed(orders)
    prices, fills, positions = borrowed(prices), borrowed(fills), borrowed(positions)
    bars, finer = borrowed(bars), borrowed(finer)
    legs = grid.shape[1]
    for t in range(cursor[NEXT_SLICE], grid.shape[0]):
        if cursor[RUINED] > 0:
            for k in range(legs):
                profits[k, t] = profits[k, t - 1]
            continue
        for k in range(legs):
            if tallies[k, at.ROW] + cursor[ROOM] > fills.shape[1]:
                cursor[NEXT_SLICE] = t
                return
        busy = False
        for k in range(legs):
            i, account, tally = grid[t, k], accounts[k], tallies[k]
            tally[at.TRADES] = 1.0 if i >= 0 else 0.0
            if i < 0:
                for column in range(VOLUME):
                    bars[k, column] = account[book.LAST_CLOSE]
                bars[k, VOLUME] = 0.0
                continue
            for column in range(VOLUME + 1):
                bars[k, column] = prices[places[k, PRICES_FROM] + i, column]
            payment = places[k, PAID_FROM] + due[k]
            while payment < places[k, PAID_TO] and charged[payment] <= i:
                _charge(account, paid[payment, 0], paid[payment, 1])
                _fund_margin(account, paid[payment, 0], paid[payment, 1], rules[k], tally)
                payment += 1
            due[k] = payment - places[k, PAID_FROM]
            if finer_rows.shape[0] > 0:
                tally[at.FINER_FROM] = finer_rows[k, i, 0]
                tally[at.FINER_TO] = finer_rows[k, i, 1]
            begin_bar(account, rules[k], tally)
            busy = busy or waits(account, orders[k])
        if busy or may_happen(accounts, bars, rules, tallies, orders) > 0:
            work_busy(accounts, bars, rules, tallies, orders, finer, fills)
        for k in range(legs):
            tallies[k, at.NOW] = bars[k, CLOSE]
        if worth_at(accounts, bars, CLOSE) <= SAME * tallies[0, at.START]:
            wind_up(accounts, rules, tallies, orders, fills)
            cursor[RUINED] = t + 1
        for k in range(legs):
            if grid[t, k] >= 0:
                mark_close(accounts[k], bars[k], positions[k])
        for k in range(legs):
            i, account, bar, position = grid[t, k], accounts[k], bars[k], positions[k]
            if i < 0 or cursor[RUINED] > 0:
                continue
            stand(k, accounts, rules, tallies)
            work_close(account, bar, position, rules[k], tallies[k], orders[k])
            state = states[places[k, STATE_FROM] : places[k, STATE_TO]]
            known = params[places[k, PARAMS_FROM] : places[k, PARAMS_TO]]
            target = ask(steps[k], state, bar, position, known, orders[k])
            changes[k] += _send(account, target * shares[k], rules[k], tallies[k], orders[k])
        for k in range(legs):
            profits[k, t] = account_worth(accounts[k], bars[k, CLOSE])
    cursor[NEXT_SLICE] = grid.shape[0]


@inner
def account_worth(account, price):  # type: ignore[no-untyped-def]
    """A leg's equity; one that never had a bar has no price."""
    return account[book.CASH] if account[book.QUANTITY] == 0.0 else equity_at(account, price)


@cache
def legs_loop(spaces: int, places_orders: bool) -> Any:
    step = ORDER_STEP_FUNCTION if places_orders else STEP_FUNCTION
    mine = (FLOATS, FLOATS, TABLE, TABLE, TABLE, CUBE)
    given = (TABLE, TABLE, INDEXES, FLOATS, INTEGER_TABLE, INTEGER_TABLE)
    scratch, kept = (TABLE, TABLE, INTEGER_CUBE, TABLE), (TABLE, CUBE, *[INDEXES] * 3)
    signature = NOTHING(many_of(step, spaces), *mine, *given, *scratch, *kept)
    return compiled_for(signature)(_over_legs)
