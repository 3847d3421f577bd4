"""A day's income survives whatever happens to those who work on it: paid once, to the unit.

What was paid is held against sums of whole numbers that know nothing of the ledger.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from commenda.income import Product, accrual
from commenda.kit.db import Database
from commenda.settings import Settings
from databases import empty
from extent import up_to
from pool import RATE, D, Pool

SCRIPT = Path(__file__).with_name("income_worker.py")
Start = Callable[[Pool, int], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes that accrue what is due at a pool's moment, in chunks of so many."""
    processes: list[subprocess.Popen[str]] = []

    def begin(pool: Pool, chunk: int) -> subprocess.Popen[str]:
        arguments = [pool.database.owner_url, pool.now.isoformat(), str(chunk)]
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *arguments], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def report(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a process did, when it has ended."""
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    done: dict[str, Any] = json.loads(out)
    return done


def accrued(pool: Pool) -> int:
    """For how many holdings and days income was posted."""
    return int(pool.one("SELECT coalesce(sum(rows_done), 0)::bigint FROM posting_batches"))


def until(pool: Pool, holdings: int, *alive: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while accrued(pool) < holdings:
        assert all(one.poll() is None for one in alive), "a process has ended"
        assert time.monotonic() < deadline, f"{accrued(pool)} of {holdings}"
        time.sleep(0.01)


def assert_earned(pool: Pool, product: Product, rates: Sequence[Decimal]) -> None:
    """Every holding has exactly the income of its days, in one entry for each, and no other."""
    with psycopg.connect(pool.database.owner_url, autocommit=True) as owner:
        owner.execute("ANALYZE journals, entries, accounts")
    days = sum(int(rate.scaleb(10)) for rate in rates)
    rows = pool.rows(
        "SELECT h.amount, h.total_income, h.carry, a.balance, a.version FROM pool_holdings h"
        " JOIN accounts a ON a.id = h.account_id WHERE h.product_id = %s",
        product.id,
    )
    total = 0
    for amount, income, carry, balance, version in rows:
        units, rest = divmod(int(amount.scaleb(8)) * days, 10**10)
        total += units
        assert (int(income.scaleb(8)), int(carry.scaleb(18))) == (units, rest)
        assert (balance - amount, version) == (income, 1 + len(rates))
    assert pool.expense(product) == -D(total).scaleb(-8)
    pool.assert_sound()


def test_missed_days_survive_kill_9_and_two_processes_finish_them(
    db: Database, start: Start
) -> None:
    """Part 4 (interest posted twice): five missed days with a rate change between."""
    pool = Pool(db)
    product = pool.product(total_quota=D(10**9))
    pool.fill(product, 2000)
    pool.set_rate(product, pool.day(4), "0.0003333333")
    pool.advance(6)
    for share in (0.15, 0.5):  # in the first day, and in the third
        worker = start(pool, 25)
        until(pool, int(10_000 * share), worker)
        worker.kill()
        worker.wait()
        assert 10_000 * share <= accrued(pool) < 10_000
        pool.assert_sound()
    before = accrued(pool)
    first, second = start(pool, 25), start(pool, 40)
    assert report(first)["holdings"] + report(second)["holdings"] == 10_000 - before
    assert_earned(pool, product, [RATE] * 3 + [D("0.0003333333")] * 2)


def test_two_processes_accrue_one_day_in_turns(db: Database, start: Start) -> None:
    """Two workers on one job: they wait for the same product, then take turns at its day."""
    pool = Pool(db)
    product = pool.product(total_quota=D(10**9))
    pool.fill(product, 4000)
    pool.advance(2)
    with db.transaction() as tx:
        accrual.begin_day(tx, pool.author, product.id, pool.day(1))
        workers = [start(pool, 50) for _ in range(2)]
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        deadline = time.monotonic() + 30
        while pool.one(waiting) < 2:
            assert time.monotonic() < deadline, "they do not come"
            time.sleep(0.01)
    done = [report(one)["holdings"] for one in workers]
    assert sum(done) == 4000
    assert min(done) > 0
    assert_earned(pool, product, [RATE])


def test_a_server_that_restarts_in_the_middle_of_many_holdings_loses_nothing(
    server: tuple[str, Callable[[], None]], start: Start
) -> None:
    """Two processes are at it when the database crashes; both go on when it is back."""
    url, restart = server
    holdings = up_to(60_000, 200_000)
    settings = Settings(database_url=url, durable_commits=False)
    with Database.open(settings) as database:
        empty(database)
        pool = Pool(database)
        product = pool.product(total_quota=D(10**12))
        pool.fill(product, holdings)
    pool.advance(2)
    with Database.open(settings) as database:
        pool.database = database
        workers = [start(pool, 2000) for _ in range(2)]
        until(pool, holdings // 7, *workers)
        seen = accrued(pool)
    restart()
    with Database.open(settings, patience=60) as database:
        pool.database = database
        kept = accrued(pool)
        assert seen <= kept < holdings  # what was committed is still there, and it was the middle
        done = [report(one) for one in workers]
        assert all(one["interrupted"] for one in done)
        assert accrued(pool) == holdings
        assert_earned(pool, product, [RATE])
