"""Workers, queues and failures, for the staff."""

from __future__ import annotations

from fastapi.testclient import TestClient

from commenda.kit.db import Database
from people import SignIn
from world import World


def test_an_operation_says_who_works_and_what_is_behind(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    flow = world.creator("anna")
    world.publish(flow, "0.5")  # and nobody copies it
    world.advance(2)
    world.execute(
        "INSERT INTO workers (id, started_at, seen_at, leads) VALUES"
        " ('here-0', clock_timestamp(), clock_timestamp(), true),"
        " ('gone-1', clock_timestamp(), clock_timestamp() - interval '1 minute', false)"
    )
    found = client.get("/api/v1/operations/workers", headers=sign_in("risk")).json()
    assert [(one["id"], one["up"], one["leads"]) for one in found["workers"]] == [
        ("here-0", True, True),
        ("gone-1", False, False),
    ]
    assert 60 <= found["workers"][1]["silentSeconds"] < 120
    assert (found["lag"]["signals"], found["lag"]["oldestSignalSeconds"]) == (1, 7200.0)
    assert found["readiness"]["checks"]["database"]["ok"] is True
    assert found["businessNow"] == "2026-01-05T02:00:00Z"
    assert found["schedules"] == []


def test_only_who_may_start_work_has_it_run_again(client: TestClient, sign_in: SignIn) -> None:
    path = "/api/v1/operations/workers/nobody/again"
    refused = client.post(path, headers=sign_in("risk"))
    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    unknown = client.post(path, headers=sign_in("operator"))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_workflow")
    assert client.get("/api/v1/operations/workers", headers=sign_in("investor")).status_code == 403
