"""A study's report as one HTML page."""

from __future__ import annotations

import json
from typing import Any

from commenda.charts import (
    LANGUAGES,
    Words,
    badge,
    buttons,
    fact,
    headings,
    html_page,
    section,
    table,
)
from commenda.kit.markup import Markup, join, tag
from commenda.studies.model import Study
from commenda.studies.page_texts import words_in

Row = dict[str, Any]

CELL = 34.0
MARGIN = 70.0


def render(study: Study, summary: Row) -> str:
    """The page of one study, in both languages; `summary` is `running.summary` of it."""
    title = f"{study.strategy} · {study.data_name} · Commenda"
    return html_page(title, (_main(words_in(one), study, summary) for one in LANGUAGES))


def _main(words: Words, study: Study, summary: Row) -> Markup:
    result = study.result
    parts = [] if result is None else _parts(words, study, result)
    return tag(
        "main", _header(words, study, summary), *parts, _inputs(words, study), lang=words.language
    )


def _header(words: Words, study: Study, summary: Row) -> Markup:
    name = f"{study.strategy} {study.version}"
    facts = words.say(
        "facts",
        data=summary["data"],
        bars=f"{study.bars:,}",
        sampler=summary["sampler"],
        ran=f"{summary['ran']:,}",
        trials=f"{summary['trials']:,}",
        refused=f"{summary['refused']:,}",
        ruined=f"{summary['ruined']:,}",
    )
    year = words.say(
        "year", bars=f"{study.year.periods:,.0f}", calendar=words.name(study.year.calendar)
    )
    if study.result is None:
        said = tag("span", words.say("unfinished", state=words.name(study.state)), class_="badge")
    else:
        verdict = study.result["verdict"]
        said = badge(f"{words.say('verdict')}: {words.name(verdict)}", verdict == "promote")
    return tag(
        "header",
        tag("div", tag("h1", words.say("title", strategy=name)), buttons(words), class_="top"),
        tag("p", f"{facts} · {year}", class_="facts"),
        tag("p", said, class_="badges"),
        tag("p", words.say("warning"), class_="warning", role="note"),
    )


def _parts(words: Words, study: Study, result: Row) -> list[Markup]:
    maps = [_heat_map(words, one, study.plan["objectives"][0]) for one in result["heat_maps"]]
    parts = [
        section(words, "best", tag("dl", *_values(words, result)), _params(words, study, result)),
        section(words, "verdict", _findings(words, result)),
    ]
    if result["walked"]:
        parts.append(section(words, "walked", _walked(words, result)))
    drawn = [one for one in maps if one is not None]
    return [*parts, section(words, "maps", *drawn)] if drawn else parts


def _values(words: Words, result: Row) -> list[Markup]:
    trial = words.say("trial", number=result["best"]["number"])
    facts = [
        fact(words.say("objective", name=words.name(name)), _figure(value), trial)
        for name, value in result["best"]["values"].items()
    ]
    tried, interval = result["evidence"]["configurations"], result["evidence"]["interval"]
    facts.append(fact(words.say("tried"), f"{tried:,}", words.say("tried_note")))
    if interval is not None:
        within = f"{interval['low']:,.2f} – {interval['high']:,.2f}"
        sure = words.say("interval_note", confidence=f"{interval['confidence']:.0%}")
        facts.append(fact(words.say("within"), within, sure))
    return facts


def _params(words: Words, study: Study, result: Row) -> Markup:
    rows = [
        (name, study.space.get(name, words.say("fixed")), f"{value:g}")
        for name, value in result["best"]["params"].items()
    ]
    heads = headings(words, "parameter searched", "setting")
    return table(words.say("best"), heads, rows)


def _findings(words: Words, result: Row) -> Markup:
    rows = [
        (
            words.name(one["test"]),
            words.name(one["grade"]),
            words.say(f"{one['test']}_says"),
            _figure(one["value"]),
        )
        for one in result["findings"]
    ]
    return table(words.say("findings"), headings(words, "test grade meaning", "value"), rows)


def _walked(words: Words, result: Row) -> Markup:
    rows = [
        (
            str(number),
            str(one["number"]),
            _figure(one["fold"]["train_sharpe"]),
            _figure(one["fold"]["test_sharpe"]),
        )
        for number, one in enumerate(result["walked"], 1)
    ]
    heads = headings(words, "fold chosen", "learned tested")
    return table(words.say("walked"), heads, rows, note=words.say("walked_note"))


def _inputs(words: Words, study: Study) -> Markup:
    rows = [
        ("id", str(study.id)),
        ("source", study.source_hash),
        ("data", study.data_hash),
        ("funding", study.funding_hash or "–"),
        ("space", ", ".join(f"{name}={text}" for name, text in study.space.items())),
        ("plan", json.dumps(study.plan)),
    ]
    heads = headings(words, "input content", "")
    return section(words, "inputs", table(words.say("inputs"), heads, rows))


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}"


# --- the heat map ----------------------------------------------------------------------------


def _heat_map(words: Words, drawn: Row, objective: str) -> Markup | None:
    """Cells as dark as they are good, the figure in each one's hint; None without two values."""
    known = [cell for row in drawn["cells"] for cell in row if cell is not None]
    if not known:
        return None
    less = objective in ("max_drawdown", "turnover")
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    cells = []
    for row, values in enumerate(drawn["cells"]):
        for column, value in enumerate(values):
            if value is None:
                if drawn["counts"][row][column]:
                    cells.append(_ruined(words, row, column, drawn))
                continue
            share = (high - value if less else value - low) / span
            place = f"{drawn['y']} {drawn['ys'][row]:g}, {drawn['x']} {drawn['xs'][column]:g}"
            cells.append(
                tag(
                    "rect",
                    tag("title", f"{place}: {value:.4g} ({drawn['counts'][row][column]})"),
                    x=f"{MARGIN + column * CELL:g}",
                    y=f"{(len(drawn['ys']) - 1 - row) * CELL:g}",
                    width=f"{CELL - 1:g}",
                    height=f"{CELL - 1:g}",
                    style=f"fill: var(--main); fill-opacity: {0.06 + 0.94 * share:.3f}",
                )
            )
    width = MARGIN + CELL * len(drawn["xs"])
    height = CELL * len(drawn["ys"]) + 24.0
    summary = words.say(
        "map_summary", objective=words.name(objective), low=f"{low:.4g}", high=f"{high:.4g}"
    )
    title = words.say("map", x=drawn["x"], y=drawn["y"])
    picture = tag(
        "svg",
        *cells,
        *_scale(drawn["xs"], drawn["ys"]),
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        role="img",
        aria_label=join(title, ". ", summary),
    )
    return tag(
        "figure",
        tag("figcaption", tag("h3", title), tag("p", summary)),
        tag("div", picture, class_="plot", tabindex="0", role="group", aria_label=title),
        tag("p", words.say("map_basis"), class_="basis"),
        class_="card wide",
    )


def _ruined(words: Words, row: int, column: int, drawn: Row) -> Markup:
    """A cell of which a trial was ruined: a figure would hide it."""
    return tag(
        "text",
        "×",
        tag("title", words.say("map_ruined")),
        x=f"{MARGIN + (column + 0.5) * CELL:g}",
        y=f"{(len(drawn['ys']) - 0.5 - row) * CELL + 4:g}",
        text_anchor="middle",
        style="fill: var(--down)",
    )


def _scale(xs: list[float], ys: list[float]) -> list[Markup]:
    """Values beside the rows and below every column that has room for one."""
    every = max(1, -(-len(xs) // 12))
    style = "fill: var(--quiet); font-size: 11px"
    below = [
        tag(
            "text",
            f"{value:.3g}",
            x=f"{MARGIN + (column + 0.5) * CELL:g}",
            y=f"{len(ys) * CELL + 16:g}",
            text_anchor="middle",
            style=style,
        )
        for column, value in enumerate(xs)
        if column % every == 0
    ]
    beside = [
        tag(
            "text",
            f"{value:.4g}",
            x=f"{MARGIN - 8:g}",
            y=f"{(len(ys) - row - 0.5) * CELL + 4:g}",
            text_anchor="end",
            style=style,
        )
        for row, value in enumerate(ys)
    ]
    return [*below, *beside]
