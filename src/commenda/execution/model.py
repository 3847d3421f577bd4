"""Parent orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.venues import OrderKind, OrderRequest, OrderStatus, Side


@dataclass(frozen=True, slots=True)
class Order:
    """A parent order. Its id is the client order id, so the venue knows it when asked again."""

    id: UUID
    venue: str
    instrument_id: int
    side: Side
    kind: OrderKind
    quantity: Decimal
    limit_price: Decimal | None
    trigger_price: Decimal | None
    reference_price: Decimal
    expires_at: datetime | None
    active_from: datetime | None
    cause: str
    cause_id: UUID
    correlation_id: UUID
    status: OrderStatus = OrderStatus.INTENDED
    reason: str | None = None
    sent_at: datetime | None = None
    allocated_at: datetime | None = None

    def __post_init__(self) -> None:
        for name, kind in (("side", Side), ("kind", OrderKind), ("status", OrderStatus)):
            object.__setattr__(self, name, kind(getattr(self, name)))

    def is_over_time(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def request(self) -> OrderRequest:
        """What is asked of the venue."""
        return OrderRequest(
            self.id,
            self.instrument_id,
            self.side,
            self.kind,
            self.quantity,
            self.reference_price,
            self.limit_price,
            self.trigger_price,
            self.expires_at,
            self.active_from,
        )
