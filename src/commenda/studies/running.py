"""A study from its beginning to its verdict, through any number of kills.

Configurations are chosen in batches. Those of a batch are stored as running before they run, and
their outcomes in one transaction afterwards; so a killed study knows what it was at, and resuming
runs that again under the same numbers. Which process runs a study is settled by an advisory lock,
which a killed one loses with its connection.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from commenda.kernel import Program
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.times import iso
from commenda.returns import year_of
from commenda.strategies import Strategy, reference_to, terms_at
from commenda.studies import queries
from commenda.studies.evaluate import RUNGS, Course, evaluate, glimpse
from commenda.studies.material import Material
from commenda.studies.measures import is_number
from commenda.studies.model import Outcome, Plan, Sampler, Study, StudyState, Trial, TrialState
from commenda.studies.plain import plain, plan_of
from commenda.studies.rules import (
    best_of,
    evidence_of,
    finished,
    heat_maps,
    pareto_front,
    walked,
)
from commenda.studies.search import Asked, Search, search_of
from commenda.studies.space import Params, Space, space_of
from commenda.studies.splits import splits
from commenda.studies.verdict import Thresholds, judge
from commenda.studies.workers import Workers

MOST_POINTS = 1_000_000
"""Of a grid, which is listed before it is tried."""

MOST_REFUSED = 10
"""A study ends after so many times its trials, where the strategy refuses most of its space."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a study is: trials that ran, of how many, and the best value so far."""

    ran: int
    trials: int
    best: float | None


def begin(
    tx: Tx,
    strategy: Strategy,
    material: Material,
    space: Space,
    plan: Plan,
    now: datetime,
    *,
    asked_by: str,
    periods_per_year: float | None = None,
) -> Study:
    """Store a new study; it has not run yet. Ratios are annualised as the bars' calendar has it
    (`returns.year_of`), or by `periods_per_year`.

    Codes of `terms_at`, `short_history`, `endless_dimension` (a grid without steps),
    `grid_too_large` and `anonymous_strategy` (one that no name or file leads back to, so that it
    could not be resumed).
    """
    reference = reference_to(strategy)
    if reference is None:
        raise CommendaError(
            "anonymous_strategy",
            "A study resumes a strategy by its name or file, and this one has neither",
        ).at("strategy", strategy.name, "put it into a file or a package")
    plan = replace(plan, terms=terms_at(plan.terms, spot=material.spot))
    purge = space.longest_warmup(strategy)
    if plan.walk is not None:
        splits(len(material.bars), plan.walk, purge)
    if plan.sampler is Sampler.GRID:
        if space.size is None:
            for dimension in space.dimensions:
                dimension.values()  # says which one has no end
        elif space.size > MOST_POINTS:  # before it is listed
            raise CommendaError("grid_too_large", f"The grid has {space.size:,} points").at(
                "space",
                ", ".join(f"{name}={text}" for name, text in space.texts().items()),
                f"take longer steps, at most {MOST_POINTS:,} points, or another sampler",
            )
    interval = timedelta(seconds=material.interval_seconds)
    year = year_of(material.bars.ts, interval, periods_per_year)
    written: dict[str, Any] = plain(plan) | {"year": plain(year)}
    study = Study(
        id=ids.derive(
            "study", strategy.source_hash, material.sha256, space, written, asked_by, now
        ),
        strategy=strategy.name,
        version=strategy.version,
        reference=reference,
        source_hash=strategy.source_hash,
        data_name=material.name,
        data_hash=material.sha256,
        funding_hash=material.funding_sha256,
        data=material.where,
        interval_seconds=material.interval_seconds,
        bars=len(material.bars),
        purge=purge,
        space=space.texts(),
        fixed=dict(space.fixed),
        plan=written,
        asked_by=asked_by,
        created_at=now,
    )
    if not queries.insert_study(tx, study):
        raise conflict("study_exists", "The same study was begun at this very moment").at(
            "id", study.id, "look at that one, or begin again"
        )
    return study


def run(
    database: Database,
    study: Study,
    strategy: Strategy,
    material: Material,
    hands: Workers,
    clock: Callable[[Tx], datetime],
    *,
    seen: Callable[[Progress], None] = lambda _: None,
    limits: Thresholds | None = None,
) -> dict[str, Any] | None:
    """Run what a study has left, judge it, and return its result; None if it was cancelled.

    Codes `source_changed` (the strategy is not the one the study began with), `study_is_running`
    (in another process) and `nothing_ran` (every configuration was refused or failed).
    """
    if strategy.source_hash != study.source_hash:
        raise CommendaError(
            "source_changed", "The strategy is not the one that the study began with"
        ).at("strategy", study.strategy, "begin a new study")
    with alone(database, study.id):
        desk = _Desk(database, study, strategy, material, hands)
        if not desk.search_through(seen):
            return None
        try:
            result = conclude(database, study, desk.space, limits or Thresholds())
        except CommendaError as error:
            with database.transaction() as tx:
                now, said = clock(tx), error.message
                queries.finish_study(tx, study.id, StudyState.FAILED, now, reason=said)
            raise
        with database.transaction() as tx:
            done = queries.finish_study(tx, study.id, StudyState.COMPLETE, clock(tx), result=result)
        return result if done else None


def course_of(study: Study, material: Material) -> Course:
    """What each configuration of a study is run over, and measured in."""
    plan = plan_of(study.plan)
    return Course(
        bars=material.bars,
        funding=material.funding,
        costs=plan.costs,
        cash=plan.cash,
        terms=plan.terms,
        year=study.year,
        objectives=plan.objectives,
        splits=splits(len(material.bars), plan.walk, study.purge) if plan.walk else (),
    )


class _Desk:
    """One run of one study in this process."""

    def __init__(
        self,
        database: Database,
        study: Study,
        strategy: Strategy,
        material: Material,
        hands: Workers,
    ) -> None:
        self.database, self.study, self.strategy = database, study, strategy
        self.hands = hands
        self.plan = plan_of(study.plan)
        self.space = space_of(strategy, study.space, study.fixed)
        self.defaults = {param.name: param.default for param in strategy.params}
        self.course = course_of(study, material)
        self.known: dict[tuple[float, ...], Outcome] = {}
        """Outcomes by configuration: a sampler that asks for one again is told the same."""

    def search_through(self, seen: Callable[[Progress], None]) -> bool:
        """Ask, run and tell until the plan is fulfilled; False if the study was cancelled."""
        search = search_of(self.plan, self.space, lambda params: self.refusal(params) is None)
        with self.database.transaction() as tx:
            names = [one.name for one in self.space.dimensions]
            recorded = {one.number: one for one in queries.trials_of(tx, self.study.id, names)}
        for trial in recorded.values():
            self._remember(trial.params, trial.outcome)
        aim = self.plan.aims[0]
        number, ran, best = 0, 0, None
        while ran < self.plan.trials and number < self.plan.trials * MOST_REFUSED:
            count = min(self.plan.batch, self.plan.trials - ran)
            before = [recorded[at] for at in range(number, number + count) if at in recorded]
            asked = search.ask(count, [one.params for one in before])
            if not asked:
                break
            if not self._note(number, asked, before):
                return False
            outcomes = self._outcomes(number, search, asked, before)
            for one, outcome in zip(asked, outcomes, strict=True):
                search.tell(one, outcome)
                ran += outcome.state in (TrialState.COMPLETE, TrialState.PRUNED)
                value = outcome.values[0] if outcome.values else None
                if is_number(value):
                    best = value if best is None else aim.better(best, value)
            number += len(asked)
            seen(Progress(ran, self.plan.trials, best))
        return True

    def _note(self, number: int, asked: Sequence[Asked], before: Sequence[Trial]) -> bool:
        """Store the new ones of a batch as running; False if the study is to stop."""
        fresh = [
            (number + place, self.defaults | self.space.whole(one.params))
            for place, one in enumerate(asked)
        ][len(before) :]
        with self.database.transaction() as tx:
            if queries.state_of(tx, self.study.id) is not StudyState.RUNNING:
                return False
            queries.insert_trials(tx, self.study.id, fresh)
        return True

    def _outcomes(
        self, number: int, search: Search, asked: Sequence[Asked], before: Sequence[Trial]
    ) -> list[Outcome]:
        """The outcome of each of a batch: recorded, known, refused, or run now and stored."""
        outcomes: dict[int, Outcome] = {
            place: one.outcome for place, one in enumerate(before) if one.outcome is not None
        }
        recorded = set(outcomes)
        programs: dict[int, Program] = {}
        for place, one in enumerate(asked):
            if place in outcomes:
                continue
            known = self.known.get(tuple(one.params.values()))
            refusal = self.refusal(one.params)
            if known is not None:
                outcomes[place] = dataclasses.replace(known, seconds=0.0)
            elif refusal is not None:
                outcomes[place] = Outcome(TrialState.FAILED, reason=refusal)
            else:
                programs[place] = self.strategy.bind(**self.space.whole(one.params))
        rungs: dict[int, tuple[float | None, ...]] = dict.fromkeys(programs, ())
        for rung in range(len(RUNGS)) if self.plan.pruning else ():
            views = self.hands.over(glimpse, self.course, list(programs.values()), rung)
            for place, view in zip(list(programs), views, strict=True):
                rungs[place] += view.rungs
                failed = view.state is TrialState.FAILED
                if failed or search.hopeless(asked[place], rung, view.rungs[-1]):
                    outcomes[place] = dataclasses.replace(view, rungs=rungs[place])
                    del programs[place]
        ended = self.hands.over(evaluate, self.course, list(programs.values()))
        for place, outcome in zip(programs, ended, strict=True):
            outcomes[place] = dataclasses.replace(outcome, rungs=rungs[place])
        fresh = [(number + at, outcomes[at]) for at in sorted(outcomes) if at not in recorded]
        with self.database.transaction() as tx:
            queries.save_outcomes(tx, self.study.id, fresh)
        for place, one in enumerate(asked):
            self._remember(one.params, outcomes[place])
        return [outcomes[place] for place in range(len(asked))]

    def _remember(self, params: Params, outcome: Outcome | None) -> None:
        if outcome is not None and outcome.state is not TrialState.FAILED:
            self.known[tuple(params.values())] = outcome

    def refusal(self, params: Params) -> str | None:
        """Why the strategy does not take a configuration; None where it does."""
        try:
            self.strategy.resolve(self.space.whole(params))
        except CommendaError as error:
            return error.message
        return None


def conclude(database: Database, study: Study, space: Space, limits: Thresholds) -> dict[str, Any]:
    """The best of a study, the evidence, the verdict and the maps, as plain JSON."""
    plan = plan_of(study.plan)
    names = [one.name for one in space.dimensions]
    with database.transaction() as tx:
        trials = queries.trials_of(tx, study.id, names)
        ledger = queries.ledger_of(tx, study.strategy, study.data_hash)
    best = best_of(trials, plan.aims[0])
    if best is None or best.outcome is None:
        raise CommendaError("nothing_ran", _nothing(trials, plan.objectives[0])).at(
            "space",
            ", ".join(f"{name}={text}" for name, text in study.space.items()),
            "look at the trials' reasons: study show",
        )
    evidence = evidence_of(
        trials, best, space, plan.aims, plan.walk, ledger, study.year, plan.seed, limits
    )
    verdict = judge(evidence, limits)
    found: dict[str, Any] = plain(
        {
            "verdict": verdict.grade,
            "reasons": verdict.reasons,
            "findings": verdict.findings,
            "best": {
                "number": best.number,
                "params": space.whole(best.params),
                "values": dict(zip(plan.objectives, best.outcome.values, strict=True)),
                "trades": best.outcome.trades,
                "folds": best.outcome.folds,
            },
            "front": pareto_front(trials, plan.aims) if len(plan.aims) > 1 else (),
            "walked": walked(trials, plan.aims[0]),
            "evidence": evidence,
            "limits": limits,
            "heat_maps": heat_maps(trials, space),
        }
    )
    return found


def _nothing(trials: Sequence[Trial], objective: str) -> str:
    """Why a study has no best: all were refused or failed, or ruined, or traded nothing."""
    ended = finished(trials)
    if ended:
        ruined = sum(outcome.ruined for _, outcome in ended)
        rest = len(ended) - ruined
        return f"No configuration has a {objective}: {ruined} were ruined, {rest} have none"
    reasons = (one.outcome.reason for one in trials if one.outcome and one.outcome.reason)
    first = next(reasons, None)
    return "No configuration ran to the end" + (f"; the first: {first}" if first else "")


@contextmanager
def alone(database: Database, study_id: UUID) -> Iterator[None]:
    """Hold a study for this process as long as it runs; code `study_is_running`."""
    key = int.from_bytes(study_id.bytes[:8], "big", signed=True)
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
        if row is None or not row[0]:
            raise CommendaError("study_is_running", "Another process runs this study").at(
                "id", study_id, "wait for it, or cancel the study"
            )
        try:
            yield
        finally:  # the server ends a session some time after it was closed
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock(%s)", (key,))


def cancel(tx: Tx, study_id: UUID, now: datetime, reason: str) -> bool:
    """Have a study stop after its present batch; False where it does not run any more."""
    return queries.finish_study(tx, study_id, StudyState.CANCELLED, now, reason=reason)


def summary(study: Study, counts: Mapping[str, int]) -> dict[str, Any]:
    """A study in short, as lists show it."""
    result = study.result or {}
    best = result.get("best", {})
    return {
        "id": str(study.id),
        "strategy": study.strategy,
        "version": study.version,
        "data": study.data_name,
        "bars": study.bars,
        "sampler": study.plan["sampler"],
        "objectives": study.plan["objectives"],
        "trials": study.plan["trials"],
        "ran": counts.get("complete", 0) + counts.get("pruned", 0),
        "refused": counts.get("failed", 0),
        "ruined": counts.get("ruined", 0),
        "periods_per_year": study.year.periods,
        "calendar": study.year.calendar,
        "state": str(study.state),
        "reason": study.reason,
        "verdict": result.get("verdict"),
        "best": best.get("params"),
        "value": next(iter(best.get("values", {}).values()), None),
        "asked_by": study.asked_by,
        "created_at": iso(study.created_at),
        "finished_at": study.finished_at and iso(study.finished_at),
    }
