"""The report's charts of size, value and results; what every figure of it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from commenda.charts import (
    HALF,
    TALL,
    Bar,
    Column,
    Run,
    Words,
    bars,
    caption,
    change,
    columns,
    day,
    empty,
    figure,
    lines,
    minute,
    moment,
    money,
    percent,
    rate,
    ticks,
    tone,
    whole,
)
from commenda.kit.markup import Markup
from commenda.simulate.plain import Row
from commenda.simulate.scenario import ASSET
from commenda.simulate.series import ALL


def now(words: Words, report: Row, unit: str) -> str:
    when = minute(report["reconciliation"]["asOf"])
    return f"{words.say('as_of', when=when)} · {unit}"


def closes(words: Words, report: Row, unit: str) -> str:
    days = report["series"]["days"]
    when = day(days[-1]["at"])
    return f"{words.say('as_of_closes', when=when)} · {unit}"


def moments(rows: Sequence[Row]) -> list[datetime]:
    return [moment(row["at"]) for row in rows]


def levels(rows: Sequence[Row], name: str) -> list[float | None]:
    return [None if row[name] is None else float(row[name]) for row in rows]


# --- size and value --------------------------------------------------------------------------


def assets(words: Words, report: Row) -> Markup:
    days = report["series"]["days"]
    if not days:
        return empty(words, "aum", "no_close")
    peak = max(days, key=lambda row: Decimal(row["nav"]))
    summary = words.say(
        "aum_summary",
        peak=money(peak["nav"], 0),
        asset=ASSET,
        day=day(peak["at"]),
        last=money(days[-1]["nav"], 0),
    )
    runs = [
        Run(words.say("nav"), [float(row["nav"]) for row in days], "main", filled=True),
        Run(words.say("principal"), [float(row["principal"]) for row in days], "dashed"),
    ]
    drawing = lines(
        caption(words, "aum", summary), (HALF, TALL), moments(days), runs, lambda v: money(v, 0)
    )
    return figure(words, "aum", drawing, summary, closes(words, report, ASSET), False)


def active(words: Words, report: Row) -> Markup:
    days = report["series"]["days"]
    if not days:
        return empty(words, "active", "no_close")
    peak = max(days, key=lambda row: int(row["active"]))
    summary = words.say(
        "active_summary", peak=peak["active"], day=day(peak["at"]), last=days[-1]["active"]
    )
    runs = [Run("", [float(row["active"]) for row in days], "main", filled=True)]
    drawing = lines(caption(words, "active", summary), (HALF, TALL), moments(days), runs, whole)
    basis = closes(words, report, words.say("unit_count"))
    return figure(words, "active", drawing, summary, basis, False)


def index(words: Words, report: Row) -> Markup:
    rows = report["series"]["index"]
    if not rows:
        return empty(words, "index", "no_close")
    pooled = [float(row[ALL]) for row in rows if row[ALL] is not None] or [100.0]
    summary = words.say(
        "index_summary",
        last=f"{pooled[-1]:.2f}",
        low=f"{min(pooled):.2f}",
        high=f"{max(pooled):.2f}",
    )
    names = sorted(name for name in rows[0] if name not in ("at", ALL))
    runs = [Run(words.name(name), levels(rows, name), f"s{n}") for n, name in enumerate(names)]
    runs.append(Run(words.say("all"), levels(rows, ALL), "main"))
    drawing = lines(
        caption(words, "index", summary), (HALF, TALL), moments(rows), runs, lambda v: f"{v:.2f}"
    )
    basis = closes(words, report, words.say("unit_index"))
    return figure(words, "index", drawing, summary, basis, False)


def drawdown(words: Words, report: Row) -> Markup:
    rows = report["series"]["index"]
    if not rows:
        return empty(words, "drawdown", "no_close")
    falls = falls_from_peak(levels(rows, ALL))
    deepest = min(range(len(falls)), key=lambda place: falls[place] or 0.0)
    summary = words.say(
        "drawdown_summary",
        deepest=percent(falls[deepest] or 0.0),
        day=day(rows[deepest]["at"]),
    )
    runs = [Run("", falls, "loss", filled=True)]
    drawing = lines(
        caption(words, "drawdown", summary), (HALF, TALL), moments(rows), runs, rate, percent
    )
    basis = closes(words, report, words.say("unit_percent"))
    return figure(words, "drawdown", drawing, summary, basis, False)


def falls_from_peak(levels: list[float | None]) -> list[float | None]:
    """How far each level lies below the highest so far, as a fraction of 0 or less."""
    falls: list[float | None] = []
    peak = 0.0
    for level in levels:
        peak = max(peak, level or 0.0)
        falls.append(None if level is None or peak <= 0 else max(level / peak - 1, -1.0))
    return falls


# --- what investors got ----------------------------------------------------------------------


def returns(words: Words, report: Row) -> Markup:
    outcomes, classes = report["investors"]["outcomes"], report["series"]["returns"]
    if not classes:
        return empty(words, "returns", "nothing_settled")
    summary = words.say(
        "returns_summary",
        count=outcomes["settled"],
        worst=percent(outcomes["worst"]),
        median=percent(outcomes["median"]),
        best=percent(outcomes["best"]),
        share=percent(outcomes["shareWithGain"], signed=False),
    )
    found = [
        Column(
            float(one["from"]),
            float(one["to"]),
            [("up" if Decimal(one["from"]) >= 0 else "down", one["settled"])],
            words.say(
                "class_hint",
                begin=percent(one["from"]),
                end=percent(one["to"]),
                count=one["settled"],
            ),
        )
        for one in classes
    ]
    low, high = found[0].begin, found[-1].end
    below = [(at, rate(at)) for at in ticks(low, high, 7) if low <= at <= high]
    drawing = columns(caption(words, "returns", summary), (HALF, TALL), found, below, whole)
    return figure(words, "returns", drawing, summary, now(words, report, "%"), False)


def expected(words: Words, report: Row) -> Markup:
    products = report["products"]
    if not products:
        return empty(words, "expected", "nothing_settled")
    met = sum(Decimal(row["netReturn"]) >= Decimal(row["expectedReturn"]) for row in products)
    summary = words.say("expected_summary", count=len(products), above=met)
    rows = [
        Bar(
            f"{words.name(row['profile'])} · {words.say('days', days=row['termDays'])}"
            f" · {row['tier']}",
            float(row["netReturn"]),
            change(row["netReturn"]),
            tone(row["netReturn"]),
            float(row["expectedReturn"]),
        )
        for row in products
    ]
    drawing = bars(caption(words, "expected", summary), HALF, rows, rate)
    return figure(words, "expected", drawing, summary, now(words, report, "%"), False)
