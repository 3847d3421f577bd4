"""Carry out what two people agreed on: one transaction for the decision and its effect.

An `Executor` says what becomes of a kind of request. `carry_out` does it and answers with what is
kept as the request's outcome; when it refuses, nothing was decided. `changes` says what it would
change now. `on_reject` gives back what was held for the request (money, a place) when it is
rejected or expires.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from commenda import automation, funding, identity, income, ledger, managed, risk, venues
from commenda.identity import (
    CLOCK,
    Approval,
    ApprovalStatus,
    Changed,
    Principal,
    approval_by_id,
    approve,
    expire_due,
    keep_changes,
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
    changes: Callable[[Tx, Approval], list[Changed]] | None = None


EXECUTORS: tuple[Executor, ...] = (
    Executor(funding.DEPOSIT, funding.carry_out, funding.turn_down, funding.wallet_changes),
    Executor(funding.WITHDRAWAL, funding.carry_out, funding.turn_down, funding.wallet_changes),
    Executor(funding.UNFREEZE, funding.unfreeze, changes=funding.hold_changes),
    Executor(managed.RETURN_MATRIX, managed.change_matrix, changes=managed.matrix_changes),
    Executor(managed.SETTLE_BATCH, managed.settle_batch, changes=managed.batch_changes),
    Executor(ledger.CLOSE_PERIOD, ledger.carry_out_close, changes=ledger.period_changes),
    Executor(ledger.REVERSAL, ledger.carry_out_reversal, changes=ledger.reversal_changes),
    Executor(income.NEW_PRODUCT, income.offer_product, changes=income.product_changes),
    Executor(income.NEW_RATE, income.date_rate, changes=income.rate_changes),
    Executor(income.CLOSING, income.take_off_market, changes=income.closing_changes),
    Executor(risk.LOOSER, risk.carry_out_limit, changes=risk.limit_changes),
    Executor(venues.NEW_KEY, venues.let_key_in, venues.keep_key_out, venues.key_changes),
    Executor(risk.RESUME, risk.carry_out_resume, changes=risk.resume_changes),
    Executor(automation.SETTING, automation.carry_out_limits, changes=automation.setting_changes),
    Executor(
        automation.ACTION,
        automation.carry_out_asked,
        automation.give_up_action,
        automation.action_changes,
    ),
    Executor(
        identity.ACCOUNT,
        lambda tx, author, asked: identity.let_in(tx, asked, author.actor),
        lambda tx, author, asked: identity.keep_out(tx, asked, author.actor),
        identity.account_changes,
    ),
    Executor(
        identity.ACCESS,
        lambda tx, author, asked: identity.give_access(tx, asked, author.actor),
        changes=identity.access_changes,
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
    keep_changes(tx, asked.id, _changes(tx, asked))
    outcome = executor.carry_out(tx, Author(principal.actor, RULES, now), asked)
    return record_outcome(tx, asked, outcome)


def reject_and_give_back(
    tx: Tx, approval_id: UUID, principal: Principal, now: datetime, reason: str
) -> Approval:
    """Reject a request and give back what was held for it."""
    rejected = reject(tx, approval_id, principal, now, reason)
    keep_changes(tx, approval_id, _changes(tx, rejected))
    _give_back(tx, Author(principal.actor, RULES, now), rejected)
    return approval_by_id(tx, approval_id)


def expire_approvals(tx: Tx, now: datetime) -> int:
    """Let requests expire that nobody decided, and give back what was held for them; how many."""
    author = Author(CLOCK, RULES, now)
    return len(expire_due(tx, now, lambda expired: _give_back(tx, author, expired)))


def with_changes(tx: Tx, asked: Approval) -> Approval:
    """A request with what it would change now, or with what it changed."""
    if asked.status is not ApprovalStatus.REQUESTED:
        return asked
    return replace(asked, changes=_changes(tx, asked))


def _changes(tx: Tx, asked: Approval) -> list[Changed]:
    """Nothing, where what it is about is not there any more."""
    executor = _executor(asked.kind)
    if executor is None or executor.changes is None:
        return []
    try:
        return executor.changes(tx, asked)
    except CommendaError:
        return []


def _give_back(tx: Tx, author: Author, approval: Approval) -> None:
    executor = _executor(approval.kind)
    if executor is not None and executor.on_reject is not None:
        executor.on_reject(tx, author, approval)


def _executor(kind: str) -> Executor | None:
    return next((one for one in EXECUTORS if one.kind == kind), None)
