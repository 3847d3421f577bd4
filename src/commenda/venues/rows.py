"""The venues that there are. A new one is a row here and the class that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from commenda.kit.db import Tx
from commenda.kit.errors import not_found
from commenda.venues.binance import Binance
from commenda.venues.binance_spot import BinanceSpot
from commenda.venues.bybit import Bybit
from commenda.venues.dialect import Dialect
from commenda.venues.model import Venue, VenueBooks
from commenda.venues.paper import PaperVenue
from commenda.venues.paper_books import PaperBooks
from commenda.venues.reach import Means, reach_exchange


class VenueRow(NamedTuple):
    """A venue. In the books, `name` is its only or first account, and `name:other` another one."""

    name: str
    connect: Callable[[Means, str], Venue]
    """Reaches the account of that name."""
    books: Callable[[Tx, str, Mapping[int, Decimal], datetime | None], VenueBooks] | None
    """What an account of that name says on the transaction's snapshot, at these marks, now or as
    of a moment; None for a venue that can only be asked, and of now only."""
    dialect: Callable[[], Dialect] | None = None
    """How an exchange is spoken to, whose accounts have keys and are `name:other` all; they trade
    the instruments of the market of that name."""
    ours: bool = False
    """Whether it is at no address but that of a simulator."""

    @property
    def keyed(self) -> bool:
        return self.dialect is not None


def _exchange(name: str, dialect: Callable[[], Dialect]) -> VenueRow:
    return VenueRow(name, partial(reach_exchange, dialect), None, dialect)


VENUES: tuple[VenueRow, ...] = (
    VenueRow("paper", PaperVenue.connect, PaperBooks),
    _exchange("binance_usdm", Binance),
    _exchange("binance_spot", BinanceSpot),
    _exchange("bybit_linear", Bybit),
    _exchange("simulated", Binance)._replace(ours=True),
)
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


def connect(means: Means, names: Iterable[str] = ()) -> tuple[Venue, ...]:
    """Reach the default account and those of these names; code `unknown_venue`."""
    return tuple(
        known_venue(one).connect(means, one) for one in dict.fromkeys([DEFAULT_VENUE, *names])
    )
