"""Managed wealth over HTTP: products, the return matrix, settlement batches."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

from commenda.kit import ids
from commenda.kit.db import Database
from commenda.managed import ExpectedReturn, Offer, Profile, publish_offer
from managed_calls import API, SignIn, approve, get, market, order, rich
from managed_world import TERMS
from scripted import ASSET, D
from world import World


def test_products_say_what_they_ask_and_what_is_expected_of_them(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    product = world.product()
    (offer,) = get(client, "managed/products", sign_in("investor"))
    assert offer["productId"] == str(product)
    assert offer["fees"] == {
        "managementFee": "0.01",
        "hurdle": "0.02",
        "profitShare": "0.2",
        "platformCut": "0.3",
        "referralRates": ["0.2", "0.1"],
        "crystalliseDays": None,
        "hurdleKind": "hard",
    }
    assert offer["expectedReturn"]["annualReturn"] == "0.12"
    assert (offer["minimum"], offer["maximum"], offer["earlyExit"]) == ("10", "1000000", False)


def change(client: TestClient, who: dict[str, str], product: UUID, **fields: str) -> Any:
    body = {
        "productId": str(product),
        "annualReturn": "0.30",
        "warningPercent": "3",
        "alertPercent": "9",
        "validFrom": "2026-01-05T02:00:00Z",
    }
    return client.put(f"{API}/managed/return-matrix", json=body | fields, headers=who)


def test_a_subscription_is_graded_against_the_matrix_it_was_made_under(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines, product = rich(client, sign_in, "ines"), world.product(days=8)
    olga, otto = sign_in("operator", "olga"), sign_in("operator", "otto")
    before = order(client, ines, product, "5000").json()["subscriptionId"]
    asked = change(client, olga, product)
    own = client.post(f"{API}/approvals/{asked.json()['approvalId']}/approve", headers=olga)
    assert (own.status_code, own.json()["code"]) == (409, "same_person")
    (cell,) = get(client, "managed/return-matrix", ines, at="2026-01-06T00:00:00Z")
    assert cell["annualReturn"] == "0.12", "nothing changes until it is approved"
    approve(client, otto, asked)
    (now,) = get(client, "managed/return-matrix", ines)
    (later,) = get(client, "managed/return-matrix", ines, at="2026-01-06T00:00:00Z")
    assert (now["annualReturn"], later["annualReturn"]) == ("0.12", "0.3")
    assert (later["warningPercent"], later["alertPercent"]) == ("3", "9")
    world.advance(2)
    after = order(client, ines, product, "5000").json()["subscriptionId"]
    world.activate()
    world.advance(24 * 8).mature()
    for scope in (before, after):
        world.ask(UUID(scope))
    world.liquidate()
    world.settle(UUID(before), UUID(after))
    world.move_cash()
    gains = dict(world.rows("SELECT subscription_id::text, expected_gain FROM settlements"))
    for scope, rate in ((before, D("0.12")), (after, D("0.30"))):
        assert gains[scope] == (5000 * rate * 8 / 365).quantize(D("0.00000001"))
        shown = get(client, f"managed-subscriptions/{scope}", ines)["performance"]
        assert D(shown["expectedGain"]) == gains[scope]
    world.assert_sound()


def test_a_change_that_is_approved_late_holds_from_the_approval_on(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    product = world.product()
    asked = change(client, sign_in("operator", "olga"), product)
    world.advance(5)
    done = approve(client, sign_in("operator", "otto"), asked)
    assert done["outcome"]["validFrom"].startswith("2026-01-05T05:00:00")
    (cell,) = get(client, "managed/return-matrix", sign_in("investor"), at="2026-01-05T04:00:00Z")
    assert cell["annualReturn"] == "0.12"
    rules = world.one("SELECT rule_version FROM audit_events WHERE kind = 'matrix.changed'")
    assert rules == "managed/1"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"validFrom": "2026-01-04T23:59:59Z"}, 422, "valid_from_past"),
        ({"warningPercent": "10"}, 422, "thresholds_out_of_order"),
        ({"annualReturn": "-2"}, 422, "invalid_request"),
        ({"productId": "00000000-0000-8000-8000-000000000000"}, 404, "unknown_product"),
    ],
)
def test_a_matrix_that_makes_no_sense_is_refused(
    client: TestClient,
    db: Database,
    sign_in: SignIn,
    fields: dict[str, str],
    status: int,
    code: str,
) -> None:
    world = World(db)
    answer = change(client, sign_in("operator"), world.product(), **fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_batch_liquidates_what_matured_and_settles_what_is_liquidated(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines = rich(client, sign_in, "ines")
    short, long = world.product(days=3), world.product(days=30)
    over = order(client, ines, short, "1000").json()["subscriptionId"]
    flat = order(client, ines, short, "1000").json()["subscriptionId"]
    running = order(client, ines, long, "1000").json()["subscriptionId"]
    world.activate()
    world.advance(72).mature()
    world.ask(UUID(flat))
    world.liquidate()
    olga, otto = sign_in("operator", "olga"), sign_in("operator", "otto")
    everything = client.post(f"{API}/managed-settlement/run", headers=olga)
    assert world.status(UUID(over)) == "MATURED", "asked for is not done"
    done = approve(client, otto, everything)
    assert done["outcome"]["states"] == {over: "LIQUIDATING", flat: "SETTLED"}
    listed = client.post(
        f"{API}/managed-settlement/run",
        json={"subscriptionIds": [over, flat, running]},
        headers=olga,
    )
    world.advance().liquidate()
    done = approve(client, otto, listed)
    assert done["outcome"]["states"] == {over: "SETTLED", flat: "SETTLED", running: "ACTIVE"}
    doors = world.rows("SELECT trigger FROM closings WHERE id = %s", over)
    assert doors == [("operator",)]
    events = world.rows(
        "SELECT e.actor, e.rule_version, a.kind FROM audit_events e JOIN approvals a"
        " ON a.correlation_id = e.correlation_id WHERE e.kind = 'settlement.batch'"
    )
    otto_id = ids.derive("test-user", "operator", "otto")
    assert events == [(f"operator:{otto_id}", "managed/1", "managed.settle_batch")] * 2
    world.move_cash()
    world.assert_sound()


def test_only_an_operator_may_ask_for_a_batch_or_a_matrix(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    product = world.product()
    run = f"{API}/managed-settlement/run"
    for role in ("investor", "creator", "risk", "auditor", "admin"):
        assert client.post(run, headers=sign_in(role)).status_code == 403
        assert change(client, sign_in(role), product).status_code == 403
    unproven = sign_in("operator", second_factor=False)
    answer = client.post(run, headers=unproven)
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")
    unknown = client.post(
        run, json={"subscriptionIds": [str(uuid4())]}, headers=sign_in("operator")
    )
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_subscription")


def test_a_tier_is_told_by_its_term_and_profile(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    with db.transaction() as tx:
        for days, rate in ((90, "0.10"), (30, "0.08")):
            offer = Offer(
                ids.derive("gold", days),
                Profile.AGGRESSIVE,
                days,
                "gold",
                ASSET,
                D(100),
                D(1000),
                True,
                TERMS,
                ExpectedReturn(D(rate), D(2), D(5)),
                world.now,
            )
            publish_offer(tx, offer)
    cells = get(client, "managed/return-matrix", sign_in("creator"))
    assert [(one["profile"], one["termDays"], one["annualReturn"]) for one in cells] == [
        ("aggressive", 30, "0.08"),
        ("aggressive", 90, "0.1"),
    ]
