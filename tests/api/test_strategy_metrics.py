"""What a strategy's flows did, over HTTP, with the backtest's beside: worked out by hand."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise
from math import sqrt
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from commenda.cli import app as cli
from commenda.copying import Flow
from commenda.kernel import Costs
from commenda.kit import durable, ids
from commenda.kit.db import Database
from commenda.modes.metrics import Paid, Point, equity_at, measured
from commenda.modes.rules import Traded
from commenda.strategies import register_catalogue
from living import Live
from people import SignIn
from scripted import START, D
from world import World

URL = "/api/v1/metrics/strategy"


@pytest.fixture
def live(db: Database, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A market without costs."""
    durable.prepare(db.owner_url)
    monkeypatch.setattr("commenda.copying.stepping.enqueue_copy", lambda *_: None)
    with db.transaction() as tx:
        register_catalogue(tx, START)
    return Live(World(db, fee=D(0)), Costs(fee_bps=0.0, slippage_bps=0.0))


def risen(live: Live) -> Flow:
    """A flow over two days in which its market rises by 1 an hour from 100; valued at midnight.

    Its venue stands still at 100: what it bought there is worth what it cost.
    """
    flow = live.flow()
    live.store(100, 101, 102, 103)
    assert live.tick() == [D("0.5")]
    for until in (24, 48):
        live.store(*range(100 + live.hour, 100 + until))
        live.tick()
        live.world.value_books()
    return flow


def ask(client: TestClient, headers: dict[str, str], named: str, status: int = 200) -> Any:
    answer = client.get(f"{URL}/{named}", headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_flows_are_measured_with_their_backtest_beside(
    client: TestClient, sign_in: SignIn, live: Live
) -> None:
    flow = risen(live)
    found = ask(client, sign_in("operator"), "ema_trend")
    assert found["strategyId"] == str(ids.derive("strategy", "ema_trend"))
    one = next(each for each in found["flows"] if each["flowId"] == str(flow.id))
    assert (one["symbol"], one["noBacktest"]) == ("AAAUSDT", None)
    windows = {each["window"]: each for each in one["windows"]}
    assert list(windows) == ["7d", "30d", "90d", "all"]
    # Half of 10,000 at the signal's 103 is 48.543 units; the venue sells them at 100.
    assert windows["all"]["live"] == {
        "days": 2, "totalReturn": 0.0, "sharpeRatio": None, "maxDrawdown": 0.0, "hitRate": 0.0,
        "turnover": pytest.approx(0.48543), "costs": 0.0,
    }  # fmt: skip
    # The backtest: 5,000 / 103 units at 103; at 123 and at 147 when the days end.
    units = 5_000 / 103
    equity = [10_000, 10_000 + 20 * units, 10_000 + 44 * units]
    beside = windows["all"]["backtest"]
    assert beside["totalReturn"] == pytest.approx(equity[2] / 10_000 - 1)
    assert (beside["days"], beside["hitRate"], beside["maxDrawdown"]) == (2, 1.0, 0.0)
    assert beside["turnover"] == pytest.approx(5_000 / (sum(equity) / 3))
    moves = [after / before - 1 for before, after in pairwise(equity)]
    mean = sum(moves) / 2
    ratio = mean / (abs(moves[0] - moves[1]) / sqrt(2)) * sqrt(365)
    assert beside["sharpeRatio"] == pytest.approx(ratio)


def test_the_command_line_shows_the_same(
    client: TestClient, sign_in: SignIn, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    risen(live)
    monkeypatch.setenv("COMMENDA_DATABASE_URL", live.world.database.owner_url)
    said = CliRunner().invoke(cli, ["flow", "metrics", "ema_trend", "--json"])
    assert json.loads(said.output) == ask(client, sign_in("operator"), "ema_trend")
    shown = CliRunner().invoke(cli, ["flow", "metrics", "ema_trend"])
    assert shown.exit_code == 0
    assert "0.4854" in shown.output  # live turnover


def test_a_strategy_has_its_id_or_its_name_and_creators_see_their_own(
    client: TestClient, sign_in: SignIn, live: Live
) -> None:
    live.flow()
    staff = sign_in("auditor")
    by_name = ask(client, staff, "ema_trend")
    assert ask(client, staff, by_name["strategyId"]) == by_name
    untraded = by_name["flows"][-1]
    assert (untraded["asOf"], untraded["noBacktest"]) == (None, None)
    assert untraded["windows"][0]["live"]["totalReturn"] is None
    assert ask(client, sign_in("creator"), "ema_trend")["flows"] == []
    assert ask(client, staff, "nothing", 404)["code"] == "unknown_strategy"
    assert ask(client, sign_in("investor"), "ema_trend", 403)["code"] == "not_permitted"


def test_an_account_is_worth_its_cash_and_what_it_holds_at_its_price() -> None:
    day = timedelta(days=1)
    trades = [
        (START + day, Traded(D(2), D(200), D(1))),
        (START + 2 * day, Traded(D(-2), D(-220), D(1))),
    ]
    # A unit pays 3 of funding at the moment of the first trade, before it holds any, and 5 later.
    funding = [(START + day, D(3)), (START + day * 3 / 2, D(5))]
    prices = {START: D(90), START + day: D(100), START + 2 * day: D(120)}
    points = equity_at(prices, trades, funding, D(1_000), prices.__getitem__)
    # 1,000; less a fee; less 2 · 5 of funding and a fee more, with 20 won.
    assert [one.equity for one in points] == [1_000, 999, 1_008]
    assert points[2].units == 1.008


def test_costs_and_turnover_are_of_the_mean_equity_within_the_window() -> None:
    points = [Point(START + timedelta(days=n), 100.0 * u, u) for n, u in enumerate((1.0, 2.0, 1.5))]
    trades = [
        Paid(START - timedelta(days=1), 999.0, 99.0),
        Paid(START + timedelta(hours=1), 300.0, 3.0),
    ]
    found = measured(points, trades)
    assert (found.days, found.total_return, found.max_drawdown) == (2, 0.5, 0.25)
    assert (found.hit_rate, found.turnover, found.costs) == (0.5, 2.0, 0.02)
    assert measured(points[:1], trades).total_return is None
