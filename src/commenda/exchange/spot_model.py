"""What an account has at spot, and its orders."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from commenda.exchange.model import BUY, ZERO, Contract, Customer, Income, Order, cut, is_reached

WAITING = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
"""Orders that wait for a price before they are sent."""


@dataclass(slots=True)
class Balance:
    """Of one asset."""

    free: Decimal = ZERO
    locked: Decimal = ZERO

    @property
    def whole(self) -> Decimal:
        return self.free + self.locked


@dataclass(slots=True)
class SpotAccount(Customer):
    """What a customer has at spot, by asset."""

    balances: dict[str, Balance] = field(default_factory=dict)
    transfers: set[str] = field(default_factory=set)
    """Notes of what was paid in and out: each is taken once."""
    moves: list[Income] = field(default_factory=list)
    """What was paid in and out."""
    changed: int = 0
    """When a balance last changed, in milliseconds."""

    def of(self, asset: str) -> Balance:
        """Of one asset; to ask makes nothing of it."""
        return self.balances.get(asset) or Balance()

    def add(self, asset: str, free: Decimal, locked: Decimal = ZERO) -> None:
        """Change what is had of an asset; nothing is ever owed."""
        one = self.balances.setdefault(asset, Balance())
        one.free += free
        one.locked += locked
        assert one.free >= ZERO <= one.locked, f"{self.name} has {one} {asset}"

    def forget(self) -> None:
        Customer.forget(self)
        cut(self.moves)


@dataclass(slots=True)
class SpotOrder(Order):
    """An order at spot, which may wait for a price, or say what it is worth and not how much."""

    trigger_ticks: int = 0
    waits: bool = False
    quote_asked: Decimal = ZERO
    """What a market order is to be worth, where it says that."""
    locked: Decimal = ZERO
    """What it locks now, of the asset that it gives."""
    working_at: int = 0
    """When it went into the book."""
    cancelled_by: str = ""
    """The client id of its cancellation."""

    def is_met(self, ticks: int) -> bool:
        return is_reached(self.side, self.type, self.trigger_ticks, ticks)

    def gives(self, of: Contract) -> str:
        """The asset it pays with, and locks."""
        return of.quote if self.side == BUY else of.base

    def gets(self, of: Contract) -> str:
        """The asset it brings, of which the fee is taken."""
        return of.base if self.side == BUY else of.quote
