"""Cases of `test_portfolio_peers.py`, which other libraries answer, too: returns with factors."""

from __future__ import annotations

from typing import Any

import numpy as np

SHAPES = ((60, 2), (250, 4), (120, 7), (40, 12), (500, 20))
"""Periods and strategies; the last but one has a record that is short for its width."""


def cases() -> list[dict[str, Any]]:
    return [_case(number, *shape) for number, shape in enumerate(SHAPES)]


def _case(seed: int, count: int, width: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    factors = max(1, width // 3)
    loads = rng.normal(size=(factors, width))
    drift = rng.uniform(-0.05, 0.15, width)
    noise = rng.normal(size=(count, width))
    returns = 0.01 * (rng.normal(size=(count, factors)) @ loads * 0.5 + noise + drift)
    budgets = rng.dirichlet(np.full(width, 2.0))
    half = [*range(width // 2)]
    low = rng.uniform(0.0, 900.0, width)
    high = low + rng.uniform(5.0, 300.0, width)
    wanted = low + rng.uniform(0.0, 1.0, width) * (high - low)
    return {
        "returns": np.round(returns, 8).tolist(),
        "budgets": (budgets / budgets.sum()).tolist(),
        "kelly": {"fraction": 0.5, "caps": [0.6] * width, "total": 1.5},
        "quotas": {
            "weights": np.round(rng.normal(1.0 / width, 0.3, width), 6).tolist(),
            "floors": [0.2 / width] * width,
            "caps": [1.6 / width] * width,
            "total": 1.0,
            "groups": [[half, 0.1, 0.4]],
        },
        "lots": {
            "low": np.round(low, 2).tolist(),
            "high": np.round(high, 2).tolist(),
            "wanted": np.round(wanted, 2).tolist(),
            "budget": round(float(wanted.sum()) + 1.0, 2),
        },
    }
