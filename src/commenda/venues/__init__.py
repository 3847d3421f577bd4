"""Where orders become fills.

A **venue** is a protocol. `PaperVenue` fills against market data and keeps books of its own, so
that a reconciliation compares two sides.
"""

from commenda.venues.model import (
    Fill,
    FundingPayment,
    Order,
    OrderKind,
    OrderStatus,
    Report,
    Side,
    Venue,
    VenueAccount,
    VenueBooks,
)
from commenda.venues.paper import Outage, PaperVenue
from commenda.venues.paper_books import PaperBooks
from commenda.venues.rows import DEFAULT_VENUE, VENUES, VenueRow, connect, venue_row

__all__ = [
    "DEFAULT_VENUE",
    "VENUES",
    "Fill",
    "FundingPayment",
    "Order",
    "OrderKind",
    "OrderStatus",
    "Outage",
    "PaperBooks",
    "PaperVenue",
    "Report",
    "Side",
    "Venue",
    "VenueAccount",
    "VenueBooks",
    "VenueRow",
    "connect",
    "venue_row",
]
