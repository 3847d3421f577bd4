"""Operators freeze money of a wallet: it stays its owner's, and nobody can spend it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from commenda.income import Cadence, ProductKind, Terms, create_product
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.operations import Operation, Parameters
from commenda.operations.jobs import job_named
from people import user_of
from scripted import ASSET, D
from world import World, in_threads

HOLDS = "/api/v1/ledger/holds"
FUNDING = "/api/v1/participation/funding"
CUSTODY = "/api/v1/participation/custody-auth"
SignIn = Callable[..., dict[str, str]]
Headers = dict[str, str]


def pay_in(client: TestClient, who: Headers, amount: str) -> None:
    assert client.post(FUNDING, json={"amount": amount}, headers=who).status_code == 201


def take_out(client: TestClient, who: Headers, amount: str) -> Any:
    body = {"direction": "withdrawal", "amount": amount}
    return client.post(FUNDING, json=body, headers=who)


def hold(client: TestClient, who: Headers, name: str, amount: str, **body: Any) -> Any:
    headers = who | ({"Idempotency-Key": body.pop("key")} if "key" in body else {})
    body = {"userId": str(user_of("investor", name)), "amount": amount, "reason": "dispute"} | body
    return client.post(HOLDS, json=body, headers=headers)


def void(client: TestClient, who: Headers, group: str, key: str | None = None) -> Any:
    headers = who if key is None else who | {"Idempotency-Key": key}
    return client.post(f"{HOLDS}/{group}/void", headers=headers)


def approve(client: TestClient, who: Headers, approval: str) -> Any:
    return client.post(f"/api/v1/approvals/{approval}/approve", headers=who)


def available(client: TestClient, who: Headers) -> tuple[str, str]:
    (one,) = client.get("/api/v1/wallet/balances", headers=who).json()
    return one["available"], one["frozen"]


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


def expire(operation: Operation, at: datetime, told: Parameters) -> None:
    job = job_named("holds")
    assert job is not None
    job.act(operation, at, told)


def test_frozen_money_stays_in_the_wallet_and_is_not_available(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    ines, risk = sign_in("investor", "ines"), sign_in("risk")
    pay_in(client, ines, "1000")
    answer = hold(client, risk, "ines", "600.50", reason="court order 4 O 17/26")
    assert answer.status_code == 201, answer.text
    frozen = answer.json()
    assert (frozen["status"], frozen["amount"], frozen["expiresAt"]) == ("held", "600.5", None)
    assert available(client, ines) == ("399.5", "600.5")
    log = client.get("/api/v1/wallet/asset-log", headers=ines).json()["items"]
    assert [entry["type"] for entry in log] == ["recharge"], "no money moved"
    world.assert_sound()

    asked = void(client, sign_in("operator"), frozen["group"])
    assert (asked.status_code, asked.json()["status"]) == (202, "held")
    assert available(client, ines) == ("399.5", "600.5"), "one of the staff sets nothing free"
    again = void(client, risk, frozen["group"]).json()["approvalId"]
    assert again == asked.json()["approvalId"], "it is asked for already"
    alone = approve(client, sign_in("operator"), again)
    assert (alone.status_code, alone.json()["code"]) == (409, "same_person")
    freed = approve(client, risk, again)
    assert (freed.status_code, freed.json()["outcome"]["status"]) == (200, "voided")
    assert available(client, ines) == ("1000", "0")
    again = void(client, risk, frozen["group"])
    assert (again.status_code, again.json()["code"]) == (409, "hold_resolved")
    world.assert_sound()


def test_what_was_frozen_by_whom_and_why_is_in_the_audit_trail(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    pay_in(client, sign_in("investor", "ines"), "1000")
    group = hold(client, sign_in("risk"), "ines", "600", reason="court order").json()["group"]
    asked = void(client, sign_in("operator"), group).json()["approvalId"]
    approve(client, sign_in("risk", "rita"), asked)
    events = world.rows(
        "SELECT kind, result, actor, details FROM audit_events WHERE subject = %s ORDER BY id",
        group,
    )
    about = {"userId": str(user_of("investor", "ines")), "amount": "600", "asset": "USDT"}
    risk, rita = user_of("risk"), user_of("risk", "rita")
    assert events == [
        ("hold.placed", "held", f"risk:{risk}", about | {"reason": "court order"}),
        ("hold.voided", "voided", f"risk:{rita}", about),
    ]


def pool_product(world: World) -> UUID:
    terms = Terms(
        name="Savings",
        asset=ASSET,
        type=ProductKind.FLEXIBLE,
        cadence=Cadence.DAILY,
        total_quota=D(1000),
        minimum=D(10),
        daily_rate=D("0.0002"),
    )
    with world.database.transaction() as tx:
        return create_product(tx, world.author, terms).id


def test_money_on_hold_can_be_neither_withdrawn_nor_subscribed_nor_followed_nor_saved_with(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    for name in "abcdef":
        world.creator(name)
    flow = world.creator("anna")
    ines = sign_in("investor", "ines")
    pay_in(client, ines, "1000")
    client.post(CUSTODY, json={"limit": "10000"}, headers=ines)
    group = hold(client, sign_in("risk"), "ines", "800").json()["group"]
    assert client.get(CUSTODY, headers=ines).json()["available"] == "200"
    product, pool = str(world.product()), str(pool_product(world))

    def subscribe() -> Any:
        body = {"productId": product, "amount": "201"}
        return client.post("/api/v1/managed-subscriptions", json=body, headers=ines)

    def follow() -> Any:
        body = {"flowId": str(flow.id), "investmentAmount": "201"}
        return client.post("/api/v1/co-trading/subscribe", json=body, headers=ines)

    def save() -> Any:
        path = f"/api/v1/pools/products/{pool}/subscribe"
        return client.post(path, json={"amount": "201"}, headers=ines)

    refusals = {
        "save": (save(), "insufficient_balance"),
        "withdraw": (take_out(client, ines, "201"), "insufficient_balance"),
        "subscribe": (subscribe(), "insufficient_custody"),
        "follow": (follow(), "insufficient_balance"),
    }
    for way, (answer, code) in refusals.items():
        assert (answer.status_code, answer.json()["code"]) == (409, code), way
        assert "on hold" in answer.json()["detail"], way
    assert world.one("SELECT count(*) FROM holds WHERE status <> 'held'") == 0
    world.assert_sound()

    asked = void(client, sign_in("risk"), group).json()["approvalId"]
    assert approve(client, sign_in("operator"), asked).status_code == 200
    assert save().status_code == 201
    assert take_out(client, ines, "201").status_code == 201
    assert subscribe().status_code == 201
    assert follow().status_code == 201
    world.assert_sound()


def test_a_large_withdrawal_that_waits_cannot_be_spent_either(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    ines, risk = sign_in("investor", "ines"), sign_in("risk")
    pay_in(client, ines, "15000")
    asked = take_out(client, ines, "12000").json()
    assert hold(client, risk, "ines", "3000.01").json()["code"] == "insufficient_balance"
    assert hold(client, risk, "ines", "3000").status_code == 201
    refused = take_out(client, ines, "0.01")
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_balance")
    # What is held for a withdrawal is not set free here: whoever decides it does.
    kept = void(client, risk, f"withdrawal:{asked['id']}")
    assert (kept.status_code, kept.json()["code"]) == (409, "not_a_freeze")
    assert kept.json()["mend"] == "decide the withdrawal"
    assert approve(client, risk, asked["approvalId"]).status_code == 202
    assert approve(client, sign_in("operator"), asked["approvalId"]).status_code == 200
    assert available(client, ines) == ("0", "3000")
    world.assert_sound()


def test_more_than_is_available_cannot_be_frozen(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    ines, risk = sign_in("investor", "ines"), sign_in("risk")
    pay_in(client, ines, "100")
    refused = hold(client, risk, "ines", "100.01", key="k")
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_balance")
    pay_in(client, ines, "50")
    again = hold(client, risk, "ines", "100.01", key="k")
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (409, "true")
    assert world.one("SELECT count(*) FROM holds") == 0


def test_of_holds_at_once_no_more_is_placed_than_there_is(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    ines, risk = sign_in("investor", "ines"), sign_in("risk")
    pay_in(client, ines, "100")
    answers = in_threads(*[partial(hold, client, risk, "ines", "30")] * 8)
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    assert available(client, ines) == ("10", "90")
    world.assert_sound()


def test_one_key_places_one_hold_and_voids_it_once(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    ines, risk = sign_in("investor", "ines"), sign_in("risk")
    pay_in(client, ines, "100")
    answers = in_threads(*[partial(hold, client, risk, "ines", "30", key="one")] * 8)
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["group"] for answer in answers} == {answers[0].json()["group"]}
    assert available(client, ines) == ("70", "30")
    other = hold(client, risk, "ines", "31", key="one")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    group = answers[0].json()["group"]
    voids = [void(client, risk, group, "two") for _ in range(2)]
    assert [one.status_code for one in voids] == [202, 202]
    assert voids[0].json() == voids[1].json()
    # Another keeper's key of the same name is another key.
    assert hold(client, sign_in("operator"), "ines", "30", key="one").json()["group"] != group


def test_a_hold_with_an_end_is_free_once_that_has_come(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    ines, risk = sign_in("investor", "ines"), sign_in("risk")
    pay_in(client, ines, "100")
    until = world.now + timedelta(hours=3)
    late = hold(client, risk, "ines", "10", expiresAt=world.now.isoformat())
    assert (late.status_code, late.json()["code"]) == (422, "expired")
    assert late.json()["field"] == "expiresAt"
    for amount in ("10", "20"):
        assert hold(client, risk, "ines", amount, expiresAt=until.isoformat()).status_code == 201
    assert hold(client, risk, "ines", "30").status_code == 201
    operation = Operation(world.database, world.broker)
    expire(operation, world.advance(2).now, Parameters())
    assert available(client, ines) == ("40", "60")
    expire(operation, world.advance(1).now, Parameters())
    assert available(client, ines) == ("70", "30"), "what has no end stays"
    expire(operation, world.now, Parameters())
    statuses = world.rows("SELECT status, resolved_by, resolved_at FROM holds ORDER BY id")
    assert statuses == [("expired", "operation", until)] * 2 + [("held", None, None)]
    world.assert_sound()


def test_every_due_hold_expires_however_many_there_are(world: World) -> None:
    ines = world.investor("ines", 5_000)
    world.execute(
        "SELECT count(*) FROM place_holds(ARRAY(SELECT 'h' || n FROM generate_series(1, 2500) n),"
        " array_fill((SELECT id FROM accounts WHERE kind = 'wallet' AND owner_id = %s),"
        "  ARRAY[2500]), array_fill(1::numeric, ARRAY[2500]), array_fill('freeze'::text,"
        "  ARRAY[2500]), array_fill(gen_random_uuid(), ARRAY[2500]),"
        " array_fill(%s::timestamptz, ARRAY[2500]), 'test', 'test/1', %s)",
        ines.id,
        world.now + timedelta(hours=1),
        world.now,
    )
    assert world.one("SELECT held FROM accounts WHERE held > 0") == 2500
    operation = Operation(world.database, world.broker)
    expire(operation, world.advance(1).now, Parameters())
    assert world.one("SELECT sum(held) FROM accounts") == 0
    assert world.column("SELECT DISTINCT status FROM holds") == ["expired"]
    world.assert_sound()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"amount": "0"}, 422, "invalid_request"),
        ({"amount": "NaN"}, 422, "invalid_request"),
        ({"amount": "0.000000001"}, 422, "excess_scale"),
        ({"asset": "DOGE"}, 404, "unknown_asset"),
        ({"reason": ""}, 422, "invalid_request"),
        ({"userId": str(ids.derive("nobody"))}, 404, "unknown_user"),
    ],
)
def test_what_is_no_hold_is_refused(
    client: TestClient,
    world: World,
    sign_in: SignIn,
    body: dict[str, str],
    status: int,
    code: str,
) -> None:
    pay_in(client, sign_in("investor", "ines"), "100")
    answer = hold(client, sign_in("risk"), "ines", **{"amount": "10"} | body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_only_risk_and_operators_hold_money_and_with_a_second_factor(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    pay_in(client, sign_in("investor", "ines"), "100")
    for role in ("investor", "creator", "auditor", "admin"):
        assert hold(client, sign_in(role), "ines", "10").status_code == 403
    plain = sign_in("risk", second_factor=False)
    answer = hold(client, plain, "ines", "10")
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")
    unknown = void(client, sign_in("risk"), "freeze:nobody's")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_hold")
    assert world.wallet(world.investor("other", 5)) == D(5)


def test_the_staff_reads_who_froze_whose_money_and_why(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    ines, risk = sign_in("investor", "ines"), sign_in("risk", "grace")
    pay_in(client, ines, "1000")
    assert hold(client, risk, "ines", "10", reason="court order 4 O 17/26").status_code == 201
    (seen,) = client.get(HOLDS, headers=sign_in("auditor")).json()["items"]
    assert (seen["owner"], seen["actorName"]) == ("ines", "grace")
    assert (seen["reason"], seen["resolvedByName"]) == ("court order 4 O 17/26", None)
    (own,) = client.get("/api/v1/wallet/holds", headers=ines).json()["items"]
    assert (own["reason"], own["actor"], own["actorName"]) == (None, None, None)
    (event,) = client.get(
        "/api/v1/audit/logs", params={"kind": "hold.placed"}, headers=risk
    ).json()["items"]
    assert event["actorName"] == "grace"
    group = seen["group"]
    asked = void(client, sign_in("operator", "oskar"), group).json()["approvalId"]
    waits = client.get(f"/api/v1/approvals/{asked}", headers=risk).json()
    assert (waits["requestedByName"], waits["decidedByName"]) == ("oskar", None)
    assert approve(client, risk, asked).json()["approvedByNames"] == ["grace"]
