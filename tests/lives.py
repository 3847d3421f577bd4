"""Orders at the other venue, whose exchange fails as it is told."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from commenda.execution import Broker, Order, execute_orders, intend, observe_executions, reconcile
from commenda.kit import ids
from commenda.kit.db import Database
from scripted import D
from venues import Died, Exchange, OtherVenue
from world import World

LOT = D("0.001")


class Life:
    """Three books at the other venue, whose exchange fails as it is told."""

    def __init__(self, db: Database, *, deduplicates: bool = True) -> None:
        self.world = World(db, fee="0.0005", lot=LOT)
        self.exchange = Exchange(self.world.feed.instruments, deduplicates=deduplicates)
        self.restart()
        flow = self.world.creator("anna", capital=0, venue="other")
        self.instrument = flow.instrument_id
        self.legs = [self.world.follow(self.world.investor(name), flow, D(5_000)) for name in "abc"]
        self.orders: list[Order] = []

    def restart(self) -> None:
        """A process that knows nothing but what is stored."""
        self.world.trade_at(OtherVenue(self.exchange, self.marks))

    def marks(self, _now: object = None) -> dict[int, Decimal]:
        return self.world.broker.marks(self.world.now)

    @property
    def honest(self) -> OtherVenue:
        return OtherVenue(self.exchange, self.marks, honest=True)

    @property
    def broker(self) -> Broker:
        return self.world.broker

    def ask(self, *quantities: Decimal, **terms: Any) -> list[Order]:
        """An order for each side, of what the legs ask in their order."""
        asked = zip(self.legs, quantities, strict=False)
        requests = [(leg, "other", one) for leg, one in asked if one]
        cause = ids.derive("test-cause", len(self.orders))
        with self.world.database.transaction() as tx:
            new, _ = intend(
                tx,
                cause="withdrawal",
                cause_id=cause,
                correlation_id=cause,
                instrument=self.broker.instrument(self.instrument),
                requests=requests,
                reference_price=D(100),
                now=self.world.now,
                **terms,
            )
        self.orders += new
        return new

    def work(self) -> None:
        """What a tick does; a process that dies in between leaves the rest to the next."""
        author = self.world.author
        errors = execute_orders(self.world.database, self.broker, self.orders, author)
        assert all(isinstance(one, Died) for one in errors), errors

    def listen(self) -> None:
        try:
            observe_executions(self.world.database, self.broker, self.world.author)
        except Died:
            self.restart()

    def wait(self, minutes: int) -> None:
        self.world.now += timedelta(minutes=minutes)
        self.world.advance(0)

    def status(self, order: Order) -> str:
        return str(self.world.one("SELECT status FROM orders WHERE id = %s", order.id))

    def unexplained(self) -> dict[str, Decimal]:
        """As the venue's own books have it: nothing late, nothing lost."""
        world = self.world
        with world.database.transaction() as tx:
            lines = reconcile(tx, self.honest, world.feed.instruments, self.marks(), world.now)
        return {line.subject: line.unexplained for line in lines if line.unexplained}

    def allocated(self) -> dict[tuple[UUID, UUID], tuple[Decimal, ...]]:
        rows = self.world.rows(
            "SELECT order_id, leg_id, quantity, notional, fee FROM allocations"
            " WHERE quantity IS NOT NULL"
        )
        return {(order, leg): tuple(got) for order, leg, *got in rows}
