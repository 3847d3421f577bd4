"""Holds whose time has come are set free."""

from __future__ import annotations

from datetime import datetime

from commenda.ledger import expire_holds
from commenda.operations.ticks import Operation, Parameters


def expire_due_holds(operation: Operation, at: datetime, _: Parameters | None = None) -> None:
    """Let every hold expire that ends by `at`; repeated, it finds nothing more to do."""
    operation.batches(lambda tx: expire_holds(tx, operation.author(at)))
