"""The machine's abilities and decisions over HTTP: who reads, who steers, what takes two."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from commenda.automation import RULES, Decision, ability_named, run_ability
from commenda.kit.db import Database
from commenda.ledger import Author
from commenda.operations import verify
from people import SignIn
from portfolio_desk import Desk

ABILITIES, SETTINGS = "/api/v1/automation/abilities", "/api/v1/automation/settings"
DECISIONS, CHAIN = "/api/v1/automation/decisions", "/api/v1/automation/chain"
Headers = dict[str, str]


class Office(Desk):
    """The desk whose portfolio the machine may rebalance, a fifth from its weights, seen over
    HTTP."""

    def __init__(self, client: TestClient, db: Database) -> None:
        super().__init__(db)
        self.client = client
        self.portfolio = self.found(automatic=True)
        self.world.advance()
        self.signal("1", "1")
        self.world.advance(6)  # 5,500 and 4,500 of 10,000

    def run(self) -> Decision:
        """The one decision that the machine makes now."""
        with self.db.transaction() as tx:
            self.mark(tx)
        author = Author("operation", RULES, self.world.now)
        (decision,) = run_ability(self.db, author, ability_named("rebalance"))
        return decision

    def get(self, path: str, who: Headers, **asked: Any) -> Any:
        return self.client.get(path, headers=who, params=asked)

    def post(self, path: str, who: Headers, key: str | None = None, **body: Any) -> Any:
        headers = who | {"Idempotency-Key": key or str(uuid4())}
        return self.client.post(path, headers=headers, json=body)

    def put(self, who: Headers, mode: str, **more: Any) -> Any:
        said = {"ability": "rebalance", "mode": mode, "reason": "a test"}
        return self.post(SETTINGS, who, **said | more)

    def approve(self, who: Headers, approval: str) -> Any:
        return self.post(f"/api/v1/approvals/{approval}/approve", who)

    def let_act(self, one: Headers, other: Headers, **more: Any) -> None:
        asked = self.put(one, "acting", **more)
        assert self.approve(other, asked.json()["approvalId"]).status_code == 200

    def sound(self) -> None:
        with self.db.transaction() as tx:
            assert list(verify(tx)) == []


@pytest.fixture
def office(client: TestClient, db: Database) -> Office:
    return Office(client, db)


def test_abilities_are_listed_with_what_they_go_by_and_did(office: Office, sign_in: SignIn) -> None:
    auditor = sign_in("auditor")
    before = {one["name"]: one for one in office.get(ABILITIES, auditor).json()}["rebalance"]
    assert (before["mode"], before["number"], before["settings"]) == ("recommending", 3, [])
    assert before["figures"]["cooldownHours"]["default"] == 24.0
    assert before["undoable"]
    decision = office.run()
    one = {one["name"]: one for one in office.get(ABILITIES, auditor).json()}["rebalance"]
    assert one["states"] == {"recommended": 1}
    assert [last["id"] for last in one["last"]] == [str(decision.id)]
    assert one["today"] == {"": 0}, "a recommendation is no action"


def test_less_takes_one_and_more_takes_two(office: Office, sign_in: SignIn) -> None:
    risk, operator = sign_in("risk"), sign_in("operator")
    off = office.put(risk, "off")
    assert (off.status_code, off.json()["status"]) == (200, "in_force")
    asked = office.put(risk, "acting", budget=3)
    assert (asked.status_code, asked.json()["status"]) == (202, "requested")
    assert asked.json()["setting"]["mode"] == "off"
    again = office.put(operator, "acting")
    assert (again.status_code, again.json()["code"]) == (409, "setting_asked_for")
    (shown,) = office.get("/api/v1/approvals", operator, status="requested").json()["items"]
    (change,) = shown["changes"]
    assert (change["before"]["mode"], change["after"]["mode"]) == ("off", "acting")
    own = office.approve(risk, shown["id"])
    assert (own.status_code, own.json()["code"]) == (403, "same_person")
    assert office.approve(operator, shown["id"]).status_code == 200
    rows = office.get(f"{ABILITIES}/rebalance/settings", risk).json()
    assert [(row["mode"], row["budget"], row["version"]) for row in rows] == [
        ("acting", 3, 2),
        ("off", 100, 1),
    ]
    fewer = office.put(risk, "acting", budget=2)
    assert (fewer.status_code, fewer.json()["setting"]["budget"]) == (200, 2)
    office.sound()


def test_what_is_recommended_is_accepted_once_for_a_key(office: Office, sign_in: SignIn) -> None:
    risk, decision = sign_in("risk"), office.run()
    path = f"{DECISIONS}/{decision.id}"
    done = office.post(f"{path}/accept", risk, "k1")
    assert (done.status_code, done.json()["state"]) == (200, "done")
    assert office.post(f"{path}/accept", risk, "k1").json() == done.json()
    twice = office.post(f"{path}/accept", risk)
    assert (twice.status_code, twice.json()["code"]) == (409, "not_recommended")
    whole = office.get(path, risk).json()
    assert [one["state"] for one in whole["steps"]] == ["recommended", "done"]
    assert {one["kind"] for one in whole["links"]} == {"portfolio", "rebalance"}
    assert whole["steps"][-1]["actor"].startswith("risk:")
    office.sound()


def test_what_is_recommended_is_turned_down(office: Office, sign_in: SignIn) -> None:
    risk, decision = sign_in("risk"), office.run()
    path = f"{DECISIONS}/{decision.id}/reject"
    assert office.post(path, risk).status_code == 422, "it takes a reason"
    said = office.post(path, risk, reason="not before the weekend")
    assert said.json()["state"] == "rejected"
    (listed,) = office.get(DECISIONS, risk, state="rejected").json()["items"]
    assert listed["id"] == str(decision.id)
    assert office.get(DECISIONS, risk, state="done").json()["items"] == []
    assert office.get(DECISIONS, risk, ability="optimise").json()["items"] == []
    office.sound()


def test_what_was_done_is_replayed_and_taken_back(office: Office, sign_in: SignIn) -> None:
    risk, operator = sign_in("risk"), sign_in("operator")
    office.let_act(risk, operator)
    decision = office.run()
    path = f"{DECISIONS}/{decision.id}"
    assert office.get(f"{path}/replay", risk).json() == {
        "same": True,
        "rule": "rebalance/1",
        "storedRule": "rebalance/1",
    }
    assert [str(one.weight.normalize()) for one in office.shown(office.portfolio).parts] == [
        "0.5",
        "0.5",
        "0",
    ]
    back = office.post(f"{path}/undo", operator, reason="as it was")
    assert (back.status_code, back.json()["state"]) == (200, "undone")
    twice = office.post(f"{path}/undo", operator, reason="again")
    assert (twice.status_code, twice.json()["code"]) == (409, "not_done")
    office.sound()


def test_a_person_who_let_it_act_is_asked_and_another_says_yes(
    office: Office, sign_in: SignIn
) -> None:
    risk, operator = sign_in("risk"), sign_in("operator")
    office.let_act(risk, operator, needsApproval=True)
    decision = office.run()
    assert decision.state == "waiting"
    (shown,) = office.get("/api/v1/approvals", operator, status="requested").json()["items"]
    (change,) = shown["changes"]
    assert (shown["kind"], change["kind"]) == ("automation.action", "decision")
    assert change["after"]["action"] == "rebalance"
    assert office.approve(risk, shown["id"]).json()["code"] == "same_person"
    assert office.approve(operator, shown["id"]).json()["outcome"]["state"] == "done"
    office.sound()


def test_the_decisions_behind_an_order_are_told(office: Office, sign_in: SignIn) -> None:
    risk, operator = sign_in("risk"), sign_in("operator")
    office.let_act(risk, operator)
    decision = office.run()
    office.world.advance()
    office.signal("1", "1")
    last = office.world.one("SELECT id FROM orders ORDER BY number DESC LIMIT 1")
    (behind,) = office.get(CHAIN, risk, orderId=str(last)).json()
    assert behind["id"] == str(decision.id)
    nothing = office.get(CHAIN, risk, orderId=str(uuid4()))
    assert (nothing.status_code, nothing.json()["code"]) == (404, "unknown_order")


def test_decisions_are_exported_a_line_each_with_their_steps(
    office: Office, sign_in: SignIn
) -> None:
    decision = office.run()
    answer = office.get(f"{DECISIONS}/export", sign_in("auditor"))
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    (line,) = map(json.loads, answer.text.splitlines())
    assert line["id"] == str(decision.id)
    assert [one["state"] for one in line["steps"]] == ["recommended"]
    assert D_of(line["evidence"]) == 0.1  # 0.55 and 0.45 of it where 0.5 was given
    none = office.get(f"{DECISIONS}/export", sign_in("auditor"), state="undone")
    assert none.text == ""


def D_of(evidence: dict[str, Any]) -> float:
    return float(evidence["turnover"])


@pytest.mark.parametrize("role", ["auditor", "investor", "creator"])
def test_only_who_may_steers(office: Office, sign_in: SignIn, role: str) -> None:
    who, decision = sign_in(role, name="somebody"), office.run()
    for path, body in (
        (SETTINGS, {"ability": "rebalance", "mode": "off", "reason": "a test"}),
        (f"{DECISIONS}/{decision.id}/accept", {}),
        (f"{DECISIONS}/{decision.id}/reject", {"reason": "no"}),
        (f"{DECISIONS}/{decision.id}/undo", {"reason": "no"}),
    ):
        assert office.post(path, who, **body).json()["code"] == "not_permitted", path
    read = office.get(DECISIONS, who)
    assert read.status_code == (200 if role == "auditor" else 403)


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"ability": "dream"}, 404, "unknown_ability"),
        ({"mode": "always"}, 422, "invalid_request"),
        ({"strategy": "nobody"}, 404, "unknown_strategy"),
        ({"terms": {"distance": -1}}, 422, "bad_terms"),
        ({"terms": {"colour": 1}}, 422, "bad_terms"),
        ({"budget": -1}, 422, "invalid_request"),
        ({"reason": ""}, 422, "invalid_request"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(
    office: Office, sign_in: SignIn, said: dict[str, Any], status: int, code: str
) -> None:
    answer = (
        office.put(sign_in("risk"), "off", **said)
        if "mode" not in said
        else office.put(sign_in("risk"), said["mode"])
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
