"""Pool products over HTTP: estimates, and what two people decide (004)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from fastapi.testclient import TestClient

from people import user_of
from pool_calls import (
    ORDER,
    POOLS,
    SignIn,
    approve,
    approve_rate,
    days_pass,
    fixed,
    get,
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


def test_a_product_has_the_fields_of_the_specification_and_both_yields(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """004-10 POOL_PRODUCT; 004-01 APR = daily rate · 365, APY compounds it, both labelled."""
    wanted = product(world)
    found = get(client, f"products/{wanted}", sign_in("investor"))
    assert {
        "id": str(wanted),
        "name": "Savings",
        "dailyRate": "0.0002",
        "totalQuota": "100000",
        "soldAmount": "0",
        "createdAt": "2026-01-05T00:00:00Z",
    }.items() <= found.items()
    assert (found["type"], found["cadence"], found["status"]) == ("flexible", "daily", "open")
    assert found["apr"] == "0.073"
    # The same another way: (1 + r)^365 − 1 = e^(365 · ln(1 + r)) − 1.
    assert float(found["apy"]) == pytest.approx(math.expm1(365 * math.log1p(0.0002)), abs=1e-10)
    assert (found["nextRate"], found["nextRateFrom"], found["termDays"]) == (None, None, None)


def test_the_list_says_what_an_amount_would_earn_and_what_is_left_of_the_quota(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """004-01: the estimated income of a day and of a year."""
    who, wanted = rich(world, sign_in), product(world)
    hold(client, who, wanted, "2500")
    (found,) = get(client, "products", who, amount="1000")["items"]
    assert found["estimate"] == {"amount": "1000", "daily": "0.2", "yearly": "73"}
    assert (found["soldAmount"], found["quotaLeft"]) == ("2500", "97500")
    assert get(client, "products", who)["items"][0]["estimate"] is None


def test_products_are_listed_newest_first_page_by_page(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    for name in "abcde":
        product(world, name)
        if name != "c":  # two of one moment are told apart by their ids
            world.advance()
    names = [one["name"] for one in walk(client, "products", sign_in("investor"))]
    assert names[:1] + names[3:] == ["e", "b", "a"]
    assert set(names[1:3]) == {"d", "c"}
    broken = client.get(f"{POOLS}/products?cursor=x", headers=sign_in("investor"))
    assert refusal(broken) == (422, "bad_cursor")


def test_an_estimate_of_a_flexible_product_is_of_todays_rate(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted = product(world)
    found = get(client, f"products/{wanted}/estimate", sign_in("creator"), amount="1234.5")
    assert (found["daily"], found["yearly"]) == ("0.2469", "90.1185")
    assert (found["apr"], found["maturity"]) == ("0.073", None)
    assert get(client, f"products/{wanted}/estimate", sign_in("creator"))["amount"] == "10"


def test_an_estimate_of_a_fixed_product_is_what_its_maturity_then_pays(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """A rate that is dated into the term counts from its day on: 2 days at one, 5 at the other."""
    wanted, who = fixed(world, 7, daily_rate=D("0.0003")), rich(world, sign_in)
    approve_rate(client, sign_in, wanted, "2026-01-08", "0.0001234567")
    maturity = get(client, f"products/{wanted}/estimate", who, amount="1234.56789")["maturity"]
    exact = D("1234.56789") * (2 * D("0.0003") + 5 * D("0.0001234567"))
    assert maturity["income"] == str(exact)[:10] == "1.50281912"
    assert maturity["startAt"] == "2026-01-06T00:00:00Z"
    assert maturity["endAt"] == "2026-01-13T00:00:00Z"
    holding = hold(client, who, wanted, "1234.56789")
    assert (holding["startAt"], holding["endAt"]) == (maturity["startAt"], maturity["endAt"])
    for _ in range(8):
        days_pass(world, 1)
    paid = redeem(client, who, holding).json()
    assert paid["income"] == maturity["income"]
    assert paid["paid"] == maturity["total"]
    assert paid["days"] == 7
    world.assert_sound()


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "1e16", "0.000000001", "x"])
def test_an_estimate_of_no_amount_is_refused(
    client: TestClient, world: World, sign_in: SignIn, amount: str
) -> None:
    wanted = product(world)
    for path in ("products", f"products/{wanted}/estimate"):
        answer = client.get(f"{POOLS}/{path}?amount={amount}", headers=sign_in("investor"))
        assert refusal(answer) == (422, "invalid_request")


def test_a_product_is_offered_once_a_second_person_has_approved_it(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    operator = sign_in("operator")
    asked = post(client, "products", operator, **ORDER)
    assert get(client, "products", operator)["items"] == []
    assert refusal(approve(client, operator, asked)) == (409, "same_person")
    done = approve(client, sign_in("risk"), asked)
    assert done.status_code == 200, done.text
    assert done.json()["kind"] == "income.product"
    (found,) = get(client, "products", operator)["items"]
    assert {**ORDER, "quotaLeft": "50000", "createdAt": "2026-01-05T00:00:00Z"}.items() <= (
        found.items()
    )
    assert done.json()["outcome"]["productId"] == found["id"]
    (rate,) = get(client, f"products/{found['id']}/rates", operator)["rates"]
    assert (rate["fromDay"], rate["dailyRate"]) == ("2026-01-05", "0.00025")
    assert rate["setBy"] == f"risk:{user_of('risk')}"


def test_a_rejected_product_is_never_offered(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    asked = post(client, "products", sign_in("operator"), **ORDER).json()["approvalId"]
    risk = sign_in("risk")
    answer = client.post(f"/api/v1/approvals/{asked}/reject", json={"reason": "no"}, headers=risk)
    assert answer.status_code == 200
    assert get(client, "products", risk)["items"] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"termDays": None}, "bad_term"),
        ({"type": "flexible"}, "bad_term"),
        ({"type": "flexible", "termDays": None}, "bad_early_exit"),
        ({"earlyExit": False}, "bad_early_exit"),
        ({"minimum": "50000.1"}, "minimum_above_quota"),
        ({"asset": "DOGE"}, "unknown_asset"),
        ({"dailyRate": "0.11"}, "invalid_request"),
        ({"dailyRate": "0.00000000001"}, "invalid_request"),
        ({"totalQuota": "NaN"}, "invalid_request"),
        ({"earlyExitPenalty": "1.1"}, "invalid_request"),
        ({"cadence": "hourly"}, "invalid_request"),
        ({"name": ""}, "invalid_request"),
        ({"name": "n" * 101}, "invalid_request"),
        ({"surprise": 1}, "invalid_request"),
    ],
)
def test_terms_that_cannot_be_are_refused_when_they_are_asked_for(
    client: TestClient, world: World, sign_in: SignIn, change: dict[str, Any], code: str
) -> None:
    answer = post(client, "products", sign_in("operator"), **(ORDER | change))
    assert answer.json()["code"] == code, answer.text
    assert client.get("/api/v1/approvals", headers=sign_in("risk")).json()["items"] == []
    assert world.column("SELECT kind FROM audit_events WHERE NOT starts_with(kind, 'user.')") == []


def test_a_product_may_have_a_name_of_100_characters(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """On the wire as in the rules."""
    assert post(client, "products", sign_in("operator"), **ORDER | {"name": "é" * 100}).is_success


def test_two_products_of_one_name_are_refused_at_the_approval_of_the_second(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    first, second = (post(client, "products", sign_in("operator"), **ORDER) for _ in range(2))
    assert approve(client, sign_in("risk"), first).status_code == 200
    assert refusal(approve(client, sign_in("risk"), second)) == (409, "product_name_taken")
    third = post(client, "products", sign_in("operator"), **ORDER)
    assert refusal(third) == (409, "product_name_taken")


def test_a_rate_holds_from_its_day_on_and_the_product_says_so_before(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, who = product(world), sign_in("investor")
    approve_rate(client, sign_in, wanted, "2026-01-07", "0.0003")
    found = get(client, f"products/{wanted}", who)
    assert (found["dailyRate"], found["nextRate"]) == ("0.0002", "0.0003")
    assert found["nextRateFrom"] == "2026-01-07"
    world.advance(48)
    found = get(client, f"products/{wanted}", who)
    assert (found["dailyRate"], found["nextRate"], found["apr"]) == ("0.0003", None, "0.1095")
    rates = get(client, f"products/{wanted}/rates", who)["rates"]
    assert [one["dailyRate"] for one in rates] == ["0.0002", "0.0003"]


def test_a_rate_whose_day_is_past_at_its_approval_is_refused_and_nothing_is_half_done(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, operator = product(world), sign_in("operator")
    asked = post(
        client, f"products/{wanted}/rates", operator, fromDay="2026-01-06", dailyRate="0.0003"
    )
    world.advance(49)
    late = approve(client, sign_in("risk"), asked)
    assert refusal(late) == (409, "rate_is_past")
    assert (late.json()["field"], late.json()["value"]) == ("fromDay", "2026-01-06")
    assert "2026-01-07" in late.json()["mend"]
    approval = asked.json()["approvalId"]
    stands = client.get(f"/api/v1/approvals/{approval}", headers=operator).json()
    assert stands["status"] == "requested", "it can still be rejected"
    assert len(get(client, f"products/{wanted}/rates", operator)["rates"]) == 1
    assert world.column("SELECT kind FROM audit_events WHERE kind = 'pool_product.rate_set'") == []
    again = post(
        client, f"products/{wanted}/rates", operator, fromDay="2026-01-06", dailyRate="0.0003"
    )
    assert refusal(again) == (409, "rate_is_past"), "and at once, where it is past already"


def test_another_rate_of_one_day_is_refused(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, path = product(world), "2026-01-08"
    approve_rate(client, sign_in, wanted, path, "0.0003")
    other = post(
        client,
        f"products/{wanted}/rates",
        sign_in("operator"),
        fromDay=path,
        dailyRate="0.0004",
    )
    assert refusal(other) == (409, "already_dated")


def test_a_closed_product_takes_nothing_more_and_what_is_held_goes_on(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, who = product(world), rich(world, sign_in)
    holding = hold(client, who, wanted)
    asked = post(client, f"products/{wanted}/close", sign_in("operator"))
    assert approve(client, sign_in("risk"), asked).status_code == 200
    more = post(client, f"products/{wanted}/subscribe", who, amount="100")
    assert refusal(more) == (409, "product_closed")
    assert get(client, f"products/{wanted}", who)["status"] == "closed"
    assert get(client, "products", who, onlyOpen=True)["items"] == []
    days_pass(world, 3)
    assert redeem(client, who, holding).json()["income"] == "0.4"
    world.assert_sound()


def test_asking_is_once_for_each_key(client: TestClient, world: World, sign_in: SignIn) -> None:
    operator = sign_in("operator")
    first, again = (post(client, "products", operator, "k", **ORDER) for _ in range(2))
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    other = post(client, "products", operator, "k", **(ORDER | {"minimum": "200"}))
    assert refusal(other) == (409, "idempotency_conflict")
    assert len(client.get("/api/v1/approvals", headers=operator).json()["items"]) == 1


def test_asking_needs_a_second_factor(client: TestClient, world: World, sign_in: SignIn) -> None:
    plain = sign_in("operator", second_factor=False)
    assert refusal(post(client, "products", plain, **ORDER)) == (403, "second_factor_required")
