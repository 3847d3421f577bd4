"""Long work over HTTP: accepted, carried out by a worker, looked at, cancelled, never lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.kit import durable, outbox
from commenda.kit.db import Database
from commenda.market import import_file
from commenda.strategies import BACKTESTS, backtests_http, run_backtest_workflow
from people import SETTINGS, SignIn
from processes import until

NOW = datetime(2026, 1, 5, tzinfo=UTC)
URL, WORK = "/api/v1/backtests", "/api/v1/work"
RUN: dict[str, Any] = {
    "strategy": "sma_cross",
    "params": {"fast": 50, "slow": 200},
    "symbol": "BTCUSDT",
    "interval": "1m",
    "funding": False,
    "size": 1,
    "fee": 0.0005,
    "cash": 1_000_000,
}
GOLDEN = 991_729.307500
"""`acceptance.md`, part 3."""


@pytest.fixture
def client(db: Database, tmp_path: Path, market_data: Path) -> Iterator[TestClient]:
    with db.transaction() as tx:
        for name in ("1m", "funding"):
            import_file(tx, tmp_path, market_data / f"binance_usdm_BTCUSDT_{name}.parquet", NOW)
    durable.prepare(db.owner_url)
    settings = replace(SETTINGS, data=tmp_path)
    with TestClient(create_app(settings, db), raise_server_exceptions=False) as opened:
        yield opened


def asked(client: TestClient, who: dict[str, str], **changes: Any) -> Any:
    answer = client.post(URL, headers=who | {"Prefer": "respond-async"}, json=RUN | changes)
    assert answer.status_code == 202, answer.text
    return answer.json()


def looked_at(client: TestClient, who: dict[str, str], work: Any) -> Any:
    answer = client.get(f"{WORK}/{work['id']}", headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def launched(db: Database) -> durable.Durable:
    """A worker in this process; each run is in a child of it."""
    return durable.launch(db, (run_backtest_workflow(db),), (BACKTESTS,), sweep_seconds=0.2)


def carried_out(db: Database, *work: Any) -> None:
    with launched(db):
        named = [f"strategies.run_backtest:{one['id']}" for one in work]
        outbox.wait(db, *named, timeout=90)


def test_a_run_that_is_accepted_is_carried_out_and_found(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    who = sign_in("creator", "ann")
    accepted = asked(client, who)
    assert (accepted["state"], accepted["progress"], accepted["cancellable"]) == (
        "waiting",
        0,
        True,
    )
    assert (accepted["subject"], accepted["result"]) == ("sma_cross BTCUSDT 1m", None)
    carried_out(db, accepted)
    done = looked_at(client, who, accepted)
    assert (done["state"], done["progress"], done["cancellable"]) == ("complete", 1, False), done
    kept = client.get(f"{URL}/{done['result']}", headers=who).json()
    assert kept["metrics"]["finalEquity"] == pytest.approx(GOLDEN, abs=1e-6)
    # What is run at once is the same run.
    at_once = client.post(URL, headers=who, json=RUN)
    assert (at_once.status_code, at_once.json()["id"]) == (201, done["result"])


def test_a_long_run_is_accepted_and_so_is_any_while_another_is_answered(
    client: TestClient, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = sign_in("creator")
    with backtests_http._AT_ONCE:
        assert client.post(URL, headers=who, json=RUN).status_code == 202
    assert client.post(URL, headers=who, json=RUN).status_code == 201
    monkeypatch.setattr(backtests_http, "AT_ONCE", 43_198)  # the month has 43,199 closed bars
    assert client.post(URL, headers=who, json=RUN).status_code == 202


def test_a_key_stands_for_one_piece_of_work(client: TestClient, sign_in: SignIn) -> None:
    who = sign_in("creator") | {"Idempotency-Key": "one", "Prefer": "respond-async"}
    first, second = (client.post(URL, headers=who, json=RUN) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len(client.get(WORK, headers=sign_in("creator")).json()["items"]) == 1
    other = client.post(URL, headers=who, json=RUN | {"cash": 5})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_what_cannot_be_run_is_refused_before_it_is_accepted(
    client: TestClient, sign_in: SignIn
) -> None:
    who = sign_in("creator") | {"Prefer": "respond-async"}
    answer = client.post(URL, headers=who, json=RUN | {"params": {"fast": 300}})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_parameter")
    assert client.get(WORK, headers=sign_in("creator")).json()["items"] == []


def test_a_run_that_fails_tells_its_refusal(
    client: TestClient, sign_in: SignIn, db: Database, tmp_path: Path
) -> None:
    who = sign_in("creator")
    accepted = asked(client, who)
    for file in tmp_path.rglob("*.parquet"):
        file.unlink()
    carried_out(db, accepted)
    failed = looked_at(client, who, accepted)
    assert (failed["state"], failed["result"]) == ("failed", None)
    assert failed["refusal"]["code"] == "market_file_missing", failed
    assert failed["refusal"]["detail"]


def test_work_is_seen_by_whoever_asked_and_by_the_staff(
    client: TestClient, sign_in: SignIn
) -> None:
    mine, theirs = (asked(client, sign_in("creator", name)) for name in ("ann", "bob"))

    def listed(*who: str) -> list[str]:
        answer = client.get(WORK, headers=sign_in(*who), params={"under_way": True})
        return [one["id"] for one in answer.json()["items"]]

    assert listed("creator", "ann") == [mine["id"]]
    assert set(listed("auditor")) == {mine["id"], theirs["id"]}
    assert listed("investor") == []
    hidden = client.get(f"{WORK}/{theirs['id']}", headers=sign_in("creator", "ann"))
    assert (hidden.status_code, hidden.json()["code"]) == (404, "unknown_work")
    for who in (sign_in("creator", "ann"), sign_in("auditor")):
        answer = client.post(f"{WORK}/{theirs['id']}/cancel", headers=who)
        assert answer.status_code in (403, 404)
    answer = client.post(f"{WORK}/{theirs['id']}/cancel", headers=sign_in("operator"))
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


def test_what_is_cancelled_before_it_began_is_never_run(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    who = sign_in("creator")
    accepted = asked(client, who)
    for _ in range(2):  # a second time it stays as it is
        answer = client.post(f"{WORK}/{accepted['id']}/cancel", headers=who)
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    carried_out(db, accepted)
    assert looked_at(client, who, accepted)["state"] == "cancelled"
    assert client.get(URL, headers=who).json()["items"] == []
    logs = client.get(
        "/api/v1/audit/logs", headers=sign_in("auditor"), params={"kind": "work.cancelled"}
    )
    assert [one["kind"] for one in logs.json()["items"]] == ["work.cancelled"], logs.text


def children(worker: int | None = None) -> list[int]:
    """The processes in which a worker carries out runs; by default this process is the worker."""
    command = ["pgrep", "-P", str(worker or os.getpid()), "-f", "backtest carry-out"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return [int(one) for one in found.stdout.split()]


def test_what_is_cancelled_while_it_runs_is_ended(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    who = sign_in("creator")
    accepted = asked(client, who)
    with launched(db):
        until("it has a process", children, 60)
        (child,) = children()
        os.kill(child, signal.SIGSTOP)  # so that it does not end by itself meanwhile
        assert client.post(f"{WORK}/{accepted['id']}/cancel", headers=who).status_code == 200
        until("it is asked to end", lambda: _asked_to_end(child), 10)
        os.kill(child, signal.SIGCONT)
        outbox.wait(db, f"strategies.run_backtest:{accepted['id']}", timeout=30)
    assert children() == []
    assert looked_at(client, who, accepted)["state"] == "cancelled"
    assert client.get(URL, headers=who).json()["items"] == []


def _asked_to_end(process: int) -> bool:
    """Whether SIGTERM waits for it."""
    status = Path(f"/proc/{process}/status").read_text()
    pending = next(line for line in status.splitlines() if line.startswith("ShdPnd"))
    return bool(int(pending.split()[1], 16) & 1 << signal.SIGTERM - 1)


def test_a_run_whose_process_is_killed_is_marked_as_failed(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    who = sign_in("creator")
    accepted = asked(client, who)
    with launched(db):
        until("it has a process", children, 60)
        os.kill(children()[0], signal.SIGKILL)
        outbox.wait(db, f"strategies.run_backtest:{accepted['id']}", timeout=30)
    failed = looked_at(client, who, accepted)
    assert (failed["state"], failed["refusal"]["code"]) == ("failed", "run_ended")


WORKER = """
import time
from commenda.cli.options import open_database
from commenda.kit import durable
from commenda.strategies import BACKTESTS, run_backtest_workflow
with open_database() as db, durable.launch(db, (run_backtest_workflow(db),), (BACKTESTS,)):
    time.sleep(600)
"""


def test_a_run_whose_worker_is_killed_is_taken_up_by_the_next(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    who = sign_in("creator")
    accepted = asked(client, who)
    given = {**os.environ, "COMMENDA_DATABASE_URL": db.owner_url}
    worker, left_over = subprocess.Popen([sys.executable, "-c", WORKER], env=given), 0
    try:
        until("it has a process", lambda: children(worker.pid), 120)
        (left_over,) = children(worker.pid)
        os.kill(left_over, signal.SIGSTOP)  # or it would end by itself, which is as well
        worker.kill()
        assert looked_at(client, who, accepted)["state"] in ("waiting", "running")
        carried_out(db, accepted)
        done = looked_at(client, who, accepted)
        assert done["state"] == "complete", done
    finally:
        worker.kill()
        worker.wait()
        if left_over:
            os.kill(left_over, signal.SIGKILL)
    kept = client.get(f"{URL}/{done['result']}", headers=who).json()
    assert kept["metrics"]["finalEquity"] == pytest.approx(GOLDEN, abs=1e-6)


def test_the_clock_says_what_time_the_business_has(client: TestClient, sign_in: SignIn) -> None:
    said = client.get("/api/v1/clock", headers=sign_in("investor")).json()
    assert set(said) == {"now", "mode", "pace", "advancedAt", "wall"}
