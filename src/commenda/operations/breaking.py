"""What a tick does about breakers: open them on what is measured, and have their effects."""

from __future__ import annotations

from datetime import datetime

from commenda import copying
from commenda.books import carry_reductions
from commenda.execution import end_openings
from commenda.ledger import Author
from commenda.operations.ticks import Operation, Parameters
from commenda.risk import RULES, Effect, Standing, all_breakers, turn_breakers


def sweep_breakers(operation: Operation, now: datetime, _: Parameters | None = None) -> None:
    """Hold what is measured now against the limits that have an effect."""
    with operation.database.transaction() as tx:
        turn_breakers(tx, Author("risk", RULES, now))


def heed_breakers(operation: Operation, now: datetime) -> None:
    """End what works and opens something of what is stopped, and reduce or close what is held."""
    author = operation.author(now)
    with operation.database.read() as tx:
        standing = all_breakers(tx, standing=True)
    for one in standing:
        if one.state == Standing.OPEN and one.effect != Effect.NO_ENTRIES:
            with operation.database.transaction() as tx:
                end_openings(tx, author, one.id, one.said())
    carry_reductions(operation.database, operation.broker, author, copying.planned)
