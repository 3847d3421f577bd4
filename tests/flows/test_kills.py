"""kill -9 of the worker, the API and PostgreSQL, at random, while the demo runs and people pay in.

A few kills in `make test`, a hundred in `make test-all` (a quarter of an hour), drawn by the seed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import psutil

from commenda.audit import seal
from commenda.demo.sign_ins import PASSWORD
from commenda.kit import outbox
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.operations import CHAINS
from commenda.settings import Settings
from extent import up_to
from processes import Process, answer, free_port, until

KILLS = up_to(4, 100)
REST = 10
"""After so many kills somebody is let pay in: what is killed often waits for half a minute, and on
a busy machine nothing would be acknowledged in between, of which something could be lost."""
PACE = "20000"
PARTS = ("worker", "worker", "api", "api", "postmaster")  # the first two rest after each kill


class Payer:
    """Pays in 1 USDT again and again, each under a key of its own, until it is acknowledged."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.acknowledged = 0
        self.repeated = 0
        self._stopping = Event()
        self._thread = Thread(target=self._pay, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(60)

    def _pay(self) -> None:
        token = ""
        while not self._stopping.is_set():
            order = {"direction": "deposit", "amount": "1", "asset": "USDT"}
            key = f"kill-{self.acknowledged}"
            try:
                self._post("participation/funding", order, token, key)
                self.acknowledged += 1
            except urllib.error.HTTPError as error:
                if error.code == 401:
                    with suppress(OSError):
                        token = self._sign_in()
                self.repeated += 1
            except OSError:
                self.repeated += 1
            self._stopping.wait(0.2)

    def _sign_in(self) -> str:
        said = self._post("auth/login", {"username": "demo-investor", "password": PASSWORD}, "", "")
        return str(json.loads(said)["accessToken"])

    def _post(self, path: str, body: object, token: str, key: str) -> bytes:
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Idempotency-Key": key} if key else {}
        request = urllib.request.Request(
            f"{self.address}/api/v1/{path}", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=10) as got:
            return bytes(got.read())


def process_of(part: str, up: Process, data: Path) -> psutil.Process | None:
    """The living process of a part; None while it is being started again."""
    with suppress(psutil.Error, OSError, ValueError, IndexError):
        if part == "postmaster":
            pid = int((data / "postgres" / "postmaster.pid").read_text().split()[0])
            found = psutil.Process(pid)
            return found if "postgres" in found.name() else None
        for child in psutil.Process(up.pid).children():
            # One that has ended and is not looked at yet has no command line.
            if child.status() != psutil.STATUS_ZOMBIE and part in child.cmdline():
                return child
    return None


def test_nothing_is_lost_or_done_twice_however_often_everything_is_killed(
    tmp_path: Path, seed: int
) -> None:
    data, port = tmp_path / "data", free_port()
    address = f"http://127.0.0.1:{port}"
    arguments = ("up", "--demo", "--port", str(port), "--data", str(data), "--pace", PACE)
    up = Process(tmp_path / "up.log", *arguments)
    draw = random.Random(seed)
    killed: Counter[str] = Counter()
    settings = Settings(data=data)

    def ready() -> bool:
        return bool((answer(f"{address}/readyz") or {}).get("ready"))

    try:
        until("the demo is ready", ready, 180, up)
        payer = Payer(address)
        while killed.total() < KILLS:
            time.sleep(draw.uniform(0.2, 5.0))
            part = draw.choice(PARTS)
            victim = process_of(part, up, data)
            if victim is not None:
                with suppress(psutil.NoSuchProcess):
                    victim.kill()
                    killed[part] += 1
                    if killed.total() % REST == 0:
                        before = payer.acknowledged
                        until("somebody pays in", lambda: payer.acknowledged > before, 180, up)  # noqa: B023
            assert up.running, up.written()[-4000:]
        until("it is ready again", ready, 120, up)
        before = payer.acknowledged
        until("people pay in again", lambda: payer.acknowledged > before, 60, up)
        payer.stop()
        with Database.open(settings) as database:
            settled = "SELECT count(*) FROM managed_subscriptions WHERE status = 'SETTLED'"
            done = one(database, settled)
            until("it goes on afterwards", lambda: one(database, settled) > done, 120, up)
    finally:
        code = up.stop(signal.SIGINT, within=60)
    assert code == 0
    with Database.open(settings) as database:
        finish(up, tmp_path, database, arguments)
        print(
            f"seed {seed}: {dict(killed)}; {payer.acknowledged} paid in, {payer.repeated} repeats"
        )
        paid = "FROM funding_requests r JOIN users u ON u.id = r.user_id WHERE username = %s"
        paid += " AND r.amount = 1"  # but for the demo's own deposit
        assert one(database, f"SELECT count(*) {paid}", "demo-investor") == payer.acknowledged
        assert one(database, f"SELECT coalesce(sum(amount), 0) {paid}", "demo-investor") == (
            payer.acknowledged
        )
        with database.transaction() as tx:
            assert outbox.failures(tx) == []
        for chain in CHAINS:
            key = Keys.of(settings).derive(chain.purpose)
            more = True
            while more:
                with database.transaction() as tx:
                    more = seal(tx, key, chain=chain).rows > 0
    for command in (["verify", "--chain"], ["reconcile"]):
        said = subprocess.run(
            [sys.executable, "-m", "commenda", *command, "--data", str(data)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COMMENDA_DEMO": "true"},
        )
        assert said.returncode == 0, said.stdout + said.stderr


def finish(up: Process, folder: Path, database: Database, arguments: tuple[str, ...]) -> None:
    """Let what was cut short be done: the demo runs until no signal waits."""
    waiting = "SELECT count(*) FROM trading_signals WHERE status <> 'processed'"
    if not one(database, waiting):
        return
    again = Process(folder / "again.log", *arguments)
    try:
        until("every signal is copied", lambda: not one(database, waiting), 120, again)
    finally:
        assert again.stop(signal.SIGINT, within=60) == 0


def one(database: Database, query: str, *values: object) -> int:
    with database.transaction() as tx:
        row = tx.execute(query, values).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return int(row[0])
