"""The sealer: beside those who post, in its own time, in another era."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from click.testing import Result

from chained import (
    AUTHOR,
    EXTERNAL,
    KEY,
    deposit,
    findings,
    one_row,
    seal_all,
    superuser,
    waiting,
    wallet,
)
from commenda.audit import Sealed, begin_era, seal
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.ledger import (
    JOURNALS,
    AccountKey,
    Journal,
    Line,
    Owner,
    open_accounts,
    post,
    post_batch,
    reverse,
)
from commenda.operations import CHAINS
from commenda.worker import MaintenanceTask, do_task, maintenance_tasks
from people import SETTINGS
from scripted import ASSET, D
from world import in_threads

pytestmark = pytest.mark.usefixtures("alone")

# --- the sealer and those who post -----------------------------------------------------------


def test_posting_does_not_wait_for_a_sealer_that_stays_open(sealed: Database) -> None:
    first = deposit(sealed, 10)
    with psycopg.connect(sealed.app_url) as sealer:
        assert seal(sealer, KEY, chain=JOURNALS).rows == 1
        # On the same accounts, and the reversal of what is just being sealed.
        with sealed.transaction() as tx:
            tx.execute("SET LOCAL statement_timeout = '20s'")
            assert reverse(tx, AUTHOR, first).journal_id
        deposit(sealed, 11)
        with sealed.transaction() as tx:  # of two sealers one works, and the other does not wait
            assert seal(tx, KEY, chain=JOURNALS) == Sealed(0, full=False)
        sealer.commit()
    assert seal_all(sealed) == 2
    assert findings(sealed) == []


def test_the_sealer_does_not_wait_for_a_posting_that_stays_open(sealed: Database) -> None:
    deposit(sealed, 10)
    with psycopg.connect(sealed.app_url) as poster:
        external, ines = open_accounts(poster, [EXTERNAL, wallet("ines")])
        lines = [Line(external, D(-1)), Line(ines, D(1))]
        post(poster, AUTHOR, Journal("slow", "deposit", ids.derive("slow"), lines))
        jon = deposit_elsewhere(sealed)
        with sealed.transaction() as tx:
            tx.execute("SET LOCAL statement_timeout = '20s'")
            assert seal(tx, KEY, chain=JOURNALS).rows == 1, "what may be followed by nothing new"
        assert waiting(sealed) == 1
        poster.commit()
    assert seal_all(sealed) == 2
    keys = one_row(sealed, "SELECT array_agg(j.key ORDER BY s.sequence) FROM journal_seals s"
                           " JOIN journals j ON j.id = s.row_id WHERE s.sequence > 9")  # fmt: skip
    assert keys == (["deposit:10", "slow", jon],)
    assert findings(sealed) == []


def deposit_elsewhere(db: Database) -> str:
    """On accounts that nobody else holds."""
    with db.transaction() as tx:
        names = [AccountKey("insurance", Owner.platform(), ASSET, stripe=n) for n in (1, 2)]
        one, two = open_accounts(tx, names)
        lines = [Line(one, D(-1)), Line(two, D(1))]
        post(tx, AUTHOR, Journal("elsewhere", "insurance", ids.derive("elsewhere"), lines))
    return "elsewhere"


def test_no_journal_of_concurrent_posters_is_lost_from_the_chain(db: Database) -> None:
    writing = threading.Event()

    def write(writer: int) -> int:
        for turn in range(40):
            number = writer * 1000 + turn + 1
            with db.transaction() as tx:
                accounts = open_accounts(tx, [EXTERNAL, wallet(f"w{writer}")])
                lines = [Line(accounts[0], D(-1)), Line(accounts[1], D(1))]
                for part in "ab":
                    key = f"{number}{part}"
                    post(tx, AUTHOR, Journal(key, "deposit", ids.derive(key), lines))
                if turn % 4 == 3:
                    raise psycopg.Rollback
        return 60

    def seal_meanwhile() -> int:
        rows = 0
        while not writing.is_set():
            with db.transaction() as tx:
                rows += seal(tx, KEY, 17, JOURNALS).rows
        return rows

    def write_all() -> int:
        try:
            return sum(in_threads(*[partial(write, n) for n in range(4)]))
        finally:
            writing.set()

    posted, *early = in_threads(write_all, seal_meanwhile, seal_meanwhile)
    assert posted == 240
    assert sum(early) > 0
    assert sum(early) + seal_all(db) == posted
    assert (waiting(db), findings(db)) == (0, [])


# --- the maintenance task, and other eras ------------------------------------------------------


def sealing_tasks() -> Iterator[MaintenanceTask]:
    return (task for task in maintenance_tasks(Keys.of(SETTINGS)) if task.patience)


def test_the_workers_maintenance_tasks_seal_both_chains_under_their_own_keys(
    sealed: Database, verify: Callable[..., Result]
) -> None:
    deposit(sealed, 10)
    for task in sealing_tasks():
        do_task(sealed, task, until=0)
    assert len(list(sealing_tasks())) == len(CHAINS) == 2
    assert verify("verify", "--chain").exit_code == 0
    assert waiting(sealed) == 0


def test_a_maintenance_task_goes_on_while_batches_are_full_and_for_no_longer_than_it_may(
    db: Database,
) -> None:
    for number in range(1, 11):
        deposit(db, number)
    batches: list[int] = []

    def act(tx: Any) -> bool:
        done = seal(tx, KEY, 4, JOURNALS)
        batches.append(done.rows)
        return done.full

    do_task(db, MaintenanceTask(2.0, act, patience=1.0), until=0)
    assert batches == [2], "its time is over: one batch all the same"
    do_task(db, MaintenanceTask(2.0, act, patience=1.0), until=float("inf"))
    assert batches == [2, 2, 2, 2, 2, 0]


def test_a_restored_ledger_goes_on_in_a_new_era(db: Database) -> None:
    """Another cluster counts transactions from the beginning: its ids are smaller than those kept.

    Transaction ids far ahead of this server's stand for those of the one that was lost.
    """
    deposit(db, 1)
    deposit(db, 2)
    with superuser(db) as owner:
        owner.execute("UPDATE journals SET transaction_id = '900000000000'")
    assert seal_all(db) == 0
    try:
        with psycopg.connect(db.owner_url) as owner:
            assert begin_era(owner, JOURNALS) == 1
        deposit(db, 3)
        assert seal_all(db) == 3
        deposit(db, 4)
        assert seal_all(db) == 1
        assert findings(db) == []
    finally:
        with psycopg.connect(db.owner_url) as owner:
            owner.execute("ALTER TABLE journals ALTER era SET DEFAULT 0")


def test_each_chain_has_a_key_and_a_lock_of_its_own() -> None:
    assert len({chain.purpose for chain in CHAINS}) == 2
    assert len({chain.lock for chain in CHAINS}) == 2


def test_memory_stays_flat_however_long_the_chain_is(db: Database) -> None:
    with db.transaction() as tx:
        external, ines = open_accounts(tx, [EXTERNAL, wallet("ines")])
        lines = [Line(external, D(-1)), Line(ines, D(1))]
        deposits = [
            Journal(f"deposit:{n}", "deposit", ids.derive("deposit", n), lines)
            for n in range(12_000)
        ]
        post_batch(tx, AUTHOR, deposits)
    assert seal_all(db) == 12_000
    tracemalloc.start()
    try:
        assert findings(db) == []
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 5_000_000  # kept, they are some 1,200 bytes each
