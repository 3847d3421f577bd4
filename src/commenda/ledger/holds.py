"""Money set aside: placed, then captured by a journal, voided or expired; each once.

A journal captures a group of holds with `Journal.captures`: what it takes from the held accounts,
up to what was held, is captured, and the rest is free again. What nobody resolves before it expires
can be captured no more, and is free once `expire_holds` has swept it.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.money import LARGEST
from commenda.kit.times import iso
from commenda.ledger.actions import unknown_account
from commenda.ledger.model import Author, Hold, HoldOutcome, HoldStatus, Placed
from commenda.ledger.rules import SCALE, has_excess_scale

_COLUMNS = ("group_key", "account_id", "amount", "purpose", "correlation_id", "expires_at")


def place_holds(tx: Tx, author: Author, holds: Sequence[Hold]) -> list[Placed]:
    """Set money aside, each group whole or not at all, in their order.

    A group that was placed before is *replayed*; one for which an account has too little, less
    what is held on it already, is *refused*, and the others are placed. Codes `not_finite`,
    `not_positive`, `excess_scale`, `amount_overflow`, `expired`, `unknown_account`,
    `not_holdable`, `duplicate_hold`.
    """
    if not holds:
        return []
    for hold in holds:
        _require_sound(hold, author)
    if len({(hold.group_key, hold.account_id) for hold in holds}) != len(holds):
        raise CommendaError("duplicate_hold", "A group holds an account once, for all it needs").at(
            "key"
        )
    try:
        rows = tx.execute(
            "SELECT outcome, refused_account FROM place_holds(%s::text[], %s::bigint[],"
            " %s::numeric[], %s::text[], %s::uuid[], %s::timestamptz[], %s, %s, %s)",
            (
                *([getattr(hold, name) for hold in holds] for name in _COLUMNS),
                author.actor,
                author.rule_version,
                author.now,
            ),
        ).fetchall()
    except psycopg.Error as error:
        message = str(error.diag.message_primary)
        if error.sqlstate == "CO003":
            raise unknown_account(error) from error
        if error.sqlstate == "CO006":
            raise CommendaError("not_holdable", message).at("account") from error
        raise
    return [Placed(HoldOutcome(outcome), account) for outcome, account in rows]


def void_holds(tx: Tx, author: Author, groups: Sequence[str]) -> list[str]:
    """Set free what these groups hold; which of them were still held."""
    return _release(tx, author, groups, HoldStatus.VOIDED)


def expire_holds(tx: Tx, author: Author, limit: int = 1000) -> int:
    """Let up to so many holds expire whose time has come, with their groups; how many groups."""
    due = tx.execute(
        "SELECT DISTINCT group_key FROM (SELECT group_key FROM holds"
        " WHERE status = 'held' AND expires_at <= %s ORDER BY expires_at LIMIT %s) AS due",
        (author.now, limit),
    ).fetchall()
    return len(_release(tx, author, [row[0] for row in due], HoldStatus.EXPIRED))


def _release(tx: Tx, author: Author, groups: Sequence[str], to: HoldStatus) -> list[str]:
    rows = tx.execute(
        "SELECT * FROM release_holds(%s::text[], %s, %s, %s)",
        (list(groups), to, author.actor, author.now),
    ).fetchall()
    return [row[0] for row in rows]


def _require_sound(hold: Hold, author: Author) -> None:
    if not hold.amount.is_finite():
        raise CommendaError("not_finite", "An amount must be finite").at(hold.key, hold.amount)
    if hold.amount <= 0:
        raise CommendaError("not_positive", "A hold is of more than 0").at(hold.key, hold.amount)
    if has_excess_scale(hold.amount):
        raise CommendaError("excess_scale", f"The ledger keeps {SCALE} decimals").at(
            hold.key, hold.amount
        )
    if hold.amount >= LARGEST:
        raise CommendaError("amount_overflow", "The amount is too large").at(hold.key, hold.amount)
    if hold.expires_at is not None and hold.expires_at <= author.now:
        raise CommendaError("expired", "A hold expires after now").at(
            hold.key, iso(hold.expires_at)
        )
