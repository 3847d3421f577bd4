"""`commenda study`: search a strategy's parameters, and say whether the best is more than luck."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.text import Text

from commenda import studies
from commenda.cli.backtest_options import (
    LOT,
    AnyStrategy,
    Cash,
    CheckBounds,
    Interval,
    Leverage,
    Participation,
    PeriodsPerYear,
    costs_of,
    params_of,
    require_rates,
    terms_of,
)
from commenda.cli.backtest_tables import YEARS
from commenda.cli.lives import life
from commenda.cli.options import (
    ACTOR,
    AsJson,
    Html,
    Zone,
    open_database,
    period_of,
    print_json,
    require_report,
    settings_of,
    transaction,
    warn,
)
from commenda.cli.tables import Column, progress, say, show, texts
from commenda.kit.clock import business_now
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError, unknown
from commenda.kit.report import report_page
from commenda.kit.wire import wire
from commenda.market import parse_interval
from commenda.strategies import find_strategy

app = typer.Typer(
    help="Search a strategy's parameters, and judge what was found.", no_args_is_help=True
)

NONE = "none"

Home = Annotated[
    Path | None,
    typer.Option(
        "--database",
        help="The data directory whose database keeps studies; COMMENDA_DATA or"
        " COMMENDA_DATABASE_URL by default.",
    ),
]
Jobs = Annotated[int, typer.Option(min=1, help="Workers that run configurations.")]
On = Annotated[studies.Backend, typer.Option("--backend", help="Who the workers are.")]
Address = Annotated[
    str | None, typer.Option(help="Of a Ray or Dask cluster; one is started here by default.")
]
Memory = Annotated[int, typer.Option(min=0, help="Bound of each process's data in MB; 0 for none.")]
Nice = Annotated[int, typer.Option(min=0, max=19, help="How far behind other processes to stand.")]
Ident = Annotated[str, typer.Argument(metavar="ID", help="Or how it begins.")]

STYLES = {"promote": "green", "doubtful": "yellow", "overfit": "red"}
STUDIES = (
    Column("id", lambda one: one["id"][:8]),
    *texts("strategy", "data", "sampler", "state", "verdict"),
    Column("trials", lambda one: f"{one['ran']:,}/{one['trials']:,}", number=True),
    Column("best", lambda one: _figure(one["value"]), number=True),
)
FINDINGS = (
    Column("test", lambda one: one["test"].replace("_", " ")),
    Column("finding", lambda one: Text(one["grade"], STYLES[one["grade"]])),
    Column("says"),
)
FOLDS = (
    Column("fold", lambda one: one[0]),
    Column("chosen trial", lambda one: one[1]["number"], number=True),
    Column("Sharpe learned", lambda one: _figure(one[1]["fold"]["train_sharpe"]), number=True),
    Column("Sharpe tested", lambda one: _figure(one[1]["fold"]["test_sharpe"]), number=True),
)


@app.command("run")
def run_study(
    context: typer.Context,
    strategy: AnyStrategy,
    data: Annotated[Path, typer.Option("--data", help="Parquet or CSV file of candles.")],
    space: Annotated[
        str,
        typer.Option(help="Such as fast=5:50,slow=20:200:10,band=0.001:0.1:log,stop=0|0.04."),
    ],
    fixed: Annotated[
        str, typer.Option("--params", help="Values of parameters that are not searched.")
    ] = "",
    sampler: Annotated[studies.Sampler, typer.Option(help="How to choose.")] = studies.Sampler.TPE,
    trials: Annotated[int, typer.Option(min=1, help="Configurations to run.")] = 200,
    objective: Annotated[
        str, typer.Option(help=f"One or more of {', '.join(studies.OBJECTIVES)}.")
    ] = "sharpe",
    walk: Annotated[
        str,
        typer.Option("--walk-forward", help="rolling:5, anchored:5, purged:5 or none."),
    ] = "rolling:5",
    embargo: Annotated[
        int, typer.Option(min=0, help="Bars left out beside the longest look-back.")
    ] = 0,
    pruning: Annotated[
        bool, typer.Option("--prune", help="Give up what starts worse than the median.")
    ] = False,
    funding: Annotated[
        Path | None, typer.Option(help="File of funding rates; none is charged without one.")
    ] = None,
    marks: Annotated[Path | None, typer.Option(help="File of mark prices for the funding.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Bars from here on.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Bars that open before it.")] = None,
    interval: Interval = None,
    zone: Zone = None,
    fee: Annotated[float, typer.Option(help="Taker's fee, as a fraction.")] = 0.0005,
    slippage: Annotated[float, typer.Option(help="Against every fill, as a fraction.")] = 0.0001,
    participation: Participation = None,
    lot: Annotated[float, typer.Option(help=LOT)] = 0.0,
    leverage: Leverage = None,
    periods_per_year: PeriodsPerYear = None,
    cash: Cash = 1_000_000.0,
    check_bounds: CheckBounds = False,
    seed: Annotated[int, typer.Option(min=0, help="What chance is drawn from.")] = 0,
    batch: Annotated[
        int, typer.Option(min=1, help="Configurations chosen at once, whatever the workers.")
    ] = 8,
    jobs: Jobs = 1,
    backend: On = studies.Backend.PROCESSES,
    address: Address = None,
    memory: Memory = 4096,
    nice: Nice = 10,
    html: Html = None,
    as_json: AsJson = False,
    database: Home = None,
) -> None:
    """Search a strategy's parameters over a file of candles, and judge the best.

    The study is stored as it goes: killed, it is resumed by `commenda study resume`.
    """
    require_report(html)
    require_rates(funding, marks)
    found = find_strategy(strategy)
    wanted = studies.space_of(found, studies.texts_of(space), params_of(fixed))
    plan = studies.Plan(
        sampler=sampler,
        trials=trials,
        objectives=tuple(one.strip() for one in objective.split(",")),
        walk=None if walk == NONE else studies.walk_of(walk, embargo),
        pruning=pruning,
        seed=seed,
        batch=batch,
        cash=cash,
        costs=costs_of(fee, None, slippage, 0.0, 0.0),
        terms=terms_of(participation, lot, leverage),
    )
    since, until = period_of(begin, end)
    material = studies.material_of_files(
        data,
        rates=funding,
        marks=marks,
        interval=timedelta(seconds=parse_interval(interval)) if interval else None,
        zone=zone,
        since=since,
        until=until,
    )
    warn(*(f"{data.name}: {note}" for note in material.notes))
    if check_bounds:
        studies.refuse_corners_beyond_bounds(found, material, wanted, plan)
    with life() as mine, open_database(database) as opened:
        # Only now: a database that this process started is not bound by the study's limits.
        studies.be_modest(memory or None, nice)
        with opened.transaction() as tx:
            study = studies.begin(
                tx,
                found,
                material,
                wanted,
                plan,
                business_now(tx),
                asked_by=ACTOR,
                periods_per_year=periods_per_year,
            )
        mine.again = _again(study, context.params)
        with _within(memory, mine.again):
            _carry_on(opened, study, material, jobs, backend, address)
        _show(opened, study.id, html, as_json)


@app.command()
def resume(
    context: typer.Context,
    ident: Ident,
    jobs: Jobs = 1,
    backend: On = studies.Backend.PROCESSES,
    address: Address = None,
    memory: Memory = 4096,
    nice: Nice = 10,
    html: Html = None,
    as_json: AsJson = False,
    database: Home = None,
) -> None:
    """Go on with a study that was killed or interrupted, where it stopped."""
    require_report(html)
    with life() as mine, open_database(database) as opened:
        study = _find(opened, ident)
        if study.state is studies.StudyState.RUNNING:
            mine.again = _again(study, context.params)
            studies.be_modest(memory or None, nice)
            with opened.transaction() as tx:
                hashes = study.data_hash, study.funding_hash
                home = settings_of(database).data
                material = studies.material_again(tx, home, study.data, *hashes)
            with _within(memory, mine.again):
                _carry_on(opened, study, material, jobs, backend, address)
        _show(opened, study.id, html, as_json)


@app.command("list")
def list_studies(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many, the latest first.")] = 50,
    as_json: AsJson = False,
    database: Home = None,
) -> None:
    """List studies."""
    with transaction(database) as tx:
        found = [
            studies.summary(one, studies.count_trials(tx, one.id))
            for one in studies.studies_where(tx, limit=limit)
        ]
    show(found, STUDIES, as_json)


@app.command("show")
def show_study(
    ident: Ident, html: Html = None, as_json: AsJson = False, database: Home = None
) -> None:
    """Show a study: its verdict and the reasons, the best, and what it brought out of sample."""
    require_report(html)
    with open_database(database) as opened:
        _show(opened, _find(opened, ident).id, html, as_json)


@app.command()
def cancel(ident: Ident, database: Home = None) -> None:
    """Have a study stop after its present batch; what it tried stays in the ledger."""
    with open_database(database) as opened:
        study = _find(opened, ident)
        with opened.transaction() as tx:
            done = studies.cancel(tx, study.id, business_now(tx), f"cancelled by {ACTOR}")
    typer.echo("cancelled" if done else f"it is {study.state} already")


def _carry_on(
    database: Database,
    study: studies.Study,
    material: studies.Material,
    jobs: int,
    backend: studies.Backend,
    address: str | None,
) -> None:
    typer.echo(f"study {study.id}", err=True)
    bar = progress("{task.fields[best]}", stays=True)
    with bar, studies.workers(backend, jobs, address) as hands:
        task = bar.add_task("trials", total=study.plan["trials"], best="")

        def moved(seen: studies.Progress) -> None:
            best = "" if seen.best is None else f"best {seen.best:.4g}"
            bar.update(task, completed=seen.ran, best=best)

        studies.run(
            database,
            study,
            find_strategy(study.reference),
            material,
            hands,
            business_now,
            seen=moved,
        )


AGAIN = {
    "jobs": 1,
    "backend": studies.Backend.PROCESSES,
    "address": None,
    "memory": 4096,
    "nice": 10,
    "html": None,
    "database": None,
}
"""What a study is resumed with, and what each is by default."""


def _again(study: studies.Study, given: dict[str, Any]) -> list[str]:
    """The command that goes on with a study as this one runs it."""
    words = ["commenda", "study", "resume", str(study.id)]
    for name, default in AGAIN.items():
        words += [f"--{name}", str(given[name])] if given[name] != default else []
    return [*words, "--json"] if given["as_json"] else words


@contextmanager
def _within(memory: int, again: Sequence[str]) -> Iterator[None]:
    """Code `out_of_memory` where a study needs more than it may have."""
    try:
        yield
    except (MemoryError, studies.WorkerLost) as error:
        said = f"A process of the study needed more than {memory:,} MB"
        if isinstance(error, studies.WorkerLost):
            said = f"A worker was ended by the system: as a rule it needed more than {memory:,} MB"
        raise CommendaError("out_of_memory", said).at(
            "--memory",
            memory,
            "allow more, or have fewer --jobs; then: " + shlex.join(again),
        ) from error


def _find(database: Database, ident: str) -> studies.Study:
    """The study of an id or of how one begins; codes `unknown_study` and `many_studies`."""
    with database.transaction() as tx:
        try:
            found = studies.find_study(tx, UUID(ident))
        except ValueError:
            named = studies.studies_where(tx, limit=10_000)
            fitting = [one for one in named if ident and str(one.id).startswith(ident.lower())]
            if len(fitting) > 1:
                raise CommendaError("many_studies", f"{len(fitting)} studies begin so").at(
                    "ID", ident, "write more of it"
                ) from None
            found = fitting[0] if fitting else None
    if found is None:
        raise unknown("study", ident, "ID", "see study list")
    return found


def _show(database: Database, study_id: UUID, html: Path | None, as_json: bool) -> None:
    with database.transaction() as tx:
        study = studies.find_study(tx, study_id)
        assert study is not None
        shown = studies.summary(study, studies.count_trials(tx, study_id))
        report = None if html is None else wire(studies.report_of(tx, study))
    if html is not None:
        title = f"{study.strategy} · {study.data_name}"
        html.write_text(report_page("study", title, report), "utf-8")
    if as_json:
        print_json({**shown, "result": study.result})
        return
    reason = f": {shown['reason']}" if shown["reason"] else ""
    say(
        f"{shown['strategy']} {shown['version']} on {shown['data']}, {shown['bars']:,} bars:"
        f" {shown['ran']:,} trials by {shown['sampler']}, {shown['ruined']:,} ruined,"
        f" {shown['refused']:,} refused; {shown['periods_per_year']:,.0f} bars a year"
        f"{YEARS[shown['calendar']]};"
        f" {shown['state']}{reason}"
    )
    if study.result is not None:
        _show_result(study.result)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _show_result(result: dict[str, Any]) -> None:
    verdict, best = result["verdict"], result["best"]
    say((f"verdict: {verdict}", f"bold {STYLES[verdict]}"))
    show(result["findings"], FINDINGS)
    params = ", ".join(f"{name}={value:g}" for name, value in best["params"].items())
    values = ", ".join(f"{name} {_figure(value)}" for name, value in best["values"].items())
    say(f"best: trial {best['number']} ({params}): {values}")
    if result["walked"]:
        show(enumerate(result["walked"], 1), FOLDS)
