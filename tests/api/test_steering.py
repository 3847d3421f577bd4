"""What operators steer: requests say what they change, cells who decided them, batches how far."""

from __future__ import annotations

from uuid import UUID

from fastapi.testclient import TestClient

from commenda.kit.db import Database
from managed_calls import API, SignIn, approve, get, market, order, rich
from world import World

SINCE = "2026-01-07T00:00:00Z"


def test_cells_are_proposed_together_and_say_who_decided_them(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    short, long = world.product(days=3), world.product(days=8)
    olga, otto = sign_in("operator", "olga"), sign_in("operator", "otto")
    rates = {short: "0.15", long: "0.20"}
    cells = [
        {"productId": str(one), "annualReturn": rate, "warningPercent": "2", "alertPercent": "5"}
        for one, rate in rates.items()
    ]
    body = {"validFrom": SINCE, "cells": cells}
    seen = client.post(f"{API}/managed/return-matrix/preview", json=body, headers=olga).json()
    assert {one["id"]: one["after"]["annualReturn"] for one in seen} == {
        str(short): "0.15",
        str(long): "0.2",
    }
    asked = client.put(f"{API}/managed/return-matrix", json=body, headers=olga)

    (waiting,) = get(client, "approvals", otto, subject=str(long), status="requested")["items"]
    assert waiting["requestedByName"] == "olga"
    assert [one["before"]["annualReturn"] for one in waiting["changes"]] == ["0.12", "0.12"]
    assert get(client, "approvals", otto, subject="nothing")["items"] == []
    approve(client, otto, asked)

    history = get(client, f"managed/products/{long}", olga)
    later, first = history["cells"]
    assert (later["annualReturn"], later["validFrom"], later["validUntil"]) == ("0.2", SINCE, None)
    decision = later["decision"]
    assert (decision["askedByName"], decision["decidedByName"]) == ("olga", "otto")
    assert (first["annualReturn"], first["validUntil"], first["decision"]) == ("0.12", SINCE, None)
    (decided,) = get(client, "approvals", otto, subject=str(short), status="approved")["items"]
    assert [one["before"]["annualReturn"] for one in decided["changes"]] == ["0.12", "0.12"]


def test_one_product_has_one_cell_in_a_proposal(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    product = str(World(db).product())
    cell = {"productId": product, "annualReturn": "0.1"}
    cell |= {"warningPercent": "2", "alertPercent": "5"}
    body = {"validFrom": SINCE, "cells": [cell, cell]}
    answer = client.put(f"{API}/managed/return-matrix", json=body, headers=sign_in("operator"))
    refused = answer.json()
    assert (answer.status_code, refused["code"], refused["value"]) == (
        422,
        "product_twice",
        product,
    )
    assert refused["mend"]


def test_a_subscription_says_what_it_waits_for_until_it_is_settled(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines, product = rich(client, sign_in, "ines"), world.product(days=1)
    olga, otto = sign_in("operator", "olga"), sign_in("operator", "otto")
    held = order(client, ines, product, "5000").json()["subscriptionId"]

    def waits() -> object:
        found = get(client, f"managed-subscriptions/{held}", ines)["waits"]
        return found and (found["code"], found["late"], found["attempts"])

    assert waits() == ("activation", False, 0)
    world.activate()
    assert waits() == ("term", False, 0)
    world.advance(24)
    assert waits() == ("maturing", False, 0)
    world.mature()
    assert waits() == ("sweep", False, 0)
    (ready,) = get(client, "managed-settlement/ready", olga)
    assert (ready["status"], ready["count"], ready["principal"]) == ("MATURED", 1, "5000")

    asked = client.post(f"{API}/managed-settlement/run", headers=olga)
    run = asked.json()["approvalId"]
    assert get(client, f"managed-subscriptions/{held}", ines)["waits"]["approvalId"] == run
    (change,) = get(client, f"approvals/{run}", otto)["changes"]
    assert (change["before"], change["after"]) == ({"state": "MATURED"}, {"state": "LIQUIDATING"})
    approve(client, otto, asked)
    assert waits() == ("closing", False, 0)
    world.advance(3)
    assert waits() == ("closing", True, 0)
    assert len(get(client, "managed-subscriptions", olga, stuck=True)["items"]) == 1
    world.liquidate()
    assert waits() == ("payout", True, 0)
    world.settle(UUID(held))
    assert waits() is None
    assert get(client, "managed-subscriptions", olga, stuck=True)["items"] == []

    (batch,) = get(client, "managed-settlement/runs", olga)["items"]
    (part,) = batch["parts"]
    assert (batch["requestedByName"], batch["decidedByName"], batch["everything"]) == (
        "olga",
        "otto",
        True,
    )
    assert (part["count"], part["settled"], part["refused"]) == (1, 1, 0)
    (listed,) = get(client, "managed-subscriptions", olga, batch=run)["items"]
    assert listed["subscriptionId"] == held
    world.move_cash()
    world.assert_sound()
