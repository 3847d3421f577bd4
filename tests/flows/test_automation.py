"""The orchestrator on a running portfolio: from what an ability sees to what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from commenda.automation import (
    ABILITIES,
    ACTION,
    SETTING,
    Decision,
    Mode,
    SettingOrder,
    accept,
    chain_of_order,
    measure_effects,
    order_setting,
    replays,
    turn_down,
    undo,
    watch_waiting,
    whole_of,
)
from commenda.identity import list_approvals
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.operations import approve_and_carry_out, reject_and_give_back
from commenda.risk import Level, stop
from commenda.risk.model import Effect
from portfolio_machine import REBALANCE, Machine
from scripted import D


@pytest.fixture
def machine(db: Database) -> Machine:
    return Machine(db)


def refused(act: Any) -> str:
    with pytest.raises(CommendaError) as error:
        act()
    return error.value.code


def test_the_ten_abilities_have_a_row_each_and_a_number_of_the_specification() -> None:
    names = [one.name for one in ABILITIES]
    assert len(set(names)) == len(names)
    assert {one.number for one in ABILITIES} <= set(range(1, 11))


def test_it_recommends_until_it_is_let_to_act(machine: Machine) -> None:
    (decision,) = machine.run()
    assert (decision.state, decision.action) == ("recommended", "rebalance")
    assert decision.because[0]["code"] == "far_from_weights"
    assert machine.weights() == ["0.55", "0.45"]
    assert machine.run() == []  # within its cooldown
    machine.sound()


def test_what_is_off_looks_at_nothing(machine: Machine) -> None:
    machine.let(Mode.OFF)
    assert machine.run() == []


def test_it_acts_and_measures_and_takes_back(machine: Machine) -> None:
    machine.let(Mode.ACTING)
    (decision,) = machine.run()
    assert decision.state == "done"
    # Half of 10,000 each; the shown weights are what each leg is worth now.
    assert machine.weights() == ["0.5", "0.5"]
    assert measure_effects(machine.db, machine.author, REBALANCE) == 0  # too early
    machine.world.advance(24)
    with machine.db.transaction() as tx:
        machine.mark(tx)
    assert measure_effects(machine.db, machine.author, REBALANCE) == 1
    measured = machine.last()
    assert measured.effect is not None
    assert (measured.state, D(measured.effect["drift"])) == ("measured", D(0))
    with machine.db.transaction() as tx:
        machine.mark(tx)
        back = undo(tx, machine.author, REBALANCE, decision.id, "as it was")
    assert back.state == "undone"
    # The founding divided it into halves, so that is where it goes back to; it is a rollback.
    rows = machine.world.rows("SELECT cause, of_number FROM portfolio_rebalances ORDER BY number")
    assert rows == [("founding", None), ("rebalance", None), ("rollback", 1)]
    with machine.db.transaction() as tx:
        whole = whole_of(tx, decision.id)
        assert replays(REBALANCE, whole.decision)
    assert [one.state for one in whole.steps] == ["recommended", "done", "measured", "undone"]
    assert {one.kind for one in whole.links} == {"portfolio", "rebalance"}
    machine.sound()


def test_what_it_may_not_cost_keeps_it_from_it(machine: Machine) -> None:
    machine.let(Mode.ACTING, terms={"distance": 0.2})
    assert machine.run() == []


def test_its_budget_of_a_day_is_kept(machine: Machine) -> None:
    machine.let(Mode.ACTING, budget=0)
    (decision,) = machine.run()
    assert decision.state == "refused"
    with machine.db.transaction() as tx:
        assert whole_of(tx, decision.id).steps[-1].details["code"] == "budget_spent"
    assert machine.weights() == ["0.55", "0.45"]
    machine.sound()


def test_a_breaker_that_stands_keeps_it_from_acting(machine: Machine) -> None:
    machine.let(Mode.ACTING)
    with machine.db.transaction() as tx:
        stop(tx, machine.author, Level.PLATFORM, "", Effect.NO_ENTRIES, "a test")
    (decision,) = machine.run()
    assert decision.state == "refused"
    with machine.db.transaction() as tx:
        assert whole_of(tx, decision.id).steps[-1].details["code"] == "breaker_open"


def test_what_the_action_refuses_is_stored_and_changes_nothing(machine: Machine) -> None:
    (decision,) = machine.run()  # recommended
    one = machine.person("grace")
    with machine.db.transaction() as tx:
        tx.execute("UPDATE portfolios SET rules = rules || '{\"automatic\": false}'")
        done = accept(tx, one, REBALANCE, decision.id, machine.world.now)
        steps = whole_of(tx, decision.id).steps
    assert (done.state, steps[-1].details["code"]) == ("refused", "not_automatic")
    assert machine.weights() == ["0.55", "0.45"]
    machine.sound()


def test_a_person_is_asked_and_says_yes_or_no(machine: Machine) -> None:
    asker, other = machine.person("grace"), machine.person("henry")
    machine.let(
        Mode.ACTING, needs_approval=True, asked_of=asker.user_id, terms={"cooldownHours": 0}
    )
    (decision,) = machine.run()
    assert decision.state == "waiting"
    assert decision.approval_id is not None
    with machine.db.transaction() as tx:
        assert (
            refused(lambda: approve_and_carry_out(tx, asked(decision), asker, machine.world.now))
            == "same_person"
        )
    with machine.db.transaction() as tx:
        reject_and_give_back(tx, asked(decision), other, machine.world.now, "not now")
    assert machine.last().state == "rejected"
    machine.world.advance()
    (again,) = machine.run()
    with machine.db.transaction() as tx:
        machine.mark(tx)
        done = approve_and_carry_out(tx, asked(again), other, machine.world.now)
    assert (done.kind, done.outcome) == (ACTION, {"decisionId": str(again.id), "state": "done"})
    assert machine.weights() == ["0.5", "0.5"]
    machine.sound()


def test_the_staff_is_told_of_what_waits_for_a_person_too_long(machine: Machine) -> None:
    asker, other = machine.person("grace"), machine.person("henry")
    machine.let(Mode.ACTING, needs_approval=True, asked_of=asker.user_id)
    (decision,) = machine.run()
    alerts = "SELECT subject, closed_at IS NULL FROM alerts WHERE kind = 'alert.decision_waits'"

    def watch() -> list[UUID]:
        with machine.db.transaction() as tx:
            return watch_waiting(tx, machine.author)

    machine.world.advance(3)
    assert watch() == []
    machine.world.advance(1)
    assert watch() == watch() == [decision.id]
    assert machine.world.rows(alerts) == [(str(decision.id), True)]
    with machine.db.transaction() as tx:
        reject_and_give_back(tx, asked(decision), other, machine.world.now, "not now")
    assert watch() == []
    assert machine.world.rows(alerts) == [(str(decision.id), False)]


def asked(decision: Decision) -> UUID:
    assert decision.approval_id is not None
    return decision.approval_id


def test_what_is_recommended_is_accepted_or_turned_down(machine: Machine) -> None:
    (decision,) = machine.run()
    one = machine.person("grace")
    with machine.db.transaction() as tx:
        machine.mark(tx)
        done = accept(tx, one, REBALANCE, decision.id, machine.world.now)
    assert (done.state, machine.weights()) == ("done", ["0.5", "0.5"])
    with machine.db.transaction() as tx:
        assert (
            refused(lambda: turn_down(tx, machine.author, decision.id, "no")) == "not_recommended"
        )
        assert whole_of(tx, decision.id).steps[-1].actor == one.actor


def test_less_takes_one_person_and_more_takes_two(machine: Machine) -> None:
    asker, other = machine.person("grace"), machine.person("henry")

    def order(mode: str, **told: Any) -> Any:
        given = {"ability": "rebalance", "mode": mode, "reason": "a test"} | told
        with machine.db.transaction() as tx:
            return order_setting(
                tx, asker, REBALANCE, SettingOrder.model_validate(given), machine.author
            )

    more = order("acting")
    assert (more.status, more.setting) == ("requested", None)
    assert machine.run()[0].state == "recommended"
    with machine.db.transaction() as tx:
        (waits,) = [one for one in list_approvals(tx, None, None, 9) if one.kind == SETTING]
        approve_and_carry_out(tx, waits.id, other, machine.world.now)
    assert order("acting", budget=3).status == "in_force"  # fewer a day
    assert order("acting", budget=4).status == "requested"
    assert order("off").setting.mode == "off"
    assert refused(lambda: order("off", terms={"distance": -1})) == "bad_terms"
    assert refused(lambda: order("off", strategy="nobody")) == "unknown_strategy"


def test_the_decisions_behind_an_order_are_one_question(machine: Machine) -> None:
    machine.let(Mode.ACTING)
    (decision,) = machine.run()
    machine.world.advance()
    machine.signal("1", "1")
    orders = [row[0] for row in machine.world.rows("SELECT id FROM orders ORDER BY number")]
    with machine.db.transaction() as tx:
        assert chain_of_order(tx, orders[0]) == []  # before it
        assert [one.id for one in chain_of_order(tx, orders[-1])] == [decision.id]
        assert refused(lambda: chain_of_order(tx, ids.derive("nothing"))) == "unknown_order"


def test_half_a_day_later_it_decides_anew_in_place_of_what_it_recommended(machine: Machine) -> None:
    machine.let(Mode.RECOMMENDING, terms={"cooldownHours": 12})
    (first,) = machine.run()
    machine.world.advance(12)
    (second,) = machine.run()
    assert second.decided_at - first.decided_at == timedelta(hours=12)
    with machine.db.transaction() as tx:
        whole = whole_of(tx, first.id)
        assert (
            refused(
                lambda: accept(tx, machine.person("grace"), REBALANCE, first.id, machine.world.now)
            )
            == "not_recommended"
        )
    assert (whole.decision.state, whole.steps[-1].details) == (
        "rejected",
        {"code": "superseded", "by": str(second.id)},
    )
    machine.sound()
