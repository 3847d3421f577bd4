"""The order blotter: parent orders, the latest first, and the life of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.rows import first, records
from commenda.kit.wire import Amount, on_wire, one_of
from commenda.venues import OrderKind, OrderStatus, Side, TimeInForce

MOST_PARTS = 1_000
"""Books that the life of an order names; of the rest their number."""


@on_wire
@dataclass(frozen=True, slots=True)
class OrderRow:
    """A parent order. Quantities are in the instrument's base, prices and fees in its quote."""

    id: UUID
    number: Annotated[int, Field(description="In the order of their making.")]
    venue: str
    symbol: str
    base: str
    quote: str
    side: Annotated[str, one_of(Side)]
    kind: Annotated[str, one_of(OrderKind)]
    quantity: Amount
    limit_price: Amount | None
    time_in_force: Annotated[str, one_of(TimeInForce)]
    reduce_only: bool
    trigger_price: Amount | None
    reference_price: Annotated[Amount, Field(description="The market's when it was intended.")]
    cause: Annotated[str, Field(description="What asked for it.", examples=["signal"])]
    cause_id: UUID
    status: Annotated[str, one_of(OrderStatus)]
    reason: str | None
    filled: Amount
    price: Annotated[Amount | None, Field(description="The average of its fills.")]
    fee: Annotated[Amount, Field(description="Paid to the venue.")]
    books: Annotated[int, Field(description="Whose parts it is made of.")]
    created_at: datetime
    sent_at: datetime | None
    expires_at: Annotated[datetime | None, Field(description="When it ends at the latest.")]
    terminal_at: datetime | None
    allocated_at: Annotated[datetime | None, Field(description="When its fills were shared out.")]
    cancel_asked_at: Annotated[datetime | None, Field(description="When staff asked for its end.")]
    asked_price: Annotated[
        Amount | None, Field(description="The limit that staff want, until the venue has it.")
    ]


@on_wire
@dataclass(frozen=True, slots=True)
class OrderFill:
    """An execution at the venue, under the venue's id."""

    fill_id: str
    quantity: Amount
    price: Amount
    fee: Amount
    filled_at: Annotated[datetime, Field(description="When it was posted.")]
    traded_at: Annotated[datetime | None, Field(description="By the venue's clock.")]


@on_wire
@dataclass(frozen=True, slots=True)
class OrderPart:
    """What a book asked of an order and got of its fills; a buy is positive."""

    leg_id: UUID
    scope_id: Annotated[UUID, Field(description="The book.")]
    book: Annotated[str, Field(description="The book's kind.", examples=["managed"])]
    owner: str | None
    requested: Amount
    quantity: Amount | None
    fee: Amount | None


@on_wire
@dataclass(frozen=True, slots=True)
class OrderLife:
    """An order, what was filled of it, and whose it was: at most a thousand books, the largest
    first."""

    order: OrderRow
    fills: list[OrderFill]
    parts: list[OrderPart]


_ROW: LiteralString = (
    "SELECT o.id, o.number, o.venue, i.symbol, i.base, i.quote, o.side, o.kind, o.quantity,"
    " o.limit_price, o.time_in_force, o.reduce_only, o.trigger_price, o.reference_price, o.cause,"
    " o.cause_id, o.status, o.reason,"
    " f.quantity AS filled, f.price, f.fee,"
    " (SELECT count(*) FROM allocations a WHERE a.order_id = o.id)::integer AS books,"
    " o.created_at, o.sent_at, o.expires_at, o.terminal_at, o.allocated_at, o.cancel_asked_at,"
    " o.asked_price"
    " FROM orders o JOIN instruments i ON i.id = o.instrument_id"
    " CROSS JOIN LATERAL (SELECT coalesce(sum(quantity), 0) AS quantity,"
    "   round(sum(quantity * price) / sum(quantity), 12) AS price, coalesce(sum(fee), 0) AS fee"
    "  FROM fills WHERE order_id = o.id) f"
)


def latest_orders(
    tx: Tx,
    *,
    venue: str | None,
    symbol: str | None,
    statuses: list[str] | None,
    before: int | None,
    limit: int,
) -> list[OrderRow]:
    """Orders (at a venue, in a contract, of a state), the latest first, before one's number."""
    query = _ROW + (
        " WHERE (%(before)s::bigint IS NULL OR o.number < %(before)s)"
        "  AND (%(venue)s::text IS NULL OR o.venue = %(venue)s)"
        "  AND (%(symbol)s::text IS NULL OR i.symbol = %(symbol)s)"
        "  AND (%(statuses)s::text[] IS NULL OR o.status = ANY (%(statuses)s))"
        " ORDER BY o.number DESC LIMIT %(limit)s"
    )
    values = {"venue": venue, "symbol": symbol, "statuses": statuses, "before": before}
    return records(tx, OrderRow, query, {**values, "limit": limit})


def life_of(tx: Tx, order_id: UUID) -> OrderLife:
    """One order; code `unknown_order`."""
    order = first(tx, OrderRow, _ROW + " WHERE o.id = %s", (order_id,))
    if order is None:
        raise unknown("order", order_id, "orderId", "use one of the blotter's")
    fills = records(
        tx,
        OrderFill,
        "SELECT fill_id, quantity, price, fee, filled_at, traded_at FROM fills"
        " WHERE order_id = %s ORDER BY filled_at, fill_id",
        (order_id,),
    )
    parts = records(
        tx,
        OrderPart,
        "SELECT a.leg_id, l.scope_id, s.kind AS book, name_of(s.owner_id) AS owner, a.requested,"
        " a.quantity, a.fee FROM allocations a JOIN legs l ON l.id = a.leg_id"
        " JOIN scopes s ON s.id = l.scope_id WHERE a.order_id = %s"
        " ORDER BY abs(a.requested) DESC, a.leg_id LIMIT %s",
        (order_id, MOST_PARTS),
    )
    return OrderLife(order, fills, parts)
