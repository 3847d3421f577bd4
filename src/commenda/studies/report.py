"""A study as it is drawn: by the console, and in the file that `commenda study … --html` writes."""

from __future__ import annotations

from commenda.kit.db import Tx
from commenda.strategies import plain_terms
from commenda.studies import queries
from commenda.studies.bodies import InputsView, ResultView, StudyReport, StudyView, TriedView
from commenda.studies.model import Study
from commenda.studies.plain import plain, plan_of
from commenda.studies.running import summary

MOST_DRAWN = 1_000
"""Trials: more are no more to be seen in a chart, and a table of them is a file."""


def report_of(tx: Tx, study: Study) -> StudyReport:
    """All of a study that is drawn."""
    counts = queries.count_trials(tx, study.id)
    result = None if study.result is None else ResultView(**study.result)
    chosen = []
    if result is not None:
        chosen = [result.best.number, *result.front, *(one.number for one in result.walked)]
    tried = queries.last_number(tx, study.id) + 1
    trials = queries.trials_of(
        tx,
        study.id,
        tuple(study.space),
        every=-(-tried // MOST_DRAWN) or 1,
        besides=chosen,
        periods=False,
    )
    return StudyReport(
        study=StudyView(**summary(study, counts)),
        inputs=_inputs(study),
        result=result,
        tried=tried,
        trials=[TriedView(**TriedView.figures(one)) for one in trials],
    )


def _inputs(study: Study) -> InputsView:
    plan = plan_of(study.plan)
    kept = {name: getattr(study, name) for name in InputsView.model_fields if hasattr(study, name)}
    costs, terms = plain_terms(plan.costs), plain_terms(plan.terms)
    how = {"walk": plain(plan.walk), "costs": costs, "terms": terms}
    return InputsView.model_validate(kept | how | {"cash": plan.cash, "seed": plan.seed})
