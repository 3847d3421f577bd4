"""How a parent order's fills are shared out, and other arithmetic of trading. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from commenda.kit import ids
from commenda.kit.errors import CommendaError
from commenda.kit.money import from_units, split, to_units
from commenda.trading.model import Fill, Side

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(minutes=15)
TRIES_BEFORE_DUST = 3
"""Failures to close a position before what is too little for the venue is taken over."""


class Share(NamedTuple):
    """What one leg gets of a parent order. Quantity and notional are signed as the side."""

    leg_id: UUID
    quantity: Decimal
    notional: Decimal
    fee: Decimal


def parent_quantities(requests: Iterable[Decimal]) -> dict[Side, Decimal]:
    """One parent order for each side that anybody needs.

    Buys are never netted against sells inside the platform: that would be a fill that no venue
    made, at a price nobody traded.
    """
    totals = {Side.BUY: Decimal(0), Side.SELL: Decimal(0)}
    for quantity in requests:
        totals[Side.BUY if quantity > 0 else Side.SELL] += abs(quantity)
    return {side: total for side, total in totals.items() if total}


def share_out(
    side: Side,
    requests: Sequence[tuple[UUID, Decimal]],
    fills: Sequence[Fill],
    *,
    lot: Decimal,
    scale: int,
    secret: bytes,
    order_id: UUID,
) -> list[Share]:
    """Share a terminal parent's fills among the legs that asked.

    Quantity in proportion to what each asked, by largest remainder on the lot; then notional and
    fee in proportion to the quantity received, so that everyone pays the same average price and
    the parts add up to the fills exactly. Equal remainders go by HMAC(order, leg): in the order
    of ids the same legs would be first, and the last ones starve, at every partial fill.
    """
    filled = sum((fill.quantity for fill in fills), Decimal(0))
    asked = [_lots(quantity, lot) for _, quantity in requests]
    lots_filled = _lots(filled, lot)
    if lots_filled > sum(asked):
        raise CommendaError(
            "overfilled",
            "The venue filled more than was asked for",
            field="quantity",
            value=str(filled),
        )
    ties = [ids.tie_break(secret, order_id, leg_id) for leg_id, _ in requests]
    if not lots_filled:
        return [Share(leg_id, Decimal(0), Decimal(0), Decimal(0)) for leg_id, _ in requests]
    lots = split(lots_filled, asked, ties)
    notional = sum((fill.quantity * fill.price for fill in fills), Decimal(0))
    fee = sum((fill.fee for fill in fills), Decimal(0))
    notionals = split(to_units(notional, scale), lots, ties)
    fees = split(to_units(fee, scale), lots, ties)
    return [
        Share(
            leg_id,
            side.sign * got * lot,
            side.sign * from_units(cost, scale),
            from_units(paid, scale),
        )
        for (leg_id, _), got, cost, paid in zip(requests, lots, notionals, fees, strict=True)
    ]


def _lots(quantity: Decimal, lot: Decimal) -> int:
    lots = abs(quantity) / lot
    whole = int(lots)
    if whole != lots:
        raise CommendaError(
            "off_lot",
            "A quantity must be a whole number of lots",
            field="quantity",
            value=str(quantity),
            mend=f"use a multiple of {lot.normalize()}",
        )
    return whole


def is_dust(quantity: Decimal, mark: Decimal, minimum_notional: Decimal, attempt: int) -> bool:
    """Whether a remainder is left to the platform: too little for the venue, and often tried.

    `attempt` counts the failures before this one, as in `next_retry`.
    """
    return attempt >= TRIES_BEFORE_DUST and abs(quantity) * mark < minimum_notional


def next_retry(attempt: int, now: datetime) -> datetime:
    """When to try again to close what the venue refused: now + 30 s · 2ⁿ, at most 15 minutes.

    `attempt` is n, the failures before this one: 0 for the first. Code `bad_attempt` below 0.
    """
    if attempt < 0:
        raise CommendaError(
            "bad_attempt",
            "Attempts count from 0",
            field="attempt",
            value=attempt,
            mend="pass 0 for the first failure",
        )
    doublings = min(attempt, 16)  # far past the ceiling already, and no timedelta overflow
    return now + min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)
