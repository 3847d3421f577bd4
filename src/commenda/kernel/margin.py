"""Maintenance margin and the price of liquidation."""

from __future__ import annotations

import numpy as np

from commenda.kernel import desk as at
from commenda.kernel.compiling import inner


@inner
def maintenance(notional, rules):  # type: ignore[no-untyped-def]
    """Margin to keep for a position of `notional`: rate · notional - deduction of its tier."""
    tier = int(rules[at.TIERS_AT])
    last = tier + 3 * (int(rules[at.TIERS]) - 1)
    while tier < last and rules[tier + 3] <= notional:
        tier += 3
    return rules[tier + 1] * notional - rules[tier + 2]


@inner
def liquidation_price(quantity, collateral, rules):  # type: ignore[no-untyped-def]
    """The price at which collateral + quantity · price is down to the maintenance margin.

    `collateral` is what stands for the position besides its own value: cash for cross margin.
    NaN where no positive price is that bad. In tier k, with |quantity| · price in its range,
        collateral + quantity · price = rate · |quantity| · price - deduction
    has one solution; the tiers are tried in turn for one whose range its solution lies in.
    """
    size = abs(quantity)
    begin = int(rules[at.TIERS_AT])
    end = begin + 3 * int(rules[at.TIERS])
    for tier in range(begin, end, 3):
        price = -(collateral + rules[tier + 2]) / (quantity - rules[tier + 1] * size)
        upper = rules[tier + 3] if tier + 3 < end else np.inf
        if rules[tier] <= size * price < upper and price > 0.0:
            return price
    return np.nan
