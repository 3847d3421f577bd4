"""Periods closed and journals reversed over HTTP: by two people, once, or refused with a hint."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi.testclient import TestClient

from commenda.ledger import note_balances
from scripted import START, D
from staff_books import (
    SignIn,
    code,
    get,
    ines,
    pages,
    world,  # noqa: F401 - fixtures
)
from world import World


def approve(client: TestClient, asked: Any, who: dict[str, str]) -> Any:
    return client.post(f"/api/v1/approvals/{asked['approvalId']}/approve", headers=who)


def test_two_people_close_a_period_and_it_takes_no_more_entries(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    operator, auditor = sign_in("operator"), sign_in("auditor")
    until = world.now.isoformat().replace("+00:00", "Z")
    asked = client.post("/api/v1/ledger/periods", json={"until": until}, headers=operator)
    assert asked.status_code == 202
    assert get(client, "periods", auditor)["items"] == [], "one person closes nothing"
    assert code(approve(client, asked.json(), operator)) == (409, "same_person")
    done = approve(client, asked.json(), sign_in("risk"))
    assert done.status_code == 200
    assert done.json()["outcome"]["closed"] is True
    (period,) = get(client, "periods", auditor)["items"]
    assert (period["until"], period["notedAt"]) == (until, None)
    assert period["closedBy"].startswith("risk:")
    with world.database.transaction() as tx:
        while note_balances(tx):
            pass
    (period,) = get(client, "periods", auditor)["items"]
    assert period["notedAt"] is not None
    again = client.post("/api/v1/ledger/periods", json={"until": until}, headers=operator)
    assert code(again) == (409, "period_closed")
    future = (world.now + timedelta(seconds=1)).isoformat()
    early = client.post("/api/v1/ledger/periods", json={"until": future}, headers=operator)
    assert code(early) == (422, "bad_period")
    assert world.column("SELECT kind FROM audit_events WHERE kind LIKE 'ledger.%%'") == [
        "ledger.period_closed"
    ]


def test_a_period_that_was_asked_for_twice_is_closed_once(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    operator = sign_in("operator")
    body = {"until": world.now.isoformat()}
    asked = [
        client.post("/api/v1/ledger/periods", json=body, headers=operator).json() for _ in range(2)
    ]
    outcomes = [approve(client, one, sign_in("risk")).json()["outcome"] for one in asked]
    assert [one["closed"] for one in outcomes] == [True, False]


def test_periods_are_listed_the_latest_first_page_by_page(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    for n in range(5):
        until = (START - timedelta(days=9 - n)).isoformat()
        asked = client.post(
            "/api/v1/ledger/periods", json={"until": until}, headers=sign_in("operator")
        )
        approve(client, asked.json(), sign_in("risk"))
    listed = pages(client, "periods", sign_in("auditor"), limit=2)
    assert [one["until"][:10] for one in listed] == [
        (START - timedelta(days=days)).date().isoformat() for days in range(5, 10)
    ]


def test_two_people_undo_a_deposit(client: TestClient, world: World, sign_in: SignIn) -> None:
    operator, auditor = sign_in("operator"), sign_in("auditor")
    world.pay_in(ines(), D(250), "by mistake")
    (wrong, *_) = get(client, "journals", auditor, kind="deposit")["items"]
    path = f"/api/v1/ledger/journals/{wrong['id']}/reversal"
    key = operator | {"Idempotency-Key": "undo-1"}
    asked = client.post(path, json={"reason": "another's money"}, headers=key)
    again = client.post(path, json={"reason": "another's money"}, headers=key)
    assert (asked.status_code, again.json()) == (202, asked.json())
    other = client.post(path, json={"reason": "changed"}, headers=key)
    assert code(other) == (409, "idempotency_conflict")
    assert world.wallet(ines()) == 10_250
    request = client.get(f"/api/v1/approvals/{asked.json()['approvalId']}", headers=auditor).json()
    assert request["kind"] == "ledger.reversal"
    assert request["payload"]["reason"] == "another's money"
    done = approve(client, asked.json(), sign_in("risk")).json()
    assert done["outcome"]["outcome"] == "posted"
    assert world.wallet(ines()) == 10_000
    undone = get(client, f"journals/{wrong['id']}", auditor)
    reversal = get(client, f"journals/{undone['reversedBy']}", auditor)
    assert (reversal["reverses"], reversal["kind"]) == (wrong["id"], "reversal")
    assert reversal["id"] == done["outcome"]["journalId"]
    twice = client.post(path, json={"reason": "once more"}, headers=operator)
    assert code(twice) == (409, "already_reversed")
    world.assert_sound()


def test_what_has_other_effects_is_not_undone_and_says_what_to_do_instead(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    operator, auditor = sign_in("operator"), sign_in("auditor")
    for kind in ("transfer", "reserve", "activate", "allocation"):
        (found, *_) = get(client, "journals", auditor, kind=kind)["items"]
        answer = client.post(
            f"/api/v1/ledger/journals/{found['id']}/reversal",
            json={"reason": "no"},
            headers=operator,
        )
        assert code(answer) == (422, "not_reversible")
        assert answer.json()["mend"]
    for number in ("x", 10**9):
        answer = client.post(
            f"/api/v1/ledger/journals/{number}/reversal", json={"reason": "no"}, headers=operator
        )
        assert code(answer) == (404, "unknown_journal")


def test_a_reversal_of_spent_money_is_a_recorded_refusal(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    (deposit, *_) = [
        one
        for one in get(client, "journals", sign_in("auditor"), kind="deposit")["items"]
        if str(ines().id) in one["key"]
    ]
    asked = client.post(
        f"/api/v1/ledger/journals/{deposit['id']}/reversal",
        json={"reason": "never arrived"},
        headers=sign_in("operator"),
    ).json()
    before = world.one("SELECT count(*) FROM entries")
    decided = approve(client, asked, sign_in("risk")).json()
    assert decided["status"] == "approved"
    assert decided["outcome"]["outcome"] == "refused"
    assert decided["outcome"]["reason"] == "below_floor"
    assert world.one("SELECT count(*) FROM entries") == before
    assert world.wallet(ines()) == 10_000
