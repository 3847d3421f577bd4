"""The random processes of a simulated market: each a function of a generator and its parameters.

Times are in seconds, so that a process looks the same at every bar interval.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from commenda.market.track import Array


def generator(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for each (seed, name). PCG64 by name: numpy's default may change."""
    return np.random.Generator(np.random.PCG64([seed, *name.encode()]))


def markov_states(
    rng: np.random.Generator, steps: int, step: int, mean_stay: Array, successor: Array, first: int
) -> npt.NDArray[np.int8]:
    """The state at each step of a Markov chain.

    A state ends with chance step / `mean_stay` at each step; `successor[i]` has the chances of
    the states that follow state i.
    """
    ends = np.minimum(1.0, step / mean_stay).tolist()
    cumulative = np.cumsum(successor, axis=1)
    draws = rng.random((steps, 2)).tolist()
    states = np.empty(steps, np.int8)
    state = first
    for i, (stay, choice) in enumerate(draws):
        if i > 0 and stay < ends[state]:
            state = min(int(np.searchsorted(cumulative[state], choice, "right")), len(ends) - 1)
        states[i] = state
    return states


def mean_reverting(rng: np.random.Generator, steps: int, step: int, half_life: float) -> Array:
    """An Ornstein-Uhlenbeck process around 0 with standard deviation 1, begun at rest."""
    keep = 0.5 ** (step / half_life)
    push = np.sqrt(1 - keep**2)
    values = np.empty(steps)
    value = 0.0
    for i, shock in enumerate(rng.standard_normal(steps).tolist()):
        value = keep * value + push * shock
        values[i] = value
    return values


def jumps(rng: np.random.Generator, steps: int, substeps: int, chance: float) -> Array:
    """Standard normal jumps, each in one random sub-step; a step has one with `chance`."""
    sizes = np.zeros((steps, substeps))
    struck = np.flatnonzero(rng.random(steps) < chance)
    sizes[struck, rng.integers(0, substeps, struck.size)] = rng.standard_normal(struck.size)
    return sizes
