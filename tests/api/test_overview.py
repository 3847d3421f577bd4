"""The overview of the operation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.books import record_nav
from commenda.kit.db import Database
from commenda.ledger import reverse
from commenda.operations.overview import Overview
from commenda.settings import Settings
from managed_world import FREE
from scripted import steps
from world import World

SETTINGS = Settings(
    master_key="the overview's own master key, 32 characters or more", requests_per_minute=0
)
D = Decimal


def overview(client: TestClient, headers: dict[str, str]) -> dict[str, Any]:
    answer = client.get("/api/v1/operations/overview", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@contextmanager
def serving(db: Database, **changes: object) -> Iterator[TestClient]:
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    with TestClient(create_app(settings, db), raise_server_exceptions=False) as opened:
        yield opened


def value_books(world: World) -> None:
    with world.database.transaction() as tx:
        record_nav(tx, world.now, world.broker.marks(world.now))


def test_an_operation_without_anything_has_an_overview(
    client: TestClient, sign_in: Callable[..., dict[str, str]]
) -> None:
    found = overview(client, sign_in("auditor"))
    assert found["subscriptions"]["settled"] == {"now": 0, "ever": 0, "lastDay": 0}
    assert found["money"]["deposited"] == "0"
    assert found["money"]["underManagement"] is None
    assert found["days"] == found["traces"] == found["alerts"] == found["workers"] == []
    assert found["clock"]["mode"] == "wall"


@pytest.mark.parametrize(("role", "status"), [("investor", 403), ("creator", 403), ("risk", 200)])
def test_the_overview_is_for_the_staff(
    client: TestClient, sign_in: Callable[..., dict[str, str]], role: str, status: int
) -> None:
    answer = client.get("/api/v1/operations/overview", headers=sign_in(role))
    assert answer.status_code == status


def test_one_subscription_is_followed_from_its_deposit_to_its_trace(
    db: Database, client: TestClient, sign_in: Callable[..., dict[str, str]]
) -> None:
    # The price rises by a tenth in the second day; books are long with all they have.
    world = World(db, {"AAAUSDT": steps((0, 100.0), (30, 110.0))}, fee=0, lot="0.000001")
    flows = [world.creator(name, capital=0) for name in "abcdef"]
    product = world.product(days=3, terms=FREE)
    anna = world.investor("anna", 10_000)
    world.investor("berta", 2_500)
    one = world.subscribe(anna, product, 6_000)
    read = Overview(db, fresh=0, share=0).read
    found = read()
    assert found["people"] == {"investors": 2, "creators": 6, "funded": 2, "flows": 6}
    assert found["money"]["deposited"] == 12_500
    assert found["money"]["reserved"] == 6_000
    assert found["subscriptions"]["reserved"] == {"now": 1, "ever": 1, "last_day": 1}

    world.activate()
    for flow in flows:
        world.signal(flow, "1")
    world.advance(23)
    value_books(world)
    found = read()
    assert [(day["books"], day["nav"], day["index"]) for day in found["days"]] == [(1, 6000, None)]
    assert found["money"]["outstanding"] == 6_000
    assert {signal["target"] for signal in found["signals"]} == {1}

    world.advance(24)
    value_books(world)
    first, second = read()["days"]
    assert (first["index"], second["index"]) == (100, D(110))
    assert second["nav"] == pytest.approx(D(6_600), abs=D("0.01"))

    world.advance(26)
    world.mature()
    world.ask(one)
    world.script.refusal = "AAAUSDT is halted"
    world.liquidate()
    found = read()
    (retry,) = found["retries"]
    assert (retry["id"], retry["attempts"]) == (one, 1)
    assert "AAAUSDT is halted" in retry["reason"]
    assert retry["next_retry_at"] == world.now + timedelta(seconds=30)
    assert [alert.kind for alert in found["alerts"]] == ["liquidation.failed"]
    assert found["subscriptions"]["liquidating"] == {"now": 1, "ever": 1, "last_day": 1}

    world.script.refusal = None
    world.advance()
    assert world.liquidate() == 1
    world.settle(one)
    found = overview(client, sign_in("auditor"))  # and over HTTP
    assert found["retries"] == []
    assert found["subscriptions"]["settled"] == {"now": 1, "ever": 1, "lastDay": 1}
    assert found["subscriptions"]["active"] == {"now": 0, "ever": 1, "lastDay": 0}
    assert found["money"]["outstanding"] == "0"
    assert found["money"]["settledPrincipal"] == "6000"
    (trace,) = found["traces"]
    assert (trace["id"], trace["investor"], trace["amount"]) == (str(one), "ann…na", "6000")
    assert D(trace["return"]) == pytest.approx(D("0.1"), abs=D("0.00001"))
    assert D(trace["toWallet"]) == world.wallet(anna) - 4_000


def test_deposits_are_added_up_across_readings(db: Database) -> None:
    world = World(db, hours=48)
    reader = Overview(db, fresh=0, share=0)
    for n, expected in enumerate((100, 200, 300)):
        world.investor(f"i{n}", 100)
        assert reader.read()["money"]["deposited"] == expected
    assert Overview(db).read()["money"]["deposited"] == 300
    with db.transaction() as tx:
        row = tx.execute("SELECT min(id) FROM journals WHERE kind = 'deposit'").fetchone()
        assert row is not None
        reverse(tx, world.author, row[0])
    assert reader.read()["money"]["deposited"] == 200, "one was undone"
    assert Overview(db).read()["money"]["deposited"] == 200


def test_a_reading_is_kept_for_its_time(db: Database) -> None:
    world = World(db, hours=48)
    reader = Overview(db, fresh=2, share=0)
    first = reader.read()
    world.investor("anna", 100)
    assert reader.read() is first
    time.sleep(2)
    assert reader.read()["people"]["investors"] == first["people"]["investors"] + 1


# --- in a demo --------------------------------------------------------------------------------


def test_sign_ins_are_published_in_a_demo_only(db: Database, client: TestClient) -> None:
    assert client.get("/demo.json").status_code == 404
    with serving(db, demo=True) as demo:
        published = demo.get("/demo.json").json()
    assert {one["role"] for one in published} >= {"investor", "operator", "auditor"}
    assert all(one["username"] and one["password"] and one["label"] for one in published)
