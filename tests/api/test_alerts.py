"""Alerts over HTTP: they are listed, somebody looks after them, and only their cause ends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.alerts import end_alerts, raise_alerts
from commenda.audit import Event
from commenda.kit import ids
from commenda.kit.db import Database
from people import user_of
from scripted import START
from world import World

SignIn = Callable[..., dict[str, str]]
FLOW, JOB, BOOKS = "alert.flow_failed", "alert.job_failed", "alert.unreconciled"


def raised(db: Database, kind: str, subject: str, minutes: int) -> None:
    at = START + timedelta(minutes=minutes)
    event = Event(kind, subject, ids.derive(subject), "failed", "test", "test/1", at, {})
    with db.transaction() as tx:
        raise_alerts(tx, [event])


def ended(db: Database, kind: str, minutes: int) -> None:
    with db.transaction() as tx:
        end_alerts(tx, kind, START + timedelta(minutes=minutes))


def listed(client: TestClient, who: dict[str, str], **asked: Any) -> list[Any]:
    answer = client.get("/api/v1/alerts", params=asked, headers=who)
    assert answer.status_code == 200, answer.text
    items: list[Any] = answer.json()["items"]
    return items


def seen(client: TestClient, who: dict[str, str], alert: int, note: str, key: str = "") -> Any:
    headers = who | ({"Idempotency-Key": key} if key else {})
    path = f"/api/v1/alerts/{alert}/acknowledge"
    return client.post(path, json={"note": note}, headers=headers)


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


def test_alerts_are_listed_by_what_is_asked_for(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    db, risk = world.database, sign_in("risk")
    raised(db, JOB, "nav", 1)
    raised(db, FLOW, "one", 2)
    raised(db, FLOW, "two", 3)
    raised(db, JOB, "nav", 4)
    ended(db, FLOW, 5)
    raised(db, BOOKS, "books: USDT", 6)
    assert [(one["kind"], one["subject"], one["count"]) for one in listed(client, risk)] == [
        (BOOKS, "books: USDT", 1),
        (JOB, "nav", 2),
        (FLOW, "two", 1),
        (FLOW, "one", 1),
    ]
    assert [one["subject"] for one in listed(client, risk, state="open")] == ["books: USDT", "nav"]
    assert [one["subject"] for one in listed(client, risk, state="closed")] == ["two", "one"]
    assert [one["subject"] for one in listed(client, risk, kind=FLOW)] == ["two", "one"]
    assert [one["subject"] for one in listed(client, risk, severity="warning")] == ["nav"]
    assert [one["kind"] for one in listed(client, risk, subject="nav", state="new")] == [JOB]
    (nav,) = listed(client, risk, subject="nav")
    assert (nav["at"], nav["lastAt"]) == ("2026-01-05T00:01:00Z", "2026-01-05T00:04:00Z")
    assert client.get("/api/v1/alerts/standing", headers=risk).json() == {
        "open": 2,
        "unacknowledged": 2,
        "critical": 1,
    }
    first = client.get("/api/v1/alerts", params={"limit": 3}, headers=risk).json()
    rest = listed(client, risk, limit=3, cursor=first["nextCursor"])
    assert [one["subject"] for one in first["items"] + rest] == ["books: USDT", "nav", "two", "one"]


def test_an_acknowledged_alert_stays_open_and_comes_back_as_a_new_one(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    db, risk = world.database, sign_in("risk", "grace")
    raised(db, JOB, "nav", 1)
    (one,) = listed(client, risk)
    assert (one["state"], one["note"], one["acknowledgedBy"]) == ("new", None, None)

    answer = seen(client, risk, one["id"], "its disk is full: being freed", "one")
    assert answer.status_code == 200, answer.text
    known = answer.json()
    assert (known["state"], known["note"]) == ("acknowledged", "its disk is full: being freed")
    assert known["acknowledgedBy"] == f"risk:{user_of('risk', 'grace')}"
    assert known["acknowledgedByName"] == "grace"
    assert known["acknowledgedAt"] == "2026-01-05T00:00:00Z"
    again = seen(client, risk, one["id"], "its disk is full: being freed", "one")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (known, "true")

    # It goes on: counted, and still known to be looked after.
    raised(db, JOB, "nav", 2)
    (still,) = listed(client, risk, state="acknowledged")
    assert (still["count"], still["acknowledgedByName"]) == (2, "grace")
    assert client.get("/api/v1/alerts/standing", headers=risk).json()["unacknowledged"] == 0

    ended(db, JOB, 3)
    raised(db, JOB, "nav", 4)
    assert [(one["state"], one["note"]) for one in listed(client, risk)] == [
        ("new", None),
        ("closed", "its disk is full: being freed"),
    ]
    (event,) = client.get(
        "/api/v1/audit/logs", params={"kind": "alerts.acknowledged"}, headers=risk
    ).json()["items"]
    assert event["actor"] == f"risk:{user_of('risk', 'grace')}"
    assert (event["subject"], event["details"]["note"]) == (
        "alert.job_failed nav",
        "its disk is full: being freed",
    )
    assert world.findings() == []


def test_nobody_acknowledges_twice_or_what_is_over(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    db, risk = world.database, sign_in("risk", "grace")
    raised(db, JOB, "nav", 1)
    raised(db, FLOW, "one", 2)
    ended(db, FLOW, 3)
    over, nav = (one["id"] for one in listed(client, risk))
    assert seen(client, risk, nav, "mine").status_code == 200
    second = seen(client, sign_in("operator"), nav, "no, mine")
    assert (second.status_code, second.json()["code"]) == (409, "already_acknowledged")
    assert "grace" in second.json()["detail"]
    late = seen(client, risk, over, "mine")
    assert (late.status_code, late.json()["code"]) == (409, "alert_closed")
    for alert in (nav + 100, "x", "9" * 30):
        nobodys = seen(client, risk, alert, "mine")  # type: ignore[arg-type]
        assert (nobodys.status_code, nobodys.json()["code"]) == (404, "unknown_alert")
    empty = seen(client, risk, nav, "   ")
    assert (empty.status_code, empty.json()["field"]) == (422, "note")


@pytest.mark.parametrize(
    ("role", "reads", "acts"),
    [
        ("investor", 403, 403),
        ("creator", 403, 403),
        ("auditor", 200, 403),
        ("operator", 200, 200),
        ("admin", 200, 200),
    ],
)
def test_the_staff_reads_alerts_and_those_who_act_acknowledge_them(
    client: TestClient, world: World, sign_in: SignIn, role: str, reads: int, acts: int
) -> None:
    raised(world.database, JOB, "nav", 1)
    (one,) = listed(client, sign_in("risk"))
    who = sign_in(role)
    assert client.get("/api/v1/alerts", headers=who).status_code == reads
    assert client.get("/api/v1/alerts/standing", headers=who).status_code == reads
    assert seen(client, who, one["id"], "seen").status_code == acts
