"""Bars and programs for tests of the desk: what a row of numbers says happens."""

from __future__ import annotations

import math

import numpy as np
import pytest

from commenda.kernel import (
    Bars,
    Costs,
    FillKind,
    Program,
    Result,
    Stops,
    cancel,
    compiled,
    limit_order,
    market_order,
    one_cancels_other,
    reduce_only,
    stop_limit_order,
    stop_order,
    trailing_order,
    working,
)

MINUTE = 60_000_000_000
FREE = Costs(fee_bps=0.0, slippage_bps=0.0)
DEEP = 1e9
KEEP = math.nan


@compiled
def scripted(state, bar, position, params):
    """The targets written in `params`, one for each bar, then keep."""
    at = int(state[0])
    state[0] += 1.0
    return params[at] if at < params.size else np.nan


@compiled
def ordering(state, bar, position, params, orders):
    """Orders written in `params`, six numbers each: bar, what, quantity, price, trigger, linked.

    What: 1 market, 2 limit, 3 stop, 4 stop-limit, 5 trailing, 9 cancel the order `quantity`.
    Linked: 1 reduce-only, 2 cancels and is cancelled by the order before.
    """
    now = state[0]
    state[0] += 1.0
    for at in range(0, params.size, 6):
        if params[at] != now:
            continue
        what, quantity = int(params[at + 1]), params[at + 2]
        price, trigger, linked = params[at + 3], params[at + 4], params[at + 5]
        number = 0
        if what == 1:
            number = market_order(orders, quantity)
        elif what == 2:
            number = limit_order(orders, quantity, price)
        elif what == 3:
            number = stop_order(orders, quantity, trigger)
        elif what == 4:
            number = stop_limit_order(orders, quantity, trigger, price)
        elif what == 5:
            number = trailing_order(orders, quantity, trigger)
        else:
            cancel(orders, int(quantity))
        if linked == 1.0:
            reduce_only(orders, number)
        elif linked == 2.0:
            one_cancels_other(orders, number - 1, number)
    return np.nan


def targets(*values: float, stops: Stops | None = None) -> Program:
    return Program("scripted 1", scripted, np.array(values), 1, 0, stops or Stops())


def orders(*rows: tuple[float, ...], stops: Stops | None = None, at_a_time: int = 8) -> Program:
    padded = [(*row, *([math.nan] * (6 - len(row)))) for row in rows]
    params = np.array(padded).ravel()
    return Program("ordering 1", ordering, params, 1, 0, stops or Stops(), at_a_time)


def candles(*rows: tuple[float, ...], minutes: int = 5, start: int = 0) -> Bars:
    """Bars from rows of open, high, low, close and, if it matters, volume."""
    columns = np.array([(*row, DEEP)[:5] for row in rows], dtype=np.float64).T
    return Bars(start + minutes * MINUTE * np.arange(len(rows)), *columns)


def still(count: int, price: float = 100.0) -> list[tuple[float, ...]]:
    return [(price, price, price, price)] * count


def fills_of(result: Result) -> list[tuple[int, float, float, FillKind]]:
    return [(f.bar, f.quantity, pytest.approx(f.price, rel=1e-12), f.kind) for f in result.fills]


BRACKET = ((0, 1, 1.0), (1, 2, -1.0, 105.0, KEEP, 1), (1, 3, -1.0, KEEP, 95.0, 2))
WILD = (100, 106, 94, 101)


def random_bars(count: int, seed: int) -> Bars:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    opening = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0.0, 0.003, count))
    high = np.maximum(opening, close) * np.exp(rng.exponential(0.006, count))
    low = np.minimum(opening, close) * np.exp(-rng.exponential(0.006, count))
    volume = rng.exponential(40.0, count) * (rng.random(count) > 0.05)
    return Bars(5 * MINUTE * np.arange(count), opening, high, low, close, volume)


@compiled
def restless(state, bar, position, params, orders):
    """Targets and orders of every kind, drawn by a generator that lives in the state."""
    if state[0] == 0.0:
        state[0] = params[0]
    state[0] = (state[0] * 16807.0 + 11.0) % 2147483647.0
    draw = state[0] % 16.0
    close = bar[3]
    away = 1.0 + (state[0] // 16.0 % 9.0 - 4.0) * 0.004
    quantity = (state[0] // 144.0 % 7.0 - 3.0) + 0.5
    if working(orders) > 5:
        cancel(orders, int(state[1]))
    elif draw < 2.0:
        return (state[0] // 16.0 % 5.0 - 2.0) * 0.7
    elif draw < 3.0:
        market_order(orders, quantity)
    elif draw < 6.0:
        state[1] = limit_order(orders, quantity, close * away)
    elif draw < 7.0:
        stop_order(orders, quantity, close * away)
    elif draw < 8.0:
        state[1] = stop_limit_order(orders, quantity, close * away, close * (2.0 - away))
    elif draw < 9.0:
        reduce_only(orders, trailing_order(orders, quantity, close * 0.01))
    elif draw < 10.0:
        first = reduce_only(orders, limit_order(orders, -quantity, close * 1.01))
        second = reduce_only(orders, stop_order(orders, -quantity, close * 0.99))
        one_cancels_other(orders, first, second)
    return np.nan
