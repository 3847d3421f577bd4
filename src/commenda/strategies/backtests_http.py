"""Backtests over HTTP: run over imported candles, kept, listed, shown and compared.

A run answers its request, so its length is limited; longer ones are the command line's. Whoever
runs a backtest sees it, and so does the staff.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import require_period
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    Service,
    problems,
    routes,
    write,
)
from commenda.strategies.bodies import BacktestRequest
from commenda.strategies.data import imported_bars, imported_funding
from commenda.strategies.plan import Plan
from commenda.strategies.runs import (
    BacktestReport,
    BacktestSummary,
    BacktestView,
    Comparison,
    compared,
    keep,
    kept_runs,
    shown_run,
)
from commenda.strategies.shipped import find_installed

MOST_BARS = 600_000
"""Of one run in a request: a year of minutes."""

router = routes("backtests", "/backtests")
Quant = Annotated[Principal, may(Permission.SHARE, Permission.OVERVIEW)]
"""Creators see their own; the staff sees all."""
Runner = Annotated[Principal, may(Permission.SHARE, Permission.SCHEDULES)]
"""Creators run their own, operators run anything; who only watches runs nothing."""

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
    responses=GUARDED | problems(404, 409),
)
def run_backtest(
    service: Served, who: Runner, body: BacktestRequest, key: IdempotencyKey = None
) -> Response:
    """Run a strategy of the catalogue over imported candles, and keep the run.

    The same inputs give the same run, and its id.
    """

    def act(tx: Tx, now: datetime) -> BacktestView:
        plan = _plan(tx, service, body)
        begun = time.perf_counter()
        run = plan.run()
        seconds = time.perf_counter() - begun
        ident, _ = keep(tx, plan, run, actor=who.actor, now=now, seconds=seconds)
        return shown_run(tx, ident, BacktestView)

    return write(service, who, "backtest", key, body, act, status=201, principal=who.actor)


def _plan(tx: Tx, service: Service, body: BacktestRequest) -> Plan:
    require_period("start", body.start, body.end)
    strategy = find_installed(body.strategy)
    strategy.resolve(body.params)
    data_dir = service.settings.data
    data = imported_bars(
        tx, data_dir, body.venue, body.symbol, body.step, since=body.start, until=body.end
    )
    if data.source.bars > MOST_BARS:
        raise CommendaError(
            "backtest_too_long", f"A run in a request has {MOST_BARS:,} bars at most"
        ).at(
            "start",
            data.source.bars,
            "choose a shorter period or a coarser interval, or run commenda backtest",
        )
    funding = None
    if body.funding:
        funding = imported_funding(tx, data_dir, body.venue, body.symbol, data.bars)
    return Plan(
        strategy,
        body.params,
        data,
        funding,
        body.costs,
        body.cash,
        body.size,
        body.seed,
        body.terms,
        periods_per_year=body.periods_per_year,
    )


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
