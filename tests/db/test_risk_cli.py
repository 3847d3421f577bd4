"""`commenda risk limits`: what is in force and used, and setting a tighter one at the machine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from commenda.cli import app
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from scripted import D
from world import World


@pytest.fixture
def world(db: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world on whose database the commands work."""
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    return World(db, fee=D(0), hours=48)


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["risk", "limits", *arguments])


def told(*arguments: str) -> Any:
    result = command(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def put(amount: str, *more: str) -> Result:
    return command("set", "platform", "gross_notional", amount, "--reason", "a test", *more)


def test_a_limit_is_set_and_listed_with_what_is_used(world: World) -> None:
    flow = world.creator("anna")
    world.advance().signal(flow, "0.5")
    assert put("8000").exit_code == 0
    (one,) = told("list")
    assert (one["measure"], D(one["amount"]), D(one["used"])) == ("gross_notional", 8000, 5000)
    assert D(one["headroom"]) == 3000
    assert put("7000").exit_code == 0
    assert len(told("list", "--state", "past")) == 1
    assert "gross_notional" in command("list").stdout


def test_what_is_looser_takes_two_and_what_is_wrong_is_refused(world: World) -> None:
    world.creator("anna")
    assert put("8000").exit_code == 0
    refused = {
        "takes_two": put("9000"),
        "bad_limit": put("NaN"),
        "bad_subject": put("7000", "--subject", "x"),
    }
    for code, result in refused.items():
        assert isinstance(result.exception, CommendaError), result.output
        assert result.exception.code == code
        assert result.exception.hint
    assert [D(one["amount"]) for one in told("list")] == [8000]


def test_what_is_set_is_shown_also_where_it_is_not_the_last(world: World) -> None:
    world.creator("anna")
    for measure in ("gross_notional", "net_notional", "position"):
        for _ in range(2):  # the second time nothing changes
            (one,) = told("set", "platform", measure, "9", "--reason", "a test")
            assert one["measure"] == measure
    world.advance()
    assert (
        told("set", "platform", "leverage", "3", "--reason", "a test")[0]["measure"] == "leverage"
    )
    (one,) = told("set", "platform", "position", "9", "--reason", "a test")
    assert one["measure"] == "position"


def test_a_limit_that_only_a_breaker_goes_by_is_set_with_its_effect(world: World) -> None:
    world.creator("anna")
    jump = ("set", "instrument", "price_jump", "0.1", "--reason", "a test", "--subject", "*")
    refused = command(*jump)
    assert isinstance(refused.exception, CommendaError)
    assert refused.exception.code == "bad_breaker"
    more = ("--effect", "cancel", "--resets-at", "0.03", "--cooldown", "60")
    (one,) = told(*jump, *more)
    assert (one["effect"], one["resetsAt"], one["cooldownSeconds"]) == ("cancel", "0.03", 60)


def test_positions_are_listed_by_how_near_their_liquidation_price_is(world: World) -> None:
    """10,000 hold 500 at 100: 500 P - 40,000 = 25 P."""
    flow = world.creator("anna", capital=0)
    investor = world.investor("ines")
    world.subscribe(investor, world.product(), 10_000)
    world.activate()
    world.signal(flow, "5")
    result = CliRunner().invoke(app, ["risk", "exposure", "--json"])
    assert result.exit_code == 0, result.output
    (one,) = json.loads(result.stdout)
    assert (one["symbol"], one["owner"], one["mode"]) == ("AAAUSDT", "ines", "isolated")
    assert (D(one["liquidationPrice"]), D(one["marginUse"])) == (D("84.21052632"), D("0.5"))
    shown = CliRunner().invoke(app, ["risk", "exposure"])
    assert shown.exit_code == 0, shown.output
    assert "AAAUSDT" in shown.output
