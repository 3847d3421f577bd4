"""Money in and out: at once on paper, else once two of the staff have decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.funding import deposit as credit
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import Owner, OwnerKind, reverse
from commenda.operations.approvals import expire_approvals
from scripted import ASSET, D
from world import World, in_threads

FUNDING = "/api/v1/participation/funding"
CUSTODY = "/api/v1/participation/custody-auth"
SignIn = Callable[..., dict[str, str]]


@pytest.fixture
def careful(client: TestClient, db: Database) -> Iterator[TestClient]:
    """An installation in which deposits are confirmed by a person."""
    settings = replace(client.app.state.service.settings, paper_funding=False)  # type: ignore[attr-defined]
    with TestClient(create_app(settings, db), raise_server_exceptions=False) as opened:
        yield opened


def owner_of(name: str, role: str = "investor") -> Owner:
    return Owner(OwnerKind.INVESTOR, ids.derive("test-user", role, name))


def ask(client: TestClient, who: dict[str, str], key: str | None = None, **body: Any) -> Any:
    headers = who if key is None else who | {"Idempotency-Key": key}
    return client.post(FUNDING, json=body, headers=headers)


def decide(client: TestClient, who: dict[str, str], approval: str, word: str) -> Any:
    body = {"reason": "not seen"} if word == "reject" else None
    return client.post(f"/api/v1/approvals/{approval}/{word}", json=body, headers=who)


def balances(client: TestClient, who: dict[str, str]) -> dict[str, Decimal]:
    """What can be spent of the wallet, and what is held of it for what."""
    (one,) = client.get("/api/v1/wallet/balances", headers=who).json()
    return {name: D(one[name]) for name in ("available", "withdrawing", "frozen")}


def withdrawals(client: TestClient, who: dict[str, str]) -> list[str]:
    """What the asset log shows as taken out."""
    log = client.get("/api/v1/wallet/asset-log", params={"type": "withdraw"}, headers=who).json()
    return [entry["amount"] for entry in log["items"]]


def test_a_paper_deposit_is_in_the_wallet_at_once(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    answer = ask(client, ines, amount="2500.50", reference="bank-1")
    assert answer.status_code == 201
    assert answer.json()["status"] == "done"
    assert answer.json()["amount"] == "2500.5"
    assert answer.json()["approvalId"] is None
    assert world.wallet(owner_of("ines")) == D("2500.50")
    events = world.rows(
        "SELECT result, actor, rule_version, correlation_id FROM audit_events"
        " WHERE kind = 'funding.deposit'"
    )
    ((result, actor, rules, correlation),) = events
    assert (result, rules) == ("done", "funding/2")
    assert actor == f"investor:{owner_of('ines').id}"
    assert world.one("SELECT correlation_id FROM journals WHERE kind = 'deposit'") == correlation
    world.assert_sound()


def test_a_deposit_waits_until_two_of_the_staff_confirm_it(
    careful: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    answer = ask(careful, ines, amount="700")
    assert answer.status_code == 202
    assert answer.json()["status"] == "pending"
    assert world.wallet(owner_of("ines")) == 0
    assert decide(careful, ines, answer.json()["approvalId"], "approve").status_code == 403
    first = decide(careful, sign_in("operator"), answer.json()["approvalId"], "approve")
    assert (first.status_code, first.json()["status"]) == (202, "requested")
    assert world.wallet(owner_of("ines")) == 0
    done = decide(careful, sign_in("risk"), answer.json()["approvalId"], "approve")
    assert done.status_code == 200
    assert world.wallet(owner_of("ines")) == 700
    assert careful.get(FUNDING, headers=ines).json()["items"][0]["status"] == "done"
    again = decide(careful, sign_in("operator"), answer.json()["approvalId"], "approve")
    assert (again.status_code, again.json()["code"]) == (409, "already_decided")
    assert world.wallet(owner_of("ines")) == 700
    world.assert_sound()


def test_a_rejected_deposit_credits_nothing(
    careful: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    approval = ask(careful, ines, amount="700").json()["approvalId"]
    assert decide(careful, sign_in("operator"), approval, "reject").status_code == 200
    assert world.wallet(owner_of("ines")) == 0
    assert careful.get(FUNDING, headers=ines).json()["items"][0]["status"] == "rejected"
    world.assert_sound()


def test_a_small_withdrawal_is_paid_at_once(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    ask(client, ines, amount="100")
    answer = ask(client, ines, direction="withdrawal", amount="30.25")
    assert (answer.status_code, answer.json()["status"]) == (201, "done")
    assert world.wallet(owner_of("ines")) == D("69.75")
    world.assert_sound()


@pytest.mark.parametrize("outcome", ["approve", "reject", "expire"])
def test_a_large_withdrawal_is_set_aside_until_it_is_decided(
    client: TestClient, db: Database, sign_in: SignIn, outcome: str
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    owner = owner_of("ines")
    ask(client, ines, amount="15000")
    answer = ask(client, ines, direction="withdrawal", amount="10000")  # the limit itself is large
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert balances(client, ines) == {"available": 5000, "withdrawing": 10_000, "frozen": 0}
    assert withdrawals(client, ines) == [], "the log shows a withdrawal when money leaves"
    too_much = ask(client, ines, direction="withdrawal", amount="5000.01")
    assert (too_much.status_code, too_much.json()["code"]) == (409, "insufficient_balance")
    assert "on hold" in too_much.json()["detail"]
    world.assert_sound()
    if outcome == "expire":
        world.advance(24 * 4)
        with db.transaction() as tx:
            assert expire_approvals(tx, world.now) == 1
    else:
        if outcome == "approve":
            one = decide(client, sign_in("operator"), answer.json()["approvalId"], outcome)
            assert one.status_code == 202
            assert balances(client, ines)["withdrawing"] == 10_000, "one of the staff pays nothing"
        answered = decide(client, sign_in("risk"), answer.json()["approvalId"], outcome)
        assert answered.status_code == 200
    left = 5000 if outcome == "approve" else 15_000
    assert world.wallet(owner) == left
    assert balances(client, ines) == {"available": left, "withdrawing": 0, "frozen": 0}
    assert withdrawals(client, ines) == (["-10000"] if outcome == "approve" else [])
    (hold,) = world.rows("SELECT status, captured FROM holds")
    assert hold == (("captured", 10_000) if outcome == "approve" else ("voided", 0))
    status = "done" if outcome == "approve" else "rejected"
    assert client.get(FUNDING, headers=ines).json()["items"][0]["status"] == status
    world.assert_sound()


def test_many_small_withdrawals_of_a_day_are_a_large_one(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")

    def take(amount: str) -> str:
        answer = ask(client, ines, direction="withdrawal", amount=amount)
        assert answer.status_code in (201, 202), answer.text
        status: str = answer.json()["status"]
        return status

    ask(client, ines, amount="60000")
    assert take("6000") == "done"
    world.advance(12)
    assert take("3999.99") == "done"
    assert take("0.01") == "pending"  # 10,000 of the last day, the limit itself
    assert take("12000") == "pending"
    world.advance(11)
    assert take("0.01") == "pending"
    world.advance()  # a day after the first; what a second person decides counts for nothing here
    assert take("6000") == "done"
    assert take("0.01") == "pending"
    assert balances(client, ines)["available"] == D("31999.98")
    world.assert_sound()


def test_small_withdrawals_at_once_do_not_pass_for_less_than_their_sum(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    ask(client, ines, amount="40000")
    answers = in_threads(*[partial(ask, client, ines, direction="withdrawal", amount="4000")] * 8)
    assert sorted(answer.json()["status"] for answer in answers) == ["done"] * 2 + ["pending"] * 6
    assert balances(client, ines)["withdrawing"] == 24_000
    world.assert_sound()


def test_a_withdrawal_needs_a_second_factor_and_a_deposit_does_not(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    World(db)
    plain = sign_in("investor", "ines", second_factor=False)
    assert ask(client, plain, amount="100").status_code == 201
    answer = ask(client, plain, direction="withdrawal", amount="10")
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")


def test_a_refused_withdrawal_is_refused_again_under_its_key(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    first = ask(client, ines, "k1", direction="withdrawal", amount="10")
    assert (first.status_code, first.json()["code"]) == (409, "insufficient_balance")
    ask(client, ines, amount="100")
    again = ask(client, ines, "k1", direction="withdrawal", amount="10")
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (409, "true")
    assert ask(client, ines, "k2", direction="withdrawal", amount="10").status_code == 201
    assert world.wallet(owner_of("ines")) == 90
    world.assert_sound()


def test_a_reference_stands_for_one_amount(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    first = ask(client, ines, "a", amount="100", reference="bank-1")
    world.advance()
    same = ask(client, ines, "b", amount="100", reference="bank-1")
    assert same.status_code == 200
    assert same.json() == first.json()
    other = ask(client, ines, "c", amount="200", reference="bank-1")
    assert (other.status_code, other.json()["code"]) == (409, "reference_conflict")
    assert (
        ask(client, sign_in("investor", "jon"), amount="5", reference="bank-1").status_code == 201
    )
    assert world.wallet(owner_of("ines")) == 100
    assert world.wallet(owner_of("jon")) == 5


def test_a_reference_that_was_credited_with_another_amount_is_no_replay(db: Database) -> None:
    world = World(db)
    ines, jon = owner_of("ines"), owner_of("jon")
    with db.transaction() as tx:
        credit(tx, world.author, ines, ASSET, D(100), "bank-1")
        credit(tx, world.author, ines, ASSET, D("100.00"), "bank-1")
    for owner, amount in ((ines, 101), (jon, 100)):
        with pytest.raises(CommendaError) as caught, db.transaction() as tx:
            credit(tx, world.author, owner, ASSET, D(amount), "bank-1")
        assert caught.value.code == "reference_conflict"
    assert (world.wallet(ines), world.wallet(jon)) == (100, 0)


def test_a_deposit_that_was_taken_back_says_so_and_its_reference_is_spent(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    request = ask(client, ines, "a", amount="100").json()
    with db.transaction() as tx:
        row = tx.execute("SELECT id FROM journals WHERE kind = 'deposit'").fetchone()
        assert row is not None
        reverse(tx, world.author, row[0])
    (listed,) = client.get("/api/v1/participation/funding", headers=ines).json()["items"]
    assert (request["status"], listed["status"]) == ("done", "reversed")
    with pytest.raises(CommendaError) as caught, db.transaction() as tx:
        credit(tx, world.author, owner_of("ines"), ASSET, D(100), request["id"])
    assert caught.value.code == "reference_conflict"
    assert world.wallet(owner_of("ines")) == 0
    world.assert_sound()


def test_fifty_copies_of_one_deposit_at_once_have_one_effect(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    answers = in_threads(*[partial(ask, client, ines, "one", amount="100")] * 50)
    assert {answer.status_code for answer in answers} == {201}
    assert [answer.json() for answer in answers] == [answers[0].json()] * 50
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 49
    other = ask(client, ines, "one", amount="101")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert world.wallet(owner_of("ines")) == 100


def test_of_withdrawals_at_once_no_more_is_paid_than_there_is(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    ask(client, ines, amount="100")
    answers = in_threads(*[partial(ask, client, ines, direction="withdrawal", amount="30")] * 8)
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    assert world.wallet(owner_of("ines")) == 10
    world.assert_sound()


def test_requests_are_listed_newest_first_and_only_to_their_owner(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    for amount in range(1, 6):
        ask(client, ines, amount=str(amount))
        world.advance()
    seen, cursor = [], None
    while True:
        page = client.get(
            FUNDING, params={"limit": 2} | ({"cursor": cursor} if cursor else {}), headers=ines
        ).json()
        seen += [item["amount"] for item in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == ["5", "4", "3", "2", "1"]
    assert client.get(FUNDING, headers=sign_in("investor", "jon")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"amount": "0"}, 422, "invalid_request"),
        ({"amount": "-1"}, 422, "invalid_request"),
        ({"amount": "NaN"}, 422, "invalid_request"),
        ({"amount": "0.000000001"}, 422, "excess_scale"),
        ({"amount": "100000000000000000000"}, 422, "invalid_request"),
        ({"amount": "1", "asset": "DOGE"}, 404, "unknown_asset"),
        ({"amount": "1", "reference": "a\u0000b"}, 422, "invalid_request"),
        ({"amount": "1", "direction": "sideways"}, 422, "invalid_request"),
    ],
)
def test_what_is_no_amount_of_money_is_refused(
    client: TestClient,
    db: Database,
    sign_in: SignIn,
    body: dict[str, str],
    status: int,
    code: str,
) -> None:
    World(db)
    answer = ask(client, sign_in("investor", "ines"), **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_custody_says_what_is_in_use_and_what_is_left(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, ines = World(db), sign_in("investor", "ines")
    for name in "abcdef":
        world.creator(name)
    nothing = client.get(CUSTODY, headers=ines).json()
    assert (nothing["limit"], nothing["available"], nothing["authorisedAt"]) == ("0", "0", None)
    ask(client, ines, amount="1000")
    given = client.post(CUSTODY, json={"asset": "USDT", "limit": "600"}, headers=ines)
    assert given.status_code == 200
    assert given.json()["available"] == "600"
    client.post(
        "/api/v1/managed-subscriptions",
        json={"productId": str(world.product()), "amount": "450"},
        headers=ines,
    )
    custody = client.get(CUSTODY, headers=ines).json()
    assert (custody["limit"], custody["inUse"], custody["available"]) == ("600", "450", "150")
    more = client.post(CUSTODY, json={"limit": "10000"}, headers=ines).json()
    assert more["available"] == "550", "no more than the wallet holds"
    events = world.column("SELECT result FROM audit_events WHERE kind = 'custody.authorised'")
    assert sorted(events) == ["10000", "600"]


def test_staff_have_no_wallet(client: TestClient, sign_in: SignIn) -> None:
    for role in ("operator", "risk", "auditor", "admin"):
        headers = sign_in(role)
        assert ask(client, headers, amount="1").status_code == 403
        assert client.get(FUNDING, headers=headers).status_code == 403
        assert client.get(CUSTODY, headers=headers).status_code == 403
