"""Carry out what two people agreed on: one transaction for the decision and its effect.

An `Executor` says what becomes of a kind of request. `carry_out` does it and answers with what is
kept as the request's outcome; when it refuses, nothing was decided. `on_reject` gives back what was
held for the request (money, a place) when it is rejected or expires.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from commenda import funding, identity, income, ledger, managed
from commenda.identity import (
    CLOCK,
    Approval,
    ApprovalStatus,
    Principal,
    approval_by_id,
    approve,
    expire_due,
    record_outcome,
    reject,
)
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import Author

RULES = "approvals/1"


@dataclass(frozen=True, slots=True)
class Executor:
    """What becomes of the requests of one kind."""

    kind: str
    carry_out: Callable[[Tx, Author, Approval], dict[str, Any]]
    on_reject: Callable[[Tx, Author, Approval], None] | None = None


EXECUTORS: tuple[Executor, ...] = (
    Executor(funding.DEPOSIT, funding.carry_out, funding.turn_down),
    Executor(funding.WITHDRAWAL, funding.carry_out, funding.turn_down),
    Executor(funding.UNFREEZE, funding.unfreeze),
    Executor(managed.RETURN_MATRIX, managed.change_matrix),
    Executor(managed.SETTLE_BATCH, managed.settle_batch),
    Executor(ledger.CLOSE_PERIOD, ledger.carry_out_close),
    Executor(ledger.REVERSAL, ledger.carry_out_reversal),
    Executor(income.NEW_PRODUCT, income.offer_product),
    Executor(income.NEW_RATE, income.date_rate),
    Executor(income.CLOSING, income.take_off_market),
    Executor(
        identity.ACCOUNT,
        lambda tx, author, asked: identity.let_in(tx, asked, author.actor),
        lambda tx, author, asked: identity.keep_out(tx, asked, author.actor),
    ),
    Executor(
        identity.ACCESS,
        lambda tx, author, asked: identity.give_access(tx, asked, author.actor),
    ),
)


def approve_and_carry_out(
    tx: Tx, approval_id: UUID, principal: Principal, now: datetime
) -> Approval:
    """Approve a request and, with the last word that it needs, carry it out; what refuses undoes
    the decision with it."""
    asked = approve(tx, approval_id, principal, now)
    if asked.status is ApprovalStatus.REQUESTED:
        return asked
    executor = _executor(asked.kind)
    if executor is None:
        raise CommendaError("no_executor", "Nothing here carries out requests of this kind").at(
            "kind", asked.kind
        )
    outcome = executor.carry_out(tx, Author(principal.actor, RULES, now), asked)
    return record_outcome(tx, asked, outcome)


def reject_and_give_back(
    tx: Tx, approval_id: UUID, principal: Principal, now: datetime, reason: str
) -> Approval:
    """Reject a request and give back what was held for it."""
    rejected = reject(tx, approval_id, principal, now, reason)
    _give_back(tx, Author(principal.actor, RULES, now), rejected)
    return approval_by_id(tx, approval_id)


def expire_approvals(tx: Tx, now: datetime) -> int:
    """Let requests expire that nobody decided, and give back what was held for them; how many."""
    author = Author(CLOCK, RULES, now)
    return len(expire_due(tx, now, lambda expired: _give_back(tx, author, expired)))


def _give_back(tx: Tx, author: Author, approval: Approval) -> None:
    executor = _executor(approval.kind)
    if executor is not None and executor.on_reject is not None:
        executor.on_reject(tx, author, approval)


def _executor(kind: str) -> Executor | None:
    return next((one for one in EXECUTORS if one.kind == kind), None)
