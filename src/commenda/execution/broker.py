"""What it takes to trade: venues, prices, instruments, and the secret that breaks ties."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from commenda.kit.errors import not_found
from commenda.market import CandleFeed, Instrument
from commenda.venues import Venue


@dataclass(frozen=True, slots=True)
class Broker:
    """Handed to whatever sends orders; made once by each entry point."""

    venues: tuple[Venue, ...]
    """One for each account at a venue that books trade at."""
    feed: CandleFeed
    secret: bytes

    def venue(self, name: str) -> Venue:
        """The account of that name; code `unknown_venue`."""
        for one in self.venues:
            if one.name == name:
                return one
        raise not_found("unknown_venue", "This process is connected to no such venue").at(
            "venue", name, "start it again once the venue is in use, and see VENUES"
        )

    def instrument(self, instrument_id: int) -> Instrument:
        """The instrument of that id."""
        return self.feed.instrument(instrument_id)

    def marks(self, now: datetime) -> dict[int, Decimal]:
        """The mark of every instrument as known at `now`."""
        stamp = int(now.timestamp())
        return {one.id: self.feed.mark_at(one.id, stamp).price for one in self.feed.instruments}
