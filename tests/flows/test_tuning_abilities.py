"""Abilities 1 and 6 on a running business: from a weak record or a date to a study's verdict."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest

from commenda.automation import (
    Ability,
    Decision,
    Mode,
    ability_named,
    accept,
    decisions_where,
    heed_events,
    measure_effects,
    replays,
    undo,
    whole_of,
)
from commenda.copying import Flow, change_terms
from commenda.kit import durable, outbox
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.market import Bar, write_bars
from commenda.operations import approve_and_carry_out, reject_and_give_back
from commenda.risk import Level, stop
from commenda.risk.model import Effect
from commenda.studies import STUDIES, find_study, report_of, run_study_workflow, trials_of
from commenda.studies.jobs import workflow_of
from commenda.studies.material import material_of_market
from deciding import Deciding
from scripted import HOUR, START
from world import World

OPTIMISE, CALENDAR = ability_named("optimise"), ability_named("calendar")
BARS = 1_200
SMALL = {"leastBars": 500, "windowDays": 50, "trials": 12, "folds": 3, "leastDays": 5}
"""A search that is soon done."""


def walk(count: int = BARS, seed: int = 3) -> list[float]:
    moves = np.random.default_rng(seed).normal(0.0, 0.01, count)
    return [float(one) for one in np.round(100.0 * np.exp(np.cumsum(moves)), 2)]


def falling(hour: int) -> float:
    """100, then 98, 96 … at each midnight: ten days down by 2 of the first 100."""
    return 100.0 - 2.0 * min(10, max(0, hour) // 24)


ORDER = ("asked_of", "budget", "needs_approval")


class Bench(Deciding):
    """A flow that fell by two in a hundred a day for ten days, and the hours before it stored."""

    def __init__(self, db: Database) -> None:
        super().__init__(World(db, {"AAAUSDT": falling}), OPTIMISE)
        self.flow: Flow = self.world.creator("anna")
        self.instrument = self.world.instruments["AAAUSDT"]
        with db.transaction() as tx:
            self.params = {"fast": 10.0, "slow": 40.0, "band": 0.0, "exposure": 1.0, "stop": 0.0}
            change_terms(tx, self.author, self.flow.id, params=self.params, reason="a test")
        self.world.signal(self.flow, "1")
        for _ in range(10):
            self.world.advance(24).value_books()
        self.store(walk(), self.world.now)

    def store(self, closes: list[float], until: datetime) -> None:
        """Hourly bars that end at `until`."""
        begin = int(until.timestamp()) - len(closes) * HOUR
        before = [closes[0], *closes[:-1]]
        bars = [
            Bar(begin + at * HOUR, was, max(was, is_), min(was, is_), is_, 1e6)
            for at, (was, is_) in enumerate(zip(before, closes, strict=True))
        ]
        with self.db.transaction() as tx:
            write_bars(tx, HOUR, [(self.instrument, one) for one in bars])

    def fund(self, *rates: tuple[datetime, float, float | None]) -> None:
        """(when, rate, mark or None) of the instrument's funding."""
        for at, rate, mark in rates:
            for series, value in (("funding", rate), ("mark", mark)):
                if value is not None:
                    self.world.execute(
                        "INSERT INTO market_observations (instrument_id, series, ts, value)"
                        " VALUES (%s, %s, %s, %s)",
                        self.instrument.id,
                        series,
                        at,
                        value,
                    )

    def let(self, mode: Mode, ability: Ability | None = None, **told: Any) -> None:
        """What is told besides the order's own fields are terms, where the ability has them."""
        asked = {name: told.pop(name) for name in ORDER if name in told}
        own = (ability or self.ability).terms.model_fields
        names = {field.alias or name for name, field in own.items()}
        terms = {name: one for name, one in (SMALL | told).items() if name in names}
        super().let(mode, ability, terms=terms, **asked)

    def study(self, decision: Decision) -> UUID:
        with self.db.transaction() as tx:
            links = whole_of(tx, decision.id).links
        (study,) = [UUID(one.ref) for one in links if one.kind == "study"]
        return study

    def work(self, study: UUID) -> None:
        """A worker, until the study is done: it runs in a child of this process."""
        with durable.launch(self.db, (run_study_workflow(self.db),), (STUDIES,), sweep_seconds=0.2):
            outbox.wait(self.db, workflow_of(study), timeout=120)

    def last(self) -> Decision:
        with self.db.transaction() as tx:
            return decisions_where(tx, None, 1)[0]


@pytest.fixture
def bench(db: Database) -> Bench:
    durable.prepare(db.owner_url)
    with psycopg.connect(db.owner_url) as owner:  # a study that is begun alike has its id again
        owner.execute(
            "TRUNCATE dbos.workflow_status, dbos.operation_outputs, dbos.datasource_outputs,"
            " dbos.workflow_input, dbos.workflow_output CASCADE"
        )
    return Bench(db)


def refused(act: Any) -> str:
    with pytest.raises(CommendaError) as error:
        act()
    return error.value.code


def test_a_weak_record_begins_a_study_and_its_verdict_is_the_effect(bench: Bench) -> None:
    bench.let(Mode.ACTING, drawdown=0.15)
    bench.fund(*((bench.world.now - timedelta(hours=8 * n), 0.0001, None) for n in range(1, 90)))
    (decision,) = bench.run()
    assert (decision.state, decision.action) == ("done", "search")
    said = {one["code"]: one for one in decision.because}
    # 10,000 bought 100 units at 100, less the fee of 5 for 10,000: ten days later each is at 80.
    assert set(said) == {"low_sharpe", "deep_drawdown"}
    assert said["deep_drawdown"]["drawdown"] == pytest.approx(0.2, abs=0.002)
    assert said["low_sharpe"]["sharpe"] < -20  # it fell every day
    change = decision.change
    assert change["until"] == f"{bench.world.now:%Y-%m-%dT%H:%M:%SZ}"
    assert change["space"] == {"fast": "5:20", "slow": "20:80"}
    assert change["fixed"] == {"band": 0.0, "exposure": 1.0, "stop": 0.0}
    assert measure_effects(bench.db, bench.author, OPTIMISE) == 0  # it runs
    study_id = bench.study(decision)
    assert bench.world.rows(
        "SELECT ability, decision_id, flow_id, status FROM optimizer_tasks WHERE id = %s", study_id
    ) == [("optimise", decision.id, str(bench.flow.id), "running")]
    bench.work(study_id)
    with bench.db.transaction() as tx:
        study = find_study(tx, study_id)
        assert study is not None
        assert (study.state, study.bars, study.plan["seed"]) == ("complete", BARS, change["seed"])
        assert study.funding_hash is not None
        trials = trials_of(tx, study_id, ("fast", "slow"))
    assert measure_effects(bench.db, bench.author, OPTIMISE) == 1
    measured = bench.last()
    assert measured.effect is not None
    effect = measured.effect
    assert study.result is not None
    assert (measured.state, effect["verdict"]) == ("measured", study.result["verdict"])
    assert effect["bestParams"] == study.result["best"]["params"]
    # The choice's record out of sample is the mean of its folds' tests, by hand.
    tests = [one["fold"]["test_sharpe"] or 0.0 for one in study.result["walked"]]
    assert effect["outOfSample"] == pytest.approx(sum(tests) / 3)
    assert effect["difference"] == pytest.approx(effect["outOfSample"] - effect["incumbent"])
    assert len(trials) == 12
    assert all(math.isfinite(effect[name]) for name in ("deflatedSharpe", "incumbent"))
    with bench.db.transaction() as tx:
        assert replays(OPTIMISE, measured)
        assert refused(lambda: undo(tx, bench.author, OPTIMISE, decision.id, "back")) == (
            "search_ended"
        )
    bench.sound()


def test_the_incumbent_is_measured_as_the_trial_of_the_same_parameters_is(bench: Bench) -> None:
    """Its figure equals what the study itself finds of these parameters, an independent path."""
    bench.let(Mode.ACTING, spread=1.05)  # of whole numbers nothing but 10 and 38 to 42 is near
    (decision,) = bench.run()
    assert decision.change["space"] == {"slow": "39:42"}
    study_id = bench.study(decision)
    bench.work(study_id)
    assert measure_effects(bench.db, bench.author, OPTIMISE) == 1
    effect = bench.last().effect
    assert effect is not None
    with bench.db.transaction() as tx:
        same = [
            one.outcome
            for one in trials_of(tx, study_id, ("slow",))
            if one.params["slow"] == 40 and one.outcome is not None
        ]
    folds = [one.test_sharpe or 0.0 for one in same[0].folds]
    assert effect["incumbent"] == pytest.approx(sum(folds) / len(folds))


def test_a_study_that_runs_is_stopped_when_it_is_taken_back(bench: Bench) -> None:
    bench.let(Mode.ACTING)
    (decision,) = bench.run()
    with bench.db.transaction() as tx:
        back = undo(tx, bench.author, OPTIMISE, decision.id, "not now")
        study = find_study(tx, bench.study(decision))
    assert study is not None
    assert (back.state, study.state) == ("undone", "cancelled")
    bench.work(study.id)  # it finds nothing to do
    bench.sound()


def test_a_search_is_charged_what_was_told_of_funding(bench: Bench) -> None:
    """At its mark, or at the close before it; what may not be told yet is left out."""
    now = bench.world.now
    early, late = now - timedelta(hours=20), now - timedelta(hours=10)
    bench.fund((early, 0.0002, 91.5), (late, -0.0001, None), (now, 0.5, 1.0))
    with bench.db.transaction() as tx:
        since = now - timedelta(hours=BARS)
        found = material_of_market(tx, bench.instrument.id, timedelta(hours=1), since, now)
    assert found.funding is not None
    assert [stamp // 10**9 for stamp in found.funding.ts.tolist()] == [
        int(early.timestamp()), int(late.timestamp()),
    ]  # fmt: skip
    assert found.funding.rate.tolist() == [0.0002, -0.0001]
    # Ten bars lie behind the second stamp: the eleventh from the end closed at it.
    assert found.funding.mark.tolist() == [91.5, walk()[-11]]


def test_two_flows_that_trade_alike_have_a_study_each(bench: Bench) -> None:
    other = bench.world.creator("bert")
    with bench.db.transaction() as tx:
        change_terms(tx, bench.author, other.id, params=bench.params, reason="a test")
    bench.let(Mode.ACTING, CALENDAR, rhythm="daily")
    decisions = bench.run(CALENDAR)
    assert [one.state for one in decisions] == ["done", "done"]
    assert len({bench.study(one) for one in decisions}) == 2


def test_no_second_study_begins_while_one_runs(bench: Bench) -> None:
    bench.let(Mode.RECOMMENDING, CALENDAR, rhythm="daily", cooldownHours=0)
    bench.let(Mode.RECOMMENDING, cooldownHours=0)
    (first,), (second,) = bench.run(CALENDAR), bench.run()
    one = bench.person("grace")
    with bench.db.transaction() as tx:
        assert accept(tx, one, CALENDAR, first.id, bench.world.now).state == "done"
        assert accept(tx, one, OPTIMISE, second.id, bench.world.now).state == "refused"
    assert bench.refusal(second) == "search_runs"
    bench.world.advance(24)
    assert bench.run() == []
    bench.sound()


def test_terms_that_changed_meanwhile_refuse_what_was_recommended(bench: Bench) -> None:
    bench.let(Mode.RECOMMENDING)
    (decision,) = bench.run()
    with bench.db.transaction() as tx:
        change_terms(
            tx, bench.author, bench.flow.id, params=bench.params | {"fast": 12}, reason="a test"
        )
        accept(tx, bench.person("grace"), OPTIMISE, decision.id, bench.world.now)
    assert bench.refusal(decision) == "terms_changed"
    assert bench.world.one("SELECT count(*) FROM studies") == 0


def test_its_budget_of_a_day_is_kept(bench: Bench) -> None:
    bench.let(Mode.ACTING, budget=0)
    (decision,) = bench.run()
    assert (decision.state, bench.refusal(decision)) == ("refused", "budget_spent")
    bench.sound()


def test_a_person_says_no_and_then_yes(bench: Bench) -> None:
    asker, other = bench.person("grace"), bench.person("henry")
    bench.let(Mode.ACTING, needs_approval=True, asked_of=asker.user_id, cooldownHours=0)
    (decision,) = bench.run()
    assert decision.state == "waiting"
    assert decision.approval_id is not None
    with bench.db.transaction() as tx:
        reject_and_give_back(tx, decision.approval_id, other, bench.world.now, "not now")
    assert bench.last().state == "rejected"
    bench.world.advance(24)
    (again,) = bench.run()
    assert again.approval_id is not None
    with bench.db.transaction() as tx:
        approve_and_carry_out(tx, again.approval_id, other, bench.world.now)
    assert bench.last().state == "done"
    bench.sound()


def test_a_record_that_is_strong_or_short_is_left_alone(bench: Bench) -> None:
    bench.let(Mode.ACTING, sharpe=-1000, drawdown=0.5)
    assert bench.run() == []
    bench.let(Mode.ACTING, leastDays=11)  # it has ten, and what it began with
    assert bench.run() == []
    bench.let(Mode.OFF)
    assert bench.run() == []


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"highDays": 10}, {"code": "no_new_high", "days": 10, "from": 10}),
        # Each day falls by 2 of what is less than the day before: the last is the worst of all.
        ({"spanDays": 1}, {"code": "weak_return", "quantile": 0.0, "days": 1, "below": 0.05}),
        ({"daily": True}, {"code": "daily"}),
    ],
)
def test_each_trigger_is_a_reason_with_its_figures(
    bench: Bench, terms: dict[str, Any], reason: dict[str, Any]
) -> None:
    bench.let(Mode.RECOMMENDING, sharpe=-1000, drawdown=0.5, **terms)
    (decision,) = bench.run()
    (said,) = decision.because
    assert {name: said[name] for name in reason} == reason


def test_what_comes_later_changes_no_decision(bench: Bench) -> None:
    """Bars and NAV after the moment are others: evidence and decision are the same."""
    terms = OPTIMISE.terms.model_validate(SMALL)
    seen = []
    for other in (1.0, 3.0):
        later = [close * other for close in walk(48, seed=9)]
        with psycopg.connect(bench.db.owner_url) as owner:
            owner.execute("DELETE FROM market_bars WHERE ts >= %s", (bench.world.now,))
            owner.execute("DELETE FROM nav_history WHERE at > %s", (bench.world.now,))
            owner.execute(
                "INSERT INTO nav_history SELECT (jsonb_populate_record(h, jsonb_build_object("
                " 'at', h.at + interval '1 day', 'nav', h.nav * %s))).*"
                " FROM nav_history h WHERE at = %s",
                (other, bench.world.now),
            )
        bench.store(later, bench.world.now + timedelta(hours=48))
        with bench.db.transaction() as tx:
            seen.append(list(OPTIMISE.look(tx, bench.world.now, lambda _: terms)))
    assert seen[0] == seen[1]
    assert len(seen[0]) == 1


# --- By the calendar ---------------------------------------------------------------------------


def test_a_week_begins_one_search_by_the_calendar(bench: Bench) -> None:
    # Ten days after Monday the 5th it is Thursday the 15th: the week's Wednesday has passed.
    told = {"rhythm": "weekly", "weekday": 2, "events": False, "cooldownHours": 0}
    bench.let(Mode.RECOMMENDING, CALENDAR, **told)
    (decision,) = bench.run(CALENDAR)
    assert decision.because == [
        {"code": "by_calendar", "rhythm": "weekly", "due": "weekly:2026-W03"}
    ]
    assert bench.run(CALENDAR) == []
    bench.world.advance(24 * 6)  # the next Wednesday
    (again,) = bench.run(CALENDAR)
    assert again.because[0]["due"] == "weekly:2026-W04"
    assert datetime(2026, 1, 21, tzinfo=UTC) == bench.world.now


def test_something_that_happened_begins_one(bench: Bench) -> None:
    bench.let(Mode.RECOMMENDING, CALENDAR, rhythm="none", cooldownHours=0)
    assert [one.because for one in bench.run(CALENDAR)] == []
    with bench.db.transaction() as tx:
        params = bench.params | {"fast": 12}
        change_terms(tx, bench.author, bench.flow.id, params=params, reason="promoted")
    (decision,) = bench.run(CALENDAR)
    assert decision.because == [{"code": "new_version", "version": 3}]
    # Three hours of nothing, then an hour.
    bench.world.advance(24)
    bench.store([100.0], bench.world.now)
    (hole,) = [one for one in bench.run(CALENDAR) if one.because[0]["code"] == "bars_after_hole"]
    before = START + timedelta(days=10)
    assert hole.because[0]["from"] == f"{before:%Y-%m-%dT%H:%M:%SZ}"
    assert hole.because[0]["until"] == f"{before + timedelta(hours=23):%Y-%m-%dT%H:%M:%SZ}"


def test_a_breaker_that_opens_has_it_look_at_once_and_does_not_keep_it(bench: Bench) -> None:
    bench.let(Mode.ACTING)
    heed_events(bench.db, bench.author)  # it takes note of where the trail ends
    assert bench.world.one("SELECT count(*) FROM decisions") == 0
    with bench.db.transaction() as tx:
        stop(tx, bench.author, Level.PLATFORM, "", Effect.NO_ENTRIES, "a test")
    heed_events(bench.db, bench.author)
    last = bench.last()
    assert (last.ability, last.state) == ("optimise", "done")


def test_a_decision_that_is_cut_short_is_not_begun(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is one transaction: the decision, the study, what they are linked by, and the work
    that a worker will find."""
    bench.let(Mode.ACTING)

    class Cut(Exception):
        pass

    def cut(*_: Any) -> None:
        raise Cut

    left = "SELECT (SELECT count(*) FROM decisions), (SELECT count(*) FROM studies),"
    left += " (SELECT count(*) FROM dbos.workflow_status)"
    monkeypatch.setattr("commenda.automation.orchestrator.link", cut)
    with pytest.raises(Cut):
        bench.run()
    assert bench.world.rows(left) == [(0, 0, 0)]
    monkeypatch.undo()
    assert [one.state for one in bench.run()] == ["done"]
    assert bench.world.rows(left) == [(1, 1, 1)]


def test_the_artefact_of_a_calendar_search_is_the_study_s_report(bench: Bench) -> None:
    bench.let(Mode.ACTING, CALENDAR, rhythm="daily")
    (decision,) = bench.run(CALENDAR)
    bench.work(bench.study(decision))
    assert bench.world.rows("SELECT state, reason FROM studies") == [("complete", None)]
    assert measure_effects(bench.db, bench.author, CALENDAR) == 1
    measured = bench.last()
    with bench.db.transaction() as tx:
        study = find_study(tx, bench.study(decision))
        assert study is not None
        report = report_of(tx, study)
        assert replays(CALENDAR, measured)
    assert report.result is not None
    assert (report.tried, len(report.result.walked)) == (12, 3)
    assert [(one.x, one.y) for one in report.result.heat_maps] == [("fast", "slow")]
    assert measured.effect is not None
    assert measured.effect["verdict"] == report.result.verdict


def test_a_calendar_search_is_taken_back_like_any(bench: Bench) -> None:
    bench.let(Mode.ACTING, CALENDAR, rhythm="daily")
    (decision,) = bench.run(CALENDAR)
    assert decision.state == "done"
    with bench.db.transaction() as tx:
        assert undo(tx, bench.author, CALENDAR, decision.id, "no").state == "undone"
    assert measure_effects(bench.db, bench.author, CALENDAR) == 0
    bench.sound()
