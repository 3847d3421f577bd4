"""How long it takes to read the books: a million entries in 250 days, five closed periods.

A trial balance as of a moment begins at the nearest known balances: those of now or of the end of a
closed period. Beside it stand the sum over all entries, which it would be without either, and
statements, which are cut by bisection and written in batches.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from bench.kit import Figure, fresh_database, machine, median, show, vacuum
from bench.population import ASSET, START, author
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.ledger import (
    AccountKey,
    AsOf,
    Journal,
    Line,
    Owner,
    OwnerKind,
    StatementWanted,
    close_period,
    csv_text,
    draw_up,
    note_balances,
    open_accounts,
    post_batch,
    trial_balance,
)
from commenda.operations import reconcile_all

DAYS = 250
TRANSFERS = 1_000
ACCRUED = 2_000
PEOPLE = 20_000
DAY = timedelta(days=1)
END = START + DAYS * DAY
BUSY = Owner(OwnerKind.INVESTOR, ids.derive("bench", "busy"))


def main() -> None:
    """Print the times of what auditors and owners ask for."""
    with fresh_database() as database:
        entries = _populate(database)
        vacuum(database)
        figures = [
            _timed("trial balance, now", database, trial_balance),
            _at("as of a day ago", database, END - DAY),
            _at("as of a month ago", database, END - 29 * DAY),
            _at("as of 24 days past a closed period", database, START + 124 * DAY),
            _at("… by effective time", database, START + 124 * DAY, AsOf.EFFECTIVE),
            _timed("the sum over all entries instead", database, _summed),
            _timed("reconciliation, now", database, reconcile_all),
            _timed("reconciliation, a month ago", database, _reconcile_then),
        ]
        notes = [f"{entries:,} entries, {DAYS} days, {PEOPLE:,} people", _statement(database)]
        show("reading the books", figures, *notes, machine(database))


def _populate(database: Database) -> int:
    """Days of transfers between people, and of one journal that pays many of them."""
    draw = random.Random(1)
    keys = [AccountKey("external", Owner.platform(), ASSET), AccountKey("wallet", BUSY, ASSET)]
    keys += [
        AccountKey("wallet", Owner(OwnerKind.INVESTOR, ids.derive("bench", n)), ASSET)
        for n in range(PEOPLE)
    ]
    with database.transaction() as tx:
        external, busy, *people = open_accounts(tx, keys)
    for day in range(DAYS):
        now = author(START + day * DAY)
        journals = [
            _journal(f"pay:{day}", [Line(one, Decimal(9)) for one in _some(draw, people)], external)
        ]
        for n in range(TRANSFERS):
            taking = busy if n % 4 == 0 else draw.choice(people)
            journals.append(_journal(f"move:{day}:{n}", [Line(taking, Decimal(1))], external))
        with database.transaction() as tx:
            post_batch(tx, now, journals)
        if day % 50 == 49:
            with database.transaction() as tx:
                close_period(tx, now, now.now)
            while _noted(database):
                pass
    with database.transaction() as tx:
        row = tx.execute("SELECT count(*) FROM entries").fetchone()
        tx.execute("INSERT INTO business_clock (now_at) VALUES (%s)", (END,))
    assert row is not None
    return int(row[0])


def _some(draw: random.Random, people: list[int]) -> list[int]:
    return draw.sample(people, ACCRUED)


def _journal(key: str, lines: list[Line], external: int) -> Journal:
    total = sum((line.amount for line in lines), Decimal(0))
    return Journal(key, "deposit", ids.derive("bench", key), [Line(external, -total), *lines])


def _noted(database: Database) -> int:
    with database.transaction() as tx:
        return note_balances(tx)


def _summed(tx: Tx) -> None:
    tx.execute(
        "SELECT a.kind, sum(e.amount) FROM entries e JOIN accounts a ON a.id = e.account_id"
        " GROUP BY a.kind"
    ).fetchall()


def _reconcile_then(tx: Tx) -> None:
    reconcile_all(tx, END - 29 * DAY)


def _at(name: str, database: Database, moment: object, by: AsOf = AsOf.POSTED) -> Figure:
    return _timed(
        f"trial balance {name}",
        database,
        lambda tx: trial_balance(tx, moment, by),  # type: ignore[arg-type]
    )


def _timed(name: str, database: Database, read: Callable[[Tx], object]) -> Figure:
    seconds = []
    for _ in range(3):
        with database.transaction() as tx:
            begin = time.perf_counter()
            read(tx)
            seconds.append(time.perf_counter() - begin)
    return Figure(name, median(seconds) * 1000, "ms")


def _statement(database: Database) -> str:
    """A statement of the busiest wallet as a table, and what memory it took."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    with database.transaction() as tx:
        wanted = StatementWanted(BUSY.id, ASSET, START, END)
        statement = draw_up(database, tx, wanted)
    cut = time.perf_counter()
    size = sum(len(text) for text in csv_text(statement))
    took = time.perf_counter() - begin
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    count = sum(one.through - one.after for one in statement.sections)
    return (
        f"statement of {count:,} entries: cut in {(cut - begin) * 1000:.1f} ms, written as CSV"
        f" ({size / 1e6:.1f} MB) at {count / took:,.0f} entries/s, memory +{grown / 1024:.1f} MiB"
    )
