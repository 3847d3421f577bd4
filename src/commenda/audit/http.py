"""The audit over HTTP: query, export, and the end of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import chain as one_after_another
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from commenda.audit.chain import Chain, anchor, unsealed
from commenda.audit.export import csv_header, csv_rows, ndjson
from commenda.audit.queries import LogEntry, Wanted, export_events, latest_events
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import require_period
from commenda.kit.db import Tx
from commenda.kit.web import GUARDED, Moment, Page, Paged, Served, on_wire, routes

router = routes("audit")
Auditor = Annotated[Principal, may(Permission.AUDIT)]

_Text = Query(min_length=1, max_length=200, pattern=r"^[^\x00]+$")

From = Annotated[Moment | None, Query(alias="from")]
To = Annotated[Moment | None, Query(alias="to", description="Exclusive.")]


@on_wire
@dataclass(frozen=True, slots=True)
class ChainEnd:
    """Kept elsewhere, `sequence` and `digest` prove everything before them."""

    sequence: Annotated[int, Field(description="0 before the first seal.")]
    digest: Annotated[str | None, Field(description="HMAC-SHA256, hexadecimal.")]
    sealed_at: datetime | None
    unsealed: Annotated[int, Field(description="How many wait for their seal.")]


@on_wire
@dataclass(frozen=True, slots=True)
class ChainEnds:
    """The ends of both chains: `commenda verify --anchor` reads a file with this answer."""

    events: ChainEnd
    journals: ChainEnd


async def _asked(
    kind: Annotated[str | None, _Text] = None,
    subject: Annotated[str | None, _Text] = None,
    correlation_id: Annotated[UUID | None, Query(alias="correlationId")] = None,
    actor: Annotated[str | None, _Text] = None,
    begin: From = None,
    end: To = None,
) -> Wanted:
    require_period("from", begin, end)
    return Wanted(kind, subject, correlation_id, actor, begin, end)


Asked = Annotated[Wanted, Depends(_asked)]


@router.get("/audit/logs", operation_id="getAuditLogs", responses=GUARDED)
def logs(service: Served, _who: Auditor, asked: Paged, wanted: Asked) -> Page[LogEntry]:
    """Recorded events, newest first."""
    with service.database.transaction() as tx:
        rows = latest_events(tx, wanted, asked.after(datetime, int), asked.rows)
    return asked.page(rows, lambda event: (event.at, event.id))


@router.get(
    "/audit/export",
    operation_id="exportAuditLogs",
    response_class=StreamingResponse,
    responses=GUARDED
    | {
        200: {
            "description": "One event for each line.",
            "content": {"application/x-ndjson": {}, "text/csv": {}},
        }
    },
)
def export(
    service: Served,
    _who: Auditor,
    wanted: Asked,
    form: Annotated[Literal["ndjson", "csv"], Query(alias="format")] = "ndjson",
) -> StreamingResponse:
    """Every event that agrees, oldest first, with its place and digest in the hash chain."""
    batches = export_events(service.database, wanted)
    first = next(batches)  # what may be refused is refused before the answer begins
    all_of_them = one_after_another([first], batches)
    written = (
        map(ndjson, all_of_them)
        if form == "ndjson"
        else one_after_another([csv_header()], map(csv_rows, all_of_them))
    )
    return StreamingResponse(
        written,
        media_type="application/x-ndjson" if form == "ndjson" else "text/csv",
        headers={
            "Content-Disposition": f'attachment; filename="audit.{form}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.get("/audit/chain", operation_id="getAuditChain", responses=GUARDED)
def chain_ends(request: Request, service: Served, _who: Auditor) -> ChainEnds:
    """The ends of the hash chains over all events and over all journals with their entries."""
    with service.database.transaction() as tx:
        ends = {chain.name: _end(tx, chain) for chain in request.app.state.chains}
    return ChainEnds(**ends)


def _end(tx: Tx, chain: Chain) -> ChainEnd:
    end, waiting = anchor(tx, chain), unsealed(tx, chain)
    if end is None:
        return ChainEnd(0, None, None, waiting)
    return ChainEnd(end.sequence, end.digest, end.sealed_at, waiting)
