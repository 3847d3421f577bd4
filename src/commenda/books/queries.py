"""SQL of books that several verbs need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from psycopg.rows import args_row

from commenda.books.model import Leg
from commenda.kit.db import Tx
from commenda.ledger import lock_accounts


def lock_closings(tx: Tx, scope_ids: Sequence[UUID]) -> None:
    """Lock what is asked for of books and not done: before their subscriptions, and accounts."""
    tx.execute(
        "SELECT FROM closings WHERE scope_id = ANY (%s) AND paid_at IS NULL"
        "  AND given_up_at IS NULL ORDER BY id FOR UPDATE",
        (list(scope_ids),),
    )


def legs_of(tx: Tx, scope_ids: Sequence[UUID]) -> list[Leg]:
    with tx.cursor(row_factory=args_row(Leg)) as cursor:
        return cursor.execute(
            "SELECT id, scope_id, creator_id, account_id, capital, venue FROM legs"
            " WHERE scope_id = ANY (%s) ORDER BY scope_id, id",
            (list(scope_ids),),
        ).fetchall()


def legs_and_cash(
    tx: Tx, scope_ids: Sequence[UUID]
) -> tuple[dict[UUID, list[Leg]], Mapping[int, Decimal]]:
    """The legs of each scope, and the balance of each leg's cash account, locked."""
    if not scope_ids:
        return {}, {}
    legs: dict[UUID, list[Leg]] = {scope: [] for scope in scope_ids}
    for leg in legs_of(tx, scope_ids):
        legs[leg.scope_id].append(leg)
    return legs, lock_accounts(tx, [leg.account_id for parts in legs.values() for leg in parts])
