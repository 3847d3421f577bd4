"""Open accounts and post journals. The batch is the primary call; one journal is a batch of one."""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from decimal import Decimal

import psycopg

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.money import LARGEST, scale_of
from commenda.ledger import queries
from commenda.ledger.model import AccountKey, Author, Journal, Line, Outcome, Posted

SCALE = 18
"""Decimals of numeric(38,18). More would be rounded in silence, entry by entry."""


def open_accounts(tx: Tx, keys: Sequence[AccountKey]) -> list[int]:
    """The account ids of `keys`, in their order, opening those that are missing."""
    distinct = list(dict.fromkeys(keys))
    for key in distinct:
        scale_of(key.asset)
    found = queries.find_accounts(tx, distinct)
    missing = [key for key in distinct if key not in found]
    if missing:
        queries.insert_accounts(tx, missing)
        found |= queries.find_accounts(tx, missing)
    return [found[key] for key in keys]


def post(tx: Tx, author: Author, journal: Journal) -> Posted:
    """Post one journal; see `post_batch`."""
    return post_batch(tx, author, [journal])[0]


def post_batch(tx: Tx, author: Author, journals: Sequence[Journal]) -> list[Posted]:
    """Post journals together, each whole or not at all, in their order.

    A journal whose key was posted before is *replayed*; one that would take a wallet or a
    reservation below zero is *refused*, and the others post. What can only be a fault of the
    caller (an unbalanced journal, a NaN, an unknown account) raises, and nothing is posted.
    """
    if not journals:
        return []
    _require_distinct_keys(journals)
    ordinals: list[int] = []
    accounts: list[int] = []
    amounts: list[Decimal] = []
    for ordinal, journal in enumerate(journals, start=1):
        lines = [line for line in journal.lines if line.amount]
        _require_entries(journal, lines)
        _require_balanced(journal, lines)
        ordinals += [ordinal] * len(lines)
        accounts += [line.account_id for line in lines]
        amounts += [line.amount for line in lines]
    try:
        rows = tx.execute(
            "SELECT journal_id, outcome, refused_account FROM post_journals("
            "%s::text[], %s::text[], %s::uuid[], %s::timestamptz[], %s, %s, %s,"
            " %s::integer[], %s::bigint[], %s::numeric[])",
            (
                [journal.key for journal in journals],
                [journal.kind for journal in journals],
                [journal.correlation_id for journal in journals],
                [journal.effective_at or author.now for journal in journals],
                author.actor,
                author.rule_version,
                author.now,
                ordinals,
                accounts,
                amounts,
            ),
        ).fetchall()
    except psycopg.errors.NumericValueOutOfRange as error:
        raise CommendaError(
            "amount_overflow", "An amount or balance is beyond numeric(38,18)", field="amount"
        ) from error
    except psycopg.Error as error:
        if error.sqlstate == "CO003":
            raise CommendaError(
                "unknown_account", str(error.diag.message_primary), field="account"
            ) from error
        if error.sqlstate in ("CO001", "CO002"):
            raise CommendaError("unbalanced_journal", str(error.diag.message_primary)) from error
        raise
    return [Posted(journal_id, Outcome(outcome), account) for journal_id, outcome, account in rows]


def _require_entries(journal: Journal, lines: Sequence[Line]) -> None:
    if len(lines) < 2:
        raise CommendaError(
            "empty_journal",
            "A journal moves something between two accounts at least",
            field=journal.key,
            value=len(lines),
        )


def _require_distinct_keys(journals: Sequence[Journal]) -> None:
    if len({journal.key for journal in journals}) != len(journals):
        raise CommendaError(
            "duplicate_journal_key", "Two journals of one batch have the same key", field="key"
        )


def _require_balanced(journal: Journal, lines: Sequence[Line]) -> None:
    """Cheap first line of defence: the database checks it again for each asset."""
    try:
        lines_total = sum((line.amount for line in lines), Decimal(0))
    except decimal.InvalidOperation:  # infinities that cancel, or a signalling NaN
        lines_total = Decimal("NaN")
    if not lines_total.is_finite():
        raise CommendaError(
            "not_finite", "An amount must be finite", field=journal.key, value=str(lines_total)
        )
    # A sum has the decimals of its finest line, so most journals need no look at each.
    if _decimals(lines_total) > SCALE and any(
        _decimals(line.amount.normalize()) > SCALE for line in lines
    ):
        raise CommendaError("excess_scale", f"The ledger keeps {SCALE} decimals", field=journal.key)
    if abs(lines_total) >= LARGEST:
        raise CommendaError(
            "amount_overflow", "The amount is too large", field=journal.key, value=str(lines_total)
        )
    if lines_total:
        raise CommendaError(
            "unbalanced_journal",
            "A journal must sum to zero",
            field=journal.key,
            value=str(lines_total),
        )


def _decimals(number: Decimal) -> int:
    return -int(number.as_tuple().exponent)
