"""Backtests on a terminal, and as plain data for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from commenda.cli.tables import table_of
from commenda.market import interval_name
from commenda.strategies import BacktestSummary, Difference, Kept

Row = dict[str, Any]
FOR_CHARTS = ("series", "markers")
"""Parts of a report that only its page shows."""


def for_programs(report: Row) -> Row:
    """A report without what is only drawn."""
    return {key: part for key, part in report.items() if key not in FOR_CHARTS}


def of_keeping(kept: Kept | BacktestSummary) -> Row:
    """What is known of a kept run beside its report."""
    return {
        "id": str(kept.id),
        "createdBy": kept.created_by,
        "createdAt": kept.created_at.isoformat(),
        "seconds": kept.seconds,
    }


def listed(one: BacktestSummary) -> Row:
    return of_keeping(one) | {"inputs": one.inputs, "metrics": one.metrics}


def show(console: Console, report: Row) -> None:
    """The key figures of a run, each with its method."""
    inputs, metrics = report["inputs"], report["metrics"]
    source, strategy = inputs["data"], inputs["strategy"]
    params = ", ".join(f"{name}={value:g}" for name, value in strategy["params"].items())
    console.print(
        f"\n[bold]{strategy['name']} {strategy['version']}[/]  {params}\n"
        f"{source['symbol'] or source['name']} · {source['bars']:,} bars of"
        f" {interval_name(source['intervalSeconds'])} · {source['first'][:16]} to"
        f" {source['last'][:16]} UTC · a backtest, nothing was traded",
        highlight=False,
    )
    for note in notes(metrics):
        console.print(f"[yellow]{note}[/]", highlight=False)
    table = table_of("Figure", numbers=["Value"])
    table.add_column("Method")
    for name, (value, method) in figures(report).items():
        table.add_row(name, value(report), method)
    console.print(table)


def notes(metrics: Row) -> list[str]:
    """What a reader must know before the figures."""
    found = []
    if not metrics["fundingCharged"]:
        found.append("Funding is not charged in this run.")
    if metrics["fundingEstimated"]:
        found.append(
            f"{metrics['fundingEstimated']} funding stamps had no mark price and were priced at a"
            " bar's close."
        )
    if metrics["missingBars"]:
        found.append(f"The data lacks {metrics['missingBars']} bars; nothing was filled in.")
    return found


def figures(report: Row) -> dict[str, tuple[Callable[[Row], str], str]]:
    """Name, how it is read from a report, and its method."""
    metrics, source = report["metrics"], report["inputs"]["data"]
    interval = interval_name(source["intervalSeconds"])
    days = metrics["days"]
    short = f", from {days:.0f} days" if days < 365 else ""
    yearly = "compounded, ACT/365" if days >= 365 else "none: under a year"
    return {
        "Final equity": (
            lambda r: f"{r['metrics']['finalEquity']:,.2f}",
            f"from {report['inputs']['cash']:,.2f}; an open position at the last close",
        ),
        "Total return": (
            lambda r: _percent(r["metrics"]["totalReturn"]),
            f"final / initial - 1, after all costs, over {days:.1f} days",
        ),
        "Annual return": (lambda r: _percent(r["metrics"]["annualReturn"]), yearly),
        f"Buy & hold {report['benchmark']['name']}": (
            lambda r: _percent(r["benchmark"]["totalReturn"]),
            "bought at the first open, one fee and slippage",
        ),
        "Greatest drawdown": (
            lambda r: _percent(-r["metrics"]["maxDrawdown"]),
            "of equity at closes from its peak so far",
        ),
        "Sharpe": (
            lambda r: _ratio(r["metrics"]["sharpe"]),
            f"{interval} bar returns × √{metrics['barsPerYear']:,.0f}{short}",
        ),
        "Sortino": (
            lambda r: _ratio(r["metrics"]["sortino"]),
            "the same over the downside deviation",
        ),
        "Closed trades": (
            lambda r: f"{r['metrics']['trades']:,}",
            f"and {metrics['openTrades']} open",
        ),
        "Win rate": (
            lambda r: _percent(r["metrics"]["winRate"]),
            "of closed trades, after fees and slippage, before funding",
        ),
        "Profit factor": (
            lambda r: _ratio(r["metrics"]["profitFactor"]),
            "sum of gains / sum of losses",
        ),
        "Time in the market": (
            lambda r: _percent(r["metrics"]["timeInMarket"]),
            "share of bars with a position",
        ),
        "Before costs": (lambda r: _money(r["costs"]["gross"]), "the result without what follows"),
        "Fees": (lambda r: _money(r["costs"]["fees"]), "paid to the venue"),
        "Ambiguous bars": (
            lambda r: f"{r['execution']['ambiguousBars']:,}",
            "whose inside order is unknown: the poorer way",
        ),
        "Slippage": (lambda r: _money(r["costs"]["slippage"]), "fills against reference prices"),
        "Funding": (
            lambda r: _money(r["costs"]["funding"]),
            "paid; negative was received" if metrics["fundingCharged"] else "not charged",
        ),
    }


def show_list(console: Console, runs: Sequence[BacktestSummary]) -> None:
    if not runs:
        console.print("No backtest was kept yet: commenda backtest STRATEGY --data FILE --store")
        return
    table = table_of("Id", "Strategy", "Data", "Kept (UTC)", numbers=["Return", "Drawdown"])
    for one in runs:
        source = one.inputs["data"]
        table.add_row(
            str(one.id)[:13],
            f"{one.inputs['strategy']['name']} {one.inputs['strategy']['version']}",
            f"{source['symbol'] or source['name']} {interval_name(source['intervalSeconds'])}",
            f"{one.created_at:%Y-%m-%d %H:%M}",
            _percent(one.metrics["totalReturn"]),
            _percent(-one.metrics["maxDrawdown"]),
        )
    console.print(table)


def show_comparison(console: Console, runs: Sequence[tuple[str, Row]]) -> None:
    """Parameters, data and figures of several runs, a column for each."""
    table = table_of("", numbers=[name for name, _ in runs])
    first = runs[0][1]
    names = dict.fromkeys(name for _, one in runs for name in one["inputs"]["strategy"]["params"])
    for name in names:
        values = (one["inputs"]["strategy"]["params"].get(name) for _, one in runs)
        table.add_row(name, *("-" if value is None else f"{value:g}" for value in values))
    table.add_row("Data", *(_data(one) for _, one in runs))
    table.add_row("From (UTC)", *(one["inputs"]["data"]["first"][:16] for _, one in runs))
    table.add_row("To (UTC)", *(one["inputs"]["data"]["last"][:16] for _, one in runs))
    for name, (value, _) in figures(first).items():
        label = "Buy & hold" if name.startswith("Buy & hold") else name
        table.add_row(label, *(value(one) for _, one in runs))
    console.print(table)


def show_differences(console: Console, kept: Kept, found: Sequence[Difference], same: bool) -> None:
    """Whether a rerun is the run that was kept, and what is not."""
    if same:
        console.print(f"[green]identical[/] to {kept.id}, to the last bit", highlight=False)
    else:
        console.print(f"[red]differs[/] from {kept.id}", highlight=False)
    table = Table("What", "Kept", "Now")
    for one in found:
        table.add_row(one.what, str(one.kept), str(one.now))
    if found:
        console.print(table)


def _data(report: Row) -> str:
    source = report["inputs"]["data"]
    return f"{source['symbol'] or source['name']} {interval_name(source['intervalSeconds'])}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.2f}%"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _money(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"
