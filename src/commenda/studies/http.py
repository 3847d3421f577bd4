"""The optimiser over HTTP. Creators ask for studies and see their own; the staff sees all.

A study runs in a process of its own, started by a worker: it answers 202, and is looked up.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Response

from commenda.audit import record
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.db import Tx
from commenda.kit.errors import conflict, unknown
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    problems,
    routes,
    write,
)
from commenda.kit.work import RULES
from commenda.ledger import Author
from commenda.studies import queries
from commenda.studies.asked import ask_for_study
from commenda.studies.bodies import (
    FoldView,
    ResultView,
    StudyReport,
    StudyRequest,
    StudyView,
    TrialView,
)
from commenda.studies.model import Outcome, Study, Trial, TrialState
from commenda.studies.plain import plain
from commenda.studies.report import report_of
from commenda.studies.running import cancel, summary

router = routes("optimizer", "/optimizer")
Quant = Annotated[Principal, may(Permission.SHARE, Permission.OVERVIEW)]
"""Creators see their own; the staff sees all."""
Runner = Annotated[Principal, may(Permission.SHARE, Permission.SCHEDULES)]
"""Creators study, and cancel their own; operators may cancel any; who only watches does neither."""


@router.post(
    "/run",
    operation_id="runStudy",
    status_code=202,
    response_model=StudyView,
    responses=GUARDED | problems(404, 409),
)
def run_study(
    service: Served, who: Runner, body: StudyRequest, key: IdempotencyKey = None
) -> Response:
    """Have a worker search a strategy's parameters over imported candles, and judge the best."""
    return write(
        service,
        who,
        "study",
        key,
        body,
        lambda tx, now: _view(
            tx, ask_for_study(tx, body, service.settings.data.resolve(), who.actor, now)
        ),
        status=202,
        principal=who.actor,
    )


@router.get("/studies", operation_id="listStudies", responses=GUARDED)
def list_studies(service: Served, who: Quant, asked: Paged) -> Page[StudyView]:
    """Studies, the latest first: one's own, or everybody's for the staff."""
    before = asked.after(datetime, UUID)
    with service.database.transaction() as tx:
        rows = queries.studies_where(tx, asked_by=_seen_by(who), before=before, limit=asked.rows)
        views = [_view(tx, one) for one in rows]
    return asked.page(views, lambda one: (one.created_at, one.id))


@router.get("/studies/{study_id}", operation_id="getStudy", responses=GUARDED | problems(404))
def get_study(service: Served, who: Quant, study_id: UUID) -> StudyView:
    """One study: how far it is, and its verdict once it is complete."""
    with service.database.transaction() as tx:
        return _view(tx, _one(tx, who, study_id))


@router.get(
    "/studies/{study_id}/trials",
    operation_id="listTrials",
    responses=GUARDED | problems(404),
)
def list_trials(service: Served, who: Quant, study_id: UUID, asked: Paged) -> Page[TrialView]:
    """A study's trials by number, those that run among them."""
    after = asked.after(int)
    with service.database.transaction() as tx:
        study = _one(tx, who, study_id)
        rows = queries.trials_of(
            tx,
            study.id,
            tuple(study.space),
            after=-1 if after is None else after,
            limit=asked.rows,
            periods=False,
        )
    return asked.page(list(map(_trial, rows)), lambda one: one.number)


@router.get(
    "/studies/{study_id}/result",
    operation_id="getStudyResult",
    responses=GUARDED | problems(404, 409),
)
def get_result(service: Served, who: Quant, study_id: UUID) -> ResultView:
    """The verdict with its reasons, the best, the walk forward and the heat maps."""
    with service.database.transaction() as tx:
        return ResultView(**_finished(_one(tx, who, study_id)).result or {})


@router.get(
    "/studies/{study_id}/report", operation_id="getStudyReport", responses=GUARDED | problems(404)
)
def get_report(service: Served, who: Quant, study_id: UUID) -> StudyReport:
    """All of a study that is drawn: how far it is, its inputs, its result and its trials."""
    with service.database.transaction() as tx:
        return report_of(tx, _one(tx, who, study_id))


@router.post(
    "/studies/{study_id}/cancel",
    operation_id="cancelStudy",
    response_model=StudyView,
    responses=GUARDED | problems(404, 409),
)
def cancel_study(
    service: Served, who: Runner, study_id: UUID, key: IdempotencyKey = None
) -> Response:
    """Have a study stop after its present batch. What it tried stays in the ledger.

    A study that has ended stays as it is.
    """

    def act(tx: Tx, now: datetime) -> StudyView:
        study = _one(tx, who, study_id)
        if cancel(tx, study.id, now, f"cancelled by {who.actor}"):
            author = Author(who.actor, RULES, now)
            told = {"kind": "study"}
            record(tx, [author.event("work.cancelled", study.id, study.id, "done", told)])
        return _view(tx, _one(tx, who, study_id))

    return write(service, who, "cancel-study", key, {"studyId": str(study_id)}, act)


def _seen_by(who: Principal) -> str | None:
    """Whose studies somebody may see; None for everybody's."""
    return None if who.may(Permission.OVERVIEW) else who.actor


def _one(tx: Tx, who: Principal, study_id: UUID) -> Study:
    study = queries.find_study(tx, study_id)
    if study is None or _seen_by(who) not in (None, study.asked_by):
        raise unknown("study", study_id, "study_id", "use one of the list of studies")
    return study


def _finished(study: Study) -> Study:
    if study.result is None:
        raise conflict("study_not_finished", "This study has no result").at(
            "state",
            study.state,
            "wait until it is complete" if study.state == "running" else study.reason,
        )
    return study


def _view(tx: Tx, study: Study) -> StudyView:
    return StudyView(**summary(study, queries.count_trials(tx, study.id)))


def _trial(trial: Trial) -> TrialView:
    outcome = trial.outcome or Outcome(TrialState.RUNNING)
    return TrialView(
        **TrialView.figures(trial),
        folds=[FoldView(**fold) for fold in plain(outcome.folds)],
        sharpe=outcome.sharpe,
        bars=outcome.bars,
    )
