"""SQL of orders, fills and allocations that several verbs need."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import astuple
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from commenda.execution.model import Order
from commenda.execution.rules import Share
from commenda.kit.db import Tx
from commenda.kit.rows import columns
from commenda.ledger import Author
from commenda.venues import Execution, Fill, OrderStatus

CHUNK = 2000
"""Legs in one transaction and one journal: large enough to be fast, small enough to be resumed."""

_COLUMNS: LiteralString = (
    "id, venue, instrument_id, side, kind, quantity, limit_price, trigger_price, reference_price,"
    " expires_at, active_from, cause, cause_id, correlation_id, time_in_force, reduce_only,"
    " status, reason, sent_at, allocated_at, cancel_asked_at, asked_price"
)
_ORDER: LiteralString = "SELECT " + _COLUMNS + " FROM orders "  # noqa: S608 - constants


def insert_orders(tx: Tx, orders: Sequence[Order], now: datetime) -> None:
    """Store intents; an order of the same cause, venue, instrument and side is kept once."""
    for order in orders:
        tx.execute(
            "INSERT INTO orders (id, venue, instrument_id, side, kind, quantity, limit_price,"
            " trigger_price, reference_price, expires_at, active_from, cause, cause_id,"
            " correlation_id, time_in_force, reduce_only, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (*astuple(order)[:16], now),
        )


def find_order(tx: Tx, order_id: UUID, *, lock: bool = False) -> Order:
    """An intended order. Locked, whoever works on it at the same time waits for the outcome."""
    end: LiteralString = " FOR NO KEY UPDATE" if lock else ""
    order = _one(tx, _ORDER + "WHERE id = %s" + end, (order_id,))
    assert order is not None, f"order {order_id} was intended before it was worked"
    return order


def mark_sent(tx: Tx, order_id: UUID, now: datetime, *, judged: bool = False) -> Order | None:
    """Be the one who sends an order; None where another has, or it is to end.

    Where any breaker is not closed, an order is `judged` before: until then it is None, too.
    """
    free: LiteralString = (
        "" if judged else " AND NOT EXISTS (SELECT FROM risk_breakers WHERE state <> 'closed')"
    )
    return _one(
        tx,
        "UPDATE orders SET status = 'sent', sent_at = %s"  # noqa: S608 - constants
        " WHERE id = %s AND status = 'intended' AND cancel_asked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > %s)" + free + " RETURNING " + _COLUMNS,
        (now, order_id, now),
    )


def note_denial(tx: Tx, order_id: UUID) -> int:
    """The venue says that it has no such order: how often it has said so."""
    row = tx.execute(
        "UPDATE orders SET denied = denied + 1 WHERE id = %s RETURNING denied", (order_id,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def orders_of(tx: Tx, cause: str, cause_id: UUID) -> list[Order]:
    """The parent orders of one cause, in a stable order."""
    with tx.cursor(row_factory=class_row(Order)) as cursor:
        return cursor.execute(
            _ORDER + "WHERE cause = %s AND cause_id = %s ORDER BY venue, instrument_id, side",
            (cause, cause_id),
        ).fetchall()


def orders_by_id(tx: Tx, ids: Sequence[UUID]) -> list[Order]:
    """The orders of these ids, as they were intended."""
    with tx.cursor(row_factory=class_row(Order)) as cursor:
        return cursor.execute(_ORDER + "WHERE id = ANY (%s) ORDER BY number", (ids,)).fetchall()


def working(tx: Tx, cause: str, cause_id: UUID) -> bool:
    """Whether any parent order of a cause is not allocated yet."""
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM orders"
        " WHERE cause = %s AND cause_id = %s AND allocated_at IS NULL)",
        (cause, cause_id),
    ).fetchone()
    return row == (True,)


def _one(tx: Tx, query: LiteralString, values: tuple[object, ...]) -> Order | None:
    with tx.cursor(row_factory=class_row(Order)) as cursor:
        return cursor.execute(query, values).fetchone()


def write_status(
    tx: Tx, order_id: UUID, status: OrderStatus, reason: str | None, now: datetime
) -> None:
    tx.execute(
        "UPDATE orders SET status = %s, reason = %s, terminal_at = %s WHERE id = %s",
        (status, reason, now if status.is_terminal else None, order_id),
    )


def end_move(tx: Tx, order: Order, *, done: bool) -> None:
    """An order's limit is the one that was asked for, or stays as it is."""
    tx.execute(
        "UPDATE orders SET asked_price = NULL,"
        " limit_price = CASE WHEN %s THEN asked_price ELSE limit_price END WHERE id = %s",
        (done, order.id),
    )


def insert_stray(tx: Tx, venue: str, one: Execution, now: datetime) -> None:
    """Keep a fill that no order here waits for."""
    tx.execute(
        "INSERT INTO stray_fills (venue, order_id, instrument_id, side, fill_id, quantity, price,"
        " fee, traded_at, forced, seen_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (venue, one.order_id, one.instrument_id, one.side, *one.fill, one.forced, now),
    )


def read_cursor(tx: Tx, venue: str, stream: str) -> str | None:
    """How far a stream of a venue was read; None for not at all."""
    row = tx.execute(
        "SELECT cursor FROM venue_cursors WHERE venue = %s AND stream = %s", (venue, stream)
    ).fetchone()
    return row[0] if row else None


def keep_cursor(tx: Tx, venue: str, stream: str, cursor: str | None) -> None:
    if cursor is not None:
        tx.execute(
            "INSERT INTO venue_cursors VALUES (%s, %s, %s)"
            " ON CONFLICT (venue, stream) DO UPDATE SET cursor = excluded.cursor",
            (venue, stream, cursor),
        )


def insert_fills(tx: Tx, order: Order, fills: Sequence[Fill], now: datetime) -> None:
    tx.execute(
        "INSERT INTO fills (venue, fill_id, order_id, quantity, price, fee, traded_at, filled_at)"
        " SELECT %s, id, %s, quantity, price, fee, traded_at, %s"
        " FROM unnest(%s::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::timestamptz[])"
        "   AS n (id, quantity, price, fee, traded_at) ON CONFLICT DO NOTHING",
        (order.venue, order.id, now, *columns(fills, 5)),
    )


def fills_of(tx: Tx, order_id: UUID) -> list[Fill]:
    rows = tx.execute(
        "SELECT fill_id, quantity, price, fee FROM fills WHERE order_id = %s ORDER BY fill_id",
        (order_id,),
    )
    return [Fill(*row) for row in rows]


def insert_requests(tx: Tx, requests: Sequence[tuple[UUID, UUID, Decimal]]) -> None:
    """Store what each leg asks of an order: (order, leg, signed quantity)."""
    tx.execute(
        "INSERT INTO allocations (order_id, leg_id, requested)"
        " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::numeric[]) ON CONFLICT DO NOTHING",
        columns(requests, 3),
    )


def requests_of(tx: Tx, order_id: UUID) -> list[tuple[UUID, Decimal]]:
    """(leg, requested quantity), in the stable order of leg ids."""
    return tx.execute(
        "SELECT leg_id, requested FROM allocations WHERE order_id = %s ORDER BY leg_id",
        (order_id,),
    ).fetchall()


def allocate_shares(
    tx: Tx,
    author: Author,
    order: Order,
    chunk: int,
    shares: Sequence[Share],
    in_transit: Sequence[int],
) -> int:
    """Post a chunk's shares, to legs that still wait for one, and write what they hold now.

    How many legs have no position account yet: then nothing is done.
    """
    row = tx.execute(
        "SELECT allocate_shares(%s, %s::smallint, %s::uuid[], %s::numeric[], %s::numeric[],"
        " %s::numeric[], %s::bigint[], %s, %s, %s, %s, %s)",
        (
            order.id,
            order.instrument_id,
            *columns(shares, 4),
            list(in_transit),
            f"allocation:{order.id}:{chunk}",
            order.correlation_id,
            author.actor,
            author.rule_version,
            author.now,
        ),
    ).fetchone()
    assert row is not None
    return int(row[0])


def end_allocation(tx: Tx, order_id: UUID, now: datetime) -> None:
    tx.execute(
        "UPDATE orders SET allocated_at = %s WHERE id = %s AND allocated_at IS NULL",
        (now, order_id),
    )


def working_at(tx: Tx, venues: Collection[str]) -> list[Order]:
    """The orders at these venues that were sent and are not over or not shared out."""
    with tx.cursor(row_factory=class_row(Order)) as cursor:
        return cursor.execute(
            _ORDER + "WHERE allocated_at IS NULL AND sent_at IS NOT NULL AND venue = ANY (%s)"
            " ORDER BY number",
            (list(venues),),
        ).fetchall()


def at_rest(tx: Tx, venue: str, instrument_id: int, since: datetime) -> bool:
    """Whether every order that was sent there by then is over and shared out."""
    row = tx.execute(
        "SELECT NOT EXISTS (SELECT FROM orders WHERE venue = %s AND instrument_id = %s"
        " AND sent_at <= %s AND allocated_at IS NULL)",
        (venue, instrument_id, since),
    ).fetchone()
    return row == (True,)


def in_flight(tx: Tx, scope_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the scopes that wait for a share of a parent order."""
    rows = tx.execute(
        "SELECT DISTINCT l.scope_id FROM orders o JOIN allocations a ON a.order_id = o.id"
        " JOIN legs l ON l.id = a.leg_id"
        " WHERE o.allocated_at IS NULL AND a.quantity IS NULL AND l.scope_id = ANY (%s)",
        (list(scope_ids),),
    )
    return {row[0] for row in rows}
