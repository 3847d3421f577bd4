"""Routes of what waits for a second person."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from commenda.identity import (
    Approval,
    ApprovalStatus,
    Permission,
    Principal,
    approval_by_id,
    list_approvals,
)
from commenda.identity.access import Proved, may
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    Body,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    problems,
    routes,
    write,
)
from commenda.operations.approvals import (
    approve_and_carry_out,
    reject_and_give_back,
    with_changes,
)

router = routes("approvals")
Reader = Annotated[Principal, may(Permission.APPROVALS)]
Decider = Annotated[Principal, may(Permission.APPROVE)]


class Rejection(Body):
    reason: str = Field(
        min_length=1, max_length=500, pattern=r"^[^\x00]+$", examples=["The batch is incomplete"]
    )


@router.get("/approvals", operation_id="listApprovals", responses=GUARDED)
def get_approvals(
    service: Served,
    _who: Reader,
    asked: Paged,
    status: ApprovalStatus | None = None,
    subject: Annotated[
        str | None,
        Query(
            max_length=200,
            pattern=r"^[^\x00]+$",
            description="Only what is about this: the id of a product, a user, a hold, …",
        ),
    ] = None,
) -> Page[Approval]:
    """Requests that wait for a second person or were decided, the latest first, each with what it
    changes."""
    with service.database.transaction() as tx:
        rows = list_approvals(tx, status, asked.after(int), asked.rows, subject)
        shown = [with_changes(tx, one) for one in rows]
    return asked.page(shown, lambda one: one.sequence)


@router.get(
    "/approvals/{approval_id}", operation_id="getApproval", responses=GUARDED | problems(404)
)
def get_approval(service: Served, _who: Reader, approval_id: UUID) -> Approval:
    """One request, what it changes and what became of it."""
    with service.database.transaction() as tx:
        return with_changes(tx, approval_by_id(tx, approval_id))


@router.post(
    "/approvals/{approval_id}/approve",
    operation_id="approve",
    response_model=Approval,
    responses=GUARDED
    | problems(404, 409)
    | {202: {"model": Approval, "description": "Approved by one; another of the staff must, too."}},
)
def approve_request(
    service: Served, who: Decider, _: Proved, approval_id: UUID, key: IdempotencyKey = None
) -> Response:
    """Approve what another person asked for. With the last approval it is carried out at once, or
    nothing is decided; what a customer asked for takes two."""

    def act(tx: Tx, now: datetime) -> tuple[Approval, int]:
        decided = approve_and_carry_out(tx, approval_id, who, now)
        return decided, 202 if decided.status is ApprovalStatus.REQUESTED else 200

    return write(service, who, "approve", key, {"approval": str(approval_id)}, act)


@router.post(
    "/approvals/{approval_id}/reject",
    operation_id="reject",
    response_model=Approval,
    responses=GUARDED | problems(404, 409),
)
def reject_request(
    service: Served,
    who: Decider,
    _: Proved,
    approval_id: UUID,
    body: Rejection,
    key: IdempotencyKey = None,
) -> Response:
    """Reject what another person asked for; what was held for it is given back."""
    return write(
        service,
        who,
        "reject",
        key,
        {"approval": str(approval_id), "reason": body.reason},
        lambda tx, now: reject_and_give_back(tx, approval_id, who, now, body.reason),
    )
