"""A statement as a table, written while its entries are read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from commenda.kit.db import Database, Tx
from commenda.kit.money import plain
from commenda.kit.times import iso
from commenda.ledger.statements import (
    StatementAccount,
    StatementEntry,
    StatementWanted,
    read_entries,
    require_owner,
    sections,
)

LINES = 200
"""Lines that are sent at a time."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What is written: `entries` are those of the sections, one section after the other."""

    wanted: StatementWanted
    owner: str
    sections: Sequence[StatementAccount]
    entries: Iterable[StatementEntry]

    def by_section(self) -> Iterator[tuple[StatementAccount, Iterator[StatementEntry]]]:
        """Each section with its entries, which are read before the next section is."""
        left = iter(self.entries)
        for section in self.sections:
            yield section, islice(left, section.through - section.after)


def draw_up(database: Database, tx: Tx, wanted: StatementWanted) -> Statement:
    """Fix what a statement says; its entries are read while it is written.

    Code `unknown_owner` for who has no account and is no user.
    """
    owner = require_owner(tx, wanted.owner)
    found = sections(tx, wanted)
    return Statement(wanted, owner, found, read_entries(database, found))


COLUMNS = (
    "createdAt",
    "account",
    "accountId",
    "type",
    "amount",
    "balanceBefore",
    "balanceAfter",
    "refNo",
    "remark",
)


def csv_text(statement: Statement) -> Iterator[str]:
    """Rows of a table: of each account its opening balance, its entries, its closing balance."""
    rows = _rows(statement)
    while batch := list(islice(rows, LINES)):
        text = io.StringIO()
        csv.writer(text).writerows(batch)
        yield text.getvalue()


def _rows(statement: Statement) -> Iterator[tuple[object, ...]]:
    yield COLUMNS
    since, until = statement.wanted.since, statement.wanted.until
    for section, entries in statement.by_section():
        account = (section.kind, section.account_id)
        yield (iso(since), *account, "opening", "", "", plain(section.opening), "", "")
        for entry in entries:
            yield (
                iso(entry.created_at),
                *account,
                entry.type or "",
                plain(entry.amount),
                plain(entry.balance_before),
                plain(entry.balance_after),
                entry.ref_no,
                entry.remark,
            )
        yield (iso(until), *account, "closing", "", "", plain(section.closing), "", "")
