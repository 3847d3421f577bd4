"""Single journals a second from 1, 2 and 8 clients: spread, on one hot account, on a striped one.

The peer is pgledger, the shortest ledger on PostgreSQL there is, in the same server and run; its
SQL is not ours to ship: COMMENDA_BENCH_PGLEDGER names the file. It keeps no idempotency keys, no
event's kind or actor and no check that a journal sums to zero.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

from bench.kit import Figure, durability, fresh_database, machine, median, show, times, vacuum
from bench.population import ASSET, author, fund_investors
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.ledger import (
    AccountKey,
    Journal,
    Line,
    Owner,
    OwnerKind,
    open_accounts,
    post,
    stripe_of,
)
from commenda.operations import verify

ACCOUNTS = 2_000
CLIENTS = (1, 2, 8)
SECONDS = 1.5
ROUNDS = 5
"""Ours and theirs take turns, so that both see the same machine."""
STRIPES = 8
PEER = "COMMENDA_BENCH_PGLEDGER"

Step = Callable[[psycopg.Connection[Any], int], None]
"""One journal of a client: its connection and the number of the journal."""


def main() -> None:
    """Print journals a second of every load, and of the peer where it is given."""
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
            external = AccountKey("external", Owner.platform(), ASSET)
            stripes = open_accounts(tx, [external._replace(stripe=n) for n in range(STRIPES)])
        vacuum(database)
        loads: dict[str, Callable[[int], Step]] = {
            "spread over 2,000 wallets": lambda client: partial(_spread, wallets, client),
            "one hot account": lambda client: partial(_deposit, wallets, stripes[:1], client),
            f"the hot account in {STRIPES} stripes": lambda client: partial(
                _deposit, wallets, stripes, client
            ),
        }
        peers = _prepare_peer(database)
        figures = []
        for clients in CLIENTS:
            ours: dict[str, list[float]] = defaultdict(list)
            others: dict[str, list[float]] = defaultdict(list)
            for _ in range(ROUNDS):
                for name, make in loads.items():
                    ours[name].append(_rate(database.app_url, clients, make))
                    if peers is not None and name in peers.loads:
                        others[name].append(_rate(peers.url, clients, peers.loads[name]))
            rates = {name: median(rounds) for name, rounds in ours.items()}
            theirs = {name: median(rounds) for name, rounds in others.items()}
            for name, rate in rates.items():
                peer = theirs.get(name) or theirs.get("one hot account")
                figures.append(
                    Figure(
                        f"{clients} clients, {name}",
                        rate,
                        "journals/s",
                        times(rate, peer) if peer else "",
                    )
                )
            for name, rate in theirs.items():
                figures.append(Figure(f"    pgledger, {name}", rate, "transfers/s"))
        with database.transaction() as tx:
            findings = list(verify(tx))
        show(
            f"clients: single journals of two entries, {durability(durable=durable)}",
            figures,
            "ratios: to pgledger under the same load"
            if peers
            else f"no peer: {PEER} names no file with pgledger's SQL",
            f"verify: {'clean' if not findings else findings[:3]}",
            machine(database),
        )


def _spread(
    wallets: Sequence[int], client: int, connection: psycopg.Connection[Any], number: int
) -> None:
    """From one wallet to another."""
    rng = random.Random(client * 10**9 + number)
    debit, credit = rng.sample(wallets, 2)
    _post(connection, f"spread:{client}:{time.time_ns()}", debit, credit)


def _deposit(
    wallets: Sequence[int],
    stripes: Sequence[int],
    client: int,
    connection: psycopg.Connection[Any],
    number: int,
) -> None:
    """From outside into a wallet."""
    key = f"deposit:{client}:{time.time_ns()}"
    source = stripes[stripe_of("external", key) % len(stripes)]
    _post(connection, key, source, random.Random(key).choice(wallets))


def _post(connection: psycopg.Connection[Any], key: str, debit: int, credit: int) -> None:
    lines = [Line(debit, Decimal(-1)), Line(credit, Decimal(1))]
    # One statement is a transaction of its own, as the peer's is.
    post(connection, author(), Journal(key, "transfer", ids.derive(key), lines))


# --- The peer --------------------------------------------------------------------------------


class Peer:
    """pgledger in a database of its own on the same server."""

    def __init__(self, url: str, accounts: list[str]) -> None:
        self.url = url
        hot, *spread = accounts
        self.loads: dict[str, Callable[[int], Step]] = {
            "spread over 2,000 wallets": lambda client: partial(_transfer, spread, client),
            "one hot account": lambda client: partial(_from_hot, hot, spread, client),
        }


def _prepare_peer(database: Database) -> Peer | None:
    file = os.environ.get(PEER)
    if not file:
        return None
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA peer")
        synchronous = owner.execute("SHOW synchronous_commit").fetchone()
    url = conninfo.make_conninfo(
        database.owner_url,
        options="-c search_path=peer -c jit=off -c synchronous_commit="
        + _synchronous(database, str(synchronous and synchronous[0])),
    )
    with psycopg.connect(url, autocommit=True) as owner:
        # Its vendored id function, as cheap as can be.
        owner.execute(
            "CREATE FUNCTION uuid_to_ulid(id uuid) RETURNS text LANGUAGE sql AS 'SELECT id::text'"
        )
        owner.execute(Path(file).read_text())
        rows = owner.execute(
            "SELECT (pgledger_create_account('a' || n, 'USD')).id FROM generate_series(0, %s) AS n",
            (ACCOUNTS,),
        ).fetchall()
        owner.execute("SET client_min_messages = error")
        owner.execute("VACUUM ANALYZE")
    return Peer(url, [str(row[0]) for row in rows])


def _synchronous(database: Database, usual: str) -> str:
    """The peer waits for the disk where we do."""
    return "off" if "synchronous_commit=off" in database.app_url else usual


def _transfer(
    accounts: Sequence[str], client: int, connection: psycopg.Connection[Any], number: int
) -> None:
    rng = random.Random(client * 10**9 + number)
    connection.execute("SELECT pgledger_create_transfer(%s, %s, 1)", rng.sample(accounts, 2))


def _from_hot(
    hot: str, accounts: Sequence[str], client: int, connection: psycopg.Connection[Any], number: int
) -> None:
    other = random.Random(client * 10**9 + number).choice(accounts)
    connection.execute("SELECT pgledger_create_transfer(%s, %s, 1)", (hot, other))


# --- Clients ---------------------------------------------------------------------------------


def _rate(url: str, clients: int, make: Callable[[int], Step]) -> float:
    """Journals a second of so many processes together."""
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(clients)
    counts = context.SimpleQueue()
    processes = [
        context.Process(target=_work, args=(url, make, client, ready, counts))
        for client in range(clients)
    ]
    for process in processes:
        process.start()
    done: int = sum(counts.get() for _ in processes)
    for process in processes:
        process.join()
    return done / SECONDS


def _work(
    url: str,
    make: Callable[[int], Step],
    client: int,
    ready: Barrier,
    counts: Any,
) -> None:
    step = make(client)
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(20):
            step(connection, -number - 1)
        ready.wait()
        number, until = 0, time.perf_counter() + SECONDS
        while time.perf_counter() < until:
            step(connection, number)
            number += 1
        counts.put(number)


if __name__ == "__main__":
    main()
