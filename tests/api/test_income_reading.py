"""Pool income over HTTP: the asset log, balances, accruals, the overview (004)."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from typing import Any

from fastapi.testclient import TestClient

from commenda.income import Cadence, distribute_due
from commenda.operations.overview import Overview
from pool_calls import (
    ORDER,
    POOLS,
    SignIn,
    approve_rate,
    days_pass,
    fixed,
    hold,
    post,
    product,
    redeem,
    refusal,
    rich,
    walk,
)
from scripted import D
from world import World


def test_the_asset_log_shows_pool_in_income_and_pool_out_with_balances_that_chain(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """004-09: userId, coin, type, amount, balanceBefore, balanceAfter, refNo, remark, createdAt."""
    wanted, who = product(world), rich(world, sign_in)
    holding = hold(client, who, wanted)
    days_pass(world, 3)
    distribute_due(world.database, world.author, Cadence.DAILY)
    days_pass(world, 1)
    redeem(client, who, holding)
    items = client.get("/api/v1/wallet/asset-log", headers=who).json()["items"]
    assert [(one["type"], one["amount"]) for one in items] == [
        ("pool_out", "1000"),
        ("income", "0.2"),
        ("income", "0.4"),
        ("pool_in", "-1000"),
        ("recharge", "10000"),
    ]
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
        assert D(newer["balanceBefore"]) + D(newer["amount"]) == D(newer["balanceAfter"])
    assert items[0]["balanceAfter"] == "10000.6"
    assert items[0]["refNo"] == f"pool-out:{holding['id']}"
    only = client.get("/api/v1/wallet/asset-log?type=pool_in", headers=who).json()["items"]
    assert [one["amount"] for one in only] == ["-1000"]
    world.assert_sound()


def test_balances_say_what_is_in_pool_products(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, who = product(world), rich(world, sign_in)
    hold(client, who, wanted)
    days_pass(world, 3)
    (balance,) = client.get("/api/v1/wallet/balances", headers=who).json()
    assert (balance["available"], balance["inPools"]) == ("9000", "1000.4")


def test_the_days_that_were_accrued_are_listed_to_the_staff(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    daily, weekly = product(world), product(world, "Weekly", cadence=Cadence.WEEKLY)
    who = rich(world, sign_in)
    hold(client, who, daily), hold(client, who, daily, "500"), hold(client, who, weekly)
    days_pass(world, 2)
    days_pass(world, 2)  # a day was missed: two at once
    rows = walk(client, "accruals", sign_in("operator"))
    assert len(rows) == len({(row["productId"], row["day"]) for row in rows}) == 6
    begun = [row["begunAt"] for row in rows]
    assert begun == sorted(begun, reverse=True)
    of_daily = {row["day"]: row for row in rows if row["productName"] == "Savings"}
    assert sorted(of_daily) == ["2026-01-06", "2026-01-07", "2026-01-08"]
    for day, row in of_daily.items():
        assert (row["holdings"], row["amount"]) == (2, "0.3")
        assert row["begunAt"] == row["finishedAt"]
        over = datetime.fromisoformat(row["begunAt"]).date()
        assert over > date.fromisoformat(day)
    assert refusal(client.get(f"{POOLS}/accruals", headers=who)) == (403, "not_permitted")
    broken = client.get(f"{POOLS}/accruals?cursor=x", headers=sign_in("operator"))
    assert refusal(broken) == (422, "bad_cursor")


def test_the_overview_shows_what_is_sold_and_what_yesterday_earned(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    always_anew = Overview(world.database, fresh=0, share=0)
    client.app.state.overview = always_anew  # type: ignore[attr-defined]

    def overview() -> Any:
        answer = client.get("/api/v1/operations/overview", headers=sign_in("auditor"))
        assert answer.status_code == 200, answer.text
        return answer.json()["income"]

    nothing = overview()
    assert (nothing["pools"], nothing["accrued"], nothing["accruedThrough"]) == ([], None, None)
    daily, who = product(world), rich(world, sign_in)
    fixed(world, 7, total_quota=D(50_000))
    approve_rate(client, sign_in, daily, "2026-02-01", "0.0003")
    hold(client, who, daily, "1000")
    days_pass(world, 2)
    found = overview()
    assert (found["products"], found["soldAmount"], found["totalQuota"]) == (2, "1000", "150000")
    assert (found["day"], found["accruedThrough"]) == ("2026-01-06", "2026-01-06")
    assert (found["holdings"], found["accrued"]) == (1, "0.2")
    savings, term = found["pools"]
    assert (savings["name"], savings["accrued"], savings["dailyRate"]) == (
        "Savings",
        "0.2",
        "0.0002",
    )
    assert (savings["nextRate"], savings["nextRateFrom"]) == ("0.0003", "2026-02-01")
    assert (term["termDays"], term["accrued"], term["soldAmount"]) == (7, None, "0")
    world.advance(24)
    late = overview()
    assert (late["day"], late["accrued"]) == ("2026-01-07", None), "not accrued yet"
    assert late["accruedThrough"] == "2026-01-06"


def test_staff_hold_no_pool_products(client: TestClient, world: World, sign_in: SignIn) -> None:
    wanted = product(world)
    for role in ("operator", "risk", "auditor", "admin"):
        headers = sign_in(role)
        assert post(client, f"products/{wanted}/subscribe", headers, amount="1").status_code == 403
        assert client.get(f"{POOLS}/holdings", headers=headers).status_code == 403
    for role in ("investor", "creator", "risk", "auditor", "admin"):
        assert post(client, "products", sign_in(role), **ORDER).status_code == 403
