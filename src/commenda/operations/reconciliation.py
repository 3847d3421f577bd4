"""Everything that must agree with the ledger, held against it: `commenda reconcile`.

- *venue*: equity and net quantities as the venue has them, against the books that trade there;
- *books*: what the ledger says is at venues, against the books at cost;
- *liabilities*: all that the platform has, against all that it owes;
- *transit*: what waits for its way on, against the accounts that only let money through;
- *holds*: open holds, against what their accounts count as held.

Each line is `venue` (the side the ledger is held against) − `ledger` − `explained` = `unexplained`,
which is 0 in a sound business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from commenda.alerts import end_alerts, raise_alerts
from commenda.audit import Event
from commenda.execution import (
    Broker,
    ask_books,
    compare,
    in_transit,
    marks_known,
    pending_transfers,
)
from commenda.kit import ids
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.money import plain
from commenda.kit.rows import columns
from commenda.kit.times import iso
from commenda.kit.wire import Amount, as_json, derived, on_wire, one_of
from commenda.ledger import (
    Author,
    TransitAccount,
    TrialLine,
    is_owed,
    note_balances,
    transit_accounts,
    trial_balance,
)
from commenda.market import instruments
from commenda.operations.ticks import Operation, Parameters
from commenda.venues import DEFAULT_VENUE, VenueBooks, VenueUnavailable, venue_row


class Part(StrEnum):
    VENUE = "venue"
    BOOKS = "books"
    LIABILITIES = "liabilities"
    TRANSIT = "transit"
    HOLDS = "holds"


_LABELS = {
    "unallocated": "fills in transit, cash",
    "position": "fills in transit, positions",
    "withdrawing": "withdrawals of old",
}
"""What the accounts that only let money through are for, by their kind."""
_PASSING = re.compile(
    rf"(?P<label>{'|'.join(map(re.escape, _LABELS.values()))}) (?P<of>\S+)"
    r"(?: of (?P<owner>\S+))?(?: \(account (?P<account>\d+)\))?"
)


@on_wire
@dataclass(frozen=True, slots=True)
class Passing:
    """What only passes through: of which asset or instrument and, where it does not rest, whose
    account it is."""

    kind: Annotated[str, one_of(_LABELS)]
    of: str
    owner: str | None
    account: str | None


@on_wire
@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: unexplained = venue − ledger − explained."""

    part: Annotated[
        Part,
        Field(
            description="What is compared: a venue's books; what is there at cost; all that is had"
            " and owed; what only passes through; holds."
        ),
    ]
    subject: Annotated[str, Field(examples=["paper USDT"])]
    venue: Annotated[Amount, Field(description="The side that the ledger is held against.")]
    ledger: Amount
    explained: Annotated[Amount, Field(description="What is known to be on its way.")] = Decimal(0)

    @derived
    def unexplained(self) -> Annotated[Amount, Field(description="0 in a sound business.")]:
        return self.venue - self.ledger - self.explained

    @derived
    def passing(
        self,
    ) -> Annotated[Passing | None, Field(description="The subject, where it is of `transit`.")]:
        read = _PASSING.fullmatch(self.subject) if self.part is Part.TRANSIT else None
        if read is None:
            return None
        label, *rest = read["label"], read["of"], read["owner"], read["account"]
        return Passing(next(kind for kind, said in _LABELS.items() if said == label), *rest)


@on_wire
@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was compared at a moment."""

    as_of: datetime
    lines: Sequence[Comparison]
    left_out: Annotated[
        Sequence[str], Field(description="What could not be compared, and why.")
    ] = ()

    @derived
    def reconciled(self) -> Annotated[bool, Field(description="Whether nothing is unexplained.")]:
        return not self.unexplained

    @property
    def unexplained(self) -> list[Comparison]:
        return [line for line in self.lines if line.unexplained]


def reconcile_all(
    tx: Tx, moment: datetime | None = None, broker: Broker | None = None
) -> Reconciliation:
    """Compare everything on one snapshot, now or with what was posted by a moment.

    Without a `broker` the prices are those that are stored. Begins the transaction's snapshot, so
    it comes first in it. Code `bad_moment` for one that has not come.
    """
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    now = business_now(tx)
    if moment is not None and moment > now:
        raise CommendaError(
            "bad_moment", "The books can be held against what was, not against what will be"
        ).at("asOf", iso(moment), f"choose a moment up to {iso(now)}")
    return _compared(tx, now if moment is None else moment, broker, past=moment is not None)


def _compared(tx: Tx, at: datetime, broker: Broker | None, *, past: bool) -> Reconciliation:
    moment = at if past else None
    trial = trial_balance(tx, moment)
    lines, left_out = _venues(tx, at, broker, past)
    lines += _books(tx, trial, moment)
    lines += _liabilities(trial)
    lines += _transit(tx, trial, at, moment)
    if past:
        left_out.append("holds: what accounts counted as held is known of now only")
    else:
        lines += _holds(tx)
    return Reconciliation(at, lines, left_out)


# --- The parts -------------------------------------------------------------------------------


def _venues(
    tx: Tx, at: datetime, broker: Broker | None, past: bool
) -> tuple[list[Comparison], list[str]]:
    marks = marks_known(tx, at if past else None)
    if broker is not None and not past:
        marks |= broker.marks(at)
    every = instruments(tx)
    seen = [one for one in every if one.id in marks]
    quotes = {one.id: one.quote for one in every}
    lines, left_out = [], []
    for name in dict.fromkeys([DEFAULT_VENUE, *_venue_names(tx)]):
        try:
            books = _books_of(tx, name, marks, quotes, at, broker, past)
            if books is None:
                left_out.append(f"venue {name}: it can be asked by its worker, and of now only")
                continue
            found = compare(tx, books, seen, marks, at, past=past)
        except VenueUnavailable as error:
            left_out.append(f"venue {name}: no answer ({error})")
            continue
        for one in found:
            subject = f"{name} {one.subject}"
            lines.append(Comparison(Part.VENUE, subject, one.venue, one.ledger, one.explained))
    return lines, left_out


def _books_of(
    tx: Tx,
    name: str,
    marks: Mapping[int, Decimal],
    quotes: Mapping[int, str],
    at: datetime,
    broker: Broker | None,
    past: bool,
) -> VenueBooks | None:
    """A venue's own books on this snapshot or, where it has none here, what it answers now."""
    row = venue_row(name)
    if row is not None and row.books is not None:
        return row.books(tx, name, marks, at if past else None)
    connected = () if broker is None or past else broker.venues
    venue = next((one for one in connected if one.name == name), None)
    if venue is None:
        return None
    return ask_books(tx, venue, quotes, at)


def _venue_names(tx: Tx) -> list[str]:
    rows = tx.execute(
        "SELECT venue FROM orders UNION SELECT venue FROM transfers"
        " UNION SELECT account FROM venue_keys WHERE state = 'active' ORDER BY venue"
    )
    return [row[0] for row in rows]


def _books(tx: Tx, trial: Sequence[TrialLine], moment: datetime | None) -> list[Comparison]:
    """Cash at venues by the ledger, against cash and positions of the books at what they cost."""
    lines = []
    for asset in _assets(trial):
        there = -_sum(trial, asset, ("venue",))
        theirs = _sum(trial, asset, ("scope", "position", "unallocated"))
        waiting = sum(
            (
                amount
                for venue in _venue_names(tx)
                for _, amount in pending_transfers(tx, venue, asset, moment)
            ),
            Decimal(0),
        )
        lines.append(Comparison(Part.BOOKS, asset, there, theirs, -waiting))
    return lines


def _liabilities(trial: Sequence[TrialLine]) -> list[Comparison]:
    """All that the platform has or has spent, against all that it owes. A kind of account that is
    neither is named."""
    lines = []
    for asset in _assets(trial):
        of_asset = [line for line in trial if line.asset == asset]
        owed = [line.balance for line in of_asset if is_owed(line.kind) is True]
        owned = [line.balance for line in of_asset if is_owed(line.kind) is False]
        total = Decimal(0)
        lines.append(Comparison(Part.LIABILITIES, asset, -sum(owned, total), sum(owed, total)))
        lines += [
            Comparison(Part.LIABILITIES, f"{asset} {kind}", total, _sum(trial, asset, (kind,)))
            for kind in sorted({line.kind for line in of_asset})
            if is_owed(kind) is None
        ]
    return lines


def _transit(
    tx: Tx, trial: Sequence[TrialLine], at: datetime, moment: datetime | None
) -> list[Comparison]:
    """Accounts that must come to rest at 0, one line for each kind that does and for each account
    that does not; `venue` is what is recorded and waits to be allocated."""
    restless = transit_accounts(tx, moment)
    waiting = in_transit(tx, at)
    lines = []
    for asset, kind in sorted({(line.asset, line.kind) for line in trial if line.transit}):
        of_kind = [one for one in restless if (one.asset, one.kind) == (asset, kind)]
        if not of_kind:
            lines.append(
                Comparison(Part.TRANSIT, f"{_LABELS[kind]} {asset}", Decimal(0), Decimal(0))
            )
        for one in of_kind:
            expected = Decimal(0)
            if kind == "unallocated":
                parts = (-part.notional - part.fee for part in waiting if part.asset == asset)
                expected = sum(parts, expected)
            if kind == "position":
                same = (part for part in waiting if part.instrument_id == one.instrument_id)
                expected = sum((part.notional for part in same), expected)
            lines.append(Comparison(Part.TRANSIT, _named(one), expected, one.balance))
    return lines


def _named(account: TransitAccount) -> str:
    of = account.symbol or account.asset
    owner = f" of {account.owner_id}" if account.kind == "withdrawing" else ""
    return f"{_LABELS[account.kind]} {of}{owner} (account {account.id})"


def _holds(tx: Tx) -> list[Comparison]:
    rows = tx.execute(
        "SELECT asset, sum(open), sum(held) FROM ("
        " SELECT asset, 0 AS open, held FROM accounts WHERE held <> 0"
        " UNION ALL SELECT a.asset, h.amount, 0 FROM holds h JOIN accounts a ON a.id = h.account_id"
        "  WHERE h.status = 'held'"
        " UNION ALL SELECT DISTINCT asset, 0, 0 FROM accounts WHERE kind = 'wallet'"
        ") sides GROUP BY asset ORDER BY asset"
    ).fetchall()
    return [Comparison(Part.HOLDS, asset, opened, held) for asset, opened, held in rows]


def _assets(trial: Iterable[TrialLine]) -> list[str]:
    return sorted({line.asset for line in trial})


def _sum(trial: Iterable[TrialLine], asset: str, kinds: Sequence[str]) -> Decimal:
    found = (line.balance for line in trial if line.asset == asset and line.kind in kinds)
    return sum(found, Decimal(0))


# --- Jobs ------------------------------------------------------------------------------------


def reconcile_books(operation: Operation, at: datetime, _: Parameters | None = None) -> None:
    """Compare everything, keep the result, and raise an alert for each line that does not agree."""
    with operation.database.transaction() as tx:
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = _compared(tx, at, operation.broker, past=False)
    with operation.database.transaction() as tx:
        keep(tx, operation.author(at), found)


def note_closed_periods(operation: Operation, _at: datetime, _: Parameters | None = None) -> None:
    """Note the balances at the end of closed periods that lack them, in batches."""
    operation.batches(note_balances)


def keep(tx: Tx, author: Author, found: Reconciliation) -> None:
    """Store a reconciliation with an alert for what is unexplained; the first of its moment only.

    A run that is repeated finds another present at the same moment.
    """
    new = tx.execute(
        "INSERT INTO reconciliations (as_of, left_out) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (found.as_of, list(found.left_out)),
    ).rowcount
    if not new:
        return
    tx.execute(
        "INSERT INTO reconciliation_lines (as_of, part, subject, venue, ledger, explained)"
        " SELECT %s, n.* FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::numeric[],"
        "  %s::numeric[]) AS n",
        (found.as_of, *columns([astuple(line) for line in found.lines], 5)),
    )
    alerts = [_alert(author, line) for line in found.unexplained]
    raise_alerts(tx, alerts)
    end_alerts(tx, "alert.unreconciled", author.now, but=[one.subject for one in alerts])


def _alert(author: Author, line: Comparison) -> Event:
    correlation = ids.derive("reconciliation", author.now.isoformat())
    result = f"{plain(line.unexplained)} unexplained"
    subject = f"{line.part}: {line.subject}"
    return author.event("alert.unreconciled", subject, correlation, result, as_json(asdict(line)))


# --- What was kept ---------------------------------------------------------------------------


def kept(tx: Tx, before: datetime | None, limit: int) -> list[Reconciliation]:
    """Reconciliations that were kept, the latest first, before a moment."""
    runs = tx.execute(
        "SELECT as_of, left_out FROM reconciliations"
        " WHERE %(before)s::timestamptz IS NULL OR as_of < %(before)s"
        " ORDER BY as_of DESC LIMIT %(limit)s",
        {"before": before, "limit": limit},
    ).fetchall()
    lines: dict[datetime, list[Comparison]] = {as_of: [] for as_of, _ in runs}
    for as_of, part, *line in tx.execute(
        "SELECT as_of, part, subject, venue, ledger, explained FROM reconciliation_lines"
        " WHERE as_of = ANY(%s) ORDER BY part, subject",
        (list(lines),),
    ):
        lines[as_of].append(Comparison(Part(part), *line))
    return [Reconciliation(as_of, lines[as_of], left_out) for as_of, left_out in runs]
