"""`commenda strategy`: what there is, what it declares, and whether it keeps its promises."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from commenda import strategies
from commenda.automation import promotion_ladder
from commenda.cli.backtest_options import params_of
from commenda.cli.options import ACTOR, AsJson, Data, fields_of, print_json, transaction
from commenda.cli.tables import Column, minute, numbers, progress, say, show
from commenda.kit.clock import business_now
from commenda.strategies import WALLS, Registrar, Status, Strategy, find_strategy, precompile
from commenda.testing import CHECKS, Finding, Verdict, found, sample_bars, subject_of

app = typer.Typer(help="Strategies: what there is, and whether it is sound.", no_args_is_help=True)

COLOURS = {Verdict.PASSED: "green", Verdict.FAILED: "bold red", Verdict.UNCHECKED: "yellow"}
Named = Annotated[str, typer.Argument(help="A name, or path/to/file.py, or path/to/file.py:name.")]
Candles = Annotated[
    Path | None, typer.Option(help="A file of candles; a sample of 6,000 bars by default.")
]
Params = Annotated[str, typer.Option(help="Such as fast=5,slow=20; defaults elsewhere.")]
RAISED = "it raised "
CASH = 10_000.0
SLOWER = "plain Python, slower"

STRATEGIES = (
    Column("name"),
    Column("version", lambda row: row.get("version")),
    Column("from"),
    Column("step", lambda row: _step(row["compiled"]) if "compiled" in row else ""),
    Column(
        "what it does",
        lambda row: Text(row["error"], "red") if "error" in row else row["doc"].partition("\n")[0],
    ),
)
PARAMS = (
    Column("parameter", "name"),
    Column("kind", lambda param: "whole number" if param.kind is int else "number"),
    Column("default", lambda param: f"{param.default:g}", number=True),
    Column("from", lambda param: f"{param.low:g}", number=True),
    Column("to", lambda param: f"{param.high:g}", number=True),
)
FINDINGS = (
    Column("check"),
    Column("", lambda finding: Text(finding.verdict, COLOURS[finding.verdict])),
    Column("what was found", lambda finding: _said(finding)),
)

PROMOTIONS = (
    Column("flow", "title"),
    Column("began", lambda one: minute(one.began_at)),
    Column("outcome", lambda one: one.outcome or "running"),
    *numbers("capital", "bars"),
    Column("return", lambda one: f"{one.own_return:.2%}", number=True),
    Column("incumbent", lambda one: f"{one.incumbent_return:.2%}", number=True),
    Column("difference a bar", lambda one: f"{one.mean:.6f}", number=True),
    Column("low", lambda one: "" if one.low is None else f"{one.low:.6f}", number=True),
    Column("high", lambda one: "" if one.high is None else f"{one.high:.6f}", number=True),
)


@app.command("list")
def listed(as_json: AsJson = False) -> None:
    """The catalogue, and what installed packages offer."""
    rows = [_row(each, "Commenda") for each in strategies.catalogue().values()]
    for plugin in strategies.installed_plugins():
        if plugin.strategy is not None and plugin.error is None:
            rows.append(_row(plugin.strategy, plugin.distribution))
        else:
            rows.append(
                {"name": plugin.name, "from": plugin.distribution, "error": f"{plugin.error}"}
            )
    show(rows, STRATEGIES, as_json)


@app.command("show")
def show_strategy(named: Named, as_json: AsJson = False) -> None:
    """What a strategy declares: its parameters with their ranges, its stop, its source's hash."""
    strategy = find_strategy(named)
    if as_json:
        params = [fields_of(param, kind=param.kind.__name__) for param in strategy.params]
        print_json({**_row(strategy, named), "params": params})
        return
    say((f"{strategy.name} {strategy.version}", "bold"))
    say(strategy.doc)
    show(strategy.params, PARAMS)
    say(f"step: {_step(strategy.compiled)}")
    if strategy.stop:
        say(f"hard stop: {strategy.stop}, a fraction of the entry price")
    if strategy.orders:
        say(f"orders of its own at a time: {strategy.orders}")
    say(f"source: {strategy.source_hash}")


@app.command()
def check(
    named: Named,
    data: Candles = None,
    params: Params = "",
    as_json: AsJson = False,
) -> None:
    """Examine a strategy: look-ahead at every bar, determinism, restarts, warm-up, ranges.

    Exit code 1 if it breaks a promise, 2 if it raises. A file runs with all your rights.
    """
    strategy = find_strategy(named)
    bars = sample_bars() if data is None else strategies.read_bars(data).bars
    subject = subject_of(strategy, bars=bars, params=params_of(params))
    with progress("checks") as bar:
        task = bar.add_task("", total=len(CHECKS))
        findings = []
        for each in CHECKS:
            bar.update(task, description=each.name)
            findings.append(found(each, subject))
            bar.advance(task)
    if any(RAISED in one.said for one in findings if one.verdict is Verdict.FAILED):
        # Where: file, line and bar. What raised at other parameters only stays a finding.
        strategies.run_program(strategy.bind(**params_of(params)), bars, cash=CASH)
    if as_json:
        print_json({**_row(strategy, named), "bars": len(bars), "findings": findings})
    else:
        kind = "" if strategy.compiled else f" ({SLOWER})"
        say(f"{strategy.name} {strategy.version}{kind} over {len(bars):,} bars")
        show(findings, FINDINGS)
    if any(finding.verdict is Verdict.FAILED for finding in findings):
        raise typer.Exit(1)


@app.command("try")
def try_(
    named: Named,
    data: Candles = None,
    params: Params = "",
    allow: Annotated[
        list[str] | None, typer.Option(help="A wall that may be open here; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a stranger's strategy behind walls, with nothing in reach but the candles.

    Refused where this machine cannot hold it: see `commenda strategy walls`.
    """
    bars = sample_bars() if data is None else strategies.read_bars(data).bars
    ran = strategies.run_sandboxed(named, params_of(params), bars, allow=allow or ())
    if as_json:
        print_json({**fields_of(ran), "bars": len(bars)})
        return
    gain = float(ran.equity[-1] / ran.equity[0] - 1.0)
    say((f"{ran.strategy} {ran.version}", "bold"), f" over {len(bars):,} bars: {gain:+.2%}")
    say(f"source: {ran.source_hash}")


@app.command("walls")
def walls_(as_json: AsJson = False) -> None:
    """Attack the walls around a stranger's strategy on this machine, and say which hold.

    Exit code 1 if one is open.
    """
    held, raised = strategies.try_walls()
    if as_json:
        print_json({"walls": held, "raised": raised})
    else:
        rows = [{"wall": w, "harm": WALLS[w], "found": held[w] or "holds"} for w in WALLS]
        show(rows, (Column("wall"), Column("without it a strategy", "harm"), Column("found")))
        for name, said in raised.items():
            say(f"{name}: {said}")
    if any(held.values()):
        raise typer.Exit(1)


@app.command("compile")
def compile_() -> None:
    """Compile what backtests run, into this user's cache: else the first runs wait for it.

    Takes a minute or two; what is there already is only loaded. COMMENDA_CACHE_DIR moves the cache.
    """
    parts = list(precompile())
    with progress("compiling") as bar:
        task = bar.add_task("", total=len(parts))
        for name, compiles in parts:
            bar.update(task, description=name)
            compiles()
            bar.advance(task)
    say(f"compiled: {', '.join(name for name, _ in parts)}")


@app.command("register")
def register_(named: Named, data: Data = None) -> None:
    """Register a version in the database, for the platform: as a draft, until it is published."""
    strategy = find_strategy(named)
    with transaction(data) as tx:
        version = strategies.register(tx, Registrar(ACTOR, business_now(tx)), strategy)
    say(f"{strategy.name} {version.version} is registered with source {version.source_hash[:16]}…")


@app.command()
def publish(name: str, data: Data = None) -> None:
    """Offer a registered strategy of the platform to its creators."""
    _move(name, Status.PUBLISHED, data)


@app.command()
def retire(name: str, data: Data = None) -> None:
    """Take a registered strategy of the platform back, for good."""
    _move(name, Status.RETIRED, data)


@app.command()
def promotions(
    name: Annotated[str, typer.Argument(help="A registered strategy, by its name or id.")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What is and was tried beside the strategy's flows, and the test that decides about it."""
    with transaction(data) as tx:
        found = promotion_ladder(tx, name, business_now(tx))
    show(found.canaries, PROMOTIONS, as_json)


def _move(name: str, to: Status, data: Path | None) -> None:
    with transaction(data) as tx:
        moved = strategies.move(tx, Registrar(ACTOR, business_now(tx)), name, to)
    say(f"{moved.name} is {moved.status}")


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


def _step(compiled: bool) -> str:
    return "compiled" if compiled else SLOWER


def _said(finding: Finding) -> str:
    """What was found; where a promise is not kept, the promise first."""
    if finding.verdict is Verdict.PASSED:
        return finding.said
    proves = {check.name: check.proves for check in CHECKS}[finding.check]
    return f"{proves}: {finding.said}"
