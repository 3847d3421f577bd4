"""What is examined: a strategy, or a function that makes a program of the bars it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from commenda.kernel import Array, Bars, Program, compiled
from commenda.strategies import Strategy

START = 1_741_248_000 * 1_000_000_000  # 2025-03-06 08:00 UTC
FIVE_MINUTES = 300_000_000_000
REGIME = 100  # bars for which a trend of the sample lasts

Make = Callable[[Bars], Program]
"""A strategy as data science writes it: it sees the bars, all of them, before the first one."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A strategy with parameters over bars, ready to be examined.

    `make` gives the program for any bars. For a `strategy` that is the same one every time; for a
    function of the author's it may hold what was computed from the bars, and that is how a future
    gets in. `strategy` is None then.
    """

    name: str
    make: Make
    strategy: Strategy | None
    params: Mapping[str, object]
    bars: Bars


def subject_of(
    strategy: Strategy | Make,
    *,
    bars: Bars | None = None,
    params: Mapping[str, object] | None = None,
) -> Subject:
    """`strategy` and what it is examined with: `sample_bars` and its defaults if not given.

    Codes `unknown_parameter` and `bad_parameter`.
    """
    bars = sample_bars() if bars is None else bars
    if len(bars) < 100:
        raise ValueError(f"{len(bars)} bars are too few to examine a strategy: give 100 or more")
    given = dict(params or {})
    if isinstance(strategy, Strategy):
        program = strategy.bind(**given)
        return Subject(strategy.name, lambda _: program, strategy, given, bars)
    if given:
        raise ValueError("parameters are bound inside the function that makes the program")
    name = getattr(strategy, "__qualname__", type(strategy).__name__)
    return Subject(name, strategy, None, given, bars)


def sample_bars(count: int = 6_000, seed: int = 20_250_306) -> Bars:
    """`count` five-minute bars around 100 whose trend changes every 100 bars, drawn from `seed`.

    They move enough for a strategy to decide often. They are no market.
    """
    rng = np.random.default_rng(seed)
    drift = np.repeat(rng.normal(0.0, 1e-3, count // REGIME + 1), REGIME)[:count]
    pull = 0.0
    steps = drift + rng.normal(0.0, 2e-3, count)
    path = np.empty(count)
    for i in range(count):  # held near its beginning, so that no price runs out of range
        pull = 0.999 * pull + steps[i]
        path[i] = pull
    close = 100.0 * np.exp(path)
    opening = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opening, close) * np.exp(rng.exponential(1e-3, count))
    low = np.minimum(opening, close) * np.exp(-rng.exponential(1e-3, count))
    stamps = START + FIVE_MINUTES * np.arange(count)
    return Bars(stamps, opening, high, low, close, rng.exponential(10.0, count))


def precomputed(signals: Callable[[Bars], Array]) -> Make:
    """A function that computes all targets at once, as something that can be examined.

    `signals(bars)` gives the target of each bar (NaN keeps), as vectorised libraries do.
    """

    def make(bars: Bars) -> Program:
        targets = np.asarray(signals(bars), dtype=np.float64)
        if targets.shape != (len(bars),):
            raise ValueError(f"{make.__qualname__}: {targets.shape} targets for {len(bars)} bars")
        return Program(make.__qualname__, _next_in_params, targets, 1, 0)

    make.__qualname__ = getattr(signals, "__qualname__", "signals")
    return make


@compiled
def _next_in_params(state, bar, position, params):  # type: ignore[no-untyped-def]
    at = int(state[0])
    state[0] += 1.0
    return params[at]
