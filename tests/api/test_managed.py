"""Managed wealth over HTTP: the loop from a product to a trace."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

from commenda.books import record_nav
from commenda.kit.db import Database
from managed_calls import (
    API,
    RISING,
    SUBSCRIPTIONS,
    SignIn,
    approve,
    get,
    mark,
    market,
    order,
    owner_of,
    rich,
)
from managed_world import EXPECTED
from scripted import D
from world import World, in_threads


def test_the_loop_from_a_deposit_to_the_trace(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db, RISING)
    flow = world.creator("anna")
    ines = rich(client, sign_in, "ines")
    made = order(client, ines, world.product(days=10))
    assert made.status_code == 201
    scope = made.json()["subscriptionId"]
    assert made.json()["executionScopeId"] == scope
    assert made.json()["status"] == "RESERVED"
    detail = get(client, f"managed-subscriptions/{scope}", ines)
    assert detail["reservation"] == {
        "status": "reserved",
        "reservedAmount": "10000",
        "releasedAmount": "0",
    }
    assert detail["performance"]["deviationLevel"] == "INSUFFICIENT"

    world.activate()
    world.signal(flow, "0.5")
    world.advance(24 * 8)
    mark(world, "AAAUSDT", 120)
    detail = get(client, f"managed-subscriptions/{scope}", ines)
    assert (detail["status"], detail["maturesAt"][:10]) == (
        "ACTIVE",
        "2026-01-15",
    )
    (trader,) = detail["allocation"]["traders"]
    assert (trader["title"], trader["weight"]) == ("anna", "1")
    assert detail["allocation"]["version"] == "allocation-1"
    (leg,) = world.legs(UUID(scope))
    value = world.cash(leg) + world.quantity(leg) * 120
    performance = detail["performance"]
    assert D(performance["currentValue"]) == value
    assert D(performance["profit"]) == value - 10_000 > 0
    expected = (D(10_000) * EXPECTED.annual_return * 8 / 365).quantize(D("0.00000001"))
    assert (performance["daysHeld"], D(performance["expectedGain"])) == (8, expected)
    rate = (value - 10_000 - expected) / expected * 100
    assert D(performance["deviationRate"]) == rate.quantize(D("0.0001"))
    assert (performance["deviationLevel"], performance["advice"]) == ("ALERT", "check")
    with db.transaction() as tx:
        record_nav(tx, world.now, world.broker.marks(world.now))

    world.advance(24 * 3).mature()
    out = client.post(f"{SUBSCRIPTIONS}/{scope}/withdraw", headers=ines)
    assert (out.status_code, out.json()["status"]) == (202, "LIQUIDATING")
    world.script.refusal = "maintenance"
    world.liquidate()
    liquidation = get(client, f"managed-subscriptions/{scope}", ines)["liquidation"]
    assert (liquidation["door"], liquidation["attempts"]) == ("investor", 1)
    assert "maintenance" in liquidation["reason"]
    retry = (world.now + timedelta(seconds=30)).isoformat().replace("+00:00", "Z")
    assert liquidation["nextRetryAt"] == retry
    world.script.refusal = None
    world.advance().liquidate()

    run = client.post(
        f"{API}/managed-settlement/run",
        json={"subscriptionIds": [scope]},
        headers=sign_in("operator", "olga"),
    )
    done = approve(client, sign_in("operator", "otto"), run)
    assert done["outcome"] == {"states": {scope: "SETTLED"}}
    world.move_cash()
    detail = get(client, f"managed-subscriptions/{scope}", ines)
    settlement = detail["settlement"]
    assert detail["status"] == "SETTLED"
    assert detail["performance"]["currentValue"] == settlement["toWallet"]
    level = world.one("SELECT deviation_level FROM settlements")
    assert detail["performance"]["deviationLevel"] == level
    assert detail["reservation"]["status"] == "released"
    assert world.wallet(owner_of("ines")) == 10_000 + D(settlement["toWallet"])
    log = get(client, "wallet/asset-log", ines)["items"]
    assert (log[0]["refNo"], log[0]["amount"]) == (f"settle:{scope}", settlement["toWallet"])

    chain = get(client, f"managed-subscriptions/{scope}/trace", ines)
    assert list(chain) == [
        "subscription",
        "allocation",
        "executions",
        "nav",
        "liquidation",
        "crystallisations",
        "settlement",
        "referral",
        "journals",
        "events",
    ]
    assert chain["settlement"][0]["toWallet"] == settlement["toWallet"]
    assert [one["outcome"] for one in chain["liquidation"]] == ["LIQUIDATING", "LIQUIDATED"]
    assert [one["kind"] for one in chain["events"]] == [
        "subscription.reserved",
        "liquidation.requested",
        "liquidation.failed",
        "liquidation.concluded",
        "subscription.settled",
    ]
    kinds = {one["kind"] for one in chain["journals"]}
    assert kinds == {"reserve", "activate", "transfer", "settlement"}
    assert get(client, f"managed-subscriptions/{scope}/trace", sign_in("auditor")) == chain
    nav = get(client, f"managed-subscriptions/{scope}/nav", ines)
    (point,) = nav["points"]
    assert nav["method"] == "TWR"
    assert D(point["return"]) == (D(point["nav"]) / 10_000 - 1).quantize(D("0.00000001"))
    snapshot = get(client, f"managed-subscriptions/{scope}/allocation", ines)["snapshot"]
    assert snapshot["seed"] == detail["allocation"]["seed"]
    world.assert_sound()


def test_fifty_copies_of_one_subscription_at_once_have_one_effect(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    product, ines = world.product(), rich(client, sign_in, "ines")
    answers = in_threads(*[partial(order, client, ines, product, "1000", "one")] * 50)
    assert {answer.status_code for answer in answers} == {201}
    first = answers[0].json()
    assert all(answer.json() == first for answer in answers)
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 49
    other = order(client, ines, product, "1001", "one")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert order(client, ines, product, "1000.00", "one").status_code == 201, "the same amount"
    assert world.balance("reserved", owner_of("ines")) == 1000
    world.assert_sound()


def test_without_a_key_every_order_counts(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    product, ines = world.product(), rich(client, sign_in, "ines")
    made = {order(client, ines, product, "1000").json()["subscriptionId"] for _ in range(2)}
    assert len(made) == 2
    assert world.balance("reserved", owner_of("ines")) == 2000


def test_a_refusal_is_kept_under_its_key(client: TestClient, db: Database, sign_in: SignIn) -> None:
    world = market(db)
    product, ines = world.product(), rich(client, sign_in, "ines", 500)
    first = order(client, ines, product, "1000", "one")
    assert (first.status_code, first.json()["code"]) == (409, "insufficient_custody")
    rich(client, sign_in, "ines", 5000)
    again = order(client, ines, product, "1000", "one")
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (409, "true")
    assert order(client, ines, product, "1000", "two").status_code == 201
    world.assert_sound()


@pytest.mark.parametrize(
    ("amount", "status", "code"),
    [
        ("5", 422, "amount_outside_tier"),
        ("0", 422, "invalid_request"),
        ("100.000000001", 422, "excess_scale"),
    ],
)
def test_an_amount_that_the_product_does_not_take_is_refused(
    client: TestClient, db: Database, sign_in: SignIn, amount: str, status: int, code: str
) -> None:
    world = market(db)
    answer = order(client, rich(client, sign_in, "ines"), world.product(), amount)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_without_creators_there_is_nobody_to_entrust_money_to(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    answer = order(client, rich(client, sign_in, "ines"), world.product())
    assert (answer.status_code, answer.json()["code"]) == (409, "no_eligible_creator")
    unknown = order(client, sign_in("investor", "ines"), uuid4())
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_product")


def test_a_reserved_subscription_is_cancelled_and_its_principal_comes_back(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines = rich(client, sign_in, "ines")
    scope = order(client, ines, world.product()).json()["subscriptionId"]
    out = client.post(f"{SUBSCRIPTIONS}/{scope}/withdraw", headers=ines)
    assert (out.status_code, out.json()["status"]) == (202, "CANCELLED")
    assert world.wallet(owner_of("ines")) == 20_000
    again = client.post(f"{SUBSCRIPTIONS}/{scope}/withdraw", headers=ines)
    assert (again.status_code, again.json()["status"]) == (202, "CANCELLED")
    assert world.wallet(owner_of("ines")) == 20_000
    kinds = [
        one["kind"] for one in get(client, f"managed-subscriptions/{scope}/trace", ines)["events"]
    ]
    assert kinds == ["subscription.reserved", "subscription.cancelled"]
    world.assert_sound()


def test_a_product_that_is_held_to_maturity_cannot_be_left_early(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines = rich(client, sign_in, "ines")
    kept = order(client, ines, world.product(early_exit=False), "1000").json()["subscriptionId"]
    free = order(client, ines, world.product(early_exit=True), "1000").json()["subscriptionId"]
    world.activate()
    keyed = ines | {"Idempotency-Key": "out"}
    refused = client.post(f"{SUBSCRIPTIONS}/{kept}/withdraw", headers=keyed)
    assert (refused.status_code, refused.json()["code"]) == (409, "early_exit_not_allowed")
    again = client.post(f"{SUBSCRIPTIONS}/{kept}/withdraw", headers=keyed)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert client.post(f"{SUBSCRIPTIONS}/{free}/withdraw", headers=ines).status_code == 202
    assert (world.status(UUID(kept)), world.status(UUID(free))) == ("ACTIVE", "LIQUIDATING")


def test_a_part_is_withdrawn_by_its_owner_and_the_rest_goes_on(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines = rich(client, sign_in, "ines")
    scope = order(client, ines, world.product(early_exit=True)).json()["subscriptionId"]
    path = f"{SUBSCRIPTIONS}/{scope}/withdraw"
    early = client.post(path, json={"amount": "100"}, headers=ines)
    assert (early.status_code, early.json()["code"]) == (409, "not_active")
    world.activate()
    keyed = ines | {"Idempotency-Key": "part"}
    asked = client.post(path, json={"amount": "2500.00"}, headers=keyed)
    assert asked.status_code == 202
    assert asked.json() == {
        "subscriptionId": scope,
        "status": "ACTIVE",
        "withdrawalId": asked.json()["withdrawalId"],
        "amount": "2500",
    }
    again = client.post(path, json={"amount": "2500"}, headers=keyed)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == asked.json()
    for body in ({"amount": "2501"}, None):
        other = client.post(path, json=body, headers=keyed)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    for amount, status, code in (
        ("10", 409, "closing_open"),
        ("10000", 422, "not_a_partial_withdrawal"),
        ("0", 422, "invalid_request"),
    ):
        refused = client.post(path, json={"amount": amount}, headers=ines)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    (waiting,) = get(client, f"managed-subscriptions/{scope}/withdrawals", ines)
    assert (waiting["id"], waiting["status"]) == (asked.json()["withdrawalId"], "closing")
    assert world.liquidate() == 1
    assert world.pay_parts() == 1
    (paid,) = get(client, f"managed-subscriptions/{scope}/withdrawals", sign_in("operator"))
    assert (paid["status"], paid["amount"], paid["profitShare"]) == ("paid", "2500", "0")
    assert world.wallet(owner_of("ines")) == 12_500
    detail = get(client, f"managed-subscriptions/{scope}", ines)
    assert detail["performance"]["currentValue"] == "7500"
    assert detail["performance"]["profit"] == "0"
    assert detail["reservation"]["releasedAmount"] == "2500"
    custody = get(client, "participation/custody-auth", ines)
    assert (custody["inUse"], custody["available"]) == ("7500", "12500")
    whole = client.post(path, headers=ines)
    assert (whole.status_code, whole.json()) == (
        202,
        {"subscriptionId": scope, "status": "LIQUIDATING"},
    )
    world.liquidate()
    world.settle(UUID(scope))
    detail = get(client, f"managed-subscriptions/{scope}", ines)
    assert detail["performance"]["profit"] == "0"
    assert world.wallet(owner_of("ines")) == 20_000
    world.move_cash()
    world.assert_sound()


def test_anothers_subscription_is_unknown(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    scope = order(client, rich(client, sign_in, "ines"), world.product()).json()["subscriptionId"]
    jon = sign_in("investor", "jon")
    for path in ("", "/nav", "/trace", "/allocation", "/withdrawals"):
        theirs = client.get(f"{SUBSCRIPTIONS}/{scope}{path}", headers=jon)
        nobodys = client.get(f"{SUBSCRIPTIONS}/{uuid4()}{path}", headers=jon)
        assert (theirs.status_code, theirs.json()["code"]) == (404, "unknown_subscription")
        assert nobodys.json()["code"] == "unknown_subscription"
        for role in ("operator", "risk", "auditor", "admin"):
            staff = client.get(f"{SUBSCRIPTIONS}/{scope}{path}", headers=sign_in(role))
            assert staff.status_code == 200
    out = client.post(f"{SUBSCRIPTIONS}/{scope}/withdraw", headers=jon)
    assert (out.status_code, out.json()["code"]) == (404, "unknown_subscription")
    assert get(client, "managed-subscriptions", jon)["items"] == []
    assert len(get(client, "managed-subscriptions", sign_in("risk"))["items"]) == 1
    assert world.status(UUID(scope)) == "RESERVED"


def test_subscriptions_are_listed_newest_first_by_status(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines, product = rich(client, sign_in, "ines"), world.product()
    made = []
    for _ in range(5):
        made.append(order(client, ines, product, "1000").json()["subscriptionId"])
        world.advance()
    client.post(f"{SUBSCRIPTIONS}/{made[2]}/withdraw", headers=ines)
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        page = get(client, "managed-subscriptions", ines, **params)
        seen += [one["subscriptionId"] for one in page["items"]]
        if page["nextCursor"] is None:
            break
        params["cursor"] = page["nextCursor"]
    assert seen == made[::-1]
    (gone,) = get(client, "managed-subscriptions", ines, status="CANCELLED")["items"]
    assert gone["subscriptionId"] == made[2]
    bad = client.get(SUBSCRIPTIONS, params={"cursor": "WyJhIiwiYiJd"}, headers=ines)
    assert (bad.status_code, bad.json()["code"]) == (422, "bad_cursor")
