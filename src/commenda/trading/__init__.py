"""Isolated books, orders and venues.

A **scope** is one isolated book; inside it a **leg** is one creator's part, with its own cash
account and its own positions. Everything that is asked of a venue at one moment for one cause
becomes one parent order for each side; its fills gather in transit accounts and are shared out
once, when the parent is terminal, at one average price for everybody. Nothing is ever summed up
by owner: two scopes of one person never meet.

A **venue** is a protocol. `PaperVenue` fills against market data and keeps books of its own, so
that `reconcile` compares two sides. What is too little for a venue's minimum goes to the platform's
**dust book** at the mark (`take_over`).
"""

from commenda.trading.actions import (
    allocate,
    execute_order,
    execute_orders,
    intend,
    record,
    shares_of,
    work,
)
from commenda.trading.cash import (
    carry_out_transfers,
    funded_until,
    post_funding,
    request_transfer,
)
from commenda.trading.checks import CHECKS
from commenda.trading.closing import intend_closing, refusals
from commenda.trading.desk import Desk
from commenda.trading.dust import dust_leg, dust_of, take_over
from commenda.trading.model import (
    CHUNK,
    Fill,
    Leg,
    NewLeg,
    Order,
    OrderKind,
    OrderStatus,
    Report,
    Scope,
    Side,
    Venue,
)
from commenda.trading.paper_books import PAPER, PaperBooks
from commenda.trading.queries import (
    in_flight,
    legs_of,
    open_quantities,
    orders_of,
    other_value,
    quantities_of,
)
from commenda.trading.reconcile import (
    Difference,
    LiveBooks,
    VenueBooks,
    compare,
    in_transit,
    marks_known,
    pending_transfers,
    reconcile,
)
from commenda.trading.rules import Share, next_retry, share_out
from commenda.trading.scopes import close_scopes, open_scopes, record_nav, scope_equity
from commenda.trading.venue_paper import Outage, PaperVenue

__all__ = [
    "CHECKS",
    "CHUNK",
    "PAPER",
    "Desk",
    "Difference",
    "Fill",
    "Leg",
    "LiveBooks",
    "NewLeg",
    "Order",
    "OrderKind",
    "OrderStatus",
    "Outage",
    "PaperBooks",
    "PaperVenue",
    "Report",
    "Scope",
    "Share",
    "Side",
    "Venue",
    "VenueBooks",
    "allocate",
    "carry_out_transfers",
    "close_scopes",
    "compare",
    "dust_leg",
    "dust_of",
    "execute_order",
    "execute_orders",
    "funded_until",
    "in_flight",
    "in_transit",
    "intend",
    "intend_closing",
    "legs_of",
    "marks_known",
    "next_retry",
    "open_quantities",
    "open_scopes",
    "orders_of",
    "other_value",
    "pending_transfers",
    "post_funding",
    "quantities_of",
    "reconcile",
    "record",
    "record_nav",
    "refusals",
    "request_transfer",
    "scope_equity",
    "share_out",
    "shares_of",
    "take_over",
    "work",
]
