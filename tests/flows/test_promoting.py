"""Ability 2 on a running business: from a study to the incumbent's terms, and back."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from commenda.automation import (
    Ability,
    Decision,
    Mode,
    ability_named,
    canaries,
    decision_by_id,
    ladder,
    measure_effects,
    promoting,
    replays,
    run_ability,
    undo,
    whole_of,
)
from commenda.automation.canaries import canaries_of
from commenda.automation.ladder import PromotionOrder, ask_to_promote, promotion_ladder
from commenda.copying import Flow, change_terms, find_flow, versions_of
from commenda.kit import durable
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import Owner, OwnerKind
from commenda.market import Bar, write_bars
from commenda.operations import approve_and_carry_out, reject_and_give_back
from commenda.risk import Level, LimitOrder, Measure, order_limit, stop
from commenda.risk.model import Effect
from commenda.strategies import register_catalogue
from deciding import Deciding
from scripted import HOUR, START, D
from world import World

PROMOTE, OPTIMISE = ability_named("promote"), ability_named("optimise")
SEARCHED = 150
"""Hours from the start until a search is made."""
SOON = {"leastBars": 10, "tightestAt": 40, "mostDays": 3}


def rising(hour: int) -> float:
    """By 0.2 and 0.6 in turn once the search was made."""
    steps = max(0, hour - SEARCHED)
    return round(100.0 + 0.4 * steps - (0.2 if steps % 2 else 0.0), 2)


def falling(hour: int) -> float:
    return round(200.0 - rising(hour), 2)


class Bench(Deciding):
    """A flow that holds nothing, a search for it that found something, and a market that moves."""

    def __init__(self, db: Database, path: Any = rising, wallet: int = 5_000) -> None:
        super().__init__(World(db, {"AAAUSDT": path}, fee="0"), PROMOTE)
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

    def store(self, path: Any) -> None:
        """Hourly bars, past and to come: what is to come is read only once it has closed."""
        begin = int(START.timestamp())
        bars = []
        for hour in range(-1_200, SEARCHED + 200):
            was, now = path(hour), path(hour + 1)
            bars.append(Bar(begin + hour * HOUR, was, max(was, now), min(was, now), now, 1e6))
        with self.db.transaction() as tx:
            write_bars(tx, HOUR, [(self.instrument, one) for one in bars])

    def search(self) -> None:
        """A decision of ability 1 with its study, whose verdict is what a good study's would be:
        what is tried here begins with that."""
        self.let(Mode.ACTING, OPTIMISE, terms=dict(SEARCH))
        (decision,) = run_ability(self.db, self.author, OPTIMISE)
        assert decision.state == "done", self.refusal(decision)
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
        with self.db.transaction() as tx:
            tx.execute(
                "UPDATE decisions SET effect = effect || %s WHERE action = 'search'",
                (Jsonb(told),),
            )

    def let(self, mode: Mode, ability: Ability | None = None, **told: Any) -> None:
        super().let(mode, ability, **{"terms": SOON} | told)

    def run(self, ability: Ability | None = None) -> list[Decision]:
        self.world.mark()
        return super().run(ability)

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
    assert [one["fast"] for one in bench.params()] == [5.0, 10.0, 72.0]
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


def refused(act: Any) -> str:
    with pytest.raises(CommendaError) as error:
        act()
    return error.value.code


def begun(bench: Bench, **told: Any) -> Decision:
    """A canary that is in the market from the next hour on."""
    bench.let(Mode.ACTING, **told)
    (decision,) = bench.run()
    assert decision.state == "done", bench.refusal(decision)
    bench.world.advance()
    bench.world.move_cash()
    bench.trade(0)
    return decision


def test_what_is_worse_goes_back_and_changes_nothing(db: Database) -> None:
    durable.prepare(db.owner_url)
    bench = Bench(db, falling)
    first = begun(bench, terms=SOON | {"mostLoss": 0.5})
    bench.world.advance(45)
    (ended,) = bench.run()
    assert (ended.action, ended.because[0]["code"]) == ("back", "canary_worse")
    assert (ended.cause_id, bench.canary().outcome) == (first.id, "back")
    assert bench.params()[0]["fast"] == 10.0
    bench.world.close_copies()
    # It bought 10.02 at 99.8 and sold them 45 hours later at 81.6: 182.364 are gone.
    assert bench.world.wallet(bench.owner) == D("4817.636")
    with bench.db.transaction() as tx:
        assert refused(lambda: undo(tx, bench.author, PROMOTE, ended.id, "x")) == "not_undoable"
    bench.sound()


def test_it_ends_at_its_loss_before_the_test_knows(db: Database) -> None:
    durable.prepare(db.owner_url)
    bench = Bench(db, falling)
    begun(bench, terms=SOON | {"leastBars": 1_000, "mostLoss": 0.01})
    bench.world.advance(5)
    (ended,) = bench.run()
    assert (ended.action, ended.because[0]["code"]) == ("back", "lost_too_much")


def test_it_ends_when_its_time_is_over(bench: Bench) -> None:
    begun(bench, terms=SOON | {"leastBars": 1_000, "mostDays": 1})
    bench.world.advance(25)
    (ended,) = bench.run()
    assert (ended.action, ended.because[0]["code"]) == ("back", "canary_undecided")


def test_a_canary_is_taken_back_and_none_follows_it(bench: Bench) -> None:
    decision = begun(bench)
    with bench.db.transaction() as tx:
        own = find_flow(tx, bench.canary().canary_flow_id)
    ines = bench.world.investor("ines")
    assert refused(lambda: bench.world.follow(ines, own, D(100))) == "flow_not_active"
    with bench.db.transaction() as tx:
        done = undo(tx, bench.author, PROMOTE, decision.id, "not now")
    assert (done.state, bench.canary().outcome) == ("undone", "undone")
    bench.world.close_copies()
    assert bench.world.wallet(bench.owner) == D(5_000)
    bench.world.advance(2)
    assert bench.run() == []  # a study is decided on once
    bench.sound()


def test_it_asks_for_the_wallet_the_creator_the_limit_and_the_budget(db: Database) -> None:
    durable.prepare(db.owner_url)
    bench = Bench(db, wallet=999)
    bench.let(Mode.ACTING)
    (decision,) = bench.run()
    assert (decision.state, bench.refusal(decision)) == ("refused", "insufficient_balance")
    assert bench.world.rows("SELECT FROM canaries") == []
    assert bench.world.rows("SELECT FROM shared_flows WHERE canary_of IS NOT NULL") == []
    bench.sound()


@pytest.mark.parametrize("what", ["not_automatic", "past_limit", "budget_spent", "breaker_open"])
def test_what_forbids_it_is_said_and_nothing_is_done(bench: Bench, what: str) -> None:
    if what == "not_automatic":
        bench.world.execute("UPDATE shared_flows SET automatic = false")
    elif what == "past_limit":
        order = LimitOrder.model_validate(
            {"level": Level.FLOW, "subject": str(bench.flow.id), "measure": Measure.DRAWDOWN}
            | {"amount": "0.05", "effect": Effect.NO_ENTRIES, "reason": "a test"}
        )
        with bench.db.transaction() as tx:
            order_limit(tx, bench.person("grace"), order, bench.world.now)
    elif what == "breaker_open":
        with bench.db.transaction() as tx:
            stop(tx, bench.author, Level.PLATFORM, "", Effect.NO_ENTRIES, "a test")
    bench.let(Mode.ACTING, budget=0 if what == "budget_spent" else None)
    (decision,) = bench.run()
    assert (decision.state, bench.refusal(decision)) == ("refused", what)
    assert bench.world.rows("SELECT FROM canaries") == []
    bench.sound()


def test_a_person_says_yes_to_the_canary_and_no_to_its_promotion(bench: Bench) -> None:
    asker, other = bench.person("grace"), bench.person("henry")
    bench.let(Mode.ACTING, needs_approval=True, asked_of=asker.user_id)
    (first,) = bench.run()
    assert first.state == "waiting"
    assert first.approval_id is not None
    with bench.db.transaction() as tx:
        approve_and_carry_out(tx, first.approval_id, other, bench.world.now)
    bench.world.advance()
    bench.world.move_cash()
    bench.trade(50)
    (second,) = bench.run()
    assert (second.action, second.state) == ("promote", "waiting")
    assert second.approval_id is not None
    with bench.db.transaction() as tx:
        reject_and_give_back(tx, second.approval_id, other, bench.world.now, "not now")
    assert (bench.last().state, bench.canary().ended_at) == ("rejected", None)
    assert bench.params()[0]["fast"] == 10.0
    bench.world.advance(2)
    (third,) = bench.run()  # it is asked again while it is better
    assert (third.action, third.state) == ("promote", "waiting")


@pytest.mark.parametrize("step", ["share_flow", "follow", "change_terms", "request_leave"])
def test_a_worker_killed_at_a_step_leaves_it_done_once_or_not_begun(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    room = canaries if step in ("share_flow", "follow", "request_leave") else promoting
    whole = getattr(room, step)

    class Killed(BaseException):
        pass

    def cut(*args: Any, **told: Any) -> None:
        whole(*args, **told)
        raise Killed

    bench.let(Mode.ACTING)
    begins = step in ("share_flow", "follow")
    if not begins:
        begun(bench)
        bench.world.advance(45)
    before = bench.params()
    with monkeypatch.context() as patch:
        patch.setattr(room, step, cut)
        with pytest.raises(Killed):
            bench.run()
    assert bench.params() == before
    if begins:
        assert bench.world.rows("SELECT FROM canaries") == []
    else:
        assert bench.canary().ended_at is None
    (decision,) = bench.run()
    assert decision.state == "done"
    assert bench.run() == []
    assert len(bench.params()) == len(before) + (not begins)
    bench.sound()


def test_a_person_asks_for_it_and_another_says_yes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    grace, henry = bench.person("grace"), bench.person("henry")
    study = bench.world.one("SELECT id FROM studies")
    order = PromotionOrder(flow_id=bench.flow.id, study_id=study, reason="it looks better")

    def ask(named: str = "ema_trend") -> Decision:
        with bench.db.transaction() as tx:
            return ask_to_promote(tx, grace, named, order, bench.world.now)

    with bench.db.transaction() as tx:
        register_catalogue(tx, bench.world.now)
        assert promotion_ladder(tx, "ema_trend", bench.world.now).canaries == []
    assert refused(ask) == "study_not_finished"
    assert refused(lambda: ask("nobody")) == "unknown_strategy"
    assert refused(lambda: ask("sma_cross")) == "unknown_flow"
    bench.world.execute("UPDATE studies SET state = 'complete', result = '{}'")
    found = {"studyId": str(study), "verdict": "doubtful", "bestParams": {"fast": 5.0}}
    found |= {"outOfSample": 1.5, "incumbent": 0.5}
    monkeypatch.setattr(ladder, "effect_of", lambda *_: found)
    assert refused(ask) == "not_promotable"
    found["verdict"] = "promote"
    bench.world.mark()
    asked = ask()
    assert (asked.state, asked.action) == ("waiting", "canary")
    assert asked.approval_id is not None
    with bench.db.transaction() as tx:
        approve_and_carry_out(tx, asked.approval_id, henry, bench.world.now)
        (shown,) = promotion_ladder(tx, "ema_trend", bench.world.now).canaries
    assert (shown.capital, shown.outcome, shown.begun_by) == (D(1_000), None, asked.id)
    bench.world.advance()
    assert refused(ask) == "canary_runs"
    with bench.db.transaction() as tx:
        assert replays(PROMOTE, decision_by_id(tx, asked.id))
    bench.sound()
