"""What backtests, studies and flows run, compiled before anybody waits for it.

numba keeps what it compiles in the cache that `commenda.kernel` names; every later process of the
same user finds it there, until the sources change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from commenda.kernel import Bars, Leg, Margin, Stepper, Terms, run, run_legs, sweep
from commenda.kernel.l2_loop import compiled_replay
from commenda.kernel.legs import legs_loop
from commenda.kernel.loop import desk_loop
from commenda.strategies.shipped import CATALOGUE

COUNT, INTERVAL = 500, 300_000_000_000


def precompile() -> Iterator[tuple[str, Callable[[], object]]]:
    """Each part by name, with what compiles it: what is asked for first before the rest.

    Best in one process: loops share functions, which are kept on the disk within each loop only,
    and compiled once for all the loops that a process compiles.
    """
    still = np.full(COUNT, 100.0)
    bars = Bars(INTERVAL * np.arange(COUNT), still, still, still, still, still)
    terms = Terms(margin=Margin(3.0))
    programs = [each.bind() for each in CATALOGUE]
    first = programs[0]
    for program, strategy in zip(programs, CATALOGUE, strict=True):
        yield strategy.name, lambda each=program: run(each, bars, cash=1e3)  # type: ignore[misc]
    yield "desk", lambda: run(first, bars, cash=1e3, terms=terms)
    yield "sweep", lambda: sweep([first], bars, cash=1e3)
    yield "two legs", lambda: run_legs([Leg(first, bars, terms=terms)] * 2, cash=1e3)
    yield "desk with orders", lambda: desk_loop(True)
    yield "two legs with orders", lambda: legs_loop(2, True)
    yield "order book", compiled_replay
    yield "stepper", lambda: _step(Stepper(first, cash=1e3))
    yield "desk, bar by bar", lambda: _step(Stepper(first, cash=1e3, terms=terms))


def _step(stepper: Stepper) -> None:
    stepper.on_bar(0, 100.0, 100.0, 100.0, 100.0, 1.0, [(0.0, 100.0)])
