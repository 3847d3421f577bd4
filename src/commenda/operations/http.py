"""Routes of what waits for a second person."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from commenda.identity import (
    Approval,
    ApprovalStatus,
    Permission,
    Principal,
    approval_by_id,
    list_approvals,
)
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import (
    GUARDED,
    Answer,
    Body,
    IdempotencyKey,
    Served,
    answer_once,
    problems,
    wire,
)
from commenda.operations.approvals import approve_and_carry_out, reject_and_give_back

router = APIRouter(tags=["approvals"])
Reader = Annotated[Principal, may(Permission.APPROVALS)]
Decider = Annotated[Principal, may(Permission.APPROVE)]


class ApprovalView(Body):
    """A request for something that needs two people, and what became of it."""

    id: UUID
    kind: str = Field(examples=["managed.settle_batch"])
    subject: str
    payload: dict[str, Any]
    correlation_id: UUID
    status: ApprovalStatus
    requested_by: UUID
    requested_at: datetime
    expires_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    reason: str | None
    outcome: dict[str, Any] | None

    @classmethod
    def of(cls, one: Approval) -> Self:
        return cls(
            id=one.id,
            kind=one.kind,
            subject=one.subject,
            payload=dict(one.payload),
            correlation_id=one.correlation_id,
            status=one.status,
            requested_by=one.requested_by,
            requested_at=one.requested_at,
            expires_at=one.expires_at,
            decided_by=one.decided_by,
            decided_at=one.decided_at,
            reason=one.reason,
            outcome=None if one.outcome is None else dict(one.outcome),
        )


class ApprovalPage(Body):
    items: list[ApprovalView]
    next_cursor: str | None


class Rejection(Body):
    reason: str = Field(
        min_length=1, max_length=500, pattern=r"^[^\x00]+$", examples=["The batch is incomplete"]
    )


@router.get("/approvals", operation_id="listApprovals", responses=GUARDED)
def get_approvals(
    service: Served,
    _who: Reader,
    status: ApprovalStatus | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ApprovalPage:
    """Requests that wait for a second person or were decided, the latest first."""
    before = key_after(cursor, int)
    with service.database.transaction() as tx:
        rows = list_approvals(tx, status, before, limit + 1)
    page = page_of(rows, limit, lambda one: one.sequence)
    return ApprovalPage(
        items=[ApprovalView.of(one) for one in page.items], next_cursor=page.next_cursor
    )


@router.get(
    "/approvals/{approval_id}", operation_id="getApproval", responses=GUARDED | problems(404)
)
def get_approval(service: Served, _who: Reader, approval_id: UUID) -> ApprovalView:
    """One request and what became of it."""
    with service.database.transaction() as tx:
        return ApprovalView.of(approval_by_id(tx, approval_id))


@router.post(
    "/approvals/{approval_id}/approve",
    operation_id="approve",
    response_model=ApprovalView,
    responses=GUARDED | problems(404, 409),
)
def approve_request(
    service: Served, who: Decider, approval_id: UUID, key: IdempotencyKey = None
) -> JSONResponse:
    """Approve what another person asked for; it is carried out at once, or nothing is decided."""
    with service.database.transaction() as tx:
        now = business_now(tx)
        return answer_once(
            tx,
            "approve",
            str(who.user_id),
            key,
            {"approval": str(approval_id)},
            now,
            lambda: _answer(approve_and_carry_out(tx, approval_id, who, now)),
        )


@router.post(
    "/approvals/{approval_id}/reject",
    operation_id="reject",
    response_model=ApprovalView,
    responses=GUARDED | problems(404, 409),
)
def reject_request(
    service: Served, who: Decider, approval_id: UUID, body: Rejection, key: IdempotencyKey = None
) -> JSONResponse:
    """Reject what another person asked for; what was held for it is given back."""
    with service.database.transaction() as tx:
        now = business_now(tx)
        return answer_once(
            tx,
            "reject",
            str(who.user_id),
            key,
            {"approval": str(approval_id), "reason": body.reason},
            now,
            lambda: _answer(reject_and_give_back(tx, approval_id, who, now, body.reason)),
        )


def _answer(approval: Approval) -> Answer:
    return Answer(wire(ApprovalView.of(approval)))
