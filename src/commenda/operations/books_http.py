"""Reconciliation over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import GUARDED, Amount, Body, Moment, Served
from commenda.operations.reconciliation import Part, Reconciliation, kept, reconcile_all

router = APIRouter(tags=["ledger"])
Reader = Annotated[Principal, may(Permission.LEDGER)]


class ReconciliationLine(Body):
    """One comparison: unexplained = venue − ledger − explained."""

    part: Part = Field(
        description="What is compared: a venue's books; what is there at cost; all that is had and"
        " owed; what only passes through; holds."
    )
    subject: str = Field(examples=["paper USDT"])
    venue: Amount = Field(description="The side that the ledger is held against.")
    ledger: Amount
    explained: Amount = Field(description="What is known to be on its way.")
    unexplained: Amount = Field(description="0 in a sound business.")


class ReconciliationView(Body):
    as_of: datetime
    reconciled: bool = Field(description="Whether nothing is unexplained.")
    lines: list[ReconciliationLine]
    left_out: list[str] = Field(description="What could not be compared, and why.")


class ReconciliationPage(Body):
    items: list[ReconciliationView]
    next_cursor: str | None = None


@router.get("/ledger/reconciliation", operation_id="getReconciliation", responses=GUARDED)
def reconciliation(
    service: Served,
    _who: Reader,
    as_of: Annotated[Moment | None, Query(alias="asOf", description="Now by default.")] = None,
) -> ReconciliationView:
    """Hold the ledger against venues, positions against liabilities, now or as of a moment."""
    with service.database.transaction() as tx:
        return view_of(reconcile_all(tx, as_of))


@router.get("/ledger/reconciliations", operation_id="listReconciliations", responses=GUARDED)
def reconciliations(
    service: Served,
    _who: Reader,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> ReconciliationPage:
    """The reconciliations that were made on schedule, the latest first."""
    begun = key_after(cursor, datetime, str)
    before = None if begun is None else begun[0]
    with service.database.read() as tx:
        rows = kept(tx, before, limit + 1)
    page = page_of(rows, limit, lambda one: (one.as_of, ""))
    return ReconciliationPage(
        items=[view_of(one) for one in page.items], next_cursor=page.next_cursor
    )


def view_of(found: Reconciliation) -> ReconciliationView:
    """A reconciliation as it goes over the wire."""
    return ReconciliationView(
        as_of=found.as_of,
        reconciled=not found.unexplained,
        lines=[
            ReconciliationLine(
                part=line.part,
                subject=line.subject,
                venue=line.venue,
                ledger=line.ledger,
                explained=line.explained,
                unexplained=line.unexplained,
            )
            for line in found.lines
        ],
        left_out=list(found.left_out),
    )
