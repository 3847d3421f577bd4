"""What holding the instrument would have done: the benchmark beside every backtest."""

from __future__ import annotations

import numpy as np

from commenda.kernel import Array
from commenda.strategies.plan import Plan

BASIS_POINT = 1e-4


def buy_and_hold(plan: Plan) -> Array:
    """Equity of buying at the first bar's open and holding: the cash, then each bar's close.

    The units are those of `plan.size`, or else as many as the cash buys. They pay the taker's fee
    and the fixed slippage once, and the run's funding at its stamps; the last close marks them.
    """
    bars, costs = plan.data.bars, plan.costs
    price = float(bars.open[0]) * (1.0 + costs.slippage_bps * BASIS_POINT)
    with_fee = price * (1.0 + costs.fee_bps * BASIS_POINT)
    units = plan.cash / with_fee if plan.size is None else plan.size
    cash = plan.cash - units * with_fee
    equity = cash + units * bars.close
    if plan.funding is not None:
        funding = plan.funding.funding
        paid = np.zeros(len(bars) + 1)  # the last place: stamps past the last open
        np.add.at(paid, funding.bar_indexes(bars.ts), units * funding.mark * funding.rate)
        equity = equity - np.cumsum(paid[:-1])
    return np.concatenate(([plan.cash], equity))
