"""Four eyes: one asks, another decides, once and in time; the effect stands with the decision."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi.testclient import TestClient

from commenda.identity import (
    PERMISSIONS,
    Approval,
    Principal,
    Role,
    approval_by_id,
    register_users,
    request_approval,
)
from commenda.kit import clock, ids
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.ledger import Author
from commenda.operations import Executor, expire_approvals
from world import in_threads

API = "/api/v1"
NOW = datetime(2026, 1, 5, tzinfo=UTC)

SignIn = Callable[..., dict[str, str]]


@dataclass
class Till:
    """What a kind of request does here: it opens a till, or refuses, or locks it again."""

    refusal: CommendaError | None = None
    opened: list[tuple[str, str]] = field(default_factory=list)
    locked: list[tuple[str, str]] = field(default_factory=list)

    def open(self, tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
        tx.execute(
            "INSERT INTO audit_events (happened_at, kind, actor, subject, correlation_id, result)"
            " VALUES (clock_timestamp(), 'till.opened', %s, %s, %s, 'opened')",
            (author.actor, approval.subject, approval.correlation_id),
        )
        if self.refusal is not None:
            raise self.refusal
        self.opened.append((approval.subject, author.actor))
        return {"opened": approval.payload["drawer"]}

    def lock(self, _tx: Tx, author: Author, approval: Approval) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.locked.append((approval.subject, author.actor))


@pytest.fixture
def till(monkeypatch: pytest.MonkeyPatch, db: Database) -> Till:
    made = Till()
    monkeypatch.setattr(
        "commenda.operations.approvals.EXECUTORS",
        (Executor("till.open", made.open, made.lock),),
    )
    with db.transaction() as tx:
        clock.advance(tx, NOW)
    return made


def clerk(name: str = "clerk") -> Principal:
    user = ids.derive("test-user", "operator", name)
    return Principal(user, Role.OPERATOR, PERMISSIONS[Role.OPERATOR], None, True)


def asked(db: Database, subject: str = "till-1", kind: str = "till.open") -> UUID:
    """A request of an operator's; its id."""
    with db.transaction() as tx:
        register_users(tx, [(clerk().user_id, "clerk")], "operator", NOW)
        return request_approval(
            tx, clerk(), kind, subject, {"drawer": 3}, ids.derive("till", subject), NOW
        ).id


def approve(client: TestClient, approval: UUID, headers: dict[str, str]) -> httpx2.Response:
    return client.post(f"{API}/approvals/{approval}/approve", headers=headers)


def reject(client: TestClient, approval: UUID, headers: dict[str, str]) -> httpx2.Response:
    return client.post(
        f"{API}/approvals/{approval}/reject", headers=headers, json={"reason": "the wrong drawer"}
    )


def status(db: Database, approval: UUID) -> str:
    with db.transaction() as tx:
        return approval_by_id(tx, approval).status


def trail(db: Database, approval: UUID) -> list[tuple[str, str]]:
    """(kind, actor's role) of what the audit log has of a request, in order."""
    with db.transaction() as tx:
        rows = tx.execute(
            "SELECT kind, split_part(actor, ':', 1) FROM audit_events WHERE subject = %s"
            " ORDER BY id",
            (str(approval),),
        ).fetchall()
    return [(row[0], row[1]) for row in rows]


def test_an_approved_request_is_carried_out_with_its_outcome(
    client: TestClient, db: Database, till: Till, sign_in: SignIn
) -> None:
    approval, risk = asked(db), sign_in("risk")
    answer = approve(client, approval, risk)
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["outcome"]) == ("approved", {"opened": 3})
    assert len(till.opened) == 1
    assert till.opened[0][1].startswith("risk:")
    assert client.get(f"{API}/approvals/{approval}", headers=risk).json() == answer.json()
    assert trail(db, approval) == [
        ("approval.requested", "operator"),
        ("approval.approved", "risk"),
    ]


def test_nobody_decides_what_they_asked_for(
    client: TestClient, db: Database, till: Till, sign_in: SignIn
) -> None:
    approval, own = asked(db), sign_in("operator", "clerk")
    for answer in (approve(client, approval, own), reject(client, approval, own)):
        assert (answer.status_code, answer.json()["code"]) == (409, "same_person")
    assert (till.opened, till.locked, status(db, approval)) == ([], [], "requested")
    assert approve(client, approval, sign_in("operator", "other")).status_code == 200


def test_of_twenty_approvals_at_once_one_has_an_effect(
    client: TestClient, db: Database, till: Till, sign_in: SignIn
) -> None:
    approval = asked(db)
    people = [sign_in("risk", f"risk-{n}") for n in range(20)]
    answers = in_threads(*[partial(approve, client, approval, one) for one in people])
    assert sorted(a.status_code for a in answers) == [200] + [409] * 19
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"already_decided"}
    assert len(till.opened) == 1
    assert len(trail(db, approval)) == 2


def test_a_decision_repeated_with_its_key_is_answered_as_before(
    client: TestClient, db: Database, till: Till, sign_in: SignIn
) -> None:
    approval = asked(db)
    headers = sign_in("risk") | {"Idempotency-Key": "yes-1"}
    first, again = approve(client, approval, headers), approve(client, approval, headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(till.opened) == 1


def test_a_refused_effect_decides_nothing(
    client: TestClient, db: Database, till: Till, sign_in: SignIn
) -> None:
    approval, risk = asked(db), sign_in("risk")
    till.refusal = conflict("insufficient_balance", "The drawer is empty")
    answer = approve(client, approval, risk)
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_balance")
    assert status(db, approval) == "requested"
    assert trail(db, approval) == [("approval.requested", "operator")]
    assert trail_of_till(db) == 0, "what the effect had written is undone with it"
    till.refusal = None
    assert approve(client, approval, risk).status_code == 200


def trail_of_till(db: Database) -> int:
    with db.transaction() as tx:
        row = tx.execute("SELECT count(*) FROM audit_events WHERE kind = 'till.opened'").fetchone()
    assert row is not None
    return int(row[0])


def test_a_rejected_request_gives_back_what_was_held_and_is_final(
    client: TestClient, db: Database, till: Till, sign_in: SignIn
) -> None:
    approval, risk = asked(db), sign_in("risk")
    answer = reject(client, approval, risk)
    assert (answer.status_code, answer.json()["status"]) == (200, "rejected")
    assert answer.json()["reason"] == "the wrong drawer"
    assert [subject for subject, _ in till.locked] == ["till-1"]
    for late in (approve(client, approval, risk), reject(client, approval, risk)):
        assert (late.status_code, late.json()["code"]) == (409, "already_decided")
    assert till.opened == []
    assert len(till.locked) == 1


def test_a_request_that_nobody_decided_in_time_expires_and_gives_back(
    client: TestClient, db: Database, till: Till, sign_in: SignIn
) -> None:
    approval, risk = asked(db), sign_in("risk")
    at_the_end = NOW + timedelta(days=3)
    with db.transaction() as tx:
        assert expire_approvals(tx, at_the_end - timedelta(seconds=1)) == 0
        clock.advance(tx, at_the_end)
    for _ in range(2):  # before the sweep, and after it
        answer = approve(client, approval, risk)
        assert (answer.status_code, answer.json()["code"]) == (409, "approval_expired")
        assert till.opened == []
        with db.transaction() as tx:
            expire_approvals(tx, at_the_end)
    assert status(db, approval) == "expired"
    assert till.locked == [("till-1", "system:clock")]
    assert trail(db, approval)[1:] == [("approval.expired", "system")]


def test_one_request_that_cannot_expire_holds_up_no_other(db: Database, till: Till) -> None:
    stuck, other = asked(db), asked(db, "till-2", kind="till.count")
    till.refusal = conflict("insufficient_balance", "The drawer is empty")
    late = NOW + timedelta(days=4)
    with db.transaction() as tx:
        assert expire_approvals(tx, late) == 1
    assert (status(db, stuck), status(db, other)) == ("requested", "expired")
    till.refusal = None
    with db.transaction() as tx:
        assert expire_approvals(tx, late) == 1
    assert status(db, stuck) == "expired"


def test_a_kind_that_nothing_carries_out_is_not_approved(
    client: TestClient, db: Database, till: Till, sign_in: SignIn
) -> None:
    approval = asked(db, kind="till.count")
    answer = approve(client, approval, sign_in("risk"))
    assert (answer.status_code, answer.json()["code"]) == (422, "no_executor")
    assert status(db, approval) == "requested"


def test_the_same_may_be_asked_for_again(db: Database, till: Till) -> None:
    assert len({asked(db) for _ in range(3)}) == 3


def test_requests_are_listed_the_latest_first_and_by_status(
    client: TestClient, db: Database, till: Till, sign_in: SignIn
) -> None:
    first, second, third = (asked(db, f"till-{n}") for n in range(3))
    risk = sign_in("risk")
    reject(client, second, risk)
    page = client.get(f"{API}/approvals", headers=risk, params={"limit": 2}).json()
    assert [one["id"] for one in page["items"]] == [str(third), str(second)]
    rest = client.get(
        f"{API}/approvals", headers=risk, params={"limit": 2, "cursor": page["nextCursor"]}
    ).json()
    assert ([one["id"] for one in rest["items"]], rest["nextCursor"]) == ([str(first)], None)
    open_ones = client.get(f"{API}/approvals", headers=risk, params={"status": "requested"})
    assert [one["id"] for one in open_ones.json()["items"]] == [str(third), str(first)]


@pytest.mark.parametrize("number", ["1" * 60, "-" + "1" * 60])
def test_a_cursor_beyond_every_number_is_refused(
    client: TestClient, sign_in: SignIn, number: str
) -> None:
    cursor = base64.urlsafe_b64encode(f"[{number}]".encode()).decode().rstrip("=")
    answer = client.get(f"{API}/approvals", headers=sign_in("risk"), params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")


def test_who_may_see_and_who_may_decide(
    client: TestClient, db: Database, till: Till, sign_in: SignIn
) -> None:
    approval = asked(db)
    assert client.get(f"{API}/approvals").status_code == 401
    for role in ("investor", "creator"):
        assert client.get(f"{API}/approvals", headers=sign_in(role)).status_code == 403
    auditor = sign_in("auditor")
    assert client.get(f"{API}/approvals", headers=auditor).status_code == 200
    for role in ("investor", "creator", "auditor"):
        assert approve(client, approval, sign_in(role)).status_code == 403
        assert reject(client, approval, sign_in(role)).status_code == 403
    weak = approve(client, approval, sign_in("risk", "weak", second_factor=False))
    assert (weak.status_code, weak.json()["code"]) == (403, "second_factor_required")
    assert status(db, approval) == "requested"


def test_an_unknown_request_is_unknown(client: TestClient, till: Till, sign_in: SignIn) -> None:
    answer = approve(client, uuid4(), sign_in("risk"))
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_approval")


@pytest.mark.parametrize("reason", ["", "a\x00b", "x" * 501])
def test_a_reason_is_a_text_that_can_be_kept(
    client: TestClient, db: Database, till: Till, sign_in: SignIn, reason: str
) -> None:
    answer = client.post(
        f"{API}/approvals/{asked(db)}/reject", headers=sign_in("risk"), json={"reason": reason}
    )
    assert answer.status_code == 422
