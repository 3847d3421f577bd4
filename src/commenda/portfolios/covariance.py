"""How strategies move together: the covariance of their returns, sampled or shrunk.

A sampled covariance of n strategies has n(n+1)/2 figures and is rank-deficient where the record is
no longer than n; whatever is optimised over it bets on its errors. Shrinking it towards μI, μ the
mean variance, makes it invertible and is nearer to the truth in the mean.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from commenda.kit.errors import CommendaError
from commenda.portfolios.rules import Array
from commenda.returns import rounding


class Estimator(StrEnum):
    """How a covariance is estimated."""

    SAMPLE = "sample"
    """Unbiased (ddof 1)."""
    LEDOIT_WOLF = "ledoit_wolf"
    """Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices",
    Journal of Multivariate Analysis 88, 2004."""
    OAS = "oas"
    """Chen, Wiesel, Eldar and Hero, "Shrinkage Algorithms for MMSE Covariance Estimation", IEEE
    Transactions on Signal Processing 58(10), 2010."""


class Covariance(NamedTuple):
    """Of one period's returns. `shrinkage` is the part of the target in it, 0 to 1."""

    matrix: Array
    shrinkage: float


def covariance(returns: Array, estimator: Estimator = Estimator.LEDOIT_WOLF) -> Covariance:
    """The covariance of `returns` (T periods × N strategies). Codes `bad_returns`, `no_variance`.

    Shrunk estimates start from the maximum-likelihood one (ddof 0), as their papers do. OAS leaves
    out the terms with 2/N of its paper's equation 23, as scikit-learn does: with two strategies
    they would take nearly all of the correlation away.
    """
    table = sound_returns(returns)
    count, width = table.shape
    centred = table - table.mean(axis=0)
    if estimator is Estimator.SAMPLE:
        return Covariance(centred.T @ centred / (count - 1), 0.0)
    matrix = centred.T @ centred / count
    level = float(np.trace(matrix)) / width
    strength = _SHRINKAGE[estimator](centred, matrix, level)
    shrunk = (1.0 - strength) * matrix + strength * level * np.eye(width)
    return Covariance(shrunk, strength)


def _ledoit_wolf(centred: Array, matrix: Array, level: float) -> float:
    """b²/d²: how far samples lie from their mean, over how far that lies from μI."""
    distance: float = float(np.sum(matrix**2)) - matrix.shape[0] * level**2
    if distance <= 0.0:
        return 0.0
    count = centred.shape[0]
    scatter = float(np.sum((centred**2).sum(axis=1) ** 2)) / count - float(np.sum(matrix**2))
    return float(min(scatter / count, distance) / distance)


def _oas(centred: Array, matrix: Array, level: float) -> float:
    count, width = centred.shape
    mean_square = float((matrix**2).mean())
    least = float((count + 1) * (mean_square - level**2 / width))
    return min((mean_square + level**2) / least, 1.0) if least > 0.0 else 1.0


_SHRINKAGE = {Estimator.LEDOIT_WOLF: _ledoit_wolf, Estimator.OAS: _oas}


def sound_returns(returns: Array) -> Array:
    """`returns` as a table of two periods or more; codes `bad_returns`, `no_variance`."""
    table = np.asarray(returns, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 1:
        raise CommendaError("bad_returns", "Too few returns to size by").at(
            "returns", list(table.shape), "give two periods or more of each strategy"
        )
    if not np.isfinite(table).all():
        raise CommendaError("bad_returns", "A return is not a number").at(
            "returns", None, "leave that period out, or that strategy"
        )
    flat = np.flatnonzero(table.std(axis=0, ddof=1) <= rounding(table, axis=0))
    if flat.size:
        raise CommendaError(
            "no_variance", "A strategy's returns do not vary: its risk is unknown"
        ).at("returns", int(flat[0]), "leave out what has not traded (columns count from 0)")
    return table


def correlation(matrix: Array) -> Array:
    """The correlations of a covariance, within -1 and 1."""
    deviations = np.sqrt(np.diag(matrix))
    found: Array = np.clip(matrix / np.outer(deviations, deviations), -1.0, 1.0)
    return found
