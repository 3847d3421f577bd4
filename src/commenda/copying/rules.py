"""How much a follower trades on a signal. Pure.

Quantities are signed, in the step in which they are held (a lot, finer at spot); equity and prices
are in the quote asset.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from commenda.copying.model import CopyMode
from commenda.kit.money import floor_to

DEAD_BAND = Decimal("0.005")
"""Adjustments below this fraction of equity cost more in fees than they correct."""

ZERO = Decimal(0)

LATE = timedelta(minutes=5)
"""How long after its bar's close a decision may be traded, where the bar is not longer: a worker
that is started again, or a feed that fills a bar in, is not too late."""


def order_quantity(
    mode: CopyMode,
    *,
    equity: Decimal,
    held: Decimal,
    price: Decimal,
    previous_target: Decimal,
    target: Decimal,
    lot: Decimal,
    most: Decimal | None = None,
) -> tuple[Decimal, str | None]:
    """(quantity to trade, why there is none) of one follower's leg.

    An exit is never skipped: a target of zero, or equity that is used up, closes what is held.
    `most` is the part of its equity that a leg may hold where nothing is lent: beyond it nothing is
    bought.
    """
    if target == 0 or equity <= 0:
        return -held, None if held else "nothing to close"
    if mode is CopyMode.TARGET:
        wanted = floor_to(target * equity / price, lot)
        quantity = wanted - held
    else:
        quantity = percentage_quantity(equity, held, price, previous_target, target, lot)
    if most is not None:
        quantity = min(quantity, max(ZERO, floor_to(most * equity / price, lot) - held))
    if not quantity:
        return ZERO, "already at the target" if held else "below one lot"
    if abs(quantity) * price < DEAD_BAND * equity:
        return ZERO, "within the dead-band"
    return quantity, None


def percentage_quantity(
    equity: Decimal,
    held: Decimal,
    price: Decimal,
    previous_target: Decimal,
    target: Decimal,
    lot: Decimal,
) -> Decimal:
    """The specification's percentage of the trade.

    An increase by a fraction of the creator's equity buys the same fraction of the follower's; a
    reduction closes the same fraction of what the follower holds; a turn closes all of it first.
    """
    turned = previous_target * target < 0
    if turned or not previous_target:
        return floor_to(proportional_cost(equity, target, Decimal(1)) / price, lot) - (
            held if turned else ZERO
        )
    if abs(target) >= abs(previous_target):
        added = proportional_cost(equity, target - previous_target, Decimal(1))
        return floor_to(added / price, lot)
    # Multiplied first: a fraction cut off at the last digit would lose a whole lot to the floor.
    return -floor_to(held * (previous_target - target) / previous_target, lot)


def proportional_cost(
    follower_equity: Decimal, leader_cost: Decimal, leader_equity: Decimal
) -> Decimal:
    """E_f · cost_l / E_l: what a follower spends when the leader spends `leader_cost`.

    Source: Binance copy trading rules 30f1e3a2835345e0b8ffc87f261a8256, "proportional".
    """
    return follower_equity * leader_cost / leader_equity


def signal_type(previous_target: Decimal, target: Decimal) -> str:
    """The specification's name for the trade: what was bought or sold to get there."""
    return "buy" if target > previous_target else "sell"


def is_late(decided_at: datetime | None, now: datetime, interval: int = 0) -> bool:
    """Whether a decision is too old to open anything: by `LATE`, and by the length of its bar in
    seconds, so that no later one has closed. Without a time it is not."""
    patience = max(LATE, timedelta(seconds=interval))
    return decided_at is not None and now - decided_at > patience


def reduced(stands: Decimal, wanted: Decimal) -> Decimal:
    """What of a move from one target to another only reduces: nearer to zero, never beyond it."""
    if stands * wanted <= 0:
        return ZERO
    return min(stands, wanted, key=abs)
