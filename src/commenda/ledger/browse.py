"""The books as an auditor reads them: accounts, journals with their entries, holds, periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, LiteralString, TypeVar
from uuid import UUID

from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.rows import first, records
from commenda.kit.wire import Amount, on_wire, one_of
from commenda.ledger.model import HoldStatus, OwnerKind
from commenda.ledger.periods import AsOf

T = TypeVar("T")
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
    owner_name: Annotated[str | None, Field(description="Where the owner is somebody.")]
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
    owner_kind: Annotated[str, one_of(OwnerKind)]
    owner_id: UUID
    owner_name: Annotated[str | None, Field(description="Where the owner is somebody.")]
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
    owner: Annotated[str | None, Field(description="Their name.", examples=["ada"])]
    asset: str
    amount: Amount
    purpose: Annotated[str, Field(examples=["withdrawal"])]
    reason: Annotated[
        str | None, Field(description="Of a freeze, as whoever placed it said; for the staff.")
    ]
    status: Annotated[str, one_of(HoldStatus)]
    captured: Annotated[Amount, Field(description="What of it was taken, when it was captured.")]
    journal_id: Annotated[int | None, Field(description="What captured it.")]
    actor: Annotated[str | None, Field(description="Who placed it; for the staff.")]
    actor_name: str | None
    correlation_id: UUID
    placed_at: datetime
    expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: Annotated[str | None, Field(description="Who resolved it; for the staff.")]
    resolved_by_name: str | None


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
    key: str | None = None
    rule_version: str | None = None
    amount: Decimal | None = None
    """Of any of its entries, whatever its sign."""


def _found(
    tx: Tx,
    kind: type[T],
    select: LiteralString,
    asked: Mapping[LiteralString, Any],
    order: LiteralString,
    limit: int,
    leading: Sequence[Any] = (),
) -> list[T]:
    """At most `limit` records for which the conditions hold whose values are not None.

    `leading` are the values that `select` itself has places for.
    """
    given = {condition: value for condition, value in asked.items() if value is not None}
    where: LiteralString = " AND ".join(["true", *given])
    query = select + where + " ORDER BY " + order + " LIMIT %s"
    return records(tx, kind, query, (*leading, *given.values(), limit))


# --- Accounts --------------------------------------------------------------------------------

_ACCOUNT: LiteralString = (
    "SELECT a.id, a.kind, a.owner_kind, a.owner_id, u.username AS owner_name, a.asset, a.scope_id,"
    " a.leg_id, i.symbol, a.stripe, a.balance, a.held, a.version, a.last_posted_at"
    " FROM accounts a LEFT JOIN instruments i ON i.id = a.instrument_id"
    " LEFT JOIN users u ON u.id = a.owner_id WHERE "
)


def account_by_id(tx: Tx, account_id: int) -> Account | None:
    return first(tx, Account, _ACCOUNT + "a.id = %s", (account_id,))


def accounts_where(
    tx: Tx,
    *,
    owner: UUID | None = None,
    name: str | None = None,
    owner_kind: OwnerKind | None = None,
    kind: str | None = None,
    asset: str | None = None,
    after: int,
    limit: int,
) -> list[Account]:
    """Accounts in the order of their ids, past an id; `name` is their owner's."""
    asked = {
        "a.id > %s": after,
        "a.owner_id = %s": owner,
        "a.owner_id IN (SELECT id FROM users WHERE username = %s)": name,
        "a.owner_kind = %s": owner_kind,
        "a.kind = %s": kind,
        "a.asset = %s": asset,
    }
    return _found(tx, Account, _ACCOUNT, asked, "a.id", limit)


# --- Journals and entries --------------------------------------------------------------------

_JOURNAL: LiteralString = (
    "SELECT j.id, j.key, j.kind, j.actor, j.rule_version, j.correlation_id, j.posted_at,"
    " j.effective_at, j.entry_count, j.reverses, r.id AS reversed_by, s.sequence AS seal"
    " FROM journals j LEFT JOIN journals r ON r.reverses = j.id"
    " LEFT JOIN journal_seals s ON s.row_id = j.id WHERE "
)
_ENTRY: LiteralString = (
    "SELECT e.journal_id, e.account_id, e.version, a.kind AS account_kind, a.owner_kind,"
    " a.owner_id, name_of(a.owner_id) AS owner_name, e.asset,"
    " e.amount, e.balance_before, e.balance_after, j.key AS journal_key, j.kind AS journal_kind,"
    " j.posted_at, j.effective_at"
    " FROM entries e JOIN accounts a ON a.id = e.account_id JOIN journals j ON j.id = e.journal_id"
    " WHERE "
)


def journal_by_id(tx: Tx, journal_id: int) -> JournalView | None:
    return first(tx, JournalView, _JOURNAL + "j.id = %s", (journal_id,))


def journals_where(
    tx: Tx, wanted: JournalsWanted, *, before: int | None, limit: int
) -> list[JournalView]:
    """Journals newest first, before an id."""
    asked = {
        "j.kind = %s": wanted.kind,
        "j.actor = %s": wanted.actor,
        "j.correlation_id = %s": wanted.correlation_id,
        "j.key = %s": wanted.key,
        "j.rule_version = %s": wanted.rule_version,
        "EXISTS (SELECT FROM entries e WHERE e.journal_id = j.id AND abs(e.amount) = abs(%s))": (
            wanted.amount
        ),
        "j.posted_at >= %s": wanted.since,
        "j.posted_at < %s": wanted.until,
        "j.id < %s": before,
    }
    return _found(tx, JournalView, _JOURNAL, asked, "j.id DESC", limit)


def entries_of_journal(
    tx: Tx, journal_id: int, *, after: tuple[int, int], limit: int
) -> list[EntryView]:
    """A journal's entries by (account, version), past one of them."""
    past: LiteralString = "e.journal_id = %s AND (e.account_id, e.version) > (%s, %s)"
    page: LiteralString = " ORDER BY e.account_id, e.version LIMIT %s"
    return records(tx, EntryView, _ENTRY + past + page, (journal_id, *after, limit))


def entries_of_account(
    tx: Tx, account_id: int, *, before: int | None, limit: int
) -> list[EntryView]:
    """An account's entries newest first, before a version. Versions have no gaps."""
    asked = {"e.account_id = %s": account_id, "e.version < %s": before}
    return _found(tx, EntryView, _ENTRY, asked, "e.version DESC", limit)


# --- Holds -----------------------------------------------------------------------------------

_HOLD: LiteralString = (
    "SELECT h.id, h.group_key, h.account_id, a.owner_id, name_of(a.owner_id) AS owner, a.asset,"
    " h.amount, h.purpose, h.status, h.captured, h.journal_id, h.correlation_id, h.placed_at,"
    " h.expires_at, h.resolved_at, said.* FROM holds h JOIN accounts a ON a.id = h.account_id"
    " LEFT JOIN LATERAL (SELECT h.actor, name_of(h.actor) AS actor_name, h.resolved_by,"
    "   name_of(h.resolved_by) AS resolved_by_name,"
    "   (SELECT e.details ->> 'reason' FROM audit_events e WHERE e.kind = 'hold.placed'"
    "     AND e.subject = h.group_key ORDER BY e.id LIMIT 1) AS reason) said ON %s WHERE "
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
    """Holds newest first, before an id; with the `names` of who placed and resolved them, and why,
    or without."""
    asked = {
        "h.account_id = %s": account_id,
        "a.owner_id = %s": owner,
        "h.status = %s": status,
        "h.id < %s": before,
    }
    return _found(tx, HoldView, _HOLD, asked, "h.id DESC", limit, (names,))


# --- Periods ---------------------------------------------------------------------------------


def closed_periods(tx: Tx, before: datetime | None, limit: int) -> list[Period]:
    """Closed periods, the latest first, before one's end."""
    periods: LiteralString = (
        "SELECT until, closed_by, closed_at, noted_at FROM ledger_periods WHERE "
    )
    return _found(tx, Period, periods, {"until < %s": before}, "until DESC", limit)
