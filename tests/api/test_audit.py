"""The audit over HTTP and by the command line: who may read it, and that it says what happened."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from click.testing import Result
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from commenda.audit import Event, Wanted, csv_header, csv_rows, export_events, record, seal
from commenda.audit import queries as audit_queries
from commenda.cli import app as command_line
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.kit.pages import encode_cursor
from commenda.ledger import JOURNALS, Owner
from commenda.settings import Settings
from scripted import D
from world import World

AT = datetime(2026, 1, 5, tzinfo=UTC)
LOGS = "/api/v1/audit/logs"
EXPORT = "/api/v1/audit/export"
CHAIN = "/api/v1/audit/chain"


def event(number: int, **changes: Any) -> Event:
    values: dict[str, Any] = {
        "kind": f"kind {number % 3}",
        "subject": f"subject {number}",
        "correlation_id": ids.derive("test", number % 2),
        "result": "done",
        "actor": f"operator:{number % 4}",
        "rule_version": "test/1",
        "at": AT + timedelta(hours=number // 2),  # two at each hour
        "details": {"number": number, "amount": "12.50"},
    }
    return Event(**(values | changes))


@pytest.fixture
def recorded(db: Database) -> Database:
    with db.transaction() as tx:
        record(tx, [event(number) for number in range(12)])
    return db


@pytest.fixture
def auditor(db: Database, sign_in: Any) -> dict[str, str]:
    headers = dict(sign_in("auditor"))
    with psycopg.connect(db.owner_url) as owner:  # the trail has the test's own events only
        owner.execute("DELETE FROM audit_events WHERE kind = 'user.created'")
    return headers


def subjects(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [int(item["subject"].split()[1]) for item in answer.json()["items"]]


@pytest.mark.parametrize("path", [LOGS, EXPORT, CHAIN])
def test_the_audit_is_for_those_who_may_see_it(client: TestClient, sign_in: Any, path: str) -> None:
    assert client.get(path).status_code == 401
    for role in ("investor", "creator", "operator"):
        assert client.get(path, headers=sign_in(role)).status_code == 403
    for role in ("auditor", "risk", "admin"):
        assert client.get(path, headers=sign_in(role)).status_code == 200


def test_an_entry_says_who_when_by_which_rules_with_which_result(
    client: TestClient, db: Database, auditor: dict[str, str]
) -> None:
    with db.transaction() as tx:
        record(tx, [event(7)])
    (entry,) = client.get(LOGS, headers=auditor).json()["items"]
    assert isinstance(entry.pop("id"), int)
    assert entry == {
        "at": "2026-01-05T03:00:00Z",
        "kind": "kind 1",
        "actor": "operator:3",
        "actorName": None,
        "subject": "subject 7",
        "correlationId": str(ids.derive("test", 1)),
        "result": "done",
        "ruleVersion": "test/1",
        "requestId": "",
        "details": {"number": 7, "amount": "12.50"},
        "sealed": False,
    }


def test_pages_follow_one_another_newest_first_and_miss_nothing(
    client: TestClient, recorded: Database, auditor: dict[str, str]
) -> None:
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(3):
        parameters = {"limit": 5} | ({"cursor": cursor} if cursor else {})
        answer = client.get(LOGS, params=parameters, headers=auditor)
        seen += subjects(answer)
        cursor = answer.json()["nextCursor"]
    assert cursor is None
    assert seen == list(range(11, -1, -1))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"kind": "kind 1"}, [10, 7, 4, 1]),
        ({"subject": "subject 3"}, [3]),
        ({"actor": "operator:2"}, [10, 6, 2]),
        ({"correlationId": str(ids.derive("test", 1))}, [11, 9, 7, 5, 3, 1]),
        ({"from": "2026-01-05T04:00:00Z"}, [11, 10, 9, 8]),
        ({"to": "2026-01-05T01:00:00Z"}, [1, 0]),
        ({"from": "2026-01-05T02:00:00+01:00", "to": "2026-01-05T02:00:00Z"}, [3, 2]),
        ({"kind": "kind 1", "actor": "operator:0"}, [4]),
        ({"kind": "nothing of this kind"}, []),
    ],
)
def test_the_log_can_be_asked_for_what_is_wanted(
    client: TestClient,
    recorded: Database,
    auditor: dict[str, str],
    parameters: dict[str, str],
    expected: list[int],
) -> None:
    assert subjects(client.get(LOGS, params=parameters, headers=auditor)) == expected


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-01-05T00:00:00"}, "from"),  # without a zone nobody knows when
        ({"to": "2026"}, "to"),
        ({"from": "2026-01-06T00:00:00Z", "to": "2026-01-05T00:00:00Z"}, "from"),
        ({"kind": "a\x00b"}, "kind"),
        ({"correlationId": "x"}, "correlationId"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": encode_cursor(["not a time", 1])}, "cursor"),
        (
            {"cursor": "WyIyMDI2LTAxLTA1VDAwOjAwOjAwKzAwOjAwIiwgOTk5OTk5OTk5OTk5OTk5OTk5OTldCg"},
            "cursor",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    client: TestClient, auditor: dict[str, str], parameters: dict[str, str], field: str
) -> None:
    answer = client.get(LOGS, params=parameters, headers=auditor)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_the_export_streams_every_event_of_a_period_oldest_first(
    client: TestClient,
    recorded: Database,
    auditor: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_queries, "EXPORT_BATCH", 3)  # batches end between and within hours
    answer = client.get(EXPORT, headers=auditor)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["details"]["number"] for line in lines] == list(range(12))
    assert {line["sequence"] for line in lines} == {None}
    within = {"from": "2026-01-05T01:00:00Z", "to": "2026-01-05T03:00:00Z"}
    answer = client.get(EXPORT, params=within, headers=auditor)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["subject"] for line in lines] == [f"subject {n}" for n in (2, 3, 4, 5)]


def test_a_period_that_ends_before_it_begins_is_not_exported(
    client: TestClient, auditor: dict[str, str]
) -> None:
    period = {"from": "2026-01-06T00:00:00Z", "to": "2026-01-05T00:00:00Z"}
    answer = client.get(EXPORT, params=period, headers=auditor)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_period")


def test_an_export_of_nothing_is_empty(client: TestClient, auditor: dict[str, str]) -> None:
    answer = client.get(EXPORT, params={"to": "2001-01-01T00:00:00Z"}, headers=auditor)
    assert (answer.status_code, answer.text) == (200, "")


@pytest.mark.usefixtures("alone")
def test_the_chain_says_its_end_and_what_waits(
    client: TestClient, db: Database, auditor: dict[str, str]
) -> None:
    nothing = {"sequence": 0, "digest": None, "sealedAt": None, "unsealed": 0}
    assert client.get(CHAIN, headers=auditor).json() == {"events": nothing, "journals": nothing}
    with db.transaction() as tx:
        record(tx, [event(1), event(2), event(3)])
    with db.transaction() as tx:
        seal(tx, b"k" * 32, limit=2)
    world = World(db)  # whose first journal endows the insurance
    with db.transaction() as tx:
        assert seal(tx, b"k" * 32, chain=JOURNALS).rows == 1
    world.pay_in(Owner.platform(), D(5), "one more")
    ends = client.get(CHAIN, headers=auditor).json()
    assert [ends["journals"][name] for name in ("sequence", "unsealed")] == [1, 1]
    end = ends["events"]
    assert (end["sequence"], end["unsealed"]) == (2, 1)
    lines = [json.loads(line) for line in client.get(EXPORT, headers=auditor).text.splitlines()]
    assert [line["sequence"] for line in lines] == [1, 2, None]
    assert lines[1]["digest"] == end["digest"]
    assert [item["sealed"] for item in client.get(LOGS, headers=auditor).json()["items"]] == [
        False,
        True,
        True,
    ]


def test_a_table_has_every_event_and_no_formula(db: Database) -> None:
    with db.transaction() as tx:
        record(tx, [event(1, subject="=1+1"), event(2, details={"a": 'with "quotes", and more'})])
    text = csv_header() + "".join(map(csv_rows, export_events(db, Wanted())))
    first, second = csv.DictReader(io.StringIO(text))
    assert first["subject"] == "'=1+1"
    assert json.loads(second["details"]) == {"a": 'with "quotes", and more'}
    assert UUID(second["correlationId"]) == ids.derive("test", 0)


# --- The command line ------------------------------------------------------------------------


@pytest.mark.usefixtures("alone")
def test_the_command_line_exports_anchors_and_finds_tampering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an installation of its own: its key is the one kept beside its database."""
    for name in ("COMMENDA_DATABASE_URL", "COMMENDA_MASTER_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COMMENDA_DATA", str(tmp_path))
    settings = Settings(data=tmp_path)
    with Database.open(settings) as database:
        with database.transaction() as tx:
            record(tx, [event(number) for number in range(5)])
        with database.transaction() as tx:
            assert seal(tx, Keys.of(settings).derive("audit-chain")).rows == 5

    anchored = commenda("audit", "anchor")
    kept = tmp_path / "anchor.json"
    kept.write_text(anchored.output)
    ends = json.loads(anchored.output)
    assert (ends["events"]["sequence"], ends["journals"]) == (5, None)
    before_journals = tmp_path / "old.json"  # as it was printed when there was one chain
    before_journals.write_text(json.dumps(ends["events"]))
    for file in (kept, before_journals):
        sound = commenda("verify", "--anchor", file)
        assert sound.exit_code == 0, sound.output
        assert "5 sealed events, 0 not sealed yet; 0 sealed journals" in sound.output

    out = tmp_path / "events.ndjson"
    commenda("audit", "export", "--from", "2026-01-05T01:00", "--out", out)
    numbers = [json.loads(line)["details"]["number"] for line in out.read_text().splitlines()]
    assert numbers == [2, 3, 4]
    table = commenda("audit", "export", "--format", "csv")
    assert len(table.output.splitlines()) == 6

    with Database.open(settings) as database, psycopg.connect(database.owner_url) as owner:
        owner.execute("UPDATE audit_events SET actor = 'nobody' WHERE subject = 'subject 3'")
    assert commenda("verify").exit_code == 0
    found = commenda("verify", "--chain")
    assert found.exit_code == 1
    assert "audit event 4 (seal 4)" in found.output


@pytest.mark.parametrize("text", ["", "{}", "[]", "7", '{"others": null}', '{"sequence": 1}'])
def test_what_is_no_anchor_is_refused(tmp_path: Path, text: str) -> None:
    kept = tmp_path / "anchor.json"
    kept.write_text(text)
    refused = commenda("verify", "--anchor", kept, "--data", tmp_path / "data")
    assert isinstance(refused.exception, CommendaError)
    assert refused.exception.code == "bad_anchor"


def commenda(*arguments: object) -> Result:
    return CliRunner().invoke(command_line, [str(one) for one in arguments])
