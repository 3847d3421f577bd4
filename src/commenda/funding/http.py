"""Money in and out over HTTP."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from commenda.funding import queries
from commenda.funding.actions import request_funding
from commenda.funding.model import Direction, Funding, FundingStatus, Order
from commenda.identity import Permission, Principal
from commenda.identity.access import may, require
from commenda.kit.clock import business_now
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import (
    GUARDED,
    Amount,
    Answer,
    Asset,
    Body,
    IdempotencyKey,
    Served,
    answer_once,
    problems,
    refused,
    wire,
)

router = APIRouter(tags=["funding"])
Funder = Annotated[Principal, may(Permission.FUND)]
Owner = Annotated[Principal, may(Permission.WALLET)]

Reference = Annotated[
    str,
    Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$", examples=["bank-2026-0117"]),
]


class FundingOrder(Body):
    """Money to bring in, or to take out."""

    direction: Literal["deposit", "withdrawal"] = "deposit"
    amount: Annotated[Amount, Field(gt=0)]
    asset: Asset = "USDT"
    reference: Reference | None = Field(
        default=None, description="Your own name for it: one reference, one request."
    )


class FundingRequest(Body):
    """A deposit or withdrawal and what became of it."""

    id: UUID
    direction: Literal["deposit", "withdrawal"]
    amount: Amount
    asset: Asset
    reference: str | None = None
    status: Literal["pending", "done", "rejected", "reversed"]
    approval_id: UUID | None = Field(default=None, description="What a second person decides.")
    created_at: datetime
    done_at: datetime | None = None


class FundingPage(Body):
    items: list[FundingRequest]
    next_cursor: str | None = None


@router.post(
    "/participation/funding",
    operation_id="requestFunding",
    status_code=201,
    response_model=FundingRequest,
    responses=GUARDED
    | problems(404, 409)
    | {
        200: {"model": FundingRequest, "description": "Asked for before, and concluded."},
        202: {"model": FundingRequest, "description": "Waits for a second person."},
    },
)
def request_participation(
    service: Served, who: Funder, body: FundingOrder, key: IdempotencyKey = None
) -> JSONResponse:
    """Bring money in, or take it out of your wallet; a large withdrawal waits for approval."""
    if body.direction == "withdrawal":
        require(who, Permission.WITHDRAW, second_factor=service.settings.require_second_factor)
    order = Order(
        Direction(body.direction),
        body.amount,
        body.asset,
        body.reference,
        secrets.token_hex(16) if key is None else key,
    )
    with service.database.transaction() as tx:
        now = business_now(tx)

        def act() -> Answer:
            settings = service.settings
            funding = request_funding(
                tx, who, order, now, paper=settings.paper_funding, large=settings.large_withdrawal
            )
            return _funded(funding, order, now)

        return answer_once(tx, "funding", str(who.user_id), key, body, now, act)


def _funded(funding: Funding | None, order: Order, now: datetime) -> Answer:
    if funding is None:
        return refused(
            "insufficient_balance",
            "Your wallet has less than this available: what is on hold is not",
            field="amount",
            value=order.amount,
            hint="take out what is available, or wait until the rest is free",
        )
    status = 202 if funding.status == FundingStatus.PENDING else 201
    if funding.created_at < now and status == 201:
        status = 200
    return Answer(wire(_wired(funding)), status)


@router.get("/participation/funding", operation_id="listFunding", responses=GUARDED)
def list_funding(
    service: Served,
    who: Owner,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> FundingPage:
    """Your deposits and withdrawals, newest first."""
    before = key_after(cursor, int)
    with service.database.transaction() as tx:
        rows = queries.requests_of(tx, who.user_id, before, limit + 1)
    page = page_of(rows, limit, lambda row: row.sequence)
    return FundingPage(items=[_wired(row) for row in page.items], next_cursor=page.next_cursor)


def _wired(one: Funding) -> FundingRequest:
    return FundingRequest.model_validate(one, from_attributes=True)
