"""What the ledger's routes take and answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import Field

from commenda.kit.pages import page_of
from commenda.kit.web import Amount, Body, Moment
from commenda.ledger.browse import HoldRow
from commenda.ledger.model import HoldStatus, OwnerKind
from commenda.ledger.periods import AsOf

LogType = Literal["recharge", "withdraw", "contract", "commission", "pool_in", "pool_out", "income"]
"""The types of the asset log (specification 004-09, and `income`)."""


# --- Statements ------------------------------------------------------------------------------


class StatementAccount(Body):
    """An account of a statement: its opening balance and its entries make its closing balance."""

    account_id: int
    kind: str = Field(examples=["wallet"])
    scope_id: UUID | None = None
    leg_id: UUID | None = None
    symbol: str | None = None
    opening: Amount
    closing: Amount


class StatementEntry(Body):
    """One change of an account. `type` is the asset log's, which speaks of wallets only."""

    account_id: int
    version: int = Field(description="Its place among the account's entries, without a gap.")
    user_id: UUID
    coin: str = Field(examples=["USDT"])
    type: LogType | None = None
    amount: Amount = Field(description="Signed: money in is positive.")
    balance_before: Amount
    balance_after: Amount
    ref_no: str = Field(examples=["settle:0b8e1f0c-5f0e-8a51-9c1d-3f1f6f0a7f10"])
    remark: str = Field(examples=["settlement"])
    created_at: datetime


class Statement(Body):
    """What somebody has over [from, to), page by page.

    `opening` and `closing` are of all accounts together and the same on every page: opening + the
    amounts of all pages = closing. An account is listed on the page on which it begins.
    """

    user_id: UUID
    coin: str = Field(examples=["USDT"])
    from_: datetime = Field(alias="from")
    to: datetime
    opening: Amount
    accounts: list[StatementAccount]
    entries: list[StatementEntry]
    closing: Amount
    next_cursor: str | None = None


# --- Holds -----------------------------------------------------------------------------------


class HoldView(Body):
    """Money that is or was set aside on an account. What one group holds is resolved together."""

    id: int
    group: str = Field(examples=["withdrawal:0b8e1f0c-5f0e-8a51-9c1d-3f1f6f0a7f10"])
    account_id: int
    owner_id: UUID
    asset: str
    amount: Amount
    purpose: str = Field(examples=["withdrawal"])
    status: HoldStatus
    captured: Amount = Field(description="What of it was taken, when it was captured.")
    journal_id: int | None = Field(default=None, description="What captured it.")
    correlation_id: UUID
    placed_at: datetime
    expires_at: datetime | None = None
    resolved_at: datetime | None = None
    actor: str | None = Field(default=None, description="Who placed it; for the staff.")
    resolved_by: str | None = Field(default=None, description="Who resolved it; for the staff.")


class HoldPage(Body):
    items: list[HoldView]
    next_cursor: str | None = None

    @classmethod
    def of(cls, rows: Sequence[HoldRow], limit: int, *, names: bool) -> Self:
        """A page of rows that were read with one more than the limit; with or without `names`."""
        page = page_of(rows, limit, lambda one: one.id)
        return cls(items=[_hold(one, names) for one in page.items], next_cursor=page.next_cursor)


def _hold(row: HoldRow, names: bool) -> HoldView:
    return HoldView(
        id=row.id,
        group=row.group_key,
        account_id=row.account_id,
        owner_id=row.owner_id,
        asset=row.asset,
        amount=row.amount,
        purpose=row.purpose,
        status=HoldStatus(row.status),
        captured=row.captured,
        journal_id=row.journal_id,
        correlation_id=row.correlation_id,
        placed_at=row.placed_at,
        expires_at=row.expires_at,
        resolved_at=row.resolved_at,
        actor=row.actor if names else None,
        resolved_by=row.resolved_by if names else None,
    )


# --- Accounts and journals -------------------------------------------------------------------


class BalanceAt(Body):
    """What an account held at a moment."""

    at: datetime
    by: AsOf
    balance: Amount


class AccountView(Body):
    """An account; what its owner can spend of it is `balance` − `held`."""

    id: int
    kind: str = Field(examples=["wallet"])
    owner_kind: OwnerKind
    owner_id: UUID
    asset: str
    scope_id: UUID | None = None
    leg_id: UUID | None = None
    symbol: str | None = None
    stripe: int
    balance: Amount = Field(description="Positive: the platform owes it. Negative: it has it.")
    held: Amount
    version: int = Field(description="How many entries it has.")
    last_posted_at: datetime | None = None
    as_of: BalanceAt | None = None


class AccountPage(Body):
    items: list[AccountView]
    next_cursor: str | None = None


class JournalView(Body):
    """One business event."""

    id: int
    key: str = Field(examples=["settle:0b8e1f0c-5f0e-8a51-9c1d-3f1f6f0a7f10"])
    kind: str = Field(examples=["settlement"])
    actor: str
    rule_version: str
    correlation_id: UUID
    posted_at: datetime
    effective_at: datetime
    entry_count: int
    reverses: int | None = Field(default=None, description="The journal that this one undoes.")
    reversed_by: int | None = Field(default=None, description="The journal that undoes this one.")
    seal: int | None = Field(default=None, description="Its place in the chain, once sealed.")


class JournalPage(Body):
    items: list[JournalView]
    next_cursor: str | None = None


class EntryView(Body):
    """One signed amount on one account."""

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


class EntryPage(Body):
    items: list[EntryView]
    next_cursor: str | None = None


class JournalWithEntries(JournalView):
    """A journal and a page of its entries, which sum to zero for each asset."""

    entries: list[EntryView]
    next_cursor: str | None = None


# --- Trial balance ---------------------------------------------------------------------------


class TrialBalanceLine(Body):
    """Accounts of one asset, kind and kind of owner; balance = credit − debit."""

    asset: str
    kind: str
    owner_kind: OwnerKind
    transit: bool = Field(description="Whether it must come to rest at 0.")
    accounts: int = Field(description="With a balance other than 0.")
    debit: Amount = Field(description="What the platform has.")
    credit: Amount = Field(description="What it owes.")
    balance: Amount


class TrialBalanceTotal(Body):
    """All accounts of one asset: debit = credit."""

    asset: str
    debit: Amount
    credit: Amount
    balance: Amount = Field(description="0 in a sound ledger.")


class TrialBalance(Body):
    as_of: datetime
    by: AsOf
    lines: list[TrialBalanceLine]
    totals: list[TrialBalanceTotal]


# --- Periods and corrections -----------------------------------------------------------------


class Period(Body):
    """What is effective before `until` is final."""

    until: datetime
    closed_by: str
    closed_at: datetime
    noted_at: datetime | None = Field(
        default=None, description="Since when its balances are noted (wall time)."
    )


class PeriodPage(Body):
    items: list[Period]
    next_cursor: str | None = None


class PeriodClose(Body):
    """Close the books for all that is effective before `until`."""

    until: Moment


class Reversal(Body):
    """Why a journal is to be undone."""

    reason: str = Field(
        min_length=1, max_length=500, pattern=r"^[^\x00]+$", examples=["Credited twice by hand"]
    )


class CorrectionAsked(Body):
    """Accepted: another person decides."""

    approval_id: UUID
    expires_at: datetime
