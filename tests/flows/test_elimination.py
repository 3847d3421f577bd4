"""Ability 7 on running flows: from their records to a ban that keeps entries out, and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest

from commenda.automation import (
    Decision,
    Mode,
    ability_named,
    accept,
    measure_effects,
    replays,
    undo,
    whole_of,
)
from commenda.copying import Flow
from commenda.identity import Role
from commenda.kit.db import Database
from commenda.ledger import Author
from commenda.managed.leaderboard import CANDIDATES, candidates_of
from commenda.operations import approve_and_carry_out, reject_and_give_back
from commenda.risk import close_breaker, find_ban, turn_breakers
from deciding import Deciding
from scripted import D, flat
from world import World

ELIMINATE = ability_named("eliminate")
NAMES = ("anna", "bea", "carl", "dora", "emil", "loser")
DAYS = 120


class Field(Deciding):
    """Six flows with a record of 120 days; the last one loses 0.7 of its deviation a day, which
    makes a t of 0.7 / sqrt(6/5) * sqrt(120) = 7 against the five others."""

    def __init__(self, world: World) -> None:
        super().__init__(world, ELIMINATE)
        self.flows = {name: world.creator(name) for name in NAMES}
        self.drawn = np.random.default_rng(5)
        self.days = 0
        self.passes(DAYS)

    @property
    def author(self) -> Author:
        """Days on: the market that is traded on has but a few hours."""
        return replace(super().author, now=self.world.now + timedelta(days=self.days))

    @property
    def loser(self) -> Flow:
        return self.flows["loser"]

    def passes(self, days: int, loses: float = 0.7) -> None:
        """Days of record for every flow's own book."""
        noise = self.drawn.normal(0, 0.01, (days, len(NAMES)))
        noise[:, -1] -= 0.01 * loses
        with self.db.transaction() as tx:
            for name, returns in zip(NAMES, noise.T, strict=True):
                leg, scope, capital, last = (
                    tx.execute(
                        "SELECT s.leg_id, l.scope_id, l.capital,"
                        "  coalesce((SELECT n.nav FROM nav_history n WHERE n.leg_id = s.leg_id"
                        "   ORDER BY n.at DESC LIMIT 1), l.capital)"
                        " FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
                        " WHERE s.flow_id = %s AND s.is_leader",
                        (self.flows[name].id,),
                    ).fetchone()
                    or ()
                )
                for place, index in enumerate(np.cumprod(1 + returns), start=1):
                    tx.execute(
                        "INSERT INTO nav_history (scope_id, leg_id, at, capital, nav)"
                        " VALUES (%s, %s, %s, %s, %s)",
                        (
                            scope,
                            leg,
                            self.author.now + timedelta(days=place),
                            capital,
                            round(last * D(str(index)), 8),
                        ),
                    )
        self.days += days

    def looks(self) -> list[Decision]:
        return self.run()

    def ban(self) -> str | None:
        with self.db.transaction() as tx:
            turn_breakers(tx, self.author)  # the sweep of measured breakers leaves it alone
            found = find_ban(tx, self.loser.id)
        return None if found is None else found.state

    def held(self) -> D:
        return D(self.world.one("SELECT coalesce(sum(abs(quantity)), 0) FROM positions"))


@pytest.fixture
def field(db: Database) -> Field:
    return Field(World(db, {"AAAUSDT": flat()}))


def test_a_loser_is_banned_serves_its_time_is_tried_and_comes_back(field: Field) -> None:
    field.let(Mode.ACTING, terms={"cooldownHours": 0})
    (decision,) = field.looks()
    assert (decision.action, decision.called, decision.state) == ("ban", field.loser.title, "done")
    assert decision.because[0]["t"] < -4
    assert replays(ELIMINATE, decision)
    assert field.ban() == "open"
    field.world.signal(field.loser, "0.5")
    assert field.held() == 0, "nothing is opened"
    field.world.signal(field.flows["anna"], "0.5")
    assert field.held() > 0
    field.passes(29, loses=0)
    assert field.looks() == []
    field.passes(1, loses=0)
    (tried,) = field.looks()
    assert (tried.action, tried.because[0]["days"], field.ban()) == ("trial", 30.0, "half_open")
    assert measure_effects(field.db, field.author, ELIMINATE) == 1
    field.passes(30, loses=0)
    (back,) = field.looks()
    assert (back.action, field.ban()) == ("reinstate", None)
    with field.db.transaction() as tx:
        effect = whole_of(tx, decision.id).decision.effect
    assert effect is not None
    assert set(effect) == {"return", "others", "ban"}


def test_whoever_fails_the_trial_is_banned_twice_as_long(field: Field) -> None:
    field.let(Mode.ACTING, terms={"cooldownHours": 0})
    field.looks()
    field.passes(30)
    field.looks()
    field.passes(40, loses=1.0)
    (again,) = field.looks()
    assert (again.action, field.ban()) == ("ban", "open")
    field.passes(59)
    assert field.looks() == []
    field.passes(1)
    assert [one.action for one in field.looks()] == ["trial"]


def test_no_product_draws_a_flow_that_is_banned(field: Field) -> None:
    def status() -> dict[UUID, str]:
        return {
            one.flow_id: one.status
            for one in candidates_of(field.world.one("SELECT " + CANDIDATES)).candidates
        }

    assert set(status().values()) == {"active"}
    field.let(Mode.ACTING)
    field.looks()
    assert status()[field.loser.id] == "banned"


def test_its_budget_and_a_person_keep_it_from_it(field: Field) -> None:
    field.let(Mode.ACTING, budget=0, terms={"cooldownHours": 0})
    assert [one.state for one in field.looks()] == ["refused"]
    asker, other = field.person("grace"), field.person("henry", Role.ADMIN)
    told = {"needsApproval": True, "terms": {"cooldownHours": 0}}
    field.let(Mode.ACTING, asked_of=asker.user_id, **told)
    field.passes(1)
    (asked,) = field.looks()
    assert asked.approval_id is not None
    with field.db.transaction() as tx:
        reject_and_give_back(tx, asked.approval_id, other, field.author.now, "not yet")
    assert field.ban() is None
    field.passes(1)
    (again,) = field.looks()
    assert again.approval_id is not None
    with field.db.transaction() as tx:
        approve_and_carry_out(tx, again.approval_id, other, field.author.now)
    assert field.ban() == "open"


def test_what_changed_meanwhile_refuses_it(field: Field) -> None:
    (decision,) = field.looks()
    assert decision.state == "recommended"
    field.let(Mode.ACTING, terms={"cooldownHours": 0})
    field.passes(1)
    field.looks()
    with field.db.transaction() as tx:
        done = accept(tx, field.person("grace"), ELIMINATE, decision.id, field.author.now)
        assert whole_of(tx, decision.id).steps[-1].details["code"] == "ban_changed"
    assert (done.state, field.ban()) == ("refused", "open")


def test_a_ban_is_taken_back(field: Field) -> None:
    field.let(Mode.ACTING)
    (decision,) = field.looks()
    with field.db.transaction() as tx:
        back = undo(tx, field.author, ELIMINATE, decision.id, "its creator has left")
    assert (back.state, field.ban()) == ("undone", None)
    with field.db.transaction() as tx:
        assert find_ban(tx, field.loser.id) is None


def test_a_person_may_lift_it_as_any_breaker(field: Field) -> None:
    field.let(Mode.ACTING)
    field.looks()
    with field.db.transaction() as tx:
        ban = find_ban(tx, field.loser.id, lock=True)
        assert ban is not None
        close_breaker(tx, field.author, ban, "by hand", {})
    field.world.signal(field.loser, "0.5")
    assert field.held() > 0
