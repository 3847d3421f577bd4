"""Open accounts and post journals. The batch is the primary call; one journal is a batch of one."""

from __future__ import annotations

import decimal
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from commenda.kit.db import Tx, array_text, learn, recall
from commenda.kit.errors import CommendaError, conflict, not_found, unknown
from commenda.kit.money import LARGEST, scale_of
from commenda.ledger import queries
from commenda.ledger.model import AccountKey, Author, Journal, Line, Outcome, Posted, Refusal
from commenda.ledger.rules import SCALE, has_excess_scale


def open_accounts(tx: Tx, keys: Sequence[AccountKey]) -> list[int]:
    """The account ids of `keys`, in their order, opening those that are missing."""
    wanted = dict.fromkeys(keys)
    known = recall(tx, wanted)
    distinct = [key for key in wanted if key not in known]
    if distinct:
        for key in distinct:
            scale_of(key.asset)
        found = queries.find_accounts(tx, distinct)
        missing = [key for key in distinct if key not in found]
        if missing:
            found |= queries.insert_accounts(tx, missing)
            if others := [key for key in missing if key not in found]:  # opened just now
                found |= queries.find_accounts(tx, others)
        learn(tx, found)
        known |= found
    return [known[key] for key in keys]


def post(tx: Tx, author: Author, journal: Journal) -> Posted:
    """Post one journal; see `post_batch`."""
    if journal.captures is not None:
        return post_batch(tx, author, [journal])[0]
    lines = _moving(journal)
    # All as text: of ten types a connection would look for ten ways to write them.
    rows = _rows(
        tx,
        "SELECT journal_id, outcome, refused_account, reason"
        " FROM post_journal(%s, %s, %s, %s, %s, %s, %s, %s::bigint[], %s::numeric[], %s)",
        (
            journal.key,
            journal.kind,
            journal.correlation_id.hex,
            journal.effective_at and str(journal.effective_at),
            author.actor,
            author.rule_version,
            str(author.now),
            array_text([line.account_id for line in lines]),
            array_text([line.amount for line in lines]),
            journal.reverses and str(journal.reverses),
        ),
    )
    return _posted(*rows[0])


def post_batch(tx: Tx, author: Author, journals: Sequence[Journal]) -> list[Posted]:
    """Post journals together, each whole or not at all, in their order.

    A journal whose key was posted before is *replayed*; one that would take a wallet or a
    reservation below zero or below its holds, or that cannot capture what it names, is *refused*,
    and the others post. What can only be a fault of the caller raises, and nothing is posted: codes
    `unbalanced_journal`, `empty_journal`, `not_finite`, `excess_scale`, `amount_overflow`,
    `unknown_account`, `closed_period`, `effective_in_future`, `duplicate_journal_key`,
    `duplicate_capture`; of a journal that reverses another `unknown_journal`, `already_reversed`.
    """
    if not journals:
        return []
    groups = [one.captures for one in journals if one.captures is not None]
    if len(journals) == 1 and not groups:
        return [post(tx, author, journals[0])]
    _require_distinct([one.key for one in journals], "duplicate_journal_key", "have the same key")
    _require_distinct(groups, "duplicate_capture", "capture the same holds")
    moving = [_moving(journal) for journal in journals]
    rows = _rows(
        tx,
        "SELECT journal_id, outcome, refused_account, reason FROM post_journals("
        "%s::text[], %s::text[], %s::uuid[], %s::timestamptz[], %s, %s, %s,"
        " %s::integer[], %s::bigint[], %s::numeric[], %s::bigint[], %s::text[])",
        (
            [one.key for one in journals],
            [one.kind for one in journals],
            [one.correlation_id for one in journals],
            [one.effective_at for one in journals],
            author.actor,
            author.rule_version,
            author.now,
            [ordinal for ordinal, lines in enumerate(moving, start=1) for _ in lines],
            [line.account_id for lines in moving for line in lines],
            [line.amount for lines in moving for line in lines],
            [one.reverses for one in journals] if any(one.reverses for one in journals) else None,
            [one.captures for one in journals] if groups else None,
        ),
    )
    return [_posted(*row) for row in rows]


_OUTCOMES = {one.value: one for one in Outcome}


def _posted(
    journal_id: int | None, outcome: str, refused_account: int | None, why: str | None
) -> Posted:
    return Posted(journal_id, _OUTCOMES[outcome], refused_account, Refusal(why) if why else None)


def _rows(tx: Tx, query: LiteralString, values: Sequence[object]) -> list[TupleRow]:
    """What the database answers, its refusal of a faulty call in our words."""
    try:
        return tx.execute(query, values).fetchall()
    except psycopg.Error as error:
        fault = _fault(error)
        if fault is None:
            raise
        raise fault from error


def _fault(error: psycopg.Error) -> CommendaError | None:
    """What the database takes for a fault of the caller, in our words; None for anything else."""
    said = error.diag.message_primary
    match error.sqlstate, error.diag.constraint_name:
        case "22003", _:
            return CommendaError(
                "amount_overflow", "An amount or balance is beyond numeric(38,18)"
            ).at("amount", hint="move less at once")
        case "CO003", _:
            return unknown_account(error)
        case "CO001" | "CO002", _:
            return CommendaError("unbalanced_journal", str(said))
        case "CO004", _:
            return CommendaError(
                "closed_period", f"The books are closed before {error.diag.message_detail}"
            ).at(said, hint="post it with a later effective_at")
        case "CO005", _:
            return CommendaError(
                "effective_in_future", "A journal is effective when it is posted, or before"
            ).at(said, error.diag.message_detail)
        case _, "journals_reverses_fkey":
            return not_found("unknown_journal", "No such journal to reverse").at("reverses")
        case _, "journals_reversed_once":
            return conflict("already_reversed", "This journal was reversed before").at("reverses")
    return None


def unknown_account(error: psycopg.Error) -> CommendaError:
    """The refusal of an account that the database has not got, by its number."""
    (number,) = re.findall(r"\d+", str(error.diag.message_primary)) or [None]
    return unknown("account", number, "account", "open it before money is moved on it")


def _moving(journal: Journal) -> list[Line]:
    """The lines that move something; codes of a journal that cannot be posted."""
    lines = [line for line in journal.lines if line.amount]
    if len(lines) < 2:
        raise CommendaError(
            "empty_journal", "A journal moves something between two accounts at least"
        ).at(journal.key, len(lines))
    _require_balanced(journal, lines)
    return lines


def _require_distinct(names: Sequence[str], code: str, what: str) -> None:
    if len(set(names)) != len(names):
        field = "key" if code == "duplicate_journal_key" else "captures"
        raise CommendaError(code, f"Two journals of one batch {what}").at(field)


def _require_balanced(journal: Journal, lines: Sequence[Line]) -> None:
    """Cheap first line of defence: the database checks it again for each asset."""
    try:
        lines_total = sum([line.amount for line in lines], Decimal(0))
    # Infinities that cancel, a signalling NaN, or what even Decimal has no room for.
    except (decimal.InvalidOperation, decimal.Overflow):
        lines_total = Decimal("NaN")
    if not lines_total.is_finite():
        raise CommendaError("not_finite", "An amount must be finite").at(journal.key, lines_total)
    # A sum has the decimals of its finest line, so most journals need no look at each.
    if -int(lines_total.as_tuple().exponent) > SCALE and any(
        has_excess_scale(line.amount) for line in lines
    ):
        raise CommendaError("excess_scale", f"The ledger keeps {SCALE} decimals").at(journal.key)
    if abs(lines_total) >= LARGEST:
        raise CommendaError("amount_overflow", "The amount is too large").at(
            journal.key, lines_total
        )
    if lines_total:
        raise CommendaError("unbalanced_journal", "A journal must sum to zero").at(
            journal.key, lines_total
        )
