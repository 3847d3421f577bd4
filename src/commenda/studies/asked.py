"""Studies that are asked for over HTTP: planned from the request, run by a worker."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from commenda.kit.clock import require_period
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.strategies import find_installed
from commenda.studies.bodies import StudyRequest
from commenda.studies.jobs import enqueue_study
from commenda.studies.material import material_of_import
from commenda.studies.model import Plan, Study
from commenda.studies.running import begin
from commenda.studies.space import space_of
from commenda.studies.splits import WalkForward

MOST_BARS = 2_000_000


def ask_for_study(tx: Tx, body: StudyRequest, home: Path, actor: str, now: datetime) -> Study:
    """Have a worker run it once this transaction commits; refusals name the field."""
    require_period("start", body.start, body.end)
    strategy = find_installed(body.strategy)
    space = space_of(strategy, body.space, body.params)
    walk = body.walk_forward
    plan = Plan(
        sampler=body.sampler,
        trials=body.trials,
        objectives=tuple(body.objectives),
        walk=WalkForward(walk.kind, walk.folds, walk.embargo) if walk else None,
        pruning=body.pruning,
        seed=body.seed,
        cash=body.cash,
        costs=body.costs,
        terms=body.terms,
    )
    material = material_of_import(
        tx,
        home,
        body.venue,
        body.symbol,
        body.step,
        funded=body.funding,
        since=body.start,
        until=body.end,
    )
    if len(material.bars) > MOST_BARS:
        raise CommendaError(
            "study_too_long", f"A study over HTTP has {MOST_BARS:,} bars at most"
        ).at(
            "start",
            len(material.bars),
            "choose a shorter period or a coarser interval, or run commenda study",
        )
    study = begin(
        tx,
        strategy,
        material,
        space,
        plan,
        now,
        asked_by=actor,
        periods_per_year=body.periods_per_year,
    )
    enqueue_study(tx, study.id, str(home))
    return study
