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
)
from commenda.venues.paper import Outage, PaperVenue
from commenda.venues.paper_books import PAPER, PaperBooks

__all__ = [
    "PAPER",
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
]
