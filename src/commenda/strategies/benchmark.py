"""What holding the instrument would have done: the benchmark beside every backtest."""

from __future__ import annotations

import numpy as np

from commenda.kernel import BASIS_POINT, Array, Costs
from commenda.strategies.data import BarData, FundingData
from commenda.strategies.legs import LegsPlan
from commenda.strategies.plan import Plan


def buy_and_hold(plan: Plan | LegsPlan) -> Array:
    """Equity of buying at the first bar's open and holding: the cash, then each bar's close.

    The units are those of the plan, or else as many as the cash buys. They pay the taker's fee and
    the fixed slippage once, and the run's funding at its stamps; the last close marks them. Of
    several instruments each is bought at its own first open, with its share of the cash.
    """
    if isinstance(plan, Plan):
        return _held(plan.data, plan.funding, plan.costs, plan.cash, plan.size)
    legs = plan.sources
    ts = np.unique(np.concatenate([leg.data.bars.ts for leg in legs]))
    whole = sum(leg.share for leg in legs)
    total = np.zeros(ts.size + 1)
    for leg in legs:
        cash = plan.cash * leg.share / whole
        curve = _held(leg.data, leg.funding, plan.costs, cash, leg.size)
        total += curve[np.append(0, np.searchsorted(leg.data.bars.ts, ts, side="right"))]
    return total


def _held(
    data: BarData, paid: FundingData | None, costs: Costs, cash: float, size: float | None
) -> Array:
    bars = data.bars
    price = float(bars.open[0]) * (1.0 + costs.slippage_bps * BASIS_POINT)
    with_fee = price * (1.0 + costs.fee_bps * BASIS_POINT)
    units = cash / with_fee if size is None else size
    left = cash - units * with_fee
    equity = left + units * bars.close
    if paid is not None:
        funding = paid.funding
        due = np.zeros(len(bars) + 1)  # the last place: stamps past the last open
        np.add.at(due, funding.bar_indexes(bars.ts), units * funding.mark * funding.rate)
        equity = equity - np.cumsum(due[:-1])
    return np.concatenate(([cash], equity))
