"""Orders and fills of the paper venue, and how they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from commenda.kit.db import Tx
from commenda.venues.model import Fill, OrderKind, OrderStatus, Side, TimeInForce

RESTING: LiteralString = "status IN ('accepted', 'partly_filled')"
_NAMES: LiteralString = (
    "instrument_id, side, kind, quantity, limit_price, trigger_price, expires_at, active_ts,"
    " seen_ts, placed_at, status, reason, filled, trades, time_in_force, reduce_only"
)
_COLUMNS = ("account", "id", *_NAMES.split(", "))
ORDER: LiteralString = (
    "SELECT account, client_order_id AS id, " + _NAMES + " FROM paper.orders "  # noqa: S608
)
_INSERT: LiteralString = (
    "INSERT INTO paper.orders (account, client_order_id, " + _NAMES + ")"  # noqa: S608
    " VALUES (%(account)s, %(id)s, %(instrument_id)s, %(side)s, %(kind)s, %(quantity)s,"
    " %(limit_price)s, %(trigger_price)s, %(expires_at)s, %(active_ts)s, %(seen_ts)s,"
    " %(placed_at)s, %(status)s, %(reason)s, %(filled)s, %(trades)s, %(time_in_force)s,"
    " %(reduce_only)s)"
)


@dataclass(slots=True)
class PaperOrder:
    """An order in the venue's books: from the bar `active_ts` on, matched up to `seen_ts`."""

    account: str
    id: UUID
    instrument_id: int
    side: Side
    kind: OrderKind
    quantity: Decimal
    limit_price: Decimal | None
    trigger_price: Decimal | None
    expires_at: datetime | None
    time_in_force: TimeInForce
    reduce_only: bool
    placed_at: datetime
    active_ts: int = 0
    seen_ts: int = 0
    status: OrderStatus = OrderStatus.ACCEPTED
    reason: str | None = None
    filled: Decimal = Decimal(0)
    trades: int = 0
    new: list[tuple[Fill, int, datetime]] = field(default_factory=list)
    """(fill, its bar, when) that are not stored yet."""

    def __post_init__(self) -> None:
        self.side, self.kind = Side(self.side), OrderKind(self.kind)
        self.status = OrderStatus(self.status)
        self.time_in_force = TimeInForce(self.time_in_force)

    def place(self, since: int, interval: int) -> None:
        """Take part from a moment on. A bar that has begun is not known any more; what waits for
        nothing takes the present or none, and what only makes comes after a bar's open."""
        first = since if self.at_once else -(-since // interval) * interval
        late = self.time_in_force is TimeInForce.POST_ONLY and first == since
        self.active_ts, self.seen_ts = first, first if late else first - 1

    def arm(self) -> None:
        """A stop with a limit, once its trigger trades, is a limit order."""
        if self.trigger_price is not None and self.limit_price is not None:
            self.kind, self.trigger_price = OrderKind.LIMIT, None

    @property
    def at_once(self) -> bool:
        """Takes what there is as it comes in, and waits for nothing."""
        return self.kind is OrderKind.MARKET or self.time_in_force is TimeInForce.IOC

    @property
    def rests(self) -> bool:
        """Waits on after a part of it was filled."""
        return self.kind is OrderKind.LIMIT and not self.at_once

    @property
    def rests_since_before(self) -> bool:
        """A stop whose bars had closed when it was handed in."""
        return self.active_ts < int(self.placed_at.timestamp())

    def end(self, status: OrderStatus, reason: str | None = None) -> None:
        self.status, self.reason = status, reason


def insert_order(tx: Tx, order: PaperOrder) -> None:
    tx.execute(_INSERT, _values(order))


def store_orders(tx: Tx, orders: Sequence[PaperOrder]) -> None:
    for order in orders:
        tx.execute(
            "UPDATE paper.orders SET status = %(status)s, reason = %(reason)s,"
            " filled = %(filled)s, trades = %(trades)s, seen_ts = %(seen_ts)s,"
            " active_ts = %(active_ts)s, kind = %(kind)s, trigger_price = %(trigger_price)s,"
            " limit_price = %(limit_price)s, quantity = %(quantity)s"
            " WHERE account = %(account)s AND client_order_id = %(id)s",
            _values(order),
        )


def queue_anew(tx: Tx, order: PaperOrder) -> None:
    """Behind all that wait: what changes its terms loses its place."""
    tx.execute(
        "UPDATE paper.orders SET number = DEFAULT WHERE account = %s AND client_order_id = %s",
        (order.account, order.id),
    )


def reducible(tx: Tx, order: PaperOrder, live: Sequence[PaperOrder]) -> Decimal:
    """How much an order can close of what its account holds, fills that are not stored counted."""
    row = tx.execute(
        "SELECT quantity FROM paper.positions WHERE account = %s AND instrument_id = %s",
        (order.account, order.instrument_id),
    ).fetchone()
    held = row[0] if row else Decimal(0)
    for one in live:
        if one.account == order.account:
            held += one.side.sign * sum((fill.quantity for fill, _, _ in one.new), Decimal(0))
    return max(Decimal(0), -order.side.sign * held)


def _values(order: PaperOrder) -> dict[str, object]:
    return {name: getattr(order, name) for name in _COLUMNS}


def insert_fill(tx: Tx, order: PaperOrder, fill: Fill, bar_ts: int, at: datetime) -> None:
    tx.execute(
        "INSERT INTO paper.fills (account, id, client_order_id, instrument_id, bar_ts,"
        " quantity, price, fee, filled_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            order.account,
            fill.id,
            order.id,
            order.instrument_id,
            bar_ts,
            fill.quantity,
            fill.price,
            fill.fee,
            at,
        ),
    )
