"""Charts with a row for each thing: bars from zero, steps of a sum, spans of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from commenda.charts.scales import day_ticks, ticks
from commenda.charts.svg import (
    Axis,
    Caption,
    Show,
    box,
    number,
    picture,
    rule,
    under,
    width_of,
)
from commenda.kit.markup import Markup, join, tag

ROW = 24.0
_BELOW = 24.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A row: its name, how far it reaches from zero, what is written behind it."""

    name: str
    value: float
    shown: str
    tone: str
    wanted: float | None = None
    """Where a mark is drawn for what was expected."""


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a sum that stands on the parts before it, or (`total`) on zero."""

    name: str
    amount: float
    shown: str
    tone: str
    total: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` to `end` on one row of a timeline."""

    begin: datetime
    end: datetime
    tone: str
    hint: str
    strength: float = 1.0
    """How much of the row's height it takes."""


def rows_height(rows: int) -> float:
    return max(rows, 1) * ROW + _BELOW + 4


def bars(caption: Caption, width: float, rows: Sequence[Bar], show: Show) -> Markup:
    """Horizontal bars from zero, each with its figure and, if there is one, the expected mark."""
    reach = [row.value for row in rows] + [row.wanted for row in rows if row.wanted is not None]
    marks = ticks(min([*reach, 0.0]), max([*reach, 0.0]), 5)
    x = _figures_axis(width, [row.name for row in rows], [row.shown for row in rows], marks)
    drawn = [
        join(
            _between(x, 0.0, row.value, place, row.tone),
            None if row.wanted is None else _mark(x.at(row.wanted), place),
        )
        for place, row in enumerate(rows)
    ]
    words = [
        _words(place, row.name, row.shown, width, _ink(row.tone)) for place, row in enumerate(rows)
    ]
    size = (width, rows_height(len(rows)))
    return picture(caption, size, _grid(x, marks, show, size[1]), *drawn, *words)


def waterfall(caption: Caption, width: float, steps: Sequence[Step], show: Show) -> Markup:
    """Where a sum comes from and goes to: each step begins where the one before it ended."""
    spans = floating([(step.amount, step.total) for step in steps])
    reach = [0.0, *(end for span in spans for end in span)]
    marks = ticks(min(reach), max(reach), 5)
    x = _figures_axis(width, [step.name for step in steps], [step.shown for step in steps], marks)
    drawn = [
        _between(x, begin, end, place, step.tone)
        for place, (step, (begin, end)) in enumerate(zip(steps, spans, strict=True))
    ]
    joints = [
        rule(x.at(end), (place + 1) * ROW - 4, x.at(end), (place + 1) * ROW + 4, "joint")
        for place, (_, end) in enumerate(spans[:-1])
    ]
    words = [
        _words(place, step.name, step.shown, width, _ink(step.tone), step.total)
        for place, step in enumerate(steps)
    ]
    size = (width, rows_height(len(steps)))
    return picture(caption, size, _grid(x, marks, show, size[1]), *drawn, *joints, *words)


def floating(steps: Sequence[tuple[float, bool]]) -> list[tuple[float, float]]:
    """Where each step (amount, is a total) begins and ends; a total begins at zero."""
    spans, level = [], 0.0
    for amount, total in steps:
        begin = 0.0 if total else level
        level = begin + amount
        spans.append((begin, level))
    return spans


def timeline(
    caption: Caption,
    width: float,
    period: tuple[datetime, datetime],
    rows: Sequence[tuple[str, Sequence[Span]]],
) -> Markup:
    """What happened when, a row for each kind of thing, over the whole period."""
    begin, end = period
    left = max(width_of(name) for name, _ in rows) + 12
    x = Axis(begin.timestamp(), end.timestamp(), left, width - 20)
    size = (width, rows_height(len(rows)))
    foot = size[1] - _BELOW
    dates = day_ticks(begin, end, int((x.end - x.begin) / 56))
    grid = join(
        *(rule(x.at(at), 0, x.at(at), foot, "grid") for at, _ in dates), under(x, dates, size[1])
    )
    drawn = [
        tag(
            "g",
            tag("title", span.hint),
            box(
                x.at(span.begin.timestamp()),
                (place + 1) * ROW - 4 - span.strength * (ROW - 8),
                x.at(span.end.timestamp()),
                (place + 1) * ROW - 4,
                span.tone,
            ),
        )
        for place, (_, spans) in enumerate(rows)
        for span in spans
    ]
    names = [
        tag("text", name, x="0", y=number(place * ROW + 16)) for place, (name, _) in enumerate(rows)
    ]
    return picture(caption, size, grid, *drawn, *names)


def _figures_axis(
    width: float, names: Sequence[str], shown: Sequence[str], marks: Sequence[float]
) -> Axis:
    """The axis between the names on the left and the figures on the right."""
    left = max([width_of(name) for name in names] + [0.0]) + 12
    right = max([width_of(text) for text in shown] + [0.0]) + 12
    return Axis(marks[0], marks[-1], left, width - right)


def _grid(x: Axis, marks: Sequence[float], show: Show, height: float) -> Markup:
    foot = height - _BELOW
    every = 1 + int(max(width_of(show(mark)) for mark in marks) * len(marks) / (x.end - x.begin))
    return join(
        *(rule(x.at(mark), 0, x.at(mark), foot, "grid" if mark else "zero") for mark in marks),
        under(x, [(mark, show(mark)) for mark in marks[::every]], height),
    )


def _between(x: Axis, begin: float, end: float, place: int, tone: str) -> Markup:
    if begin == end:
        return join()
    low, high = sorted((x.at(begin), x.at(end)))
    return box(low, place * ROW + 5, high, (place + 1) * ROW - 5, tone)


def _mark(at: float, place: int) -> Markup:
    return rule(at, place * ROW + 2, at, (place + 1) * ROW - 2, "wanted")


def _words(
    place: int, name: str, shown: str, width: float, kind: str, strong: bool = False
) -> Markup:
    y = number(place * ROW + 16)
    weight = "strong " if strong else ""
    return join(
        tag("text", name, x="0", y=y, class_=f"{weight}name"),
        tag("text", shown, x=number(width), y=y, class_=f"{weight}end {kind}"),
    )


def _ink(tone: str) -> str:
    """Only gains and losses are written in their colour."""
    return f"ink-{tone}" if tone in ("up", "down") else "ink"
