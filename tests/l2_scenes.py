"""Scenes of a recorded book, and programs that trade in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commenda.kernel import (
    L2_BOUGHT,
    L2_CASH,
    L2_CLOCK,
    L2_HELD,
    L2_LAST,
    L2_SOLD,
    L2Events,
    L2Kind,
    L2Program,
    L2Result,
    L2Rules,
    compiled,
    l2_ask,
    l2_ask_lots,
    l2_bid,
    l2_bid_lots,
    l2_cancel,
    l2_limit,
    l2_market,
    run_l2,
)

BID, ASK, SOLD, BOUGHT, CLEAR = L2Kind
LIMIT, MARKET, CANCEL = range(3)
WATCHED = 12
"""Numbers that `scripted` notes at each step."""
Row = tuple[int, int, int, int]


@compiled
def scripted(state, book, position, params, orders):
    """Rows of params: step, LIMIT, MARKET or CANCEL, lots, price (of a cancel: which row), flags.

    Notes in `state`: the step's number, ids of the script's orders, then what it saw each time.
    """
    rows = params.size // 5
    step = int(state[0])
    state[0] += 1.0
    for i in range(rows):
        if params[5 * i] == step:
            what, lots, price = params[5 * i + 1], params[5 * i + 2], params[5 * i + 3]
            if what == LIMIT:
                state[1 + i] = l2_limit(orders, lots, price, params[5 * i + 4])
            elif what == MARKET:
                state[1 + i] = l2_market(orders, lots)
            else:
                l2_cancel(orders, state[1 + int(price)])
    at = 1 + rows + WATCHED * step
    if at + WATCHED <= state.size:
        state[at] = position[L2_CLOCK]
        state[at + 1] = position[L2_HELD]
        state[at + 2] = position[L2_CASH]
        state[at + 3] = book[L2_LAST]
        state[at + 4] = book[L2_BOUGHT]
        state[at + 5] = book[L2_SOLD]
        for k in range(2):
            state[at + 6 + 3 * k] = l2_bid(book, k) if k == 0 else l2_ask(book, 0)
            state[at + 7 + 3 * k] = l2_bid_lots(book, 0) if k == 0 else l2_ask_lots(book, 0)
            state[at + 8 + 3 * k] = l2_bid(book, 1) if k == 0 else l2_ask(book, 1)


@dataclass(frozen=True)
class Act:
    """One row of a script, in the words of `scripted`."""

    step: int
    what: int
    lots: int = 0
    price: int = 0
    flags: float = 0.0


def buy(step: int, lots: int, price: int, flags: float = 0.0) -> Act:
    return Act(step, LIMIT, lots, price, flags)


def events_of(rows: Sequence[Row], tick: float = 1.0, lot: float = 1.0) -> L2Events:
    """Events from rows of time, kind, price, lots; depth rows of one time are one message."""
    ts, kind, price, lots = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return L2Events(ts, np.full(ts.size, -1), kind, price, lots, ts, tick, lot)


def play(
    rows: Sequence[Row], *acts: Act, steps: int = 0, cash: float = 1e6, **rules: object
) -> L2Result:
    """Replay with steps at times 10, 20, … after the first event, where nothing else is said."""
    rules = {"maker_bps": 0.0, "taker_bps": 0.0, **rules}
    if "every_events" not in rules:
        rules.setdefault("interval", 10)
    params = [x for a in acts for x in (a.step, a.what, a.lots, a.price, a.flags)]
    size = 1 + len(acts) + WATCHED * steps
    program = L2Program(scripted, np.array(params, dtype=np.float64), size)
    return run_l2(program, events_of(rows), L2Rules(**rules), cash=cash)  # type: ignore[arg-type]


def fills(result: L2Result) -> list[tuple[int, int, int, str]]:
    return [(fill.ts, fill.lots, fill.price, fill.source.value) for fill in result.fills]


OPEN: list[Row] = [(0, BID, 100, 10), (0, BID, 99, 20), (0, ASK, 101, 2), (0, ASK, 102, 3)]
