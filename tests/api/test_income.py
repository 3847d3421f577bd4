"""Pool income over HTTP: products decided by two people, holdings, accrual, asset log (004)."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from commenda.income import Cadence, ProductKind, Terms, accrue_due, create_product, distribute_due
from commenda.kit.db import Database
from commenda.ledger import Owner, OwnerKind
from commenda.operations.overview import Overview
from people import user_of
from world import ASSET, D, World, in_threads

POOLS = "/api/v1/pools"
RATE = D("0.0002")
SignIn = Callable[..., dict[str, str]]


@pytest.fixture
def world(db: Database) -> World:
    return World(db, hours=48)


def owner_of(name: str) -> Owner:
    return Owner(OwnerKind.INVESTOR, user_of("investor", name))


def rich(world: World, sign_in: SignIn, name: str = "ines", amount: int = 10_000) -> dict[str, str]:
    """Headers of an investor with money."""
    headers = sign_in("investor", name)
    world.pay_in(owner_of(name), D(amount), "first")
    return headers


def product(world: World, name: str = "Savings", **changes: Any) -> UUID:
    """A product: flexible, 0.02 % a day, paid daily, unless changed."""
    terms = {
        "name": name,
        "asset": ASSET,
        "type": ProductKind.FLEXIBLE,
        "cadence": Cadence.DAILY,
        "total_quota": D(100_000),
        "minimum": D(10),
        "daily_rate": RATE,
    }
    with world.database.transaction() as tx:
        return create_product(tx, world.author, Terms(**(terms | changes))).id


def fixed(world: World, days: int = 7, **changes: Any) -> UUID:
    return product(world, f"Fixed {days}", type=ProductKind.FIXED, term_days=days, **changes)


def days_pass(world: World, days: int) -> None:
    """Days pass, and what they earned is accrued."""
    world.advance(24 * days)
    accrue_due(world.database, world.author)


def get(client: TestClient, path: str, who: dict[str, str], **params: Any) -> Any:
    answer = client.get(f"{POOLS}/{path}", params=params, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(
    client: TestClient, path: str, who: dict[str, str], key: str | None = None, **body: Any
) -> Any:
    headers = who if key is None else who | {"Idempotency-Key": key}
    return client.post(f"{POOLS}/{path}", json=body or None, headers=headers)


def hold(client: TestClient, who: dict[str, str], product_id: UUID, amount: str = "1000") -> Any:
    answer = post(client, f"products/{product_id}/subscribe", who, amount=amount)
    assert answer.status_code == 201, answer.text
    return answer.json()


def redeem(client: TestClient, who: dict[str, str], holding: Any, key: str | None = None) -> Any:
    return post(client, f"holdings/{holding['id']}/redeem", who, key)


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def walk(client: TestClient, path: str, who: dict[str, str], **params: Any) -> list[Any]:
    """All items of a list, two by two."""
    items, cursor = [], None
    while True:
        page = get(client, path, who, limit=2, **params, **({"cursor": cursor} if cursor else {}))
        assert len(page["items"]) <= 2
        items += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            return items


# --- Products and estimates ------------------------------------------------------------------


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


# --- Four eyes -------------------------------------------------------------------------------

ORDER = {
    "name": "Term",
    "type": "fixed",
    "termDays": 30,
    "cadence": "weekly",
    "dailyRate": "0.00025",
    "totalQuota": "50000",
    "minimum": "100",
    "earlyExit": True,
    "earlyExitPenalty": "0.5",
}


def approve(client: TestClient, who: dict[str, str], asked: Any) -> Any:
    assert asked.status_code == 202, asked.text
    approval = asked.json()["approvalId"]
    return client.post(f"/api/v1/approvals/{approval}/approve", headers=who)


def approve_rate(
    client: TestClient, sign_in: SignIn, product_id: UUID, from_day: str, rate: str
) -> None:
    asked = post(
        client,
        f"products/{product_id}/rates",
        sign_in("operator"),
        fromDay=from_day,
        dailyRate=rate,
    )
    assert approve(client, sign_in("risk"), asked).status_code == 200


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


# --- Subscribe -------------------------------------------------------------------------------


def test_subscribing_debits_the_wallet_sells_quota_and_makes_the_holding(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """004-03, and the fields of 004-10 POOL_HOLDING."""
    wanted, who = product(world), rich(world, sign_in)
    world.advance(9)
    holding = hold(client, who, wanted, "1000.5")
    assert {
        "userId": str(owner_of("ines").id),
        "productId": str(wanted),
        "amount": "1000.5",
        "totalIncome": "0",
        "startAt": "2026-01-06T00:00:00Z",
        "endAt": None,
        "status": "held",
        "createdAt": "2026-01-05T09:00:00Z",
    }.items() <= holding.items()
    assert holding["redeemableAt"] == "2026-01-05T09:00:00Z", "a flexible one at any time"
    assert world.wallet(owner_of("ines")) == D("8999.5")
    assert get(client, f"products/{wanted}", who)["soldAmount"] == "1000.5"
    assert get(client, f"holdings/{holding['id']}", who)["amount"] == "1000.5"
    world.assert_sound()


def test_a_fixed_holding_says_when_it_can_be_redeemed(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, who = fixed(world, 30), rich(world, sign_in)
    holding = hold(client, who, wanted)
    assert holding["redeemableAt"] == holding["endAt"] == "2026-02-05T00:00:00Z"


def test_fifty_copies_of_one_subscription_at_once_are_one_holding(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, who = product(world), rich(world, sign_in)
    path = f"products/{wanted}/subscribe"
    answers = in_threads(*[partial(post, client, path, who, "one", amount="100")] * 50)
    assert {answer.status_code for answer in answers} == {201}
    assert [answer.json() for answer in answers] == [answers[0].json()] * 50
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 49
    assert len(get(client, "holdings", who)["items"]) == 1
    assert world.wallet(owner_of("ines")) == 9_900
    other = post(client, path, who, "one", amount="101")
    assert refusal(other) == (409, "idempotency_conflict")
    elsewhere = product(world, "Another")
    there = post(client, f"products/{elsewhere}/subscribe", who, "one", amount="100")
    assert refusal(there) == (409, "idempotency_conflict")
    world.assert_sound()


def test_of_subscriptions_at_once_no_more_is_sold_than_the_quota(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted = product(world, total_quota=D(1000))
    people = [rich(world, sign_in, name) for name in "abcdefgh"]
    path = f"products/{wanted}/subscribe"
    answers = in_threads(*[partial(post, client, path, who, amount="300") for who in people])
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    assert {one.json()["code"] for one in answers if one.status_code == 409} == {"quota_exceeded"}
    assert get(client, f"products/{wanted}", people[0])["soldAmount"] == "900"
    world.assert_sound()


def test_a_refused_subscription_names_field_value_and_mend_and_leaves_nothing(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """004-05: what fails leaves nothing behind."""
    wanted, who = product(world, total_quota=D(20_000)), rich(world, sign_in)
    path = f"products/{wanted}/subscribe"
    for amount, code in (
        ("10000.01", "insufficient_balance"),
        ("20000.01", "quota_exceeded"),
        ("9.99", "below_minimum"),
    ):
        problem = post(client, path, who, amount=amount).json()
        assert (problem["code"], problem["field"]) == (code, "amount")
        assert (problem["value"], bool(problem["mend"])) == (amount, True)
    assert world.wallet(owner_of("ines")) == 10_000
    assert get(client, f"products/{wanted}", who)["soldAmount"] == "0"
    assert get(client, "holdings", who)["items"] == []
    assert world.column("SELECT kind FROM journals WHERE kind = 'pool_in'") == []
    world.assert_sound()


def test_a_refused_subscription_is_refused_again_under_its_key(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, who = product(world, total_quota=D(20_000)), rich(world, sign_in)
    path = f"products/{wanted}/subscribe"
    keys = {"poor": "15000", "big": "20001"}
    first = {key: post(client, path, who, key, amount=amount) for key, amount in keys.items()}
    world.pay_in(owner_of("ines"), D(50_000), "more")
    for key, amount in keys.items():
        again = post(client, path, who, key, amount=amount)
        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (409, "true")
        assert {**again.json(), "requestId": ""} == {**first[key].json(), "requestId": ""}
    assert post(client, path, who, "new", amount="15000").status_code == 201


@pytest.mark.parametrize(
    ("amount", "status", "code"),
    [
        ("0", 422, "invalid_request"),
        ("-5", 422, "invalid_request"),
        ("NaN", 422, "invalid_request"),
        ("Infinity", 422, "invalid_request"),
        ("10.000000001", 422, "excess_scale"),
        ("99999999999999999999", 409, "quota_exceeded"),
        ("100000000000000000000", 422, "invalid_request"),
    ],
)
def test_what_is_no_amount_of_money_is_refused(
    client: TestClient, world: World, sign_in: SignIn, amount: str, status: int, code: str
) -> None:
    wanted, who = product(world), rich(world, sign_in)
    answer = post(client, f"products/{wanted}/subscribe", who, amount=amount)
    assert refusal(answer) == (status, code), answer.text


# --- Holdings --------------------------------------------------------------------------------


def test_each_day_is_accrued_into_the_holding_and_paid_out_by_the_distribution(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, who = product(world), rich(world, sign_in)
    holding = hold(client, who, wanted)
    days_pass(world, 4)
    found = get(client, f"holdings/{holding['id']}", who)
    assert (found["totalIncome"], found["accruedUnpaid"]) == ("0.6", "0.6")
    assert (found["accruedThrough"], found["dailyRate"]) == ("2026-01-08", "0.0002")
    assert world.wallet(owner_of("ines")) == 9_000
    distribute_due(world.database, world.author, Cadence.DAILY)
    found = get(client, f"holdings/{holding['id']}", who)
    assert (found["totalIncome"], found["accruedUnpaid"]) == ("0.6", "0")
    assert world.wallet(owner_of("ines")) == D("9000.6")
    world.assert_sound()


def test_the_entries_of_a_holding_are_its_history_page_by_page(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, who = product(world), rich(world, sign_in)
    holding = hold(client, who, wanted)
    for _ in range(4):
        days_pass(world, 1)
    distribute_due(world.database, world.author, Cadence.DAILY)
    redeem(client, who, holding)
    entries, cursor = [], None
    while True:
        page = get(
            client,
            f"holdings/{holding['id']}",
            who,
            limit=3,
            **({"cursor": cursor} if cursor else {}),
        )
        entries += page["entries"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert [(one["type"], one["amount"]) for one in entries] == [
        ("pool_out", "-1000"),
        ("income", "-0.6"),
        ("income_accrual", "0.2"),
        ("income_accrual", "0.2"),
        ("income_accrual", "0.2"),
        ("pool_in", "1000"),
    ]
    assert entries[2]["effectiveAt"] == "2026-01-09T00:00:00Z", "when the day was over"
    for newer, older in pairwise(entries):
        assert newer["balanceBefore"] == older["balanceAfter"]
    assert (entries[-1]["balanceBefore"], entries[0]["balanceAfter"]) == ("0", "0")


def test_a_flexible_holding_is_redeemed_with_all_it_earned(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """004-04: principal and income go to the wallet, the quota is there again, the result says."""
    wanted, who = product(world), rich(world, sign_in)
    holding = hold(client, who, wanted)
    world.advance(24 * 3 + 5)  # nothing accrued: the redemption does it for itself
    answer = redeem(client, who, holding)
    assert answer.status_code == 200, answer.text
    paid = answer.json()
    assert (paid["principal"], paid["income"], paid["penalty"]) == ("1000", "0.4", "0")
    assert (paid["days"], paid["paid"]) == (2, "1000.4")
    assert paid["holding"]["status"] == "redeemed"
    assert paid["holding"]["redeemedAt"] == "2026-01-08T05:00:00Z"
    assert paid["holding"]["totalIncome"] == "0.4"
    assert world.wallet(owner_of("ines")) == D("10000.4")
    assert get(client, f"products/{wanted}", who)["soldAmount"] == "0"
    days_pass(world, 1)
    assert world.wallet(owner_of("ines")) == D("10000.4")
    world.assert_sound()


def test_a_fixed_holding_is_redeemed_after_its_maturity_only(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """004-04: before its maturity it is not_matured, which says from when on it is."""
    wanted, who = fixed(world, 7), rich(world, sign_in)
    holding = hold(client, who, wanted)
    world.advance(24 * 8 - 1)
    early = redeem(client, who, holding)
    assert refusal(early) == (409, "not_matured")
    assert early.json()["field"] == "endAt"
    assert early.json()["value"].startswith("2026-01-13T00:00:00")
    assert early.json()["mend"]
    assert world.wallet(owner_of("ines")) == 9_000
    world.advance(1)
    assert redeem(client, who, holding).json()["paid"] == "1001.4"
    world.assert_sound()


def test_an_early_exit_costs_its_share_of_the_income(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted = fixed(world, 30, early_exit=True, early_exit_penalty=D("0.5"))
    who = rich(world, sign_in)
    holding = hold(client, who, wanted)
    days_pass(world, 11)
    paid = redeem(client, who, holding).json()
    assert (paid["income"], paid["penalty"], paid["paid"]) == ("2", "1", "1001")
    assert world.wallet(owner_of("ines")) == 10_001
    world.assert_sound()


def test_fifty_redemptions_at_once_pay_once(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, who = product(world), rich(world, sign_in)
    holding = hold(client, who, wanted)
    days_pass(world, 2)
    same = [partial(redeem, client, who, holding, "one")] * 25
    other = [partial(redeem, client, who, holding, str(n)) for n in range(25)]
    answers = in_threads(*same, *other)
    paid = [one.json() for one in answers if one.status_code == 200]
    assert all(one == paid[0] for one in paid)
    assert len(paid) in (1, 25), "the first of them all, or of those with the same key"
    assert {refusal(one) for one in answers if one.status_code != 200} == {
        (409, "already_redeemed")
    }
    assert world.wallet(owner_of("ines")) == D("10000.2")
    world.assert_sound()


def test_holdings_are_listed_newest_first_by_status_and_only_to_their_owner(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    wanted, who = product(world), rich(world, sign_in)
    made = [hold(client, who, wanted, str(amount)) for amount in range(101, 106)]
    redeem(client, who, made[1])
    amounts = [one["amount"] for one in walk(client, "holdings", who)]
    assert amounts == ["105", "104", "103", "102", "101"]
    assert [one["amount"] for one in walk(client, "holdings", who, status="redeemed")] == ["102"]
    assert len(walk(client, "holdings", who, status="held")) == 4
    stranger = rich(world, sign_in, "jon")
    assert get(client, "holdings", stranger)["items"] == []
    path = f"{POOLS}/holdings/{made[0]['id']}"
    assert refusal(client.get(path, headers=stranger)) == (404, "unknown_holding")
    assert refusal(redeem(client, stranger, made[0])) == (404, "unknown_holding")
    assert client.get(path, headers=sign_in("auditor")).json()["amount"] == "101"


def test_a_holding_or_product_that_is_not_there_is_unknown(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    nothing, who = {"id": str(UUID(int=1))}, rich(world, sign_in)
    assert refusal(redeem(client, who, nothing)) == (404, "unknown_holding")
    path = f"products/{nothing['id']}"
    assert refusal(post(client, f"{path}/subscribe", who, amount="10")) == (404, "unknown_product")
    operator = sign_in("operator")
    for answer in (
        post(client, f"{path}/close", operator),
        post(client, f"{path}/rates", operator, fromDay="2026-02-01", dailyRate="0.1"),
    ):
        assert refusal(answer) == (404, "unknown_product")


# --- The asset log ---------------------------------------------------------------------------


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


# --- Accruals --------------------------------------------------------------------------------


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
