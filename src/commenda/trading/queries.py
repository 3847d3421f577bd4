"""SQL of orders, fills, allocations and positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from commenda.kit.db import Tx
from commenda.trading.model import Fill, FundingPayment, Leg, Order, OrderKind, OrderStatus, Side
from commenda.trading.rules import Share

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
        _ORDER + "WHERE cause = %s AND cause_id = %s ORDER BY instrument_id, side",
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


def books_of(
    tx: Tx, leg_ids: Sequence[UUID], instrument_id: int
) -> dict[UUID, tuple[int, int | None]]:
    """For each leg its cash account and, where it has one, its position account."""
    rows = tx.execute(
        "SELECT l.id, l.account_id, p.account_id FROM legs l"
        " LEFT JOIN positions p ON p.leg_id = l.id AND p.instrument_id = %s"
        " WHERE l.id = ANY (%s)",
        (instrument_id, list(leg_ids)),
    )
    return {leg: (cash, position) for leg, cash, position in rows}


def quantities_of(tx: Tx, leg_ids: Sequence[UUID], instrument_id: int) -> dict[UUID, Decimal]:
    """What each leg holds of an instrument; legs that hold nothing may be missing."""
    return dict(
        tx.execute(
            "SELECT leg_id, quantity FROM positions WHERE instrument_id = %s AND leg_id = ANY (%s)",
            (instrument_id, list(leg_ids)),
        ).fetchall()
    )


def other_value(
    tx: Tx, leg_ids: Sequence[UUID], instrument_id: int, marks: Mapping[int, Decimal]
) -> dict[UUID, Decimal]:
    """Value at `marks` of what each leg holds in other instruments than this one."""
    return dict(
        tx.execute(
            "SELECT p.leg_id, sum(p.quantity * m.price) FROM positions p"
            " JOIN unnest(%s::smallint[], %s::numeric[]) AS m (instrument_id, price)"
            "   USING (instrument_id)"
            " WHERE p.leg_id = ANY (%s) AND p.instrument_id <> %s AND p.quantity <> 0"
            " GROUP BY p.leg_id",
            (list(marks), list(marks.values()), list(leg_ids), instrument_id),
        ).fetchall()
    )


def insert_positions(tx: Tx, instrument_id: int, rows: Sequence[tuple[UUID, int]]) -> None:
    tx.execute(
        "INSERT INTO positions (leg_id, instrument_id, account_id)"
        " SELECT leg, %s, account FROM unnest(%s::uuid[], %s::bigint[]) AS n (leg, account)"
        " ON CONFLICT DO NOTHING",
        (instrument_id, [leg for leg, _ in rows], [account for _, account in rows]),
    )


def move_quantities(tx: Tx, instrument_id: int, moves: Sequence[tuple[UUID, Decimal]]) -> None:
    """Set the new quantities of legs, whose position accounts the caller has locked."""
    tx.execute(
        "UPDATE positions p SET quantity = m.quantity"
        " FROM unnest(%s::uuid[], %s::numeric[]) AS m (leg_id, quantity)"
        " WHERE p.leg_id = m.leg_id AND p.instrument_id = %s",
        ([leg for leg, _ in moves], [quantity for _, quantity in moves], instrument_id),
    )


def holders(tx: Tx, instrument_id: int) -> list[tuple[UUID, int, Decimal]]:
    """Every leg with an open quantity: (leg, cash account, quantity), in the order of leg ids."""
    return tx.execute(
        "SELECT l.id, l.account_id, p.quantity FROM positions p JOIN legs l ON l.id = p.leg_id"
        " WHERE p.instrument_id = %s AND p.quantity <> 0 ORDER BY l.id",
        (instrument_id,),
    ).fetchall()


def open_quantities(tx: Tx, scope_ids: Sequence[UUID]) -> list[tuple[UUID, UUID, int, Decimal]]:
    """(scope, leg, instrument, quantity) of everything these scopes hold."""
    return tx.execute(
        "SELECT l.scope_id, l.id, p.instrument_id, p.quantity"
        " FROM legs l JOIN positions p ON p.leg_id = l.id"
        " WHERE l.scope_id = ANY (%s) AND p.quantity <> 0 ORDER BY p.instrument_id, l.id",
        (list(scope_ids),),
    ).fetchall()


def legs_of(tx: Tx, scope_ids: Sequence[UUID]) -> list[Leg]:
    with tx.cursor(row_factory=class_row(Leg)) as cursor:
        return cursor.execute(
            "SELECT id, scope_id, creator_id, account_id, capital FROM legs"
            " WHERE scope_id = ANY (%s) ORDER BY scope_id, id",
            (list(scope_ids),),
        ).fetchall()


def in_flight(tx: Tx, scope_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the scopes that wait for a share of a parent order."""
    rows = tx.execute(
        "SELECT DISTINCT l.scope_id FROM legs l JOIN allocations a ON a.leg_id = l.id"
        " WHERE l.scope_id = ANY (%s) AND a.quantity IS NULL",
        (list(scope_ids),),
    )
    return {row[0] for row in rows}


def insert_funding(tx: Tx, venue: str, payment: FundingPayment) -> bool:
    """Claim a funding stamp; False when it was posted before."""
    return bool(
        tx.execute(
            "INSERT INTO funding_payments (venue, instrument_id, stamp, rate, mark, mark_source,"
            " quantity, amount) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (venue, *payment),
        ).rowcount
    )
