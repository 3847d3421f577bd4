"""A business that is stopped: by a person, in part or as a whole; and who sends meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from uuid import UUID

from commenda.operations import Stopped, settle_stop
from commenda.risk import Breaker, Effect, Level, close_breaker, find_breaker, stop
from commenda.venues import OrderRequest, OrderView, PaperVenue
from world import World


def stopped(
    world: World,
    level: Level = Level.PLATFORM,
    subject: object = "",
    effect: Effect = Effect.NO_ENTRIES,
    patience: float = 10.0,
) -> Stopped:
    """Stop as the route does."""
    with world.database.transaction() as tx:
        breaker = stop(tx, world.author, level, str(subject), effect, "a test")
    return settle_stop(world.database, world.author, breaker.id, patience)


def resumed(world: World, breaker: Breaker) -> None:
    """Close a breaker, as two people have agreed."""
    with world.database.transaction() as tx:
        close_breaker(tx, world.author, find_breaker(tx, breaker.id, lock=True), "agreed", {})


@dataclass(frozen=True)
class HangingVenue(PaperVenue):
    """The paper venue, which takes an order in only once `heard` is set."""

    heard: Event = field(default_factory=Event)
    called: Event = field(default_factory=Event)

    def submit(self, order: OrderRequest, now: datetime) -> OrderView:
        self.called.set()
        assert self.heard.wait(30), "nobody let it go on"
        return PaperVenue.submit(self, order, now)


@dataclass(frozen=True)
class WatchedVenue(PaperVenue):
    """The paper venue, which is slow and notes by the server's clock when each order came in."""

    slow: float = 0.05

    def submit(self, order: OrderRequest, now: datetime) -> OrderView:
        # As long as its id says: a drawn wait would not be the same in a second run.
        time.sleep(self.slow * (order.id.int % 97) / 97)
        note(self, order.id)
        return PaperVenue.submit(self, order, now)


def note(venue: PaperVenue, order_id: UUID) -> None:
    with venue.database.transaction() as tx:
        tx.execute("INSERT INTO arrived VALUES (%s, clock_timestamp())", (order_id,))


ARRIVED = (
    "CREATE TABLE arrived (order_id uuid, at timestamptz); GRANT ALL ON arrived TO commenda_app"
)
