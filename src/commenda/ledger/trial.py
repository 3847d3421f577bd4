"""The trial balance: what all accounts hold together, now or as of a moment.

As of a moment it begins at the nearest point whose balances are known, which is the end of a closed
period or now, and adds or takes away what lies between, in one statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.rows import records
from commenda.kit.times import iso
from commenda.kit.wire import Amount, on_wire, one_of
from commenda.ledger.model import OwnerKind
from commenda.ledger.periods import AsOf, balances_as_of

OWED = frozenset(
    {"wallet", "reserved", "scope", "holding", "referral_pending", "withdrawing", "insurance"}
)
"""Kinds of accounts that say what the platform owes, together with all fees (`fee:…`)."""

OWNED = frozenset(
    {"external", "venue", "position", "unallocated", "income_expense", "receivable", "rounding"}
)
"""Kinds of accounts that say what it has, what it has spent, and what is on its way."""


@on_wire
@dataclass(frozen=True, slots=True)
class TrialLine:
    """Accounts of one asset, kind and kind of owner; balance = credit − debit."""

    asset: str
    kind: str
    owner_kind: Annotated[str, one_of(OwnerKind)]
    transit: Annotated[bool, Field(description="Whether it must come to rest at 0.")]
    accounts: Annotated[
        int, Field(description="With a balance other than 0; stripes of one account count each.")
    ]
    debit: Annotated[Amount, Field(description="What the platform has.")]
    credit: Annotated[Amount, Field(description="What it owes.")]
    balance: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class TrialTotal:
    """All accounts of one asset: debit = credit."""

    asset: str
    debit: Amount
    credit: Amount
    balance: Annotated[Amount, Field(description="0 in a sound ledger.")]


@on_wire
@dataclass(frozen=True, slots=True)
class TrialBalance:
    """All accounts at a moment, by asset, kind and kind of owner."""

    as_of: datetime
    by: AsOf
    lines: list[TrialLine]
    totals: list[TrialTotal]


@dataclass(frozen=True, slots=True)
class TransitAccount:
    """An account that only lets money through: between two events it is at 0.

    Fills wait in `unallocated` and in positions without a leg until their order is allocated;
    `withdrawing` was in use before withdrawals were held on the wallet.
    """

    id: int
    kind: str
    owner_id: UUID
    asset: str
    instrument_id: int | None
    symbol: str | None
    balance: Decimal


_TRANSIT: LiteralString = (
    "(a.kind IN ('unallocated', 'withdrawing') OR (a.kind = 'position' AND a.leg_id IS NULL))"
)
_GROUPED: LiteralString = (
    "SELECT asset, kind, owner_kind, transit, count(*) FILTER (WHERE balance <> 0) AS accounts,"
    " coalesce(-sum(balance) FILTER (WHERE balance < 0), 0) AS debit,"
    " coalesce(sum(balance) FILTER (WHERE balance > 0), 0) AS credit,"
    " coalesce(sum(balance), 0) AS balance"
    " FROM known GROUP BY asset, kind, owner_kind, transit"
    " ORDER BY asset, kind, owner_kind, transit"
)
_NOW: LiteralString = (
    "WITH known AS (SELECT asset, kind, owner_kind, balance, "  # noqa: S608 - constants
    + _TRANSIT
    + " AS transit"
    " FROM accounts a) " + _GROUPED
)
# `at_anchor`: the journal is in the balances that this begins with. They are those of everything
# that is effective before the anchor: a closed period's end, -infinity for nothing, infinity for
# everything, which is what the accounts hold.
_AT_ANCHOR: LiteralString = "j.effective_at < %(anchor)s::timestamptz"
_BY: Final[Mapping[AsOf, LiteralString]] = {
    AsOf.POSTED: "j.posted_at <= %(moment)s",
    AsOf.EFFECTIVE: "j.effective_at <= %(moment)s",
}


def _as_of(by: AsOf) -> LiteralString:
    wanted = _BY[by]
    return (
        "WITH moved AS (SELECT e.account_id, sum(CASE WHEN "  # noqa: S608 - constants
        + wanted
        + " THEN e.amount"
        "   ELSE -e.amount END) AS amount"
        "  FROM journals j JOIN entries e ON e.journal_id = j.id"
        "  WHERE (" + wanted + " AND NOT " + _AT_ANCHOR + ")"
        "   OR (" + _AT_ANCHOR + " AND NOT " + wanted + ") GROUP BY e.account_id),"
        " noted AS (SELECT DISTINCT ON (account_id) account_id, balance FROM period_balances"
        "  WHERE until <= %(anchor)s::timestamptz AND %(anchor)s::timestamptz < 'infinity'"
        "  ORDER BY account_id, until DESC),"
        " known AS (SELECT a.asset, a.kind, a.owner_kind, " + _TRANSIT + " AS transit,"
        "   CASE WHEN %(anchor)s::timestamptz = 'infinity' THEN a.balance"
        "    ELSE coalesce(n.balance, 0) END + coalesce(m.amount, 0) AS balance"
        "  FROM accounts a LEFT JOIN noted n ON n.account_id = a.id"
        "  LEFT JOIN moved m ON m.account_id = a.id) " + _GROUPED
    )


def trial_balance(
    tx: Tx, moment: datetime | None = None, by: AsOf = AsOf.POSTED
) -> list[TrialLine]:
    """The trial balance now, or with all that was posted, or is effective, by a moment."""
    if moment is None:
        return records(tx, TrialLine, _NOW)
    values = {"moment": moment, "anchor": nearest_anchor(tx, moment)}
    return records(tx, TrialLine, _as_of(by), values)


def trial_balance_at(
    tx: Tx, moment: datetime | None = None, by: AsOf = AsOf.POSTED
) -> TrialBalance:
    """The trial balance with its totals, and the moment that it is of."""
    at = business_now(tx) if moment is None else moment
    lines = trial_balance(tx, moment, by)
    totals = [TrialTotal(asset, *sums) for asset, sums in asset_totals(lines).items()]
    return TrialBalance(at, by, lines, totals)


def nearest_anchor(tx: Tx, moment: datetime) -> str:
    """The end of the last period before the moment whose balances are noted, or infinity for now:
    whichever is nearer. Where nothing is noted yet, the books begin at 0 with the first journal.
    """
    row = tx.execute(
        "SELECT (SELECT max(until) FROM ledger_periods WHERE noted_at IS NOT NULL"
        "   AND until <= %(moment)s),"
        " (SELECT posted_at FROM journals ORDER BY id LIMIT 1),"
        " (SELECT posted_at FROM journals ORDER BY id DESC LIMIT 1)",
        {"moment": moment},
    ).fetchone()
    assert row is not None
    noted, first, last = row
    if last is None:
        return "-infinity"
    if last - moment < moment - (noted or first):
        return "infinity"
    return "-infinity" if noted is None else iso(noted)


def transit_accounts(tx: Tx, moment: datetime | None = None) -> list[TransitAccount]:
    """The accounts that must come to rest at 0 and do not, now or as it was posted at a moment."""
    query: LiteralString = (
        "SELECT a.id, a.kind, a.owner_id, a.asset, a.instrument_id,"  # noqa: S608 - constants
        " i.symbol, a.balance FROM accounts a"
        " LEFT JOIN instruments i ON i.id = a.instrument_id WHERE " + _TRANSIT
    )
    if moment is None:
        return records(tx, TransitAccount, query + " AND a.balance <> 0 ORDER BY a.id")
    query += " AND (a.balance <> 0 OR a.last_posted_at > %s) ORDER BY a.id"
    found = records(tx, TransitAccount, query, (moment,))
    then = balances_as_of(tx, [one.id for one in found], moment)
    return [replace(one, balance=then[one.id]) for one in found if then[one.id]]


def is_owed(kind: str) -> bool | None:
    """Whether accounts of a kind say what the platform owes, or what it has; None if unknown."""
    family = kind.partition(":")[0]
    if kind in OWED or family == "fee":
        return True
    return False if family in OWNED else None


def asset_totals(lines: Iterable[TrialLine]) -> dict[str, Sequence[Decimal]]:
    """Of each asset (debit, credit, balance) of all lines; the balance of a sound ledger is 0."""
    totals: dict[str, list[Decimal]] = {}
    for line in lines:
        sums = totals.setdefault(line.asset, [Decimal(0)] * 3)
        for place, amount in enumerate((line.debit, line.credit, line.balance)):
            sums[place] += amount
    return dict(totals)
