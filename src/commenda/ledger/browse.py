"""The books as an auditor reads them: accounts, journals with their entries, holds, periods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Final, LiteralString
from uuid import UUID

from psycopg.rows import class_row
from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.wire import Amount, on_wire, one_of
from commenda.ledger.model import HoldStatus, OwnerKind
from commenda.ledger.periods import AsOf

JournalKey = Annotated[str, Field(examples=["settle:0b8e1f0c-5f0e-8a51-9c1d-3f1f6f0a7f10"])]


@on_wire
@dataclass(frozen=True, slots=True)
class BalanceAt:
    """What an account held at a moment."""

    at: datetime
    by: AsOf
    balance: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class Account:
    """An account; what its owner can spend of it is `balance` − `held`."""

    id: int
    kind: Annotated[str, Field(examples=["wallet"])]
    owner_kind: Annotated[str, one_of(OwnerKind)]
    owner_id: UUID
    asset: str
    scope_id: UUID | None
    leg_id: UUID | None
    symbol: str | None
    stripe: int
    balance: Annotated[
        Amount, Field(description="Positive: the platform owes it. Negative: it has it.")
    ]
    held: Amount
    version: Annotated[int, Field(description="How many entries it has.")]
    last_posted_at: datetime | None
    as_of: BalanceAt | None = None


@on_wire
@dataclass(frozen=True, slots=True)
class JournalView:
    """One business event: what it undoes or is undone by, and its place in the chain."""

    id: int
    key: JournalKey
    kind: Annotated[str, Field(examples=["settlement"])]
    actor: str
    rule_version: str
    correlation_id: UUID
    posted_at: datetime
    effective_at: datetime
    entry_count: int
    reverses: Annotated[int | None, Field(description="The journal that this one undoes.")]
    reversed_by: Annotated[int | None, Field(description="The journal that undoes this one.")]
    seal: Annotated[int | None, Field(description="Its place in the chain, once sealed.")]


@on_wire
@dataclass(frozen=True, slots=True)
class EntryView:
    """One signed amount on one account, with what its journal and its account are."""

    journal_id: int
    account_id: int
    version: int
    account_kind: str
    owner_id: UUID
    asset: str
    amount: Amount
    balance_before: Amount
    balance_after: Amount
    journal_key: str
    journal_kind: str
    posted_at: datetime
    effective_at: datetime


@on_wire
@dataclass(frozen=True, slots=True, kw_only=True)
class JournalWithEntries(JournalView):
    """A journal and a page of its entries, which sum to zero for each asset."""

    entries: list[EntryView]
    next_cursor: str | None


@on_wire
@dataclass(frozen=True, slots=True)
class HoldView:
    """Money that is or was set aside on an account. What one group holds is resolved together."""

    id: int
    group_key: Annotated[
        str, Field(alias="group", examples=["withdrawal:0b8e1f0c-5f0e-8a51-9c1d-3f1f6f0a7f10"])
    ]
    account_id: int
    owner_id: UUID
    asset: str
    amount: Amount
    purpose: Annotated[str, Field(examples=["withdrawal"])]
    status: Annotated[str, one_of(HoldStatus)]
    captured: Annotated[Amount, Field(description="What of it was taken, when it was captured.")]
    journal_id: Annotated[int | None, Field(description="What captured it.")]
    actor: Annotated[str | None, Field(description="Who placed it; for the staff.")]
    correlation_id: UUID
    placed_at: datetime
    expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: Annotated[str | None, Field(description="Who resolved it; for the staff.")]


@on_wire
@dataclass(frozen=True, slots=True)
class Period:
    """A closed period: what is effective before `until` is final."""

    until: datetime
    closed_by: str
    closed_at: datetime
    noted_at: Annotated[
        datetime | None, Field(description="Since when its balances are noted (wall time).")
    ]


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


_AGREES: Final[Mapping[str, LiteralString]] = {
    "kind": "j.kind = %(kind)s",
    "actor": "j.actor = %(actor)s",
    "correlation_id": "j.correlation_id = %(correlation_id)s",
    "since": "j.posted_at >= %(since)s",
    "until": "j.posted_at < %(until)s",
    "before": "j.id < %(before)s",
}


def journal_by_id(tx: Tx, journal_id: int) -> JournalView | None:
    """One journal."""
    with tx.cursor(row_factory=class_row(JournalView)) as cursor:
        return cursor.execute(_JOURNAL + "j.id = %s", (journal_id,)).fetchone()


def journals_where(
    tx: Tx, wanted: JournalsWanted, *, before: int | None, limit: int
) -> list[JournalView]:
    """Journals newest first, before an id."""
    asked = asdict(wanted) | {"before": before}
    given = {name: value for name, value in asked.items() if value is not None}
    where: LiteralString = " AND ".join(["true", *(_AGREES[name] for name in given)])
    with tx.cursor(row_factory=class_row(JournalView)) as cursor:
        return cursor.execute(
            _JOURNAL + where + " ORDER BY j.id DESC LIMIT %(limit)s", given | {"limit": limit}
        ).fetchall()


def entries_of_journal(
    tx: Tx, journal_id: int, *, after: tuple[int, int], limit: int
) -> list[EntryView]:
    """A journal's entries by (account, version), past one of them."""
    with tx.cursor(row_factory=class_row(EntryView)) as cursor:
        return cursor.execute(
            _ENTRY + "e.journal_id = %s AND (e.account_id, e.version) > (%s, %s)"
            " ORDER BY e.account_id, e.version LIMIT %s",
            (journal_id, *after, limit),
        ).fetchall()


def entries_of_account(
    tx: Tx, account_id: int, *, before: int | None, limit: int
) -> list[EntryView]:
    """An account's entries newest first, before a version. Versions have no gaps."""
    with tx.cursor(row_factory=class_row(EntryView)) as cursor:
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
    " h.captured, h.journal_id, CASE WHEN %(names)s THEN h.actor END AS actor, h.correlation_id,"
    " h.placed_at, h.expires_at, h.resolved_at,"
    " CASE WHEN %(names)s THEN h.resolved_by END AS resolved_by"
    " FROM holds h JOIN accounts a ON a.id = h.account_id WHERE true"
)


def holds_where(
    tx: Tx,
    *,
    account_id: int | None = None,
    owner: UUID | None = None,
    status: HoldStatus | None = None,
    before: int | None = None,
    limit: int,
    names: bool = True,
) -> list[HoldView]:
    """Holds newest first, before an id; with the `names` of who placed and resolved them or not."""
    query = _HOLD
    if account_id is not None:
        query += " AND h.account_id = %(account)s"
    if owner is not None:
        query += " AND a.owner_id = %(owner)s"
    if status is not None:
        query += " AND h.status = %(status)s"
    if before is not None:
        query += " AND h.id < %(before)s"
    with tx.cursor(row_factory=class_row(HoldView)) as cursor:
        return cursor.execute(
            query + " ORDER BY h.id DESC LIMIT %(limit)s",
            {
                "account": account_id,
                "owner": owner,
                "status": status,
                "before": before,
                "limit": limit,
                "names": names,
            },
        ).fetchall()


# --- Periods ---------------------------------------------------------------------------------


def closed_periods(tx: Tx, before: datetime | None, limit: int) -> list[Period]:
    """Closed periods, the latest first, before one's end."""
    with tx.cursor(row_factory=class_row(Period)) as cursor:
        return cursor.execute(
            "SELECT until, closed_by, closed_at, noted_at FROM ledger_periods"
            " WHERE %(before)s::timestamptz IS NULL OR until < %(before)s"
            " ORDER BY until DESC LIMIT %(limit)s",
            {"before": before, "limit": limit},
        ).fetchall()
