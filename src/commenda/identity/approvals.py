"""Four eyes: what one person asks for, others decide, once and in time.

What one of the staff asks for takes another of them; what a customer asks for takes two of the
staff, or one and a bank record. `rules.tied` says who counts as another. `approve` gives one's word
and hands the request back; with the last word that it needs, the caller carries it out in the same
transaction, so that the decision and its effect both stand or neither does. All of it is business
time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import Field

from commenda.identity.model import CUSTOMERS, Principal
from commenda.identity.ties import require_two_people
from commenda.identity.trail import note
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, not_found
from commenda.kit.rows import first, put, records
from commenda.kit.times import iso
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
class Changed:
    """One thing that a request changes, as it is without it and with it.

    What is not there yet has nothing before.
    """

    kind: Annotated[str, Field(examples=["product"])]
    id: str
    called: Annotated[
        Mapping[str, Any],
        Field(description="What people know it by.", examples=[{"username": "ines"}]),
    ]
    before: Annotated[Mapping[str, Any], Field(examples=[{"annualReturn": "0.12"}])]
    after: Annotated[Mapping[str, Any], Field(examples=[{"annualReturn": "0.1"}])]


@on_wire
@dataclass(frozen=True, slots=True)
class Approval:
    """A request for something that takes two people of the staff, and what became of it."""

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
    needed: Annotated[
        int,
        Field(description="How many must approve: two, of what a customer asked for."),
    ] = 1
    approved_by: Annotated[
        list[UUID], Field(description="Who has, or read in the bank record that speaks for it.")
    ] = field(default_factory=list)
    bank_record: Annotated[
        bool, Field(description="Whether a record of the bank counts as one of them.")
    ] = False
    requested_by_name: str | None = None
    decided_by_name: str | None = None
    approved_by_names: list[str] = field(default_factory=list)
    changes: Annotated[
        list[Changed],
        Field(description="What it would change now; once decided, what it changed then."),
    ] = field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", ApprovalStatus(self.status))
        kept = [one if isinstance(one, Changed) else Changed(**one) for one in self.changes]
        object.__setattr__(self, "changes", kept)


_SELECT: LiteralString = (
    "SELECT id, sequence, kind, subject, payload, correlation_id, status, requested_by,"
    " requested_at, expires_at, decided_by, decided_at, reason, outcome, needed,"
    " ARRAY(SELECT v.user_id FROM approval_votes v WHERE v.approval_id = approvals.id"
    "  AND v.voided_at IS NULL AND v.user_id IS NOT NULL ORDER BY v.given_at, v.user_id)"
    "  AS approved_by,"
    " EXISTS (SELECT FROM approval_votes v WHERE v.approval_id = approvals.id"
    "  AND v.voided_at IS NULL AND v.basis = 'bank_record') AS bank_record,"
    " name_of(requested_by) AS requested_by_name, name_of(decided_by) AS decided_by_name,"
    " ARRAY(SELECT u.username FROM approval_votes v JOIN users u ON u.id = v.user_id"
    "  WHERE v.approval_id = approvals.id AND v.voided_at IS NULL"
    "  ORDER BY v.given_at, v.user_id) AS approved_by_names,"
    " coalesce(changes, '[]') AS changes FROM approvals"
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
    about: Sequence[object] = (),
) -> Approval:
    """Ask for something that others must approve: one of the staff, or two for a customer.

    It is found by its subject, and by the ids of whatever else it is `about`.
    """
    # A subject may be asked for again; the number of times before names the request.
    _alone(tx, kind, subject)
    counted = tx.execute(
        "SELECT count(*) FROM approvals WHERE kind = %s AND subject = %s", (kind, subject)
    ).fetchone()
    assert counted is not None
    approval, said = ids.derive("approval", kind, subject, counted[0]), Jsonb(dict(payload))
    put(
        tx,
        "INSERT INTO approvals",
        {"id": approval, "kind": kind, "subject": subject, "payload": said}
        | {"correlation_id": correlation_id, "requested_by": principal.user_id}
        | {"requested_at": now, "expires_at": now + lifetime}
        | {"needed": 2 if principal.role in CUSTOMERS else 1}
        | {"about": [subject, *map(str, about)]},
    )
    asked = approval_by_id(tx, approval)
    _note(tx, asked, principal.actor, now)
    return asked


def waiting_for(tx: Tx, kind: str, subject: str, now: datetime) -> Approval | None:
    """The request of a kind that waits for a decision about this; nobody asks for another before
    this transaction ends."""
    _alone(tx, kind, subject)
    found: LiteralString = (
        " WHERE kind = %s AND subject = %s AND status = 'requested' AND expires_at > %s"
    )
    return first(tx, Approval, _SELECT + found, (kind, subject, now))


def _alone(tx: Tx, kind: str, subject: str) -> None:
    tx.execute("SELECT pg_advisory_xact_lock(10, hashtext(%s))", (f"{kind}\x1f{subject}",))


def approve(tx: Tx, approval_id: UUID, principal: Principal, now: datetime) -> Approval:
    """Give one's word for a request; APPROVED with the last that it needs, and the caller then
    carries it out in this transaction.

    Codes: `unknown_approval`, `already_decided`, `approval_expired`, `same_person`. Words of people
    who were disabled since do not count.
    """
    asked = _open(tx, approval_id, now)
    given = tx.execute(
        "SELECT v.user_id FROM approval_votes v LEFT JOIN users u ON u.id = v.user_id"
        " WHERE v.approval_id = %s AND v.voided_at IS NULL"
        "  AND (v.user_id IS NULL OR u.status = 'active')",
        (approval_id,),
    ).fetchall()
    others = [one for (one,) in given if one != principal.user_id]
    require_two_people(tx, principal.user_id, [asked.requested_by], "requestedBy")
    require_two_people(tx, principal.user_id, [one for one in others if one], "approvedBy")
    new = _vote(tx, approval_id, principal.user_id, "decision", now)
    if len(others) + 1 >= asked.needed:
        decided = _conclude(tx, approval_id, ApprovalStatus.APPROVED, principal.user_id, None, now)
    elif new:
        decided = _found(tx, approval_id, "")
    else:
        raise conflict("same_person", "You have approved this already; it takes somebody else").at(
            "approvedBy", principal.user_id, "have another of the staff approve it"
        )
    _note(tx, decided, principal.actor, now, "seconded")
    return decided


def attest(tx: Tx, approval_id: UUID, reader: UUID | None, now: datetime) -> bool:
    """Count a bank record as one word for a request; `reader` is who read it in, None at the
    machine. False where the reader may be who asked, or has given their word otherwise."""
    asked = _open(tx, approval_id, now)
    if reader is not None:
        try:
            require_two_people(tx, reader, [asked.requested_by], "requestedBy")
        except CommendaError:
            return False
    return _vote(tx, approval_id, reader, "bank_record", now)


def take_back_attest(tx: Tx, approval_id: UUID, now: datetime) -> None:
    """The bank took its record back: it speaks for the request no more."""
    tx.execute(
        "UPDATE approval_votes SET voided_at = %s"
        " WHERE approval_id = %s AND basis = 'bank_record' AND voided_at IS NULL",
        (now, approval_id),
    )


def reject(tx: Tx, approval_id: UUID, principal: Principal, now: datetime, reason: str) -> Approval:
    """Decide against a request, which takes one; the codes of `approve`."""
    asked = _open(tx, approval_id, now)
    require_two_people(tx, principal.user_id, [asked.requested_by], "requestedBy")
    by = principal.user_id
    decided = _conclude(tx, approval_id, ApprovalStatus.REJECTED, by, reason, now)
    _note(tx, decided, principal.actor, now)
    return decided


def take_back(tx: Tx, approval_id: UUID, principal: Principal, now: datetime) -> None:
    """Let whoever asked withdraw their request; the codes of `approve` but `same_person`."""
    _open(tx, approval_id, now)
    gone = _conclude(tx, approval_id, ApprovalStatus.EXPIRED, None, "taken back", now)
    _note(tx, gone, principal.actor, now)


def keep_changes(tx: Tx, approval_id: UUID, changes: Sequence[Changed]) -> None:
    """Keep beside a request that is decided what it changes, before that is done."""
    kept = Jsonb([asdict(one) for one in changes])
    tx.execute("UPDATE approvals SET changes = %s WHERE id = %s", (kept, approval_id))


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
    tx: Tx,
    status: ApprovalStatus | None,
    before: int | None,
    limit: int,
    about: str | None = None,
) -> list[Approval]:
    """Requests, the latest first, before a sequence number; about one thing, or all."""
    with tx.cursor(row_factory=class_row(Approval)) as cursor:
        return cursor.execute(
            _SELECT + " WHERE (%(status)s::text IS NULL OR status = %(status)s)"
            "  AND (%(before)s::bigint IS NULL OR sequence < %(before)s)"
            "  AND (%(about)s::text IS NULL OR about @> ARRAY[%(about)s::text])"
            " ORDER BY sequence DESC LIMIT %(limit)s",
            {
                "status": status,
                "about": about,
                "before": None if before is None else max(-1, min(before, 2**63 - 1)),
                "limit": limit,
            },
        ).fetchall()


def _open(tx: Tx, approval_id: UUID, now: datetime) -> Approval:
    asked = _found(tx, approval_id, " FOR UPDATE")
    if asked.status is ApprovalStatus.EXPIRED or (
        asked.status is ApprovalStatus.REQUESTED and asked.expires_at <= now
    ):
        raise conflict("approval_expired", "Nobody decided this request in time").at(
            "expiresAt", iso(asked.expires_at), "ask for it again"
        )
    if asked.status is not ApprovalStatus.REQUESTED:
        raise conflict("already_decided", "This request was decided already").at(
            "status", asked.status.value, "read who decided it; ask anew where it is still wanted"
        )
    return asked


def _vote(tx: Tx, approval: UUID, user: UUID | None, basis: str, now: datetime) -> bool:
    """Whether this word is new."""
    values = {"approval_id": approval, "user_id": user, "basis": basis, "given_at": now}
    return put(tx, "INSERT INTO approval_votes", values)


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
        raise not_found("unknown_approval", "There is no such request").at(
            "id", approval_id, "choose one of the listed requests"
        )
    return found


def _note(tx: Tx, approval: Approval, actor: str, now: datetime, word: str = "requested") -> None:
    said = word if approval.status is ApprovalStatus.REQUESTED else approval.status.value
    details = {"request": approval.kind, "about": approval.subject, "reason": approval.reason}
    about = approval.correlation_id
    note(tx, f"approval.{said}", approval.id, said, actor, about, now, **details)
