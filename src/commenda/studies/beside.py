"""A study of what a flow trades: begun over the live market's own bars, and held against what
trades there now.

The incumbent is run over the study's history under its plan, and measured in the ranges that the
walk forward was tested on; so both figures are of the same bars, at the same costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from commenda.kit import outbox
from commenda.kit.clock import business_now
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.strategies import find_installed
from commenda.studies.bodies import mean_sharpes
from commenda.studies.evaluate import evaluate
from commenda.studies.jobs import enqueue_study
from commenda.studies.material import material_again, material_of_market
from commenda.studies.model import Fold, Plan, Study, StudyState
from commenda.studies.queries import finish_study, running_studies
from commenda.studies.running import begin, course_of, run
from commenda.studies.space import space_of
from commenda.studies.workers import workers


@dataclass(frozen=True, slots=True)
class MarketSearch:
    """A study over stored bars: of which strategy, on what, from when to when, in what space."""

    strategy: str
    instrument_id: int
    interval: timedelta
    since: datetime
    until: datetime
    space: Mapping[str, str]
    fixed: Mapping[str, float]
    plan: Plan


def search_market(tx: Tx, asked: MarketSearch, actor: str, now: datetime) -> Study:
    """Have a worker run a study once this transaction commits; refusals as of `ask_for_study`.

    A replayed business has no workers: it runs its studies itself (`run_here`).
    """
    strategy = find_installed(asked.strategy)
    space = space_of(strategy, asked.space, asked.fixed)
    material = material_of_market(tx, asked.instrument_id, asked.interval, asked.since, asked.until)
    study = begin(tx, strategy, material, space, asked.plan, now, asked_by=actor)
    if outbox.has_queues(tx):
        enqueue_study(tx, study.id)
    return study


def run_here(database: Database) -> int:
    """Run every study over the live market that has not ended, in this process; how many. For a
    replay, whose time stands still meanwhile."""
    with database.read() as tx:
        waiting = [one for one in running_studies(tx) if "instrument" in one.data]
    for study in waiting:
        try:
            with database.read() as tx:
                hashes = study.data_hash, study.funding_hash
                material = material_again(tx, Path(), study.data, *hashes)
            with workers() as hands:
                run(database, study, find_installed(study.strategy), material, hands, business_now)
        except CommendaError as error:
            with database.transaction() as tx:  # of one that has ended this changes nothing
                end = StudyState.FAILED
                finish_study(tx, study.id, end, business_now(tx), reason=error.message)
    return len(waiting)


@dataclass(frozen=True, slots=True)
class OutOfSample:
    """Annual Sharpe ratios, means over the folds where they were tested; None where undefined, or
    of what was ruined. `chosen` is what each fold chose where it learned."""

    chosen: float | None
    incumbent: float | None


def out_of_sample(tx: Tx, study: Study, incumbent: Mapping[str, float]) -> OutOfSample:
    """What the choice of a complete study brought out of sample, and what the incumbent did in the
    same ranges; None of that where its history or its strategy is another by now."""
    walked = [Fold(**one["fold"]) for one in (study.result or {}).get("walked", ())]
    chosen = mean_sharpes(walked)[1] if walked else None
    return OutOfSample(chosen, _tested(tx, study, incumbent) if walked else None)


def _tested(tx: Tx, study: Study, params: Mapping[str, float]) -> float | None:
    try:
        strategy = find_installed(study.strategy)
        if strategy.source_hash != study.source_hash:
            return None
        hashes = study.data_hash, study.funding_hash
        course = course_of(study, material_again(tx, Path(), study.data, *hashes))
        given: dict[str, Any] = dict(params)
        outcome = evaluate(course, [strategy.bind(**given)])[0]
    except CommendaError:
        return None
    return mean_sharpes(outcome.folds)[1] if outcome.folds else None
