"""Bayesian optimisation by a Gaussian process, as a sampler for Optuna.

Optuna's own wants torch and scipy, which together are many times the size of everything else here;
for a few parameters and some hundred trials numpy does. Matérn 5/2 with a length for each
dimension, the lengths and the noise by marginal likelihood, expected improvement as what to seek:
Snoek, Larochelle and Adams, "Practical Bayesian Optimization of Machine Learning Algorithms", 2012.
Trials that still run are believed to be as good as predicted, so that a batch spreads out (the
kriging believer of Ginsbourger, Le Riche and Carraro, 2010).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from commenda.kernel import Array
from commenda.studies.model import Plan
from commenda.studies.space import Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

STARTUP = 10
CANDIDATES = 600
MOST_POINTS = 200
"""Trials that the process is fitted to, the best and the latest: the fit costs their cube."""


def gaussian_sampler(plan: Plan, space: Space) -> BaseSampler:
    """The sampler for a plan with one objective."""
    return _GaussianSampler(plan, space)


class _GaussianSampler(BaseSampler):
    def __init__(self, plan: Plan, space: Space) -> None:
        self._space = space
        self._sign = 1.0 if plan.aims[0].maximise else -1.0
        self._seed = plan.seed
        self._random = RandomSampler(seed=plan.seed)
        self._fitted: tuple[int, Array] | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return dict(done[0].distributions) if len(done) >= STARTUP else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        chosen = _best_and_latest(done, self._sign)
        values = self._sign * np.array([one.value for one in chosen], dtype=np.float64)
        # What was refused or given up is as bad as the worst, or it would be asked for again.
        bad = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))[-MOST_POINTS // 2 :]
        points = np.array([self._space.units(one.params) for one in (*chosen, *bad)])
        values = np.concatenate([values, np.full(len(bad), values.min())])
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        waiting = [one for one in running if one.params and one.number != trial.number]
        pending = np.array([self._space.units(one.params) for one in waiting])
        rng = np.random.default_rng([self._seed, trial.number])
        scores = _normal_scores(values)
        # The lengths change slowly: once for every ten trials is enough.
        if self._fitted is None or len(done) >= self._fitted[0] + 10:
            self._fitted = (len(done), fit_lengths(points, scores, rng))
        unit = seek(points, scores, pending, self._fitted[1], rng)
        found = {}
        for dimension, share in zip(self._space.dimensions, unit.tolist(), strict=True):
            value = dimension.at(share)
            whole = dimension.whole and not dimension.choices
            found[dimension.name] = int(value) if whole else value
        return found

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def _best_and_latest(done: Sequence[FrozenTrial], sign: float) -> list[FrozenTrial]:
    if len(done) <= MOST_POINTS:
        return list(done)
    half = MOST_POINTS // 2
    ranked = sorted(done[:-half], key=lambda one: sign * (one.value or 0.0), reverse=True)
    return [*ranked[:half], *done[-half:]]


def _normal_scores(values: Array) -> Array:
    """Values with mean 0 and deviation 1, the worst tenth cut off: a ruin is not worth fitting."""
    cut = np.maximum(values, np.quantile(values, 0.1))
    scores: Array = (cut - cut.mean()) / max(float(cut.std()), 1e-12)
    return scores


def matern(left: Array, right: Array, lengths: Array) -> Array:
    """Matérn 5/2 covariance of the rows of two tables of points."""
    difference = (left[:, None, :] - right[None, :, :]) / lengths
    distance = np.sqrt(5.0 * (difference**2).sum(axis=2))
    covariance: Array = (1.0 + distance + distance**2 / 3.0) * np.exp(-distance)
    return covariance


def fit_lengths(points: Array, scores: Array, rng: np.random.Generator) -> Array:
    """The length of each dimension and, last, the noise's variance, of the greatest likelihood.

    Drawn by log over plausible ranges, then the best of them moved about a little.
    """
    dimensions = points.shape[1]

    def likelihood(logs: Array) -> float:
        covariance = matern(points, points, np.exp(logs[:-1]))
        covariance[np.diag_indices_from(covariance)] += np.exp(logs[-1])
        lower = np.linalg.cholesky(covariance)
        solved = np.linalg.solve(lower, scores)
        return float(-0.5 * solved @ solved - np.log(np.diag(lower)).sum())

    low = np.array([math.log(0.05)] * dimensions + [math.log(1e-4)])
    high = np.array([math.log(3.0)] * dimensions + [math.log(1.0)])
    draws = low + (high - low) * rng.random((24, dimensions + 1))
    best = max(draws, key=likelihood)
    reached = likelihood(best)
    for scale in (0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.12, 0.12, 0.12, 0.06, 0.06, 0.06):
        moved = np.clip(best + scale * rng.normal(size=best.size), low, high)
        found = likelihood(moved)
        if found > reached:
            best, reached = moved, found
    hyper: Array = np.exp(best)
    return hyper


def seek(
    points: Array, scores: Array, pending: Array, hyper: Array, rng: np.random.Generator
) -> Array:
    """The point of the unit cube from which most improvement is to be expected."""
    dimensions = points.shape[1]
    lengths, noise = hyper[:-1], hyper[-1]
    if pending.size:
        believed, _ = predict(points, scores, pending, lengths, noise)
        points, scores = np.vstack([points, pending]), np.concatenate([scores, believed])
    home = points[int(np.argmax(scores))]
    near = np.clip(home + 0.1 * rng.normal(size=(CANDIDATES // 2, dimensions)), 0.0, 1.0)
    candidates = np.vstack([rng.random((CANDIDATES // 2, dimensions)), near])
    mean, deviation = predict(points, scores, candidates, lengths, noise)
    best: Array = candidates[int(np.argmax(expected_improvement(mean, deviation, scores.max())))]
    return best


def predict(
    points: Array, scores: Array, asked: Array, lengths: Array, noise: float
) -> tuple[Array, Array]:
    """Mean and deviation that the process gives for the points asked."""
    covariance = matern(points, points, lengths)
    covariance[np.diag_indices_from(covariance)] += noise
    lower = np.linalg.cholesky(covariance)
    solved = np.linalg.solve(lower, np.column_stack([matern(points, asked, lengths), scores]))
    across = solved[:, :-1]
    mean: Array = across.T @ solved[:, -1]
    left = np.maximum(1.0 - (across**2).sum(axis=0), 1e-12)
    return mean, np.sqrt(left)


def expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """How much above `best` a draw from each normal is to be expected."""
    distance = (mean - best) / deviation
    density = np.exp(-0.5 * distance**2) / math.sqrt(2.0 * math.pi)
    below = 0.5 * (1.0 + np.array([math.erf(one / math.sqrt(2.0)) for one in distance]))
    expected: Array = deviation * (distance * below + density)
    return expected
