"""A flow against its backtest over HTTP: for its creator, and for the staff."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.web import GUARDED, Served, problems, routes
from commenda.modes.actions import compare_flow
from commenda.modes.metrics import StrategyMetrics, strategy_metrics
from commenda.modes.model import FlowComparison
from commenda.modes.watch import MOST_BARS

router = routes("co-trading", "/co-trading")
metrics_router = routes("metrics", "/metrics")
Quant = Annotated[Principal, may(Permission.SHARE, Permission.OVERVIEW)]
"""Creators see their own flows; the staff sees all."""
StrategyId = Annotated[
    str, Path(max_length=80, pattern=r"^[^\x00]*$", description="Its id, or its name.")
]


@router.get(
    "/flows/{flow_id}/comparison",
    operation_id="compareSharedFlow",
    responses=GUARDED | problems(404, 409, 422),
)
def flow_comparison(service: Served, who: Quant, flow_id: UUID) -> FlowComparison:
    """A flow against a backtest over the bars that it saw: how many decisions agree, and by which
    causes the results of its creator's own book and of the backtest differ."""
    creator = None if who.may(Permission.OVERVIEW) else who.user_id
    with service.database.read() as tx:
        return compare_flow(tx, flow_id, creator=creator, most=MOST_BARS)


@metrics_router.get(
    "/strategy/{strategy_id}", operation_id="getStrategyMetrics", responses=GUARDED | problems(404)
)
def metrics_of_strategy(service: Served, who: Quant, strategy_id: StrategyId) -> StrategyMetrics:
    """Return, Sharpe ratio, drawdown, hit rate, turnover and costs of a strategy's open flows over
    four windows, the backtest's beside each. By the strategy's id or its name; creators see their
    own flows."""
    creator = None if who.may(Permission.OVERVIEW) else who.user_id
    with service.database.read() as tx:
        return strategy_metrics(tx, strategy_id, creator)
