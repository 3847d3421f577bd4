"""The demo trades at an exchange of its own, over the protocol, in processes that are killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from commenda.demo.exchange import ACCOUNT
from commenda.kit.db import Database
from commenda.settings import Settings
from extent import up_to
from processes import Process, answer, free_port, until

from .test_kills import one, process_of

FILLED = "SELECT count(*) FROM orders WHERE status = 'filled' AND venue = 'simulated:demo'"
KILLED = ("exchange", "worker") * up_to(1, 2)


def said(*command: str) -> str:
    told = subprocess.run(
        [sys.executable, "-m", "commenda", *command], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def test_a_demo_at_its_exchange_has_the_books_that_the_exchange_has(
    tmp_path: Path, seed: int
) -> None:
    data, port, draw = tmp_path / "data", free_port(), random.Random(seed)
    up = Process(
        tmp_path / "up.log", "up", "--demo", "--venue", "exchange", "--port", str(port),
        "--data", str(data), "--exchange-port", str(free_port()), "--pace", "100000",
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        until("it is ready", lambda: (answer(f"{address}/readyz") or {}).get("ready"), 180, up)
        with Database.open(Settings(data=data)) as database:
            until("orders are filled", lambda: one(database, FILLED) > 3, 240, up)
            for part in KILLED:
                time.sleep(draw.uniform(0.1, 3.0))
                if (victim := process_of(part, up, data)) is not None:
                    victim.kill()
                before = one(database, FILLED)
                until("it trades on", lambda: one(database, FILLED) > before, 180, up)  # noqa: B023
            for _ in range(5):  # an order may be on its way
                found = reconciled(up, data)
                if found["reconciled"]:
                    break
        assert found["reconciled"], found
        there = {line["subject"]: line["venue"] for line in found["lines"]}
        assert float(there[f"{ACCOUNT} USDT"]) > 100_000
        assert any(float(there[f"{ACCOUNT} {symbol}USDT"]) for symbol in ("BTC", "ETH", "SOL"))
        assert found["leftOut"] == []
    finally:
        assert up.stop(signal.SIGINT, within=60) == 0
    assert "clean" in said("verify", "--chain", "--data", str(data))
    assert "key-" not in (data / "logs" / "exchange.log").read_text()


def reconciled(up: Process, data: Path) -> dict[str, Any]:
    """Both books, while the worker holds still."""
    until("there is a worker", lambda: process_of("worker", up, data), 60, up)
    worker = process_of("worker", up, data)
    assert worker is not None
    worker.suspend()
    try:
        command = [sys.executable, "-m", "commenda", "reconcile", "--json", "--data", str(data)]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        worker.resume()
    found: dict[str, Any] = json.loads(told.stdout)
    return found
