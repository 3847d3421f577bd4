"""What it takes to trade: venues, prices, instruments, and the secret that breaks ties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from commenda.kit.errors import not_found
from commenda.market import CandleFeed, Instrument
from commenda.venues import Venue


@dataclass(frozen=True, slots=True)
class Broker:
    """Handed to whatever sends orders; made once by each entry point."""

    first: tuple[Venue, ...]
    """One for each account at a venue that books trade at, as it is made."""
    feed: CandleFeed
    secret: bytes
    reach: Callable[[str], Venue] | None = None
    """Connects to an account that came into use later; None where none does."""
    later: dict[str, Venue] = field(default_factory=dict, compare=False)

    @property
    def venues(self) -> tuple[Venue, ...]:
        """The accounts that this process is connected to by now."""
        return (*self.first, *self.later.values())

    def venue(self, name: str) -> Venue:
        """The account of that name, reached now if it has to be; code `unknown_venue`."""
        found = next((one for one in self.venues if one.name == name), None)
        if found is None and self.reach is not None:
            found = self.later.setdefault(name, self.reach(name))
        if found is None:
            raise not_found("unknown_venue", "This process is connected to no such venue").at(
                "venue", name, f"it is connected to {', '.join(one.name for one in self.venues)}"
            )
        return found

    def instrument(self, instrument_id: int) -> Instrument:
        """The instrument of that id."""
        return self.feed.instrument(instrument_id)

    def marks(self, now: datetime) -> dict[int, Decimal]:
        """The mark of every instrument as known at `now`."""
        stamp = int(now.timestamp())
        return {one.id: self.feed.mark_at(one.id, stamp).price for one in self.feed.instruments}
