"""The order blotter over HTTP: what was sent to the venues, and what became of each order."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from commenda.execution import (
    OrderLife,
    OrderRow,
    ask_end,
    ask_price,
    latest_orders,
    life_of,
)
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    Body,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    problems,
    routes,
    write,
)
from commenda.kit.wire import WORDS, Amount
from commenda.ledger import Author
from commenda.market import SYMBOL
from commenda.operations.ticks import RULES
from commenda.venues import OrderStatus

router = routes("orders", "/orders")
Reader = Annotated[Principal, may(Permission.OVERVIEW)]
Steerer = Annotated[Principal, may(Permission.ORDERS)]
Note = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        pattern=WORDS,
        description="Why; it stands in the record.",
        examples=["The market has gone"],
    ),
]


class OrderEnd(Body):
    """What an order is cancelled for."""

    note: Note


class OrderPrice(Body):
    """Where a limit order is to wait from now on, and what for."""

    limit_price: Annotated[Amount, Field(gt=0, lt=10**20)]
    note: Note


class Shown(StrEnum):
    """Which orders are shown."""

    ALL = "all"
    WORKING = "working"
    """Those that have not ended."""
    FILLED = "filled"
    UNFILLED = "unfilled"
    """Those that ended before they were filled: cancelled, expired, refused."""


@router.get("", operation_id="listOrders", responses=GUARDED)
def list_orders(
    service: Served,
    _who: Reader,
    asked: Paged,
    venue: Annotated[str | None, Query(min_length=1, max_length=100, pattern=r"^[^\x00]+$")] = None,
    symbol: Annotated[str | None, Query(max_length=40, pattern=f"^{SYMBOL}$")] = None,
    shown: Annotated[Shown, Query(description="Which orders.")] = Shown.ALL,
) -> Page[OrderRow]:
    """Parent orders (at a venue, in a contract), the latest first."""
    with service.database.read() as tx:
        rows = latest_orders(
            tx,
            venue=venue,
            symbol=symbol,
            statuses=_statuses(shown),
            before=asked.after(int),
            limit=asked.rows,
        )
    return asked.page(rows, lambda one: one.number)


@router.get("/{order_id}", operation_id="getOrder", responses=GUARDED | problems(404))
def get_order(service: Served, _who: Reader, order_id: UUID) -> OrderLife:
    """The life of an order: its moments, its fills, and the books that it was for."""
    with service.database.read() as tx:
        return life_of(tx, order_id)


@router.post(
    "/{order_id}/cancel",
    operation_id="cancelOrder",
    status_code=202,
    response_model=OrderLife,
    responses=GUARDED | problems(404, 409),
)
def cancel_order(
    service: Served, who: Steerer, order_id: UUID, body: OrderEnd, key: IdempotencyKey = None
) -> Response:
    """Have an order that works cancelled. The venue is asked as soon as it is looked at next; what
    was filled by then is shared out, and what needs the rest asks anew."""

    def act(tx: Tx, now: datetime) -> OrderLife:
        ask_end(tx, Author(who.actor, RULES, now), order_id, body.note)
        return life_of(tx, order_id)

    return write(service, who, "orders.cancel", key, _asked(order_id, body), act, status=202)


@router.post(
    "/{order_id}/move",
    operation_id="moveOrder",
    status_code=202,
    response_model=OrderLife,
    responses=GUARDED | problems(404, 409),
)
def move_order(
    service: Served, who: Steerer, order_id: UUID, body: OrderPrice, key: IdempotencyKey = None
) -> Response:
    """Have a limit order wait at another price, at most a tenth from the one it was decided at. It
    goes to the end of the queue there; the venue may end it where it would trade at once."""
    price = Decimal(body.limit_price)

    def act(tx: Tx, now: datetime) -> OrderLife:
        ask_price(tx, Author(who.actor, RULES, now), order_id, price, body.note)
        return life_of(tx, order_id)

    return write(service, who, "orders.move", key, _asked(order_id, body), act, status=202)


def _asked(order_id: UUID, body: Body) -> dict[str, object]:
    """What must be equal for a replay."""
    return {"orderId": str(order_id), **body.model_dump(mode="json")}


def _statuses(shown: Shown) -> list[str] | None:
    if shown is Shown.ALL:
        return None
    if shown is Shown.FILLED:
        return [OrderStatus.FILLED]
    ended = shown is Shown.UNFILLED
    return [one for one in OrderStatus if one.is_terminal is ended and one != OrderStatus.FILLED]
