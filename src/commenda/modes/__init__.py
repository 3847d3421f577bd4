"""One strategy in its modes: what a live flow did, held against a backtest of the same bars.

The backtest decides what the flow's strategy decided, to the last bit, where both saw the same
bars. What the creator's own book made of that is read from its records (`queries`), laid beside
the backtest's trades (`actions`), and each difference is given a cause out of a closed list
(`rules`). The causes add up to the difference of the two results exactly; what no rule explains
is called unexplained, and somebody is told (`watch`).
"""

from commenda.modes.actions import compare_flow
from commenda.modes.metrics import strategy_metrics
from commenda.modes.model import Cause, FlowComparison
from commenda.modes.queries import listed_flows
from commenda.modes.watch import open_flows, watch_flow

__all__ = [
    "Cause",
    "FlowComparison",
    "compare_flow",
    "listed_flows",
    "open_flows",
    "strategy_metrics",
    "watch_flow",
]
