"""What every kind of backtest does once it is planned: run, report, and keep if asked to."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from commenda.cli import backtest_tables as tables
from commenda.cli.lives import life
from commenda.cli.options import ACTOR, print_json, transaction
from commenda.cli.tables import say
from commenda.kit.clock import business_now
from commenda.kit.report import report_page
from commenda.strategies import DepthPlan, LegsPlan, Plan, keep, shown_of

Database = Annotated[
    Path | None,
    typer.Option(
        "--database",
        help="The data directory whose database keeps runs; COMMENDA_DATA or"
        " COMMENDA_DATABASE_URL by default.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, max=2**63 - 1, help="Kept with the inputs, for what a run draws."),
]
Store = Annotated[
    bool | None,
    typer.Option(
        "--store/--no-store",
        help="Keep the run in the database. By default it is kept only if --database is given.",
    ),
]


def finish(
    plan: Plan | LegsPlan | DepthPlan,
    *,
    html: Path | None = None,
    as_json: bool,
    store: bool | None,
    database: Path | None,
) -> None:
    """Run a plan, write its report, and keep the run where that is asked for."""
    begun = time.perf_counter()
    with life():
        result = plan.run()
    seconds = time.perf_counter() - begun
    shown = shown_of(plan, result)
    if html is not None:
        write_page(html, shown)
    kept = None
    if store or (store is None and database is not None):
        with transaction(database) as tx:
            now = business_now(tx)  # as over HTTP: runs of both are one list, by time
            kept = str(keep(tx, plan, result, actor=ACTOR, now=now, seconds=seconds)[0])
    if as_json:
        print_json(tables.for_programs(shown) | {"id": kept, "seconds": seconds})
    else:
        tables.show_report(shown)
        if kept is not None:
            say(f"kept as {kept}")


def write_page(file: Path, report: dict[str, Any]) -> None:
    """Write a run's report as a page that needs nothing but itself."""
    inputs = report["inputs"]
    title = f"{inputs['strategy']['name']} · {inputs['data']['name']}"
    file.write_text(report_page("backtest", title, report), "utf-8")
