"""`commenda flow`: shared flows, and each held against a backtest of what it saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from commenda.cli.options import AsJson, Data, print_json, transaction
from commenda.cli.tables import Column, minute, numbers, say, show, texts
from commenda.kit.money import plain
from commenda.kit.wire import wire
from commenda.modes import FlowComparison, compare_flow, listed_flows, strategy_metrics
from commenda.strategies import read_bars

app = typer.Typer(no_args_is_help=True, help="Flows that creators share.")


def rounded(field: str) -> Callable[[Mapping[str, float | None]], str]:
    """A measure of a row to four decimals, nothing where there is none."""
    return lambda row: "" if (value := row[field]) is None else f"{value:.4f}"


FLOWS = (
    *texts("id", "title", "strategy", "symbol", "venue", "status"),
    Column("last bar", lambda one: minute(one.last_bar_at)),
)
CAUSES = (*texts("cause"), *numbers("amount", "moments"))
MOMENTS = (
    Column("at", lambda one: minute(one.at)),
    *texts("kind"),
    Column("backtest", lambda one: one.backtest.quantity, number=True),
    Column("live", lambda one: one.live.quantity, number=True),
    Column("at price", lambda one: one.backtest.price, number=True),
    Column("at live price", lambda one: one.live.price, number=True),
    *numbers("difference"),
    Column("why", lambda one: ", ".join(f"{why.cause} {plain(why.amount)}" for why in one.causes)),
)

MEASURED = (
    *texts("window", "side"),
    *numbers("days"),
    *(
        Column(heading, rounded(field), number=True)
        for heading, field in {
            "return": "totalReturn",
            "Sharpe": "sharpeRatio",
            "drawdown": "maxDrawdown",
            "hit rate": "hitRate",
            "turnover": "turnover",
            "costs": "costs",
        }.items()
    ),
)


@app.command("list")
def list_flows(as_json: AsJson = False, data: Data = None) -> None:
    """List the flows there are."""
    with transaction(data) as tx:
        found = listed_flows(tx)
    show(found, FLOWS, as_json)


@app.command()
def compare(
    flow: Annotated[UUID, typer.Argument(help="Of commenda flow list.")],
    bars: Annotated[
        Path | None,
        typer.Option(help="A file of candles; without one, the stored bars that the flow saw."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, max=500, help="Moments, the latest first.")] = 20,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Hold a live flow against a backtest of the same bars: how many decisions agree, and by which
    causes the results differ. Exits with 1 where something of it is not explained.
    """
    given = None if bars is None else read_bars(bars)
    with transaction(data) as tx:
        found = compare_flow(tx, flow, bars=given)
    if as_json:
        print_json(wire(found))
    else:
        _tell(found, limit)
    raise typer.Exit(1 if any(one.cause == "unexplained" for one in found.causes) else 0)


@app.command()
def metrics(
    strategy: Annotated[str, typer.Argument(help="Its name, or its id.")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show what a strategy's open flows did over windows, and what the backtest of each did."""
    with transaction(data) as tx:
        found = strategy_metrics(tx, strategy)
    if as_json:
        print_json(wire(found))
        return
    for flow in found.flows:
        sides = [
            {"window": one.window, "side": side} | wire(figures)
            for one in flow.windows
            for side, figures in (("live", one.live), ("backtest", one.backtest))
            if figures is not None
        ]
        show(sides, MEASURED, title=f"{flow.title} on {flow.symbol}")
    say(found.method)


def _tell(found: FlowComparison, limit: int) -> None:
    counted, money = found.decisions, found.result
    say(
        f"{found.strategy} on {found.symbol} at {found.venue}, {minute(found.begins)} to"
        f" {minute(found.ends)} UTC: {found.bars:,} bars, {found.one_sided_bars} of which one side"
        f" has not, {found.changed_bars} changed"
    )
    say(
        f"decisions: {counted.backtest} by the backtest, {counted.live} live, ",
        (f"{counted.agreeing} agree", "green" if counted.agreeing == counted.live else "red"),
    )
    say(
        f"result in {found.currency}: {plain(money.live)} live, {plain(money.backtest)} by the"
        f" backtest, {plain(money.difference)} apart"
    )
    show([*found.causes, ["in all", money.difference, ""]], CAUSES)
    if limit:
        show(found.moments[:limit], MOMENTS)
