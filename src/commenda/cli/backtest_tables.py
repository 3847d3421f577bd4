"""Backtests on a terminal, and as plain data for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from commenda.cli.tables import table_of
from commenda.market import interval_name
from commenda.strategies import BacktestSummary, Difference, Kept

Row = dict[str, Any]
HELD = "Buy & hold"
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
    """The key figures of a run, each with its method; of several legs also what each came to."""
    inputs, metrics = report["inputs"], report["metrics"]
    source, strategy = inputs["data"], inputs["strategy"]
    in_book = "depth" in inputs
    params = ", ".join(f"{name}={value:g}" for name, value in strategy["params"].items())
    events, bars = source.get("events", 0), source.get("bars", 0)
    size = f"{events:,} events" if in_book else f"{bars:,} bars of {_step(source)}"
    console.print(
        f"\n[bold]{strategy['name']} {strategy['version']}[/]  {params}\n"
        f"{_named(source)} · {size} · {source['first'][:16]} to {source['last'][:16]} UTC"
        " · a backtest, nothing was traded",
        highlight=False,
    )
    for note in () if in_book else notes(metrics):
        console.print(f"[yellow]{note}[/]", highlight=False)
    table = table_of("Figure", numbers=["Value"])
    table.add_column("Method")
    for name, figure in (in_book_figures if in_book else figures)(report).items():
        table.add_row(name, figure.of(report), figure.method)
    console.print(table)
    if "legs" in report:
        _show_legs(console, report["legs"])


def _show_legs(console: Console, legs: Sequence[Row]) -> None:
    money = ("Profit", "Fees", "Funding")
    table = table_of("Leg", numbers=[*money, "Closed trades", "Win rate"])
    for leg in legs:
        table.add_row(
            leg["name"],
            *(_or_dash(_money, leg[name.lower()]) for name in money),
            f"{leg['trades']:,}",
            _or_dash(_percent, leg["winRate"]),
        )
    console.print(table)


def _named(source: Row) -> str:
    return str(source["symbol"] or source["name"])


def _step(source: Row) -> str:
    return interval_name(source["intervalSeconds"]) if "intervalSeconds" in source else "depth"


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


class Figure(NamedTuple):
    """One figure: where it stands in a report, how it is shown, and its method."""

    part: str
    key: str
    shown: Callable[[Any], str]
    method: str

    def of(self, report: Row) -> str:
        return _or_dash(self.shown, report[self.part][self.key])


def figures(report: Row) -> dict[str, Figure]:
    """The figures of a run over bars, by name."""
    metrics = report["metrics"]
    days, charged = metrics["days"], metrics["fundingCharged"]
    cash = f"from {report['inputs']['cash']:,.2f}; an open position at the last close"
    total = f"final / initial - 1, after all costs, over {days:.1f} days"
    yearly = "compounded, ACT/365" if days >= 365 else "none: under a year"
    short = f", from {days:.0f} days" if days < 365 else ""
    bars = f"{_step(report['inputs']['data'])} bar returns × √{metrics['barsPerYear'] or 0:,.0f}"
    closed = "of closed trades, after fees and slippage, before funding"
    paid = "paid; negative was received" if charged else "not charged"
    held = "bought at the first open, one fee and slippage"
    unclear = "whose inside order is unknown: the poorer way"
    return {
        "Final equity": Figure("metrics", "finalEquity", _money, cash),
        "Total return": Figure("metrics", "totalReturn", _percent, total),
        "Annual return": Figure("metrics", "annualReturn", _percent, yearly),
        f"{HELD} {report['benchmark']['name']}": Figure("benchmark", "totalReturn", _percent, held),
        "Greatest drawdown": Figure(
            "metrics", "maxDrawdown", _fall, "of equity at closes from its peak so far"
        ),
        "Sharpe": Figure("metrics", "sharpe", _ratio, bars + short),
        "Sortino": Figure("metrics", "sortino", _ratio, "the same over the downside deviation"),
        "Closed trades": Figure("metrics", "trades", _count, f"and {metrics['openTrades']} open"),
        "Win rate": Figure("metrics", "winRate", _percent, closed),
        "Profit factor": Figure("metrics", "profitFactor", _ratio, "sum of gains / sum of losses"),
        "Time in the market": Figure(
            "metrics", "timeInMarket", _percent, "share of bars with a position"
        ),
        "Before costs": Figure("costs", "gross", _money, "the result without what follows"),
        "Fees": Figure("costs", "fees", _money, "paid to the venue"),
        "Ambiguous bars": Figure("execution", "ambiguousBars", _count, unclear),
        "Slippage": Figure("costs", "slippage", _money, "fills against reference prices"),
        "Funding": Figure("costs", "funding", _money, paid),
    }


def in_book_figures(report: Row) -> dict[str, Figure]:
    """The figures of a run in an order book, by name."""
    rules, found, common = report["inputs"]["depth"], report["execution"], figures(report)
    every = f"{rules['everyEvents']} events"
    if rules["interval"]:
        every = f"{rules['interval'] / 1e6:g} ms"
    model = rules["queue"] + (f", n = {rules['exponent']:g}" if rules["queue"] == "power" else "")
    ends = ("filled", "cancelled", "expired", "rejected", "open")
    methods = {
        "Final equity": f"from {report['inputs']['cash']:,.2f}; an open position at the last mid",
        "Greatest drawdown": "of equity at steps, at the mid",
        "Time in the market": "share of steps with a position",
    }
    names = ["Final equity", "Total return", "Greatest drawdown", "Closed trades", "Win rate"]
    names += ["Time in the market", "Before costs", "Fees"]
    shown = {
        name: common[name]._replace(method=methods.get(name, common[name].method)) for name in names
    }
    return shown | {
        "Steps": Figure("metrics", "steps", _count, f"one every {every}"),
        "Orders": Figure(
            "execution", "orders", _count, ", ".join(f"{end} {found[end]:,}" for end in ends)
        ),
        "Maker fills": Figure(
            "execution", "makerFills", _count, "resting orders, by trades and by the opposite side"
        ),
        "Taker fills": Figure("execution", "takerFills", _count, "of what the book displayed"),
        "Lots filled": Figure(
            "execution", "taken", _count, f"of {found['offered']:,} offered at those moments"
        ),
        "Divided by the queue model": Figure(
            "execution", "ambiguous", _count, f"decreases of a queue, ahead or behind: {model}"
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
            f"{_named(source)} {_step(source)}",
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
    for name, figure in figures(first).items():
        label = HELD if name.startswith(HELD) else name
        table.add_row(label, *(figure.of(one) for _, one in runs))
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
    return f"{_named(source)} {_step(source)}"


def _or_dash(shown: Callable[[Any], str], value: float | None) -> str:
    return "-" if value is None else shown(value)


def _percent(value: float) -> str:
    return f"{value * 100:.2f}%"


def _fall(value: float) -> str:
    return _percent(-value)


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _money(value: float) -> str:
    return f"{value:,.2f}"


def _count(value: int) -> str:
    return f"{value:,}"
