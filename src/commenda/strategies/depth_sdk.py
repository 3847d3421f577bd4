"""The author's API for the order book: a step that places and cancels orders in a recorded book.

    @depth_strategy(
        name="market_maker", version="1.0.0",
        params=[Param("lots", default=10, low=1, high=1_000, kind=int), ...],
        state_size=lambda p: 2, orders=4,
    )
    def market_maker(state, book, position, params, orders):
        ...

The step is called at the interval that the run asks for, and returns nothing: it writes to `orders`
by `l2_limit`, `l2_market` and `l2_cancel` of `commenda.kernel`, and reads `book` by `l2_bid`,
`l2_ask` and the like. `position` tells its clock, lots and cash. Prices are whole ticks, quantities
whole lots. `book` and `position` are what it can know then: late by the run's latencies.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from commenda.kernel import L2Program, compiled
from commenda.strategies.faults import declared
from commenda.strategies.sdk import Conflict, Declared, Param, Values, refuse_repeated


@dataclass(frozen=True, slots=True)
class DepthStrategy(Declared):
    """A published step that trades in the order book.

    `orders` is how many of its own it may have at a time, those just ended included; `levels` how
    many prices of each side of the book it is shown.
    """

    orders: int
    levels: int

    def code(self) -> tuple[Any, ...]:
        return *Declared.code(self), self.orders, self.levels

    def bind(self, params: Values) -> L2Program:
        """The program that the replay runs, of parameters that `resolve` answered."""
        with declared(self.step, self.identity, "state_size"):
            size = int(self.state_size(params))
        return L2Program(self.step, np.array(list(params.values())), size)


def depth_strategy(
    *,
    name: str,
    version: str,
    params: Sequence[Param],
    state_size: Callable[[Values], float],
    orders: int,
    levels: int = 5,
    check: Callable[[Values], Conflict | None] | None = None,
) -> Callable[[Callable[..., Any]], DepthStrategy]:
    """Declare the function below as a step of the order book: see the top of this page."""
    refuse_repeated(name, params)

    def declare(step: Callable[..., Any]) -> DepthStrategy:
        plain = getattr(step, "py_func", step)
        return DepthStrategy(
            name=name,
            version=version,
            doc=inspect.getdoc(plain) or "",
            params=tuple(params),
            step=step if plain is not step else compiled(step),
            state_size=state_size,
            check=check,
            source_hash="",
            orders=orders,
            levels=levels,
        ).hashed()

    return declare
