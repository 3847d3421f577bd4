"""Parent orders, their life, and how their fills are allocated.

Everything that is asked of a venue at one moment for one cause becomes one parent order for each
side. It lives at the venue: intended → sent → accepted → partly filled → filled | cancelled |
expired | refused; what is *unknown* is asked for and never sent again. Its fills gather in transit
accounts and are allocated once, when the parent is terminal, at one average price for everybody.
"""

from commenda.execution.actions import (
    execute_order,
    execute_orders,
    fill_at_once,
    intend,
    observe,
    observe_executions,
)
from commenda.execution.allocation import allocate_chunk
from commenda.execution.blotter import OrderLife, OrderRow, latest_orders, life_of
from commenda.execution.broker import Broker, is_met
from commenda.execution.changes import ask_end, ask_price
from commenda.execution.checks import CHECKS
from commenda.execution.contact import SHOWN_WITHIN, is_read, note_income
from commenda.execution.halts import MARKET_UNTRUSTED, halted_instruments
from commenda.execution.model import Order
from commenda.execution.openings import UNSETTLED, Opening, end_openings, opening_orders
from commenda.execution.positions import (
    holders,
    move_quantities,
    open_quantities,
    position_accounts,
    venues_in_use,
    venues_of,
)
from commenda.execution.queries import (
    CHUNK,
    at_rest,
    in_flight,
    keep_cursor,
    orders_of,
    read_cursor,
    working,
    working_at,
)
from commenda.execution.reconcile import (
    Difference,
    LiveBooks,
    ask_books,
    clearing_key,
    compare,
    in_transit,
    marks_known,
    pending_transfers,
    reconcile,
)
from commenda.execution.rules import Share, allocate
from commenda.execution.sending import submit

__all__ = [
    "CHECKS",
    "CHUNK",
    "MARKET_UNTRUSTED",
    "SHOWN_WITHIN",
    "UNSETTLED",
    "Broker",
    "Difference",
    "LiveBooks",
    "Opening",
    "Order",
    "OrderLife",
    "OrderRow",
    "Share",
    "allocate",
    "allocate_chunk",
    "ask_books",
    "ask_end",
    "ask_price",
    "at_rest",
    "clearing_key",
    "compare",
    "end_openings",
    "execute_order",
    "execute_orders",
    "fill_at_once",
    "halted_instruments",
    "holders",
    "in_flight",
    "in_transit",
    "intend",
    "is_met",
    "is_read",
    "keep_cursor",
    "latest_orders",
    "life_of",
    "marks_known",
    "move_quantities",
    "note_income",
    "observe",
    "observe_executions",
    "open_quantities",
    "opening_orders",
    "orders_of",
    "pending_transfers",
    "position_accounts",
    "read_cursor",
    "reconcile",
    "submit",
    "venues_in_use",
    "venues_of",
    "working",
    "working_at",
]
