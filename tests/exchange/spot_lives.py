"""A life at spot, and what goes wrong there of what goes wrong at a contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar

from commenda.exchange.model import BUY, Trade
from commenda.exchange.spot_desk import listener
from commenda.execution import Order as OurOrder
from commenda.venues.binance_spot import BinanceSpot
from commenda.venues.dialect import Dialect

from .lived import D, Life
from .scenarios import ORDER, SCENARIOS, Scenario, away, other_clock, reads_again, restarts


@dataclass
class SpotLife(Life):
    """Books buy with what they have, and sell what they hold: anybody else's is never asked for."""

    market: ClassVar[str] = "binance_spot"
    dialect: ClassVar[Callable[[], Dialect]] = BinanceSpot
    listens: ClassVar[str] = listener("desk")
    purse: ClassVar[Decimal] = D(1_000_000)
    """In its futures, out of which spot is paid in."""

    @property
    def exchange(self) -> Any:
        return self.near.house.spot

    @property
    def desk(self) -> Any:
        return self.exchange.account("desk")

    def settle_before(self) -> None:
        assert self.desk.of("USDT").whole == 3 * self.capital

    def mark(self, symbol: str, price: Decimal) -> None:
        """Spot has none."""

    def fund(self) -> None:
        """Nor anything that is paid for holding."""

    def funded(self) -> Decimal:
        return D(0)

    def held_there(self, symbol: str) -> Decimal:
        found: Decimal = self.desk.of(self.world.instruments[symbol].base).whole
        return found

    def fill_there(self, one: Trade) -> tuple[Decimal, Decimal, Decimal]:
        quantity, price, fee = super().fill_there(one)
        if one.side == BUY:
            return quantity - fee, price, fee * price
        return quantity, price, fee

    def waits_there(self) -> list[Any]:
        return [one for one in self.desk.open.values() if one.waits]

    def ask(self, symbol: str, *quantities: Decimal, **terms: Any) -> list[OurOrder]:
        """No book asks to sell more than it has and sells already: those who ask for a book look at
        both, under its lock. Who has nothing buys instead."""
        given = []
        for leg, quantity in zip(self.legs, quantities, strict=False):
            selling = self.world.one(
                "SELECT coalesce(sum(a.requested), 0) FROM allocations a JOIN orders o"
                " ON o.id = a.order_id JOIN instruments i ON i.id = o.instrument_id"
                " WHERE a.leg_id = %s AND i.symbol = %s AND a.quantity IS NULL"
                "  AND a.requested < 0",
                leg,
                symbol,
            )
            free = max(D(0), self.world.quantity(leg, symbol) + selling)
            given.append(max(quantity, -free) if free else abs(quantity))
        return super().ask(symbol, *given, **terms)


NOT_THERE = {
    "06-fill-of-an-unknown-instrument": "what somebody had bought before is there, and differs",
    "08-position-sides": "there are none",
    "09-reduce-only-shrunk": "nothing only reduces",
    "10-exits-of-what-is-gone": "nothing is liquidated",
    "13-funding-twice-or-never": "nothing is paid for holding",
    "late-funding": "nothing is paid for holding",
    "liquidated": "nothing is lent",
    "deleveraged": "nothing is lent",
    "delisted": "what is held stays",
}
"""Scenarios of contracts that spot does not know, and why."""
_KINDS = ("shrunk", "adl")


def _at_spot(scenario: Scenario) -> Scenario:
    def placed(where: str) -> str:
        return where.replace(ORDER, "POST /api/v3/order").replace("algoOrder", "/api/v3/order")

    faults = tuple(
        one | {"matches": placed(one["matches"])}
        for one in scenario.faults
        if one["kind"] not in _KINDS
    )
    if scenario.name != "everything":
        return replace(scenario, faults=faults)

    def act(life: Life) -> None:
        life.draw.choice([restarts, reads_again, other_clock, away, Life.ask_stop])(life)

    return replace(scenario, faults=faults, act=act)


SPOT_SCENARIOS = tuple(_at_spot(one) for one in SCENARIOS if one.name not in NOT_THERE)
