"""Portfolios in which each strategy brings a given part of the risk.

Long only. The risk that i brings is w_i (Σw)_i / w'Σw; these add up to 1 (Euler).
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kit.errors import CommendaError
from commenda.portfolios.rules import Array, Numbers, sound_budgets

_MOST_STEPS = 200
_TOLERANCE = 1e-14
_SMALLEST_PART = 1e-6


def risk_shares(weights: Numbers, covariance: Array) -> Array:
    """The part of the variance that each strategy brings; some may be below 0."""
    each = np.asarray(weights, dtype=np.float64)
    marginal = covariance @ each
    variance = float(each @ marginal)
    found: Array = each * marginal / variance if variance > 0.0 else np.zeros_like(each)
    return found


def volatility(weights: Numbers, covariance: Array) -> float:
    """Of the portfolio, in the covariance's period."""
    each = np.asarray(weights, dtype=np.float64)
    return math.sqrt(max(0.0, float(each @ covariance @ each)))


def risk_budget_weights(covariance: Array, budgets: Numbers | None = None) -> Array:
    """Weights that add up to 1, by which each brings its part of the risk; equal parts by default.

    They are y/Σy for the one minimum of ½ y'Σy − Σ b_i ln y_i, found by Newton's steps
    (Spinu, "An Algorithm for Computing Risk Parity Weights", 2013). Whose budget is 0 has no
    weight. Codes `bad_budgets`, `not_positive_definite`.
    """
    width = covariance.shape[0]
    wanted = sound_budgets(np.ones(width) if budgets is None else budgets)
    if wanted.size != width:
        raise CommendaError("bad_budgets", "One budget for each strategy").at(
            "budgets", wanted.tolist(), f"give {width} of them"
        )
    taking = np.flatnonzero(wanted)
    found = np.zeros(width)
    found[taking] = _solve(covariance[np.ix_(taking, taking)], wanted[taking] / wanted.sum())
    return found


def _solve(covariance: Array, budgets: Array) -> Array:
    # In units of each one's deviation the problem is that of the correlations, and well scaled.
    deviations = np.sqrt(np.diag(covariance))
    if not (deviations > 0.0).all():
        raise _indefinite()
    matrix = covariance / np.outer(deviations, deviations)
    if np.linalg.eigvalsh(matrix)[0] < -1e-10:
        raise _indefinite()

    def value(at: Array) -> float:
        return float(at @ matrix @ at / 2.0 - budgets @ np.log(at))

    weights = np.sqrt(budgets)
    for _ in range(_MOST_STEPS):
        gradient = matrix @ weights - budgets / weights
        if np.abs(weights * gradient).max() < _TOLERANCE:
            break
        step = np.linalg.solve(matrix + np.diag(budgets / weights**2), gradient)
        part, slope, before = 1.0, float(gradient @ step), value(weights)
        while (weights <= part * step).any() or (
            part > _SMALLEST_PART and value(weights - part * step) > before - part * slope / 4.0
        ):
            part /= 2.0
        weights = weights - part * step
    found: Array = weights / deviations / (weights / deviations).sum()
    return found


def _indefinite() -> CommendaError:
    return CommendaError("not_positive_definite", "The covariance is none: it has no risk").at(
        "covariance", None, "shrink it, or leave out what does not vary"
    )
