"""Money in and out over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response

from commenda.funding import queries
from commenda.funding.actions import request_funding
from commenda.funding.model import Direction, Funding, FundingOrder, FundingStatus
from commenda.identity import Permission, Principal
from commenda.identity.access import may, require
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    key_or_new,
    problems,
    write,
)

router = APIRouter(tags=["funding"])
Funder = Annotated[Principal, may(Permission.FUND)]
Owner = Annotated[Principal, may(Permission.WALLET)]


@router.post(
    "/participation/funding",
    operation_id="requestFunding",
    status_code=201,
    response_model=Funding,
    responses=GUARDED
    | problems(404, 409)
    | {
        200: {"model": Funding, "description": "Asked for before, and concluded."},
        202: {"model": Funding, "description": "Waits for a second person."},
    },
)
def request_participation(
    service: Served, who: Funder, body: FundingOrder, key: IdempotencyKey = None
) -> Response:
    """Bring money in, or take it out of your wallet; a large withdrawal waits for approval."""
    settings = service.settings
    if body.direction is Direction.WITHDRAWAL:
        require(who, Permission.WITHDRAW, second_factor=settings.require_second_factor)
    named, paper, large = key_or_new(key), settings.paper_funding, settings.large_withdrawal

    def act(tx: Tx, now: datetime) -> tuple[Funding, int]:
        funding = request_funding(tx, who, body, named, now, paper=paper, large=large)
        if funding.status == FundingStatus.PENDING:
            return funding, 202
        return funding, 200 if funding.created_at < now else 201

    return write(service, who, "funding", key, body, act)


@router.get("/participation/funding", operation_id="listFunding", responses=GUARDED)
def list_funding(service: Served, who: Owner, asked: Paged) -> Page[Funding]:
    """Your deposits and withdrawals, newest first."""
    with service.database.transaction() as tx:
        rows = queries.requests_of(tx, who.user_id, asked.after(int), asked.rows)
    return asked.page(rows, lambda row: row.sequence)
