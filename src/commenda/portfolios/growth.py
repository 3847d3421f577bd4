"""How much to stake on several strategies at once: Kelly's growth optimum, with doubt.

The growth rate of a portfolio f is about f'μ − ½ f'Σf (returns and μ of one period). Full Kelly
stakes Σ⁻¹μ; an estimated μ makes that far too much. So each mean is shrunk by what its own error
leaves of it (`edge_trust`), Σ is a shrunk one, and only a fraction is staked: f'μ·c − ½ f'Σf.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from commenda.kit.errors import CommendaError
from commenda.portfolios.rules import Array, Numbers, level
from commenda.returns import edge_trust

_MOST_STEPS = 20_000
_STILL = 1e-13


def trusted_means(returns: Array) -> Array:
    """The mean return of each strategy (a column), shrunk towards 0 by its own error."""
    means = returns.mean(axis=0)
    errors = returns.std(axis=0, ddof=1) / np.sqrt(returns.shape[0])
    trust = [edge_trust(float(m), float(e)) for m, e in zip(means, errors, strict=True)]
    found: Array = means * np.array(trust)
    return found


def kelly_weights(
    means: Numbers,
    covariance: Array,
    *,
    fraction: float = 0.5,
    floors: Array | None = None,
    caps: Array | None = None,
    total: float = 1.0,
) -> Array:
    """Weights from 0 up that grow fastest at a `fraction` of Kelly; they add up to `total` at most.

    `means` and `covariance` are of one period. What no strategy has an edge for stays cash. A
    fraction of 1 is full Kelly; within bounds a fraction c is the optimum of who is 1/c times as
    averse to variance. Code `bad_fraction`.
    """
    if not 0.0 < fraction <= 1.0:
        raise CommendaError("bad_fraction", "A part of Kelly's stake is above 0 and at most 1").at(
            "fraction", fraction, "0.5 is half Kelly"
        )
    gain = fraction * np.asarray(means, dtype=np.float64)
    low = np.zeros_like(gain) if floors is None else floors
    high = np.full_like(gain, total) if caps is None else np.minimum(caps, np.maximum(low, total))

    def within(weights: Array) -> Array:
        inside: Array = np.clip(weights, low, high)
        return inside if inside.sum() <= total else level(weights, low, high, total)

    return _polish(_climb(gain, covariance, within), gain, covariance, low, high, total)


def _climb(gain: Array, covariance: Array, within: Callable[[Array], Array]) -> Array:
    """Projected gradient steps with momentum that starts anew where it leads astray (Beck and
    Teboulle 2009; O'Donoghue and Candès 2015)."""
    pace = 1.0 / float(np.linalg.eigvalsh(covariance)[-1])
    weights = ahead = within(np.zeros_like(gain))
    momentum = 1.0
    for _ in range(_MOST_STEPS):
        after = within(ahead + pace * (gain - covariance @ ahead))
        change = after - weights
        if np.abs(change).max() <= _STILL and np.abs(after - ahead).max() <= _STILL:
            break
        if (ahead - after) @ change > 0.0:
            momentum = 1.0
        following = (1.0 + np.sqrt(1.0 + 4.0 * momentum**2)) / 2.0
        ahead = after + (momentum - 1.0) / following * change
        weights, momentum = after, following
    return weights


def _polish(
    weights: Array, gain: Array, covariance: Array, low: Array, high: Array, total: float
) -> Array:
    """The exact optimum where the same weights stand at their bounds, if that is one."""
    near = 1e-7 * max(1.0, total)
    free = (weights > low + near) & (weights < high - near)
    full = int(weights.sum() > total - near)
    if not free.any():
        return weights
    held = np.where(weights <= low + near, low, high)
    size = int(free.sum())
    system = np.zeros((size + full, size + full))
    system[:size, :size] = covariance[np.ix_(free, free)]
    right = np.append(gain[free] - covariance[np.ix_(free, ~free)] @ held[~free], [0.0] * full)
    if full:
        system[size, :size] = system[:size, size] = 1.0
        right[size] = total - held[~free].sum()
    try:
        exact = np.where(free, 0.0, held)
        exact[free] = np.linalg.solve(system, right)[:size]
    except np.linalg.LinAlgError:
        return weights
    inside = (exact >= low).all() and (exact <= high).all() and exact.sum() <= total + 1e-12
    return exact if inside and np.abs(exact - weights).max() < 1e-4 else weights
