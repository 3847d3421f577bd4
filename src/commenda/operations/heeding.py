"""What is done at once where an account's own stream hints at something, between two ticks."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime

from commenda.execution import execute_orders, working_at
from commenda.operations.jobs import observe_venues
from commenda.operations.ticks import Operation

_log = logging.getLogger(__name__)


def heed(operation: Operation, now: datetime, venues: Collection[str]) -> None:
    """Ask at once of accounts whose own streams hint at something: what they filled, and what
    became of each order that works there. A hint that was wrong costs the asking."""
    for venue in venues:
        operation.broker.wake(venue)
    observe_venues(operation, now)
    with operation.database.read() as tx:
        orders = working_at(tx, venues)
    author = operation.author(now)
    for error in execute_orders(operation.database, operation.broker, orders, author):
        _log.error("an order cannot be observed", exc_info=error)
