"""Parent orders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.venues import OrderKind, OrderRequest, OrderStatus, Side, TimeInForce


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
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    status: OrderStatus = OrderStatus.INTENDED
    reason: str | None = None
    sent_at: datetime | None = None
    allocated_at: datetime | None = None
    cancel_asked_at: datetime | None = None
    asked_price: Decimal | None = None
    """The limit that staff want it to have, until the venue shows it."""

    def __post_init__(self) -> None:
        for name, kind in (
            ("side", Side),
            ("kind", OrderKind),
            ("status", OrderStatus),
            ("time_in_force", TimeInForce),
        ):
            object.__setattr__(self, name, kind(getattr(self, name)))

    def is_to_end(self, now: datetime) -> bool:
        """Its time is over, or somebody asked for its end."""
        is_over = self.expires_at is not None and self.expires_at <= now
        return is_over or self.cancel_asked_at is not None

    @property
    def moved(self) -> OrderRequest | None:
        """What is asked of the venue where its limit is to be another one."""
        if self.asked_price in (None, self.limit_price):
            return None
        return replace(self.request(), limit_price=self.asked_price)

    def request(self, *, exits: bool = False) -> OrderRequest:
        """What is asked of the venue; of what `exits` first."""
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
            self.time_in_force,
            self.reduce_only,
            exits,
        )
