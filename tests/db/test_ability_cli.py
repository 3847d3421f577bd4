"""`commenda ability`: what the machine may do, looked at and lessened at the machine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from commenda.automation import RULES, Mode, SettingOrder, ability_named, put_setting
from commenda.cli import app
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import Author
from portfolio_desk import Desk


@pytest.fixture
def desk(db: Database, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A portfolio a fifth from its weights, on whose database the commands work."""
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    desk = Desk(db)
    desk.found(automatic=True)
    desk.world.advance()
    desk.signal("1", "1")
    desk.world.advance(6)  # 5,500 and 4,500 of 10,000
    with db.transaction() as tx:
        desk.mark(tx)
    return desk


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ability", *arguments])


def told(*arguments: str) -> Any:
    result = command(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: str) -> str:
    result = command(*arguments)
    assert isinstance(result.exception, CommendaError), result.output
    return result.exception.code


def test_an_ability_is_run_shown_and_its_decision_read(desk: Desk) -> None:
    (decision,) = told("run", "rebalance")
    assert (decision["state"], decision["action"]) == ("recommended", "rebalance")
    listed = {one["name"]: one for one in told("list")}
    assert listed["rebalance"]["states"] == {"recommended": 1}
    assert [one["id"] for one in told("decisions", "--state", "recommended")] == [decision["id"]]
    assert told("decisions", "--ability", "protect") == []
    whole = told("decision", decision["id"])
    assert (whole["same"], whole["decision"]["evidence"]["number"]) == (True, 1)
    assert "recommending" in command("list").stdout
    assert "cooldown hours" in command("show", "rebalance").stdout
    assert "far_from_weights" in command("decision", decision["id"]).stdout


def test_less_is_set_at_once_and_more_takes_two(desk: Desk) -> None:
    (setting,) = told("set", "rebalance", "off", "--reason", "a test")
    assert (setting["mode"], setting["version"]) == ("off", 1)
    assert told("run", "rebalance") == []
    assert [one["mode"] for one in told("show", "rebalance")["settings"]] == ["off"]
    assert refused("set", "rebalance", "acting", "--reason", "a test") == "takes_two"
    assert refused("set", "dream", "off", "--reason", "a test") == "unknown_ability"
    assert refused("set", "rebalance", "off", "--reason", "") == "bad_setting"
    wrong = ("set", "rebalance", "off", "--reason", "a test", "--term")
    assert refused(*wrong, "distance=far") == "bad_setting"
    assert refused(*wrong, "distance=-1") == "bad_terms"


def test_what_it_did_is_taken_back(desk: Desk) -> None:
    ability, machine = ability_named("rebalance"), Author("operation", RULES, desk.world.now)
    order = SettingOrder(ability="rebalance", mode=Mode.ACTING, reason="a test")
    with desk.db.transaction() as tx:
        put_setting(tx, machine, ability, order, None)
    (decision,) = told("run", "rebalance")
    assert decision["state"] == "done"
    (back,) = told("undo", decision["id"], "--reason", "as it was")
    assert back["state"] == "undone"
    assert refused("undo", decision["id"], "--reason", "again") == "not_done"
