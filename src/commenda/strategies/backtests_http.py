"""Backtests over HTTP: run over imported candles, kept, listed, shown and compared.

A short run answers its request; a longer one is accepted, and a worker runs it. Whoever runs a
backtest sees it, and so does the staff.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Response

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    key_or_new,
    problems,
    routes,
    write,
)
from commenda.kit.work import Work
from commenda.strategies.asked import ask_for_run, plan_of, run_and_keep
from commenda.strategies.bodies import BacktestRequest
from commenda.strategies.runs import (
    BacktestReport,
    BacktestSummary,
    BacktestView,
    Comparison,
    compared,
    kept_runs,
    shown_run,
)

MOST_BARS = 2_000_000
"""Of one run: nearly four years of minutes."""
AT_ONCE = 100_000
"""Bars of a run that answers its request: ten weeks of minutes."""
_AT_ONCE = threading.BoundedSemaphore(1)
"""Of the threads that answer requests one runs backtests, and the others answer."""

router = routes("backtests", "/backtests")
Quant = Annotated[Principal, may(Permission.SHARE, Permission.OVERVIEW)]
"""Creators see their own; the staff sees all."""
Runner = Annotated[Principal, may(Permission.SHARE, Permission.SCHEDULES)]
"""Creators run their own, operators run anything; who only watches runs nothing."""

Prefer = Annotated[
    str | None,
    Header(max_length=100, description="`respond-async` for 202 in any case (RFC 7240)."),
]

Ids = Annotated[
    str,
    Query(
        min_length=36,
        max_length=400,
        pattern=r"^[0-9a-f-]{36}(,[0-9a-f-]{36})*$",
        description="Two to eight ids, separated by commas.",
    ),
]


@router.post(
    "",
    operation_id="runBacktest",
    status_code=201,
    response_model=BacktestView,
    responses=GUARDED | problems(404, 409) | {202: {"model": Work, "description": "Accepted."}},
)
def run_backtest(
    service: Served,
    who: Runner,
    body: BacktestRequest,
    key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Run a strategy of the catalogue over imported candles, and keep the run.

    A short one is answered with the run: 201. A longer one, and any while another is answered, is
    accepted as work: 202, `GET /work/{id}` says how far it is, and its `result` is the run's id.
    The same inputs give the same run, and its id.
    """

    def act(tx: Tx, now: datetime) -> object:
        plan = plan_of(tx, service.settings.data, body)
        bars = plan.data.source.bars
        if bars > MOST_BARS:
            raise CommendaError(
                "backtest_too_long", f"A run over HTTP has {MOST_BARS:,} bars at most"
            ).at(
                "start",
                bars,
                "choose a shorter period or a coarser interval, or run commenda backtest",
            )
        later = bars > AT_ONCE or "respond-async" in (prefer or "")
        if later or not _AT_ONCE.acquire(blocking=False):
            ident = ids.derive("backtest-work", who.user_id, key_or_new(key))
            home = service.settings.data.resolve()
            return ask_for_run(tx, ident, body, home, who.actor, now), 202
        try:
            ident = run_and_keep(tx, plan, who.actor, now)
            return shown_run(tx, ident, BacktestView)
        finally:
            _AT_ONCE.release()

    return write(service, who, "backtest", key, body, act, status=201, principal=who.actor)


@router.get("", operation_id="listBacktests", responses=GUARDED)
def list_backtests(service: Served, who: Quant, asked: Paged) -> Page[BacktestSummary]:
    """Kept runs, the latest first: one's own, or everybody's for the staff."""
    with service.database.transaction() as tx:
        return kept_runs(tx, actor=_seen_by(who), limit=asked.limit, cursor=asked.cursor)


@router.get("/compare", operation_id="compareBacktests", responses=GUARDED | problems(404))
def compare_backtests(service: Served, who: Quant, ids: Ids) -> Comparison:
    """Several kept runs side by side, each with its curve."""
    try:
        wanted = [UUID(name) for name in dict.fromkeys(ids.split(","))]
    except ValueError:
        wanted = []
    if not 2 <= len(wanted) <= 8:
        raise CommendaError("bad_ids", "Two to eight different backtests are compared").at(
            "ids", ids, "separate their ids by commas"
        )
    with service.database.transaction() as tx:
        return compared(tx, wanted, actor=_seen_by(who))


@router.get("/{backtest_id}", operation_id="getBacktest", responses=GUARDED | problems(404))
def get_backtest(service: Served, who: Quant, backtest_id: UUID) -> BacktestReport:
    """One kept run: inputs, figures, costs, months, and the short series that are drawn of it."""
    with service.database.transaction() as tx:
        return shown_run(tx, backtest_id, BacktestReport, actor=_seen_by(who))


def _seen_by(who: Principal) -> str | None:
    """Whose runs somebody may see; None for everybody's."""
    return None if who.may(Permission.OVERVIEW) else who.actor
