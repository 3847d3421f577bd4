"""What it takes to trade: venues, prices, instruments, and the secret that breaks ties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from commenda.kit.errors import not_found
from commenda.market import CandleFeed, Instrument
from commenda.venues import Hints, Venue, venue_row

READ_EVERY = timedelta(seconds=20)
"""From one look into an exchange's streams to the next. Orders that work are asked for one by one
and do not wait for it."""


def is_met(name: str) -> bool:
    """Whether an account is at an exchange, which may be away, and which others can reach."""
    row = venue_row(name)
    return row is not None and row.keyed


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

    asked: dict[tuple[str, str], datetime] = field(default_factory=dict, compare=False)
    """When each stream of an exchange was read last by this process."""
    hints: Hints = field(default_factory=Hints, compare=False)
    """From the accounts' own streams, where this process listens to them."""

    def is_due(self, venue: str, stream: str, now: datetime) -> bool:
        """Whether a stream is to be read now; of an exchange, which counts what it is asked, only
        so often."""
        if not is_met(venue):
            return True
        last = self.asked.get((venue, stream))
        if last is not None and timedelta(0) <= now - last < READ_EVERY:
            return False
        self.asked[venue, stream] = now
        return True

    def wake(self, venue: str) -> None:
        """Have its streams read at the next opportunity."""
        self.asked.pop((venue, "executions"), None)

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
