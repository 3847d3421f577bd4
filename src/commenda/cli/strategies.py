"""`commenda strategy`: what there is, what it declares, and whether it keeps its promises."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.text import Text

from commenda.cli.backtest_options import params_of
from commenda.cli.options import AsJson, Data, open_database, print_json
from commenda.cli.tables import table_of, wide_console
from commenda.kit.clock import business_now
from commenda.strategies import (
    Registrar,
    Status,
    Strategy,
    catalogue,
    find_strategy,
    installed_plugins,
    move,
    read_bars,
    register,
)
from commenda.testing import CHECKS, Finding, Verdict, found, sample_bars, subject_of

app = typer.Typer(help="Strategies: what there is, and whether it is sound.", no_args_is_help=True)

ACTOR = "cli"
COLOURS = {Verdict.PASSED: "green", Verdict.FAILED: "bold red", Verdict.UNCHECKED: "yellow"}
Named = Annotated[str, typer.Argument(help="A name, or path/to/file.py, or path/to/file.py:name.")]
SLOWER = "plain Python, slower"


@app.command("list")
def listed(as_json: AsJson = False) -> None:
    """The catalogue, and what installed packages offer."""
    rows: list[dict[str, Any]] = [_row(each, "Commenda") for each in catalogue().values()]
    for plugin in installed_plugins():
        if plugin.strategy is not None and plugin.error is None:
            rows.append(_row(plugin.strategy, plugin.distribution))
        else:
            rows.append(
                {"name": plugin.name, "from": plugin.distribution, "error": f"{plugin.error}"}
            )
    if as_json:
        print_json(rows)
        return
    table = table_of("name", "version", "from", "step", "what it does", numbers=())
    for row in rows:
        if "error" in row:
            table.add_row(Text(row["name"]), "", Text(row["from"]), "", Text(row["error"], "red"))
            continue
        step = "compiled" if row["compiled"] else SLOWER
        first = row["doc"].partition("\n")[0]
        table.add_row(*(Text(row[key]) for key in ("name", "version", "from")), step, Text(first))
    wide_console().print(table)


@app.command()
def show(named: Named, as_json: AsJson = False) -> None:
    """What a strategy declares: its parameters with their ranges, its stop, its source's hash."""
    strategy = find_strategy(named)
    if as_json:
        params = [{**asdict(param), "kind": param.kind.__name__} for param in strategy.params]
        print_json({**_row(strategy, named), "params": params})
        return
    console = wide_console()
    console.print(Text(f"{strategy.name} {strategy.version}", "bold"))
    console.print(Text(strategy.doc))
    table = table_of("parameter", "kind", numbers=("default", "from", "to"))
    for param in strategy.params:
        numbers = (param.default, param.low, param.high)
        kind = "whole number" if param.kind is int else "number"
        table.add_row(Text(param.name), kind, *(f"{number:g}" for number in numbers))
    console.print(table)
    console.print(f"step: {'compiled' if strategy.compiled else SLOWER}", highlight=False)
    if strategy.stop:
        console.print(Text(f"hard stop: {strategy.stop}, a fraction of the entry price"))
    if strategy.orders:
        console.print(f"orders of its own at a time: {strategy.orders}", highlight=False)
    console.print(f"source: {strategy.source_hash}", highlight=False, soft_wrap=True)


@app.command()
def check(
    named: Named,
    data: Annotated[
        Path | None, typer.Option(help="A file of candles; a sample of 6,000 bars by default.")
    ] = None,
    params: Annotated[str, typer.Option(help="Such as fast=5,slow=20; defaults elsewhere.")] = "",
    as_json: AsJson = False,
) -> None:
    """Examine a strategy: look-ahead at every bar, determinism, restarts, warm-up, ranges.

    Exit code 1 if it breaks a promise. A file runs with all your rights.
    """
    strategy = find_strategy(named)
    bars = sample_bars() if data is None else read_bars(data).bars
    subject = subject_of(strategy, bars=bars, params=params_of(params))
    findings: list[Finding] = []
    with _spinner() as progress:
        task = progress.add_task("", total=None)
        for each in CHECKS:
            progress.update(task, description=each.name)
            findings.append(found(each, subject))
    broken = sum(finding.verdict is Verdict.FAILED for finding in findings)
    if as_json:
        print_json(
            {**_row(strategy, named), "bars": len(bars), "findings": [asdict(f) for f in findings]}
        )
    else:
        table = table_of("check", "", "what was found", numbers=())
        for one, finding in zip(CHECKS, findings, strict=True):
            said = (
                finding.said
                if finding.verdict is Verdict.PASSED
                else f"{one.proves}: {finding.said}"
            )
            verdict = Text(finding.verdict, COLOURS[finding.verdict])
            table.add_row(one.name, verdict, Text(said))
        console = wide_console()
        kind = "" if strategy.compiled else f" ({SLOWER})"
        console.print(Text(f"{strategy.name} {strategy.version}{kind} over {len(bars):,} bars"))
        console.print(table)
    if broken:
        raise typer.Exit(1)


@app.command("register")
def register_(named: Named, data: Data = None) -> None:
    """Register a version in the database, for the platform: as a draft, until it is published."""
    strategy = find_strategy(named)
    with open_database(data) as database, database.transaction() as tx:
        version = register(tx, Registrar(ACTOR, business_now(tx)), strategy)
    _say(f"{strategy.name} {version.version} is registered with source {version.source_hash[:16]}…")


@app.command()
def publish(name: str, data: Data = None) -> None:
    """Offer a registered strategy of the platform to its creators."""
    _move(name, Status.PUBLISHED, data)


@app.command()
def retire(name: str, data: Data = None) -> None:
    """Take a registered strategy of the platform back, for good."""
    _move(name, Status.RETIRED, data)


def _move(name: str, to: Status, data: Path | None) -> None:
    with open_database(data) as database, database.transaction() as tx:
        moved = move(tx, Registrar(ACTOR, business_now(tx)), name, to)
    _say(f"{moved.name} is {moved.status}")


def _row(strategy: Strategy, origin: str) -> dict[str, Any]:
    return {
        "name": strategy.name,
        "version": strategy.version,
        "from": origin,
        "compiled": strategy.compiled,
        "doc": strategy.doc,
        "stop": strategy.stop,
        "orders": strategy.orders,
        "source_hash": strategy.source_hash,
    }


def _say(text: str) -> None:
    Console().print(Text(text), highlight=False, soft_wrap=True)


def _spinner() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        transient=True,
    )
