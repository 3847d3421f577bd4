"""A client that carries out one script on the ledger, and what may befall it.

Run as a program, `ledger_client.py URL`, it reads lists of jobs, one JSON line each, carries those
of a list out at the same time in processes of their own, and answers with their exit codes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from auditor import Account, Auditor, Event, Group
from book import AUTHOR, NOW
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.idempotency import once
from commenda.ledger import (
    AccountKey,
    Hold,
    Journal,
    Line,
    Owner,
    OwnerKind,
    close_period,
    finish_batch,
    move_on_batch,
    note_balances,
    open_accounts,
    place_holds,
    post,
    post_batch,
    reverse,
    take_up_batch,
    void_holds,
)

# --- The script, for the ledger and for the auditor ------------------------------------------

WALLETS = 12
Operation = tuple[str, Any]


def script(rows: int) -> list[Operation]:
    """Amounts in cents; account 0 is outside, the others are wallets. What is refused here is
    refused whenever it is tried."""
    deposits = [
        Event(f"deposit-{n}", [(0, -100_000 * n), (n, 100_000 * n)]) for n in range(1, WALLETS + 1)
    ]
    payouts = [
        Event(f"payout-{n}", [(1 + n % WALLETS, -n % 97 - 1), (1 + n * 7 % WALLETS, n % 97 + 1)])
        if n % 50
        else Event(f"payout-{n}", [(1 + n % WALLETS, -(10**9)), (0, 10**9)])
        for n in range(rows)
    ]
    payouts = [
        event._replace(lines=[(giver, -amount), (taker, amount)])
        for event in payouts
        for (giver, _), (taker, amount) in [event.lines]
    ]
    return [
        ("post", deposits),
        ("post", [Event("transfer", [(1, -5_000), (2, 5_000)])]),
        ("place", [("kept", Group({1: 30_000, 2: 10_000}, None))]),
        ("place", [("freed", Group({3: 300_000}, None)), ("never", Group({3: 10**9}, None))]),
        ("post", [Event("capture", [(1, -20_000), (3, 20_000)], captures="kept")]),
        ("void", ["freed"]),
        ("post", payouts),
        ("reverse", "transfer"),
        ("close", -60),
        ("note", None),
    ]


def expected(rows: int) -> tuple[Auditor, list[Any]]:
    """What an auditor makes of the script, and of each operation."""
    auditor = Auditor([Account(), *(Account(floored=True) for _ in range(WALLETS))])
    return auditor, [_judged(auditor, *operation) for operation in script(rows)]


def _judged(auditor: Auditor, name: str, what: Any) -> Any:
    match name:
        case "post":
            return [one.outcome for one in auditor.post(0, what)]
        case "place":
            return [one.outcome for one in auditor.place(0, what)]
        case "void":
            return sorted(auditor.void(what))
        case "reverse":
            return auditor.reverse(0, what).outcome
    return None  # the books of all are closed and noted by whoever is first


# --- What befalls it -------------------------------------------------------------------------


@dataclass
class Fault:
    """At the statement of this number, counted from 1, before it is sent or once it is."""

    at: int = 0
    sent: bool = False
    kills: str = "client"
    """or `backend`, by its own server; or `server`, by kill -9 of the backend"""


Statement = Generator[Any, Any, Any]


class Connection(psycopg.Connection[TupleRow]):
    """A connection that comes by every statement boundary."""

    boundary: Callable[[Connection, Statement], Statement] = lambda _, statement: statement

    def wait(self, gen: Statement, *args: Any, **more: Any) -> Any:
        return super().wait(self.boundary(self, gen), *args, **more)


def resumed(statement: Statement, waits_for: Any) -> Statement:
    """A statement that was begun, from where it waits."""
    while True:
        ready = yield waits_for
        try:
            waits_for = statement.send(ready)
        except StopIteration as ended:
            return ended.value


class Client:
    """Carries a script out under a prefix of its own; connects again and repeats what broke."""

    def __init__(self, url: str, prefix: str, fault: Fault | None = None) -> None:
        self.url, self.prefix, self.fault = url, prefix, fault or Fault()
        self.statements = 0
        self.repeated = 0
        self.connection: Connection | None = None

    def carry_out(self, rows: int, *, recorded: bool = False) -> list[Any]:
        """What came of each operation. With `recorded`, each has a key under which its outcome
        is kept; without, the journals' and the holds' own keys must do."""
        accounts = self._repeat(self.open)
        results = []
        for number, (name, what) in enumerate(script(rows)):

            def act(tx: Tx, name: str = name, what: Any = what) -> dict[str, Any]:
                return {"outcome": self._perform(tx, accounts, name, what)}

            def act_once(tx: Tx, act: Any = act, number: int = number) -> dict[str, Any]:
                key = str(number)
                return once(tx, "script", self.prefix, key, key, NOW, lambda: act(tx))[0]

            results.append(self._repeat(act_once if recorded else act)["outcome"])
        return results

    def carry_on(self, rows: int, chunk: int) -> None:
        """Pay 1 for each row, in a batch that several carry on. The journals' keys are this
        process's own: a row that is done twice is paid twice."""
        accounts = self._repeat(self.open)

        def one_chunk(tx: Tx) -> bool:
            batch = take_up_batch(tx, self.prefix, "test", NOW)
            if batch.finished_at is not None:
                return False
            done = range(batch.cursor + 1, min(batch.cursor + chunk, rows) + 1)
            if not done:
                finish_batch(tx, self.prefix, NOW)
                return False
            lines = [Line(accounts[1 + row % WALLETS], Decimal(1)) for row in done]
            lines.append(Line(accounts[0], -Decimal(len(done))))
            key = f"{self.prefix}/{os.getpid()}/{self.statements}"
            journal = Journal(key, "test", ids.derive("test", key), lines)
            post(tx, AUTHOR, journal)
            move_on_batch(tx, self.prefix, done[-1], len(done), Decimal(len(done)))
            return True

        while self._repeat(one_chunk):
            pass

    def _repeat(self, act: Callable[[Tx], Any]) -> Any:
        """In one transaction, again on another connection until it is acknowledged."""
        while True:
            try:
                with self._transaction() as tx:
                    result = act(tx)
                return result
            except psycopg.OperationalError:
                self.repeated += 1
                self.connection = None

    @contextmanager
    def _transaction(self) -> Iterator[Tx]:
        deadline = time.monotonic() + 60
        while self.connection is None:
            try:
                self.connection = Connection.connect(self.url, autocommit=True)
            except psycopg.OperationalError:  # it recovers
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self.connection.boundary = self._boundary  # type: ignore[assignment]
        with self.connection.transaction():
            yield self.connection

    def _boundary(self, connection: Connection, statement: Statement) -> Statement:
        self.statements += 1
        if self.statements != self.fault.at:
            return statement
        if self.fault.sent:
            statement = resumed(statement, next(statement))
        if self.fault.kills == "client":
            os.kill(os.getpid(), signal.SIGKILL)
        pid = connection.info.backend_pid
        if self.fault.kills == "server":
            os.kill(pid, signal.SIGKILL)
        else:
            with psycopg.connect(self.url) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        return statement

    # --- What it does ------------------------------------------------------------------------

    def open(self, tx: Tx) -> list[int]:
        outside = Owner(OwnerKind.PLATFORM, ids.derive("outside", self.prefix))
        people = [
            Owner(OwnerKind.INVESTOR, ids.derive("person", self.prefix, n)) for n in range(WALLETS)
        ]
        keys = [AccountKey("external", outside, "USDT")]
        return open_accounts(tx, keys + [AccountKey("wallet", one, "USDT") for one in people])

    def _perform(self, tx: Tx, accounts: Sequence[int], name: str, what: Any) -> Any:
        match name:
            case "post":
                journals = [self._journal(accounts, event) for event in what]
                return [str(one.outcome) for one in post_batch(tx, AUTHOR, journals)]
            case "place":
                holds = [
                    self._hold(key, accounts[n], cents)
                    for key, group in what
                    for n, cents in group.amounts.items()
                ]
                return [str(one.outcome) for one in place_holds(tx, AUTHOR, holds)]
            case "void":
                freed = void_holds(tx, AUTHOR, [self._key(key) for key in what])
                return sorted(key.removeprefix(self._key("")) for key in freed)
            case "reverse":
                row = tx.execute(
                    "SELECT id FROM journals WHERE key = %s", (self._key(what),)
                ).fetchone()
                assert row is not None
                return str(reverse(tx, AUTHOR, row[0]).outcome)
            case "close":
                close_period(tx, AUTHOR, NOW + timedelta(minutes=what))
            case "note":
                note_balances(tx)
        return None

    def _key(self, key: str) -> str:
        return f"{self.prefix}/{key}"

    def _journal(self, accounts: Sequence[int], event: Event) -> Journal:
        lines = [Line(accounts[n], Decimal(cents) / 100) for n, cents in event.lines]
        captures = None if event.captures is None else self._key(event.captures)
        correlation = ids.derive("test", event.key)
        return Journal(self._key(event.key), "test", correlation, lines, captures=captures)

    def _hold(self, key: str, account: int, cents: int) -> Hold:
        correlation = ids.derive("test", key)
        return Hold(self._key(key), account, Decimal(cents) / 100, "test", correlation)


# --- Processes -------------------------------------------------------------------------------


def main(url: str) -> None:
    for line in sys.stdin:
        children = [_start(url, job) for job in json.loads(line)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), flush=True)


def _start(url: str, job: dict[str, Any]) -> int:
    child = os.fork()  # the imports are done: a client starts in no time
    if child:
        return child
    code = 1
    try:
        fault = Fault(job.get("at", 0), job.get("sent", False), job.get("kills", "client"))
        client = Client(url, job["prefix"], fault)
        if "chunk" in job:
            client.carry_on(job["rows"], job["chunk"])
        else:
            client.carry_out(job["rows"])
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
