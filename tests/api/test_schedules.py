"""004-08, 000-25: schedules over HTTP and on the command line: who may, what is refused, logs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from commenda.app import create_app
from commenda.cli import app as cli
from commenda.kit import clock
from commenda.kit.db import Database
from commenda.operations import CatchUp, Job, Parameters, Step, jobs, schedules_http
from commenda.operations.runs import begin_to_lead
from people import SETTINGS, SignIn, signed_in

PATH = "/api/v1/schedules"
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


class Payout(Parameters):
    cadence: Literal["daily", "weekly"] = "daily"


def nothing(*_: object) -> None:
    pass


OFFICE: tuple[Step | Job, ...] = (
    Step("market", nothing),
    Job("accrue", nothing, "Accrues income.", "0 0 * * *", CatchUp.EVERY, any_moment=True),
    Job("distribute", nothing, "Pays income out.", None, CatchUp.ONE, Payout),
)


@pytest.fixture(autouse=True)
def office(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A business at a moment, whose jobs are OFFICE; a worker has been here."""
    monkeypatch.setattr(jobs, "JOBS", OFFICE)
    monkeypatch.setattr(schedules_http, "JOBS", OFFICE)
    with db.transaction() as tx:
        clock.advance(tx, MONDAY)
        begin_to_lead(tx, OFFICE)


@pytest.fixture
def olga(sign_in: SignIn) -> dict[str, str]:
    return sign_in("operator", "olga")


Make = Callable[..., Any]


@pytest.fixture
def make(client: TestClient, olga: dict[str, str]) -> Make:
    def post(name: str = "payouts", key: str | None = None, **body: Any) -> Any:
        plan = {"name": name, "rule": "0 8 * * mon", "target": "distribute"} | body
        headers = olga if key is None else olga | {"Idempotency-Key": key}
        return client.post(PATH, json=plan, headers=headers)

    return post


def test_a_schedule_is_made_and_shown_with_its_next_five_times(
    client: TestClient, make: Make, sign_in: SignIn
) -> None:
    """000-25: list, create."""
    made = make(parameter={"cadence": "weekly"}, remark="Mondays")
    assert made.status_code == 201, made.text
    body = made.json()
    assert body["upcoming"] == [
        f"2026-{day}T08:00:00Z" for day in ("01-05", "01-12", "01-19", "01-26", "02-02")
    ]
    told = {key: body[key] for key in ("type", "catchUp", "singleton", "status", "builtIn")}
    assert told == {
        "type": "job",
        "catchUp": "one",
        "singleton": True,
        "status": "active",
        "builtIn": False,
    }
    assert (body["parameter"], body["nextAt"]) == ({"cadence": "weekly"}, body["upcoming"][0])
    auditor = sign_in("auditor")
    assert client.get(f"{PATH}/{body['id']}", headers=auditor).json() == body
    listed = client.get(PATH, headers=auditor).json()["items"]
    assert [(one["name"], one["builtIn"]) for one in listed] == [
        ("accrue", True),
        ("payouts", False),
    ]


def test_a_rule_is_shown_with_its_next_five_moments_before_anything_is_saved(
    client: TestClient, make: Make, olga: dict[str, str], db: Database, monkeypatch: Any
) -> None:
    """The calendar of January and February 2026: Fridays are 9, 16, 23, 30; 13 is a Tuesday."""
    days = ("01-09", "01-13", "01-16", "01-23", "01-30")
    seen = client.get(f"{PATH}/preview", params={"rule": "0 9 13 * fri"}, headers=olga)
    assert seen.json() == {
        "rule": "0 9 13 * fri",
        "note": "where both kinds of day are given, a day that fits either counts",
        "upcoming": [f"2026-{day}T09:00:00Z" for day in days],
    }
    assert [one["name"] for one in client.get(PATH, headers=olga).json()["items"]] == ["accrue"]
    wrong = client.get(f"{PATH}/preview", params={"rule": "*/61 * * * *"}, headers=olga)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_cron_rule")
    made = make(rule="0 9 13 * fri").json()
    assert (made["note"], made["upcoming"]) == (seen.json()["note"], seen.json()["upcoming"])
    with db.transaction() as tx:
        row = tx.execute(
            "SELECT details FROM audit_events WHERE kind = 'schedule.created'"
        ).fetchone()
    assert row is not None
    assert row[0]["note"] == seen.json()["note"]
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    said = CliRunner().invoke(cli, ["schedule", "preview", "0 9 13 * fri", "--json"])
    assert json.loads(said.output)["note"] == seen.json()["note"]
    assert len(json.loads(said.output)["upcoming"]) == 5
    helped = " ".join(CliRunner().invoke(cli, ["schedule", "create", "--help"]).output.split())
    assert "a day that fits either counts" in helped.replace("│ │ ", "")


def test_the_targets_are_the_jobs_of_the_code_with_the_schema_of_what_each_is_told(
    client: TestClient, olga: dict[str, str]
) -> None:
    found = client.get(f"{PATH}/targets", headers=olga).json()
    assert [(one["name"], one["catchUp"], one["catchUps"], one["rule"]) for one in found] == [
        ("accrue", "every", ["every", "one"], "0 0 * * *"),
        ("distribute", "one", ["one"], None),
    ]
    assert found[1]["parameters"]["properties"]["cadence"]["enum"] == ["daily", "weekly"]
    assert found[1]["parameters"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"rule": "61 * * * *"}, "bad_cron_rule", "rule.minute"),
        ({"rule": "0 0 30 2 *"}, "bad_cron_rule", "rule"),
        ({"target": "/bin/sh"}, "bad_target", "target"),
        ({"parameter": {"cadence": "hourly"}}, "bad_parameter", "parameter.cadence"),
        ({"parameter": {"more": 1}}, "bad_parameter", "parameter.more"),
        ({"catchUp": "every"}, "bad_catch_up", "catchUp"),
        ({"name": ""}, "invalid_request", "name"),
        ({"name": "  "}, "bad_name", "name"),
        ({"type": "script"}, "invalid_request", "type"),
        ({"parameter": {"a\x00": "b\x00"}}, "bad_parameter", "parameter.a\x00"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(
    make: Make, body: dict[str, Any], code: str, field: str
) -> None:
    """004-08: no shell, no URL, no class: only jobs of the list, told what they know."""
    answer = make(**body)
    assert answer.status_code == 422, answer.text
    assert (answer.json()["code"], answer.json()["field"]) == (code, field)
    assert answer.json()["code"] == "invalid_request" or answer.json()["mend"]


def test_a_name_is_given_once(client: TestClient, make: Make, olga: dict[str, str]) -> None:
    make()
    again = make()
    assert (again.status_code, again.json()["code"]) == (409, "schedule_name_taken")
    other = make("other").json()["id"]
    renamed = client.patch(f"{PATH}/{other}", json={"name": "payouts"}, headers=olga)
    assert (renamed.status_code, renamed.json()["code"]) == (409, "schedule_name_taken")


def test_a_key_makes_one_schedule_and_asks_for_one_run(
    client: TestClient, make: Make, olga: dict[str, str]
) -> None:
    first, again = make(key="k1"), make(key="k1")
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert make("other", key="k1").json()["code"] == "idempotency_conflict"
    run = f"{PATH}/{first.json()['id']}/run"
    asked = [client.post(run, headers=olga | {"Idempotency-Key": "r1"}) for _ in range(2)]
    assert [one.status_code for one in asked] == [202, 202]
    assert asked[0].json() == asked[1].json()
    refused = client.post(run, headers=olga)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_running")


def test_a_schedule_is_retimed_paused_and_resumed(
    client: TestClient, make: Make, olga: dict[str, str]
) -> None:
    """000-25: edit, pause."""
    path = f"{PATH}/{make().json()['id']}"
    retimed = client.patch(path, json={"rule": "30 */5 * * * *", "version": 1}, headers=olga)
    assert retimed.json()["upcoming"][:2] == ["2026-01-05T00:00:30Z", "2026-01-05T00:05:30Z"]
    stale = client.patch(path, json={"remark": "x", "version": 1}, headers=olga)
    assert (stale.status_code, stale.json()["code"]) == (409, "schedule_changed")
    paused = client.patch(path, json={"status": "paused"}, headers=olga).json()
    assert (paused["status"], paused["nextAt"], paused["version"]) == ("paused", None, 3)
    assert paused["upcoming"][0] == "2026-01-05T00:00:30Z"
    resumed = client.patch(path, json={"status": "active"}, headers=olga).json()
    assert resumed["nextAt"] == "2026-01-05T00:00:30Z"


def test_a_schedule_is_deleted_and_a_built_in_one_is_not(
    client: TestClient, make: Make, olga: dict[str, str]
) -> None:
    path = f"{PATH}/{make().json()['id']}"
    assert client.delete(path, headers=olga).status_code == 204
    assert client.get(path, headers=olga).json()["code"] == "unknown_schedule"
    (built_in,) = client.get(PATH, headers=olga).json()["items"]
    path = f"{PATH}/{built_in['id']}"
    for refused in (
        client.delete(path, headers=olga),
        client.patch(path, json={"target": "distribute"}, headers=olga),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "built_in_schedule")


def test_the_log_of_runs_is_read_page_by_page(
    client: TestClient, make: Make, olga: dict[str, str], db: Database
) -> None:
    """000-25: the run log, with status and exception."""
    one = make(singleton=False).json()["id"]
    asked = [client.post(f"{PATH}/{one}/run", headers=olga).json() for _ in range(5)]
    with db.transaction() as tx:
        tx.execute(
            "UPDATE schedule_runs SET status = 'failed', exception_info = 'ValueError: no'"
            " WHERE id = %s",
            (asked[0]["id"],),
        )
    seen: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        parameters: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"{PATH}/{one}/runs", params=parameters, headers=olga).json()
        seen += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert [run["id"] for run in seen] == [run["id"] for run in reversed(asked)]
    assert {run["crontabId"] for run in seen} == {one}
    assert (seen[-1]["status"], seen[-1]["exceptionInfo"]) == ("failed", "ValueError: no")
    assert seen[0]["requestedBy"].startswith("operator:")
    bad = client.get(f"{PATH}/{one}/runs", params={"cursor": "x"}, headers=olga)
    assert (bad.status_code, bad.json()["code"]) == (422, "bad_cursor")


def test_the_list_has_pages(client: TestClient, make: Make, olga: dict[str, str]) -> None:
    for n in range(4):
        assert make(f"payouts {n}").status_code == 201
    first = client.get(PATH, params={"limit": 3}, headers=olga).json()
    second = client.get(
        PATH, params={"limit": 3, "cursor": first["nextCursor"]}, headers=olga
    ).json()
    names = [one["name"] for one in first["items"] + second["items"]]
    assert names == ["accrue", *(f"payouts {n}" for n in range(4))]
    assert second["nextCursor"] is None


@pytest.mark.parametrize("role", ["risk", "auditor"])
def test_the_staff_may_look_and_only_operators_and_administrators_change(
    client: TestClient, make: Make, sign_in: SignIn, role: str
) -> None:
    one, who = make().json()["id"], sign_in(role)
    assert client.get(PATH, headers=who).status_code == 200
    for answer in (
        client.post(PATH, json={}, headers=who),
        client.patch(f"{PATH}/{one}", json={}, headers=who),
        client.delete(f"{PATH}/{one}", headers=who),
        client.post(f"{PATH}/{one}/run", headers=who),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert client.post(f"{PATH}/{one}/run", headers=sign_in("admin")).status_code == 202
    assert client.get(PATH, headers=sign_in("investor")).status_code == 403


def test_changes_need_a_second_factor_where_the_installation_asks_for_one(db: Database) -> None:
    settings = replace(SETTINGS, require_second_factor=True)
    with TestClient(create_app(settings, db), raise_server_exceptions=False) as strict:
        weak = signed_in(db, "operator", "otto", second_factor=False)
        answer = strict.post(f"{PATH}/{uuid4()}/run", headers=weak)
        assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")
        assert strict.get(PATH, headers=weak).status_code == 200


# --- The command line --------------------------------------------------------------------------


def test_the_command_line_does_the_same(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    monkeypatch.setattr("commenda.cli.schedules.JOBS", OFFICE)

    def call(*words: str) -> str:
        outcome = CliRunner().invoke(cli, ["schedule", *words], catch_exceptions=False)
        assert outcome.exit_code == 0, outcome.output
        return outcome.stdout

    def told(*words: str) -> Any:
        return json.loads(call(*words, "--json"))

    rule = ("--rule", "0 8 * * mon", "--target", "distribute")
    made = told("create", "payouts", *rule, "--parameter", '{"cadence": "weekly"}')
    assert made["parameter"] == {"cadence": "weekly"}
    assert made["upcoming"][0] == "2026-01-05T08:00:00Z"
    assert told("edit", "payouts", "--rule", "0 9 * * mon", "--name", "pay")["version"] == 2
    assert told("pause", "pay")["nextAt"] is None
    assert told("resume", "pay")["nextAt"] == "2026-01-05T09:00:00Z"
    assert told("show", made["id"])["name"] == "pay"
    assert told("run", "pay")["status"] == "requested"
    (run,) = told("log", "pay")
    assert (run["crontabId"], run["requestedBy"]) == (made["id"], "cli")
    assert [one["name"] for one in told("list")] == ["accrue", "pay"]
    assert [(one["name"], one["catchUps"]) for one in told("targets")] == [
        ("accrue", ["every", "one"]),
        ("distribute", ["one"]),
    ]
    assert "Accrues income." in call("targets")
    assert "0 9 * * mon" in call("list")
    assert "2026-01-12T09:00:00" in call("show", "pay")
    assert "requested" in call("log", "pay")
    assert "is requested" in call("run", "accrue")
    assert "deleted pay" in call("delete", "pay")
    assert [one["name"] for one in told("list")] == ["accrue"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "nobody"), "unknown_schedule"),
        (("delete", "accrue"), "built_in_schedule"),
        (("create", "x", "--rule", "x", "--target", "accrue"), "bad_cron_rule"),
        (("edit", "accrue", "--parameter", "[1]"), "bad_parameter"),
    ],
)
def test_the_command_line_refuses_with_the_same_codes(
    db: Database, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: str
) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    outcome = CliRunner().invoke(cli, ["schedule", *words])
    assert code in str(outcome.exception)
