"""The books as an auditor reads them: accounts, journals with their entries, holds, periods."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from commenda.kit.db import Tx
from commenda.ledger.model import HoldStatus


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is. What its owner can spend of it is `balance` − `held`."""

    id: int
    kind: str
    owner_kind: str
    owner_id: UUID
    asset: str
    scope_id: UUID | None
    leg_id: UUID | None
    symbol: str | None
    stripe: int
    balance: Decimal
    held: Decimal
    version: int
    last_posted_at: datetime | None


@dataclass(frozen=True, slots=True)
class JournalRow:
    """A journal, what it undoes or is undone by, and its place in the chain once it is sealed."""

    id: int
    key: str
    kind: str
    actor: str
    rule_version: str
    correlation_id: UUID
    posted_at: datetime
    effective_at: datetime
    entry_count: int
    reverses: int | None
    reversed_by: int | None
    seal: int | None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry, with what its journal and its account are."""

    journal_id: int
    account_id: int
    version: int
    account_kind: str
    owner_id: UUID
    asset: str
    amount: Decimal
    balance_before: Decimal
    balance_after: Decimal
    journal_key: str
    journal_kind: str
    posted_at: datetime
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class HoldRow:
    """Money that is or was set aside; see `commenda.ledger.holds`."""

    id: int
    group_key: str
    account_id: int
    owner_id: UUID
    asset: str
    amount: Decimal
    purpose: str
    status: str
    captured: Decimal
    journal_id: int | None
    actor: str
    correlation_id: UUID
    placed_at: datetime
    expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """A closed period: what is effective before `until` is final."""

    until: datetime
    closed_by: str
    closed_at: datetime
    noted_at: datetime | None


@dataclass(frozen=True, slots=True)
class JournalsWanted:
    """Which journals: those that agree with whatever is given, posted in [since, until)."""

    kind: str | None = None
    actor: str | None = None
    correlation_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


# --- Accounts --------------------------------------------------------------------------------

_ACCOUNT: LiteralString = (
    "SELECT a.id, a.kind, a.owner_kind, a.owner_id, a.asset, a.scope_id, a.leg_id, i.symbol,"
    " a.stripe, a.balance, a.held, a.version, a.last_posted_at"
    " FROM accounts a LEFT JOIN instruments i ON i.id = a.instrument_id WHERE "
)


def account_by_id(tx: Tx, account_id: int) -> Account | None:
    """One account."""
    with tx.cursor(row_factory=class_row(Account)) as cursor:
        return cursor.execute(_ACCOUNT + "a.id = %s", (account_id,)).fetchone()


def accounts_where(
    tx: Tx, *, owner: UUID | None, kind: str | None, after: int, limit: int
) -> list[Account]:
    """Accounts in the order of their ids, past an id."""
    query = _ACCOUNT + "a.id > %(after)s"
    if owner is not None:
        query += " AND a.owner_id = %(owner)s"
    if kind is not None:
        query += " AND a.kind = %(kind)s"
    with tx.cursor(row_factory=class_row(Account)) as cursor:
        return cursor.execute(
            query + " ORDER BY a.id LIMIT %(limit)s",
            {"owner": owner, "kind": kind, "after": after, "limit": limit},
        ).fetchall()


# --- Journals and entries --------------------------------------------------------------------

_JOURNAL: LiteralString = (
    "SELECT j.id, j.key, j.kind, j.actor, j.rule_version, j.correlation_id, j.posted_at,"
    " j.effective_at, j.entry_count, j.reverses, r.id AS reversed_by, s.sequence AS seal"
    " FROM journals j LEFT JOIN journals r ON r.reverses = j.id"
    " LEFT JOIN journal_seals s ON s.row_id = j.id WHERE "
)
_ENTRY: LiteralString = (
    "SELECT e.journal_id, e.account_id, e.version, a.kind AS account_kind, a.owner_id, e.asset,"
    " e.amount, e.balance_before, e.balance_after, j.key AS journal_key, j.kind AS journal_kind,"
    " j.posted_at, j.effective_at"
    " FROM entries e JOIN accounts a ON a.id = e.account_id JOIN journals j ON j.id = e.journal_id"
    " WHERE "
)


def journal_by_id(tx: Tx, journal_id: int) -> JournalRow | None:
    """One journal."""
    with tx.cursor(row_factory=class_row(JournalRow)) as cursor:
        return cursor.execute(_JOURNAL + "j.id = %s", (journal_id,)).fetchone()


def journals_where(
    tx: Tx, wanted: JournalsWanted, *, before: int | None, limit: int
) -> list[JournalRow]:
    """Journals newest first, before an id."""
    conditions: list[LiteralString] = ["true"]
    if before is not None:
        conditions.append("j.id < %(before)s")
    if wanted.kind is not None:
        conditions.append("j.kind = %(kind)s")
    if wanted.actor is not None:
        conditions.append("j.actor = %(actor)s")
    if wanted.correlation_id is not None:
        conditions.append("j.correlation_id = %(correlation)s")
    if wanted.since is not None:
        conditions.append("j.posted_at >= %(since)s")
    if wanted.until is not None:
        conditions.append("j.posted_at < %(until)s")
    where: LiteralString = " AND ".join(conditions)
    with tx.cursor(row_factory=class_row(JournalRow)) as cursor:
        return cursor.execute(
            _JOURNAL + where + " ORDER BY j.id DESC LIMIT %(limit)s",
            {
                "before": before,
                "kind": wanted.kind,
                "actor": wanted.actor,
                "correlation": wanted.correlation_id,
                "since": wanted.since,
                "until": wanted.until,
                "limit": limit,
            },
        ).fetchall()


def entries_of_journal(
    tx: Tx, journal_id: int, *, after: tuple[int, int], limit: int
) -> list[EntryRow]:
    """A journal's entries by (account, version), past one of them."""
    with tx.cursor(row_factory=class_row(EntryRow)) as cursor:
        return cursor.execute(
            _ENTRY + "e.journal_id = %s AND (e.account_id, e.version) > (%s, %s)"
            " ORDER BY e.account_id, e.version LIMIT %s",
            (journal_id, *after, limit),
        ).fetchall()


def entries_of_account(
    tx: Tx, account_id: int, *, before: int | None, limit: int
) -> list[EntryRow]:
    """An account's entries newest first, before a version. Versions have no gaps."""
    with tx.cursor(row_factory=class_row(EntryRow)) as cursor:
        return cursor.execute(
            _ENTRY + "e.account_id = %(account)s AND e.version < %(before)s"
            " ORDER BY e.version DESC LIMIT %(limit)s",
            {
                "account": account_id,
                "before": 2**63 - 1 if before is None else before,
                "limit": limit,
            },
        ).fetchall()


# --- Holds -----------------------------------------------------------------------------------

_HOLD: LiteralString = (
    "SELECT h.id, h.group_key, h.account_id, a.owner_id, a.asset, h.amount, h.purpose, h.status,"
    " h.captured, h.journal_id, h.actor, h.correlation_id, h.placed_at, h.expires_at,"
    " h.resolved_at, h.resolved_by FROM holds h JOIN accounts a ON a.id = h.account_id WHERE true"
)


def holds_where(
    tx: Tx,
    *,
    account_id: int | None = None,
    owner: UUID | None = None,
    status: HoldStatus | None = None,
    before: int | None = None,
    limit: int,
) -> list[HoldRow]:
    """Holds newest first, before an id."""
    query = _HOLD
    if account_id is not None:
        query += " AND h.account_id = %(account)s"
    if owner is not None:
        query += " AND a.owner_id = %(owner)s"
    if status is not None:
        query += " AND h.status = %(status)s"
    if before is not None:
        query += " AND h.id < %(before)s"
    with tx.cursor(row_factory=class_row(HoldRow)) as cursor:
        return cursor.execute(
            query + " ORDER BY h.id DESC LIMIT %(limit)s",
            {
                "account": account_id,
                "owner": owner,
                "status": status,
                "before": before,
                "limit": limit,
            },
        ).fetchall()


# --- Periods ---------------------------------------------------------------------------------


def closed_periods(tx: Tx, before: datetime | None, limit: int) -> list[PeriodRow]:
    """Closed periods, the latest first, before one's end."""
    with tx.cursor(row_factory=class_row(PeriodRow)) as cursor:
        return cursor.execute(
            "SELECT until, closed_by, closed_at, noted_at FROM ledger_periods"
            " WHERE %(before)s::timestamptz IS NULL OR until < %(before)s"
            " ORDER BY until DESC LIMIT %(limit)s",
            {"before": before, "limit": limit},
        ).fetchall()
