"""The order blotter over HTTP: what a signal sent to the venue, and whose it was, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient

from commenda.copying import Flow
from commenda.kit.db import Database
from scripted import D, steps
from world import World

SignIn = Callable[..., dict[str, str]]


def get(client: TestClient, who: dict[str, str], path: str = "", **asked: Any) -> Any:
    answer = client.get(f"/api/v1/orders{path}", params=asked, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def traded(db: Database) -> tuple[World, Flow]:
    """Anna has 10,000 and Otto 2,000 behind her; both go once long at 100, for a fee of 0.1 %."""
    world = World(db, {"AAAUSDT": steps((0, 100.0), (5, 90.0))}, fee=D("0.001"))
    anna = world.creator("anna")
    otto = world.investor("otto", 2_000)
    world.follow(otto, anna, D(2_000))
    world.activate()
    world.signal(anna, 1)
    world.advance(1)
    return world, anna


def test_an_order_shows_its_life_its_fills_and_whose_it_was(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    traded(db)
    risk = sign_in("risk")
    (order,) = get(client, risk)["items"]
    wanted = {
        "venue": "paper", "symbol": "AAAUSDT", "side": "buy", "kind": "market", "quantity": "120",
        "filled": "120", "price": "100", "fee": "12", "status": "filled", "cause": "signal",
        "books": 2, "limitPrice": None, "triggerPrice": None,
    }  # fmt: skip
    assert {name: order[name] for name in wanted} == wanted
    assert order["createdAt"] <= order["sentAt"] <= order["terminalAt"] <= order["allocatedAt"]
    life = get(client, risk, f"/{order['id']}")
    assert life["order"] == order
    assert sum(D(one["quantity"]) for one in life["fills"]) == 120
    parts = [
        [one[name] for name in ("owner", "requested", "quantity", "fee")] for one in life["parts"]
    ]
    assert parts == [["creator-anna", "100", "100", "10"], ["otto", "20", "20", "2"]]


def test_orders_are_found_by_venue_contract_and_state_and_paged(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, anna = traded(db)
    world.signal(anna, 0)
    world.advance(1)
    risk = sign_in("risk")
    sold, bought = get(client, risk)["items"]
    assert (sold["side"], bought["side"]) == ("sell", "buy")
    page = get(client, risk, limit=1)
    assert page["items"] == [sold]
    assert get(client, risk, limit=1, cursor=page["nextCursor"])["items"] == [bought]
    for asked, count in (
        ({"venue": "paper", "symbol": "AAAUSDT", "shown": "filled"}, 2),
        ({"shown": "working"}, 0),
        ({"shown": "unfilled"}, 0),
        ({"venue": "elsewhere"}, 0),
        ({"symbol": "BBBUSDT"}, 0),
    ):
        assert len(get(client, risk, **asked)["items"]) == count, asked


def test_orders_are_for_the_staff(client: TestClient, db: Database, sign_in: SignIn) -> None:
    for role, status in (("investor", 403), ("creator", 403), ("auditor", 200)):
        answer = client.get("/api/v1/orders", headers=sign_in(role, f"some-{role}"))
        assert answer.status_code == status
    answer = client.get(f"/api/v1/orders/{UUID(int=1)}", headers=sign_in("risk"))
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_order")


def test_staff_have_an_order_that_works_moved_and_cancelled(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    """Those who may: it stands in the blotter as asked for until a worker has done it."""
    world = World(db, {"AAAUSDT": steps((0, 100.0))}, fee=D(0), slippage="0.01")
    anna = world.creator("anna")
    with db.transaction() as tx:
        tx.execute("UPDATE shared_flows SET entry = 'post_only'")
    world.activate()
    world.signal(anna, 1)
    operator = sign_in("operator")
    (order,) = get(client, operator, shown="working")["items"]
    assert (order["timeInForce"], order["limitPrice"], order["status"]) == (
        "post_only",
        "100",
        "accepted",
    )

    def post(what: str, who: dict[str, str] = operator, **body: str) -> Any:
        path = f"/api/v1/orders/{order['id']}/{what}"
        return client.post(path, json={"note": "The market has gone", **body}, headers=who)

    assert post("cancel", sign_in("auditor")).status_code == 403
    moved = post("move", limitPrice="99.5")
    assert (moved.status_code, moved.json()["order"]["askedPrice"]) == (202, "99.5")
    assert post("move", limitPrice="50").json()["code"] == "too_far"
    ended = post("cancel")
    assert ended.status_code == 202
    assert ended.json()["order"]["cancelAskedAt"] is not None
    assert post("move", limitPrice="99").json()["code"] == "order_ending"
