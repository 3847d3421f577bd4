"""The optimiser over HTTP: asked for, run by a worker in a process of its own, seen by whom."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.kit import clock, durable, outbox
from commenda.kit.db import Database
from commenda.market import import_file
from commenda.studies import STUDIES, run_study_workflow
from commenda.studies.jobs import workflow_of
from people import SETTINGS, SignIn

NOW = datetime(2026, 1, 5, tzinfo=UTC)
RUN, STUDIES_URL = "/api/v1/optimizer/run", "/api/v1/optimizer/studies"
ASKED: dict[str, Any] = {
    "strategy": "ema_trend",
    "space": {"fast": "5:50", "slow": "20:200:10"},
    "params": {"stop": 0},
    "symbol": "BTCUSDT",
    "interval": "1h",
    "funding": False,
    "trials": 24,
    "walkForward": {"kind": "rolling", "folds": 3, "embargo": 5},
    "seed": 4,
}


@pytest.fixture
def client(db: Database, tmp_path: Path) -> Iterator[TestClient]:
    """The application over a data directory with 1,500 imported hours of a random walk."""
    moves = np.random.default_rng(1).normal(0.0, 0.01, 1_500)
    close = np.round(50_000.0 * np.exp(np.cumsum(moves)), 1)
    opening = np.concatenate(([50_000.0], close[:-1]))
    file = tmp_path / "binance_usdm_BTCUSDT_1h.parquet"
    pl.DataFrame(
        {
            "ts": [NOW - timedelta(hours=1_600 - hour) for hour in range(1_500)],
            "open": opening,
            "high": np.maximum(opening, close),
            "low": np.minimum(opening, close),
            "close": close,
            "volume": np.full(1_500, 1e3),
        }
    ).write_parquet(file)
    home = tmp_path / "home"
    home.mkdir()
    with db.transaction() as tx:
        import_file(tx, home, file, NOW)
    durable.prepare(db.owner_url)
    settings = replace(SETTINGS, data=home)
    with TestClient(create_app(settings, db), raise_server_exceptions=False) as opened:
        yield opened


def asked(client: TestClient, headers: dict[str, str], **changes: Any) -> Any:
    answer = client.post(RUN, headers=headers, json=ASKED | changes)
    assert answer.status_code == 202, answer.text
    return answer.json()


def work(db: Database, study: str) -> None:
    """A worker in this process, until the study is done; the study runs in a child of it."""
    with durable.launch(db, (run_study_workflow(db),), (STUDIES,), sweep_seconds=0.2):
        outbox.wait(db, workflow_of(UUID(study)), timeout=90)


def test_a_study_is_run_by_a_worker_and_its_result_looked_up(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    who = sign_in("creator")
    begun = asked(client, who)
    url = f"{STUDIES_URL}/{begun['id']}"
    assert (begun["state"], begun["ran"], begun["verdict"]) == ("running", 0, None)
    early = client.get(f"{url}/result", headers=who)
    assert (early.status_code, early.json()["code"]) == (409, "study_not_finished")
    work(db, begun["id"])
    done = client.get(url, headers=who).json()
    assert (done["state"], done["ran"]) == ("complete", 24), done
    assert done["verdict"] in ("promote", "doubtful", "overfit")
    result = client.get(f"{url}/result", headers=who).json()
    assert result["best"]["params"] == done["best"]
    assert result["best"]["params"]["stop"] == 0
    assert len(result["walked"]) == 3
    assert [(one["x"], one["y"]) for one in result["heatMaps"]] == [("fast", "slow")]
    report = client.get(f"{url}/report", headers=who).json()
    assert (report["study"], report["result"]) == (done, result)
    assert report["inputs"]["space"] == ASKED["space"]
    assert [one["number"] for one in report["trials"]] == list(range(report["tried"]))
    best = report["trials"][result["best"]["number"]]
    for side in ("trainSharpe", "testSharpe"):
        mean = sum(fold[side] or 0.0 for fold in result["best"]["folds"]) / 3
        assert result["best"][side] == best[side] == pytest.approx(mean)
    against = [one["says"] for one in result["findings"] if one["grade"] != "promote"]
    assert result["reasons"] == against or not against
    # Every trial once, over pages.
    numbers: list[int] = []
    cursor: str | None = None
    while True:
        params = {"limit": 10} | ({"cursor": cursor} if cursor else {})
        part = client.get(f"{url}/trials", headers=who, params=params).json()
        numbers += [one["number"] for one in part["items"]]
        cursor = part["nextCursor"]
        if cursor is None:
            break
    assert numbers == list(range(24 + done["refused"]))


def test_a_study_begins_and_ends_by_the_business_clock(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    """Not at the wall time of the process that it runs in, which a demo is months away from."""
    who = sign_in("creator")
    with db.transaction() as tx:
        clock.advance(tx, NOW)
    begun = asked(client, who, trials=8)
    with db.transaction() as tx:
        clock.advance(tx, NOW + timedelta(hours=2))
    work(db, begun["id"])
    done = client.get(f"{STUDIES_URL}/{begun['id']}", headers=who).json()
    assert done["state"] == "complete"
    times = (done["createdAt"], done["finishedAt"])
    assert times == ("2026-01-05T00:00:00Z", "2026-01-05T02:00:00Z")


def test_creators_see_their_own_and_the_staff_sees_all(client: TestClient, sign_in: SignIn) -> None:
    one = asked(client, sign_in("creator", "ann"))
    other = asked(client, sign_in("creator", "bob"), seed=5)
    listed = client.get(STUDIES_URL, headers=sign_in("creator", "ann")).json()["items"]
    assert [each["id"] for each in listed] == [one["id"]]
    for path in ("", "/trials", "/result", "/report"):
        hidden = client.get(f"{STUDIES_URL}/{other['id']}{path}", headers=sign_in("creator", "ann"))
        assert (hidden.status_code, hidden.json()["code"]) == (404, "unknown_study")
    hidden = client.post(f"{STUDIES_URL}/{other['id']}/cancel", headers=sign_in("creator", "ann"))
    assert hidden.status_code == 404
    pages = [client.get(STUDIES_URL, headers=sign_in("operator"), params={"limit": 1}).json()]
    while pages[-1]["nextCursor"]:
        params = {"limit": 1, "cursor": pages[-1]["nextCursor"]}
        pages.append(client.get(STUDIES_URL, headers=sign_in("operator"), params=params).json())
    assert {each["id"] for page in pages for each in page["items"]} == {one["id"], other["id"]}
    assert client.get(STUDIES_URL, headers=sign_in("investor")).status_code == 403


def test_who_only_watches_asks_for_no_study_and_cancels_none(
    client: TestClient, sign_in: SignIn
) -> None:
    """Auditors and risk officers see everything and change nothing; operators run things."""
    begun = asked(client, sign_in("creator"))
    url = f"{STUDIES_URL}/{begun['id']}"
    for role in ("auditor", "risk"):
        assert client.get(url, headers=sign_in(role)).status_code == 200
        for path, body in ((RUN, ASKED), (f"{url}/cancel", None)):
            refused = client.post(path, headers=sign_in(role), json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    assert asked(client, sign_in("operator"))["state"] == "running"
    cancelled = client.post(f"{url}/cancel", headers=sign_in("operator"))
    assert cancelled.json()["state"] == "cancelled"


def test_a_study_is_cancelled_once_for_each_key_and_is_in_the_audit(
    client: TestClient, sign_in: SignIn
) -> None:
    who = sign_in("creator")
    url = f"{STUDIES_URL}/{asked(client, who)['id']}"
    answers = [
        client.post(f"{url}/cancel", headers=who | {"Idempotency-Key": "one"}) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert client.post(f"{url}/cancel", headers=who).status_code == 200  # it has ended
    query = {"subject": url.rsplit("/", 1)[1]}
    events = client.get("/api/v1/audit/logs", params=query, headers=sign_in("auditor")).json()
    (event,) = [one for one in events["items"] if one["kind"] == "work.cancelled"]
    assert (event["details"], event["actor"].split(":")[0]) == ({"kind": "study"}, "creator")


def test_a_cancelled_study_is_not_run(client: TestClient, sign_in: SignIn, db: Database) -> None:
    who = sign_in("creator")
    begun = asked(client, who)
    cancelled = client.post(f"{STUDIES_URL}/{begun['id']}/cancel", headers=who).json()
    assert cancelled["state"] == "cancelled"
    work(db, begun["id"])
    after = client.get(f"{STUDIES_URL}/{begun['id']}", headers=who).json()
    assert (after["state"], after["ran"]) == ("cancelled", 0)
    again = client.post(f"{STUDIES_URL}/{begun['id']}/cancel", headers=who)
    assert (again.status_code, again.json()) == (200, after)


WORKER = """
import sys, time
from uuid import UUID
from commenda.cli.options import open_database
from commenda.kit import durable, outbox
from commenda.studies import STUDIES, count_trials, run_study_workflow
with open_database() as db:
    worker = durable.launch(db, (run_study_workflow(db),), (STUDIES,))
    found = 0
    while not found:
        time.sleep(0.1)
        with db.transaction() as tx:
            found = count_trials(tx, UUID(sys.argv[1])).get("complete", 0)
    worker.stop(timeout=1)
"""


def test_a_worker_that_stops_takes_its_study_along_and_leaves_it_to_the_next(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    who = sign_in("creator")
    begun = asked(client, who, space={"fast": "2:90", "slow": "100:300"}, trials=20_000)
    url = f"{STUDIES_URL}/{begun['id']}"
    given = {**os.environ, "COMMENDA_DATABASE_URL": db.owner_url}
    command = [sys.executable, "-c", WORKER, begun["id"]]
    subprocess.run(command, env=given, check=True, timeout=60, capture_output=True)
    left = client.get(url, headers=who).json()
    assert (left["state"], left["reason"]) == ("running", None)
    assert 0 < left["ran"] < 20_000
    time.sleep(1.0)
    assert client.get(url, headers=who).json() == left
    client.post(f"{url}/cancel", headers=who)
    work(db, begun["id"])  # adopted, or it would not end


def test_a_study_whose_process_fails_says_why(
    client: TestClient, sign_in: SignIn, db: Database
) -> None:
    who = sign_in("creator")
    begun = asked(client, who, space={"fast": "60:90", "slow": "20:50"}, trials=2)
    work(db, begun["id"])
    after = client.get(f"{STUDIES_URL}/{begun['id']}", headers=who).json()
    said = "No configuration ran to the end; the first: fast is not below slow"
    assert (after["state"], after["reason"]) == ("failed", said)


def test_a_key_is_answered_once(client: TestClient, sign_in: SignIn) -> None:
    who = sign_in("creator") | {"Idempotency-Key": "one"}
    assert asked(client, who) == asked(client, who)
    other = client.post(RUN, headers=who, json=ASKED | {"seed": 9})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"strategy": "nothing"}, 404, "unknown_strategy"),
        ({"strategy": "/etc/plans.py:mine"}, 404, "unknown_strategy"),
        ({"strategy": "a\0b"}, 422, "invalid_request"),
        ({"symbol": "NOSUCH"}, 404, "unknown_instrument"),
        ({"interval": "5m"}, 422, "no_dataset"),
        ({"space": {"quick": "1:5"}, "params": {}}, 404, "unknown_parameter"),
        ({"space": {"fast": "50:5"}}, 422, "bad_space"),
        ({"objectives": ["luck"]}, 422, "bad_study"),
        ({"sampler": "gp", "objectives": ["sharpe", "calmar"]}, 422, "bad_study"),
        ({"sampler": "grid", "space": {"band": "0:0.1"}}, 422, "endless_dimension"),
        ({"sampler": "grid", "space": {"band": "0:0.1:1e-12"}}, 422, "grid_too_large"),
        ({"space": {"slow": "300:9000"}}, 422, "short_history"),
        ({"funding": True}, 422, "no_dataset"),
    ],
)
def test_what_could_not_run_is_refused_and_nothing_is_stored(
    client: TestClient, sign_in: SignIn, changes: dict[str, Any], status: int, code: str
) -> None:
    who = sign_in("creator") | {"Idempotency-Key": "one"}
    answer = client.post(RUN, headers=who, json=ASKED | changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert client.get(STUDIES_URL, headers=who).json()["items"] == []


def test_an_unknown_study_is_404(client: TestClient, sign_in: SignIn) -> None:
    answer = client.get(f"{STUDIES_URL}/{uuid4()}", headers=sign_in("operator"))
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_study")
