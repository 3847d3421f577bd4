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
    NaN where no positive price of a long is that bad; 0 or less where every price of a short is. In
    tier k
        collateral + quantity · price = rate · |quantity| · price - deduction
    has one solution. Rates rise from tier to tier, so that the margin is the greatest that any tier
    would ask for, and the first of the solutions to be met is the one that holds. Without tiers no
    margin is to be kept, and it is the price of ruin.
    """
    size, first = abs(quantity), -collateral / quantity
    begin = int(rules[at.TIERS_AT])
    for tier in range(begin, begin + 3 * int(rules[at.TIERS]), 3):
        price = -(collateral + rules[tier + 2]) / (quantity - rules[tier + 1] * size)
        if (price - first) * quantity > 0.0:
            first = price
    return np.nan if quantity > 0.0 and first <= 0.0 else first
