"""The audit over HTTP: query, export, and the end of the chain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain as one_after_another
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from commenda.audit.chain import Chain, anchor, unsealed
from commenda.audit.export import ndjson
from commenda.audit.queries import Logged, Wanted, export_events, latest_events
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import require_period
from commenda.kit.db import Tx
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import GUARDED, Body, Moment, Served

router = APIRouter(tags=["audit"])
Auditor = Annotated[Principal, may(Permission.AUDIT)]

_Text = Query(min_length=1, max_length=200, pattern=r"^[^\x00]+$")

From = Annotated[Moment | None, Query(alias="from")]
To = Annotated[Moment | None, Query(alias="to", description="Exclusive.")]


class LogEntry(Body):
    """Who did what, when, by which rules, with which result."""

    id: int
    at: datetime
    kind: str = Field(examples=["subscription settled"])
    actor: str = Field(examples=["operator:0b2f6a2c-2f5d-8b52-8d0e-0d1f6c1f1a11"])
    subject: str
    correlation_id: UUID
    result: str
    rule_version: str = Field(examples=["settlement/1"])
    request_id: str
    details: dict[str, Any]
    sealed: bool = Field(description="Whether the hash chain vouches for it already.")


class LogPage(Body):
    items: list[LogEntry]
    next_cursor: str | None = None


class ChainEnd(Body):
    """Kept elsewhere, `sequence` and `digest` prove everything before them."""

    sequence: int = Field(description="0 before the first seal.")
    digest: str | None = Field(default=None, description="HMAC-SHA256, hexadecimal.")
    sealed_at: datetime | None = None
    unsealed: int = Field(description="How many wait for their seal.")


class ChainEnds(Body):
    """The ends of both chains: `commenda verify --anchor` reads a file with this answer."""

    events: ChainEnd
    journals: ChainEnd


@router.get("/audit/logs", operation_id="getAuditLogs", responses=GUARDED)
def logs(
    service: Served,
    _who: Auditor,
    kind: Annotated[str | None, _Text] = None,
    subject: Annotated[str | None, _Text] = None,
    correlation_id: Annotated[UUID | None, Query(alias="correlationId")] = None,
    actor: Annotated[str | None, _Text] = None,
    begin: From = None,
    end: To = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> LogPage:
    """Recorded events, newest first."""
    require_period("from", begin, end)
    wanted = Wanted(kind, subject, correlation_id, actor, begin, end)
    before = key_after(cursor, datetime, int)
    with service.database.transaction() as tx:
        rows = latest_events(tx, wanted, before, limit + 1)
    page = page_of(rows, limit, lambda event: (event.at, event.id))
    return LogPage(items=[_entry(event) for event in page.items], next_cursor=page.next_cursor)


@router.get(
    "/audit/export",
    operation_id="exportAuditLogs",
    response_class=StreamingResponse,
    responses=GUARDED
    | {200: {"description": "One event for each line.", "content": {"application/x-ndjson": {}}}},
)
def export(service: Served, _who: Auditor, begin: From = None, end: To = None) -> StreamingResponse:
    """Every event of a period, oldest first, with its place and digest in the hash chain."""
    require_period("from", begin, end)
    batches = export_events(service.database, Wanted(begin=begin, end=end))
    first = next(batches)  # what may be refused is refused before the answer begins
    return StreamingResponse(
        _lines(one_after_another([first], batches)),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="audit.ndjson"'},
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
        return ChainEnd(sequence=0, unsealed=waiting)
    return ChainEnd(
        sequence=end.sequence, digest=end.digest, sealed_at=end.sealed_at, unsealed=waiting
    )


def _lines(batches: Iterator[list[Logged]]) -> Iterator[str]:
    for batch in batches:
        yield ndjson(batch)


def _entry(event: Logged) -> LogEntry:
    return LogEntry(
        id=event.id,
        at=event.at,
        kind=event.kind,
        actor=event.actor,
        subject=event.subject,
        correlation_id=event.correlation_id,
        result=event.result,
        rule_version=event.rule_version,
        request_id=event.request_id,
        details=event.details,
        sealed=event.sequence is not None,
    )
