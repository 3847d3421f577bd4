"""Where orders become fills.

A **venue** accepts orders and is observed: `Venue` is the protocol, `VENUES` lists those there are.
`PaperVenue` fills against market data and keeps books of its own, so that a reconciliation compares
two sides.
"""

from commenda.venues.model import (
    Capabilities,
    Execution,
    Fill,
    FundingPayment,
    OrderKind,
    OrderRequest,
    OrderStatus,
    OrderView,
    Side,
    Venue,
    VenueAccount,
    VenueBooks,
    VenueUnavailable,
)
from commenda.venues.paper import Outage, PaperVenue
from commenda.venues.paper_books import PaperBooks
from commenda.venues.paper_orders import PaperOrder
from commenda.venues.rows import DEFAULT_VENUE, VENUES, VenueRow, connect, known_venue, venue_row

__all__ = [
    "DEFAULT_VENUE",
    "VENUES",
    "Capabilities",
    "Execution",
    "Fill",
    "FundingPayment",
    "OrderKind",
    "OrderRequest",
    "OrderStatus",
    "OrderView",
    "Outage",
    "PaperBooks",
    "PaperOrder",
    "PaperVenue",
    "Side",
    "Venue",
    "VenueAccount",
    "VenueBooks",
    "VenueRow",
    "VenueUnavailable",
    "connect",
    "known_venue",
    "venue_row",
]
