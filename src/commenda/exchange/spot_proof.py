"""What must always be true of spot's money."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from commenda.exchange.model import ZERO
from commenda.exchange.spot import Spot
from commenda.exchange.spot_model import SpotOrder


def unproved(exchange: Spot) -> list[str]:
    """What is not as it must be, in words; nothing where all is.

    Of each asset, what accounts have, the fees and the market's side are what was paid in; each
    account has locked what its open orders can still take, no more and no less; nothing is owed.
    """
    found = []
    for asset in exchange.assets():
        had = sum((one.of(asset).whole for one in exchange.accounts.values()), ZERO)
        kept = exchange.paid_in, exchange.fees, exchange.market
        paid, fees, market = (one.get(asset, ZERO) for one in kept)  # to ask changes nothing
        if (there := had + fees + market) != paid:
            found.append(f"{there} {asset} are there, and {paid} were paid in")
    for account in exchange.accounts.values():
        needed: dict[str, Decimal] = defaultdict(Decimal)
        for order in account.open.values():
            assert isinstance(order, SpotOrder)
            needed[order.gives(exchange.contracts[order.symbol])] += exchange.need(order)
        for asset, had_of in account.balances.items():
            if had_of.locked != needed[asset]:
                found.append(f"{account.name} locks {had_of.locked} {asset} for {needed[asset]}")
            if had_of.free < ZERO:
                found.append(f"{account.name} owes {had_of.free} {asset}")
    return found
