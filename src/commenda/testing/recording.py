"""Raw decisions: what a step answers at each bar, before the account makes anything of it.

The account keeps a standing target and passes over what repeats it, so it can hide a decision that
changed. Here every answer is kept, with the position that the step was shown for it. Positions
follow from bars and earlier decisions alone: as long as two runs decide alike, they are shown the
same positions. So a run is recorded once, bar by bar, and may be repeated up to any bar in one
compiled loop without an account, where the first answer that differs is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from commenda.kernel import Array, Bars, Costs, Decision, Program, Stepper, compiled

CASH = 10_000.0
COSTS = Costs()
NO_ORDERS = np.empty((0, 0))


class Answers(NamedTuple):
    """What a step answered at each bar: its target, and the orders as it left them.

    `orders` has the table of each bar, one below the other; a step without orders has none.
    """

    targets: Array
    orders: Array


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A run bar by bar: the `answers`, what was shown for them, and what the account made of them.

    `positions` and `orders` are what the step saw; `written` names the first bar at which it wrote
    where it may not, and what it wrote to.
    """

    answers: Answers
    positions: Array
    orders: Array
    equity: Array
    targets: Array
    account: Array
    written: tuple[int, str] | None


def record(program: Program, bars: Bars) -> Recording:
    """Run `program` over `bars` in the stepper and keep what it answers."""
    answers: list[float] = []
    positions: list[Array] = []
    shown: list[Array] = []
    left: list[Array] = []
    written: list[tuple[int, str]] = []
    step = program.step

    def recording(
        state: Array, bar: Array, position: Array, params: Array, orders: Array = NO_ORDERS
    ) -> float:
        given = {"bar": bar, "position": position, "params": params}
        before = {name: array.tobytes() for name, array in given.items()}
        positions.append(position.copy())
        shown.append(orders.copy())
        table = (orders,) if program.orders else ()
        answers.append(float(step(state, bar, position, params, *table)))
        left.append(orders.copy())
        for name, array in given.items():
            if array.tobytes() != before[name]:
                written.append((len(answers) - 1, name))
                array[:] = np.frombuffer(before[name])
        return answers[-1]

    stepper = Stepper(replace(program, step=recording), cash=CASH, costs=COSTS)
    equity, targets = np.empty(len(bars)), np.empty(len(bars))
    for i, decision in enumerate(advance(stepper, bars)):
        equity[i], targets[i] = stepper.equity, decision.target
    return Recording(
        answers=Answers(np.array(answers), np.array(left)),
        positions=np.array(positions),
        orders=np.array(shown),
        equity=equity,
        targets=targets,
        account=stepper.account,
        written=written[0] if written else None,
    )


def advance(stepper: Stepper, bars: Bars) -> Iterator[Decision]:
    """What `stepper` decides at each bar, in turn."""
    return (show(stepper, bars, at) for at in range(len(bars)))


def show(stepper: Stepper, bars: Bars, at: int) -> Decision:
    """What `stepper` decides at bar number `at`."""
    return stepper.on_bar(
        int(bars.ts[at]),
        float(bars.open[at]),
        float(bars.high[at]),
        float(bars.low[at]),
        float(bars.close[at]),
        float(bars.volume[at]),
    )


def rows_of(bars: Bars) -> Array:
    """The `bar` array of each bar, one below the other."""
    return np.column_stack((bars.open, bars.high, bars.low, bars.close, bars.volume))


def replay(program: Program, step: Any, rows: Array, shown: Recording, start: int = 0) -> Answers:
    """What `step` answers to `rows` from an empty memory, shown what was shown from bar `start` on.

    `step` is the program's, or the plain function under it.
    """
    until = start + len(rows)
    positions, tables = shown.positions[start:until], shown.orders[start:until]
    answers = Answers(np.empty(len(rows)), tables.copy())
    loop = _replay_orders if program.orders else _replay
    run_through = loop if hasattr(step, "py_func") else loop.py_func
    state, params = program.new_state(), program.params.copy()
    run_through(step, state, rows, positions, params, answers.orders, answers.targets)
    return answers


def first_difference(one: Answers, other: Answers) -> int | None:
    """Number of the first bar, of those both have, at which two runs answer differently."""
    count = min(len(one.targets), len(other.targets))
    differ = _differ(one.targets[:count], other.targets[:count])
    if one.orders.size:
        differ |= _differ(one.orders[:count], other.orders[:count]).any(axis=(1, 2))
    return int(np.argmax(differ)) if differ.any() else None


def _differ(one: Array, other: Array) -> npt.NDArray[np.bool_]:
    """Where they do; NaN equals NaN."""
    return np.asarray((one != other) & ~(np.isnan(one) & np.isnan(other)))


@compiled
def _replay(step, state, rows, positions, params, tables, targets):  # type: ignore[no-untyped-def]
    bar, position = rows[0].copy(), positions[0].copy()
    for i in range(rows.shape[0]):
        bar[:] = rows[i]
        position[:] = positions[i]
        targets[i] = step(state, bar, position, params)


@compiled
def _replay_orders(step, state, rows, positions, params, tables, targets):  # type: ignore[no-untyped-def]
    bar, position = rows[0].copy(), positions[0].copy()
    for i in range(rows.shape[0]):
        bar[:] = rows[i]
        position[:] = positions[i]
        targets[i] = step(state, bar, position, params, tables[i])
