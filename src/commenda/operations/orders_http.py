"""The order blotter over HTTP: what was sent to the venues, and what became of each order."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import Query

from commenda.execution import OrderLife, OrderRow, latest_orders, life_of
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.web import GUARDED, Page, Paged, Served, problems, routes
from commenda.market import SYMBOL
from commenda.venues import OrderStatus

router = routes("orders", "/orders")
Reader = Annotated[Principal, may(Permission.OVERVIEW)]


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


def _statuses(shown: Shown) -> list[str] | None:
    if shown is Shown.ALL:
        return None
    if shown is Shown.FILLED:
        return [OrderStatus.FILLED]
    ended = shown is Shown.UNFILLED
    return [one for one in OrderStatus if one.is_terminal is ended and one != OrderStatus.FILLED]
