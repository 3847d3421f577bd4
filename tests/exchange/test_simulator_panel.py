"""The fault panel: what the site's own exchange is told to get wrong, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.exchange import Key, simulated_house
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.venues import Simulator
from people import SETTINGS, signed_in

from .conftest import START, Served

PANEL = "/api/v1/simulator"
LOST = {"kind": "lost_answer", "matches": "POST /fapi/v1/order", "times": 2}


@pytest.fixture
def served() -> Iterator[Served]:
    house = simulated_house(["BTCUSDT"], seed=7, start=START, pace=0.0)
    house.open_account(Key("desk", "key-a", "secret-a"), Decimal(1_000))
    found = Served(house)
    found.server.admin = Simulator.of("", Keys.of(SETTINGS)).word
    yield found
    found.stop()


@pytest.fixture
def client(served: Served, db: Database) -> Iterator[TestClient]:
    settings = replace(SETTINGS, demo_exchange=f"http://{served.address}")
    with TestClient(create_app(settings, db), raise_server_exceptions=False) as made:
        yield made


def test_an_operator_sets_a_fault_sees_it_strike_and_clears_it(
    client: TestClient, served: Served, db: Database
) -> None:
    operator = signed_in(db, "operator")
    quiet = client.get(PANEL, headers=operator).json()
    assert quiet["faults"] == []
    assert (quiet["now"], quiet["fund"]) == ("2026-03-02T10:00:00Z", "0")
    (account,) = quiet["accounts"]
    assert account == {"name": "desk", "wallet": "1000", "open": 0, "positions": []}
    assert datetime.fromisoformat(quiet["now"]) == START.astimezone(UTC)

    told = client.put(f"{PANEL}/faults", headers=operator, json={"faults": [LOST]}).json()
    assert told["faults"] == [{**LOST, "chance": 1.0, "milliseconds": 0}]
    trader = served.client()
    trader.load_time_difference()
    trader.options["adjustForTimeDifference"] = True
    with pytest.raises(Exception, match="POST"):
        trader.create_order("BTC/USDT:USDT", "market", "buy", 0.01)
    seen = client.get(PANEL, headers=operator).json()
    assert {one["kind"]: one["struck"] for one in seen["kinds"]}["lost_answer"] == 1
    assert seen["faults"][0]["times"] == 1
    (held,) = seen["accounts"][0]["positions"]
    assert (held["symbol"], Decimal(held["quantity"])) == ("BTCUSDT", Decimal("0.01"))

    assert client.put(f"{PANEL}/faults", headers=operator, json={"faults": []}).status_code == 200
    assert served.house.script.faults == []
    with db.transaction() as tx:
        rows = tx.execute(
            "SELECT actor, details FROM audit_events WHERE kind = 'simulator.faults' ORDER BY id"
        ).fetchall()
    assert [len(details["faults"]) for _, details in rows] == [1, 0]
    assert all(actor.startswith("operator:") for actor, _ in rows)


def test_what_cannot_be_set_is_refused_and_who_may_not_sets_nothing(
    client: TestClient, served: Served, db: Database
) -> None:
    operator = signed_in(db, "operator")
    wrong = client.put(f"{PANEL}/faults", headers=operator, json={"faults": [{"kind": "rain"}]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "unknown_fault")
    assert wrong.json()["field"] == "kind"
    for role, may_look in (("auditor", True), ("investor", False)):
        who = signed_in(db, role)
        assert (client.get(PANEL, headers=who).status_code == 200) is may_look
        refused = client.put(f"{PANEL}/faults", headers=who, json={"faults": [LOST]})
        assert refused.status_code == 403
    assert served.house.script.faults == []


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [("http://127.0.0.1:9", 503, "simulator_away"), (None, 404, "no_simulator")],
)
def test_an_exchange_that_is_away_or_not_ours_is_said_to_be(
    db: Database, address: str | None, status: int, code: str
) -> None:
    settings = replace(SETTINGS, demo_exchange=address)
    with TestClient(create_app(settings, db), raise_server_exceptions=False) as elsewhere:
        told = elsewhere.get(PANEL, headers=signed_in(db, "operator"))
    assert (told.status_code, told.json()["code"]) == (status, code)
