"""Return mathematics: pure functions, no data of their own, no clock.

The performance of a strategy or a flow is time-weighted (`time_weighted_return`): what a unit of
money did, whatever came and went. An investor's is money-weighted (`xirr`): what their money did,
when it was there. Both are always named. Nothing under a year is annualised unless asked
(`annualise`). Risk is `max_drawdown`, `sharpe`, `sortino` and `win_rate`, and they are None where
undefined. What a product promised is compared with what it did by `grade_deviation`.

Statistics are floats. Deviations concern money and are Decimal.
"""

from commenda.returns.rules import (
    Advice,
    Deviation,
    Level,
    NavReturn,
    TimeWeighted,
    annualise,
    expected_gain,
    geometric_mean_return,
    grade_deviation,
    holding_return,
    max_drawdown,
    nav_return,
    period_returns,
    sharpe,
    sortino,
    time_weighted_return,
    win_rate,
    xirr,
)

__all__ = [
    "Advice",
    "Deviation",
    "Level",
    "NavReturn",
    "TimeWeighted",
    "annualise",
    "expected_gain",
    "geometric_mean_return",
    "grade_deviation",
    "holding_return",
    "max_drawdown",
    "nav_return",
    "period_returns",
    "sharpe",
    "sortino",
    "time_weighted_return",
    "win_rate",
    "xirr",
]
