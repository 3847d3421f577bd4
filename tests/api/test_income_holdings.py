"""Pool holdings over HTTP: subscribe, earn, redeem (004)."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from commenda.income import Cadence, distribute_due
from pool_calls import (
    POOLS,
    SignIn,
    days_pass,
    fixed,
    get,
    hold,
    owner_of,
    post,
    product,
    redeem,
    refusal,
    rich,
    walk,
)
from scripted import D
from world import World, in_threads


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
