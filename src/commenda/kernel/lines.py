"""A stepper's stops for whoever looks on: where they lie, which fired, others in their place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import isnan, nan
from typing import NamedTuple

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel.bars import VOLUME, Array
from commenda.kernel.desk import open_desk
from commenda.kernel.guard import show_levels, take_over
from commenda.kernel.stepper import Stepper
from commenda.kernel.stops import LAYERS, Stops
from commenda.kernel.terms import DAY


class StopLine(NamedTuple):
    """Where a stop rests, or rested: which rule put it there, of `LAYERS`, and out of what.

    The two inputs are, of a fraction, entry price and fraction; of ATR and volatility, entry price
    and ATR or deviation; of the Chandelier, the window's extreme and the ATR; of the parabolic, the
    extreme and the acceleration; of the equity curve and the account, the equity measured from and
    the fall that is borne; of bars, how many and the entry price.
    """

    layer: str
    price: float
    first: float
    second: float


def stop_line(stepper: Stepper) -> StopLine | None:
    """The tightest stop as it lies for the next bar; None when flat or without one that has a
    price."""
    desk = stepper._desk
    if stepper.quantity == 0.0:
        return None
    if desk is None:
        price, fraction = stepper.stop_price, stepper._program.stops.fraction
        return None if isnan(price) else StopLine("fraction", price, stepper.entry_price, fraction)
    ahead = desk.tally.copy()
    show_levels(stepper._account, desk.rules, ahead)
    return None if isnan(ahead[at.LEVEL]) else _line(ahead, ahead.item(at.LEVEL))


def layer_lines(stepper: Stepper) -> list[StopLine]:
    """Each rule's own line of the position that is held, for the next bar; of what slides, the one
    that stands."""
    desk = stepper._desk
    if stepper.quantity == 0.0:
        return []
    if desk is None:
        line = stop_line(stepper)
        return [] if line is None else [line]
    found = []
    for alone in ((book.STOP,), (), (at.CURVE_DRAWDOWN,), (at.ACCOUNT_LOSS,)):
        rules, tally = desk.rules.copy(), desk.tally.copy()
        for other in (book.STOP, at.CURVE_DRAWDOWN, at.ACCOUNT_LOSS):
            if other not in alone:
                rules[other] = 0.0
        if alone:
            tally[at.TRAIL] = nan
        show_levels(stepper._account, rules, tally)
        if not isnan(tally[at.LEVEL]):
            found.append(_line(tally, tally.item(at.LEVEL)))
    if (most := bars_at_most(stepper)) > 0:
        found.append(StopLine("bars", nan, float(most), stepper.entry_price))
    return found


def fired_stop(stepper: Stepper) -> StopLine | None:
    """The stop that fired inside the last bar; None where none did, or the equity was gone."""
    if isnan(stepper._account[book.STOP_FILL]) or stepper.ruined:
        return None
    if stepper._desk is not None:
        level = stepper._desk.tally.item(at.FIRED_LEVEL)
        return _line(stepper._desk.tally, level)
    fraction, entry = stepper._program.stops.fraction, stepper._entry
    *before, last = stepper.fills
    for fill in before:
        held = fill.held - fill.quantity
        if held * fill.held <= 0.0:
            entry = fill.price
        elif abs(fill.held) > abs(held):
            entry = (held * entry + fill.quantity * fill.price) / fill.held
    side = -1.0 if last.quantity > 0.0 else 1.0
    return StopLine("fraction", entry * (1.0 - side * fraction), entry, fraction)


def closing_stop(stepper: Stepper) -> StopLine | None:
    """The stop without a price that closes the position at the next open."""
    account, desk = stepper._account, stepper._desk
    if desk is None or stepper.quantity == 0.0:
        return None
    if account[book.STOPPED] == 0.0 or account[book.PENDING] != 0.0:
        return None
    if desk.tally[at.PENDING_KIND] == book.KIND_TIME:
        return StopLine("bars", nan, float(bars_at_most(stepper)), stepper.entry_price)
    if desk.tally[at.PENDING_KIND] == book.KIND_ACCOUNT:
        loss = stepper._rules.item(at.ACCOUNT_LOSS)
        return StopLine("account", nan, desk.tally.item(at.START), loss)
    return None


def bars_at_most(stepper: Stepper) -> int:
    """For how many bars the position may be held; 0: for any number."""
    if stepper._desk is None:
        return 0
    most, left = stepper._rules.item(at.MOST_BARS), stepper._desk.tally.item(at.BARS_AT_MOST)
    return int(min(most or left, left or most))


def wants(stepper: Stepper) -> float:
    """The exposure that the account goes to at the next open, or keeps: what the strategy
    wants, unless a stop holds it flat."""
    account, desk = stepper._account, stepper._desk
    if stepper.ruined:
        return 0.0
    if desk is not None:
        if desk.tally[at.HALTED] == 1.0 or desk.tally[at.COOLING] > 0.0:
            return 0.0
        arriving = desk.tally.item(int(desk.rules[at.INFLIGHT_AT]))
        if not isnan(arriving):
            return arriving
    pending = account.item(book.PENDING)
    if not isnan(pending):
        return pending
    return 0.0 if stepper.stopped else account.item(book.STANDING)


def with_stops(
    stepper: Stepper,
    stops: Stops,
    seen: Iterable[tuple[float, float, float, float, float]] = (),
    *,
    cash: float,
    loosen: bool = False,
) -> Stepper:
    """This account and strategy under other stops from the next bar on; the stepper stays.

    Entry, bars held and extremes are carried. Indicators that the stops before had not are
    learnt from the bars `seen`, in order. `cash` is what the account was opened with. A
    position's level, and for how many bars it may be held, only get tighter, unless `loosen`;
    a halt by the account stop is over with `loosen` only.
    """
    program = replace(stepper._program, stops=replace(stops, at_desk=True))
    other = Stepper(program, cash=cash, **stepper._asked)
    new, old, carries = other._desk, stepper._desk, stepper._desk is not None
    assert new is not None, "stops at a desk"
    if old is None:
        every = stepper._asked["interval"] or DAY
        old = open_desk(
            stepper._program,
            stepper._asked["costs"],
            stepper._asked["terms"],
            cash=cash,
            interval=every,
            size=stepper._asked["size"],
        )
        new.tally[at.PEAK] = stepper.equity
    else:
        end = int(old.rules[at.GUARD_AT])
        new.tally[:end] = old.tally[:end]
        new.orders[:] = old.orders
    if loosen:
        new.tally[at.HALTED] = 0.0
    other._account[:] = stepper._account
    other._state[:] = stepper._state
    other._position[: len(stepper._position)] = stepper._position
    other._ts = stepper._ts
    rows = np.array(list(seen), dtype=np.float64).reshape(-1, VOLUME + 1)
    before = old.tally.copy()
    take_over(other._account, rows, new.rules, new.tally, old.rules, before, carries, not loosen)
    return other


def _line(tally: Array, price: float) -> StopLine:
    layer = LAYERS[int(tally[at.LEVEL_LAYER])]
    return StopLine(layer, price, tally.item(at.LEVEL_FIRST), tally.item(at.LEVEL_SECOND))
