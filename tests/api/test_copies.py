"""Copies over HTTP: following, being valued, leaving, settings."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from co_trading import (
    API,
    FLOW,
    NOBODY,
    Market,
    code_of,
    market,  # noqa: F401 - a fixture
)
from people import user_of
from scripted import START, D
from world import in_threads


def test_a_subscription_has_the_specifications_shape(market: Market) -> None:
    ines = market.person("investor", "ines")
    settings = {"autoFollow": True, "notifyOnSignal": False, "maxSlippage": "0.02"}
    answer = market.subscribe(ines, "1000.5", settings=settings, copyMode="percentage")
    assert answer.status_code == 201, answer.text
    one = answer.json()
    assert set(one) >= {  # 001-02
        *("flowId", "creatorId", "followerId", "followerVaultAddress", "chainType"),
        *("investmentAmount", "currentValue", "profitLoss", "profitLossPercentage", "settings"),
        *("status", "subscribedAt", "lastExecutedAt", "updatedAt"),
    }
    assert one["settings"] == settings
    assert (one["investmentAmount"], one["copyMode"], one["status"], one["isLeader"]) == (
        "1000.5",
        "percentage",
        "active",
        False,
    )
    assert (one["currentValue"], one["profitLoss"], one["profitLossPercentage"]) == (
        "1000.5",
        "0",
        "0",
    )
    assert (one["followerId"], one["creatorId"]) == (
        str(user_of("investor", "ines")),
        str(user_of("creator", "anna")),
    )
    assert (one["followerVaultAddress"], one["chainType"], one["exit"]) == (None, None, None)
    assert market.get(ines, f"subscriptions/{one['subscriptionId']}") == one
    assert market.get(ines, "subscriptions")["items"] == [one]
    assert market.get(ines, f"flows/{market.flow_id}")["stats"]["followers"] == 1
    assert market.world.wallet(market.owner("investor", "ines")) == D("8999.5")
    market.world.move_cash()
    market.world.assert_sound()


@pytest.mark.parametrize(
    ("amount", "more", "status", "code"),
    [
        ("49.99", {}, 422, "below_minimum_investment"),
        ("0", {}, 422, "not_positive"),
        ("-1", {}, 422, "not_positive"),
        ("100.123456789", {}, 422, "excess_scale"),
        ("1e30", {}, 422, "invalid_request"),
        ("NaN", {}, 422, "invalid_request"),
        ("20000", {}, 409, "insufficient_balance"),
        ("100", {"flowId": NOBODY}, 404, "unknown_flow"),
        ("100", {"vaultAddress": "0xabc", "chainType": "bsc"}, 422, "own_vault_not_served"),
        ("100", {"chainType": "aptos"}, 422, "own_vault_not_served"),
        ("100", {"chainType": "tron"}, 422, "invalid_request"),
        ("100", {"copyMode": "fixed_amount"}, 422, "invalid_request"),
        ("100", {"settings": {"maxSlippage": "1.1"}}, 422, "invalid_request"),
    ],
)
def test_a_refused_subscription_costs_nothing_and_is_refused_again(
    market: Market, amount: str, more: dict[str, Any], status: int, code: str
) -> None:
    ines = market.person("investor", "ines")
    for _ in range(2):
        assert code_of(market.subscribe(ines, amount, "one key", **more), status) == code
    assert market.world.wallet(market.owner("investor", "ines")) == 10_000
    assert market.world.one("SELECT count(*) FROM scopes WHERE kind = 'copy'") == 0
    assert market.get(ines, "subscriptions")["total"] == 0


def test_twenty_copies_of_one_request_are_one_subscription(market: Market) -> None:
    ines = market.person("investor", "ines")
    answers = in_threads(*[partial(market.subscribe, ines, "1000", "once")] * 20)
    assert {answer.status_code for answer in answers} == {201}
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert market.world.one("SELECT count(*) FROM scopes WHERE kind = 'copy'") == 1
    assert market.world.wallet(market.owner("investor", "ines")) == 9_000
    assert code_of(market.subscribe(ines, "1001", "once"), 409) == "idempotency_conflict"
    # Another user's key is another key, and without one each request stands for itself.
    otto = market.person("investor", "otto")
    assert market.subscribe(otto, "1000", "once").status_code == 201
    assert market.subscribe(otto).status_code == 201
    assert code_of(market.subscribe(otto), 409) == "flow_is_full"
    market.world.move_cash()
    market.world.assert_sound()


def test_twenty_people_at_once_do_not_overfill_a_flow(market: Market) -> None:
    people = [market.person("investor", f"i{n}") for n in range(20)]
    answers = in_threads(*[partial(market.subscribe, who) for who in people])
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 17
    assert market.get(market.anna, f"flows/{market.flow_id}")["stats"]["followers"] == 3


def test_a_creator_does_not_follow_themselves(market: Market) -> None:
    assert code_of(market.subscribe(market.anna), 409) == "own_flow"
    bea = market.person("creator", "bea")
    assert market.subscribe(bea).status_code == 201, "creators may follow each other"


def test_a_copy_is_valued_at_the_latest_marks(market: Market) -> None:
    world = market.world
    ines = market.person("investor", "ines")
    copy = market.subscribe(ines).json()["subscriptionId"]
    world.move_cash()
    market.signal("0.5")

    def shown() -> dict[str, Any]:
        return market.get(ines, f"subscriptions/{copy}")

    assert (shown()["valuation"], shown()["currentValue"]) == ("cost", "999.75")  # fee 0.05 %
    world.advance(30).value_books()
    one = shown()
    assert (one["valuation"], one["asOf"]) == (
        "mark",
        world.now.isoformat().replace("+00:00", "Z"),
    )
    # 5 at 100, now 110
    assert (one["currentValue"], one["profitLoss"], one["profitLossPercentage"]) == (
        "1049.75",
        "49.75",
        "4.975",
    )
    assert one["exitFee"] == "0.275"  # 5 at 110, at 0.05 %
    assert one["lastExecutedAt"] == START.isoformat().replace("+00:00", "Z")


def test_leaving_is_asked_for_once_and_paid_back(market: Market) -> None:
    world = market.world
    ines, owner = market.person("investor", "ines"), market.owner("investor", "ines")
    path = f"subscriptions/{market.subscribe(ines).json()['subscriptionId']}"
    world.move_cash()
    market.signal("0.5")
    delete = partial(market.client.delete, f"{API}/{path}", headers=ines)
    answers = [delete(), delete()]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    asked = answers[0].json()
    assert (asked["status"], asked["exit"]["closedAt"]) == ("cancelled", None)
    assert world.wallet(owner) == 9_000
    assert market.get(ines, f"flows/{market.flow_id}")["stats"]["followers"] == 0
    assert world.close_copies() == 1
    closed = market.get(ines, path)
    # two fees of 0.05 % of 500
    assert world.wallet(owner) == D("9999.5")
    assert (closed["valuation"], closed["currentValue"], closed["profitLoss"]) == (
        "paid",
        "999.5",
        "-0.5",
    )
    assert closed["exit"]["paid"] == "999.5"
    assert closed["exit"]["closedAt"] == world.now.isoformat().replace("+00:00", "Z")
    patch = market.client.patch(f"{API}/{path}/settings", headers=ines, json={})
    assert code_of(patch, 409) == "subscription_cancelled"
    world.assert_sound()


def test_a_creator_leaves_after_the_followers(market: Market) -> None:
    ines = market.person("investor", "ines")
    copy = market.subscribe(ines).json()["subscriptionId"]
    (own,) = market.get(market.anna, "subscriptions")["items"]
    delete = market.client.delete
    own_path = f"{API}/subscriptions/{own['subscriptionId']}"
    assert code_of(delete(own_path, headers=market.anna), 409) == "flow_has_followers"
    assert delete(f"{API}/subscriptions/{copy}", headers=ines).status_code == 202
    assert delete(own_path, headers=market.anna).status_code == 202
    assert market.get(ines, f"flows/{market.flow_id}")["status"] == "closed"
    market.world.move_cash()
    assert market.world.close_copies() == 2
    assert market.world.wallet(market.owner("creator", "anna")) == 10_000
    for path, body in (
        (f"{API}/flows", {**FLOW, "flowId": market.flow_id}),
        (f"{API}/flows/{market.flow_id}/toggle", {"action": "resume"}),
    ):
        answer = market.client.post(path, headers=market.anna, json=body)
        assert code_of(answer, 409) == "flow_closed"
    market.world.assert_sound()


def test_settings_change_one_by_one_and_auto_follow_pauses(market: Market) -> None:
    ines = market.person("investor", "ines")
    path = f"{API}/subscriptions/{market.subscribe(ines).json()['subscriptionId']}/settings"
    patch = partial(market.client.patch, path, headers=ines)
    one = patch(json={"autoFollow": False}).json()
    assert (one["status"], one["settings"]["notifyOnSignal"]) == ("paused", True)
    one = patch(json={"maxSlippage": 0.005, "notifyOnSignal": False}).json()
    assert one["settings"] == {
        "autoFollow": False,
        "notifyOnSignal": False,
        "maxSlippage": "0.005",
    }
    assert patch(json={"autoFollow": True}).json()["status"] == "active"
    assert code_of(patch(json={"maxSlippage": "2"}), 422) == "invalid_request"
    assert [
        row[0]
        for row in market.world.rows(
            "SELECT details ->> 'auto_follow' FROM audit_events"
            " WHERE kind = 'copy.settings_changed' ORDER BY id"
        )
    ] == ["False", "False", "True"]
    (own,) = market.get(market.anna, "subscriptions")["items"]
    answer = market.client.patch(
        f"{API}/subscriptions/{own['subscriptionId']}/settings",
        headers=market.anna,
        json={"autoFollow": False},
    )
    assert code_of(answer, 409) == "leader_must_follow"


def test_a_copy_may_begin_paused(market: Market) -> None:
    ines = market.person("investor", "ines")
    one = market.subscribe(ines, settings={"autoFollow": False}).json()
    assert one["status"] == "paused"
    assert market.get(ines, "subscriptions", status="active")["items"] == []
    assert market.get(ines, "subscriptions", status="paused")["total"] == 1


def test_another_users_copy_is_unknown(market: Market) -> None:
    copy = market.subscribe(market.person("investor", "ines")).json()["subscriptionId"]
    for otto in (market.person("investor", "otto"), market.anna):
        for subscription in (copy, NOBODY):
            path = f"{API}/subscriptions/{subscription}"
            for answer in (
                market.client.get(path, headers=otto),
                market.client.delete(path, headers=otto),
                market.client.patch(f"{path}/settings", headers=otto, json={}),
            ):
                assert code_of(answer, 404) == "unknown_subscription"


def test_the_books_of_managed_subscriptions_are_not_copies(market: Market) -> None:
    """They are steered by their product alone."""
    world = market.world
    world.execute(
        "INSERT INTO leaderboard (flow_id, profile, scored_at) SELECT id, 'balanced',"
        " created_at FROM shared_flows"
    )
    ines, owner = market.person("investor", "ines"), market.owner("investor", "ines")
    world.authorise(owner)
    world.subscribe(owner, world.product())
    world.activate()
    (leg,) = world.column("SELECT id FROM flow_subscriptions WHERE NOT is_leader")
    assert market.get(ines, "subscriptions")["items"] == []
    assert code_of(market.client.delete(f"{API}/subscriptions/{leg}", headers=ines), 404)
