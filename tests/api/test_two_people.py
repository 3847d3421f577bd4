"""The ways in which one person may play two, each tried: none moves money, lets an account in or
decides for itself. Which answer is right follows from who holds whose credentials, worked out by
hand in `tests/rules/test_ties.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.identity import (
    PERMISSIONS,
    Principal,
    Role,
    invite,
    request_approval,
)
from commenda.kit.db import Database
from commenda.operations import verify
from commenda.operations.approvals import EXECUTORS
from house import API, PASSWORD, Headers, House, person_id, refused, signed
from people import SETTINGS
from world import World, in_threads

SAME = (409, "same_person")


@pytest.fixture
def house(db: Database) -> Iterator[House]:
    """Deposits are not paper; the books are sound at the end."""
    app = create_app(replace(SETTINGS, paper_funding=False), db)
    with TestClient(app, raise_server_exceptions=False) as client:
        client.app.state.gate.refresh_seconds = 0  # type: ignore[attr-defined]
        world = World(db)
        yield House(client, db)
    world.assert_sound()


@pytest.fixture
def lines(house: House) -> dict[str, Headers]:
    """Two administrators of the machine, each with an operator that the other one approved."""
    root, ruth = house.at_machine("root"), house.at_machine("ruth")
    return {
        "root": root,
        "ruth": ruth,
        "olga": house.hired(root, ruth, "olga"),
        "otto": house.hired(ruth, root, "otto"),
    }


def asked_by(house: House, name: str, role: str, kind: str = "ledger.close_period") -> str:
    who = Principal(person_id(name), Role(role), PERMISSIONS[Role(role)], None, True)
    with house.database.transaction() as tx:
        subject = str(uuid4())
        now = datetime(2026, 1, 5, tzinfo=UTC)
        payload = {"until": "2026-01-01T00:00:00Z"}
        return str(request_approval(tx, who, kind, subject, payload, uuid4(), now).id)


def decides(house: House, who: Headers, approval: str) -> bool:
    """Whether somebody's word would count; the request stays as it is."""
    answer = house.client.post(
        f"{API}/approvals/{approval}/reject", headers=who, json={"reason": "tried"}
    )
    if answer.status_code == 200:
        return True
    assert refused(answer) == SAME, answer.text
    return False


def test_an_operator_credits_no_customer_of_their_own_making(
    house: House, lines: dict[str, Headers]
) -> None:
    puppet = house.customer("puppet")  # registered by the operator, from a browser like any other
    asked = house.fund(puppet, amount="1000000").json()
    assert asked["status"] == "pending"
    assert house.approve(lines["olga"], asked["approvalId"]).status_code == 202
    assert refused(house.approve(lines["olga"], asked["approvalId"])) == SAME
    assert refused(house.approve(lines["root"], asked["approvalId"])) == SAME, "her inviter"
    assert refused(house.approve(lines["ruth"], asked["approvalId"])) == SAME, "her approver"
    assert house.available(puppet) == "0"
    done = house.approve(lines["otto"], asked["approvalId"])
    assert (done.status_code, done.json()["status"]) == (200, "approved")
    assert set(done.json()["approvedBy"]) == {str(person_id("olga")), str(person_id("otto"))}
    assert house.available(puppet) == "1000000"


def test_an_operator_pays_nothing_out_alone(house: House, lines: dict[str, Headers]) -> None:
    ines = house.customer("ines")
    deposit = house.fund(ines, amount="50000").json()["approvalId"]
    assert house.approve(lines["olga"], deposit).status_code == 202
    assert house.approve(lines["otto"], deposit).status_code == 200
    out = house.fund(ines, direction="withdrawal", amount="40000").json()
    assert house.approve(lines["otto"], out["approvalId"]).status_code == 202
    assert refused(house.approve(lines["otto"], out["approvalId"])) == SAME
    assert house.available(ines) == "10000"
    listed = house.client.get(f"{API}/participation/funding", headers=ines).json()["items"]
    assert listed[0]["status"] == "pending"
    assert house.approve(lines["olga"], out["approvalId"]).status_code == 200


def test_who_made_a_customer_decides_nothing_of_theirs(
    house: House, lines: dict[str, Headers]
) -> None:
    body = {"username": "carl", "password": PASSWORD, "role": "investor"}
    made = house.client.post(f"{API}/users", headers=lines["root"], json=body)
    assert made.status_code == 201
    asked = house.fund(signed("carl", "investor"), amount="1000000").json()["approvalId"]
    assert refused(house.approve(lines["root"], asked)) == SAME
    assert refused(house.approve(lines["olga"], asked)) == SAME, "who was invited by that one"
    assert house.approve(lines["ruth"], asked).status_code == 202
    assert refused(house.approve(lines["otto"], asked)) == SAME, "ruth may play otto"
    assert house.available(signed("carl", "investor")) == "0"


def test_an_administrator_lets_nobody_in_alone(house: House, lines: dict[str, Headers]) -> None:
    token = house.invite(lines["root"], "oscar")
    waiting = house.take_up(token)  # by the administrator, who sees the token
    assert waiting["status"] == "waiting"
    login = {"username": "oscar", "password": PASSWORD}
    assert house.client.post(f"{API}/auth/login", json=login).status_code == 401
    for own in ("root", "olga"):
        assert refused(house.approve(lines[own], waiting["approvalId"])) == SAME
    again = house.client.post(f"{API}/auth/invitation", json={"token": token, "password": PASSWORD})
    assert refused(again) == (404, "unknown_invitation"), "a token is taken up once"
    assert house.approve(lines["ruth"], waiting["approvalId"]).status_code == 200
    answer = house.client.post(f"{API}/auth/login", json=login)
    assert refused(answer) == (401, "second_factor_needed")
    oscar = asked_by(house, "oscar", "operator")
    assert not any(decides(house, lines[name], oscar) for name in ("root", "ruth", "olga"))
    assert decides(house, lines["otto"], oscar)


def test_whom_nobody_vouches_for_stays_out_with_what_they_chose(
    house: House, lines: dict[str, Headers]
) -> None:
    waiting = house.take_up(house.invite(lines["root"], "oscar"))
    assert decides(house, lines["ruth"], waiting["approvalId"])
    path = f"{API}/users/{person_id('oscar')}"
    enabled = house.client.patch(path, headers=lines["root"], json={"status": "active"})
    assert refused(enabled) == (409, "user_waits")
    with house.database.transaction() as tx:
        row = tx.execute(
            "SELECT status, password_hash, totp_secret FROM users WHERE username = 'oscar'"
        ).fetchone()
    assert row == ("waiting", None, None)
    assert house.take_up(house.invite(lines["ruth"], "oscar"))["status"] == "waiting"


def test_who_resets_an_account_may_hold_it(house: House, lines: dict[str, Headers]) -> None:
    before = asked_by(house, "otto", "operator")
    path = f"{API}/users/{person_id('otto')}/reset"
    answer = house.client.post(path, headers=lines["root"])
    assert answer.status_code == 201, answer.text
    assert house.client.get(f"{API}/auth/me", headers=lines["otto"]).status_code == 200
    waiting = house.take_up(answer.json()["token"], "another fine passphrase")
    assert waiting["status"] == "waiting"
    for name in ("root", "olga"):  # who reset it, and whom that one invited
        assert refused(house.approve(lines[name], waiting["approvalId"])) == SAME
        assert not decides(house, lines[name], before)
    ines = house.customer("ines")
    deposit = house.fund(ines, amount="700").json()["approvalId"]
    assert house.approve(lines["olga"], deposit).status_code == 202
    assert house.approve(lines["ruth"], waiting["approvalId"]).status_code == 200
    assert refused(house.approve(lines["otto"], deposit)) == SAME, "root may hold both now"
    assert house.available(ines) == "0"


def test_nobody_resets_themselves_nor_a_customer_alone(
    house: House, lines: dict[str, Headers]
) -> None:
    own = house.client.post(f"{API}/users/{person_id('root')}/reset", headers=lines["root"])
    assert refused(own) == (409, "own_account")
    house.customer("ines")
    path = f"{API}/users/{person_id('ines')}/reset"
    waiting = house.take_up(house.client.post(path, headers=lines["root"]).json()["token"])
    assert waiting["status"] == "waiting"
    assert refused(house.approve(lines["root"], waiting["approvalId"])) == SAME
    assert house.approve(lines["ruth"], waiting["approvalId"]).status_code == 200


def test_a_role_is_lent_to_nobody_by_one(house: House, lines: dict[str, Headers]) -> None:
    path = f"{API}/users/{person_id('olga')}"
    asked = house.client.patch(path, headers=lines["ruth"], json={"role": "admin"})
    assert asked.status_code == 202, asked.text
    approval = asked.json()["approvalId"]
    assert house.client.get(f"{API}/auth/me", headers=lines["olga"]).json()["role"] == "operator"
    for own in ("ruth", "otto"):
        assert refused(house.approve(lines[own], approval)) == SAME
    assert house.approve(lines["root"], approval).status_code == 200
    listed = house.client.get(f"{API}/users", headers=lines["root"], params={"role": "admin"})
    assert "olga" in [one["username"] for one in listed.json()["items"]]
    olga = asked_by(house, "olga", "admin")
    assert not decides(house, lines["ruth"], olga), "who asked for her role"
    assert not decides(house, lines["root"], olga), "who approved it, and invited her"


def test_disabling_takes_one_and_letting_in_again_two(
    house: House, lines: dict[str, Headers]
) -> None:
    path = f"{API}/users/{person_id('olga')}"
    out = house.client.patch(path, headers=lines["ruth"], json={"status": "disabled"})
    assert (out.status_code, out.json()["status"]) == (200, "disabled")
    back = house.client.patch(path, headers=lines["ruth"], json={"status": "active"})
    assert back.status_code == 202
    assert refused(house.approve(lines["ruth"], back.json()["approvalId"])) == SAME
    assert house.approve(lines["root"], back.json()["approvalId"]).status_code == 200


def test_the_word_of_somebody_who_was_disabled_does_not_count(
    house: House, lines: dict[str, Headers]
) -> None:
    ines = house.customer("ines")
    asked = house.fund(ines, amount="1000000").json()["approvalId"]
    assert house.approve(lines["olga"], asked).status_code == 202
    path = f"{API}/users/{person_id('olga')}"
    house.client.patch(path, headers=lines["ruth"], json={"status": "disabled"})
    assert house.approve(lines["otto"], asked).status_code == 202
    assert house.available(ines) == "0"
    assert house.approve(lines["root"], asked).status_code == 409, "he let otto in"


def test_a_key_is_no_second_person(house: House, lines: dict[str, Headers]) -> None:
    keys = f"{API}/auth/api-keys"
    for name, scope in (("olga", "approve"), ("olga", "bank"), ("root", "users")):
        body = {"name": "lent", "scopes": ["approvals", scope]}
        answer = house.client.post(keys, headers=lines[name], json=body)
        assert refused(answer) == (422, "scope_not_held")
    body = {"name": "lent", "scopes": ["approvals"]}
    key = house.client.post(keys, headers=lines["olga"], json=body).json()["secret"]
    with psycopg.connect(house.database.owner_url) as owner:  # one of the version before
        owner.execute("UPDATE api_keys SET scopes = scopes || '{approve,bank}'")
    asked = house.fund(house.customer("ines"), amount="5").json()["approvalId"]
    assert refused(house.approve({"X-API-Key": key}, asked)) == (403, "not_permitted")
    body = {"kind": "csv", "content": "whoever reads a statement in gives a word, too"}
    read = house.client.post(f"{API}/bank/statements", headers={"X-API-Key": key}, json=body)
    assert refused(read) == (403, "not_permitted")
    with psycopg.connect(house.database.owner_url) as owner:
        owner.execute("UPDATE api_keys SET scopes = '{approvals}'")


def test_words_for_what_was_rejected_do_not_count_when_it_is_asked_for_again(
    house: House, lines: dict[str, Headers]
) -> None:
    ines = house.customer("ines")
    first = house.fund(ines, amount="900", reference="a").json()["approvalId"]
    assert house.approve(lines["olga"], first).status_code == 202
    assert decides(house, lines["olga"], first), "who approved may still reject"
    assert refused(house.approve(lines["otto"], first)) == (409, "already_decided")
    again = house.fund(ines, amount="900", reference="b").json()["approvalId"]
    assert house.approve(lines["otto"], again).status_code == 202
    assert house.available(ines) == "0"


def test_of_many_words_at_once_two_have_one_effect(house: House) -> None:
    ines = house.customer("ines")
    asked = house.fund(ines, amount="900").json()["approvalId"]
    staff = [house.at_machine(f"risk-{n}", "risk") for n in range(12)]
    answers = in_threads(*[partial(house.approve, one, asked) for one in staff])
    assert sorted(answer.status_code for answer in answers) == [200, 202] + [409] * 10
    assert house.available(ines) == "900"


@pytest.mark.parametrize("kind", [one.kind for one in EXECUTORS])
def test_no_kind_of_request_is_decided_by_who_asked_or_made_who_asked(
    house: House, lines: dict[str, Headers], kind: str
) -> None:
    approval = asked_by(house, "olga", "operator", kind)
    for name in ("olga", "root", "ruth"):
        assert refused(house.approve(lines[name], approval)) == SAME
        assert not decides(house, lines[name], approval)
    customers = asked_by(house, "olga", "investor", kind)  # as a customer's request it takes two
    assert house.approve(lines["otto"], customers).status_code == 202


def test_ties_are_what_the_audit_trail_says_and_the_application_writes_none(
    house: House, lines: dict[str, Headers]
) -> None:
    with house.database.transaction() as tx:
        stored = tx.execute(
            "SELECT u.username, t.kind, b.username FROM ties t JOIN users u ON u.id = t.user_id"
            " JOIN users b ON b.id = t.by_id ORDER BY 1, 2"
        ).fetchall()
    assert stored == [
        ("olga", "approved", "ruth"),
        ("olga", "invited", "root"),
        ("otto", "approved", "root"),
        ("otto", "invited", "ruth"),
    ]
    for statement in ("DELETE FROM ties", "UPDATE ties SET kind = 'changed'"):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            house.database.transaction() as tx,
        ):
            tx.execute(statement)  # type: ignore[arg-type]
    with psycopg.connect(house.database.owner_url) as owner:
        owner.execute(
            "DELETE FROM ties WHERE kind = 'invited' AND user_id = %s", [person_id("olga")]
        )
    with house.database.transaction() as tx:
        found = [one for one in verify(tx) if "stands behind" in one.rule]
    assert [one.subject for one in found] == [f"{person_id('olga')} by {person_id('root')}"]
    with psycopg.connect(house.database.owner_url) as owner:
        owner.execute("INSERT INTO ties SELECT * FROM told_ties ON CONFLICT DO NOTHING")


def test_a_house_of_two_decides_with_both(house: House) -> None:
    """Both were let in at the machine: neither stands behind the other."""
    root, olga = house.at_machine("root"), house.at_machine("olga", "operator")
    ines = house.customer("ines")
    asked = house.fund(ines, amount="700").json()["approvalId"]
    assert house.approve(root, asked).status_code == 202
    assert house.approve(olga, asked).status_code == 200
    assert house.available(ines) == "700"
    assert decides(house, root, asked_by(house, "olga", "operator"))


def test_whom_the_machine_invites_is_let_in_by_their_own_password_and_factor(house: House) -> None:
    with house.database.transaction() as tx:
        made = invite(tx, None, "grace", Role.ADMIN, datetime.now(UTC), actor="cli")
    joined = house.take_up(made.token)
    assert (joined["status"], joined["approvalId"]) == ("active", None)
    body = {"username": "grace", "password": PASSWORD, "recoveryCode": joined["recoveryCodes"][0]}
    assert house.client.post(f"{API}/auth/login", json=body).status_code == 200


def test_a_token_is_over_after_three_days_and_when_another_is_made(
    house: House, lines: dict[str, Headers]
) -> None:
    first = house.invite(lines["root"], "oscar")
    second = house.invite(lines["root"], "oscar")
    with house.database.transaction() as tx:
        invite(tx, None, "grace", Role.RISK, datetime.now(UTC) - timedelta(days=3), actor="cli")
        old = invite(tx, None, "grace", Role.RISK, datetime.now(UTC) - timedelta(days=3))
    for token, answer in ((first, 404), (old.token, 404), ("ci_nonsense", 404), (second, 200)):
        body = {"token": token, "password": PASSWORD}
        assert house.client.post(f"{API}/auth/invitation", json=body).status_code == answer
    taken = house.client.post(
        f"{API}/users/invitations",
        headers=lines["root"],
        json={"username": "olga", "role": "operator"},
    )
    assert refused(taken) == (409, "username_taken"), "nobody's account is taken over by inviting"
    customer = {"username": "carl", "role": "investor"}
    answer = house.client.post(f"{API}/users/invitations", headers=lines["root"], json=customer)
    assert refused(answer) == (422, "not_staff")
