"""The life of a parent order, and how its fills are allocated. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from commenda.execution.model import Order
from commenda.kit import ids
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.money import from_units, plain, quantise, split, to_units
from commenda.market import Instrument
from commenda.venues import Fill, OrderKind, OrderStatus, OrderView, Side


class Share(NamedTuple):
    """What one leg gets of a parent order. Quantity and notional are signed as the side."""

    leg_id: UUID
    quantity: Decimal
    notional: Decimal
    fee: Decimal


_WORKING = {OrderStatus.SENT, OrderStatus.UNKNOWN, OrderStatus.ACCEPTED, OrderStatus.PARTLY_FILLED}
_ENDS = {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REFUSED}
_NEXT = {
    # What is not sent before its time is over, expires here; what may not be sent, is refused here.
    OrderStatus.INTENDED: {OrderStatus.SENT} | _ENDS - {OrderStatus.FILLED},
    OrderStatus.SENT: _WORKING - {OrderStatus.SENT} | _ENDS,
    OrderStatus.UNKNOWN: {OrderStatus.ACCEPTED, OrderStatus.PARTLY_FILLED} | _ENDS,
    OrderStatus.ACCEPTED: {OrderStatus.PARTLY_FILLED} | _ENDS,
    OrderStatus.PARTLY_FILLED: _ENDS - {OrderStatus.REFUSED},
}


def may_become(status: OrderStatus, after: OrderStatus) -> bool:
    """Whether an order's status can be followed by another one. It never goes back."""
    return after in _NEXT.get(status, ())


def status_after(status: OrderStatus, view: OrderView | None, recorded: Decimal) -> OrderStatus:
    """An order's status once the venue has shown `view` and fills of `recorded` are stored.

    It ends when the venue says so *and* the fills add up to what the venue says was filled: one of
    them may come later than the end. Without a view a sent order is unknown; else it is what it is.
    """
    if view is None:
        seen = OrderStatus.PARTLY_FILLED if recorded else OrderStatus.UNKNOWN
    elif view.status.is_terminal and view.filled == recorded:
        seen = view.status
    else:
        seen = OrderStatus.PARTLY_FILLED if recorded else OrderStatus.ACCEPTED
    return seen if may_become(status, seen) else status


FARTHEST = Decimal("0.1")
"""How far from the price that an order was decided at staff may move its limit."""


def require_movable(order: Order, price: Decimal, tick: Decimal) -> None:
    """Codes `no_limit` for an order that has none to move, `off_tick`, `too_far`."""
    if order.kind is not OrderKind.LIMIT:
        raise conflict("no_limit", "Only a limit order has a limit to move").at(
            "orderId", order.id, f"it is a {order.kind} order"
        )
    if price % tick:
        raise CommendaError("off_tick", "A price must be a whole number of ticks").at(
            "limitPrice", price, f"use a multiple of {plain(tick)}"
        )
    low, high = (order.reference_price * (1 + sign * FARTHEST) for sign in (-1, 1))
    if not low <= price <= high:
        raise CommendaError("too_far", "That is too far from what it was decided at").at(
            "limitPrice", price, f"choose a price from {plain(low)} to {plain(high)}"
        )


def collared(side: Side, reference_price: Decimal, collar: Decimal, tick: Decimal) -> Decimal:
    """The worst price that is taken: away from the reference by the collar at most, on a tick."""
    limit = reference_price * (1 + side.sign * collar)
    rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    return (limit / tick).to_integral_value(rounding=rounding) * tick


def allocate(
    side: Side,
    requests: Sequence[tuple[UUID, Decimal]],
    fills: Sequence[Fill],
    *,
    step: Decimal,
    scale: int,
    secret: bytes,
    order_id: UUID,
) -> list[Share]:
    """Share a terminal parent's fills among the legs that asked.

    Quantity in proportion to what each asked, by largest remainder on the step in which it is held;
    then notional and fee in proportion to the quantity received, so that everyone pays the same
    average price and the parts add up to the fills exactly. Equal remainders go by HMAC(order,
    leg): in the order of ids the same legs would be first, and the last ones starve, at every
    partial fill.

    A fee that was taken of what was bought is worth less than a unit of money more or less: what
    notional and fee have beyond one cancels out, and stays with the leg that pays most of the fee.
    """
    filled = sum((fill.quantity for fill in fills), Decimal(0))
    asked = [_lots(quantity, step) for _, quantity in requests]
    lots_filled = _lots(filled, step)
    if lots_filled > sum(asked):
        raise CommendaError("overfilled", "The venue filled more than was asked for").at(
            "quantity", filled
        )
    ties = _Ties(secret, order_id, requests)
    if not lots_filled:
        return [Share(leg_id, Decimal(0), Decimal(0), Decimal(0)) for leg_id, _ in requests]
    lots = split(lots_filled, asked, ties)
    notional = sum((fill.quantity * fill.price for fill in fills), Decimal(0))
    fee = sum((fill.fee for fill in fills), Decimal(0))
    whole = quantise(notional, scale, ROUND_FLOOR)
    beyond = notional - whole
    notionals = split(to_units(whole, scale), lots, ties)
    fees = split(to_units(fee + side.sign * beyond, scale), lots, ties)
    sign = side.sign
    shares = [
        Share(leg_id, sign * got * step, from_units(sign * cost, scale), from_units(paid, scale))
        for (leg_id, _), got, cost, paid in zip(requests, lots, notionals, fees, strict=True)
    ]
    if beyond:
        most = max(range(len(shares)), key=lambda place: (fees[place], ties[place]))
        of = shares[most]
        shares[most] = of._replace(notional=of.notional + sign * beyond, fee=of.fee - sign * beyond)
    return shares


def in_lots(
    requests: Sequence[tuple[UUID, Decimal]], instrument: Instrument, order_id: UUID
) -> list[tuple[UUID, Decimal]]:
    """What of the legs' requests, all of one side, a parent asks for: together whole lots.

    What is beyond is less than one, and no venue takes it: it is left out of all of them in
    proportion, and whose part comes to nothing is left out.
    """
    units = [_lots(quantity, instrument.step) for _, quantity in requests]
    whole = sum(units) - sum(units) % _lots(instrument.lot, instrument.step)
    if whole == sum(units):
        return list(requests)
    parts = split(whole, units, _Ties(b"", order_id, requests))
    return [
        (leg_id, (part * instrument.step).copy_sign(quantity))
        for (leg_id, quantity), part in zip(requests, parts, strict=True)
        if part
    ]


class _Ties(Sequence[bytes]):
    """HMAC(order, leg) of each request, made where it decides."""

    def __init__(
        self, secret: bytes, order_id: UUID, requests: Sequence[tuple[UUID, Decimal]]
    ) -> None:
        self._of = partial(ids.tie_break, secret, order_id)
        self._requests = requests

    def __len__(self) -> int:
        return len(self._requests)

    def __getitem__(self, place: Any) -> Any:
        return self._of(self._requests[place][0])


def _lots(quantity: Decimal, lot: Decimal) -> int:
    lots = abs(quantity) / lot
    whole = int(lots)
    if whole != lots:
        raise CommendaError("off_lot", "A quantity must be a whole number of lots").at(
            "quantity", quantity, f"use a multiple of {plain(lot)}"
        )
    return whole
