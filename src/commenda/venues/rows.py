"""The venues that there are. A new one is a row here and the class that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from commenda.kit.db import Database, Tx
from commenda.kit.errors import not_found
from commenda.market import CandleFeed
from commenda.venues.model import Venue, VenueBooks
from commenda.venues.paper import PaperVenue
from commenda.venues.paper_books import PaperBooks


class VenueRow(NamedTuple):
    """A venue. In the books, `name` is its only or first account, and `name:other` another one."""

    name: str
    connect: Callable[[Database, CandleFeed, str], Venue]
    """Reaches the account of that name."""
    books: Callable[[Tx, str, Mapping[int, Decimal], datetime | None], VenueBooks] | None
    """What an account of that name says on the transaction's snapshot, at these marks, now or as
    of a moment; None for a venue that can only be asked, and of now only."""


VENUES: tuple[VenueRow, ...] = (VenueRow("paper", PaperVenue.connect, PaperBooks),)
DEFAULT_VENUE = VENUES[0].name
"""Where flows trade that name no other."""


def venue_row(name: str) -> VenueRow | None:
    """The row of an account's venue; None where it has no longer one."""
    return next((row for row in VENUES if row.name == name.partition(":")[0]), None)


def known_venue(name: str) -> VenueRow:
    """The row of an account's venue; code `unknown_venue`."""
    row = venue_row(name)
    if row is None:
        raise not_found("unknown_venue", "There is no such venue").at(
            "venue", name, f"choose {', '.join(one.name for one in VENUES)}, or an account of it"
        )
    return row


def connect(database: Database, feed: CandleFeed, names: Iterable[str] = ()) -> tuple[Venue, ...]:
    """Reach the default account and those of these names; code `unknown_venue`."""
    return tuple(
        known_venue(one).connect(database, feed, one)
        for one in dict.fromkeys([DEFAULT_VENUE, *names])
    )
