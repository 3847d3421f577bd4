"""Balances as of a moment, and the closing of periods.

Two times belong to a journal. `posted_at` says when it was written, and along the versions of an
account it never goes back, so that the balance as it was known at a moment is found by bisection.
`effective_at` says for when it counts; it may be earlier. What is effective before the end of a
closed period is final, and the balances of that moment are noted: a balance as of a later one is
the noted one and what came since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, LiteralString

from commenda.kit.clock import require_utc
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.times import iso
from commenda.ledger.model import Author


class AsOf(StrEnum):
    """By which of its two times a journal counts."""

    POSTED = "posted"
    EFFECTIVE = "effective"


_BALANCE: Final[Mapping[AsOf, LiteralString]] = {
    AsOf.POSTED: "SELECT id, balance_posted(id, %s) FROM unnest(%s::bigint[]) AS id",
    AsOf.EFFECTIVE: "SELECT id, balance_effective(id, %s) FROM unnest(%s::bigint[]) AS id",
}


def balances_as_of(
    tx: Tx, account_ids: Sequence[int], moment: datetime, by: AsOf = AsOf.POSTED
) -> dict[int, Decimal]:
    """The balances of accounts at a moment, with all that was posted, or is effective, by then."""
    return dict(tx.execute(_BALANCE[by], (moment, list(account_ids))).fetchall())


def closed_until(tx: Tx, *, hold: bool = False) -> datetime | None:
    """Nothing is posted any more that is effective before this moment.

    With `hold` it stays this moment until the transaction ends: who closes waits.
    """
    if hold:
        tx.execute("SELECT pg_advisory_xact_lock_shared(period_lock())")
    row = tx.execute("SELECT max(until) FROM ledger_periods").fetchone()
    return row[0] if row else None


def close_period(tx: Tx, author: Author, until: datetime) -> bool:
    """Close the books for all that is effective before `until`; whether they were open.

    Code `bad_period` for a moment that is not past. The balances are noted by `note_balances`.
    """
    require_past(until, author.now)
    row = tx.execute(
        "SELECT close_period(%s, %s, %s)", (until, author.actor, author.now)
    ).fetchone()
    return row is not None and bool(row[0])


def require_past(until: datetime, now: datetime) -> None:
    """Only what is over is closed; code `bad_period`."""
    if require_utc(until) > now:
        raise CommendaError("bad_period", "A period is closed when it is over").at(
            "until", iso(until), f"choose a moment up to {iso(now)}"
        )


def note_balances(tx: Tx, limit: int = 2000) -> int:
    """Note the balances at the end of the oldest closed period that lacks them, of the next
    accounts; how many were looked at, 0 when all are noted.
    """
    period = tx.execute(
        "SELECT until, noted_up_to FROM ledger_periods WHERE noted_at IS NULL"
        " ORDER BY until LIMIT 1 FOR UPDATE"
    ).fetchone()
    if period is None:
        return 0
    until, after = period
    row = tx.execute(_NOTE, {"until": until, "after": after, "limit": limit}).fetchone()
    looked, last = row or (0, None)
    if looked:
        tx.execute("UPDATE ledger_periods SET noted_up_to = %s WHERE until = %s", (last, until))
    else:
        tx.execute(
            "UPDATE ledger_periods SET noted_at = clock_timestamp() WHERE until = %s", (until,)
        )
    return int(looked) or 1


# Only accounts with entries since the period before get a row.
_NOTE: LiteralString = (
    "WITH looked AS (SELECT id, version FROM accounts WHERE id > %(after)s ORDER BY id"
    "   LIMIT %(limit)s),"
    " summed AS (SELECT a.id, coalesce(b.balance, 0)"
    "    + coalesce(sum(e.amount) FILTER (WHERE j.effective_at < %(until)s"
    "       AND (b.until IS NULL OR j.effective_at >= b.until)), 0) AS balance,"
    "   coalesce(min(e.version) FILTER (WHERE j.effective_at >= %(until)s), a.version + 1)"
    "     AS open_from,"
    "   count(e.version) AS entries"
    "  FROM looked a"
    "  LEFT JOIN LATERAL (SELECT balance, open_from, until FROM period_balances"
    "    WHERE account_id = a.id AND until < %(until)s ORDER BY until DESC LIMIT 1) b ON true"
    "  LEFT JOIN entries e ON e.account_id = a.id AND e.version >= coalesce(b.open_from, 1)"
    "  LEFT JOIN journals j ON j.id = e.journal_id"
    "  GROUP BY a.id, a.version, b.balance, b.until),"
    " noted AS (INSERT INTO period_balances (account_id, until, balance, open_from)"
    "  SELECT id, %(until)s, balance, open_from FROM summed WHERE entries > 0"
    "  ON CONFLICT DO NOTHING)"
    " SELECT count(*), max(id) FROM looked"
)
