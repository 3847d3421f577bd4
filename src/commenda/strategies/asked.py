"""Backtests that are asked for over HTTP: planned from the request, run at once or as work.

What runs as work is run by `commenda backtest carry-out` in a child of a worker. The same inputs
give the same run under the same id, so that beginning anew after a kill does no harm.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID

from commenda.kit import durable, outbox, work
from commenda.kit.children import run_child
from commenda.kit.clock import business_now, require_period
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.kit.wire import as_json
from commenda.kit.work import Work
from commenda.strategies.bodies import BacktestRequest
from commenda.strategies.data import imported_bars, imported_funding
from commenda.strategies.plan import Plan
from commenda.strategies.runs import keep
from commenda.strategies.shipped import find_installed

BACKTESTS = outbox.Queue("backtests", concurrency=2, poll_seconds=0.25)
RUN_BACKTEST = "strategies.run_backtest"
KIND = "backtest"


def plan_of(tx: Tx, home: Path, body: BacktestRequest) -> Plan:
    """What a request asks to be run; its refusals name the field."""
    require_period("start", body.start, body.end)
    strategy = find_installed(body.strategy)
    strategy.resolve(body.params)
    data = imported_bars(
        tx, home, body.venue, body.symbol, body.step, since=body.start, until=body.end
    )
    funding = None
    if body.funding:
        funding = imported_funding(tx, home, body.venue, body.symbol, data.bars)
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


def run_and_keep(
    tx: Tx, plan: Plan, actor: str, now: datetime, ran: Callable[[], None] = lambda: None
) -> UUID:
    """Run a plan and keep the run; `ran` is called between the two."""
    begun = time.perf_counter()
    run = plan.run()
    seconds = time.perf_counter() - begun
    ran()
    return keep(tx, plan, run, actor=actor, now=now, seconds=seconds)[0]


# --- As work ---------------------------------------------------------------------------------


def ask_for_run(
    tx: Tx, ident: UUID, body: BacktestRequest, home: Path, actor: str, now: datetime
) -> Work:
    """Have a worker run it once this transaction commits."""
    subject = f"{body.strategy} {body.symbol} {body.interval}"
    asked = work.ask(tx, ident, KIND, subject, as_json(body.model_dump()), actor, now)
    outbox.enqueue(
        tx,
        RUN_BACKTEST,
        str(ident),
        str(home),
        workflow_id=f"{RUN_BACKTEST}:{ident}",
        queue=BACKTESTS,
    )
    return asked


def run_backtest_workflow(database: Database) -> durable.Workflow:
    """The workflow that runs one backtest on this worker's machine."""

    def in_child(ident: str, home: str) -> str:
        def wanted() -> bool:
            with database.transaction() as tx:
                return work.wanted(tx, UUID(ident))

        if not wanted():
            return ""
        return run_child(database.owner_url, home, ["backtest", "carry-out", ident], wanted)

    def end(tx: Tx, ident: str, said: str) -> None:
        """Of a run that has ended as it should this changes nothing."""
        reason = said or "its process ended without a word"
        work.fail(tx, UUID(ident), CommendaError("run_ended", reason).at("id", ident, "try again"))

    def run_backtest(ident: str, home: str) -> None:
        said = durable.call(in_child, ident, home)
        durable.step(end, ident, said)

    return durable.Workflow(RUN_BACKTEST, run_backtest)


class _Unwanted(Exception):
    """It was cancelled meanwhile."""


def carry_out(database: Database, ident: UUID, home: Path) -> None:
    """Run what was asked for, say how far it is, and keep the run or why there is none.

    A run is four parts: its candles are read, it is run, reported, and kept.
    """

    def reached(part: int) -> None:
        with database.transaction() as tx:
            if not work.advance(tx, ident, part / 4):
                raise _Unwanted

    with database.transaction() as tx:
        begun = work.begin(tx, ident)
    if begun is None:
        return
    request, actor = begun
    with suppress(_Unwanted):
        try:
            with database.transaction() as tx:
                plan = plan_of(tx, home, BacktestRequest.model_validate(request))
            reached(1)
            with database.transaction() as tx:
                kept = run_and_keep(tx, plan, actor, business_now(tx), lambda: reached(2))
                work.complete(tx, ident, str(kept))
        except CommendaError as error:
            with database.transaction() as tx:
                work.fail(tx, ident, error)
