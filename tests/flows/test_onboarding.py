"""Ability 8 on a running business: a strategy from its publication to everybody's money."""

from __future__ import annotations

from typing import Any

import pytest

from commenda.automation import (
    Ability,
    Mode,
    ability_named,
    measure_effects,
    onboarding,
    promotion_ladder,
    replays,
    undo,
    whole_of,
)
from commenda.automation.onboarding import stages_of
from commenda.copying import Flow
from commenda.kernel import Costs
from commenda.kit import durable
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.operations import approve_and_carry_out, reject_and_give_back
from commenda.strategies import Registrar, Status, catalogue, move, register
from deciding import Deciding
from living import Live
from scripted import START, D
from world import World

ONBOARD = ability_named("onboard")
EASY = {"days": 1, "trades": 1, "drawdown": 0.9, "distance": 1, "copyDistance": 0.5}


class Bench(Deciding):
    """A strategy that somebody registered and published, and its creator's flow that trades."""

    def __init__(self, db: Database) -> None:
        with db.transaction() as tx:
            by = Registrar("cli", START)
            register(tx, by, catalogue()["ema_trend"])
            move(tx, by, "ema_trend", Status.PUBLISHED)
        self.live = Live(World(db, fee=D(0)), Costs(fee_bps=0.0, slippage_bps=0.0))
        super().__init__(self.live.world, ONBOARD)
        self.flow: Flow = self.live.flow()

    def let(self, mode: Mode, ability: Ability | None = None, **told: Any) -> None:
        super().let(mode, ability, **{"terms": EASY} | told)

    def stages(self) -> list[str]:
        with self.db.transaction() as tx:
            return [one.stage for one in stages_of(tx, "ema_trend")]

    def missing(self) -> list[str]:
        with self.db.transaction() as tx:
            found = promotion_ladder(tx, "ema_trend", self.world.now).missing
            return [one["code"] for one in found]

    def trade(self) -> None:
        """Two days: the market rises, and the flow goes in and out."""
        begin = self.live.hour
        self.world.signal(self.flow, "0.5")
        for until in (24, 48, 49):
            self.live.store(*range(100 + self.live.hour, 100 + begin + until))
            self.live.tick()
            self.world.value_books()
        self.world.signal(self.flow, "0")


@pytest.fixture
def bench(db: Database, monkeypatch: pytest.MonkeyPatch) -> Bench:
    durable.prepare(db.owner_url)
    monkeypatch.setattr("commenda.copying.stepping.enqueue_copy", lambda *_: None)
    # What the suite finds is its own tests' affair, and takes its time.
    monkeypatch.setattr(onboarding, "check_strategy", lambda _: [])
    return Bench(db)


def follow(bench: Bench, name: str) -> str:
    try:
        bench.world.follow(bench.world.investor(name), bench.flow, D(1_000))
    except CommendaError as error:
        return error.code
    return "followed"


def test_it_comes_in_stage_by_stage_and_is_taken_back(bench: Bench) -> None:
    bench.let(Mode.ACTING)
    (first,) = bench.run()
    assert (first.state, first.action) == ("done", "advance")
    assert bench.stages() == ["paper", "conformance"]
    assert follow(bench, "ines") == "flow_not_active"
    bench.world.advance(2)
    assert bench.run() == []
    assert {"days", "trades"} <= set(bench.missing())
    bench.trade()
    (second,) = bench.run()
    assert second.change == {"from": "paper", "to": "shadow"}
    assert follow(bench, "jane") == "followed"
    assert "copies" in bench.missing()
    with bench.db.transaction() as tx:
        assert undo(tx, bench.author, ONBOARD, second.id, "too soon").state == "undone"
        assert replays(ONBOARD, first)
        assert replays(ONBOARD, second)
    assert bench.stages() == ["paper", "shadow", "paper", "conformance"]
    bench.world.advance(24 * 7)
    assert measure_effects(bench.db, bench.author, ONBOARD) == 1
    bench.sound()


def test_what_does_not_conform_goes_no_further(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onboarding, "_failed", lambda _: [{"check": "bounds", "says": "out"}])
    bench.let(Mode.ACTING)
    (decision,) = bench.run()
    assert (decision.action, bench.stages()) == ("fail", ["failed", "conformance"])
    assert follow(bench, "ines") == "flow_not_active"
    bench.world.advance(2)
    assert bench.run() == []


def test_its_budget_and_a_person_hold_it(bench: Bench) -> None:
    bench.let(Mode.ACTING, budget=0)
    (refused,) = bench.run()
    with bench.db.transaction() as tx:
        assert whole_of(tx, refused.id).steps[-1].details["code"] == "budget_spent"
    bench.world.advance(2)
    asker, other = bench.person("grace"), bench.person("henry")
    bench.let(Mode.ACTING, needs_approval=True, asked_of=asker.user_id)
    (asked,) = bench.run()
    assert asked.approval_id is not None
    with bench.db.transaction() as tx:
        reject_and_give_back(tx, asked.approval_id, other, bench.world.now, "not now")
    assert bench.stages() == []
    bench.world.advance(2)
    (again,) = bench.run()
    assert again.approval_id is not None
    with bench.db.transaction() as tx:
        approve_and_carry_out(tx, again.approval_id, other, bench.world.now)
    assert bench.stages() == ["paper", "conformance"]
    bench.sound()


@pytest.mark.parametrize("step", ["_enter", "_leave_and_enter"])
def test_a_worker_killed_between_its_steps_leaves_it_done_once_or_not_begun(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    whole = getattr(onboarding, step)

    class Killed(BaseException):
        pass

    def cut(*args: Any) -> None:
        whole(*args)
        raise Killed

    bench.let(Mode.ACTING)
    with monkeypatch.context() as patch:
        patch.setattr(onboarding, step, cut)
        with pytest.raises(Killed):
            bench.run()
    assert bench.stages() == []
    assert [one.state for one in bench.run()] == ["done"]
    assert bench.stages() == ["paper", "conformance"]
