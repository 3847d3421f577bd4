"""What is carried out once a second person has decided; `operations` calls these by kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from commenda.audit import record
from commenda.books import Trigger
from commenda.identity import Approval, Principal, request_approval
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.times import iso
from commenda.kit.wire import as_json
from commenda.ledger import Author
from commenda.managed import queries
from commenda.managed.lifecycle import State
from commenda.managed.liquidation import request_liquidation
from commenda.managed.model import RULES, Asked, MatrixChange
from commenda.managed.products import change_expected, require_change
from commenda.managed.settlement import settle

RETURN_MATRIX = "managed.return_matrix"
SETTLE_BATCH = "managed.settle_batch"

LARGEST_BATCH = 2000
"""Subscriptions of one operator's batch: it is carried out in the decision's own transaction."""


# --- Asking ----------------------------------------------------------------------------------


def ask_for_matrix(tx: Tx, principal: Principal, change: MatrixChange, now: datetime) -> Asked:
    """Ask a second person for a change of the return matrix. Codes of `require_change`."""
    require_change(tx, change, now)
    subject, correlation = str(change.product_id), ids.derive("return-matrix", change.product_id)
    payload = as_json(change.model_dump())
    return Asked(
        request_approval(tx, principal, RETURN_MATRIX, subject, payload, correlation, now).id
    )


def ask_for_batch(
    tx: Tx, principal: Principal, subscription_ids: list[UUID] | None, key: str, now: datetime
) -> Asked:
    """Ask a second person for an operator's settlement batch; code `unknown_subscription`."""
    wanted = set(subscription_ids or ())
    missing = wanted - queries.states_of(tx, list(wanted)).keys()
    if missing:
        raise unknown("subscription", min(missing), "id")
    listed = None if subscription_ids is None else sorted(map(str, wanted))
    subject = "all matured" if listed is None else f"{len(listed)} subscriptions"
    correlation = ids.derive("settle-batch", principal.user_id, key)
    payload = {"subscriptionIds": listed}
    return Asked(
        request_approval(tx, principal, SETTLE_BATCH, subject, payload, correlation, now).id
    )


# --- Carrying out ----------------------------------------------------------------------------


def change_matrix(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """Date the new cell, from its date on or from now if that has passed."""
    since = change_expected(tx, author, MatrixChange.model_validate(approval.payload))
    outcome = {"productId": approval.payload["productId"], "validFrom": iso(since)}
    _record(tx, author, approval, "matrix.changed", {**approval.payload, **outcome})
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
    return replace(author, rule_version=RULES)


def _record(tx: Tx, author: Author, approval: Approval, kind: str, details: dict[str, Any]) -> None:
    event = _under_rules(author).event(kind, approval.id, approval.correlation_id, "done", details)
    record(tx, [event])
