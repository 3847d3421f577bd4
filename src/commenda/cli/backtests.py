"""`commenda backtest`: run a strategy over recorded candles; keep runs, compare and repeat them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from commenda.cli import backtest_tables as tables
from commenda.cli.backtest_options import costs_of, data_of, finer_of, params_of, terms_of
from commenda.cli.options import (
    AsJson,
    open_database,
    period_of,
    print_json,
    require_folder,
    settings_of,
)
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.strategies import (
    Backtest,
    Plan,
    differences,
    find_run,
    find_strategy,
    keep,
    kept_runs,
    name_of,
    render,
    render_comparison,
    repeat_plan,
    report_of,
)

RUN = "run"
ACTOR = "cli"


class RunByDefault(TyperGroup):
    """`commenda backtest sma_cross …` is `commenda backtest run sma_cross …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=RunByDefault,
    no_args_is_help=True,
    help="Run a strategy over recorded candles: commenda backtest STRATEGY --data FILE. See also"
    " commenda backtest run --help.",
)

Database = Annotated[
    Path | None,
    typer.Option(
        "--database",
        help="The data directory whose database keeps runs; COMMENDA_DATA or"
        " COMMENDA_DATABASE_URL by default.",
    ),
]
DataFile = Annotated[Path, typer.Option("--data", help="Parquet or CSV file of candles.")]
Html = Annotated[Path | None, typer.Option(help="Write the report as an HTML page to this file.")]


@app.command(RUN)
def run(
    strategy: Annotated[
        str, typer.Argument(help="A strategy of the catalogue, an installed one, or FILE.py:name.")
    ],
    data: DataFile,
    params: Annotated[
        str, typer.Option(help="Such as fast=50,slow=200; the others have their defaults.")
    ] = "",
    funding: Annotated[
        Path | None, typer.Option(help="File of funding rates; none is charged without one.")
    ] = None,
    marks: Annotated[
        Path | None,
        typer.Option(help="File of mark prices for the funding; else a bar's close, counted."),
    ] = None,
    no_funding: Annotated[
        bool, typer.Option("--no-funding", help="Charge no funding; what a run without files does.")
    ] = False,
    begin: Annotated[
        str | None, typer.Option("--from", help="Bars that open from here on.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Bars that open before it.")] = None,
    interval: Annotated[
        str | None, typer.Option(help="Of the bars, as 5m, where the file's name does not say it.")
    ] = None,
    size: Annotated[
        float | None,
        typer.Option(help="Units that a target of 1 means; the whole equity by default."),
    ] = None,
    fee: Annotated[
        float, typer.Option(help="Taker's fee, as a fraction of the notional.")
    ] = 0.0005,
    maker: Annotated[
        float | None, typer.Option(help="Maker's fee, negative for a rebate; the taker's if none.")
    ] = None,
    slippage: Annotated[
        float, typer.Option(help="Against every taker's fill, as a fraction of its price.")
    ] = 0.0,
    spread: Annotated[float, typer.Option(help="Of which takers pay half; as a fraction.")] = 0.0,
    impact: Annotated[
        float,
        typer.Option(help="Of taking a bar's whole volume, growing with √share; as a fraction."),
    ] = 0.0,
    participation: Annotated[
        float | None,
        typer.Option(help="Most of a bar's volume that fills take; no cap if none."),
    ] = None,
    lot: Annotated[float, typer.Option(help="Quantities are multiples of it; 0 for any.")] = 0.0,
    leverage: Annotated[
        float | None,
        typer.Option(help="Greatest leverage, liquidated at 0.5 % margin; none if none."),
    ] = None,
    finer: Annotated[
        Path | None,
        typer.Option(help="File of finer candles, for bars that do not tell what came first."),
    ] = None,
    cash: Annotated[float, typer.Option(help="To begin with, in quote currency.")] = 1_000_000.0,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="Kept with the inputs, for what a run draws."),
    ] = None,
    html: Html = None,
    as_json: AsJson = False,
    store: Annotated[
        bool | None,
        typer.Option(
            "--store/--no-store",
            help="Keep the run in the database. By default it is kept only if --database is given.",
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Run a strategy over a file of candles. No database is needed.

    Targets fill at the next bar's open. Funding that is charged must be complete over the run; a
    gap in the candles stays a gap and is counted. A file runs with all rights of this process.
    """

    require_folder(html)
    found = find_strategy(strategy)
    given = params_of(params)
    found.resolve(given)
    source, paid = data_of(data, funding, marks, no_funding, period_of(begin, end), interval)
    plan = Plan(
        found,
        given,
        source,
        paid,
        costs=costs_of(fee, maker, slippage, spread, impact),
        cash=cash,
        size=size,
        seed=seed,
        terms=terms_of(participation, lot, leverage),
        finer=None if finer is None else finer_of(finer, source),
    )
    begun = time.perf_counter()
    result = plan.run()
    seconds = time.perf_counter() - begun
    shown = report_of(plan, result)
    if html is not None:
        html.write_text(render(shown), "utf-8")
    kept = None
    if store or (store is None and database is not None):
        kept = _keep(plan, result, seconds, database)
    if as_json:
        print_json(tables.for_programs(shown) | {"id": kept, "seconds": seconds})
    else:
        tables.show(Console(), shown)
        if kept is not None:
            Console().print(f"kept as {kept}", highlight=False)


def _keep(plan: Plan, result: Backtest, seconds: float, database: Path | None) -> str:

    with open_database(database) as opened, opened.transaction() as tx:
        ident, _ = keep(tx, plan, result, actor=ACTOR, now=datetime.now(UTC), seconds=seconds)
    return str(ident)


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many, the latest first.")] = 50,
    as_json: AsJson = False,
    database: Database = None,
) -> None:
    """List the runs that were kept."""

    with _reading(database) as tx:
        found = kept_runs(tx, limit=limit).items
    if as_json:
        print_json([tables.listed(one) for one in found])
    else:
        tables.show_list(Console(), found)


@app.command("show")
def show_run(
    ident: Annotated[str, typer.Argument(metavar="ID", help="Or how it begins.")],
    html: Html = None,
    as_json: AsJson = False,
    database: Database = None,
) -> None:
    """Show a run that was kept."""

    require_folder(html)
    with _reading(database) as tx:
        kept = find_run(tx, ident)
    if html is not None:
        html.write_text(render(kept.report), "utf-8")
    if as_json:
        print_json(tables.for_programs(kept.report) | tables.of_keeping(kept))
    else:
        tables.show(Console(), kept.report)


@app.command("compare")
def compare(
    idents: Annotated[list[str], typer.Argument(metavar="ID…", help="Two or more kept runs.")],
    html: Html = None,
    as_json: AsJson = False,
    database: Database = None,
) -> None:
    """Hold runs that were kept against each other; in HTML with their curves over each other."""

    require_folder(html)
    if len(idents) < 2:
        raise CommendaError("nothing_to_compare", "One run cannot be compared").at(
            "ID", idents[0], "name two kept runs or more; commenda backtest list names them"
        )
    with _reading(database) as tx:
        found = [find_run(tx, ident) for ident in idents]
    if html is not None:
        page = render_comparison([(name_of(one), one.report) for one in found])
        html.write_text(page, "utf-8")
    if as_json:
        print_json([tables.for_programs(one.report) | tables.of_keeping(one) for one in found])
    else:
        tables.show_comparison(Console(), [(name_of(one), one.report) for one in found])


@app.command("rerun")
def rerun(
    ident: Annotated[str, typer.Argument(metavar="ID", help="Or how it begins.")],
    data: Annotated[
        Path | None, typer.Option(help="The candles; the import that was used by default.")
    ] = None,
    funding: Annotated[Path | None, typer.Option(help="The funding rates, if charged.")] = None,
    marks: Annotated[Path | None, typer.Option(help="The mark prices, if they were given.")] = None,
    finer: Annotated[Path | None, typer.Option(help="The finer candles, if given.")] = None,
    strategy: Annotated[
        str | None, typer.Option(help="FILE.py:name, where the strategy is in a file.")
    ] = None,
    as_json: AsJson = False,
    database: Database = None,
) -> None:
    """Run a kept run again from its stored inputs: identical, or what differs first.

    Exits with 1 where the result differs.
    """

    with _reading(database) as tx:
        kept = find_run(tx, ident)
        found = find_strategy(strategy or kept.inputs["strategy"]["name"])
        plan = repeat_plan(tx, _home(database), kept, found, data, funding, marks, finer)
    apart = differences(kept, plan, plan.run())
    same = not [one for one in apart if one.what not in ("engine hash", "code hash")]
    if as_json:
        print_json(
            {
                "id": str(kept.id),
                "identical": same,
                "differences": [
                    {"what": one.what, "kept": one.kept, "now": one.now} for one in apart
                ],
            }
        )
    else:
        tables.show_differences(Console(), kept, apart, same)
    raise typer.Exit(0 if same else 1)


def _home(database: Path | None) -> Path:

    return settings_of(database).data


@contextmanager
def _reading(database: Path | None) -> Iterator[Tx]:
    with open_database(database) as opened, opened.transaction() as tx:
        yield tx
