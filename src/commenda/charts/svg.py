"""Charts as inline SVG: pure functions from numbers and texts to markup.

Every chart has a title and a summary for those who do not see it. Colours are classes that the
page's style sheet gives a meaning: `up`, `down`, `main`, `quiet`, `warn`, and `s0`, `s1`, … for
lines that only have to be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from commenda.charts.scales import Tick, ticks, time_ticks
from commenda.kit.markup import Markup, join, tag

Show = Callable[[float], str]
TEXT = 12.0
"""Height of the letters."""
_BELOW = 24.0
"""Room for the time axis."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What a chart is called, and what it shows in a sentence; `ident` is unique on the page."""

    ident: str
    title: str
    summary: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps [low, high] onto [begin, end] of the drawing; a point where nothing spreads."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        if self.high == self.low:
            return (self.begin + self.end) / 2
        part = (value - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)


@dataclass(frozen=True, slots=True)
class Run:
    """One line: a value for each moment, None where there is none."""

    name: str
    values: Sequence[float | None]
    tone: str
    filled: bool = False
    moments: Sequence[datetime] | None = None
    """Of its own, where they are not the chart's."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened at a moment and a value: a triangle, pointing up or down.

    It stands on the far side of the value, so that its tip shows it.
    """

    moment: datetime
    value: float
    upward: bool
    tone: str
    hint: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column over [begin, end), its parts stacked from zero: (tone, value)."""

    begin: float
    end: float
    parts: Sequence[tuple[str, float]]
    hint: str


# --- scales ----------------------------------------------------------------------------------


def spread_out(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near the wanted ones, at least `gap` apart and within [low, high] if they fit."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    places = [0.0] * len(wanted)
    last = low - gap
    for place in order:
        last = places[place] = max(wanted[place], last + gap)
    limit = high
    for place in reversed(order):
        places[place] = min(places[place], limit)
        limit = places[place] - gap
    return places


def width_of(text: str) -> float:
    """About how wide a text is drawn."""
    return sum(1.0 if ord(letter) > 0x2E7F else 0.58 for letter in text) * TEXT


# --- charts ----------------------------------------------------------------------------------


def lines(
    caption: Caption,
    size: tuple[float, float],
    moments: Sequence[datetime],
    runs: Sequence[Run],
    show: Show,
    show_last: Show | None = None,
    markers: Sequence[Marker] = (),
) -> Markup:
    """Values over time, each line named at its end; a filled run is an area from zero."""
    show_last = show_last or show
    width, height = size
    values = [value for run in runs for value in run.values if value is not None] or [0.0]
    marks = ticks(min(values + [0.0] * any(run.filled for run in runs)), max(values))
    left = max(width_of(show(mark)) for mark in marks) + 8
    names = [f"{run.name} {show_last(_last(run))}".strip() for run in runs]
    x = _time_axis(moments, left, width - max(map(width_of, names), default=0.0) - 12)
    y = Axis(marks[0], marks[-1], height - _BELOW, 8)
    ends = spread_out([y.at(_last(run)) for run in runs], TEXT + 2, 8, height - _BELOW)
    drawn = [_run(run, x, y, moments) for run in runs]
    labels = [
        tag("text", name, x=number(x.end + 8), y=number(at + 4), class_=f"name ink-{run.tone}")
        for run, name, at in zip(runs, names, ends, strict=True)
    ]
    most = int((x.end - x.begin) / 56)
    dates = time_ticks(moments[0], moments[-1], most) if moments else []
    grid = join(_levels(y, marks, show, x), under(x, dates, height))
    happened = [_marker(one, x, y) for one in markers]
    return picture(caption, size, grid, *drawn, *happened, *labels)


def columns(
    caption: Caption,
    size: tuple[float, float],
    bars: Sequence[Column],
    below: Sequence[Tick],
    show: Show,
) -> Markup:
    """Stacked columns over a line of numbers or moments."""
    width, height = size
    marks = ticks(0.0, max([sum(part for _, part in bar.parts) for bar in bars] + [1.0]), 4)
    first = width_of(below[0][1]) / 2 if below else 0.0
    left = max(first, *(width_of(show(mark)) + 8 for mark in marks))
    places = [bar.begin for bar in bars] + [bar.end for bar in bars] + [at for at, _ in below]
    x = Axis(min(places, default=0.0), max(places, default=1.0), left, width - 20)
    y = Axis(0.0, marks[-1], height - _BELOW, 8)
    drawn = [_column(bar, x, y) for bar in bars]
    return picture(caption, size, _levels(y, marks, show, x), under(x, below, height), *drawn)


def scatter(
    caption: Caption,
    size: tuple[float, float],
    points: Sequence[tuple[float, float, str, str]],
    names: tuple[str, str],
    show: Show,
) -> Markup:
    """Points (x, y, name, tone) around the zero lines; those farthest out bear their names."""
    width, height = size
    across = ticks(min([p[0] for p in points] + [0.0]), max([p[0] for p in points] + [0.0]), 6)
    up = ticks(min([p[1] for p in points] + [0.0]), max([p[1] for p in points] + [0.0]))
    left = max(width_of(show(mark)) for mark in up) + 8
    x = Axis(across[0], across[-1], left, width - 24)
    y = Axis(up[0], up[-1], height - _BELOW - 18, 22)
    dots = [
        dot(x.at(px), y.at(py), 4.5, tone, f"{name}: {show(px)}, {show(py)}")
        for px, py, name, tone in points
    ]
    grid = join(
        _levels(y, up, show, x),
        under(x, [(mark, show(mark)) for mark in across], height - 18),
        rule(x.at(0.0), y.begin, x.at(0.0), y.end, "zero"),
        tag("text", names[1], x="0", y="11", class_="quiet"),
        tag("text", names[0], x=number(x.end), y=number(height - 4), class_="quiet end"),
    )
    named = _names([(x.at(px), y.at(py), name) for px, py, name, _ in points], x, y)
    return picture(caption, size, grid, *dots, *named)


# --- parts of a picture ----------------------------------------------------------------------


def picture(caption: Caption, size: tuple[float, float], *parts: object) -> Markup:
    """The frame of every chart: a title and a description that screen readers read out."""
    width, height = size
    return tag(
        "svg",
        tag("title", caption.title, id=f"{caption.ident}-title"),
        tag("desc", caption.summary, id=f"{caption.ident}-desc"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_labelledby=f"{caption.ident}-title {caption.ident}-desc",
    )


def path(points: Sequence[tuple[float, float] | None]) -> str:
    """The data of a path through the points; None breaks the line."""
    parts, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        parts.append(f"{pen}{number(point[0])},{number(point[1])}")
        pen = "L"
    return " ".join(parts)


def _run(run: Run, x: Axis, y: Axis, moments: Sequence[datetime]) -> Markup:
    points = [
        None if value is None else (x.at(moment.timestamp()), y.at(value))
        for moment, value in zip(run.moments or moments, run.values, strict=True)
    ]
    seen = [point for point in points if point is not None]
    area = None
    if run.filled and seen:
        floor = y.at(0.0)
        area = path([(seen[0][0], floor), *seen, (seen[-1][0], floor)]) + " Z"
    return join(
        None if area is None else tag("path", d=area, class_=f"area {run.tone}"),
        tag("path", d=path(points), class_=f"line {run.tone}"),
        tag(
            "circle",
            cx=number(seen[-1][0]),
            cy=number(seen[-1][1]),
            r="3",
            class_=f"dot {run.tone}",
        )
        if seen
        else None,
    )


def _marker(one: Marker, x: Axis, y: Axis) -> Markup:
    side = 1.0 if one.upward else -1.0
    across, tip = x.at(one.moment.timestamp()), y.at(one.value) + 2.0 * side
    corners = [(across, tip), (across - 3.5, tip + 7.0 * side), (across + 3.5, tip + 7.0 * side)]
    return tag("path", tag("title", one.hint), d=path(corners) + " Z", class_=f"mark {one.tone}")


def _column(bar: Column, x: Axis, y: Axis) -> Markup:
    parts, foot = [], 0.0
    begin, end = x.at(bar.begin), x.at(bar.end)
    gap = min(1.0, (end - begin) / 6)
    for tone, value in bar.parts:
        if value:
            top = y.at(foot + value)
            parts.append(box(begin + gap, top, end - gap, y.at(foot), tone))
            foot += value
    return tag("g", tag("title", bar.hint), *parts)


def dot(x: float, y: float, radius: float, tone: str, hint: str | None = None) -> Markup:
    return tag(
        "circle",
        None if hint is None else tag("title", hint),
        cx=number(x),
        cy=number(y),
        r=number(radius),
        class_=f"dot {tone}",
    )


def box(left: float, top: float, right: float, bottom: float, tone: str) -> Markup:
    """A bar; one that would be too thin to be seen is a hair."""
    width = max(right - left, 1.0)
    return tag(
        "rect",
        x=number(left),
        y=number(top),
        width=number(width),
        height=number(max(bottom - top, 1.0)),
        class_=f"bar {tone}",
    )


def _names(points: Sequence[tuple[float, float, str]], x: Axis, y: Axis) -> list[Markup]:
    """Names beside the points farthest from the middle, where they hit nothing."""
    middle = ((x.begin + x.end) / 2, (y.begin + y.end) / 2)
    taken = [(px - 5, py - 5, px + 5, py + 5) for px, py, _ in points]
    named = []
    far = sorted(points, key=lambda p: -math.hypot(p[0] - middle[0], p[1] - middle[1]))
    for px, py, name in far[:12]:
        wide = width_of(name)
        left = px + 8 if px + 8 + wide <= x.end + 20 else px - 8 - wide
        place = (left, py - 7, left + wide, py + 6)
        if all(_apart(place, other) for other in taken):
            taken.append(place)
            named.append(tag("text", name, x=number(left), y=number(py + 4), class_="quiet"))
    return named


def _apart(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]


def _last(run: Run) -> float:
    return next((value for value in reversed(run.values) if value is not None), 0.0)


def _time_axis(moments: Sequence[datetime], begin: float, end: float) -> Axis:
    if not moments:
        return Axis(0.0, 1.0, begin, end)
    return Axis(moments[0].timestamp(), moments[-1].timestamp(), begin, end)


def _levels(y: Axis, marks: Sequence[float], show: Show, x: Axis) -> Markup:
    """Horizontal lines with what they stand for."""
    return join(
        *(
            join(
                rule(x.begin, y.at(mark), x.end, y.at(mark), "grid" if mark else "zero"),
                tag(
                    "text",
                    show(mark),
                    x=number(x.begin - 6),
                    y=number(y.at(mark) + 4),
                    class_="end",
                ),
            )
            for mark in marks
        )
    )


def under(x: Axis, below: Sequence[Tick], height: float) -> Markup:
    """What stands under the horizontal axis."""
    return join(
        *(
            tag("text", name, x=number(x.at(at)), y=number(height - 6), class_="middle")
            for at, name in below
        )
    )


def rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=number(x1), y1=number(y1), x2=number(x2), y2=number(y2), class_=kind)


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")
