"""Corrections take two people: closing a period, undoing a journal. `operations` carries them out
by kind once a second person has decided.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from commenda.audit import record
from commenda.identity import Approval, Changed, Principal, request_approval
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.money import plain
from commenda.kit.times import iso
from commenda.ledger import browse
from commenda.ledger.model import Author, Outcome
from commenda.ledger.periods import close_period, closed_until, require_past
from commenda.ledger.reversals import reverse

RULES = "ledger/1"
"""Stored with every correction; changes when a rule of them does."""

CLOSE_PERIOD = "ledger.close_period"
REVERSAL = "ledger.reversal"

REVERSIBLE: Final = frozenset({"deposit", "insurance"})
"""Kinds of journals that an operator may have undone: nothing but balances follows from them.

All others have rows beside their journals (a subscription, an allocation, a commission, what the
venue moved), which a reversal would leave standing.
"""

INSTEAD: Final = MappingProxyType(
    {
        "transfer": "move it back by another transfer",
        "withdrawal": "credit what came back as a deposit",
        "reserve": "cancel the subscription",
        "reversal": "post the right event under a key of its own",
    }
)
"""What mends one of the other kinds."""


# --- Asking ----------------------------------------------------------------------------------


def ask_to_close(tx: Tx, principal: Principal, until: datetime, now: datetime) -> Approval:
    """Ask a second person to close the books before `until`.

    Codes `bad_period` for a moment that is not past, `period_closed` where they are closed already.
    """
    require_past(until, now)
    closed = closed_until(tx)
    if closed is not None and until <= closed:
        raise conflict("period_closed", f"The books are closed before {iso(closed)} already").at(
            "until", iso(until), "choose a later moment"
        )
    named = iso(until)
    correlation = ids.derive("ledger-period", named)
    return request_approval(tx, principal, CLOSE_PERIOD, named, {"until": named}, correlation, now)


def ask_to_reverse(
    tx: Tx, principal: Principal, journal_id: int, reason: str, now: datetime
) -> Approval:
    """Ask a second person to undo a journal by its opposite.

    Codes `unknown_journal`, `not_reversible`, `already_reversed`.
    """
    found = browse.journal_by_id(tx, journal_id)
    if found is None:
        raise unknown("journal", journal_id, "journalId")
    if found.kind not in REVERSIBLE:
        raise CommendaError(
            "not_reversible",
            f"What follows from a journal of kind {found.kind} is not in the ledger alone",
        ).at(
            "kind",
            found.kind,
            INSTEAD.get(found.kind, "undo what led to it, in the domain that posted it"),
        )
    if found.reversed_by is not None:
        raise conflict("already_reversed", "This journal was reversed before").at(
            "reversedBy", found.reversed_by, "read the journal that undid it"
        )
    payload = {"journalId": journal_id, "key": found.key, "kind": found.kind, "reason": reason}
    return request_approval(
        tx, principal, REVERSAL, str(journal_id), payload, found.correlation_id, now
    )


# --- What it changes -------------------------------------------------------------------------


def period_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """Until when the books are closed."""
    closed = closed_until(tx)
    before = {"closedUntil": None if closed is None else iso(closed)}
    return [Changed("period", asked.subject, {}, before, {"closedUntil": asked.payload["until"]})]


def reversal_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """The balances of the accounts of a journal, and what they are without its entries."""
    rows = tx.execute(
        "SELECT a.id, a.kind, a.asset, u.username, a.balance, a.balance - sum(e.amount)"
        " FROM entries e JOIN accounts a ON a.id = e.account_id"
        " LEFT JOIN users u ON u.id = a.owner_id WHERE e.journal_id = %s"
        " GROUP BY a.id, a.kind, a.asset, u.username, a.balance ORDER BY a.id LIMIT 100",
        (int(asked.payload["journalId"]),),
    ).fetchall()
    return [
        Changed(
            "account",
            str(account),
            {"account": kind, "asset": asset, "username": owner},
            {"balance": plain(now)},
            {"balance": plain(then)},
        )
        for account, kind, asset, owner, now, then in rows
    ]


# --- Carrying out ----------------------------------------------------------------------------


def carry_out_close(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """Close the books; the outcome says whether they were open until then."""
    until = datetime.fromisoformat(approval.payload["until"])
    author = replace(author, rule_version=RULES)
    closed = close_period(tx, author, until)
    outcome: dict[str, Any] = {"until": iso(until), "closed": closed}
    result = "done" if closed else "closed already"
    event = author.event(
        "ledger.period_closed", approval.subject, approval.correlation_id, result, outcome
    )
    record(tx, [event])
    return outcome


def carry_out_reversal(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """Post the opposite of a journal. That the money is spent already is an outcome, too: it is
    kept with the request, and nothing is posted.
    """
    author = replace(author, rule_version=RULES)
    posted = reverse(tx, author, int(approval.payload["journalId"]))
    outcome: dict[str, Any] = {"outcome": posted.outcome, "journalId": posted.journal_id}
    if posted.outcome is Outcome.REFUSED:
        outcome = {
            "outcome": posted.outcome,
            "reason": posted.reason,
            "accountId": posted.refused_account,
        }
    details = {**approval.payload, **outcome}
    event = author.event(
        "ledger.reversal", approval.subject, approval.correlation_id, posted.outcome, details
    )
    record(tx, [event])
    return outcome
