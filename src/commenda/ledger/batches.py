"""Long work in short transactions: a row says how far it has come, and who goes on holds it.

    each transaction: take_up_batch, do one chunk, move_on_batch; when all is done, finish_batch

A worker that dies leaves its chunk undone and the cursor where it was. Two workers take turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from psycopg.rows import class_row

from commenda.kit.db import Tx


@dataclass(frozen=True, slots=True)
class Batch:
    """Where the work named `key` stands: `cursor` is the last row that is done."""

    key: str
    kind: str
    cursor: int
    rows_done: int
    amount: Decimal
    begun_at: datetime
    finished_at: datetime | None


def take_up_batch(tx: Tx, key: str, kind: str, now: datetime) -> Batch:
    """Begin a batch or go on with it, holding it until the transaction ends."""
    tx.execute(
        "INSERT INTO posting_batches (key, kind, begun_at) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (key, kind, now),
    )
    with tx.cursor(row_factory=class_row(Batch)) as cursor:
        found = cursor.execute(
            "SELECT key, kind, cursor, rows_done, amount, begun_at, finished_at"
            " FROM posting_batches WHERE key = %s FOR UPDATE",
            (key,),
        ).fetchone()
    assert found is not None, "it is there: it was begun here or before"
    return found


def move_on_batch(tx: Tx, key: str, cursor: int, rows: int, amount: Decimal) -> None:
    """Note a chunk that is done, in the transaction that does it."""
    tx.execute(
        "UPDATE posting_batches SET cursor = %s, rows_done = rows_done + %s,"
        " amount = amount + %s WHERE key = %s",
        (cursor, rows, amount, key),
    )


def finish_batch(tx: Tx, key: str, now: datetime) -> None:
    """Note that nothing is left to do."""
    tx.execute("UPDATE posting_batches SET finished_at = %s WHERE key = %s", (now, key))
