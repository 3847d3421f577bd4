"""What a batch is worth: the ledger's set-based posting against a loop that posts row by row.

Both write the same rows into the same tables under the same constraints and triggers. The loop
connects as the owner, since the application's role cannot write entries itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from typing import NamedTuple

import psycopg

from bench.kit import (
    Figure,
    durability,
    fresh_database,
    machine,
    median,
    show,
    spread,
    times,
    vacuum,
)
from bench.population import ASSET, START, author, fund_investors
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.ledger import (
    AccountKey,
    Journal,
    Line,
    Outcome,
    Owner,
    OwnerKind,
    open_accounts,
    post_batch,
)
from commenda.operations import verify

ACCOUNTS = 10_000
TRANSFERS = 2_000
LINES = 4_000
RUNS = 5
AIM = 10


class Transfer(NamedTuple):
    """From one wallet to another, under a natural key."""

    key: str
    debit: int
    credit: int
    amount: Decimal


def main() -> None:
    """Print batch and loop with commits that wait for the disk and without."""
    for durable in (False, True):
        _measure(durable)


def _measure(durable: bool) -> None:
    with fresh_database(durable=durable) as database:
        with database.transaction() as tx:
            investors = fund_investors(tx, [Decimal(1_000_000)] * ACCOUNTS)
            wallets = open_accounts(
                tx,
                [AccountKey("wallet", Owner(OwnerKind.INVESTOR, one), ASSET) for one in investors],
            )
        vacuum(database)
        draw = _drawn(wallets)
        batches = _rates(lambda: _post_transfers(database, draw()))
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute("SET jit = off")
            owner.execute(f"SET synchronous_commit = {'on' if durable else 'off'}")
            each = _rates(lambda: _loop(owner, draw(), together=False))
            together = _rates(lambda: _loop(owner, draw(), together=True))
        wide = _rates(lambda: _post_wide(database, wallets, draw()))
        with database.transaction() as tx:
            findings = list(verify(tx))
        note = machine(database)
    slow, slower = median(together), median(each)
    batch, lines = median(batches), median(wide) * LINES / TRANSFERS
    aim = f">= {AIM} x"
    show(
        f"posting: {TRANSFERS:,} transfers, {ACCOUNTS:,} wallets, {durability(durable=durable)}",
        [
            Figure(f"loop, a transaction each ({spread(each)})", slower, "transfers/s"),
            Figure(f"loop, one transaction ({spread(together)})", slow, "transfers/s"),
            Figure(
                f"one batch ({spread(batches)})", batch, "transfers/s", times(batch, slower), aim
            ),
            Figure(
                "    against the loop in one transaction", batch, "transfers/s", times(batch, slow)
            ),
            Figure("loop, a transaction each", 2 * slower, "entries/s"),
            Figure("one batch of transfers", 2 * batch, "entries/s", times(batch, slower), aim),
            Figure(
                f"one journal of {LINES:,} lines", lines, "entries/s", times(lines, 2 * slower), aim
            ),
            Figure(
                "    against the loop in one transaction",
                lines,
                "entries/s",
                times(lines, 2 * slow),
            ),
        ],
        f"ratios: to the loop with a transaction each, unless named; medians of {RUNS}",
        f"verify: {'clean' if not findings else findings[:3]}",
        note,
    )


def _drawn(wallets: Sequence[int]) -> Callable[[], list[Transfer]]:
    """Another set of transfers at each call, drawn from a seed."""
    rng, numbers = random.Random(1), count()

    def draw() -> list[Transfer]:
        pairs = (rng.sample(wallets, 2) for _ in range(TRANSFERS))
        return [
            Transfer(
                f"transfer:{next(numbers)}", debit, credit, Decimal(rng.randint(1, 10**5)) / 100
            )
            for debit, credit in pairs
        ]

    return draw


def _rates(work: Callable[[], float]) -> list[float]:
    """Transfers a second of each run, after one that does not count."""
    work()
    return [TRANSFERS / work() for _ in range(RUNS)]


def _post_transfers(database: Database, transfers: Sequence[Transfer]) -> float:
    """All in one batch, a journal each; building the journals counts."""
    begun = time.perf_counter()
    journals = [
        Journal(
            one.key,
            "transfer",
            ids.derive("transfer", one.key),
            [Line(one.debit, -one.amount), Line(one.credit, one.amount)],
        )
        for one in transfers
    ]
    with database.transaction() as tx:
        posted = post_batch(tx, author(), journals)
    taken = time.perf_counter() - begun
    assert all(one.outcome is Outcome.POSTED for one in posted), "every wallet has enough"
    return taken


def _post_wide(database: Database, wallets: Sequence[int], transfers: Sequence[Transfer]) -> float:
    """One journal with the lines of all transfers, each on an account of its own."""
    chosen = random.Random(transfers[0].key).sample(wallets, LINES)
    begun = time.perf_counter()
    lines = []
    for place, one in enumerate(transfers):
        lines.append(Line(chosen[2 * place], -one.amount))
        lines.append(Line(chosen[2 * place + 1], one.amount))
    key = f"wide:{transfers[0].key}"
    with database.transaction() as tx:
        post_batch(tx, author(), [Journal(key, "allocation", ids.derive("wide", key), lines)])
    return time.perf_counter() - begun


def _loop(
    owner: psycopg.Connection[tuple[object, ...]], transfers: Sequence[Transfer], *, together: bool
) -> float:
    """Row by row, in one transaction or in one for each transfer."""
    begun = time.perf_counter()
    if together:
        # Locked as they come: two such loops at once could deadlock, which a batch cannot.
        with owner.transaction():
            for one in transfers:
                _post_one(owner, one)
    else:
        for one in transfers:
            with owner.transaction():
                _post_one(owner, one)
    return time.perf_counter() - begun


def _post_one(owner: psycopg.Connection[tuple[object, ...]], one: Transfer) -> None:
    """What a transfer takes by hand: lock, journal, its two entries, two balances.

    The entries are one statement, since the trigger checks a journal whole.
    """
    rows = owner.execute(
        "SELECT id, balance, version FROM accounts WHERE id IN (%s, %s)"
        " ORDER BY id FOR NO KEY UPDATE",
        (one.debit, one.credit),
    ).fetchall()
    held = {row[0]: (Decimal(str(row[1])), int(str(row[2]))) for row in rows}
    row = owner.execute(
        "INSERT INTO journals (key, kind, actor, rule_version, correlation_id,"
        " posted_at, effective_at, entry_count) VALUES (%s, %s, %s, %s, %s, %s, %s, 2)"
        " ON CONFLICT (key) DO NOTHING RETURNING id",
        (one.key, "transfer", "bench", "bench/1", ids.derive("transfer", one.key), START, START),
    ).fetchone()
    assert row is not None, "each transfer has a key of its own"
    values: list[object] = []
    for account, amount in ((one.debit, -one.amount), (one.credit, one.amount)):
        balance, version = held[account]
        values += [row[0], account, version + 1, ASSET, amount, balance, balance + amount]
    owner.execute(
        "INSERT INTO entries (journal_id, account_id, version, asset, amount,"
        " balance_before, balance_after)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s), (%s, %s, %s, %s, %s, %s, %s)",
        values,
    )
    for account, amount in ((one.debit, -one.amount), (one.credit, one.amount)):
        owner.execute(
            "UPDATE accounts SET balance = balance + %s, version = version + 1 WHERE id = %s",
            (amount, account),
        )


if __name__ == "__main__":
    main()
