"""How much capital each strategy trades with.

From returns to weights: `covariance` (sampled, Ledoit-Wolf, OAS), then one method (`size`):
a target volatility for each, risk budgets, hierarchical risk parity, or a fraction of Kelly; then
`Quotas`, which each and groups of them keep within, and `Easing`, which bounds what changes at
once. `nearest_lots` turns amounts into what a venue takes. `Bandit` shares capital by what
strategies have brought, round by round.

All that is pure: returns and weights are floats, amounts of money are Decimal.

A **portfolio** is one book of one person over several flows, with a leg for each and one that keeps
the cash. `rebalance` sizes it, moves cash between its legs and asks the flows to repeat their
targets; what is traded goes the way of every signal. A plan is its answer, done or not, and is kept
with its rules: `back_to` goes back to any of them.
"""

from commenda.portfolios.bandits import Arm, Bandit, BanditRules, Policy, Prior
from commenda.portfolios.books import PORTFOLIOS, request_close
from commenda.portfolios.budgets import risk_budget_weights, risk_shares, volatility
from commenda.portfolios.changes import change_portfolio, found_portfolio
from commenda.portfolios.checks import CHECKS
from commenda.portfolios.covariance import Covariance, Estimator, correlation, covariance
from commenda.portfolios.growth import kelly_weights, trusted_means
from commenda.portfolios.hierarchy import hierarchical_weights
from commenda.portfolios.lots import Compliant, Held, Wanted, nearest_lots
from commenda.portfolios.model import (
    RULES,
    Portfolio,
    PortfolioChange,
    PortfolioDraft,
    PortfolioRules,
    RebalancePlan,
)
from commenda.portfolios.plans import rebalance
from commenda.portfolios.queries import portfolio_of, portfolios_of, rebalances_of
from commenda.portfolios.records import Record, common, read_record, read_wanted, returns_of
from commenda.portfolios.rules import Easing, Quota, Quotas, target_volatility, turnover
from commenda.portfolios.sizing import Method, Sized, Sizing, SizingRules, size
from commenda.portfolios.watch import watch_drift

__all__ = [
    "CHECKS",
    "PORTFOLIOS",
    "RULES",
    "Arm",
    "Bandit",
    "BanditRules",
    "Compliant",
    "Covariance",
    "Easing",
    "Estimator",
    "Held",
    "Method",
    "Policy",
    "Portfolio",
    "PortfolioChange",
    "PortfolioDraft",
    "PortfolioRules",
    "Prior",
    "Quota",
    "Quotas",
    "RebalancePlan",
    "Record",
    "Sized",
    "Sizing",
    "SizingRules",
    "Wanted",
    "change_portfolio",
    "common",
    "correlation",
    "covariance",
    "found_portfolio",
    "hierarchical_weights",
    "kelly_weights",
    "nearest_lots",
    "portfolio_of",
    "portfolios_of",
    "read_record",
    "read_wanted",
    "rebalance",
    "rebalances_of",
    "request_close",
    "returns_of",
    "risk_budget_weights",
    "risk_shares",
    "size",
    "target_volatility",
    "trusted_means",
    "turnover",
    "volatility",
    "watch_drift",
]
