"""One effect for each client key.

The key is claimed in the same transaction as its effect, so either both stand or neither does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.wire import wire

Outcome = dict[str, Any]

PASSING = frozenset({401, 403, 429, 503})
"""Refusals of who asks and when, not of what is asked: not kept, the same key may try again."""


def answered(answer: object, status: int) -> Outcome:
    """A body or a record, or a pair of that and its status, as what is recorded of it."""
    body, known = answer if type(answer) is tuple else (answer, status)
    return {"status": known, "body": wire(body)}


def refused(error: CommendaError) -> Outcome:
    """A refusal as what is recorded of it; raised again where it is not kept."""
    if error.status in PASSING:
        raise error
    refusal = {
        "code": error.code,
        "detail": error.message,
        "field": error.field,
        "value": None if error.value is None else str(error.value),
        "mend": error.hint,
    }
    return {"status": error.status, "body": refusal}


def attempt(tx: Tx, act: Callable[[], object], status: int = 200) -> Outcome:
    """What `act` answers, or refuses with: what it did is undone then. For `once` to record."""
    try:
        with tx.transaction():
            return answered(act(), status)
    except CommendaError as error:
        return refused(error)


def once(
    tx: Tx,
    operation: str,
    principal: str,
    client_key: str,
    request: Any,
    now: datetime,
    act: Callable[[], Outcome],
) -> tuple[Outcome, bool]:
    """Run `act` once for (operation, principal, client key); later calls get its first outcome.

    Returns the outcome (JSON-ready, refusals included: they are values) and whether it was
    replayed. Code `idempotency_conflict` when the key stands for another request. A concurrent
    call with the same key waits for the first to commit.
    """
    _, known = claim(tx, operation, principal, client_key, request, now)
    if known is None:
        known = act()
        keep(tx, operation, principal, client_key, known)
        return known, False
    return known, True


def claim(
    tx: Tx,
    operation: str,
    principal: str,
    client_key: str,
    request: Any,
    now: datetime | None = None,
) -> tuple[datetime, Outcome | None]:
    """Claim a key: the business time, and None where it is ours to `keep` an outcome under.

    Else the outcome that it has. Codes as of `once`.
    """
    digest = hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).digest()
    claimed = tx.execute(
        "INSERT INTO idempotency (operation, principal, client_key, request_hash, recorded_at)"
        " VALUES (%s, %s, %s, %s, coalesce(%s, business_now())) ON CONFLICT DO NOTHING"
        " RETURNING recorded_at",
        (operation, principal, client_key, digest, now),
    ).fetchone()
    if claimed is not None:
        return claimed[0], None
    row = tx.execute(
        "SELECT request_hash, outcome, recorded_at FROM idempotency"
        " WHERE operation = %s AND principal = %s AND client_key = %s",
        (operation, principal, client_key),
    ).fetchone()
    assert row is not None, "an idempotency key that conflicts exists"
    if row[0] != digest:
        raise conflict("idempotency_conflict", "This key was used for another request").at(
            "Idempotency-Key", client_key, "send the request with a new key"
        )
    return row[2], row[1]


def keep(tx: Tx, operation: str, principal: str, client_key: str, outcome: Outcome) -> None:
    """Record the outcome of a key that was claimed in this transaction."""
    tx.execute(
        "UPDATE idempotency SET outcome = %s"
        " WHERE operation = %s AND principal = %s AND client_key = %s",
        (Jsonb(outcome), operation, principal, client_key),
    )
