"""What is reported of a backtest: figures and short series, as plain JSON data.

Pure: a plan and its run in, a `Row` out, which the page, the command line and the stored run all
read. Ratios are fractions, money is in quote currency, moments are ISO 8601 in UTC. A bar's equity
is known at its close, so it stands at open + interval; the curve begins with the cash at the first
bar's open.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from commenda.charts import step_of
from commenda.kernel import Array, Fill
from commenda.returns import annualise, max_drawdown, period_returns, sharpe
from commenda.strategies.backtest import Backtest
from commenda.strategies.benchmark import buy_and_hold
from commenda.strategies.data import utc_of
from commenda.strategies.funding import nanoseconds
from commenda.strategies.plan import Plan, Row
from commenda.strategies.sampling import Stamps, column_of, extremes

COLUMNS = 1_000
"""Columns of pixels of the widest chart."""
MARKER_COLUMNS = 200
"""Markers are wider than a pixel: those of one side within a column of these become one."""
MOST_CLASSES = 24
YEAR_OF_DAYS = 365


def report_of(plan: Plan, run: Backtest) -> Row:
    """Everything that is shown of a run, its inputs first."""
    closes = run.ts + nanoseconds(run.interval)
    stamps = np.concatenate((run.ts[:1], closes))
    curve = np.concatenate(([run.cash], run.equity))
    held = units_held(run.fills, len(run.ts))
    exposure = exposures(held, plan.data.bars.close, run.equity)
    benchmark = buy_and_hold(plan)
    return {
        "inputs": plan.inputs(),
        "metrics": {
            **_metrics(run, curve, stamps),
            **_trades(run),
            **_exposure(run, held, exposure),
        },
        "costs": _costs(run),
        "benchmark": _benchmark(plan, run, benchmark),
        "execution": _execution(plan, run),
        "months": months(run.ts, nanoseconds(run.interval), curve),
        "tradeProfits": classes([trade.profit for trade in run.trades]),
        "series": {
            "price": _sampled(closes, {"close": plan.data.bars.close}),
            "equity": _sampled(stamps, {"strategy": curve, "benchmark": benchmark}),
            "drawdown": _sampled(stamps, {"drawdown": underwater(curve)}),
            "exposure": _sampled(closes, {"exposure": exposure}),
        },
        "markers": markers(run),
    }


# --- figures ---------------------------------------------------------------------------------


def _metrics(run: Backtest, curve: Array, stamps: Stamps) -> Row:
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
        **_deepest(curve, stamps),
        "sharpe": metrics.sharpe,
        "sortino": metrics.sortino,
        "barsPerYear": metrics.bars_per_year,
        "targetChanges": metrics.target_changes,
        "fundingCharged": run.funding_charged,
        "fundingEstimated": run.funding_estimated,
        "missingBars": run.missing_bars,
    }


def _deepest(curve: Array, stamps: Stamps) -> Row:
    """From which peak to which trough the deepest fall went, and when the peak was seen again."""
    falls = underwater(curve)
    trough = int(np.argmin(falls))
    if falls[trough] >= 0.0:
        return {"drawdownFrom": None, "drawdownTo": None, "recoveredAt": None}
    peak = int(np.argmax(curve[: trough + 1]))
    again = np.flatnonzero(curve[trough:] >= curve[peak])
    return {
        "drawdownFrom": _iso(stamps[peak]),
        "drawdownTo": _iso(stamps[trough]),
        "recoveredAt": _iso(stamps[trough + int(again[0])]) if again.size else None,
    }


def _trades(run: Backtest) -> Row:
    """Of closed trades, after fees and slippage, before funding."""
    profits = np.array([trade.profit for trade in run.trades])
    gains, losses = profits[profits > 0.0], profits[profits <= 0.0]
    lost = -float(losses.sum())
    return {
        "trades": len(run.trades),
        "openTrades": int(bool(run.fills) and run.fills[-1].held != 0.0),
        "winRate": run.metrics.win_rate,
        "profitFactor": float(gains.sum()) / lost if lost > 0.0 else None,
        "averageGain": float(gains.mean()) if gains.size else None,
        "averageLoss": float(losses.mean()) if losses.size else None,
        "averageTrade": float(profits.mean()) if profits.size else None,
        "bestTrade": float(profits.max()) if profits.size else None,
        "worstTrade": float(profits.min()) if profits.size else None,
        "averageBarsHeld": float(np.mean([t.closed - t.opened for t in run.trades]))
        if run.trades
        else None,
    }


def _exposure(run: Backtest, held: Array, exposure: Array) -> Row:
    notional = sum(abs(fill.quantity) * fill.price for fill in run.fills)
    mean = float(run.equity.mean())
    return {
        "timeInMarket": float(np.mean(held != 0.0)),
        "averageExposure": float(exposure.mean()),
        "greatestExposure": float(np.abs(exposure).max()),
        "turnover": notional,
        "turnoverOfEquity": notional / mean if mean > 0.0 else None,
    }


def _costs(run: Backtest) -> Row:
    """From the result before costs to the one after them: gross - fees - slippage - funding."""
    metrics = run.metrics
    net = float(run.equity[-1]) - run.cash
    return {
        "gross": net + metrics.fees + metrics.slippage + metrics.funding,
        "fees": metrics.fees,
        "slippage": metrics.slippage,
        "funding": metrics.funding if run.funding_charged else None,
        "net": net,
    }


def _benchmark(plan: Plan, run: Backtest, curve: Array) -> Row:
    sound = curve.min() > 0.0
    returns = period_returns(curve) if sound else np.empty(0)
    return {
        "name": plan.data.source.symbol or plan.data.source.name,
        "finalEquity": float(curve[-1]),
        "totalReturn": float(curve[-1] / run.cash - 1.0),
        "maxDrawdown": max_drawdown(curve),
        "sharpe": sharpe(returns, periods_per_year=run.metrics.bars_per_year),
    }


def _execution(plan: Plan, run: Backtest) -> Row:
    """How the fills came about, and how much of the market they took."""
    kinds: dict[str, int] = {}
    for fill in run.fills:
        kinds[str(fill.kind)] = kinds.get(str(fill.kind), 0) + 1
    return {
        "fills": len(run.fills),
        "makerFills": sum(fill.maker for fill in run.fills),
        "byKind": kinds,
        "ambiguousBars": run.counts.ambiguous,
        "refinedBars": run.counts.refined,
        "shortFilled": run.counts.short_filled,
        "clamped": run.counts.clamped,
        "refused": run.counts.refused,
        "shortfall": run.counts.shortfall,
        **_liquidity(plan, run),
    }


def _liquidity(plan: Plan, run: Backtest) -> Row:
    """Which share of its bar's volume was taken: greatest, and mean of the bars with fills."""
    taken: dict[int, float] = {}
    for fill in run.fills:
        taken[fill.bar] = taken.get(fill.bar, 0.0) + abs(fill.quantity)
    volumes = plan.data.bars.volume
    shares = [units / volumes[bar] for bar, units in taken.items() if volumes[bar] > 0.0]
    return {
        "greatestShareOfVolume": float(max(shares)) if shares else None,
        "meanShareOfVolume": float(np.mean(shares)) if shares else None,
        "barsWithoutVolume": len(taken) - len(shares),
    }


# --- series ----------------------------------------------------------------------------------


def underwater(curve: Array) -> Array:
    """How far each value lies below the highest so far, as a fraction of 0 or less."""
    return curve / np.maximum.accumulate(curve) - 1.0


def units_held(fills: tuple[Fill, ...], bars: int) -> Array:
    """Units held at the close of each bar, signed."""
    if not fills:
        return np.zeros(bars)
    filled = np.array([fill.bar for fill in fills])
    after = np.array([0.0, *(fill.held for fill in fills)])
    return after[np.searchsorted(filled, np.arange(bars), side="right")]


def exposures(held: Array, close: Array, equity: Array) -> Array:
    """What is held at each close over the equity, signed; 0 where no equity is left."""
    left = equity > 0.0
    found: Array = np.where(left, held * close / np.where(left, equity, 1.0), 0.0)
    return found


def months(opens: Stamps, interval: int, curve: Array) -> list[Row]:
    """The return of each calendar month (UTC): the month's last equity over the one before it.

    A bar (of `interval` nanoseconds) belongs to the month it opened in; `curve` has one value more
    than `opens`, the cash before them. A `partial` month is not recorded from its first moment to
    its last; a return on nothing or less is None.
    """
    month = opens.astype("datetime64[ns]").astype("datetime64[M]")
    lasts = np.append(np.flatnonzero(month[1:] != month[:-1]), month.size - 1)
    firsts = np.append(0, lasts[:-1] + 1)
    found = []
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        before, after = float(curve[first]), float(curve[last + 1])
        begin, end = (
            int(one.astype("datetime64[ns]").astype(np.int64))
            for one in (month[last], month[last] + 1)
        )
        found.append(
            {
                "month": str(month[last]),
                "return": after / before - 1.0 if before > 0.0 else None,
                "partial": int(opens[first]) > begin or int(opens[last]) + interval < end,
            }
        )
    return found


def classes(values: list[float]) -> list[Row]:
    """Classes [from, to) of one round width that hold all values; zero is always a border."""
    if not values:
        return []
    step = step_of(max(values) - min(values) or abs(values[0]), MOST_CLASSES - 2)
    places = np.floor(np.array(values) / step).astype(int)
    first = int(places.min())
    counts = np.bincount(places - first).tolist()
    return [
        {"from": (first + place) * step, "to": (first + place + 1) * step, "count": count}
        for place, count in enumerate(counts)
    ]


def markers(run: Backtest) -> list[Row]:
    """Fills to be drawn: those of one side and kind within a column as one, at their mean price."""
    columns = column_of(run.ts, MARKER_COLUMNS)
    groups: dict[tuple[int, bool, str], list[Fill]] = {}
    for fill in run.fills:
        key = (int(columns[fill.bar]), fill.quantity > 0.0, str(fill.kind))
        groups.setdefault(key, []).append(fill)
    return [
        {
            "at": _iso(run.ts[fills[0].bar]),
            "until": _iso(run.ts[fills[-1].bar]),
            "side": "buy" if buys else "sell",
            "kind": kind,
            "price": _mean_price(fills),
            "quantity": sum(abs(fill.quantity) for fill in fills),
            "fills": len(fills),
        }
        for (_, buys, kind), fills in groups.items()
    ]


def _mean_price(fills: list[Fill]) -> float:
    units = sum(abs(fill.quantity) for fill in fills)
    return sum(abs(fill.quantity) * fill.price for fill in fills) / units


def _sampled(stamps: Stamps, values: dict[str, Array]) -> dict[str, Any]:
    """The series at every moment (epoch seconds) at which any is its column's least or greatest."""
    wanted = [extremes(stamps, series, COLUMNS) for series in values.values()]
    chosen = np.unique(np.concatenate(wanted))
    return {
        "ts": (stamps[chosen] // 1_000_000_000).tolist(),
        **{name: _rounded(series[chosen]) for name, series in values.items()},
    }


def _rounded(values: Array) -> list[float]:
    """To nine significant digits: finer than any pixel, and half as long to send."""
    return [float(f"{value:.9g}") for value in values.tolist()]


def _iso(stamp: Any) -> str:
    return utc_of(int(stamp)).isoformat().replace("+00:00", "Z")
