"""Backtests on a terminal, and as plain data for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from commenda.cli.tables import Column, minute, say, show
from commenda.kit.times import iso
from commenda.market import interval_name
from commenda.strategies import Kept

Row = dict[str, Any]
HELD = "Buy & hold"
YEARS = {
    "every_day": ", 365 days a year",
    "sessions": ", 252 sessions a year",
    "given": ", as given",
}
"""By which calendar a year was counted, in words."""
FOR_CHARTS = ("series", "markers")
"""Parts of a report that only its page shows."""


def for_programs(report: Row) -> Row:
    """A report without what is only drawn."""
    return {key: part for key, part in report.items() if key not in FOR_CHARTS}


def of_keeping(kept: Kept) -> Row:
    """What is known of a kept run beside its report."""
    return {
        "id": str(kept.id),
        "createdBy": kept.created_by,
        "createdAt": iso(kept.created_at),
        "seconds": kept.seconds,
    }


def show_report(report: Row) -> None:
    """The key figures of a run, each with its method; of several legs also what each came to."""
    inputs, metrics = report["inputs"], report["metrics"]
    source, strategy = inputs["data"], inputs["strategy"]
    in_book = "depth" in inputs
    params = ", ".join(f"{name}={value:g}" for name, value in strategy["params"].items())
    events, bars = source.get("events", 0), source.get("bars", 0)
    size = f"{events:,} events" if in_book else f"{bars:,} bars of {_step(source)}"
    say((f"\n{strategy['name']} {strategy['version']}", "bold"), f"  {params}")
    say(
        f"{_named(source)} · {size} · {source['first'][:16]} to {source['last'][:16]} UTC"
        " · a backtest, nothing was traded"
    )
    if metrics.get("ruinedAt"):
        say((f"Ruined: {_ruin(report)}", "bold red"))
    for note in () if in_book else notes(metrics):
        say((note, "yellow"))
    found = (in_book_figures if in_book else figures)(report)
    value = Column("Value", lambda one: one[1].of(report), number=True)
    method = Column("Method", lambda one: one[1].method)
    show(found.items(), (Column("Figure", lambda one: one[0]), value, method))
    if "legs" in report:
        show(report["legs"], LEGS)


def _named(source: Row) -> str:
    return str(source["symbol"] or source["name"])


def _step(source: Row) -> str:
    return interval_name(source["intervalSeconds"]) if "intervalSeconds" in source else "depth"


def _ruin(report: Row) -> str:
    when, owed = report["metrics"]["ruinedAt"], report["execution"]["shortfall"]
    return (
        f"nothing was left at {when[:16]} UTC, and nothing was traded afterwards;"
        f" {owed:,.2f} more were owed."
    )


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
    if undecided := metrics.get("undecided"):
        found.append(
            f"The strategy warms up for {undecided['warmup']} bars and the data has"
            f" {undecided['bars']}: it decided nothing."
        )
    return found


class Figure(NamedTuple):
    """One figure: where it stands in a report, how it is shown, and its method."""

    part: str
    key: str
    shown: Callable[[Any], str]
    method: str

    def of(self, report: Row) -> str:
        return _or_dash(self.shown, report[self.part].get(self.key))


def figures(report: Row) -> dict[str, Figure]:
    """The figures of a run over bars, by name."""
    metrics = report["metrics"]
    days, charged = metrics["days"], metrics["fundingCharged"]
    cash = f"from {report['inputs']['cash']:,.2f}; an open position at the last close"
    total = f"final / initial - 1, after all costs, over {days:.1f} days"
    yearly = "compounded, ACT/365" if days >= 365 else "none: under a year"
    short = f", from {days:.0f} days" if days < 365 else ""
    bars = f"{_step(report['inputs']['data'])} bar returns × √{metrics['barsPerYear'] or 0:,.0f}"
    bars += YEARS.get(metrics.get("calendar"), "")
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
        "Shortfall": Figure("costs", "shortfall", _money, "lost beyond the margin: the lender's"),
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
    names += ["Time in the market", "Before costs", "Fees", "Shortfall"]
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


def show_comparison(runs: Sequence[tuple[str, Row]]) -> None:
    """Parameters, data and figures of several runs, a column for each."""
    reports = [report for _, report in runs]
    params = [report["inputs"]["strategy"]["params"] for report in reports]
    sources = [report["inputs"]["data"] for report in reports]
    rows: list[list[str]] = [
        [name, *(_or_dash("{:g}".format, one.get(name)) for one in params)]
        for name in dict.fromkeys(name for one in params for name in one)
    ]
    rows.append(["Data", *map(_data, sources)])
    rows.append(["From (UTC)", *(one["first"][:16] for one in sources)])
    rows.append(["To (UTC)", *(one["last"][:16] for one in sources)])
    ruined = [report["metrics"].get("ruinedAt") or "" for report in reports]
    if any(ruined):
        rows.append(["Ruined (UTC)", *(one[:16] or "-" for one in ruined)])
    for name, figure in figures(reports[0]).items():
        label = HELD if name.startswith(HELD) else name
        rows.append([label, *(figure.of(report) for report in reports)])
    columns = [Column("", lambda row: row[0])]
    columns += [Column(name, itemgetter(k), number=True) for k, (name, _) in enumerate(runs, 1)]
    show(map(tuple, rows), columns)


def _data(source: Row) -> str:
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


def _leg(heading: str, name: str, shown: Callable[[Any], str]) -> Column:
    return Column(heading, lambda leg: _or_dash(shown, leg[name]), number=True)


LEGS = (
    Column("Leg", "name"),
    *(_leg(name, name.lower(), _money) for name in ("Profit", "Fees", "Funding")),
    _leg("Closed trades", "trades", _count),
    _leg("Win rate", "winRate", _percent),
)
KEPT_RUNS = (
    Column("Id", lambda one: str(one.id)[:13]),
    Column("Strategy", lambda one: "{name} {version}".format_map(one.inputs["strategy"])),
    Column("Data", lambda one: _data(one.inputs["data"])),
    Column("Kept (UTC)", lambda one: minute(one.created_at)),
    Column("Return", lambda one: _percent(one.metrics["totalReturn"]), number=True),
    Column("Drawdown", lambda one: _fall(one.metrics["maxDrawdown"]), number=True),
    Column("", lambda one: "ruined" if one.metrics.get("ruinedAt") else ""),
)
