"""Shared flows over HTTP, in the specification's shapes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from co_trading import (
    API,
    FLOW,
    NOBODY,
    Market,
    code_of,
    market,  # noqa: F401 - a fixture
)
from commenda.copying.performance import performance
from commenda.market import Bar, Mark, ensure_instrument, write_bars, write_marks
from people import user_of
from scripted import START, D
from world import in_threads


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
    assert flow["settings"] == {
        "isActive": True, "maxFollowers": 3, "minInvestment": "50", "automatic": False
    }  # fmt: skip
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
    changed |= {"automatic": True}
    answer = post(json=changed)
    assert answer.status_code == 200
    flow = answer.json()
    assert (flow["title"], flow["tags"], flow["description"]) == ("New", ["x"], "")
    assert flow["settings"] == {
        "isActive": True, "maxFollowers": None, "minInvestment": "0", "automatic": True
    }  # fmt: skip
    assert post(json={**FLOW, "flowId": market.flow_id}).status_code == 200, "the same terms"
    assert market.flow["settings"]["automatic"] is False, "what is left out is reset"
    for other in (
        {"strategy": "zscore_reversion"},
        {"symbol": "BBBUSDT"},
        {"params": {"fast": 7}},
        {"investmentAmount": "1001"},
        {"interval": "1h"},
        {"entry": "ioc"},
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


def test_a_flow_names_the_bars_that_it_steps_on(market: Market) -> None:
    assert market.flow["intervalSeconds"] is None
    post = partial(market.client.post, f"{API}/flows", headers=market.anna)
    aaa = market.world.instruments["AAAUSDT"]
    hour = Bar(int(START.timestamp()), 100.0, 100.0, 100.0, 100.0, 1.0)
    with market.world.database.transaction() as tx:
        write_bars(tx, 3600, [(aaa, hour)])
    made = post(json={**FLOW, "interval": "4h"})
    assert (made.status_code, made.json()["intervalSeconds"]) == (201, 4 * 3600)
    answer = post(json={**FLOW, "interval": "30m"})
    assert code_of(answer, 422) == "interval_not_whole"
    assert answer.json()["value"] == "30m"
    assert post(json={**FLOW, "interval": "7m"}).status_code == 422


def test_a_symbol_of_two_markets_is_said_with_the_one_that_is_meant(market: Market) -> None:
    world = market.world
    first = world.instruments["AAAUSDT"]
    with world.database.transaction() as tx:
        other = ensure_instrument(tx, replace(first, venue="other", simulated=False))
        mark = Mark(D(100), START, "mark")
        write_marks(tx, [(first, mark), (other, mark)])
    post = partial(market.client.post, f"{API}/flows", headers=market.anna)
    refused = post(json=FLOW)
    assert code_of(refused, 422) == "ambiguous_symbol"
    assert "market" in refused.json()["mend"]
    unknown = post(json={**FLOW, "market": "nowhere"})
    assert code_of(unknown, 404) == "unknown_symbol"
    assert unknown.json()["mend"].endswith("at nowhere"), "the symbol is another market's"
    flow = post(json={**FLOW, "market": "other"}).json()
    assert (flow["symbol"], flow["market"]) == ("AAAUSDT", "other")
    assert world.one("SELECT instrument_id FROM shared_flows WHERE id = %s", flow["flowId"]) == (
        other.id
    )
