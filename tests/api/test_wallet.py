"""Balances, the asset log and statements: what an owner reads of the ledger."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.kit.db import Database
from commenda.kit.pages import encode_cursor
from commenda.referrals import HOLD, release_due
from scripted import D
from wallets import RISING, SignIn, get, owner_of, person, settled
from world import World


def test_balances_say_where_the_money_is(client: TestClient, db: Database, sign_in: SignIn) -> None:
    world, who = World(db, RISING), sign_in("investor", "ines")
    flow = world.creator("anna")
    ines = person(world, "ines", 15_000)
    world.subscribe(ines, world.product(), 10_000)
    (balance,) = get(client, "balances", who)
    assert (balance["available"], balance["reserved"], balance["inBooks"]) == ("5000", "10000", "0")
    world.activate()
    (balance,) = get(client, "balances", who)
    assert (balance["reserved"], balance["inBooks"]) == ("0", "10000")
    world.signal(flow, "0.5")
    bought = world.one(
        "SELECT p.quantity FROM positions p JOIN legs l ON l.id = p.leg_id"
        " JOIN scopes s ON s.id = l.scope_id AND s.kind = 'managed'"
    )
    fee = bought * 100 * D("0.0005")
    (balance,) = get(client, "balances", who)
    assert D(balance["inBooks"]) == 10_000 - fee, "without a mark a position counts at its cost"
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO market_marks SELECT id, 120, %s, 'test' FROM instruments"
            " WHERE symbol = 'AAAUSDT'",
            (world.now,),
        )
    world.advance()
    (balance,) = get(client, "balances", who)
    assert D(balance["inBooks"]) == 10_000 - fee + bought * 20
    assert balance["asOf"].startswith("2026-01-05T01:00:00"), "the mark's time, not the question's"


def test_commission_is_pending_and_then_available(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, _ = settled(db, sign_in)
    rita = sign_in("investor", "rita")
    (before,) = get(client, "balances", rita)
    assert before["available"] == "50"
    assert D(before["pendingReferral"]) > 0
    world.now += HOLD
    with db.transaction() as tx:
        assert release_due(tx, world.author) == 1
    (after,) = get(client, "balances", rita)
    assert after["pendingReferral"] == "0"
    assert D(after["available"]) == 50 + D(before["pendingReferral"])
    newest = get(client, "asset-log", rita)["items"][0]
    assert (newest["type"], newest["amount"]) == ("commission", before["pendingReferral"])


def test_the_asset_log_names_what_happened_newest_first(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    _, subscription = settled(db, sign_in)
    items = get(client, "asset-log", sign_in("investor", "ines"))["items"]
    assert [(one["type"], one["remark"]) for one in items] == [
        ("contract", "settlement"),
        ("contract", "reserve"),
        ("recharge", "deposit"),
    ]
    assert items[0]["refNo"] == f"settle:{subscription}"
    assert items[1]["amount"] == "-10000"
    assert set(items[0]) == {
        "userId",
        "coin",
        "type",
        "amount",
        "balanceBefore",
        "balanceAfter",
        "refNo",
        "remark",
        "createdAt",
    }
    for newer, older in pairwise(items):
        assert newer["balanceBefore"] == older["balanceAfter"]


def test_a_withdrawal_is_in_the_log_when_money_left_and_not_before(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    World(db)
    who = sign_in("investor", "ines")
    for body in (
        {"amount": "30000"},
        {"direction": "withdrawal", "amount": "10"},
        {"direction": "withdrawal", "amount": "20000"},
    ):
        answer = client.post("/api/v1/participation/funding", json=body, headers=who)
    client.post(
        f"/api/v1/approvals/{answer.json()['approvalId']}/reject",
        json={"reason": "no"},
        headers=sign_in("operator"),
    )
    log = get(client, "asset-log", who, type="withdraw")["items"]
    assert [one["amount"] for one in log] == ["-10"]
    assert len(get(client, "asset-log", who, type="recharge")["items"]) == 1


def test_pages_of_the_log_meet_without_gap_or_overlap(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, who = World(db), sign_in("investor", "ines")
    for number in range(1, 8):
        world.pay_in(owner_of("ines"), D(number), str(number))
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 3}
    while True:
        page = get(client, "asset-log", who, **params)
        seen += [one["amount"] for one in page["items"]]
        if page["nextCursor"] is None:
            break
        world.pay_in(owner_of("ines"), D(100), f"later {len(seen)}")  # moves no page that follows
        params["cursor"] = page["nextCursor"]
    assert seen == ["7", "6", "5", "4", "3", "2", "1"]


def test_the_log_can_be_cut_by_time(client: TestClient, db: Database, sign_in: SignIn) -> None:
    world, who = World(db), sign_in("investor", "ines")
    for number in range(1, 6):
        world.pay_in(owner_of("ines"), D(number), str(number))
        world.advance()
    params = {"from": "2026-01-05T01:00:00Z", "to": "2026-01-05T04:00:00+01:00"}
    items = get(client, "asset-log", who, **params)["items"]
    assert [one["amount"] for one in items] == ["3", "2"], "from is inside, to is not"


def test_an_owner_reads_their_own_holds_and_no_names(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, who, other = World(db), sign_in("investor", "ines"), sign_in("investor", "jon")
    world.pay_in(owner_of("ines"), D(20_000), "one")
    order = {"direction": "withdrawal", "amount": "15000"}
    client.post("/api/v1/participation/funding", json=order, headers=who)
    (hold,) = get(client, "holds", who)["items"]
    assert (hold["amount"], hold["status"], hold["purpose"]) == ("15000", "held", "withdrawal")
    assert (hold["actor"], hold["resolvedBy"]) == (None, None)
    assert get(client, "holds", who, status="captured")["items"] == []
    assert get(client, "holds", other)["items"] == []


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("asset-log", {"cursor": "nonsense"}, 422, "bad_cursor"),
        ("asset-log", {"asset": "DOGE"}, 404, "unknown_asset"),
        ("asset-log", {"type": "gift"}, 422, "invalid_request"),
        ("asset-log", {"from": "2026-01-05T00:00:00"}, 422, "invalid_request"),
        ("asset-log", {"from": "0001-01-01T00:00:00+14:00"}, 422, "invalid_request"),
        ("asset-log", {"from": "2026"}, 422, "invalid_request"),
        (
            "asset-log",
            {"from": "2026-01-06T00:00:00Z", "to": "2026-01-05T00:00:00Z"},
            422,
            "bad_period",
        ),
        ("asset-log", {"limit": "0"}, 422, "invalid_request"),
        (
            "statement",
            {"to": "0001-01-02T00:00:00Z", "from": "0001-01-03T00:00:00Z"},
            422,
            "bad_period",
        ),
        ("statement", {"from": "2024-01-01T00:00:00Z"}, 422, "bad_period"),
        ("statement", {"from": "2026-02-01T00:00:00Z"}, 422, "bad_period"),
        ("statement", {"from": "9999-12-31T23:59:59Z"}, 422, "bad_period"),
        ("statement", {"cursor": "nonsense"}, 422, "bad_cursor"),
        ("statement", {"cursor": encode_cursor(["x", "y", 1, 1])}, 422, "bad_cursor"),
        ("statement", {"limit": "1001"}, 422, "invalid_request"),
        ("statement", {"accounts": "mine"}, 422, "invalid_request"),
        ("statement", {"format": "html", "lang": "fr"}, 422, "invalid_request"),
        ("statement", {"format": "csv", "asset": "DOGE"}, 404, "unknown_asset"),
        ("holds", {"status": "gone"}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_read_is_refused(
    client: TestClient,
    db: Database,
    sign_in: SignIn,
    path: str,
    params: dict[str, str],
    status: int,
    code: str,
) -> None:
    World(db)
    who = sign_in("investor", "ines")
    answer = client.get(f"/api/v1/wallet/{path}", params=params, headers=who)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_stranger_reads_only_an_empty_wallet(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    settled(db, sign_in)
    jon = sign_in("investor", "jon")
    assert get(client, "balances", jon) == []
    assert get(client, "asset-log", jon) == {"items": [], "nextCursor": None}
    assert get(client, "statement", jon)["closing"] == "0"
    assert client.get("/api/v1/wallet/balances").status_code == 401
    assert client.get("/api/v1/wallet/balances", headers=sign_in("risk")).status_code == 403


def test_a_referrer_sees_the_tree_and_what_it_earned(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, subscription = settled(db, sign_in)
    path = "/api/v1/referrals/mine"
    sign_in("investor", "jon")
    person(world, "jon", 100, owner_of("ines"))
    mine = client.get(path, headers=sign_in("investor", "rita")).json()
    assert [(one["level"], one["username"]) for one in mine["tree"]] == [(1, "ines"), (2, "jon")]
    (earned,) = mine["commissions"]
    assert earned["settlementId"] == str(subscription)
    assert (earned["level"], earned["status"]) == (1, "pending")
    assert D(earned["amount"]) == world.one("SELECT to_referrers FROM settlements")
    world.now += HOLD
    with db.transaction() as tx:
        release_due(tx, world.author)
    (earned,) = client.get(path, headers=sign_in("investor", "rita")).json()["commissions"]
    assert earned["status"] == "released"
    nobody = client.get(path, headers=sign_in("investor", "karl")).json()
    assert nobody == {"tree": [], "commissions": [], "nextCursor": None}
    assert client.get(path, headers=sign_in("auditor")).status_code == 403
