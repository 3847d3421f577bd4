"""What it takes to trade: a venue, prices, instruments, and the secret that breaks ties."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from commenda.market import CandleFeed, Instrument
from commenda.venues import Venue


@dataclass(frozen=True, slots=True)
class Desk:
    """Handed to whatever sends orders; made once by each entry point."""

    venue: Venue
    feed: CandleFeed
    secret: bytes

    def instrument(self, instrument_id: int) -> Instrument:
        """The instrument of that id."""
        return self.feed.instrument(instrument_id)

    def marks(self, now: datetime) -> dict[int, Decimal]:
        """The mark of every instrument as known at `now`."""
        stamp = int(now.timestamp())
        return {one.id: self.feed.mark_at(one.id, stamp).price for one in self.feed.instruments}
