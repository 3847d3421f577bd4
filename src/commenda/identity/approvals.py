"""Four eyes: what one person asks for, another decides, once and in time.

`approve` decides and hands the request back; the caller carries it out in the same transaction, so
that the decision and its effect both stand or neither does. All of it is business time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import Field

from commenda.identity.model import Principal
from commenda.identity.trail import note
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, not_found
from commenda.kit.rows import first, records
from commenda.kit.wire import Internal, on_wire

_log = logging.getLogger(__name__)

LIFETIME = timedelta(days=3)
CLOCK = "system:clock"
"""Who lets a request expire."""


class ApprovalStatus(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@on_wire
@dataclass(frozen=True, slots=True)
class Approval:
    """A request for something that needs two people, and what became of it."""

    id: UUID
    sequence: Internal[int]
    kind: Annotated[str, Field(examples=["managed.settle_batch"])]
    subject: str
    payload: Mapping[str, Any]
    correlation_id: UUID
    status: ApprovalStatus
    requested_by: UUID
    requested_at: datetime
    expires_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    reason: str | None
    outcome: Mapping[str, Any] | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", ApprovalStatus(self.status))


_SELECT: LiteralString = (
    "SELECT id, sequence, kind, subject, payload, correlation_id, status, requested_by,"
    " requested_at, expires_at, decided_by, decided_at, reason, outcome FROM approvals"
)


def request_approval(
    tx: Tx,
    principal: Principal,
    kind: str,
    subject: str,
    payload: Mapping[str, Any],
    correlation_id: UUID,
    now: datetime,
    lifetime: timedelta = LIFETIME,
) -> Approval:
    """Ask for something that another person must approve."""
    # A subject may be asked for again; the number of times before names the request.
    tx.execute("SELECT pg_advisory_xact_lock(10, hashtext(%s))", (f"{kind}\x1f{subject}",))
    counted = tx.execute(
        "SELECT count(*) FROM approvals WHERE kind = %s AND subject = %s", (kind, subject)
    ).fetchone()
    assert counted is not None
    approval, said = ids.derive("approval", kind, subject, counted[0]), Jsonb(dict(payload))
    tx.execute(
        "INSERT INTO approvals (id, kind, subject, payload, correlation_id, requested_by,"
        "  requested_at, expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (approval, kind, subject, said, correlation_id, principal.user_id, now, now + lifetime),
    )
    asked = approval_by_id(tx, approval)
    _note(tx, asked, principal.actor, now)
    return asked


def approve(tx: Tx, approval_id: UUID, principal: Principal, now: datetime) -> Approval:
    """Decide for a request, which the caller then carries out in this transaction.

    Codes: `unknown_approval`, `already_decided`, `approval_expired`, `same_person`.
    """
    return _decide(tx, approval_id, principal, ApprovalStatus.APPROVED, None, now)


def reject(tx: Tx, approval_id: UUID, principal: Principal, now: datetime, reason: str) -> Approval:
    """Decide against a request; the codes of `approve`."""
    return _decide(tx, approval_id, principal, ApprovalStatus.REJECTED, reason, now)


def record_outcome(tx: Tx, approval: Approval, outcome: Mapping[str, Any]) -> Approval:
    """Keep what came of an approved request beside it."""
    tx.execute(
        "UPDATE approvals SET outcome = %s WHERE id = %s", (Jsonb(dict(outcome)), approval.id)
    )
    return approval_by_id(tx, approval.id)


def expire_due(
    tx: Tx, now: datetime, then: Callable[[Approval], None] = lambda _: None, limit: int = 500
) -> list[Approval]:
    """Let requests expire that nobody decided in time, each together with what `then` does for it.

    One whose `then` refuses stays as it is until the next sweep and holds up no other.
    """
    past: LiteralString = (
        " WHERE status = 'requested' AND expires_at <= %s"
        " ORDER BY expires_at, sequence LIMIT %s FOR UPDATE SKIP LOCKED"
    )
    due = records(tx, Approval, _SELECT + past, (now, limit))
    expired = []
    for one in due:
        try:
            with tx.transaction():
                after = _conclude(tx, one.id, ApprovalStatus.EXPIRED, None, None, now)
                _note(tx, after, CLOCK, now)
                then(after)
            expired.append(after)
        except CommendaError as error:
            _log.warning("approval %s cannot expire: %s", one.id, error)
    return expired


def approval_by_id(tx: Tx, approval_id: UUID) -> Approval:
    """One request; code `unknown_approval`."""
    return _found(tx, approval_id, "")


def list_approvals(
    tx: Tx, status: ApprovalStatus | None, before: int | None, limit: int
) -> list[Approval]:
    """Requests, the latest first, before a sequence number."""
    with tx.cursor(row_factory=class_row(Approval)) as cursor:
        return cursor.execute(
            _SELECT + " WHERE (%(status)s::text IS NULL OR status = %(status)s)"
            "  AND (%(before)s::bigint IS NULL OR sequence < %(before)s)"
            " ORDER BY sequence DESC LIMIT %(limit)s",
            {
                "status": status,
                "before": None if before is None else max(-1, min(before, 2**63 - 1)),
                "limit": limit,
            },
        ).fetchall()


def _decide(
    tx: Tx,
    approval_id: UUID,
    principal: Principal,
    to: ApprovalStatus,
    reason: str | None,
    now: datetime,
) -> Approval:
    asked = _found(tx, approval_id, " FOR UPDATE")
    if asked.status is ApprovalStatus.EXPIRED or (
        asked.status is ApprovalStatus.REQUESTED and asked.expires_at <= now
    ):
        raise conflict("approval_expired", "Nobody decided this request in time").at(
            "expiresAt", asked.expires_at.isoformat(), "ask for it again"
        )
    if asked.status is not ApprovalStatus.REQUESTED:
        raise conflict("already_decided", "This request was decided already").at(
            "status", asked.status.value
        )
    if asked.requested_by == principal.user_id:
        raise conflict("same_person", "Another person than the one who asked must decide").at(
            "requestedBy", asked.requested_by
        )
    decided = _conclude(tx, approval_id, to, principal.user_id, reason, now)
    _note(tx, decided, principal.actor, now)
    return decided


def _conclude(
    tx: Tx,
    approval_id: UUID,
    to: ApprovalStatus,
    by: UUID | None,
    reason: str | None,
    now: datetime,
) -> Approval:
    tx.execute(
        "UPDATE approvals SET status = %s, decided_by = %s, decided_at = %s, reason = %s"
        " WHERE id = %s",
        (to, by, now, reason, approval_id),
    )
    return approval_by_id(tx, approval_id)


def _found(tx: Tx, approval_id: UUID, lock: LiteralString) -> Approval:
    found = first(tx, Approval, _SELECT + " WHERE id = %s" + lock, (approval_id,))
    if found is None:
        raise not_found("unknown_approval", "There is no such request").at("id", approval_id)
    return found


def _note(tx: Tx, approval: Approval, actor: str, now: datetime) -> None:
    kind, about = f"approval.{approval.status}", approval.correlation_id
    details = {"request": approval.kind, "about": approval.subject, "reason": approval.reason}
    note(tx, kind, approval.id, approval.status, actor, about, now, **details)
