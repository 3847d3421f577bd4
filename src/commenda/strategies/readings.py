"""Single readings of a run: of its equity curve, its trades and its fills."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from commenda.kernel import Array, Fill
from commenda.returns import underwater, win_rate
from commenda.strategies.backtest import Trade
from commenda.strategies.data import utc_of
from commenda.strategies.plan import Row
from commenda.strategies.sampling import Stamps, column_of, extremes

COLUMNS = 1_000
"""Columns of pixels of the widest chart."""
MARKER_COLUMNS = 200
"""Markers are wider than a pixel: those of one side within a column of these become one."""
MOST_CLASSES = 24
NICE = (1.0, 2.0, 5.0, 10.0)


def ruin(equity: Array, stamps: Stamps) -> Row:
    """When nothing was left (`stamps` are of the equity's closes); None where that never was."""
    gone = np.flatnonzero(equity <= 0.0)
    return {"ruinedAt": iso(stamps[gone[0]]) if gone.size else None}


def breakdown(net: float, fees: float, slippage: float, funding: float, shortfall: float) -> Row:
    """From the result before costs to the one after them: gross - fees - slippage - funding +
    shortfall = net. The shortfall is what was lost beyond the collateral, and is the lender's.
    """
    return {
        "gross": net + fees + slippage + funding - shortfall,
        "fees": fees,
        "slippage": slippage,
        "funding": funding,
        "shortfall": shortfall,
        "net": net,
    }


def deepest_fall(curve: Array, stamps: Stamps) -> Row:
    """From which peak to which trough the deepest fall went, and when the peak was seen again."""
    falls = underwater(curve)
    trough = int(np.argmin(falls))
    if falls[trough] >= 0.0:
        return {"drawdownFrom": None, "drawdownTo": None, "recoveredAt": None}
    peak = int(np.argmax(curve[: trough + 1]))
    again = np.flatnonzero(curve[trough:] >= curve[peak])
    return {
        "drawdownFrom": iso(stamps[peak]),
        "drawdownTo": iso(stamps[trough]),
        "recoveredAt": iso(stamps[trough + int(again[0])]) if again.size else None,
    }


def trade_figures(trades: Sequence[Trade]) -> Row:
    """Of closed trades, after fees and slippage, before funding; the times held in steps."""
    profits = np.array([trade.profit for trade in trades])
    gains, losses = profits[profits > 0.0], profits[profits <= 0.0]
    lost = -float(losses.sum())
    held = [trade.closed - trade.opened for trade in trades]
    return {
        "trades": len(trades),
        "winRate": win_rate(profits.tolist()),
        "profitFactor": float(gains.sum()) / lost if lost > 0.0 else None,
        "averageGain": float(gains.mean()) if gains.size else None,
        "averageLoss": float(losses.mean()) if losses.size else None,
        "averageTrade": float(profits.mean()) if profits.size else None,
        "bestTrade": float(profits.max()) if profits.size else None,
        "worstTrade": float(profits.min()) if profits.size else None,
        "averageBarsHeld": float(np.mean(held)) if held else None,
    }


def units_held(fills: tuple[Fill, ...], bars: int) -> Array:
    """Units held at the close of each bar, signed."""
    if not fills:
        return np.zeros(bars)
    filled = np.array([fill.bar for fill in fills])
    after = np.array([0.0, *(fill.held for fill in fills)])
    return after[np.searchsorted(filled, np.arange(bars), side="right")]


def exposures(notional: Array, equity: Array) -> Array:
    """What is held at each close over the equity, signed; 0 where no equity is left."""
    left = equity > 0.0
    found: Array = np.where(left, notional / np.where(left, equity, 1.0), 0.0)
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


def step_of(spread: float, most: int) -> float:
    """The smallest of 1, 2, 5 · 10ⁿ of which at most `most` fit into `spread`."""
    if spread < 1e-300:  # nothing, or too little to be divided
        return 1.0
    power = 10.0 ** math.floor(math.log10(spread / most))
    return next(nice * power for nice in NICE if nice * power * most >= spread * (1 - 1e-9))


def markers(ts: Stamps, fills: Sequence[Fill]) -> list[Row]:
    """Fills to be drawn: those of one side and kind within a column as one, at their mean price."""
    columns = column_of(ts, MARKER_COLUMNS)
    groups: dict[tuple[int, bool, str], list[Fill]] = {}
    for fill in fills:
        key = (int(columns[fill.bar]), fill.quantity > 0.0, str(fill.kind))
        groups.setdefault(key, []).append(fill)
    return [
        {
            "at": iso(ts[fills[0].bar]),
            "until": iso(ts[fills[-1].bar]),
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


def sampled(stamps: Stamps, values: dict[str, Array]) -> dict[str, Any]:
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


def iso(stamp: Any) -> str:
    return utc_of(int(stamp)).isoformat().replace("+00:00", "Z")
