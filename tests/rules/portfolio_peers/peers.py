"""What scikit-learn, skfolio, PyPortfolioOpt, cvxpy and scipy make of cases; reads and prints JSON.

Run by `test_portfolio_peers.py` in an environment of its own. `vectors.json` is what it printed:

    python peers.py < cases.json > vectors.json  # the JSON of tests.portfolio_cases.cases()
"""

import json
import sys
from importlib.metadata import version

import cvxpy as cp
import numpy as np
import pandas as pd
from pypfopt.hierarchical_portfolio import HRPOpt
from scipy.cluster.hierarchy import linkage
from scipy.optimize import Bounds, LinearConstraint, milp
from skfolio.moments import EmpiricalCovariance
from skfolio.optimization import RiskBudgeting
from skfolio.prior import EmpiricalPrior
from sklearn.covariance import OAS, LedoitWolf

TIGHT = {"tol_gap_abs": 1e-15, "tol_gap_rel": 1e-15, "tol_feas": 1e-15, "max_iter": 500}
PACKAGES = ("scikit-learn", "skfolio", "pyportfolioopt", "cvxpy", "scipy", "clarabel", "scs")


def shrunk(table):
    found = {"ledoit_wolf": LedoitWolf().fit(table), "oas": OAS().fit(table)}
    return {
        name: {"shrinkage": float(one.shrinkage_), "matrix": one.covariance_.tolist()}
        for name, one in found.items()
    }


def risk_budgets(table, budgets):
    """Of returns in percent: the weights are the same, and the solver comes nearer to them."""
    model = RiskBudgeting(
        risk_budget=np.array(budgets),
        prior_estimator=EmpiricalPrior(covariance_estimator=EmpiricalCovariance(nearest=False)),
        solver="SCS",
        solver_params={"eps": 1e-10, "max_iters": 200_000},
        scale_objective=1,
        scale_constraints=1,
    )
    return model.fit(100 * table).weights_.tolist()


def hierarchical(table):
    """The published linkage, over distances of distances; order and bisection by PyPortfolioOpt."""
    matrix = pd.DataFrame(np.cov(table, rowvar=False))
    apart = np.sqrt(np.clip((1 - np.corrcoef(table, rowvar=False)) / 2, 0, 1))
    tree = linkage(apart, "single")
    order = HRPOpt._get_quasi_diag(tree)
    return HRPOpt._raw_hrp_allocation(matrix, order).sort_index().tolist()


def kelly(table, fraction, caps, total):
    means, matrix = table.mean(axis=0), np.cov(table, rowvar=False)
    weights = cp.Variable(table.shape[1])
    # Returns of a day are small figures: the problem is the same in units of their square.
    unit = 1e4
    gain = unit * fraction * (means @ weights)
    cost = 0.5 * cp.quad_form(weights, cp.psd_wrap(unit * matrix))
    limits = [weights >= 0, weights <= np.array(caps), cp.sum(weights) <= total]
    cp.Problem(cp.Maximize(gain - cost), limits).solve(solver="CLARABEL", **TIGHT)
    return weights.value.tolist()


def quotas(weights, floors, caps, total, groups):
    found = cp.Variable(len(weights))
    limits = [found >= np.array(floors), found <= np.array(caps), cp.sum(found) == total]
    for members, floor, cap in groups:
        limits += [cp.sum(found[members]) >= floor, cp.sum(found[members]) <= cap]
    distance = cp.sum_squares(found - np.array(weights))
    cp.Problem(cp.Minimize(distance), limits).solve(solver="CLARABEL", **TIGHT)
    return found.value.tolist()


def lots(low, high, wanted, budget):
    """The least misplaced, each at its low or its high: an integer programme."""
    low, high, wanted = map(np.array, (low, high, wanted))
    gain = np.abs(wanted - low) - np.abs(high - wanted)
    done = milp(
        -gain,
        constraints=LinearConstraint((high - low)[None, :], ub=budget - low.sum()),
        bounds=Bounds(0, 1),
        integrality=np.ones(len(low)),
        options={"mip_rel_gap": 0},
    )
    return float(np.abs(wanted - low).sum() - gain @ np.round(done.x))


def answer(case):
    table = np.array(case["returns"])
    return {
        **shrunk(table),
        "equal_risk": risk_budgets(table, [1 / table.shape[1]] * table.shape[1]),
        "risk_budgets": risk_budgets(table, case["budgets"]),
        "hierarchical": hierarchical(table),
        "kelly": kelly(table, **case["kelly"]),
        "quotas": quotas(**case["quotas"]),
        "misplaced": lots(**case["lots"]),
    }


print(
    json.dumps(
        {
            "made_by": {name: version(name) for name in PACKAGES},
            "answers": [answer(case) for case in json.load(sys.stdin)],
        }
    )
)
