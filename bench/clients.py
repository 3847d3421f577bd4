"""Single journals a second from 1, 2 and 8 clients: spread, on one hot account, on a striped one.

The peer is pgledger, the shortest ledger on PostgreSQL there is, in the same server and run; its
SQL is not ours to ship: COMMENDA_BENCH_PGLEDGER names the file. It keeps no idempotency keys, no
event's kind or actor and no check that a journal sums to zero. The floor is what any of it takes:
the same rows written by one statement of psycopg into tables without an index or a constraint.

Beside the rate stands the processor time of a journal, at the client and in the server: where other
work has the machine, rates say who was let run, and processor time still says what it costs.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import conninfo

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
"""All take turns, so that they see the same machine."""
STRIPES = 8
PEER = "COMMENDA_BENCH_PGLEDGER"
AIM = ">= 1.0 x"

Pick = Callable[[random.Random, str], tuple[int, int]]
"""Which two of a ledger's accounts, its wallets and then its stripes, a key's journal moves."""
LOADS: dict[str, Pick] = {
    "spread over 2,000 wallets": lambda rng, _: (
        (debit := rng.randrange(ACCOUNTS)),
        (debit + rng.randrange(1, ACCOUNTS)) % ACCOUNTS,
    ),
    "one hot account": lambda rng, _: (ACCOUNTS, rng.randrange(ACCOUNTS)),
    f"the hot account in {STRIPES} stripes": lambda rng, key: (
        ACCOUNTS + stripe_of("external", key) % STRIPES,
        rng.randrange(ACCOUNTS),
    ),
}


class Ledger(NamedTuple):
    """Where journals go: accounts, and what posts one from an account to another under a key."""

    name: str
    url: str
    accounts: Sequence[Any]
    post: Callable[[psycopg.Connection[Any], str, Any, Any], object]


class Round(NamedTuple):
    """Journals a second of all clients, and the processor's microseconds for one."""

    rate: float
    client: float
    server: float


def main() -> None:
    """Print journals a second of every load, beside the floor and the peer where it is given."""
    for durable in (False, True):
        _measure(durable)


def _measure(durable: bool) -> None:
    with fresh_database(durable=durable) as database:
        with database.transaction() as tx:
            investors = fund_investors(tx, [Decimal(1_000_000)] * ACCOUNTS)
            wallets = [
                AccountKey("wallet", Owner(OwnerKind.INVESTOR, one), ASSET) for one in investors
            ]
            external = AccountKey("external", Owner.platform(), ASSET)
            accounts = open_accounts(
                tx, wallets + [external._replace(stripe=n) for n in range(STRIPES)]
            )
        ledgers = [
            Ledger("commenda", database.app_url, accounts, _post),
            *_prepare_peer(database),
            _prepare_floor(database, accounts),
        ]
        vacuum(database)
        figures = [one for clients in CLIENTS for one in _figures(ledgers, clients)]
        with database.transaction() as tx:
            findings = list(verify(tx))
        show(
            f"clients: single journals of two entries, {durability(durable=durable)}",
            figures,
            "ratios: to pgledger under the same load (its hot account, for stripes); of processor"
            " time, how many of ours one of theirs is"
            if len(ledgers) > 2
            else f"no peer: {PEER} names no file with pgledger's SQL",
            f"medians of {ROUNDS} rounds; floor: the same rows into tables without constraints",
            f"verify: {'clean' if not findings else findings[:3]}",
            machine(database),
        )


def _figures(ledgers: Sequence[Ledger], clients: int) -> Iterator[Figure]:
    """Every load on every ledger that can bear it, in turns."""
    rounds: dict[tuple[str, str], list[Round]] = defaultdict(list)
    for _ in range(ROUNDS):
        for load, pick in LOADS.items():
            for one in ledgers:
                if one.name != "pgledger" or "stripes" not in load:
                    rounds[one.name, load].append(_round(one, clients, pick))
    for load in LOADS:
        theirs = rounds.get(("pgledger", load)) or rounds.get(("pgledger", "one hot account"))
        for one in ledgers:
            if (mine := rounds.get((one.name, load))) is None:
                continue
            rate, client, server = (median(column) for column in zip(*mine, strict=True))
            ratios, ours = ["", ""], one.name == "commenda"
            if theirs and one.name != "pgledger":
                peer, *processor = (median(column) for column in zip(*theirs, strict=True))
                ratios = [times(rate, peer), times(sum(processor), client + server)]
            name = f"{clients} clients, {load}" if ours else f"    {one.name}"
            among = spread([each.rate for each in mine])
            yield Figure(
                f"{name} ({among})", rate, "journals/s", ratios[0], AIM if ours and theirs else ""
            )
            yield Figure(
                f"        client {client:,.0f} + server {server:,.0f}",
                client + server,
                "µs of processor",
                ratios[1],
            )


def _post(connection: psycopg.Connection[Any], key: str, debit: int, credit: int) -> None:
    lines = [Line(debit, Decimal(-1)), Line(credit, Decimal(1))]
    # One statement is a transaction of its own, as the peer's is.
    post(connection, author(), Journal(key, "transfer", ids.derive(key), lines))


# --- The peer and the floor ------------------------------------------------------------------


def _prepare_peer(database: Database) -> list[Ledger]:
    """pgledger in a schema of its own, waiting for the disk where we do; none where not given."""
    file = os.environ.get(PEER)
    if not file:
        return []
    url = _apart(database, "peer")
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
    return [Ledger("pgledger", url, [str(row[0]) for row in rows], _transfer)]


def _transfer(connection: psycopg.Connection[Any], _key: str, debit: str, credit: str) -> None:
    connection.execute("SELECT pgledger_create_transfer(%s, %s, 1)", (debit, credit))


def _prepare_floor(database: Database, accounts: Sequence[int]) -> Ledger:
    """Our tables without indexes, constraints, partitions and triggers; an account has its key."""
    loops = " -c enable_seqscan=off -c enable_bitmapscan=off -c enable_hashjoin=off"
    url = _apart(database, "floor", loops + " -c enable_mergejoin=off")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(
            "CREATE TABLE accounts (LIKE public.accounts) WITH (fillfactor = 50);"
            "INSERT INTO accounts SELECT * FROM public.accounts;"
            "ALTER TABLE accounts ADD PRIMARY KEY (id);"
            "CREATE TABLE journals (LIKE public.journals);"
            "ALTER TABLE journals ALTER id ADD GENERATED ALWAYS AS IDENTITY,"
            " ALTER transaction_id SET DEFAULT pg_current_xact_id(), ALTER era SET DEFAULT 0;"
            "CREATE TABLE entries (LIKE public.entries)"
        )
    return Ledger("floor", url, accounts, _write)


def _write(connection: psycopg.Connection[Any], key: str, debit: int, credit: int) -> None:
    # In the order of their keys: none waits for another in a circle.
    (low, first), (high, second) = sorted(((debit, -1), (credit, 1)))
    connection.execute(
        "WITH journal AS (INSERT INTO journals (key, kind, actor, rule_version, correlation_id,"
        "   posted_at, effective_at, entry_count)"
        "  VALUES (%(key)s, 'transfer', 'bench', 'bench/1', %(id)s, %(now)s, %(now)s, 2)"
        "  RETURNING id),"
        " moved AS (UPDATE accounts a SET balance = a.balance + l.amount, version = a.version + 1,"
        "   last_posted_at = %(now)s"
        "  FROM (VALUES (%(low)s, %(first)s), (%(high)s, %(second)s)) AS l (id, amount)"
        "  WHERE a.id = l.id RETURNING a.id, a.version, a.asset, l.amount, a.balance)"
        " INSERT INTO entries SELECT journal.id, m.id, m.version, m.asset, m.amount,"
        "  m.balance - m.amount, m.balance FROM journal, moved m",
        {"key": key, "id": ids.derive(key), "now": START, "low": low, "high": high}
        | {"first": first, "second": second},
    )


def _apart(database: Database, schema: str, options: str = "") -> str:
    """A new schema of the same server, for who waits for the disk where we do."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(f"CREATE SCHEMA {schema}".encode())
    with psycopg.connect(database.app_url) as application:
        row = application.execute("SHOW synchronous_commit").fetchone()
    return conninfo.make_conninfo(
        database.owner_url,
        options=f"-c search_path={schema} -c jit=off{options}"
        f" -c synchronous_commit={row and row[0]}",
    )


# --- Clients ---------------------------------------------------------------------------------


def _round(ledger: Ledger, clients: int, pick: Pick) -> Round:
    """So many processes together."""
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(clients)
    answers = context.SimpleQueue()
    processes = [
        context.Process(target=_work, args=(ledger, pick, client, ready, answers))
        for client in range(clients)
    ]
    for process in processes:
        process.start()
    done, client, server = map(sum, zip(*(answers.get() for _ in processes), strict=True))
    for process in processes:
        process.join()
    return Round(done / SECONDS, client / done * 1e6, server / done * 1e6)


def _work(ledger: Ledger, pick: Pick, client: int, ready: Barrier, answers: Any) -> None:
    # Linux gives each session its share of a machine. Each backend has one of its own; clients that
    # had one together would wait for each other, and who does most at the client would seem slow.
    os.setsid()
    rng = random.Random(client)
    with psycopg.connect(ledger.url, autocommit=True) as connection:

        def step() -> None:
            key = f"{client}:{time.time_ns()}"
            debit, credit = pick(rng, key)
            ledger.post(connection, key, ledger.accounts[debit], ledger.accounts[credit])

        for _ in range(20):
            step()
        ready.wait()
        backend = connection.info.backend_pid
        here, there = time.process_time(), _processor_time(backend)
        number, until = 0, time.perf_counter() + SECONDS
        while time.perf_counter() < until:
            step()
            number += 1
        answers.put((number, time.process_time() - here, _processor_time(backend) - there))


def _processor_time(pid: int) -> float:
    """Seconds that a process has had; 0 where the system is not Linux."""
    file = Path(f"/proc/{pid}/schedstat")
    return int(file.read_text().split()[0]) / 1e9 if file.exists() else 0.0


if __name__ == "__main__":
    main()
