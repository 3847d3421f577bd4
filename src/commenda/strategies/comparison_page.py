"""Several backtests beside each other as one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from commenda.charts import (
    LANGUAGES,
    Cell,
    Words,
    buttons,
    change,
    coloured,
    day,
    gain,
    html_page,
    minute,
    money,
    percent,
    section,
    table,
)
from commenda.kit.markup import Markup, tag
from commenda.strategies import report_figures as figures
from commenda.strategies.plan import Row
from commenda.strategies.report_page import INPUTS, refuse_depth
from commenda.strategies.report_texts import words_in


def render_comparison(runs: Sequence[tuple[str, Row]]) -> str:
    """The page of several runs over bars, each with its name, in both languages."""
    for _, report in runs:
        refuse_depth(report)
    pages = (_comparison(words_in(language), list(runs)) for language in LANGUAGES)
    return html_page("Backtests · Commenda", pages)


def _comparison(words: Words, runs: list[tuple[str, Row]]) -> Markup:
    return tag(
        "main",
        tag(
            "header",
            tag("div", tag("h1", words.say("compare_title")), buttons(words), class_="top"),
            tag("p", words.say("compare_warning"), class_="warning", role="note"),
        ),
        section(words, "equity", figures.curves(words, runs)),
        section(
            words, "figures_side_by_side", _side_by_side(words, runs), _inputs_beside(words, runs)
        ),
        lang=words.language,
    )


COMPARED: dict[str, Callable[[Row], Cell]] = {
    "final_equity": lambda r: money(r["metrics"]["finalEquity"]),
    "total_return": lambda r: coloured(
        r["metrics"]["totalReturn"], change(r["metrics"]["totalReturn"])
    ),
    "annual_return": lambda r: change(r["metrics"]["annualReturn"]),
    "max_drawdown": lambda r: percent(-r["metrics"]["maxDrawdown"]),
    "is_ruined": lambda r: _when(r["metrics"].get("ruinedAt")),
    "sharpe": lambda r: _two(r["metrics"]["sharpe"]),
    "sortino": lambda r: _two(r["metrics"]["sortino"]),
    "trades": lambda r: f"{r['metrics']['trades']:,}",
    "win_rate": lambda r: percent(r["metrics"]["winRate"], signed=False),
    "profit_factor": lambda r: _two(r["metrics"]["profitFactor"]),
    "time_in_market": lambda r: percent(r["metrics"]["timeInMarket"], signed=False),
    "gross": lambda r: gain(r["costs"]["gross"]),
    "fees": lambda r: money(r["costs"]["fees"]),
    "slippage": lambda r: money(r["costs"]["slippage"]),
    "funding": lambda r: money(r["costs"]["funding"]),
    "shortfall": lambda r: money(r["costs"].get("shortfall")),
}
"""Figures that stand side by side."""


def _when(moment: str | None) -> str:
    return minute(moment) if moment else "-"


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _side_by_side(words: Words, runs: list[tuple[str, Row]]) -> Markup:
    heads = [(words.say("fact"), False), *((name, True) for name, _ in runs)]
    rows: list[list[Cell]] = [
        [words.say(key), *(show(one) for _, one in runs)] for key, show in COMPARED.items()
    ]
    note = words.say("compared_note")
    return table(words.say("figures_side_by_side"), heads, rows, note=note)


def _inputs_beside(words: Words, runs: list[tuple[str, Row]]) -> Markup:
    """The inputs that differ, and of the others only that they do not."""
    heads = [(words.say("fact"), False), *((name, False) for name, _ in runs)]
    rows: list[list[Cell]] = [
        [words.say("period"), *(_period(one["inputs"]["data"]) for _, one in runs)]
    ]
    for key, show in INPUTS.items():
        cells: list[Cell] = [show(words, _shortened(one["inputs"])) for _, one in runs]
        if len(set(map(str, cells))) == 1:
            cells = [words.say("same"), *[""] * (len(runs) - 1)]
        rows.append([words.say(key), *cells])
    return table(words.say("inputs"), heads, rows)


def _shortened(inputs: Row) -> Row:
    """The inputs with hashes as long as it takes to tell them apart."""
    return {
        key: _shortened(value)
        if isinstance(value, dict)
        else value[:12]
        if key in ("sha256", "codeHash")
        else value
        for key, value in inputs.items()
    }


def _period(data: Row) -> str:
    return f"{day(data['first'])} – {day(data['last'])}"
