"""From a record of returns to weights: a method, quotas, easing, and what they come to. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Annotated

import numpy as np
from pydantic import Field

from commenda.kit.errors import CommendaError, unknown
from commenda.kit.money import quantise
from commenda.kit.wire import Amount, on_wire, one_of
from commenda.portfolios.budgets import risk_budget_weights, risk_shares, volatility
from commenda.portfolios.covariance import Estimator, covariance, sound_returns
from commenda.portfolios.growth import kelly_weights, trusted_means
from commenda.portfolios.hierarchy import hierarchical_weights
from commenda.portfolios.rules import Array, Easing, Quota, Quotas, target_volatility, turnover

_SCALE = 8
"""Decimals of an amount."""


class Method(StrEnum):
    """How weights are found."""

    EQUAL = "equal"
    TARGET_VOLATILITY = "target_volatility"
    """Each by its budget of the target over its own volatility."""
    RISK_BUDGET = "risk_budget"
    """Each brings its budget of the portfolio's risk; equal parts by default."""
    HIERARCHICAL = "hierarchical"
    """Hierarchical risk parity."""
    KELLY = "kelly"
    """A fraction of the growth optimum, over shrunk means."""


@dataclass(frozen=True, slots=True)
class SizingRules:
    """What a portfolio is sized by; what names a strategy holds for that one.

    `target_volatility` is of a year: with `target_volatility` it is needed, with `risk_budget`,
    `hierarchical` and `equal` the weights are scaled down to it, floors kept. `fraction` is
    Kelly's. `groups`: (names, floor, cap) of strategies taken together. `total`: the most that all
    weights come to; what is left is cash.
    """

    method: Method = Method.RISK_BUDGET
    estimator: Estimator = Estimator.LEDOIT_WOLF
    periods_per_year: float = 365.0
    target_volatility: float | None = None
    budgets: Mapping[str, float] = field(default_factory=dict)
    fraction: float = 0.5
    floor: float = 0.0
    cap: float = math.inf
    floors: Mapping[str, float] = field(default_factory=dict)
    caps: Mapping[str, float] = field(default_factory=dict)
    groups: Sequence[tuple[tuple[str, ...], float, float]] = ()
    total: float = 1.0
    easing: Easing = field(default_factory=Easing)

    def __post_init__(self) -> None:
        for name in ("periods_per_year", "total", "target_volatility"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0.0):
                raise CommendaError("not_positive", "It must be above 0").at(
                    name, value, "give a number above 0"
                )


@on_wire
@dataclass(frozen=True, slots=True)
class Sized:
    """One strategy's part of the capital."""

    name: str
    volatility: Annotated[float, Field(description="Sampled, of a year.")]
    actual: Annotated[float | None, Field(description="Its part now, where that was told.")]
    target: Annotated[float, Field(description="Its part by the method, within the quotas.")]
    weight: Annotated[float, Field(description="The part to go to: the target, eased.")]
    risk: Annotated[float, Field(description="Of the variance, what it brings at its weight.")]
    amount: Annotated[Amount | None, Field(description="Its weight of the capital, if told.")]


@on_wire
@dataclass(frozen=True, slots=True)
class Sizing:
    """The weights of a portfolio, and what they come to."""

    method: Annotated[str, one_of(Method)]
    estimator: Annotated[str, one_of(Estimator)]
    periods: int
    shrinkage: Annotated[float, Field(description="Of the covariance towards its mean variance.")]
    volatility: Annotated[float, Field(description="Of a year, at the weights.")]
    cash: Annotated[float, Field(description="What the weights leave of the capital.")]
    turnover: Annotated[float, Field(description="Σ|weight − actual|.")]
    strategies: tuple[Sized, ...]


def size(
    names: Sequence[str],
    returns: Array,
    rules: SizingRules,
    actual: Mapping[str, float] | None = None,
    capital: Decimal | None = None,
) -> Sizing:
    """Size strategies by their `returns` (periods × names, of one period length).

    Without `actual` weights nothing is eased: it is a beginning. Amounts of `capital` have at most
    8 decimals, and come to no more than it where the weights do not. Codes of what it uses, among
    them `bad_returns`, `no_variance`, `bad_budgets` and `quotas_do_not_meet`; `unknown_sized` for a
    name that no column has, `target_volatility_missing`.
    """
    table = sound_returns(returns)
    if table.shape[1] != len(names) or len(set(names)) != len(names):
        raise CommendaError("bad_returns", "One column of returns for each name, once").at(
            "names", list(names), f"{table.shape[1]} columns"
        )
    known = covariance(table, rules.estimator)
    quotas = _quotas(names, rules)
    target = _within(_by_method(names, table, known.matrix, quotas, rules), quotas, rules)
    before = None if actual is None else by_name(names, actual, 0.0, "actual")
    weights = target if before is None else rules.easing.toward(before, target)
    year = math.sqrt(rules.periods_per_year)
    shares, deviations = risk_shares(weights, known.matrix), table.std(axis=0, ddof=1) * year
    return Sizing(
        method=rules.method.value,
        estimator=rules.estimator.value,
        periods=table.shape[0],
        shrinkage=known.shrinkage,
        volatility=volatility(weights, known.matrix) * year,
        cash=1.0 - float(weights.sum()),
        turnover=turnover(np.zeros_like(weights) if before is None else before, weights),
        strategies=tuple(
            Sized(
                name,
                float(deviations[i]),
                None if before is None else float(before[i]),
                float(target[i]),
                float(weights[i]),
                float(shares[i]),
                None if capital is None else _amount(float(weights[i]), capital),
            )
            for i, name in enumerate(names)
        ),
    )


def equal(
    names: Sequence[str],
    rules: SizingRules,
    actual: Mapping[str, float] | None = None,
    fixed: Mapping[str, float] | None = None,
) -> Sizing:
    """Equal weights, or `fixed` ones, within the quotas and eased: what needs no record.

    Of their risk nothing is known: those figures are 0.
    """
    quotas = _quotas(names, rules)
    if fixed is None:
        target = _within(np.full(len(names), rules.total / len(names)), quotas, rules)
    else:
        target = by_name(names, fixed, 0.0, "fixed")
    before = None if actual is None else by_name(names, actual, 0.0, "actual")
    weights = target if before is None else rules.easing.toward(before, target)
    start = np.zeros_like(weights) if before is None else before
    rows = zip(names, target, weights, start, strict=True)
    return Sizing(
        method=Method.EQUAL.value,
        estimator=rules.estimator.value,
        periods=0,
        shrinkage=0.0,
        volatility=0.0,
        cash=1.0 - float(weights.sum()),
        turnover=turnover(start, weights),
        strategies=tuple(
            Sized(name, 0.0, float(was), float(aim), float(weight), 0.0, None)
            for name, aim, weight, was in rows
        ),
    )


def _amount(weight: float, capital: Decimal) -> Decimal:
    return quantise(Decimal(weight) * capital, _SCALE, ROUND_DOWN)


def by_name(names: Sequence[str], given: Mapping[str, float], default: float, told: str) -> Array:
    """A figure for each name; code `unknown_sized` for one that is not there."""
    for one in given:
        if one not in names:
            raise unknown("sized", one, told, f"there are {', '.join(names[:20])}")
    return np.array([given.get(name, default) for name in names], dtype=np.float64)


def _quotas(names: Sequence[str], rules: SizingRules) -> Quotas:
    groups = []
    for members, floor, cap in rules.groups:
        chosen = by_name(names, dict.fromkeys(members, 1.0), 0.0, "groups")
        groups.append(Quota(tuple(int(i) for i in np.flatnonzero(chosen)), floor, cap))
    return Quotas(
        by_name(names, rules.floors, rules.floor, "floors"),
        by_name(names, rules.caps, rules.cap, "caps"),
        tuple(groups),
    )


def _by_method(
    names: Sequence[str], table: Array, matrix: Array, quotas: Quotas, rules: SizingRules
) -> Array:
    year = math.sqrt(rules.periods_per_year)
    told = by_name(names, rules.budgets, 0.0 if rules.budgets else 1.0, "budgets")
    budgets = told if told.sum() <= 0.0 else told / told.sum()
    if rules.method is Method.KELLY:
        caps = np.minimum(quotas.caps, rules.total)
        return kelly_weights(
            trusted_means(table),
            matrix,
            fraction=rules.fraction,
            floors=quotas.floors,
            caps=np.maximum(caps, quotas.floors),
            total=max(rules.total, float(quotas.floors.sum())),
        )
    if rules.method is Method.TARGET_VOLATILITY:
        if rules.target_volatility is None:
            raise CommendaError("target_volatility_missing", "This method needs a target").at(
                "target_volatility", None, "0.15 is 15 % a year"
            )
        deviations = table.std(axis=0, ddof=1) * year
        return target_volatility(budgets, deviations, rules.target_volatility, quotas.caps)
    if rules.method is Method.RISK_BUDGET:
        found = risk_budget_weights(matrix, budgets)
    elif rules.method is Method.HIERARCHICAL:
        found = hierarchical_weights(matrix)
    else:
        found = np.full(len(names), 1.0 / len(names))
    found = _within(found * rules.total, quotas, rules)
    told_target = rules.target_volatility
    if told_target is None or not found.any():
        return found
    return found * min(told_target / (volatility(found, matrix) * year), 1.0)


def _within(weights: Array, quotas: Quotas, rules: SizingRules) -> Array:
    """The nearest within the quotas, as much in all as was found and they and `total` let."""
    low, high = quotas.room()
    return quotas.nearest(weights, min(max(float(weights.sum()), low), high, rules.total))
