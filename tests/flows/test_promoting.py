"""Ability 2 on a running business: from a study to the incumbent's terms, and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from commenda.audit import run_checks
from commenda.automation import (
    CHECKS,
    RULES,
    Decision,
    Mode,
    SettingOrder,
    ability_named,
    decisions_where,
    measure_effects,
    promoting,
    put_setting,
    replays,
    run_ability,
    undo,
    whole_of,
)
from commenda.automation.canaries import canaries_of
from commenda.copying import Flow, change_terms, find_flow, versions_of
from commenda.identity import Principal, Role, create_user
from commenda.kit import durable
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import Author, Owner, OwnerKind
from commenda.market import Bar, write_bars
from commenda.operations import approve_and_carry_out, reject_and_give_back
from commenda.risk import Level, LimitOrder, Measure, stop
from commenda.risk.model import Effect
from scripted import HOUR, START, D
from world import World

PROMOTE, OPTIMISE = ability_named("promote"), ability_named("optimise")
SEARCHED = 50
"""Hours from the start until a search is made."""
SOON = {"leastBars": 10, "tightestAt": 40, "mostDays": 3}


def rising(hour: int) -> float:
    """By 0.2 and 0.6 in turn from hour 50 on."""
    steps = max(0, hour - SEARCHED)
    return round(100.0 + 0.4 * steps - (0.2 if steps % 2 else 0.0), 2)


def falling(hour: int) -> float:
    return round(200.0 - rising(hour), 2)


class Bench:
    """A flow that holds nothing, a search for it that found something, and a market that moves."""

    def __init__(self, db: Database, path: Any = rising, wallet: int = 5_000) -> None:
        self.db = db
        self.world = World(db, {"AAAUSDT": path}, fee="0")
        self.flow: Flow = self.world.creator("anna")
        self.owner = Owner(OwnerKind.CREATOR, self.flow.creator_id)
        if wallet:
            self.world.pay_in(self.owner, D(wallet), "more")
        self.instrument = self.world.instruments["AAAUSDT"]
        params = {"fast": 10.0, "slow": 40.0, "band": 0.0, "exposure": 1.0, "stop": 0.0}
        with db.transaction() as tx:
            change_terms(tx, self.author, self.flow.id, params=params, reason="a test")
            tx.execute("UPDATE shared_flows SET automatic = true")
        self.world.advance(SEARCHED)
        self.store(path)
        self.search()
        self.world.mark()

    @property
    def author(self) -> Author:
        return Author("operation", RULES, self.world.now)

    def store(self, path: Any) -> None:
        """Hourly bars, past and to come: what is to come is read only once it has closed."""
        begin = int(START.timestamp())
        bars = []
        for hour in range(SEARCHED + 200):
            was, now = path(hour), path(hour + 1)
            bars.append(Bar(begin + hour * HOUR, was, max(was, now), min(was, now), now, 1e6))
        with self.db.transaction() as tx:
            write_bars(tx, HOUR, [(self.instrument, one) for one in bars])

    def search(self) -> None:
        """A decision of ability 1 with its study, whose verdict is what a good study's would be:
        what is tried here begins with that."""
        self.let(Mode.ACTING, OPTIMISE, terms=dict(SEARCH))
        (decision,) = run_ability(self.db, self.author, OPTIMISE)
        assert decision.state == "done", decision
        with self.db.transaction() as tx:
            links = whole_of(tx, decision.id).links
            (study,) = [one.ref for one in links if one.kind == "study"]
            tx.execute(
                "UPDATE studies SET state = 'cancelled', finished_at = %s WHERE id = %s",
                (self.world.now, study),
            )
        measure_effects(self.db, self.author, OPTIMISE)
        self.effect(
            verdict="promote", bestParams={"fast": 5.0, "slow": 20.0}, deflatedSharpe=0.97,
            overfitting=0.1, plateau=0.9, outOfSample=1.5, incumbent=0.5,
        )  # fmt: skip
        self.searched = decision.id

    def effect(self, **told: Any) -> None:
        from psycopg.types.json import Jsonb

        with self.db.transaction() as tx:
            tx.execute(
                "UPDATE decisions SET effect = effect || %s WHERE action = 'search'",
                (Jsonb(told),),
            )

    def let(self, mode: Mode, ability: Any = PROMOTE, **told: Any) -> None:
        asked_of = told.pop("asked_of", None)
        order = SettingOrder.model_validate(
            {"ability": ability.name, "mode": mode, "reason": "a test", "terms": SOON} | told
        )
        with self.db.transaction() as tx:
            put_setting(tx, self.author, ability, order, asked_of)

    def run(self) -> list[Decision]:
        self.world.mark()
        return run_ability(self.db, self.author, PROMOTE)

    def canary(self) -> Any:
        with self.db.transaction() as tx:
            return canaries_of(tx, self.flow.id)[0]

    def trade(self, hours: int, target: str = "1") -> None:
        """The canary goes in, and so many hours pass."""
        with self.db.transaction() as tx:
            own = find_flow(tx, self.canary().canary_flow_id)
        self.world.signal(own, target)
        self.world.advance(hours)

    def params(self) -> list[dict[str, float]]:
        with self.db.transaction() as tx:
            return [dict(one.params) for one in versions_of(tx, self.flow.id)]

    def person(self, name: str) -> Principal:
        with self.db.transaction() as tx:
            user = create_user(tx, name, "a hash", Role.RISK, self.world.now, actor="cli")
        return Principal(user.id, Role.RISK, frozenset(), None, second_factor=True)

    def code(self, decision: Decision) -> str:
        with self.db.transaction() as tx:
            return str(whole_of(tx, decision.id).steps[-1].details["code"])

    def last(self) -> Decision:
        with self.db.transaction() as tx:
            return decisions_where(tx, None, 1, ability="promote")[0]

    def sound(self) -> None:
        with self.db.transaction() as tx:
            assert list(run_checks(tx, CHECKS)) == []
        self.world.assert_sound()


SEARCH = {
    "leastBars": 100,
    "windowDays": 50,
    "trials": 2,
    "folds": 2,
    "leastDays": 2,
    "daily": True,
}


@pytest.fixture
def bench(db: Database) -> Bench:
    durable.prepare(db.owner_url)
    return Bench(db)


def test_what_is_better_beside_it_takes_its_place_and_is_taken_back(bench: Bench) -> None:
    bench.let(Mode.ACTING)
    (begun,) = bench.run()
    assert (begun.state, begun.action, begun.cause_id) == ("done", "canary", bench.searched)
    canary = bench.canary()
    # A tenth of the 10,000 that lead the flow.
    assert canary.capital == D(1_000)
    with bench.db.transaction() as tx:
        own = find_flow(tx, canary.canary_flow_id)
    assert (own.canary_of, own.params["fast"], own.automatic) == (bench.flow.id, 5.0, False)
    bench.world.advance()
    bench.world.move_cash()
    bench.trade(5)
    assert bench.run() == []  # too few bars
    bench.world.advance(45)
    (ended,) = bench.run()
    assert (ended.state, ended.action, ended.cause_id) == ("done", "promote", begun.id)
    assert ended.because[0]["code"] == "canary_better"
    assert ended.because[0]["low"] > 0
    # 51 bars since the canary began, of which the first is its first close.
    assert ended.evidence["bars"] == 51
    assert [one["fast"] for one in bench.params()] == [5.0, 10.0, 48.0]
    assert bench.canary().outcome == "promoted"
    bench.world.close_copies()
    with bench.db.transaction() as tx:
        assert find_flow(tx, canary.canary_flow_id).status == "closed"
        back = undo(tx, bench.author, PROMOTE, ended.id, "as it was")
    assert (back.state, bench.params()[0]["fast"]) == ("undone", 10.0)
    with bench.db.transaction() as tx:
        assert all(replays(PROMOTE, one) for one in (begun, ended))
        chain = [one.id for one in whole_of(tx, ended.id).causes]
    assert chain == [bench.searched, begun.id]
    bench.world.advance(24)
    assert measure_effects(bench.db, bench.author, PROMOTE) == 1
    bench.sound()
