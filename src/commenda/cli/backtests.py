"""`commenda backtest`: run a strategy over recorded candles; keep runs, compare and repeat them.

The command that replays an order book is in `backtest_depth.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from commenda.cli import backtest_tables as tables
from commenda.cli.backtest_depth import depth
from commenda.cli.backtest_keeping import Database, Seed, Store, finish, write_page
from commenda.cli.backtest_options import (
    LOT,
    AnyStrategy,
    Cash,
    CheckBounds,
    Fee,
    Interval,
    Leverage,
    Maker,
    Participation,
    PeriodsPerYear,
    book_of,
    costs_of,
    data_of,
    each,
    legs_of,
    params_of,
    refuse_of_one_account,
    terms_of,
)
from commenda.cli.options import (
    AsJson,
    Html,
    Zone,
    period_of,
    print_json,
    require_report,
    settings_of,
    transaction,
)
from commenda.cli.tables import say, show, texts
from commenda.kit.errors import CommendaError
from commenda.kit.report import report_page
from commenda.kit.wire import wire
from commenda.strategies import (
    BacktestReport,
    Files,
    LegsPlan,
    Plan,
    compared,
    differences,
    find_run,
    find_strategy,
    kept_runs,
    name_of,
    refuse_beyond_bounds,
    repeat_plan,
    shown_run,
)

RUN, DEPTH = "run", "depth"


class RunByDefault(TyperGroup):
    """`commenda backtest sma_cross …` is `commenda backtest run sma_cross …`; where --depth is
    given it is `commenda backtest depth … …`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            in_book = any(one.partition("=")[0] == "--depth" for one in args)
            args = [DEPTH if in_book else RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=RunByDefault,
    no_args_is_help=True,
    help="Run a strategy over recorded candles: commenda backtest STRATEGY --data FILE; or in a"
    " recorded order book: commenda backtest STRATEGY --depth FILE --trades FILE. See also"
    " commenda backtest run --help and commenda backtest depth --help.",
)
app.command(DEPTH)(depth)

DataFiles = Annotated[
    list[Path],
    typer.Option(
        "--data",
        help="Parquet or CSV file of candles; once for each instrument of the account.",
    ),
]


@app.command(RUN)
def run(
    strategy: AnyStrategy,
    data: DataFiles,
    params: Annotated[
        list[str] | None,
        typer.Option(help="Such as fast=50,slow=200; the others have their defaults."),
    ] = None,
    funding: Annotated[
        list[Path] | None, typer.Option(help="File of funding rates; none is charged without one.")
    ] = None,
    marks: Annotated[
        list[Path] | None,
        typer.Option(help="File of mark prices for the funding; else a bar's close, counted."),
    ] = None,
    no_funding: Annotated[
        bool, typer.Option("--no-funding", help="Charge no funding; what a run without files does.")
    ] = False,
    begin: Annotated[
        str | None, typer.Option("--from", help="Bars that open from here on.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Bars that open before it.")] = None,
    interval: Interval = None,
    zone: Zone = None,
    hedge: Annotated[
        bool, typer.Option("--hedge", help="Hedge mode: a long and a short position at once.")
    ] = False,
    share: Annotated[
        list[float] | None,
        typer.Option(help="Of the equity, that a target of 1 means; equal shares by default."),
    ] = None,
    size: Annotated[
        list[float] | None,
        typer.Option(help="Units that a target of 1 means; the whole equity by default."),
    ] = None,
    fee: Fee = 0.0005,
    maker: Maker = None,
    slippage: Annotated[
        float, typer.Option(help="Against every taker's fill, as a fraction of its price.")
    ] = 0.0,
    spread: Annotated[float, typer.Option(help="Of which takers pay half; as a fraction.")] = 0.0,
    impact: Annotated[
        float,
        typer.Option(help="Of taking a bar's whole volume, growing with √share; as a fraction."),
    ] = 0.0,
    participation: Participation = None,
    lot: Annotated[list[float] | None, typer.Option(help=LOT)] = None,
    leverage: Leverage = None,
    finer: Annotated[
        list[Path] | None,
        typer.Option(help="File of finer candles, for bars that do not tell what came first."),
    ] = None,
    book: Annotated[
        Path | None,
        typer.Option(help="File of depth recorded over all the bars: takers walk its book."),
    ] = None,
    book_every: Annotated[str, typer.Option(help="How often that is sampled.")] = "1s",
    book_levels: Annotated[int, typer.Option(min=1, max=1_000, help="And how deep.")] = 20,
    cash: Cash = 1_000_000.0,
    check_bounds: CheckBounds = False,
    seed: Seed = None,
    periods_per_year: PeriodsPerYear = None,
    html: Html = None,
    as_json: AsJson = False,
    store: Store = None,
    database: Database = None,
) -> None:
    """Run a strategy over files of candles. No database is needed.

    Targets fill at the next bar's open. Funding that is charged must be complete over the run; a
    gap in the candles stays a gap and is counted. A file runs with all rights of this process.

    Several files of candles are several instruments on one account: --params, --size, --lot and
    --share are then given once for all or once for each, --funding, --marks and --finer once for
    each, in the order of --data.
    """
    require_report(html)
    found, count = find_strategy(strategy), len(data)
    several = hedge or count > 1
    refuse_of_one_account(share or (), size or (), several, book)
    given = [params_of(one or "") for one in each("--params", params or (), count)]
    for one in given:
        found.resolve(one)
    sizes, lots = each("--size", size or (), count), each("--lot", lot or (), count)
    shares = each("--share", share or (), count)
    costs = costs_of(fee, maker, slippage, spread, impact)
    terms = [terms_of(participation, one or 0.0, leverage) for one in lots]
    period = period_of(begin, end)
    files = Files(data, funding or (), marks or (), finer or ())
    sources = data_of(files, no_funding, period, interval, zone)
    alike: dict[str, Any] = {
        "costs": costs,
        "cash": cash,
        "seed": seed,
        "periods_per_year": periods_per_year,
    }
    plan: Plan | LegsPlan
    if several:
        legs = legs_of(sources, given, shares, sizes, lots, hedge)
        plan = LegsPlan(found, legs, terms=terms[0], **alike)
    else:
        plan = Plan(
            found,
            given[0],
            **sources[0]._asdict(),
            size=sizes[0],
            terms=terms[0],
            book=book_of(book, sources[0].data, book_every, book_levels),
            **alike,
        )
    if check_bounds:
        refuse_beyond_bounds(plan)
    finish(plan, html=html, as_json=as_json, store=store, database=database)


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many, the latest first.")] = 50,
    as_json: AsJson = False,
    database: Database = None,
) -> None:
    """List the runs that were kept."""
    with transaction(database) as tx:
        found = kept_runs(tx, limit=limit).items
    if found or as_json:
        show(found, tables.KEPT_RUNS, as_json)
    else:
        say("No backtest was kept yet: commenda backtest STRATEGY --data FILE --store")


@app.command("show")
def show_run(
    ident: Annotated[str, typer.Argument(metavar="ID", help="Or how it begins.")],
    html: Html = None,
    as_json: AsJson = False,
    database: Database = None,
) -> None:
    """Show a run that was kept."""
    require_report(html)
    with transaction(database) as tx:
        kept = find_run(tx, ident)
        report = shown_run(tx, kept.id, BacktestReport) if html is not None else None
    if html is not None:
        write_page(html, wire(report))
    if as_json:
        print_json(tables.for_programs(kept.report) | tables.of_keeping(kept))
    else:
        tables.show_report(kept.report)


@app.command("compare")
def compare(
    idents: Annotated[list[str], typer.Argument(metavar="ID…", help="Two or more kept runs.")],
    html: Html = None,
    as_json: AsJson = False,
    database: Database = None,
) -> None:
    """Hold runs that were kept against each other; in HTML with their curves over each other."""

    require_report(html)
    if len(idents) < 2:
        raise CommendaError("nothing_to_compare", "One run cannot be compared").at(
            "ID", idents[0], "name two kept runs or more; commenda backtest list names them"
        )
    with transaction(database) as tx:
        found = [find_run(tx, ident) for ident in idents]
        side_by_side = compared(tx, [one.id for one in found]) if html is not None else None
    named = [(name_of(one), one.report) for one in found]
    if html is not None:
        html.write_text(report_page("comparison", "Backtests", wire(side_by_side)), "utf-8")
    if as_json:
        print_json([tables.for_programs(one.report) | tables.of_keeping(one) for one in found])
    else:
        tables.show_comparison(named)


@app.command("rerun")
def rerun(
    ident: Annotated[str, typer.Argument(metavar="ID", help="Or how it begins.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help="The candles, in the order of the run; by default the imports."),
    ] = None,
    funding: Annotated[list[Path] | None, typer.Option(help="The rates, if charged.")] = None,
    marks: Annotated[list[Path] | None, typer.Option(help="The marks, if given.")] = None,
    finer: Annotated[list[Path] | None, typer.Option(help="The finer candles, if given.")] = None,
    depth: Annotated[Path | None, typer.Option(help="The depth of a replay.")] = None,
    trades: Annotated[Path | None, typer.Option(help="The trades of a replay.")] = None,
    book: Annotated[Path | None, typer.Option(help="The depth that was sampled, if any.")] = None,
    strategy: Annotated[
        str | None, typer.Option(help="FILE.py:name, where the strategy is in a file.")
    ] = None,
    as_json: AsJson = False,
    database: Database = None,
) -> None:
    """Run a kept run again from its stored inputs: identical, or what differs first.

    Exits with 1 where the result differs.
    """
    candles = [depth] if depth else data or []
    files = Files(candles, funding or (), marks or (), finer or (), trades, book)
    with transaction(database) as tx:
        kept = find_run(tx, ident)
        plan = repeat_plan(tx, settings_of(database).data, kept, files, strategy)
    apart = differences(kept, plan, plan.run())
    same = not [one for one in apart if one.what not in ("engine hash", "code hash")]
    if as_json:
        print_json({"id": kept.id, "identical": same, "differences": apart})
    else:
        verdict = ("identical", "green") if same else ("differs", "red")
        say(verdict, f" to {kept.id}, to the last bit" if same else f" from {kept.id}")
        if apart:
            show(apart, texts("what", "kept", "now"))
    raise typer.Exit(0 if same else 1)
