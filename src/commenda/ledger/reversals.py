"""Undo a journal by one that is linked to it: the only correction there is."""

from __future__ import annotations

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, unknown
from commenda.ledger.actions import post
from commenda.ledger.model import Author, Journal, Line, Posted


def reverse(tx: Tx, author: Author, journal_id: int) -> Posted:
    """Post the opposite of a journal, effective now, at most once; again, it is replayed.

    Refused where the money is spent already. Codes `unknown_journal`; `already_reversed` where a
    journal of another key did so; `not_reversible` for a reversal, which is corrected by posting
    the event anew, and for what captured a hold.
    """
    row = tx.execute(
        "SELECT key, correlation_id, reverses,"
        " EXISTS (SELECT FROM holds WHERE journal_id = journals.id) FROM journals WHERE id = %s",
        (journal_id,),
    ).fetchone()
    if row is None:
        raise unknown("journal", journal_id, "journal")
    key, correlation, reverses, captured = row
    if reverses is not None or captured:
        raise CommendaError(
            "not_reversible", "A reversal, or what captured a hold, cannot be reversed"
        ).at("journal", key, "post the right event under a key of its own")
    lines = [
        Line(account, -amount)
        for account, amount in tx.execute(
            # The last line first: an account goes back along the balances that it had.
            "SELECT account_id, amount FROM entries WHERE journal_id = %s"
            " ORDER BY account_id, version DESC",
            (journal_id,),
        )
    ]
    journal = Journal(f"reverse:{key}", "reversal", correlation, lines, reverses=journal_id)
    return post(tx, author, journal)


def is_reversed(tx: Tx, key: str) -> bool:
    """Whether the journal with this key was undone."""
    row = tx.execute("SELECT 1 FROM journals WHERE key = %s", (f"reverse:{key}",)).fetchone()
    return row is not None
