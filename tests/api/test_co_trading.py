"""Co-trading over HTTP: flows, copies, signals and executions, in the specification's shapes."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

from commenda.copying import find_flow
from commenda.copying.performance import performance
from commenda.kit.db import Database
from commenda.ledger import Owner, OwnerKind
from people import SignIn, user_of
from world import START, D, World, in_threads, steps

API = "/api/v1/co-trading"
NOBODY = "00000000-0000-4000-8000-000000000000"
FLOW = {
    "title": "Trend",
    "description": "Follows it.",
    "tags": ["trend", "calm"],
    "maxFollowers": 3,
    "minInvestment": "50",
    "strategy": "ema_trend",
    "symbol": "AAAUSDT",
    "investmentAmount": "1000",
}


class Market:
    """A world, a creator with a flow in it, and people who may follow."""

    def __init__(self, db: Database, client: TestClient, sign_in: SignIn, **world: Any) -> None:
        self.world = World(db, {"AAAUSDT": steps((0, 100), (30, 110), (54, 99))}, **world)
        self.client, self.sign_in = client, sign_in
        self.anna = self.person("creator", "anna")
        answer = client.post(f"{API}/flows", headers=self.anna, json=FLOW)
        assert answer.status_code == 201, answer.text
        self.flow = answer.json()
        self.flow_id = self.flow["flowId"]

    def person(self, role: str, name: str, amount: int = 10_000) -> dict[str, str]:
        """Headers of somebody with money."""
        headers = self.sign_in(role, name)
        self.world.pay_in(self.owner(role, name), D(amount), "first")
        return headers

    def owner(self, role: str, name: str) -> Owner:
        return Owner(OwnerKind(role), user_of(role, name))

    def get(self, who: dict[str, str], path: str, **params: Any) -> Any:
        answer = self.client.get(f"{API}/{path}", headers=who, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def subscribe(
        self, who: dict[str, str], amount: str = "1000", key: str | None = None, **more: Any
    ) -> Any:
        headers = who if key is None else {**who, "Idempotency-Key": key}
        body = {"flowId": self.flow_id, "investmentAmount": amount, **more}
        return self.client.post(f"{API}/subscribe", headers=headers, json=body)

    def signal(self, target: str) -> UUID:
        with self.world.database.transaction() as tx:
            flow = find_flow(tx, UUID(self.flow_id))
        return self.world.signal(flow, target)


@pytest.fixture
def market(db: Database, client: TestClient, sign_in: SignIn) -> Market:
    return Market(db, client, sign_in)


def code_of(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["code"])


# --- Flows -----------------------------------------------------------------------------------


def test_a_shared_flow_has_the_specifications_shape(market: Market) -> None:
    flow = market.flow
    assert set(flow) >= {  # 001-01
        *("flowId", "userId", "title", "description", "tags", "stats", "settings", "status"),
        *("createdAt", "updatedAt", "lastSignalAt"),
    }
    assert set(flow["stats"]) >= {"followers", "totalAUM", "performance"}
    assert set(flow["stats"]["performance"]) >= {
        *("totalReturn", "winRate", "sharpeRatio", "maxDrawdown", "method", "asOf"),
    }
    assert flow["settings"] == {"isActive": True, "maxFollowers": 3, "minInvestment": "50"}
    assert (flow["userId"], flow["status"]) == (str(user_of("creator", "anna")), "active")
    assert (flow["strategy"], flow["symbol"]) == ("ema_trend", "AAAUSDT")
    assert flow["stats"]["performance"]["totalReturn"] is None, "no record is not zero"
    assert flow["lastSignalAt"] is None
    assert market.get(market.sign_in("investor"), f"flows/{market.flow_id}") == flow


def test_the_stake_opens_the_book_that_leads(market: Market) -> None:
    anna = market.owner("creator", "anna")
    assert market.world.wallet(anna) == 9_000
    (own,) = market.get(market.anna, "subscriptions")["items"]
    assert (own["isLeader"], own["currentValue"], own["flowId"]) == (True, "1000", market.flow_id)
    assert market.flow["stats"]["followers"] == 0
    market.world.move_cash()
    market.world.assert_sound()


def test_a_creator_presents_a_flow_anew_and_its_terms_stand(market: Market) -> None:
    post = partial(market.client.post, f"{API}/flows", headers=market.anna)
    changed = {"flowId": market.flow_id, "title": "New", "tags": ["x"], "maxFollowers": None}
    answer = post(json=changed)
    assert answer.status_code == 200
    flow = answer.json()
    assert (flow["title"], flow["tags"], flow["description"]) == ("New", ["x"], "")
    assert flow["settings"] == {"isActive": True, "maxFollowers": None, "minInvestment": "0"}
    assert post(json={**FLOW, "flowId": market.flow_id}).status_code == 200, "the same terms"
    for other in (
        {"strategy": "zscore_reversion"},
        {"symbol": "BBBUSDT"},
        {"params": {"fast": 7}},
        {"investmentAmount": "1001"},
    ):
        answer = post(json={**changed, **other})
        assert code_of(answer, 409) == "flow_terms_fixed"
        assert answer.json()["field"] == next(iter(other))
    assert market.world.one("SELECT count(*) FROM shared_flows") == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"strategy": None}, 422, "incomplete_flow"),
        ({"investmentAmount": None}, 422, "incomplete_flow"),
        ({"strategy": "no_such"}, 404, "unknown_strategy"),
        ({"symbol": "NOSUCH"}, 404, "unknown_symbol"),
        ({"params": {"fast": -1}}, 422, "bad_parameter"),
        ({"params": {"fast": 1e300}}, 422, "bad_parameter"),
        ({"params": {"nope": 1}}, 404, "unknown_parameter"),
        ({"investmentAmount": "0"}, 422, "not_positive"),
        ({"investmentAmount": "1.000000001"}, 422, "excess_scale"),
        ({"investmentAmount": "99999"}, 409, "insufficient_balance"),
        ({"title": ""}, 422, "invalid_request"),
        ({"title": "a\0b"}, 422, "invalid_request"),
        ({"description": "a\0b"}, 422, "invalid_request"),
        ({"tags": ["a,b"]}, 422, "invalid_request"),
        ({"maxFollowers": 0}, 422, "invalid_request"),
        ({"maxFollowers": 2**40}, 422, "invalid_request"),
        ({"minInvestment": "-1"}, 422, "invalid_request"),
        ({"minInvestment": "NaN"}, 422, "invalid_request"),
        ({"flowId": "x"}, 422, "invalid_request"),
        ({"other": 1}, 422, "invalid_request"),
    ],
)
def test_a_flow_that_cannot_be_shared_is_refused_and_costs_nothing(
    market: Market, change: dict[str, Any], status: int, code: str
) -> None:
    answer = market.client.post(f"{API}/flows", headers=market.anna, json={**FLOW, **change})
    assert code_of(answer, status) == code
    assert market.world.one("SELECT count(*) FROM shared_flows") == 1
    assert market.world.one("SELECT count(*) FROM flow_stats") == 1
    assert market.world.wallet(market.owner("creator", "anna")) == 9_000


def test_another_creators_flow_is_unknown(market: Market) -> None:
    bea = market.person("creator", "bea")
    post = market.client.post
    taken = post(f"{API}/flows", headers=bea, json={**FLOW, "flowId": market.flow_id})
    assert code_of(taken, 404) == "unknown_flow"
    toggled = post(f"{API}/flows/{market.flow_id}/toggle", headers=bea, json={"action": "pause"})
    assert code_of(toggled, 404) == "unknown_flow"
    missing = post(f"{API}/flows/{NOBODY}/toggle", headers=bea, json={"action": "pause"})
    assert code_of(missing, 404) == "unknown_flow"
    assert market.world.wallet(market.owner("creator", "bea")) == 10_000
    assert market.get(bea, "flows/my")["items"] == []


def test_a_flow_may_be_given_its_id_and_is_made_once_for_each_key(market: Market) -> None:
    named, keyed = str(uuid4()), {**market.anna, "Idempotency-Key": "k"}
    post = partial(market.client.post, f"{API}/flows")
    assert post(headers=market.anna, json={**FLOW, "flowId": named}).json()["flowId"] == named
    assert post(headers=market.anna, json={**FLOW, "flowId": named}).status_code == 200
    answers = in_threads(*[partial(post, headers=keyed, json=FLOW)] * 5)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["flowId"] for answer in answers}) == 1
    assert market.get(market.anna, "flows/my")["total"] == 3
    assert market.world.wallet(market.owner("creator", "anna")) == 7_000


def test_a_paused_flow_takes_no_followers_and_leaves_the_list(market: Market) -> None:
    toggle = partial(
        market.client.post, f"{API}/flows/{market.flow_id}/toggle", headers=market.anna
    )
    ines = market.person("investor", "ines")
    assert market.get(ines, "flows")["total"] == 1
    for _ in range(2):
        paused = toggle(json={"action": "pause"}).json()
        assert (paused["status"], paused["settings"]["isActive"]) == ("paused", False)
    assert market.get(ines, "flows")["items"] == [], "one's own writes show at once"
    assert code_of(market.subscribe(ines), 409) == "flow_not_active"
    assert toggle(json={"action": "resume"}).json()["status"] == "active"
    assert market.subscribe(ines).status_code == 201
    assert toggle(json={"action": "stop"}).status_code == 422


def test_the_list_is_sorted_filtered_and_paged(market: Market) -> None:
    world = market.world
    others = [world.creator(name) for name in ("bea", "cleo")]
    world.follow(world.investor("ines"), others[0], D(10))
    world.follow(world.investor("otto"), others[0], D(10))
    world.follow(world.investor("paul"), others[1], D(500))
    figures = {others[0].id: "0.1", others[1].id: None, UUID(market.flow_id): "0.2"}
    for flow_id, total in figures.items():
        world.execute("UPDATE flow_stats SET total_return = %s WHERE flow_id = %s", total, flow_id)
    anna, bea, cleo = market.flow_id, str(others[0].id), str(others[1].id)
    reader = market.sign_in("auditor")

    def listed(**params: Any) -> list[str]:
        return [one["flowId"] for one in market.get(reader, "flows", **params)["items"]]

    assert listed() == listed(sortBy="performance") == [anna, bea, cleo]
    assert listed(sortBy="followers") == [bea, cleo, anna]
    assert listed(sortBy="aum") == [cleo, bea, anna]
    assert set(listed(sortBy="newest")) == {anna, bea, cleo}
    assert listed(tags="calm") == listed(tags="nothing,calm") == [anna]
    assert listed(tags=["nothing", "trend"]) == [anna]
    assert listed(tags="nothing") == []
    second = market.get(reader, "flows", page=2, limit=2)
    assert [one["flowId"] for one in second["items"]] == [cleo]
    assert (second["total"], second["page"], second["limit"]) == (3, 2, 2)
    assert market.get(reader, "flows", page=9)["items"] == []
    for bad in ({"page": 0}, {"limit": 101}, {"sortBy": "luck"}, {"tags": "a\0"}):
        answer = market.client.get(f"{API}/flows", headers=reader, params=bad)
        assert code_of(answer, 422) == "invalid_request"


def test_performance_is_the_daily_record_of_the_creators_own_book(market: Market) -> None:
    world = market.world
    world.move_cash()
    market.signal("0.5")
    ines = market.person("investor", "ines")
    assert market.subscribe(ines, "200").status_code == 201
    world.move_cash()
    for hours in (24, 24, 24):
        world.advance(hours).value_books()
    # 1000 with half of it long at 100: the price closes the days at 100, 110 and 99; the fee of
    # the entry is 0.05 % of 500.
    navs = [1000 - D("0.25") + 5 * move for move in (0, 10, -1)]
    record = market.get(ines, f"flows/{market.flow_id}/nav")
    assert [D(point["nav"]) for point in record["points"]] == [1, *(nav / 1000 for nav in navs)]
    assert record["points"][0]["at"] == START.isoformat().replace("+00:00", "Z")
    assert "TWR" in record["method"]
    assert record["currency"] == "USDT"
    stats = market.get(ines, f"flows/{market.flow_id}")["stats"]
    shown = stats["performance"]
    assert D(shown["totalReturn"]) == navs[-1] / 1000 - 1
    assert D(shown["maxDrawdown"]) == round(1 - navs[2] / navs[1], 10)
    assert round(D(shown["winRate"]), 6) == round(D(1) / 3, 6)
    assert "TWR" in shown["method"]
    assert shown["asOf"] == record["asOf"]
    assert (stats["followers"], stats["totalAUM"]) == (1, "200")


def test_figures_without_a_meaning_are_null() -> None:
    assert performance([1.0]) == (None, None, None, None)
    assert performance([1.0, 1.1])[2] is None, "one day has no deviation"
    ruined = performance([1.0, 0.0, 0.0])
    assert (ruined.total_return, ruined.sharpe_ratio, ruined.max_drawdown) == (-1.0, None, 1.0)


def test_an_unknown_flow_is_404_and_an_id_that_is_none_422(market: Market) -> None:
    for path in (f"flows/{NOBODY}", f"flows/{NOBODY}/nav", f"signals/{NOBODY}"):
        answer = market.client.get(f"{API}/{path}", headers=market.anna)
        assert code_of(answer, 404) == "unknown_flow"
    answer = market.client.get(f"{API}/executions/{NOBODY}", headers=market.anna)
    assert code_of(answer, 404) == "unknown_signal"
    answer = market.client.get(f"{API}/flows/x", headers=market.anna)
    assert code_of(answer, 422) == "invalid_request"


# --- Subscriptions ---------------------------------------------------------------------------


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


# --- Signals and executions ------------------------------------------------------------------


def test_signals_have_the_specifications_shape_and_add_up(market: Market) -> None:
    people = [market.person("investor", name) for name in ("ines", "otto", "paul")]
    for who, amount in zip(people, ("1000", "2000", "50"), strict=True):
        assert market.subscribe(who, amount).status_code == 201
    market.world.move_cash()
    first = market.signal("0.5")
    market.world.advance()
    with market.world.database.transaction() as tx:
        flow = find_flow(tx, UUID(market.flow_id))
    pending = market.world.publish(flow, "-0.25")
    newest, oldest = market.get(people[0], f"signals/{market.flow_id}")["items"]
    assert set(oldest) == {  # 001-03
        *("signalId", "flowId", "creatorId", "creatorVaultAddress", "signalType", "signalData"),
        *("executionStatus", "nodeId", "nodeType", "createdAt", "processedAt"),
    }
    assert oldest["signalId"] == str(first)
    assert oldest["signalData"] == {
        "fromToken": "USDT",
        "toToken": "AAA",
        "amountInPercentage": "50",
        "amountInHumanReadable": "5 AAA",
        "slippageTolerance": "0.01",
        "chainType": None,
    }
    assert (oldest["signalType"], newest["signalType"]) == ("buy", "sell")
    assert oldest["executionStatus"] == {
        "total": 4,
        "executed": 4,
        "failed": 0,
        "pending": 0,
        "skipped": 0,
    }
    assert newest["signalId"] == str(pending)
    assert (newest["processedAt"], newest["executionStatus"]["total"]) == (None, 0)
    (limited,) = market.get(people[0], f"signals/{market.flow_id}", limit=1)["items"]
    assert limited == newest


def test_counts_of_a_signal_are_the_same_before_and_after_they_are_kept(market: Market) -> None:
    people = [market.person("investor", name) for name in ("ines", "otto", "paul")]
    for who, amount in zip(people, ("1000", "2000", "50"), strict=True):
        market.subscribe(who, amount)
    market.world.move_cash()
    for target, refusal, missing in (
        ("0.5", None, 0),
        ("0.5004", None, 0),
        ("0", "closed", 0),
        ("0", None, 1),
    ):
        market.world.script.refusal = refusal
        market.world.script.share_of = lambda order, _, less=missing: [
            (order.quantity - less, D(100))
        ]
        market.signal(target)
        market.world.advance()
    kept = market.get(market.anna, f"signals/{market.flow_id}")
    market.world.execute(
        "UPDATE trading_signals SET executions_total = NULL,"
        " executions_executed = NULL, executions_failed = NULL,"
        " executions_skipped = NULL"
    )
    assert market.get(market.anna, f"signals/{market.flow_id}") == kept
    counts = [one["executionStatus"] for one in kept["items"]]
    outcomes = ("executed", "failed", "skipped")
    assert [tuple(one[name] for name in outcomes) for one in reversed(counts)] == [
        (4, 0, 0),
        (0, 0, 4),
        (0, 4, 0),
        (4, 0, 0),
    ]
    assert [one["total"] for one in counts] == [4] * 4
    assert [one["pending"] for one in counts] == [0] * 4
    assert market.world.one("SELECT count(*) FROM signal_executions WHERE status = 'partial'") > 0


def test_executions_are_ones_own_and_all_for_the_creator(market: Market) -> None:
    ines, otto = market.person("investor", "ines"), market.person("investor", "otto")
    mine = market.subscribe(ines).json()["subscriptionId"]
    market.subscribe(otto, "3000")
    market.world.move_cash()
    signal = market.signal("0.5")
    (one,) = market.get(ines, f"executions/{signal}")["items"]
    assert set(one) == {  # 001-04
        *("executionId", "signalId", "subscriptionId", "followerId", "followerVaultAddress"),
        *("status", "executedAmount", "executedPrice", "gasCost", "slippage", "txHash"),
        *("blockNumber", "error", "createdAt", "executedAt", "completedAt"),
    }
    assert (one["subscriptionId"], one["status"]) == (mine, "completed")
    assert (one["executedAmount"], one["executedPrice"], one["gasCost"]) == ("5", "100", "0.25")
    assert (one["blockNumber"], one["error"]) == (None, None)
    order = market.world.one("SELECT id FROM orders")
    assert one["txHash"] == str(order), "the venue's order, never an invented hash"
    everything = market.get(market.anna, f"executions/{signal}")
    assert everything["total"] == 3
    assert one in everything["items"]
    assert len({each["executionId"] for each in everything["items"]}) == 3
    second = market.get(market.anna, f"executions/{signal}", page=2, limit=2)
    assert (len(second["items"]), second["total"]) == (1, 3)


def test_signals_are_for_followers_until_they_leave(market: Market) -> None:
    ines, otto = market.person("investor", "ines"), market.person("investor", "otto")
    copy = market.subscribe(ines).json()["subscriptionId"]
    market.world.move_cash()
    seen = market.signal("0.5")
    market.world.advance()
    market.client.delete(f"{API}/subscriptions/{copy}", headers=ines)
    market.world.close_copies()
    market.world.advance()
    unseen = market.signal("0")
    signals = market.get(ines, f"signals/{market.flow_id}")["items"]
    assert [one["signalId"] for one in signals] == [str(seen)]
    assert market.get(ines, f"executions/{seen}")["total"] == 1
    for who, path, code in (
        (ines, f"executions/{unseen}", "unknown_signal"),
        (otto, f"executions/{seen}", "unknown_signal"),
        (otto, f"signals/{market.flow_id}", "unknown_flow"),
        (market.sign_in("operator"), f"signals/{market.flow_id}", "unknown_flow"),
    ):
        assert code_of(market.client.get(f"{API}/{path}", headers=who), 404) == code


# --- Who may ---------------------------------------------------------------------------------

ROUTES = [
    ("POST", "flows", "share"),
    ("GET", "flows/my", "share"),
    ("GET", "flows", "flows"),
    ("GET", f"flows/{NOBODY}", "flows"),
    ("GET", f"flows/{NOBODY}/nav", "flows"),
    ("POST", f"flows/{NOBODY}/toggle", "share"),
    ("POST", "subscribe", "copy"),
    ("GET", "subscriptions", "copy"),
    ("GET", f"subscriptions/{NOBODY}", "copy"),
    ("DELETE", f"subscriptions/{NOBODY}", "copy"),
    ("PATCH", f"subscriptions/{NOBODY}/settings", "copy"),
    ("GET", f"signals/{NOBODY}", "flows"),
    ("GET", f"executions/{NOBODY}", "flows"),
]


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_each_route_asks_who_it_is(
    client: TestClient, sign_in: SignIn, method: str, path: str, permission: str
) -> None:
    def ask(headers: dict[str, str] | None) -> Any:
        return client.request(method, f"{API}/{path}", headers=headers)

    assert code_of(ask(None), 401) == "not_authenticated"
    allowed = {
        "share": ["creator"],
        "copy": ["creator", "investor"],
        "flows": ["creator", "investor", "operator", "risk", "auditor", "admin"],
    }[permission]
    for role in ("creator", "investor", "operator", "risk", "auditor", "admin"):
        answer = ask(sign_in(role))
        if role in allowed:
            assert answer.status_code in (200, 404, 422)
        else:
            assert code_of(answer, 403) == "not_permitted"


def test_every_action_leaves_an_event(market: Market) -> None:
    ines = market.person("investor", "ines")
    copy = market.subscribe(ines).json()["subscriptionId"]
    headers, path = market.anna, f"{API}/flows/{market.flow_id}/toggle"
    market.client.post(path, headers=headers, json={"action": "pause"})
    market.client.post(path, headers=headers, json={"action": "resume"})
    market.client.post(
        f"{API}/flows", headers=headers, json={"flowId": market.flow_id, "title": "New"}
    )
    market.client.delete(f"{API}/subscriptions/{copy}", headers=ines)
    market.world.close_copies()
    rows = market.world.rows(
        "SELECT kind, actor FROM audit_events WHERE rule_version <> 'test/1'"
        " AND kind ~ '^(flow|copy)' ORDER BY id"
    )
    anna, investor = (
        f"{role}:{user_of(role, name)}"
        for role, name in (("creator", "anna"), ("investor", "ines"))
    )
    assert rows == [
        ("flow.shared", anna),
        ("copy.subscribed", anna),
        ("copy.subscribed", investor),
        ("flow.paused", anna),
        ("flow.resumed", anna),
        ("flow.changed", anna),
        ("copy.leave_requested", investor),
        ("copy.closed", "copying"),
    ]
    assert D(market.get(ines, f"subscriptions/{copy}")["exit"]["paid"]) == Decimal(1000)
