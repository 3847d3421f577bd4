"""Orders and fills of the paper venue, and how they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from commenda.kit.db import Tx
from commenda.venues.model import Fill, OrderKind, OrderStatus, Side

RESTING: LiteralString = "status IN ('accepted', 'partly_filled')"
_NAMES: LiteralString = (
    "instrument_id, side, kind, quantity, limit_price, trigger_price, expires_at, active_ts,"
    " seen_ts, placed_at, status, reason, filled, trades"
)
_COLUMNS = ("account", "id", *_NAMES.split(", "))
ORDER: LiteralString = (
    "SELECT account, client_order_id AS id, " + _NAMES + " FROM paper.orders "  # noqa: S608
)
_INSERT: LiteralString = (
    "INSERT INTO paper.orders (account, client_order_id, " + _NAMES + ")"  # noqa: S608
    " VALUES (%(account)s, %(id)s, %(instrument_id)s, %(side)s, %(kind)s, %(quantity)s,"
    " %(limit_price)s, %(trigger_price)s, %(expires_at)s, %(active_ts)s, %(seen_ts)s,"
    " %(placed_at)s, %(status)s, %(reason)s, %(filled)s, %(trades)s)"
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
    active_ts: int
    seen_ts: int
    placed_at: datetime
    status: OrderStatus = OrderStatus.ACCEPTED
    reason: str | None = None
    filled: Decimal = Decimal(0)
    trades: int = 0
    new: list[tuple[Fill, int, datetime]] = field(default_factory=list)
    """(fill, its bar, when) that are not stored yet."""

    def __post_init__(self) -> None:
        self.side, self.kind = Side(self.side), OrderKind(self.kind)
        self.status = OrderStatus(self.status)

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
            " filled = %(filled)s, trades = %(trades)s, seen_ts = %(seen_ts)s"
            " WHERE account = %(account)s AND client_order_id = %(id)s",
            _values(order),
        )


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
