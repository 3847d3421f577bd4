"""What staff ask of an order that works: its end, or another limit.

It is stored and done by whoever works on the order next, as everything that is asked of a venue: an
answer that is lost is asked for, and a process that dies has forgotten nothing.
"""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from commenda.audit import record
from commenda.execution import queries
from commenda.execution.halts import BREAKER_OPEN, is_stopped
from commenda.execution.model import Order
from commenda.execution.rules import require_movable
from commenda.kit.db import Tx
from commenda.kit.errors import conflict, unknown
from commenda.ledger import Author
from commenda.risk import any_standing
from commenda.venues import OrderView


def ask_end(tx: Tx, author: Author, order_id: UUID, note: str) -> None:
    """Have an order cancelled; asked again it stays asked. Codes `unknown_order`, `order_over`."""
    order = _working(tx, order_id)
    asked = tx.execute(
        "UPDATE orders SET cancel_asked_at = %s WHERE id = %s AND cancel_asked_at IS NULL",
        (author.now, order.id),
    ).rowcount
    if asked:
        _note(tx, author, order, "order.end_asked", {"note": note, "status": order.status})


def ask_price(tx: Tx, author: Author, order_id: UUID, price: Decimal, note: str) -> None:
    """Have a limit order wait at another price. Codes `unknown_order`, `order_over`,
    `order_ending`, `breaker_open` for one that opens what may not be opened now, and those of
    `require_movable`."""
    order = _working(tx, order_id)
    if order.cancel_asked_at is not None:
        raise conflict("order_ending", "It is being cancelled").at("orderId", order_id)
    row = tx.execute(
        "SELECT tick FROM instruments WHERE id = %s", (order.instrument_id,)
    ).fetchone()
    assert row is not None, "what is traded is stored"
    require_movable(order, price, row[0])
    if any_standing(tx) and is_stopped(tx, order_id):
        raise conflict(BREAKER_OPEN, "This order opens what may not be opened now").at(
            "orderId", order_id, "have it cancelled, or the breaker closed by two people"
        )
    tx.execute("UPDATE orders SET asked_price = %s WHERE id = %s", (price, order.id))
    said = {"note": note, "from": str(order.limit_price), "to": str(price)}
    _note(tx, author, order, "order.price_asked", said)


def end_move(tx: Tx, author: Author, order: Order, view: OrderView) -> None:
    """Note that an order waits at the limit that was asked for, or that the venue refused it."""
    done = view.limit_price == order.asked_price
    if done or view.reason is not None:
        queries.end_move(tx, order, done=done)
        said = {"limit": str(order.asked_price if done else order.limit_price)}
        if not done:
            said["reason"] = str(view.reason)
        _note(tx, author, order, "order.moved" if done else "order.not_moved", said)


def _working(tx: Tx, order_id: UUID) -> Order:
    found = queries.orders_by_id(tx, [order_id])
    if not found:
        raise unknown("order", order_id, "orderId", "use one of the blotter's")
    order = queries.find_order(tx, order_id, lock=True)
    if order.status.is_terminal:
        raise conflict("order_over", "The order is over").at(
            "orderId", order_id, f"it was {order.status}"
        )
    return order


def _note(tx: Tx, author: Author, order: Order, kind: str, said: dict[str, str]) -> None:
    record(tx, [author.event(kind, order.id, order.correlation_id, order.venue, said)])
