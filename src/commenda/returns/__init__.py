"""Return mathematics: pure functions, no data of their own, no clock.

The performance of a strategy or a flow is time-weighted (`time_weighted_return`): what a unit of
money did, whatever came and went; `modified_dietz` is its link where values at the flows are not
known. An investor's is money-weighted (`xirr`): what their money did, when it was there; where
several rates explain the flows (`annual_rates`) that is said. Both are always named. Nothing under
a year is annualised unless asked (`annualise`), and no return is below -1: nobody loses more than
all. Risk is `max_drawdown`, `sharpe`, `sortino` and `win_rate`, and they are None where
undefined. What a product promised is compared with what it did by `grade_deviation`.

Whether a result is more than luck: `probabilistic_sharpe`, `deflated_sharpe` (the best of many) and
`minimum_track_record`; `backtest_overfitting` (PBO by CSCV); `bootstrap_interval` by blocks.
`kelly_fraction` says how much to stake, `shrunk_kelly` on an edge that is only estimated.

Statistics are floats. Deviations concern money and are Decimal.
"""

from commenda.returns.bootstrap import (
    Blocks,
    Interval,
    block_indexes,
    bootstrap_interval,
    row_sharpe,
)
from commenda.returns.calendars import Calendar, Year, year_of
from commenda.returns.kelly import edge_trust, kelly_fraction, shrunk_kelly
from commenda.returns.overfitting import Overfitting, backtest_overfitting
from commenda.returns.rules import (
    Advice,
    Deviation,
    Level,
    NavReturn,
    TimeWeighted,
    annual_rates,
    annualise,
    expected_gain,
    geometric_mean_return,
    grade_deviation,
    holding_return,
    max_drawdown,
    modified_dietz,
    nav_return,
    period_returns,
    rounding,
    sharpe,
    sortino,
    time_weighted_return,
    underwater,
    win_rate,
    xirr,
)
from commenda.returns.sharpe_tests import (
    SharpeSample,
    deflated_sharpe,
    expected_maximum,
    expected_maximum_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_sample,
)

__all__ = [
    "Advice",
    "Blocks",
    "Calendar",
    "Deviation",
    "Interval",
    "Level",
    "NavReturn",
    "Overfitting",
    "SharpeSample",
    "TimeWeighted",
    "Year",
    "annual_rates",
    "annualise",
    "backtest_overfitting",
    "block_indexes",
    "bootstrap_interval",
    "deflated_sharpe",
    "edge_trust",
    "expected_gain",
    "expected_maximum",
    "expected_maximum_sharpe",
    "geometric_mean_return",
    "grade_deviation",
    "holding_return",
    "kelly_fraction",
    "max_drawdown",
    "minimum_track_record",
    "modified_dietz",
    "nav_return",
    "period_returns",
    "probabilistic_sharpe",
    "rounding",
    "row_sharpe",
    "sharpe",
    "sharpe_sample",
    "shrunk_kelly",
    "sortino",
    "time_weighted_return",
    "underwater",
    "win_rate",
    "xirr",
    "year_of",
]
