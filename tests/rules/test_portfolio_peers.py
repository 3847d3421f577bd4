"""Sizing held against scikit-learn, skfolio, PyPortfolioOpt, cvxpy and scipy's integer programmes.

What they made of the cases is committed (`portfolio_peers/vectors.json`, with their versions and
the script). Where a package index is reachable they are asked again.
"""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.environments import environment
from tests.portfolio_cases import cases

from commenda.portfolios import (
    Estimator,
    Quota,
    Quotas,
    Wanted,
    covariance,
    hierarchical_weights,
    kelly_weights,
    nearest_lots,
    risk_budget_weights,
)

PEERS = Path(__file__).parent / "portfolio_peers"
VECTORS = json.loads((PEERS / "vectors.json").read_text())
CASES = list(zip(cases(), VECTORS["answers"], strict=True))
each_case = pytest.mark.parametrize(("case", "answer"), CASES)


@each_case
@pytest.mark.parametrize("estimator", [Estimator.LEDOIT_WOLF, Estimator.OAS])
def test_a_covariance_is_shrunk_as_by_scikit_learn(
    case: dict[str, Any], answer: dict[str, Any], estimator: Estimator
) -> None:
    found, theirs = covariance(np.array(case["returns"]), estimator), answer[estimator.value]
    assert found.shrinkage == pytest.approx(theirs["shrinkage"], abs=1e-9)
    np.testing.assert_allclose(found.matrix, theirs["matrix"], rtol=1e-9, atol=1e-15)


@each_case
@pytest.mark.parametrize("method", ["equal_risk", "risk_budgets"])
def test_risk_budgets_are_those_of_skfolio(
    case: dict[str, Any], answer: dict[str, Any], method: str
) -> None:
    matrix = covariance(np.array(case["returns"]), Estimator.SAMPLE).matrix
    budgets = case["budgets"] if method == "risk_budgets" else None
    assert risk_budget_weights(matrix, budgets) == pytest.approx(answer[method], abs=1e-6)


@each_case
def test_hierarchical_weights_are_those_of_pyportfolioopt(
    case: dict[str, Any], answer: dict[str, Any]
) -> None:
    matrix = covariance(np.array(case["returns"]), Estimator.SAMPLE).matrix
    assert hierarchical_weights(matrix) == pytest.approx(answer["hierarchical"], abs=1e-9)


@each_case
def test_half_kelly_within_caps_is_the_quadratic_programmes(
    case: dict[str, Any], answer: dict[str, Any]
) -> None:
    table = np.array(case["returns"])
    given = {**case["kelly"], "caps": np.array(case["kelly"]["caps"])}
    matrix = covariance(table, Estimator.SAMPLE).matrix
    found = kelly_weights(table.mean(axis=0), matrix, **given)
    assert found == pytest.approx(answer["kelly"], abs=1e-6)


@each_case
def test_quotas_hold_the_nearest_weights_of_the_quadratic_programme(
    case: dict[str, Any], answer: dict[str, Any]
) -> None:
    given = case["quotas"]
    groups = tuple(Quota(tuple(members), low, high) for members, low, high in given["groups"])
    floors, caps = np.array(given["floors"]), np.array(given["caps"])
    found = Quotas(floors, caps, groups).nearest(given["weights"], given["total"])
    assert found == pytest.approx(answer["quotas"], abs=1e-6)


@each_case
def test_the_best_lots_are_the_integer_programmes(
    case: dict[str, Any], answer: dict[str, Any]
) -> None:
    given = {name: case["lots"][name] for name in ("low", "high", "wanted")}
    rows = [[Decimal(str(one)) for one in row] for row in zip(*given.values(), strict=True)]
    # A lot of what is between the two, that begins at the lower one.
    wanted = [
        Wanted(str(i), amount - low, Decimal(1), high - low)
        for i, (low, high, amount) in enumerate(rows)
    ]
    budget = Decimal(str(case["lots"]["budget"])) - sum(low for low, _, _ in rows)
    found = nearest_lots(wanted, budget)
    assert found.gap == 0
    assert float(found.misplaced) == pytest.approx(answer["misplaced"], abs=1e-6)


def test_the_committed_answers_are_those_of_the_packages() -> None:
    made_by = VECTORS["made_by"]
    python = environment(*(f"{name}=={made_by[name]}" for name in made_by))
    done = subprocess.run(
        [python, "-W", "ignore", PEERS / "peers.py"],
        input=json.dumps(cases()),
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    again = json.loads(done.stdout)
    assert again["made_by"] == made_by
    for found, kept in zip(again["answers"], VECTORS["answers"], strict=True):
        for name, answer in kept.items():
            assert _flat(found[name]) == pytest.approx(_flat(answer), abs=1e-7), name


def _flat(answer: Any) -> list[float]:
    if isinstance(answer, dict):
        return [one for value in answer.values() for one in _flat(value)]
    return np.ravel(answer).tolist()
