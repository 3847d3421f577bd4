"""What the bank says came in and went out, held against what was asked for.

An entry is known by the bank's own name for it and kept once. A credit speaks for the one deposit
that waits with its amount, its currency and a reference that the payer wrote; a debit for the one
withdrawal that was paid. Whoever read the statement in counts as one of the two who decide a
deposit, so that one other suffices; at the machine nobody does. What matches nothing stays open, is
listed and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, LiteralString, NamedTuple
from uuid import UUID

from pydantic import Field

from commenda.alerts import raise_alerts
from commenda.audit import record
from commenda.funding.bank import Entry, read_statement
from commenda.funding.model import Direction, payment_reference
from commenda.identity import attest, take_back_attest
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.kit.money import plain
from commenda.kit.rows import put, records
from commenda.kit.wire import Amount, Body, Internal, on_wire, one_of
from commenda.ledger import Author


class StatementKind(StrEnum):
    CAMT053 = "camt053"
    CSV = "csv"


class StatementOrder(Body):
    """A bank statement to be read in."""

    kind: StatementKind
    content: Annotated[str, Field(min_length=1, description="The bank's file, as it is.")]
    account: Annotated[
        str, Field(max_length=64, description="Ours; where a CSV file does not say it.")
    ] = ""


@on_wire
@dataclass(frozen=True, slots=True)
class StatementRead:
    """What came of a statement. Read again it has nothing new."""

    entries: int
    new: int
    matched: Annotated[int, Field(description="Of the new ones: with a deposit or withdrawal.")]
    reversed: Annotated[int, Field(description="Of the new ones: taken back, or taking back.")]
    open: Annotated[int, Field(description="Of the new ones: with nothing; somebody must look.")]


class EntryStatus(StrEnum):
    OPEN = "open"
    MATCHED = "matched"
    REVERSED = "reversed"


@on_wire
@dataclass(frozen=True, slots=True)
class BankEntry:
    """A booking on an account of ours, and what it stands for."""

    id: UUID
    sequence: Internal[int]
    account: str
    entry_ref: str
    booked_on: date
    direction: Annotated[str, one_of(("credit", "debit"))]
    amount: Amount
    currency: str
    reference: str
    counterparty: str
    reversal: bool
    status: Annotated[str, one_of(EntryStatus)]
    request_id: UUID | None
    imported_by: UUID | None
    imported_at: datetime


class _Wanted(NamedTuple):
    id: UUID
    reference: str | None
    approval_id: UUID | None


_SELECT: LiteralString = (
    "SELECT id, sequence, account, entry_ref, booked_on, direction, amount, currency, reference,"
    " counterparty, reversal, status, request_id, imported_by, imported_at FROM bank_entries "
)


def read_in(
    tx: Tx, author: Author, by: UUID | None, order: StatementOrder, currencies: Sequence[str] = ()
) -> StatementRead:
    """Keep the entries of a statement and match them; `by` is who read it in, None the machine.

    `currencies` says which of the bank's stand for which asset, as `USD=USDT`; each stands for
    itself besides. Codes of `read_statement`, and `entry_conflict` where the bank's name for an
    entry is known with another amount: nothing of the statement is kept then.
    """
    entries = read_statement(order.content, order.kind, order.account)
    _alone(tx)
    new = [entry_id for entry in entries if (entry_id := _keep(tx, entry, by, author.now))]
    take_back(tx, author)
    match(tx, author, currencies)
    counted: dict[str, int] = dict(
        tx.execute(
            "SELECT status, count(*) FROM bank_entries WHERE id = ANY (%s) GROUP BY 1", (new,)
        ).fetchall()
    )
    found = StatementRead(
        len(entries), len(new), *(counted.get(one, 0) for one in ("matched", "reversed", "open"))
    )
    if new:
        named = ids.derive("bank-statement", *sorted(map(str, new)))
        record(tx, [author.event("bank.statement", named, named, "read", asdict(found))])
        if found.open:
            said = {"open": found.open, "of": found.new}
            raise_alerts(
                tx, [author.event("alert.bank_unmatched", named, named, "unmatched", said)]
            )
    return found


def entries_of(
    tx: Tx, status: EntryStatus | None, before: int | None, limit: int
) -> list[BankEntry]:
    """Entries, the latest first, before a sequence number: at most `limit`."""
    page: LiteralString = (
        "WHERE (%(status)s::text IS NULL OR status = %(status)s)"
        " AND (%(before)s::numeric IS NULL OR sequence < %(before)s)"
        " ORDER BY sequence DESC LIMIT %(limit)s"
    )
    values = {"status": status, "before": before, "limit": limit}
    return records(tx, BankEntry, _SELECT + page, values)


def match(
    tx: Tx, author: Author, currencies: Sequence[str] = (), amount: Decimal | None = None
) -> None:
    """Match what is open with what waits: also what is asked for after the money came, of this
    amount."""
    _alone(tx)
    stand_for = [one.partition("=") for one in currencies]
    rows: LiteralString = (
        "WHERE status = 'open' AND NOT reversal AND (%(amount)s::numeric IS NULL"
        " OR (direction = 'credit' AND amount = %(amount)s)) ORDER BY sequence"
    )
    for entry in records(tx, BankEntry, _SELECT + rows, {"amount": amount}):
        assets = [entry.currency, *(to for own, _, to in stand_for if own == entry.currency)]
        found = _wanted(tx, entry, assets, author.now)
        if found is None:
            continue
        tx.execute(
            "UPDATE bank_entries SET status = 'matched', request_id = %s WHERE id = %s",
            (found.id, entry.id),
        )
        if entry.direction == "credit" and found.approval_id is not None:
            attest(tx, found.approval_id, entry.imported_by, author.now)
        _tell(tx, author, entry, "matched", found.id)


def _alone(tx: Tx) -> None:
    """One at a time: two statements may hold one entry, two entries stand for one request."""
    tx.execute("SELECT pg_advisory_xact_lock(12)")


def _keep(tx: Tx, entry: Entry, by: UUID | None, now: datetime) -> UUID | None:
    """The id of an entry that is new."""
    named = ids.derive("bank-entry", entry.account, entry.entry_ref)
    values = {"id": named, **asdict(entry), "imported_by": by, "imported_at": now}
    if put(tx, "INSERT INTO bank_entries", values):
        return named
    row = tx.execute(
        "SELECT direction, amount, currency, reversal FROM bank_entries WHERE id = %s", (named,)
    ).fetchone()
    if row != (entry.direction, entry.amount, entry.currency, entry.reversal):
        raise conflict("entry_conflict", "The bank's name for this entry stands for another").at(
            "entryRef", entry.entry_ref, "ask the bank; nothing of this statement was kept"
        )
    return None


def _wanted(tx: Tx, entry: BankEntry, assets: list[str], now: datetime) -> _Wanted | None:
    """The one request that an entry stands for; None where there is none, or several."""
    rows = tx.execute(
        "SELECT r.id, r.reference, r.approval_id FROM funding_requests r"
        " LEFT JOIN approvals a ON a.id = r.approval_id"
        " WHERE r.amount = %(amount)s AND r.asset = ANY (%(assets)s)"
        "  AND NOT EXISTS (SELECT FROM bank_entries e WHERE e.request_id = r.id)"
        "  AND CASE %(direction)s"
        "   WHEN 'credit' THEN r.direction = 'deposit' AND r.status = 'pending'"
        "    AND a.status = 'requested' AND a.expires_at > %(now)s"
        "   ELSE r.direction = 'withdrawal' AND r.status = 'done' END",
        {"amount": entry.amount, "assets": assets, "direction": entry.direction, "now": now},
    ).fetchall()
    wanted = [_Wanted(*row) for row in rows]
    text = "".join(entry.reference.upper().split())
    ours = [one for one in wanted if payment_reference(one.id) in text]
    written = _parts(entry.reference)
    theirs = [one for one in wanted if one.reference and _plain(one.reference) in written]
    found = ours or theirs
    return found[0] if len(found) == 1 else None


def _plain(text: str) -> str:
    return " ".join(text.upper().split())


# --- What the bank takes back ---------------------------------------------------------------------


def take_back(tx: Tx, author: Author) -> None:
    """Pair reversals with what they take back: that speaks for nothing any more."""
    open_ones: LiteralString = "WHERE status = 'open' AND reversal ORDER BY sequence"
    for reversal in records(tx, BankEntry, _SELECT + open_ones):
        original = _original(tx, reversal)
        if original is None:
            continue
        tx.execute(
            "UPDATE bank_entries SET status = 'reversed', reverses = %s WHERE id = %s",
            (original.id, reversal.id),
        )
        kept = _unmatch(tx, author, original)
        tx.execute(
            "UPDATE bank_entries SET status = 'reversed', request_id = %s WHERE id = %s",
            (kept, original.id),
        )
        _tell(tx, author, original, "reversed", original.request_id)


def _original(tx: Tx, reversal: BankEntry) -> BankEntry | None:
    """What a reversal takes back: the other way, as much, on the same account, before it, with a
    reference in common. Of several the latest."""
    rows: LiteralString = (
        "WHERE account = %s AND currency = %s AND amount = %s AND direction <> %s AND NOT reversal"
        " AND booked_on <= %s AND status <> 'reversed' ORDER BY booked_on DESC, sequence DESC"
    )
    about = (reversal.account, reversal.currency, reversal.amount, reversal.direction)
    written = _parts(reversal.reference)
    found = records(tx, BankEntry, _SELECT + rows, (*about, reversal.booked_on))
    return next((one for one in found if written & _parts(one.reference)), None)


def _parts(reference: str) -> set[str]:
    return {_plain(part) for part in reference.split("\n")} - {""}


def _unmatch(tx: Tx, author: Author, original: BankEntry) -> UUID | None:
    """What stays of the match with what was taken back: of a deposit that is credited, all."""
    if original.request_id is None or original.direction == "debit":
        return original.request_id
    row = tx.execute(
        "SELECT status, approval_id FROM funding_requests WHERE id = %s FOR UPDATE",
        (original.request_id,),
    ).fetchone()
    assert row is not None
    if row[0] == "pending":
        take_back_attest(tx, row[1], author.now)
        return None
    said = {"entryRef": original.entry_ref, "amount": plain(original.amount)}
    correlation = ids.derive(Direction.DEPOSIT, original.request_id)
    alert = author.event("alert.bank_reversed", original.request_id, correlation, "credited", said)
    raise_alerts(tx, [alert])
    return original.request_id


def release(tx: Tx, request_id: UUID) -> None:
    """Let the entry that spoke for a deposit be open again: the deposit was turned down."""
    tx.execute(
        "UPDATE bank_entries SET status = 'open', request_id = NULL"
        " WHERE request_id = %s AND status = 'matched'",
        (request_id,),
    )


def _tell(tx: Tx, author: Author, entry: BankEntry, result: str, request: UUID | None) -> None:
    said = {
        "entryRef": entry.entry_ref,
        "amount": plain(entry.amount),
        "currency": entry.currency,
        "requestId": None if request is None else str(request),
    }
    record(tx, [author.event("bank.entry", entry.id, entry.id, result, said)])
