"""Reconciliation over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.web import GUARDED, Moment, Page, Paging, Served, Whole, routes
from commenda.operations.reconciliation import Reconciliation, kept, reconcile_all

router = routes("ledger")
Reader = Annotated[Principal, may(Permission.LEDGER)]


@router.get("/ledger/reconciliation", operation_id="getReconciliation", responses=GUARDED)
def reconciliation(
    service: Served,
    _who: Reader,
    as_of: Annotated[Moment | None, Query(alias="asOf", description="Now by default.")] = None,
) -> Reconciliation:
    """Hold the ledger against venues, positions against liabilities, now or as of a moment."""
    with service.database.transaction() as tx:
        return reconcile_all(tx, as_of)


@router.get("/ledger/reconciliations", operation_id="listReconciliations", responses=GUARDED)
def reconciliations(
    service: Served,
    _who: Reader,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[Whole, Query(ge=1, le=100)] = 20,
) -> Page[Reconciliation]:
    """The reconciliations that were made on schedule, the latest first."""
    asked = Paging(cursor, limit)
    before = asked.after(datetime)
    with service.database.read() as tx:
        return asked.page(kept(tx, before, asked.rows), lambda one: one.as_of)
