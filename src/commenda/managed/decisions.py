"""What is carried out once a second person has decided; `operations` calls these by kind."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from commenda.audit import Event, record
from commenda.books import Trigger
from commenda.identity import Approval, Principal, request_approval
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.ledger import Author
from commenda.managed import queries
from commenda.managed.lifecycle import State
from commenda.managed.liquidation import request_liquidation
from commenda.managed.model import RULES, ExpectedReturn
from commenda.managed.products import change_expected, require_change
from commenda.managed.settlement import settle

RETURN_MATRIX = "managed.return_matrix"
SETTLE_BATCH = "managed.settle_batch"

LARGEST_BATCH = 2000
"""Subscriptions of one operator's batch: it is carried out in the decision's own transaction."""


# --- Asking ----------------------------------------------------------------------------------


def ask_for_matrix(
    tx: Tx,
    principal: Principal,
    product_id: UUID,
    expected: ExpectedReturn,
    valid_from: datetime,
    now: datetime,
) -> Approval:
    """Ask a second person for a change of the return matrix."""
    require_change(tx, product_id, expected, valid_from, now)
    payload = {
        "productId": str(product_id),
        "annualReturn": f"{expected.annual_return:f}",
        "warningPercent": f"{expected.warning_percent:f}",
        "alertPercent": f"{expected.alert_percent:f}",
        "validFrom": valid_from.isoformat(),
    }
    correlation = ids.derive("return-matrix", product_id)
    return request_approval(
        tx, principal, RETURN_MATRIX, str(product_id), payload, correlation, now
    )


def ask_for_batch(
    tx: Tx, principal: Principal, subscription_ids: list[UUID] | None, key: str, now: datetime
) -> Approval:
    """Ask a second person for an operator's settlement batch."""
    listed = None if subscription_ids is None else sorted({str(one) for one in subscription_ids})
    correlation = ids.derive("settle-batch", principal.user_id, key)
    return request_approval(
        tx,
        principal,
        SETTLE_BATCH,
        "all matured" if listed is None else f"{len(listed)} subscriptions",
        {"subscriptionIds": listed},
        correlation,
        now,
    )


# --- Carrying out ----------------------------------------------------------------------------


def change_matrix(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """Date the new cell, from its date on or from now if that has passed."""
    payload = approval.payload
    expected = ExpectedReturn(
        Decimal(payload["annualReturn"]),
        Decimal(payload["warningPercent"]),
        Decimal(payload["alertPercent"]),
    )
    since = change_expected(
        tx,
        author,
        UUID(payload["productId"]),
        expected,
        datetime.fromisoformat(payload["validFrom"]),
    )
    outcome = {"productId": payload["productId"], "validFrom": since.isoformat()}
    _record(tx, author, approval, "matrix.changed", {**payload, **outcome})
    return outcome


def settle_batch(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """The operator's door: ask for the liquidation of what matured, settle what is LIQUIDATED.

    The outcome is the state of each subscription; what is not over yet keeps its own.
    """
    listed = approval.payload["subscriptionIds"]
    wanted = queries.matured(tx, LARGEST_BATCH) if listed is None else [UUID(one) for one in listed]
    states = queries.states_of(tx, wanted)
    matured = [one for one, state in states.items() if state == State.MATURED]
    if matured:
        request_liquidation(tx, _under_rules(author), matured, Trigger.OPERATOR)
    ready = [one for one, state in states.items() if state == State.LIQUIDATED]
    if ready:
        settle(tx, author.now, ready)
    after = {str(one): state for one, state in queries.states_of(tx, wanted).items()}
    counts = {state: list(after.values()).count(state) for state in sorted(set(after.values()))}
    _record(tx, author, approval, "settlement.batch", counts)
    return {"states": after}


def _under_rules(author: Author) -> Author:
    """Whoever decided, under the rules by which it is carried out."""
    return Author(author.actor, RULES, author.now)


def _record(tx: Tx, author: Author, approval: Approval, kind: str, details: dict[str, Any]) -> None:
    event = Event(
        kind,
        str(approval.id),
        approval.correlation_id,
        "done",
        author.actor,
        RULES,
        author.now,
        details,
    )
    record(tx, [event])
