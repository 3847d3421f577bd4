"""The ledger under kill -9, lost acknowledgements and repetition: nothing twice, nothing lost.

A client carries out a script and is killed, or its backend, or its server, at every boundary
between two statements; the acknowledgement of its commit is lost; another does the same beside it.
What it leaves is what an auditor in plain Python makes of the script.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg import conninfo

import ledger_client
from commenda.audit import run_checks
from commenda.kit.db import Database
from commenda.ledger import CHECKS, balances
from commenda.settings import Settings
from extent import ALL, sampled
from ledger_client import WALLETS, Client, Fault, expected

KILLED = -9
FEW, MANY = 60, 2000
"""Journals of the script's batch."""

Jobs = Callable[..., list[int]]


def clients(url: str) -> Iterator[Jobs]:
    """Carries out jobs at the same time, each in a process of its own; their exit codes."""
    process = subprocess.Popen(
        [sys.executable, str(Path(ledger_client.__file__)), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout

    def carry_out(*jobs: dict[str, Any]) -> list[int]:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(jobs) + "\n")
        process.stdin.flush()
        return list(json.loads(process.stdout.readline()))

    with process:
        yield carry_out
        process.stdin.close()


@pytest.fixture
def run(db: Database) -> Iterator[Jobs]:
    yield from clients(db.app_url)


@pytest.fixture
def statements(db: Database) -> int:
    """How many statements the script takes when nothing happens to it."""
    client = Client(db.app_url, "undisturbed")
    told = client.carry_out(FEW)
    _, judged = expected(FEW)
    assert told == judged
    assert_done(db, "undisturbed", FEW)
    return client.statements


def assert_done(database: Database, prefix: str, rows: int) -> None:
    """All of the script under this prefix, and nothing else."""
    auditor, _ = expected(rows)
    with database.transaction() as tx:
        accounts = Client(database.app_url, prefix).open(tx)
        found = tx.execute(
            "SELECT balance * 100, held * 100, version FROM accounts WHERE id = ANY (%s)"
            " ORDER BY array_position(%s, id)",
            (accounts, accounts),
        ).fetchall()
        journals = tx.execute(
            "SELECT key FROM journals WHERE key LIKE %s", (f"{prefix}/%",)
        ).fetchall()
        journals += tx.execute(
            "SELECT key FROM journals WHERE key LIKE %s", (f"reverse:{prefix}/%",)
        ).fetchall()
        holds = tx.execute(
            "SELECT split_part(group_key, '/', 2), status, captured * 100 FROM holds"
            " WHERE group_key LIKE %s",
            (f"{prefix}/%",),
        ).fetchall()
    assert found == [(one.balance, one.held, len(one.entries)) for one in auditor.accounts]
    assert sorted(key.replace(f"{prefix}/", "") for (key,) in journals) == sorted(auditor.journals)
    assert sorted(holds) == sorted(
        (key, group.status, dict(group.captured).get(account, 0))
        for key, group in auditor.groups.items()
        for account in group.amounts
    )


def assert_sound(database: Database) -> None:
    with database.transaction() as tx:
        assert [str(finding) for finding in run_checks(tx, CHECKS)] == []


# --- Killed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "once it is sent"])
def test_a_client_is_killed_at_every_statement_and_another_starts_from_the_beginning(
    db: Database, run: Jobs, statements: int, sent: bool, seed: int
) -> None:
    points = sampled(range(1, statements + 1), 8, seed + sent)
    for at in points:
        prefix = f"killed-{at}"
        assert run({"prefix": prefix, "rows": FEW, "at": at, "sent": sent}) == [KILLED]
        assert run({"prefix": prefix, "rows": FEW}) == [0]
        assert_done(db, prefix, FEW)
    assert_sound(db)
    print(f"{len(points)} kill points of {statements}")


@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "once it is sent"])
def test_a_client_whose_backend_is_killed_at_any_statement_goes_on_with_another(
    db: Database, statements: int, sent: bool, seed: int
) -> None:
    points = sampled(range(1, statements + 1), 8, seed + sent)
    for at in points:
        client = Client(db.app_url, f"cut-{at}", Fault(at, sent, "backend"))
        client.carry_out(FEW)
        # The last commit may have been answered before its backend died.
        assert client.repeated == 1 or (sent and at == statements)
        assert_done(db, client.prefix, FEW)
    assert_sound(db)
    print(f"{len(points)} kill points of {statements}")


def test_a_client_is_killed_inside_a_batch_of_two_thousand(db: Database, run: Jobs) -> None:
    """At its beginning, its statement and its commit; before and after each is sent."""
    batch = _statement_of_the_batch(db)
    for at in range(batch - 1, batch + 2):
        for sent in (False, True):
            prefix = f"many-{at}-{sent}"
            assert run({"prefix": prefix, "rows": MANY, "at": at, "sent": sent}) == [KILLED]
            assert run({"prefix": prefix, "rows": MANY}) == [0]
            assert_done(db, prefix, MANY)
    assert_sound(db)


def _statement_of_the_batch(database: Database) -> int:
    """Opening takes five statements, what comes before the payouts three each."""
    before = next(
        n for n, (_, what) in enumerate(ledger_client.script(FEW)) if what and len(what) == FEW
    )
    return 5 + 3 * before + 2


def test_a_server_whose_backend_is_killed_recovers_and_has_all_that_it_acknowledged(
    tmp_path: Path, seed: int
) -> None:
    """kill -9 of one backend: PostgreSQL throws out everybody and replays its log."""
    with Database.open(Settings(data=tmp_path, pool_size=2)) as database:
        batch = _statement_of_the_batch(database)
        points = ((batch, True), (batch + 1, True), (batch + 2, False))
        for at, sent in points if ALL else [points[seed % 3]]:
            client = Client(database.app_url, f"crash-{at}", Fault(at, sent, "server"))
            client.carry_out(MANY)
            assert client.repeated >= 1
            assert_done(database, client.prefix, MANY)
        assert_sound(database)


# --- Lost acknowledgements -------------------------------------------------------------------


class Proxy:
    """Stands between client and server, and loses of every three commits the answer to the first
    and the second as a whole."""

    def __init__(self, url: str) -> None:
        self.target = conninfo.conninfo_to_dict(url)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = conninfo.make_conninfo(
            url,
            host="127.0.0.1",
            port=self.listener.getsockname()[1],
            sslmode="disable",
            gssencmode="disable",
        )
        self.commits = 0
        self.lost: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _server(self) -> socket.socket:
        host, port = str(self.target.get("host", "")), int(self.target.get("port", 5432))
        if not host.startswith("/"):
            return socket.create_connection((host or "localhost", port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _serve(self, client: socket.socket) -> None:
        with client, self._server() as server:
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()
            while data := client.recv(1 << 16):
                if data[:1] == b"Q" and data[5:] == b"COMMIT\0":
                    self.commits += 1
                    if self.commits % 3 == 1:
                        self.deaf = True
                        self.lost.append("answer")
                    elif self.commits % 3 == 2:
                        self.lost.append("commit")
                        break
                server.sendall(data)
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
                server.shutdown(socket.SHUT_RDWR)

    deaf = False

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if self.deaf:
                    assert b"COMMIT\0" in data
                    self.deaf = False
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("recorded", [True, False], ids=["with a key of its own", "without"])
def test_what_was_committed_and_not_acknowledged_is_found_done(
    db: Database, recorded: bool
) -> None:
    proxy = Proxy(db.app_url)
    client = Client(proxy.url, "lost")
    told = client.carry_out(FEW, recorded=recorded)
    proxy.listener.close()
    assert client.repeated == len(proxy.lost)
    assert proxy.lost.count("answer") > 4
    assert proxy.lost.count("commit") > 4
    if recorded:  # the answer that was lost is the one that is given
        assert told == expected(FEW)[1]
    assert_done(db, "lost", FEW)
    assert_sound(db)


# --- At the same time ------------------------------------------------------------------------


def test_two_clients_that_carry_out_one_script_at_the_same_time_do_it_once(
    db: Database, run: Jobs
) -> None:
    for n, rows in enumerate((FEW, FEW, FEW, MANY)):
        prefix = f"both-{n}"
        assert run(*[{"prefix": prefix, "rows": rows}] * 2) == [0, 0]
        assert_done(db, prefix, rows)
    assert_sound(db)


def test_two_processes_carry_on_one_batch_while_they_are_killed_and_do_each_row_once(
    db: Database, run: Jobs, seed: int
) -> None:
    rng = random.Random(seed)
    rows, kills = 6000, 0
    codes = [KILLED]
    while KILLED in codes:
        jobs = [
            {"prefix": "one", "rows": rows, "chunk": 100}
            | {"at": rng.randint(1, 60), "sent": rng.random() < 0.5}
            for _ in range(2)
        ]
        codes = run(*jobs)
        assert set(codes) <= {0, KILLED}
        kills += codes.count(KILLED)
    with db.transaction() as tx:
        accounts = Client(db.app_url, "one").open(tx)
        found = balances(tx, accounts)
        done = tx.execute("SELECT cursor, rows_done, amount FROM posting_batches").fetchall()
    paid = [sum(1 for row in range(1, rows + 1) if row % WALLETS == n) for n in range(WALLETS)]
    assert [found[one] for one in accounts] == [-rows, *paid]
    assert done == [(rows, rows, Decimal(rows))]
    assert kills >= 5
    assert_sound(db)
