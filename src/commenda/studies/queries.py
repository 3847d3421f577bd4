"""SQL of studies and their trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import numpy as np
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from commenda.kit.db import Tx
from commenda.kit.rows import first, put, records
from commenda.studies.model import Fold, Outcome, Study, StudyState, Trial, TrialState
from commenda.studies.rules import Ledger

_STUDY: LiteralString = (
    "SELECT id, strategy, version, reference, source_hash, data_name, data_hash, funding_hash,"
    " data, interval_seconds, bars, purge, space, fixed, plan, state, reason, asked_by,"
    " created_at, finished_at, result FROM studies"
)


def insert_study(tx: Tx, study: Study) -> bool:
    """Store a new study; False where there is one of this id already."""
    stored = asdict(study)
    parts = {name: Jsonb(stored[name]) for name in ("data", "space", "fixed", "plan")}
    ends = ("state", "reason", "finished_at", "result")  # which it has by default until it ends
    new = {name: value for name, value in (stored | parts).items() if name not in ends}
    return put(tx, "INSERT INTO studies", new)


def find_study(tx: Tx, study_id: UUID) -> Study | None:
    """One study, or None."""
    return first(tx, Study, _STUDY + " WHERE id = %s", (study_id,))


def studies_where(
    tx: Tx,
    *,
    asked_by: str | None = None,
    strategy: str | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[Study]:
    """Studies, newest first; `before` is where the page before ended."""
    at, last = before or (None, None)
    return records(
        tx,
        Study,
        _STUDY + " WHERE (%(asked_by)s::text IS NULL OR asked_by = %(asked_by)s)"
        " AND (%(strategy)s::text IS NULL OR strategy = %(strategy)s)"
        " AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s))"
        " ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
        {"asked_by": asked_by, "strategy": strategy, "at": at, "id": last, "limit": limit},
    )


def running_studies(tx: Tx) -> list[Study]:
    """Studies that have not ended, the earliest first."""
    return records(tx, Study, _STUDY + " WHERE state = 'running' ORDER BY created_at, id")


def state_of(tx: Tx, study_id: UUID) -> StudyState:
    """How far a study is, by its row."""
    row = tx.execute("SELECT state FROM studies WHERE id = %s", (study_id,)).fetchone()
    assert row is not None
    return StudyState(row[0])


def finish_study(
    tx: Tx,
    study_id: UUID,
    state: StudyState,
    now: datetime,
    *,
    reason: str | None = None,
    result: Mapping[str, Any] | None = None,
) -> bool:
    """End a running study; False where it is not running."""
    return bool(
        tx.execute(
            "UPDATE studies SET state = %s, reason = %s, finished_at = %s, result = %s"
            " WHERE id = %s AND state = 'running'",
            (state, reason, now, None if result is None else Jsonb(dict(result)), study_id),
        ).rowcount
    )


def insert_trials(
    tx: Tx, study_id: UUID, numbered: Sequence[tuple[int, Mapping[str, float]]]
) -> None:
    """Note configurations that are about to run, with all their parameters."""
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO study_trials (study_id, number, params) VALUES (%s, %s, %s)",
            [(study_id, number, Jsonb(dict(params))) for number, params in numbered],
        )


def save_outcomes(tx: Tx, study_id: UUID, numbered: Sequence[tuple[int, Outcome]]) -> None:
    """Note what came of running trials."""
    with tx.cursor() as cursor:
        cursor.executemany(
            'UPDATE study_trials SET state = %(state)s, "values" = %(values)s, rungs = %(rungs)s,'
            " folds = %(folds)s, sharpe = %(sharpe)s, skew = %(skew)s, kurtosis = %(kurtosis)s,"
            " bars = %(bars)s, trades = %(trades)s, periods = %(periods)s, reason = %(reason)s,"
            " seconds = %(seconds)s"
            " WHERE study_id = %(study)s AND number = %(number)s AND state = 'running'",
            [
                _stored(outcome) | {"study": study_id, "number": number}
                for number, outcome in numbered
            ],
        )


def _stored(outcome: Outcome) -> dict[str, Any]:
    periods = None if outcome.periods is None else outcome.periods.astype("<f8").tobytes()
    return asdict(outcome) | {
        "values": list(outcome.values),
        "rungs": list(outcome.rungs),
        "folds": [figure for fold in outcome.folds for figure in fold],
        "periods": periods,
    }


def trials_of(
    tx: Tx,
    study_id: UUID,
    names: Sequence[str],
    *,
    after: int = -1,
    limit: int | None = None,
    every: int = 1,
    besides: Sequence[int] = (),
    periods: bool = True,
) -> list[Trial]:
    """Trials by number, with the parameters of these `names`: each, or one of `every` so many and
    those of some numbers `besides`."""
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            'SELECT number, params, state, "values", rungs, folds, sharpe, skew, kurtosis, bars,'
            " trades, CASE WHEN %s THEN periods END AS periods, reason, seconds FROM study_trials"
            " WHERE study_id = %s AND number > %s AND (number %% %s = 0 OR number = ANY(%s))"
            " ORDER BY number LIMIT %s",
            (periods, study_id, after, every, list(besides), limit),
        ).fetchall()
    return [_trial(names, **row) for row in rows]


def _trial(names: Sequence[str], number: int, params: dict[str, Any], **found: Any) -> Trial:
    outcome = None
    if found["state"] != TrialState.RUNNING:
        folds, periods = found["folds"], found["periods"]
        found |= {
            "state": TrialState(found["state"]),
            "values": tuple(found["values"]),
            "rungs": tuple(found["rungs"]),
            "folds": tuple(Fold(*folds[place : place + 4]) for place in range(0, len(folds), 4)),
            "periods": None if periods is None else np.frombuffer(periods, "<f8").astype("=f8"),
        }
        outcome = Outcome(**found)
    return Trial(number, {name: float(params[name]) for name in names}, outcome)


def last_number(tx: Tx, study_id: UUID) -> int:
    """The number of the latest trial; -1 before the first."""
    row = tx.execute(
        "SELECT coalesce(max(number), -1) FROM study_trials WHERE study_id = %s", (study_id,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def count_trials(tx: Tx, study_id: UUID) -> dict[str, int]:
    """How many trials of a study are in each state, and of the complete ones how many `ruined`."""
    rows = tx.execute(
        "SELECT state, count(*)::int,"
        " count(*) FILTER (WHERE \"values\"[1] IN ('Infinity', '-Infinity'))::int"
        " FROM study_trials WHERE study_id = %s GROUP BY state",
        (study_id,),
    ).fetchall()
    return {state: count for state, count, _ in rows} | {"ruined": sum(row[2] for row in rows)}


def ledger_of(tx: Tx, strategy: str, data_hash: str) -> Ledger:
    """What was ever evaluated of a strategy on these bars, over all studies.

    A configuration is a source and all its parameters; that it was run twice, or at other costs,
    does not make it two. One that ended early counts with the ratio it had, unless another study
    ran it to the end. A ratio that is undefined (it never traded) is 0.
    """
    row = tx.execute(
        "SELECT count(*)::int, coalesce(var_samp(sharpe), 0) FROM ("
        " SELECT DISTINCT ON (s.source_hash, t.params) coalesce(t.sharpe, 0) AS sharpe"
        "  FROM study_trials t JOIN studies s ON s.id = t.study_id"
        "  WHERE s.strategy = %s AND s.data_hash = %s AND t.state IN ('complete', 'pruned')"
        "  ORDER BY s.source_hash, t.params, t.state, s.created_at, t.number) AS each",
        (strategy, data_hash),
    ).fetchone()
    assert row is not None
    return Ledger(row[0], float(row[1]))
