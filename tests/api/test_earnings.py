"""What did I earn? Answers by hand, over HTTP and by the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from commenda.cli import app
from commenda.earnings.rules import Flow as Money
from commenda.earnings.rules import money_weighted, time_weighted
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.managed import FeeTerms
from scripted import D
from wallets import person
from world import World

SignIn = Callable[..., dict[str, str]]


def test_an_investors_gain_by_hand(client: TestClient, db: Database, sign_in: SignIn) -> None:
    """10,000 for three days: 50 units at 100 close at 102; a share of 20 % of 100, no other fee."""
    world = World(db, {"AAAUSDT": lambda hour: 100.0 if hour < 60 else 102.0}, fee=D(0))
    flow = world.creator("anna", capital=0)
    ines = sign_in("investor", "ines")
    owner = person(world, "ines", 10_000)
    subscription = world.subscribe(owner, world.product(3, FeeTerms(profit_share=D("0.2"))))
    world.activate()
    world.signal(flow, "0.5")
    world.advance(73).mature()
    world.ask(subscription)
    world.liquidate()
    world.settle(subscription)
    world.move_cash()
    world.advance(24)
    earned = client.get("/api/v1/wallet/earnings", headers=ines).json()
    assert (earned["paidIn"], earned["paidOut"], earned["gain"]) == ("10000", "0", "80")
    assert (earned["gainBeforeFees"], earned["fees"]["profitShare"]) == ("100", "20")
    assert (earned["closing"]["wallet"], earned["closing"]["total"]) == ("10080", "10080")
    assert earned["twr"] == "0.008"
    # From the 5th to the 9th: four days.
    assert float(earned["xirr"]) == pytest.approx(1.008 ** (365 / 4) - 1, abs=1e-9)
    # The staff read it by the user's id, and nobody else does.
    path = f"/api/v1/ledger/earnings/{owner.id}"
    assert client.get(path, headers=sign_in("auditor")).json() == earned
    assert client.get(path, headers=sign_in("investor", "otto")).status_code == 403
    # The creator's own answer has the share as income.
    share = client.get(
        f"/api/v1/ledger/earnings/{flow.creator_id}", headers=sign_in("auditor")
    ).json()
    assert (share["income"]["profitShare"], share["gain"], share["twr"]) == ("20", "20", None)
    # While the book was open and had no daily value yet, it counted at cost.
    middle = client.get("/api/v1/wallet/earnings?to=2026-01-06T00:00:00Z", headers=ines).json()
    assert (middle["closing"]["managed"], middle["gain"]) == ("10000", "0")
    assert middle["xirr"] == "0"


def test_periods_and_people_that_cannot_be(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    World(db)
    ines, auditor = sign_in("investor", "ines"), sign_in("auditor")
    nobody = f"/api/v1/ledger/earnings/{ids.derive('nobody')}"
    for path, who, status, code in (
        (nobody, auditor, 404, "unknown_user"),
        ("/api/v1/wallet/earnings?asset=DOGE", ines, 404, "unknown_asset"),
        ("/api/v1/wallet/earnings?from=2027-01-01T00:00:00Z", ines, 422, "bad_period"),
        (
            "/api/v1/wallet/earnings?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            ines,
            422,
            "bad_period",
        ),
    ):
        answer = client.get(path, headers=who)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    empty = client.get("/api/v1/wallet/earnings", headers=ines).json()
    assert (empty["gain"], empty["twr"], empty["xirr"]) == ("0", None, None)
    assert empty["xirrReason"].startswith("xirr_undefined")


def test_what_cannot_be_earned_at_one_rate_is_said() -> None:
    day = datetime(2025, 1, 1, tzinfo=UTC)
    year = timedelta(days=365)
    # What was taken out is known; what the books owe beyond it is not the investor's to pay.
    flows = [Money(day, D(100)), Money(day + year, D(-230))]
    assert money_weighted(day, D(0), flows, day + 2 * year, D(-132)) == (D("1.3"), None)
    # 10 % and 20 % explain these; see the tests of returns.
    flows.append(Money(day + 2 * year, D(132)))
    rate, reason = money_weighted(day, D(0), flows, day + 2 * year, D(0))
    assert rate is None
    assert reason is not None
    assert reason.startswith("xirr_ambiguous")
    assert "10 %, 20 %" in reason
    lost = money_weighted(day, D(0), [Money(day, D(100))], day + year, D(-5))
    assert lost == (D(-1), None)
    chain = [Money(day, D(50), D(0)), Money(day + year, D(70), D(-20))]
    wiped = time_weighted(D(0), chain, D(90))
    assert wiped is not None
    assert (wiped.total, wiped.wiped_out) == (-1.0, 0)


def test_the_command_says_what_the_route_says(
    client: TestClient, db: Database, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(db)
    ines = sign_in("investor", "ines")
    person(world, "ines", 1_000)
    world.advance(24)
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    arguments = ["ledger", "earnings", "ines"]
    told = CliRunner().invoke(app, [*arguments, "--json"])
    assert told.exit_code == 0, told.output
    answered = client.get("/api/v1/wallet/earnings", headers=ines).json()
    assert json.loads(told.output) == answered
    shown = CliRunner().invoke(app, arguments)
    assert "paid in" in shown.output
    assert "1000" in shown.output
