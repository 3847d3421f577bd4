"""What is reported of a replay in the order book, in the form of a backtest's report.

Equity is read at each step of the strategy, where it is gone, and at the end, at the mid of the
exchange's book. There
is no Sharpe ratio: steps of milliseconds over minutes cannot be annualised.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from commenda.kernel import BASIS_POINT, Array, FillSource, L2Kind
from commenda.kernel.bars import Stamps
from commenda.market import DepthQuality
from commenda.returns import max_drawdown, underwater
from commenda.strategies.depth import DepthPlan, DepthRun
from commenda.strategies.plan import Row, camel_case
from commenda.strategies.readings import (
    breakdown,
    classes,
    deepest_fall,
    exposures,
    ruin,
    sampled,
    trade_figures,
)


def depth_report(plan: DepthPlan, run: DepthRun) -> Row:
    """Everything that is shown of a replay, its inputs first."""
    record, result = plan.data.record, run.result
    stamps = np.concatenate((record.events.ts[:1], run.ts))
    curve = np.concatenate(([plan.cash], run.equity))
    prices = _traded(plan, stamps)
    holding = np.append(0.0, run.held) * record.events.lot
    exposure = exposures(holding * prices, curve)
    benchmark = _buy_and_hold(plan, prices)
    inputs, net = plan.inputs(), float(curve[-1] - curve[0])
    turnover = sum(abs(f.lots) * f.price for f in run.fills) * record.events.tick
    turnover *= record.events.lot
    sources = [str(fill.source) for fill in run.fills]
    return {
        "inputs": inputs,
        "metrics": {
            "finalEquity": float(curve[-1]),
            "profit": net,
            "totalReturn": net / plan.cash,
            "days": (int(stamps[-1]) - int(stamps[0])) / 86_400e9,
            "annualReturn": None,
            "maxDrawdown": max_drawdown(curve),
            **deepest_fall(curve, stamps),
            **ruin(curve, stamps),
            "sharpe": None,
            "sortino": None,
            "barsPerYear": None,
            "calendar": None,
            "steps": len(result.ts) - (result.ruined_at is not None),
            "targetChanges": None,
            "fundingCharged": False,
            "fundingEstimated": 0,
            "missingBars": 0,
            **trade_figures(run.trades),
            "openTrades": int(run.held[-1] != 0.0),
            "timeInMarket": float(np.mean(run.held != 0.0)),
            "averageExposure": float(exposure.mean()),
            "greatestExposure": float(np.abs(exposure).max()),
            "turnover": turnover,
            "turnoverOfEquity": turnover / float(curve.mean()) if curve.min() > 0.0 else None,
        },
        "costs": breakdown(net, result.fees, 0.0, 0.0, result.shortfall) | {"funding": None},
        "benchmark": {
            "name": inputs["data"]["symbol"] or inputs["data"]["name"],
            "finalEquity": float(benchmark[-1]),
            "totalReturn": float(benchmark[-1] / plan.cash - 1.0),
            "maxDrawdown": max_drawdown(benchmark),
            "sharpe": None,
            "sortino": None,
        },
        "execution": {
            "fills": len(run.fills),
            "makerFills": result.counts.maker_fills,
            "shortfall": result.shortfall,
            "byKind": {str(kind): sources.count(kind) for kind in FillSource if kind in sources},
            "ambiguousBars": 0,
            **{camel_case(name): count for name, count in result.counts._asdict().items()},
            "quality": quality_of(record.quality),
        },
        "months": [],
        "tradeProfits": classes([trade.profit for trade in run.trades]),
        "series": {
            "price": sampled(stamps, {"close": prices}),
            "equity": sampled(stamps, {"strategy": curve, "benchmark": benchmark}),
            "drawdown": sampled(stamps, {"drawdown": underwater(curve)}),
            "exposure": sampled(stamps, {"exposure": exposure}),
        },
        "markers": [],
    }


def quality_of(quality: DepthQuality) -> Row:
    """How far the record can be trusted; the clocks' offset in nanoseconds."""
    row = {camel_case(name): value for name, value in asdict(quality).items()}
    return row | {"clock": quality.clock and quality.clock._asdict()}


def _traded(plan: DepthPlan, stamps: Stamps) -> Array:
    """The price last traded at each moment; before the first trade the first one's."""
    events = plan.data.record.events
    trades = np.isin(events.kind, (L2Kind.SOLD, L2Kind.BOUGHT))
    rows = np.searchsorted(events.ts[trades], stamps, side="right") - 1
    return np.asarray(events.price[trades][np.maximum(rows, 0)] * events.tick, np.float64)


def _buy_and_hold(plan: DepthPlan, prices: Array) -> Array:
    """All the cash in the instrument at the first price traded, for the taker's fee."""
    units = plan.cash / (prices[0] * (1.0 + plan.rules.taker_bps * BASIS_POINT))
    return np.append(plan.cash, units * prices[1:])
