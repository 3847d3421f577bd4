"""SQL of orders, fills and allocations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from commenda.execution.rules import Share
from commenda.kit.db import Tx
from commenda.venues import Fill, Order, OrderKind, OrderStatus, Side

CHUNK = 2000
"""Legs in one transaction and one journal: large enough to be fast, small enough to be resumed."""

_ORDER: LiteralString = (
    "SELECT id, venue, instrument_id, side, kind, quantity, trigger_price, reference_price,"
    " cause, cause_id, correlation_id, status, reason FROM orders "
)


def insert_orders(tx: Tx, orders: Iterable[Order], now: datetime) -> None:
    """Store intents; an order of the same cause, instrument and side is kept once."""
    for order in orders:
        tx.execute(
            "INSERT INTO orders (id, venue, instrument_id, side, kind, quantity, trigger_price,"
            " reference_price, cause, cause_id, correlation_id, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                order.id,
                order.venue,
                order.instrument_id,
                order.side,
                order.kind,
                order.quantity,
                order.trigger_price,
                order.reference_price,
                order.cause,
                order.cause_id,
                order.correlation_id,
                now,
            ),
        )


def find_order(tx: Tx, order_id: UUID, *, lock: bool = False) -> Order:
    """An intended order. Locked, whoever works on it at the same time waits for the outcome."""
    end: LiteralString = " FOR NO KEY UPDATE" if lock else ""
    row = tx.execute(_ORDER + "WHERE id = %s" + end, (order_id,)).fetchone()
    assert row is not None, f"order {order_id} was intended before it was worked"
    return _order(row)


def orders_of(tx: Tx, cause: str, cause_id: UUID) -> list[Order]:
    """The parent orders of one cause, in a stable order."""
    rows = tx.execute(
        _ORDER + "WHERE cause = %s AND cause_id = %s ORDER BY venue, instrument_id, side",
        (cause, cause_id),
    )
    return [_order(row) for row in rows]


def _order(row: tuple[object, ...]) -> Order:
    values = list(row)
    values[3] = Side(str(values[3]))
    values[4] = OrderKind(str(values[4]))
    values[11] = OrderStatus(str(values[11]))
    return Order(*values)  # type: ignore[arg-type]  # columns in the order of the fields


def close_order(
    tx: Tx, order_id: UUID, status: OrderStatus, reason: str | None, now: datetime
) -> None:
    tx.execute(
        "UPDATE orders SET status = %s, reason = %s, terminal_at = %s"
        " WHERE id = %s AND status = 'intended'",
        (status, reason, now, order_id),
    )


def insert_fills(tx: Tx, order: Order, fills: Sequence[Fill], now: datetime) -> None:
    for fill in fills:
        tx.execute(
            "INSERT INTO fills (venue, fill_id, order_id, quantity, price, fee, filled_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (order.venue, fill.id, order.id, fill.quantity, fill.price, fill.fee, now),
        )


def fills_of(tx: Tx, order_id: UUID) -> list[Fill]:
    rows = tx.execute(
        "SELECT fill_id, quantity, price, fee FROM fills WHERE order_id = %s ORDER BY fill_id",
        (order_id,),
    )
    return [Fill(*row) for row in rows]


def insert_requests(tx: Tx, order_id: UUID, requests: Sequence[tuple[UUID, Decimal]]) -> None:
    """Store what each leg asks of a parent order."""
    tx.execute(
        "INSERT INTO allocations (order_id, leg_id, requested)"
        " SELECT %s, * FROM unnest(%s::uuid[], %s::numeric[]) ON CONFLICT DO NOTHING",
        (order_id, [leg for leg, _ in requests], [quantity for _, quantity in requests]),
    )


def requests_of(tx: Tx, order_id: UUID) -> list[tuple[UUID, Decimal]]:
    """(leg, requested quantity), in the stable order of leg ids."""
    return tx.execute(
        "SELECT leg_id, requested FROM allocations WHERE order_id = %s ORDER BY leg_id",
        (order_id,),
    ).fetchall()


def unallocated(tx: Tx, order_id: UUID, leg_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the legs that still wait for their part of the order."""
    rows = tx.execute(
        "SELECT leg_id FROM allocations"
        " WHERE order_id = %s AND leg_id = ANY (%s) AND quantity IS NULL",
        (order_id, list(leg_ids)),
    )
    return {row[0] for row in rows}


def write_shares(tx: Tx, order_id: UUID, shares: Sequence[Share]) -> None:
    """Write what each leg got; an allocation is written once."""
    tx.execute(
        "UPDATE allocations a SET quantity = s.quantity, notional = s.notional, fee = s.fee"
        " FROM unnest(%s::uuid[], %s::numeric[], %s::numeric[], %s::numeric[])"
        "   AS s (leg_id, quantity, notional, fee)"
        " WHERE a.order_id = %s AND a.leg_id = s.leg_id AND a.quantity IS NULL",
        (
            [share.leg_id for share in shares],
            [share.quantity for share in shares],
            [share.notional for share in shares],
            [share.fee for share in shares],
            order_id,
        ),
    )


def in_flight(tx: Tx, scope_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the scopes that wait for a share of a parent order."""
    rows = tx.execute(
        "SELECT DISTINCT l.scope_id FROM legs l JOIN allocations a ON a.leg_id = l.id"
        " WHERE l.scope_id = ANY (%s) AND a.quantity IS NULL",
        (list(scope_ids),),
    )
    return {row[0] for row in rows}
