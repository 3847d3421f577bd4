"""The proof of the books over HTTP: asked for, carried out by a worker, its result for auditors;
the evidence that is taken away; and what an id is."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi.testclient import TestClient

from chained import seal_all
from commenda.audit import EVENTS, seal
from commenda.identity import PERMISSIONS, Role
from commenda.identity.model import CUSTOMERS, Principal
from commenda.kit import clock, durable, ids
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.operations import CHAINS, CHECKS, PROOFS, run_proof_workflow
from commenda.operations.finding import find_all
from commenda.strategies import register_catalogue
from managed_calls import market
from people import SETTINGS
from processes import until
from world import World

PROOF = "/api/v1/audit/proofs"
EVIDENCE = "/api/v1/audit/evidence"
FIND = "/api/v1/find"
DEPOSITS = "/api/v1/ledger/journals?kind=deposit"
INES = str(ids.derive("test-investor", "ines"))


def proved(client: TestClient, db: Database, auditor: dict[str, str]) -> dict[str, Any]:
    """The result of a proof that is asked for now, once a worker has carried it out."""
    asked = client.post(PROOF, headers=auditor)
    assert asked.status_code == 202, asked.text
    run = f"{PROOF}/{asked.json()['id']}"
    workflows = (run_proof_workflow(db, Keys.of(SETTINGS)),)
    with durable.launch(db, workflows, (PROOFS,), sweep_seconds=0.2):
        until(
            "the proof has ended",
            lambda: client.get(run, headers=auditor).json()["state"] != "running",
            60,
        )
    found: dict[str, Any] = client.get(run, headers=auditor).json()
    return found


@pytest.fixture
def auditor(db: Database, sign_in: Any) -> dict[str, str]:
    durable.prepare(db.owner_url)
    return dict(sign_in("auditor"))


@pytest.fixture
def paid(world: World, db: Database) -> Database:
    """An investor with 1,000 USDT, and everything sealed."""
    world.investor("ines", 1000)
    seal_all(db)
    with db.transaction() as tx:
        clock.advance(tx, world.now + timedelta(hours=1))  # a statement ends before now
        seal(tx, Keys.of(SETTINGS).derive(EVENTS.purpose))
    return db


@pytest.mark.parametrize("path", [PROOF, EVIDENCE])
def test_it_is_for_those_who_may_see_the_audit(client: TestClient, sign_in: Any, path: str) -> None:
    assert client.get(path).status_code == 401
    for role in ("investor", "creator", "operator"):
        assert client.get(path, headers=sign_in(role)).status_code == 403


def test_a_proof_says_each_rule_what_it_read_and_where_the_chains_end(
    client: TestClient, paid: Database, auditor: dict[str, str]
) -> None:
    run = proved(client, paid, auditor)
    assert (run["state"], run["findings"], run["found"], run["reason"]) == ("clean", 0, [], None)
    assert run["steps"] == len(run["lines"]) == len(CHECKS) + len(CHAINS)
    assert [line["rule"] for line in run["lines"]][: len(CHECKS)] == [one.rule for one in CHECKS]
    journals = client.get("/api/v1/ledger/journals", headers=auditor).json()["items"]
    assert run["rows"]["journals"] == run["anchors"]["journals"]["sequence"] == len(journals)
    assert run["rows"]["entries"] == sum(one["entryCount"] for one in journals)
    (ended, asked) = client.get(
        "/api/v1/audit/logs", params={"subject": run["id"]}, headers=auditor
    ).json()["items"]
    assert (asked["kind"], asked["result"]) == ("proof.asked", "running")
    assert (ended["kind"], ended["result"], ended["actor"]) == ("proof.ended", "clean", "operation")
    assert asked["actor"].startswith("auditor:")


def test_a_balance_that_was_moved_by_hand_is_found(
    client: TestClient, paid: Database, auditor: dict[str, str]
) -> None:
    with psycopg.connect(paid.owner_url) as owner:
        owner.execute("UPDATE accounts SET balance = balance + 7 WHERE kind = 'wallet'")
    run = proved(client, paid, auditor)
    assert run["state"] == "broken"
    assert run["findings"] == len(run["found"]) == sum(one["findings"] for one in run["lines"]) > 0
    assert any("1007" in one["found"] + one["expected"] for one in run["found"])


def test_a_broken_rule_is_an_alert_until_a_proof_finds_it_whole(
    client: TestClient, paid: Database, auditor: dict[str, str]
) -> None:
    """One for each rule, told to the staff; a chain that is not whole is one, too."""

    def tamper(amount: int, name: str) -> None:
        with psycopg.connect(paid.owner_url) as owner:
            owner.execute(
                "UPDATE accounts SET balance = balance + %s WHERE kind = 'wallet'", (amount,)
            )
            owner.execute("UPDATE audit_events SET actor = %s WHERE id = (%s)", (name, first))

    def alerts(state: str) -> dict[str, tuple[str, int]]:
        query = {"kind": "alert.proof_broken", "state": state}
        items = client.get("/api/v1/alerts", params=query, headers=auditor).json()["items"]
        return {one["subject"]: (one["severity"], one["count"]) for one in items}

    with paid.transaction() as tx:
        row = tx.execute("SELECT id, actor FROM audit_events ORDER BY id LIMIT 1").fetchone()
    assert row is not None
    first, actor = row
    assert proved(client, paid, auditor)["state"] == "clean"
    assert alerts("open") == {}

    tamper(7, "nobody")
    run = proved(client, paid, auditor)
    broken = {one["rule"] for one in run["lines"] if one["findings"]}
    assert "the chain of events is whole" in broken
    assert len(broken) > 1
    assert alerts("open") == dict.fromkeys(broken, ("critical", 1))

    tamper(-7, actor)
    assert proved(client, paid, auditor)["state"] == "clean"
    assert alerts("open") == {}
    assert set(alerts("closed")) == broken


def test_one_proof_runs_at_a_time_and_a_repeated_request_is_the_same(
    client: TestClient, db: Database, auditor: dict[str, str]
) -> None:
    first = client.post(PROOF, headers=auditor | {"Idempotency-Key": "a"})
    again = client.post(PROOF, headers=auditor | {"Idempotency-Key": "a"})
    assert first.json()["id"] == again.json()["id"]
    other = client.post(PROOF, headers=auditor)
    assert (other.status_code, other.json()["code"]) == (409, "proof_is_running")
    assert [one["id"] for one in client.get(PROOF, headers=auditor).json()["items"]] == [
        first.json()["id"]
    ]


def test_evidence_has_what_the_api_says_and_proves_itself(
    client: TestClient, paid: Database, world: World, auditor: dict[str, str]
) -> None:
    answer = client.get(EVIDENCE, params={"ownerId": INES}, headers=auditor)
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    assert {one["name"] for one in manifest["files"]} == set(files)
    for one in manifest["files"]:
        assert one["sha256"] == hashlib.sha256(files[one["name"]]).hexdigest()
        assert one["lines"] == files[one["name"]].count(b"\n")
    trial = client.get("/api/v1/ledger/trial-balance", headers=auditor).json()
    assert json.loads(files["trial-balance.json"]) == trial
    journals = [json.loads(line) for line in files["journals.ndjson"].splitlines()]
    (journal,) = [one for one in journals if one["kind"] == "deposit"]
    assert sorted(entry["amount"] for entry in journal["entries"]) == ["-1000", "1000"]
    events = [json.loads(line) for line in files["events.ndjson"].splitlines()]
    table = list(csv.DictReader(io.StringIO(files["events.csv"].decode())))
    assert [one["id"] for one in events] == [int(row["id"]) for row in table]
    assert "evidence.exported" in [one["kind"] for one in events]
    assert "1000" in files["statement-USDT.csv"].decode()


def test_evidence_of_a_period_that_ends_before_it_begins_is_refused(
    client: TestClient, db: Database, auditor: dict[str, str]
) -> None:
    period = {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    answer = client.get(EVIDENCE, params=period, headers=auditor)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_period")


def test_the_trail_is_taken_out_as_it_was_filtered_in_either_format(
    client: TestClient, paid: Database, auditor: dict[str, str]
) -> None:
    kind = {"kind": "user.created"}
    listed = client.get("/api/v1/audit/logs", params=kind, headers=auditor).json()["items"]
    lines = client.get("/api/v1/audit/export", params=kind, headers=auditor).text.splitlines()
    rows = client.get("/api/v1/audit/export", params=kind | {"format": "csv"}, headers=auditor)
    assert rows.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(rows.text)))
    ids = [one["id"] for one in reversed(listed)]
    assert ids
    assert [json.loads(line)["id"] for line in lines] == ids
    assert [int(row["id"]) for row in table] == ids


def test_a_name_leads_to_what_has_it(
    client: TestClient, paid: Database, world: World, auditor: dict[str, str]
) -> None:
    def found(name: str) -> list[tuple[str, str]]:
        answer = client.get(FIND, params={"name": name}, headers=auditor)
        assert answer.status_code == 200, answer.text
        return [(one["kind"], one["id"]) for one in answer.json()]

    (journal,) = client.get(DEPOSITS, headers=auditor).json()["items"]
    assert ("journal", str(journal["id"])) in found(str(journal["id"]))
    assert found(journal["key"]) == [("journal", str(journal["id"]))]
    assert found(INES) == found("ines") == [("user", INES)]
    assert found("nobody") == []


def test_a_name_leads_only_to_what_one_may_see(db: Database) -> None:
    """The staff sees anybody's, by its permissions; a customer what is theirs and what is shown to
    all; what is another's is as if it were not there."""
    world = market(db)
    ines, ivan = world.investor("ines"), world.investor("ivan")
    subscription = world.subscribe(ines, world.product())
    with db.transaction() as tx:
        register_catalogue(tx, world.now)
        key = tx.execute("SELECT key FROM journals WHERE kind = 'deposit' LIMIT 1").fetchone()
    assert key is not None

    def seen(role: Role, user: UUID) -> list[list[str]]:
        who = Principal(user, role, PERMISSIONS[role], None, second_factor=True)
        with db.transaction() as tx:
            return [
                [one.kind for one in find_all(tx, name, who)]
                for name in (str(subscription), str(ines.id), "ines", key[0], "sma_cross")
            ]

    everything = [["subscription"], ["user"], ["user"], ["journal"], ["strategy"]]
    for staff in set(Role) - CUSTOMERS:
        assert seen(staff, ids.derive("somebody")) == everything
    assert seen(Role.INVESTOR, ines.id) == [*everything[:3], [], ["strategy"]]
    assert seen(Role.CREATOR, ivan.id) == [[], [], [], [], ["strategy"]]


def test_whoever_finds_nothing_is_told_so_and_a_stranger_nothing(
    client: TestClient, sign_in: Any
) -> None:
    assert client.get(FIND, params={"name": "1"}).status_code == 401
    for name in (
        "1",
        "nobody",
        str(ids.derive("nothing")),
        "٣",
        "1e400",
        "a' OR 1=1 --",
        "\u202ex",
    ):
        answer = client.get(FIND, params={"name": name}, headers=sign_in("investor"))
        assert (answer.status_code, answer.json()) == (200, []), name


def test_journals_are_found_by_key_rule_and_amount(
    client: TestClient, paid: Database, auditor: dict[str, str]
) -> None:
    def listed(**query: str) -> list[int]:
        answer = client.get("/api/v1/ledger/journals", params=query, headers=auditor)
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    (journal,) = client.get(DEPOSITS, headers=auditor).json()["items"]
    at = {"since": journal["postedAt"]}
    assert listed(key=journal["key"]) == [journal["id"]]
    assert journal["id"] in listed(ruleVersion=journal["ruleVersion"])
    assert listed(amount="1000.00", **at) == listed(amount="-1000", **at) == [journal["id"]]
    assert listed(amount="999", **at) == listed(key="none") == listed(ruleVersion="none") == []
    refused = client.get("/api/v1/ledger/journals", params={"amount": "5"}, headers=auditor)
    assert (refused.status_code, refused.json()["code"]) == (422, "amount_needs_period")


def test_accounts_are_found_by_their_owners_name(
    client: TestClient, paid: Database, world: World, auditor: dict[str, str]
) -> None:
    query = {"owner": "ines", "kind": "wallet", "asset": "USDT", "ownerKind": "investor"}
    (found,) = client.get("/api/v1/ledger/accounts", params=query, headers=auditor).json()["items"]
    assert (found["ownerId"], found["ownerName"]) == (INES, "ines")
    assert found["balance"] == "1000"
