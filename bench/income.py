"""How fast a day of income is accrued: every holding an entry, all guarantees on.

The baseline does the same to the same tables holding by holding, which is what a loop in an
application does. Cost is shown for growing products, with the journals' sealer running beside and
without, and with ten million entries in the books already.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import psycopg

from bench.floor import MOVED, POSTED, Written, bare_figure
from bench.kit import Figure, durability, fresh_database, machine, median, show, times, vacuum
from bench.population import ASSET, START, author
from commenda.audit import seal, unsealed
from commenda.income import accrue_product_day
from commenda.income.accrual import ACCRUAL
from commenda.income.rules import accrue
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.money import scale_of
from commenda.ledger import (
    JOURNALS,
    AccountKey,
    Journal,
    Line,
    Owner,
    OwnerKind,
    open_accounts,
    post,
)
from commenda.operations import verify

SIZES = (10_000, 100_000, 1_000_000)
LOOP = 1_500
DAYS = 3
DEEP = 10_000_000
CHUNK = 2_000
RATE = Decimal("0.0001234567")
AIM, AIM_TIMES = 40_000, 15
HOLDINGS = Written(
    "pool_holdings", "account_id " + MOVED, "id", ("total_income", "carry", "accrued_through")
)
"""What a chunk writes beside its journal."""
KEY = b"the benchmark's own key"


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the benchmark and the last day that was accrued for it."""

    id: UUID
    day: date

    def next(self) -> Product:
        return Product(self.id, self.day + timedelta(days=1))


def main() -> None:
    """Print holdings a second, against a loop, and how the cost grows."""
    figures: list[Figure] = []
    notes: list[str] = []
    baseline = 0.0
    for size in SIZES:
        with fresh_database(durable=True) as database:
            if not baseline:
                figures, baseline = _loops(database)
            product = _populate(database, f"of {size}", size)
            rates, product = _accrue_days(database, product, size, DAYS)
            best = median(rates)
            aims = (f">= {AIM:,}", f">= {AIM_TIMES} x") if size == SIZES[-1] else ("", "")
            reached = Figure(
                f"{size:,} holdings", best, "holdings/s", times(best, baseline), aims[0]
            )
            figures.append(reached)
            notes.append(f"{size:,} holdings: {_memory(database)}")
            if size == SIZES[-1]:
                written = (*POSTED, HOLDINGS)
                figures.append(
                    bare_figure(database, ACCRUAL, written, CHUNK, reached, durable=True)
                )
                figures += _sealed(database, product.next(), size, baseline)
                figures += _deep(database, product.next(), size, baseline)
                with database.transaction() as tx:
                    begun = time.perf_counter()
                    found = list(verify(tx))
                notes.append(
                    f"verify: {'clean' if not found else found[:3]},"
                    f" {time.perf_counter() - begun:,.0f} s"
                )
                notes.append(machine(database))
    show(
        f"income: a day's accrual, chunks of {CHUNK:,}, {durability(durable=True)}",
        figures,
        f"ratios: to the loop with a transaction each; aim >= {AIM_TIMES} x",
        *notes,
    )


# --- Preparation -----------------------------------------------------------------------------


def _populate(database: Database, name: str, size: int) -> Product:
    """A product with so many holdings, their principal posted, as of the day before the first."""
    product = ids.derive("bench-product", name)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("SET synchronous_commit = off")
        owner.execute(
            "INSERT INTO pool_products (id, name, asset, scale, kind, cadence, total_quota,"
            " sold_amount, minimum, accrued_through, created_at)"
            " VALUES (%s, %s, %s, %s, 'flexible', 'daily', 1e15, 0, 1, %s::date, %s)",
            (product, name, ASSET, scale_of(ASSET), START, START),
        )
        owner.execute(
            "INSERT INTO pool_rates VALUES (%s, %s::date, %s, 'bench', %s)",
            (product, START, RATE, START),
        )
        values = {"name": name, "size": size, "product": product, "asset": ASSET, "at": START}
        owner.execute(
            "INSERT INTO users (id, username, role, created_at)"
            " SELECT md5('user ' || %(name)s || n)::uuid, 'user ' || %(name)s || n, 'investor',"
            "  %(at)s FROM generate_series(1, %(size)s) AS n",
            values,
        )
        owner.execute(
            "INSERT INTO accounts (kind, owner_kind, owner_id, asset, scope_id)"
            " SELECT 'holding', 'investor', md5('user ' || %(name)s || n)::uuid, %(asset)s,"
            "  md5('holding ' || %(name)s || n)::uuid FROM generate_series(1, %(size)s) AS n",
            values,
        )
        owner.execute(
            "INSERT INTO pool_holdings (product_id, id, user_id, account_id, amount,"
            "  accrued_through, start_at, created_at)"
            " SELECT %(product)s, scope_id, owner_id, id, 1000 + id %% 977, %(at)s::date,"
            "  %(at)s::timestamptz + interval '1 day', %(at)s"
            " FROM accounts WHERE kind = 'holding' AND NOT EXISTS"
            "  (SELECT FROM pool_holdings h WHERE h.account_id = accounts.id) ORDER BY id",
            values,
        )
        owner.execute(
            "UPDATE pool_products SET sold_amount = (SELECT sum(amount) FROM pool_holdings"
            " WHERE product_id = %(product)s) WHERE id = %(product)s",
            values,
        )
    _pay_in(database, product, name)
    vacuum(database)
    return Product(product, START.date())


def _pay_in(database: Database, product: UUID, name: str) -> None:
    """Post every holding's principal, from outside."""
    after = 0
    while True:
        with database.transaction() as tx:
            rows = tx.execute(
                "SELECT sequence, account_id, amount FROM pool_holdings WHERE product_id = %s"
                " AND sequence > %s ORDER BY sequence LIMIT 5000",
                (product, after),
            ).fetchall()
            if not rows:
                return
            (external,) = open_accounts(tx, [AccountKey("external", Owner.platform(), ASSET)])
            lines = [Line(account, amount) for _, account, amount in rows]
            lines.append(Line(external, -sum((line.amount for line in lines), Decimal(0))))
            key = f"pool_in:{name}:{after}"
            post(tx, author(), Journal(key, "pool_in", ids.derive(key), lines))
            after = rows[-1][0]


# --- Measured --------------------------------------------------------------------------------


def _now(product: Product) -> datetime:
    """When the product's day is over."""
    return datetime.combine(product.day, START.timetz()) + timedelta(days=1)


def _accrue(database: Database, product: Product, size: int) -> float:
    """Accrue a day of every holding; holdings a second."""
    begun = time.perf_counter()
    accrue_product_day(database, author(_now(product)), product.id, product.day, CHUNK)
    taken = time.perf_counter() - begun
    with database.transaction() as tx:
        row = tx.execute(
            "SELECT count(*) FROM pool_holdings WHERE product_id = %s AND accrued_through = %s",
            (product.id, product.day),
        ).fetchone()
    assert row == (size,), "every holding was accrued"
    return size / taken


def _accrue_days(
    database: Database, product: Product, size: int, days: int
) -> tuple[list[float], Product]:
    rates = []
    for _ in range(days):
        product = product.next()
        rates.append(_accrue(database, product, size))
    return rates, product


def _sealed(database: Database, product: Product, size: int, baseline: float) -> list[Figure]:
    """How fast the days before are sealed, and a day while the sealer works beside it."""
    with database.transaction() as tx:
        entries = unsealed(tx, JOURNALS) * (CHUNK + 1)
    begun = time.perf_counter()
    _seal_all(database)
    taken = time.perf_counter() - begun
    with _sealing(database):
        beside = _accrue(database, product, size)
    return [
        Figure(
            f"{size:,} holdings, the sealer beside it",
            beside,
            "holdings/s",
            times(beside, baseline),
            f">= {AIM:,}",
        ),
        Figure("    the sealer alone, days of the past", entries / taken, "entries/s"),
    ]


def _deep(database: Database, product: Product, size: int, baseline: float) -> list[Figure]:
    """Days until there are ten million entries, then one more."""
    product = product.next()
    while _entries(database) < DEEP:
        _accrue(database, product, size)
        product = product.next()
    before = _entries(database)
    rate = _accrue(database, product, size)
    name = f"{size:,} holdings, {before / 1e6:,.1f} million entries there"
    return [Figure(name, rate, "holdings/s", times(rate, baseline))]


def _entries(database: Database) -> int:
    with database.transaction() as tx:
        row = tx.execute("SELECT sum(version) FROM accounts").fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def _sealing(database: Database) -> Iterator[None]:
    """Seal journals in another thread meanwhile, as the worker's chore does."""
    _seal_all(database)
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.2):
            with database.transaction() as tx:
                seal(tx, KEY, chain=JOURNALS)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _seal_all(database: Database) -> None:
    more = True
    while more:
        with database.transaction() as tx:
            more = seal(tx, KEY, chain=JOURNALS).full


# --- The loop --------------------------------------------------------------------------------


def _loops(database: Database) -> tuple[list[Figure], float]:
    """Holding by holding: a transaction each, which is the baseline, and all in one."""
    rates = {}
    for name, together in (("a transaction each", False), ("one transaction", True)):
        product = _populate(database, name, LOOP)
        taken = []
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute("SET jit = off")
            for _ in range(DAYS):
                product = product.next()
                taken.append(_loop(owner, product, together=together))
        rates[name] = LOOP / median(taken)
    baseline = rates["a transaction each"]
    return [Figure(f"loop, {name}", rate, "holdings/s") for name, rate in rates.items()], baseline


def _loop(owner: Tx, product: Product, *, together: bool) -> float:
    begun = time.perf_counter()
    rows = owner.execute(
        "SELECT sequence FROM pool_holdings WHERE product_id = %s ORDER BY sequence", (product.id,)
    ).fetchall()
    (expense,) = open_accounts(
        owner, [AccountKey("income_expense", Owner(OwnerKind.PRODUCT, product.id), ASSET)]
    )
    if together:
        with owner.transaction():
            for (sequence,) in rows:
                _accrue_one(owner, product, sequence, expense)
    else:
        for (sequence,) in rows:
            with owner.transaction():
                _accrue_one(owner, product, sequence, expense)
    return time.perf_counter() - begun


def _accrue_one(tx: Tx, product: Product, sequence: int, expense: int) -> None:
    """What one holding takes by hand: locks, the rule, journal, entries, balances, the holding."""
    row = tx.execute(
        "SELECT account_id, amount, carry FROM pool_holdings WHERE product_id = %s"
        " AND sequence = %s AND accrued_through = %s::date - 1 FOR UPDATE",
        (product.id, sequence, product.day),
    ).fetchone()
    assert row is not None
    account, principal, carried = row
    paid, carry = accrue(principal, RATE, carried, scale_of(ASSET))
    held = {
        found: (balance, version)
        for found, balance, version in tx.execute(
            "SELECT id, balance, version FROM accounts WHERE id IN (%s, %s) ORDER BY id FOR UPDATE",
            (account, expense),
        )
    }
    key = f"income:{product.id}:{product.day}:{sequence}"
    now = _now(product)
    journal = tx.execute(
        "INSERT INTO journals (key, kind, actor, rule_version, correlation_id, posted_at,"
        " effective_at, entry_count) VALUES (%s, 'income_accrual', 'bench', 'bench/1', %s, %s, %s,"
        " 2) RETURNING id",
        (key, ids.derive(key), now, now),
    ).fetchone()
    assert journal is not None
    values: list[object] = []
    for one, amount in ((account, paid), (expense, -paid)):
        balance, version = held[one]
        values += [journal[0], one, version + 1, ASSET, amount, balance, balance + amount]
    tx.execute(
        "INSERT INTO entries (journal_id, account_id, version, asset, amount, balance_before,"
        " balance_after) VALUES (%s, %s, %s, %s, %s, %s, %s), (%s, %s, %s, %s, %s, %s, %s)",
        values,
    )
    for one, amount in ((account, paid), (expense, -paid)):
        tx.execute(
            "UPDATE accounts SET balance = balance + %s, version = version + 1,"
            " last_posted_at = %s WHERE id = %s",
            (amount, now, one),
        )
    tx.execute(
        "UPDATE pool_holdings SET carry = %s, total_income = total_income + %s,"
        " accrued_through = %s WHERE product_id = %s AND sequence = %s",
        (carry, paid, product.day, product.id, sequence),
    )


def _memory(database: Database) -> str:
    """Greatest memory of this process, and what the backends have of their own."""
    here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with database.transaction() as tx:
        rows = tx.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = '' AND backend_type ="
            " 'client backend'"
        ).fetchall()
    own = 0.0
    for (pid,) in rows:
        try:
            with open(f"/proc/{pid}/status") as status:
                anonymous = [line for line in status if line.startswith("RssAnon")]
        except OSError:
            continue
        own = max([own, *(int(line.split()[1]) / 1024 for line in anonymous)])
    return f"this process {here:,.0f} MB at most, its backend {own:,.0f} MB of its own"


if __name__ == "__main__":
    main()
