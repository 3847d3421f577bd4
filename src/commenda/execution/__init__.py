"""Parent orders, their life, and how their fills are allocated.

Everything that is asked of a venue at one moment for one cause becomes one parent order for each
side; its fills gather in transit accounts and are allocated once, when the parent is terminal, at
one average price for everybody.
"""

from commenda.execution.actions import (
    allocate_chunk,
    execute_order,
    execute_orders,
    intend,
    record,
    shares_of,
    submit,
)
from commenda.execution.broker import Broker
from commenda.execution.checks import CHECKS
from commenda.execution.positions import (
    holders,
    move_quantities,
    open_quantities,
    other_value,
    position_accounts,
    quantities_of,
    venues_in_use,
    venues_of,
)
from commenda.execution.queries import CHUNK, in_flight, orders_of
from commenda.execution.reconcile import (
    Difference,
    LiveBooks,
    compare,
    in_transit,
    marks_known,
    pending_transfers,
    reconcile,
)
from commenda.execution.rules import Share, allocate

__all__ = [
    "CHECKS",
    "CHUNK",
    "Broker",
    "Difference",
    "LiveBooks",
    "Share",
    "allocate",
    "allocate_chunk",
    "compare",
    "execute_order",
    "execute_orders",
    "holders",
    "in_flight",
    "in_transit",
    "intend",
    "marks_known",
    "move_quantities",
    "open_quantities",
    "orders_of",
    "other_value",
    "pending_transfers",
    "position_accounts",
    "quantities_of",
    "reconcile",
    "record",
    "shares_of",
    "submit",
    "venues_in_use",
    "venues_of",
]
