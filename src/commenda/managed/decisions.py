"""What is carried out once a second person has decided; `operations` calls these by kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from commenda.audit import record
from commenda.books import Trigger
from commenda.identity import Approval, Changed, Principal, request_approval
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.money import plain
from commenda.kit.times import iso
from commenda.kit.wire import as_json
from commenda.ledger import Author
from commenda.managed import queries
from commenda.managed.dated import matrix_changed
from commenda.managed.lifecycle import State
from commenda.managed.liquidation import request_liquidation
from commenda.managed.model import RULES, Asked, MatrixChange, MatrixProposal
from commenda.managed.products import change_expected, require_change
from commenda.managed.settlement import settle

RETURN_MATRIX = "managed.return_matrix"
SETTLE_BATCH = "managed.settle_batch"

ALL_MATURED = "all matured"
"""The subject of a batch that names no subscription."""

LARGEST_BATCH = 2000
"""Subscriptions of one operator's batch: it is carried out in the decision's own transaction."""


# --- Asking ----------------------------------------------------------------------------------


def ask_for_matrix(
    tx: Tx, principal: Principal, change: MatrixChange | MatrixProposal, now: datetime
) -> Asked:
    """Ask a second person for a change of the return matrix. Codes of `require_change`."""
    wanted = MatrixProposal.of(change)
    require_change(tx, wanted, now)
    about = sorted(one.product_id for one in wanted.cells)
    subject = str(about[0]) if len(about) == 1 else f"{len(about)} products"
    correlation, payload = ids.derive("return-matrix", *about), as_json(wanted.model_dump())
    return Asked(
        request_approval(
            tx, principal, RETURN_MATRIX, subject, payload, correlation, now, about=about
        ).id
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
    subject = ALL_MATURED if listed is None else f"{len(listed)} subscriptions"
    correlation = ids.derive("settle-batch", principal.user_id, key)
    payload, about = {"subscriptionIds": listed}, listed or ()
    return Asked(
        request_approval(
            tx, principal, SETTLE_BATCH, subject, payload, correlation, now, about=about
        ).id
    )


# --- What it changes -------------------------------------------------------------------------


def matrix_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """Each cell as it would be on the day, and as it is to be."""
    return matrix_changed(tx, _proposal(asked))


def batch_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """What is matured is closed, what is closed is settled: how many, and how much."""
    after = {State.MATURED: State.LIQUIDATING, State.LIQUIDATED: State.SETTLED}
    rows = tx.execute(
        "SELECT s.status, s.asset, count(*), sum(s.amount) FROM managed_subscriptions s"
        " WHERE s.id = ANY (%s) GROUP BY s.status, s.asset ORDER BY s.status, s.asset",
        (_wanted(tx, asked),),
    ).fetchall()
    return [
        Changed(
            "subscriptions",
            f"{status}:{asset}",
            {"count": count, "amount": plain(amount), "asset": asset},
            {"state": status},
            {"state": after.get(State(status), status)},
        )
        for status, asset, count, amount in rows
    ]


# --- Carrying out ----------------------------------------------------------------------------


def change_matrix(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """Date the new cells, from their date on or from now if that has passed."""
    wanted = _proposal(approval)
    since = change_expected(tx, author, wanted, approval.id)
    products = [str(one.product_id) for one in wanted.cells]
    outcome = {"productIds": products, "validFrom": iso(since)}
    _record(tx, author, approval, "matrix.changed", {**approval.payload, **outcome})
    return outcome


def settle_batch(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """The operator's door: ask for the liquidation of what matured, settle what is LIQUIDATED.

    The outcome is the state of each subscription; what is not over yet keeps its own.
    """
    wanted = _wanted(tx, approval)
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


def _wanted(tx: Tx, approval: Approval) -> list[UUID]:
    """The subscriptions of a batch: those that were listed, or all that may be taken up now."""
    listed = approval.payload["subscriptionIds"]
    return queries.matured(tx, LARGEST_BATCH) if listed is None else [UUID(one) for one in listed]


def _proposal(approval: Approval) -> MatrixProposal:
    kind = MatrixProposal if "cells" in approval.payload else MatrixChange
    return MatrixProposal.of(kind.model_validate(approval.payload))


def _under_rules(author: Author) -> Author:
    """Whoever decided, under the rules by which it is carried out."""
    return replace(author, rule_version=RULES)


def _record(tx: Tx, author: Author, approval: Approval, kind: str, details: dict[str, Any]) -> None:
    event = _under_rules(author).event(kind, approval.id, approval.correlation_id, "done", details)
    record(tx, [event])
