"""Where orders become fills.

A **venue** accepts orders and is observed: `Venue` is the protocol, `VENUES` lists those there are.
`PaperVenue` fills against market data and keeps books of its own, so that a reconciliation compares
two sides. `CcxtVenue` is an account at an exchange, which it speaks to in that exchange's `dialect`
(`binance`, `binance_spot`, `bybit`); what reaches it is a key that is sealed in the
database (`keys`), which two people let in (`accounts`) and which was tried first (`trial`).
"""

from commenda.venues.accounts import (
    NEW_KEY,
    RULES,
    add_key,
    keep_key_out,
    key_changes,
    let_key_in,
    opened,
    record_trial,
    remove_account,
    require_account,
    require_keyed,
    try_secret,
)
from commenda.venues.binance import Binance
from commenda.venues.hints import Ear, Hints
from commenda.venues.keys import (
    Secret,
    VenueKey,
    checked_address,
    list_keys,
)
from commenda.venues.model import (
    Capabilities,
    Clearing,
    Execution,
    Fill,
    Forced,
    FundingPayment,
    OrderKind,
    OrderRequest,
    OrderStatus,
    OrderView,
    Side,
    TimeInForce,
    Venue,
    VenueAccount,
    VenueBooks,
    VenueUnavailable,
    Why,
)
from commenda.venues.paper import Outage, PaperVenue
from commenda.venues.paper_books import PaperBooks
from commenda.venues.paper_orders import PaperOrder
from commenda.venues.reach import Means, contracts_of, desks_of, reach_exchange
from commenda.venues.rows import DEFAULT_VENUE, VENUES, VenueRow, connect, known_venue, venue_row
from commenda.venues.simulator import Simulator
from commenda.venues.trial import Outcome, VenueCheck, require_sound

__all__ = [
    "DEFAULT_VENUE",
    "NEW_KEY",
    "RULES",
    "VENUES",
    "Binance",
    "Capabilities",
    "Clearing",
    "Ear",
    "Execution",
    "Fill",
    "Forced",
    "FundingPayment",
    "Hints",
    "Means",
    "OrderKind",
    "OrderRequest",
    "OrderStatus",
    "OrderView",
    "Outage",
    "Outcome",
    "PaperBooks",
    "PaperOrder",
    "PaperVenue",
    "Secret",
    "Side",
    "Simulator",
    "TimeInForce",
    "Venue",
    "VenueAccount",
    "VenueBooks",
    "VenueCheck",
    "VenueKey",
    "VenueRow",
    "VenueUnavailable",
    "Why",
    "add_key",
    "checked_address",
    "connect",
    "contracts_of",
    "desks_of",
    "keep_key_out",
    "key_changes",
    "known_venue",
    "let_key_in",
    "list_keys",
    "opened",
    "reach_exchange",
    "record_trial",
    "remove_account",
    "require_account",
    "require_keyed",
    "require_sound",
    "try_secret",
    "venue_row",
]
