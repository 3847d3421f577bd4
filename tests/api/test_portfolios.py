"""Portfolios over HTTP: whose they are, what a key replays, what a dry run leaves alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

from commenda.kit.db import Database
from commenda.ledger import Author, Owner, OwnerKind
from commenda.managed import deposit
from people import SignIn
from scripted import START
from world import World

PATH = "/api/v1/portfolios"
REBALANCE = "/api/v1/portfolio/rebalance"


class Desk:
    """An investor with money, another one, and two flows."""

    def __init__(self, client: TestClient, db: Database, sign_in: SignIn) -> None:
        world = World(db)
        self.client, self.db = client, db
        self.flows = [str(world.creator(name).id) for name in ("anna", "bert")]
        self.mine, self.other = sign_in("investor"), sign_in("creator")
        me = client.get("/api/v1/auth/me", headers=self.mine).json()
        with db.transaction() as tx:
            owner = Owner(OwnerKind.INVESTOR, UUID(me["id"]))
            deposit(tx, Author("test", "test/1", START), owner, "USDT", Decimal(5_000), "in")

    def found(self, key: str | None = None, **given: Any) -> Any:
        body = {"name": "Two", "flows": self.flows, "amount": "1000", "rules": {"method": "equal"}}
        headers = self.mine | {"Idempotency-Key": key or str(uuid4())}
        return self.client.post(PATH, headers=headers, json=body | given)

    def rebalance(self, **body: Any) -> Any:
        headers = self.mine | {"Idempotency-Key": str(uuid4())}
        return self.client.post(REBALANCE, headers=headers, json=body)


@pytest.fixture
def desk(client: TestClient, db: Database, sign_in: SignIn) -> Desk:
    return Desk(client, db, sign_in)


def test_a_portfolio_is_founded_once_for_a_key_and_seen_by_its_owner_and_the_staff(
    desk: Desk, sign_in: SignIn
) -> None:
    made = desk.found("k1")
    assert made.status_code == 201, made.text
    one = made.json()
    assert [part["weight"] for part in one["parts"]] == ["0.5", "0.5", "0"]
    assert (one["equity"], one["status"], one["rebalances"]) == ("1000", "active", 1)
    assert desk.found("k1").json() == one
    assert desk.found("k1", amount="999").status_code == 409
    path = f"{PATH}/{one['id']}"
    get = desk.client.get
    assert get(path, headers=desk.mine).status_code == 200
    assert get(path, headers=sign_in("risk")).json()["id"] == one["id"]
    assert get(path, headers=desk.other).json()["code"] == "unknown_portfolio"
    assert get(PATH, headers=desk.other).json()["items"] == []
    assert len(get(PATH, headers=sign_in("auditor")).json()["items"]) == 1


def test_a_rebalance_is_previewed_done_listed_and_rolled_back(desk: Desk) -> None:
    portfolio = desk.found().json()["id"]
    path = f"{PATH}/{portfolio}"
    rules = {"method": "equal", "total": 0.6}
    changed = desk.client.patch(path, headers=desk.mine, json={"rules": rules})
    assert (changed.json()["rulesVersion"], changed.json()["rules"]["total"]) == (2, 0.6)
    said = desk.rebalance(portfolioId=portfolio, dryRun=True).json()
    assert (said["number"], [one["moved"] for one in said["moves"]]) == (
        None, ["-200", "-200", "400"],
    )  # fmt: skip
    done = desk.rebalance(portfolioId=portfolio, reason="less risk").json()
    assert (done["number"], done["reason"], done["turnover"]) == (2, "less risk", "0.4")
    back = desk.rebalance(portfolioId=portfolio, backTo=1).json()
    assert [one["weight"] for one in back["moves"]] == ["0.5", "0.5", "0"]
    listed = desk.client.get(f"{path}/rebalances", headers=desk.mine, params={"limit": 2}).json()
    assert [one["number"] for one in listed["items"]] == [3, 2]
    rest = {"limit": 2, "cursor": listed["nextCursor"]}
    more = desk.client.get(f"{path}/rebalances", headers=desk.mine, params=rest).json()
    assert [one["cause"] for one in more["items"]] == ["founding"]


def test_nobody_rebalances_or_closes_anothers(desk: Desk) -> None:
    portfolio = desk.found().json()["id"]
    asked = desk.client.post(REBALANCE, headers=desk.other, json={"portfolioId": portfolio})
    assert (asked.status_code, asked.json()["code"]) == (404, "unknown_portfolio")
    gone = desk.client.delete(f"{PATH}/{portfolio}", headers=desk.other)
    assert gone.status_code == 404


def test_a_portfolio_is_closed_by_asking(desk: Desk) -> None:
    portfolio = desk.found().json()["id"]
    for _ in range(2):
        asked = desk.client.delete(f"{PATH}/{portfolio}", headers=desk.mine)
        assert (asked.status_code, asked.json()["status"]) == (202, "closing")
    refused = desk.rebalance(portfolioId=portfolio)
    assert (refused.status_code, refused.json()["code"]) == (409, "portfolio_closing")


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"amount": "5001"}, 409, "insufficient_balance"),
        ({"flows": []}, 422, "invalid_request"),
        ({"rules": {"method": "equal", "floor": 0.6}}, 409, "quotas_do_not_meet"),
        ({"rules": {"method": "equal", "floor": 0.2, "cap": 0.1}}, 422, "bad_quota"),
        ({"rules": {"method": "kelly"}}, 422, "short_record"),
        ({"rules": {"method": "equal", "total": 2}}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_founded_is_refused_and_costs_nothing(
    desk: Desk, given: dict[str, Any], status: int, code: str
) -> None:
    refused = desk.found(**given)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert desk.found(amount="5000").status_code == 201
