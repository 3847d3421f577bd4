"""What is reported of a backtest: figures and short series, as plain JSON data.

Pure: a plan and its run in, a `Row` out, which the page, the command line and the stored run all
read. Ratios are fractions, money is in quote currency, moments are ISO 8601 in UTC. A bar's equity
is known at its close, so it stands at open + interval; the curve begins with the cash at the first
bar's open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from commenda.kernel import Array, Bars, Counts, Fill
from commenda.kernel.bars import Stamps
from commenda.returns import annualise, underwater
from commenda.strategies.backtest import Backtest, Trade, ratios
from commenda.strategies.benchmark import buy_and_hold
from commenda.strategies.funding import nanoseconds
from commenda.strategies.legs import LegRun, LegsBacktest, LegsPlan
from commenda.strategies.plan import Plan, Row
from commenda.strategies.readings import (
    breakdown,
    classes,
    deepest_fall,
    exposures,
    markers,
    months,
    ruin,
    sampled,
    trade_figures,
    units_held,
)

YEAR_OF_DAYS = 365
BarRun = Backtest | LegsBacktest


class Part(NamedTuple):
    """One instrument's, or one side's, part in a run; its fills and trades count its own bars."""

    bars: Bars
    fills: tuple[Fill, ...]
    trades: tuple[Trade, ...]
    counts: Counts


def report_of(plan: Plan | LegsPlan, run: BarRun) -> Row:
    """Everything that is shown of a run, its inputs first."""
    parts = _parts(plan, run)
    closes = run.ts + nanoseconds(run.interval)
    stamps = np.concatenate((run.ts[:1], closes))
    curve = np.concatenate(([run.cash], run.equity))
    held = [_held(part, run.ts) for part in parts]
    exposure = exposures(sum(held[1:], held[0]), run.equity)
    trades = [trade for part in parts for trade in part.trades]
    benchmark, inputs = buy_and_hold(plan), plan.inputs()
    report: Row = {
        "inputs": inputs,
        "metrics": {
            **_metrics(run, curve, stamps),
            **trade_figures(trades),
            "openTrades": sum(bool(p.fills) and p.fills[-1].held != 0.0 for p in parts),
            **_exposure(run, parts, held, exposure),
            "undecided": _undecided(plan),
        },
        "costs": _costs(run, parts),
        "benchmark": _benchmark(inputs["data"], run, benchmark),
        "execution": _execution(parts),
        "months": months(run.ts, nanoseconds(run.interval), curve),
        "tradeProfits": classes([trade.profit for trade in trades]),
        "series": {
            "equity": sampled(stamps, {"strategy": curve, "benchmark": benchmark}),
            "drawdown": sampled(stamps, {"drawdown": underwater(curve)}),
            "exposure": sampled(closes, {"exposure": exposure}),
        },
        "markers": [],
    }
    if isinstance(run, LegsBacktest):
        report["legs"] = [_leg(*each) for each in zip(inputs["legs"], parts, run.legs, strict=True)]
    if len({id(part.bars) for part in parts}) == 1:  # several instruments have no common price
        fills = sorted((fill for part in parts for fill in part.fills), key=lambda fill: fill.bar)
        report["series"]["price"] = sampled(closes, {"close": parts[0].bars.close})
        report["markers"] = markers(run.ts, fills)
    return report


def _parts(plan: Plan | LegsPlan, run: BarRun) -> list[Part]:
    if isinstance(run, LegsBacktest):
        assert isinstance(plan, LegsPlan)
        return [
            Part(leg.data.bars, done.result.fills, done.trades, done.result.counts)
            for leg, done in zip(plan.legs, run.legs, strict=True)
        ]
    assert isinstance(plan, Plan)
    return [Part(plan.data.bars, run.fills, run.trades, run.counts)]


def _undecided(plan: Plan | LegsPlan) -> Row | None:
    """The bars that the strategy warms up for and those there are, where these are not more."""
    legs = plan.legs if isinstance(plan, LegsPlan) else (plan,)
    strategy = plan.strategy
    for leg in legs:
        warmup, bars = int(strategy.warmup(strategy.resolve(leg.params))), len(leg.data.bars)
        if warmup >= bars:
            return {"warmup": warmup, "bars": bars}
    return None


def _held(part: Part, ts: Stamps) -> Array:
    """What a part holds at each moment of a run, signed, in quote currency."""
    notional = units_held(part.fills, len(part.bars)) * part.bars.close
    return np.append(0.0, notional)[np.searchsorted(part.bars.ts, ts, side="right")]


def _leg(leg: Row, part: Part, done: LegRun) -> Row:
    """What one leg contributed; the profits of all add up to the run's."""
    result, figures = done.result, trade_figures(part.trades)
    return {
        "name": leg["name"],
        "profit": float(result.profit[-1]),
        "trades": figures["trades"],
        "winRate": figures["winRate"],
        "fills": len(part.fills),
        "fees": result.fees,
        "slippage": result.slippage,
        "funding": None if leg["funding"] is None else result.funding,
    }


def _metrics(run: BarRun, curve: Array, stamps: Stamps) -> Row:
    metrics = run.metrics
    days = (int(stamps[-1]) - int(stamps[0])) / 86_400e9
    whole_year = days >= YEAR_OF_DAYS and metrics.total_return > -1.0
    return {
        "finalEquity": float(curve[-1]),
        "profit": float(curve[-1] - run.cash),
        "totalReturn": metrics.total_return,
        "days": days,
        # Under a year there is none: it would extrapolate.
        "annualReturn": annualise(metrics.total_return, days) if whole_year else None,
        "maxDrawdown": metrics.max_drawdown,
        **deepest_fall(curve, stamps),
        **ruin(curve, stamps),
        "sharpe": metrics.sharpe,
        "sortino": metrics.sortino,
        "barsPerYear": metrics.year.periods,
        "calendar": metrics.year.calendar,
        "targetChanges": metrics.target_changes,
        "fundingCharged": run.funding_charged,
        "fundingEstimated": run.funding_estimated,
        "missingBars": run.missing_bars,
    }


def _costs(run: BarRun, parts: Sequence[Part]) -> Row:
    metrics, net = run.metrics, float(run.equity[-1]) - run.cash
    lent = sum(part.counts.shortfall for part in parts)
    found = breakdown(net, metrics.fees, metrics.slippage, metrics.funding, lent)
    return found if run.funding_charged else found | {"funding": None}


def _benchmark(source: Row, run: BarRun, curve: Array) -> Row:
    names = ("totalReturn", "maxDrawdown", "sharpe", "sortino")
    return {
        "name": source["symbol"] or source["name"],
        "finalEquity": float(curve[-1]),
        **dict(zip(names, ratios(curve, run.metrics.year), strict=True)),
    }


def _exposure(run: BarRun, parts: Sequence[Part], held: Sequence[Array], net: Array) -> Row:
    notional = sum(abs(fill.quantity) * fill.price for part in parts for fill in part.fills)
    mean = float(run.equity.mean())
    gross = sum(map(np.abs, held[1:]), np.abs(held[0]))
    return {
        "timeInMarket": float(np.mean(gross != 0.0)),
        "averageExposure": float(net.mean()),
        "greatestExposure": float(exposures(gross, run.equity).max()),
        "turnover": notional,
        "turnoverOfEquity": notional / mean if mean > 0.0 else None,
    }


def _execution(parts: Sequence[Part]) -> Row:
    """How the fills came about, and how much of the market they took."""
    fills = [fill for part in parts for fill in part.fills]
    return {
        "fills": len(fills),
        "makerFills": sum(fill.maker for fill in fills),
        "byKind": dict(Counter(str(fill.kind) for fill in fills)),
        "ambiguousBars": sum(part.counts.ambiguous for part in parts),
        "refinedBars": sum(part.counts.refined for part in parts),
        "shortFilled": sum(part.counts.short_filled for part in parts),
        "clamped": sum(part.counts.clamped for part in parts),
        "refused": sum(part.counts.refused for part in parts),
        "shortfall": sum(part.counts.shortfall for part in parts),
        **_liquidity(parts),
    }


def _liquidity(parts: Sequence[Part]) -> Row:
    """Which share of its bar's volume was taken: greatest, and mean of the bars with fills."""
    taken: dict[tuple[int, int], float] = {}
    volumes = {id(part.bars): part.bars.volume for part in parts}
    for part in parts:
        for fill in part.fills:
            key = id(part.bars), fill.bar
            taken[key] = taken.get(key, 0.0) + abs(fill.quantity)
    shares = [
        units / volumes[of][bar] for (of, bar), units in taken.items() if volumes[of][bar] > 0.0
    ]
    return {
        "greatestShareOfVolume": float(max(shares)) if shares else None,
        "meanShareOfVolume": float(np.mean(shares)) if shares else None,
        "barsWithoutVolume": len(taken) - len(shares),
    }
