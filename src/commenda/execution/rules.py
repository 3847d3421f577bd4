"""How a parent order's fills are shared out, and other arithmetic of trading. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from commenda.kit import ids
from commenda.kit.errors import CommendaError
from commenda.kit.money import from_units, split, to_units
from commenda.venues import Fill, Side


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


def allocate(
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
        raise CommendaError("overfilled", "The venue filled more than was asked for").at(
            "quantity", filled
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
        raise CommendaError("off_lot", "A quantity must be a whole number of lots").at(
            "quantity", quantity, f"use a multiple of {lot.normalize()}"
        )
    return whole
