"""Charts: scales, paths and rows against sums done by hand; nothing in a text becomes markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.charts import (
    Axis,
    Bar,
    Caption,
    Column,
    Marker,
    Run,
    Span,
    Step,
    bars,
    change,
    columns,
    day_ticks,
    floating,
    gain,
    lines,
    money,
    path,
    percent,
    rate,
    scatter,
    short,
    spread_out,
    ticks,
    time_ticks,
    timeline,
    waterfall,
    whole,
)
from commenda.kit.markup import Markup, join, tag

START = datetime(2026, 1, 5, tzinfo=UTC)
NASTY = "</title><script>alert('1')</script>&\"<b>"
CAPTION = Caption("c", NASTY, NASTY)
SVG = "{http://www.w3.org/2000/svg}"


def days(count: int) -> list[datetime]:
    return [START + timedelta(days=place) for place in range(count)]


def numbers(svg: Markup, name: str, *keys: str) -> list[tuple[float, ...]]:
    """Attributes of all elements of one kind, out of the SVG parsed as XML."""
    found = ElementTree.fromstring(svg).iter(SVG + name)
    return [tuple(float(one.attrib[key]) for key in keys) for one in found]


# --- scales ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 609_353.0, [0.0, 200_000.0, 400_000.0, 600_000.0, 800_000.0]),
        (97.41, 101.94, [97.0, 98.0, 99.0, 100.0, 101.0, 102.0]),
        (-0.053, 0.038, [-0.06, -0.04, -0.02, 0.0, 0.02, 0.04]),
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (3.0, 3.0, [3.0, 4.0]),
    ],
)
def test_ticks_are_round_and_enclose(low: float, high: float, expected: Sequence[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-2, 1e6), st.integers(2, 9))
def test_ticks_enclose_whatever_there_is(low: float, spread: float, most: int) -> None:
    marks = ticks(low, low + spread, most)
    step = marks[1] - marks[0]
    assert marks[0] <= low + step * 1e-6
    assert marks[-1] >= low + spread - step * 1e-6
    assert len(marks) <= most + 3


def test_an_axis_maps_its_ends_and_turns_round() -> None:
    axis = Axis(10.0, 20.0, 200.0, 0.0)
    assert [axis.at(value) for value in (10.0, 20.0, 12.5)] == [200.0, 0.0, 150.0]
    assert Axis(5.0, 5.0, 0.0, 100.0).at(5.0) == 50.0


def test_day_ticks_stand_at_midnight_as_many_days_apart_as_it_takes() -> None:
    begin = START + timedelta(hours=5)
    assert [name for _, name in day_ticks(begin, START + timedelta(days=4), 9)] == [
        "01-06",
        "01-07",
        "01-08",
        "01-09",
    ]
    found = day_ticks(START, START + timedelta(days=30), 6)
    assert [name for _, name in found] == ["01-05", "01-12", "01-19", "01-26", "02-02"]
    assert found[1][0] == datetime(2026, 1, 12, tzinfo=UTC).timestamp()
    assert day_ticks(begin, begin + timedelta(hours=3), 6) == []


def test_a_short_span_has_hours_and_a_long_one_months() -> None:
    begin = START + timedelta(hours=21, minutes=10)
    found = time_ticks(begin, begin + timedelta(hours=8), 8)
    assert [name for _, name in found] == [
        "22:00",
        "23:00",
        "01-06",
        *[f"0{h}:00" for h in range(1, 6)],
    ]
    assert found[2][0] == (START + timedelta(days=1)).timestamp()
    years = time_ticks(START, START + timedelta(days=800), 8)
    assert [name for _, name in years] == [
        "2026-07",
        "2027-01",
        "2027-07",
        "2028-01",
    ]
    assert years[0][0] == datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    between = START + timedelta(days=30)
    assert time_ticks(START, between, 6) == day_ticks(START, between, 6)


def test_labels_are_pushed_apart_but_stay_in_order_and_inside() -> None:
    assert spread_out([50.0, 51.0, 10.0], 14.0, 8.0, 100.0) == [50.0, 64.0, 10.0]
    assert spread_out([99.0, 98.0], 14.0, 8.0, 100.0) == [100.0, 86.0]


# --- drawing ---------------------------------------------------------------------------------


def test_a_path_lifts_the_pen_where_there_is_no_value() -> None:
    assert path([None, (0, 1), (2.04, 3.06), None, (5, 6)]) == "M0,1 L2,3.1 M5,6"


def test_a_line_runs_evenly_through_its_days() -> None:
    svg = lines(CAPTION, (500.0, 200.0), days(3), [Run("", [0.0, 5.0, 10.0], "main")], whole)
    (drawn,) = (one.attrib["d"] for one in ElementTree.fromstring(svg).iter(SVG + "path"))
    first, middle, last = (
        tuple(map(float, point.split(","))) for point in re.findall(r"[\d.]+,[\d.]+", drawn)
    )
    assert middle[0] == pytest.approx((first[0] + last[0]) / 2, abs=0.1)
    assert middle[1] == pytest.approx((first[1] + last[1]) / 2, abs=0.1)
    assert (first[1], last[1]) == (176.0, 8.0)  # the room for the dates, and the margin above


def test_a_marker_touches_its_value_from_the_side_it_points_away_from() -> None:
    moments = days(3)
    run = Run("", [0.0, 5.0, 10.0], "main")
    marks = [Marker(moments[1], 5.0, upward, "s0", "x") for upward in (True, False)]
    svg = lines(CAPTION, (500.0, 200.0), moments, [run], whole, markers=marks)
    drawn = [one.attrib["d"] for one in ElementTree.fromstring(svg).iter(SVG + "path")]
    points = [
        [tuple(map(float, point.split(","))) for point in re.findall(r"[\d.]+,[\d.]+", one)]
        for one in drawn
    ]
    (across, height), buy, sell = points[0][1], points[1], points[2]
    assert buy[0] == (across, height + 2)  # below the line, its tip up
    assert sell[0] == (across, height - 2)
    assert all(y > buy[0][1] for _, y in buy[1:])
    assert all(y < sell[0][1] for _, y in sell[1:])


def test_a_line_may_have_moments_of_its_own() -> None:
    whole_run = Run("", [0.0, 10.0], "main")
    half = Run("", [0.0, 10.0], "s0", moments=days(3)[:2])
    svg = lines(CAPTION, (500.0, 200.0), [days(3)[0], days(3)[2]], [whole_run, half], whole)
    first, second = (
        [tuple(map(float, p.split(","))) for p in re.findall(r"[\d.]+,[\d.]+", one.attrib["d"])]
        for one in ElementTree.fromstring(svg).iter(SVG + "path")
    )
    assert second[0] == first[0]
    assert second[1][0] == pytest.approx((first[0][0] + first[1][0]) / 2, abs=0.1)


def test_columns_stack_and_are_as_high_as_their_numbers() -> None:
    stacks = [Column(0.0, 1.0, [("main", 2.0), ("warn", 6.0)], "a")]
    svg = columns(CAPTION, (300.0, 232.0), stacks, [], whole)
    (low, high) = numbers(svg, "rect", "y", "height")
    assert (low, high) == ((158.0, 50.0), (8.0, 150.0))  # 200 for 8


def test_bars_reach_from_zero_to_either_side() -> None:
    rows = [Bar("a", -0.02, "-2%", "down", 0.01), Bar("b", 0.04, "+4%", "up")]
    svg = bars(CAPTION, 400.0, rows, rate)
    (left, width), (right, twice) = numbers(svg, "rect", "x", "width")
    assert right == pytest.approx(left + width, abs=0.2)
    assert twice == pytest.approx(2 * width, abs=0.2)
    wanted = ElementTree.fromstring(svg).find(f".//{SVG}line[@class='wanted']")
    assert wanted is not None
    assert float(wanted.attrib["x1"]) == pytest.approx(right + twice / 4, abs=0.2)


def test_a_waterfall_begins_each_step_where_the_last_ended() -> None:
    steps = [(100.0, False), (-30.0, False), (70.0, True), (-80.0, False), (-10.0, True)]
    assert floating(steps) == [(0, 100), (100, 70), (0, 70), (70, -10), (0, -10)]


# --- texts -----------------------------------------------------------------------------------


def drawings() -> list[Markup]:
    moments, hint = days(2), NASTY
    return [
        lines(CAPTION, (500, 200), moments, [Run(NASTY, [1.0, None], "main", True)], whole),
        lines(CAPTION, (500, 200), [], [], whole),
        lines(
            CAPTION,
            (500, 200),
            moments,
            [Run(NASTY, [1.0, 2.0], "main")],
            whole,
            markers=[Marker(moments[0], 1.0, True, "warn", hint)],
        ),
        columns(CAPTION, (500, 200), [Column(0, 1, [("up", 1)], hint)], [(0, NASTY)], whole),
        columns(CAPTION, (500, 200), [], [], whole),
        scatter(CAPTION, (500, 300), [(0.1, 0.2, NASTY, "up")], (NASTY, NASTY), rate),
        bars(CAPTION, 500, [Bar(NASTY, 1.0, NASTY, "up", 2.0)], whole),
        bars(CAPTION, 500, [], whole),
        waterfall(CAPTION, 500, [Step(NASTY, 1.0, NASTY, "up", True)], whole),
        timeline(
            CAPTION,
            500,
            (moments[0], moments[1]),
            [(NASTY, [Span(moments[0], moments[1], "warn", NASTY)])],
        ),
    ]


@pytest.mark.parametrize("svg", drawings())
def test_a_chart_is_xml_with_title_and_summary_and_no_text_breaks_out(svg: Markup) -> None:
    root = ElementTree.fromstring(svg)
    assert [root[0].tag, root[1].tag] == [f"{SVG}title", f"{SVG}desc"]
    assert root[0].text == root[1].text == NASTY
    assert root.attrib["aria-labelledby"].split() == [root[0].get("id"), root[1].get("id")]
    assert not [one for one in root.iter() if one.tag in (f"{SVG}script", f"{SVG}b")]


def test_text_is_escaped_once_where_it_enters() -> None:
    assert tag("p", "a<b", class_='"x"') == '<p class="&quot;x&quot;">a&lt;b</p>'
    assert join(tag("i", "&"), None, "&") == "<i>&amp;</i>&amp;"
    assert tag("p", aria_label="x", title=None) == '<p aria-label="x"></p>'


def test_figures_bear_sign_and_arrow() -> None:
    assert change("-0.0529") == "▼ -5.29%"
    assert change(None) == percent(None) == money(None) == "-"
    assert gain("1213.106") == "▲ +1,213.11"
    assert gain("0") == "– 0.00"
    assert [rate(0.0025), whole(1200.0), whole(0.5)] == ["0.25%", "1,200", ""]
    assert short("abcdef", 4) == "abc…"


# --- colours ---------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """WCAG 2: the relative luminance of an sRGB colour."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_ink_is_readable_on_page_and_card_in_both_themes() -> None:
    sheet = resources.files("commenda.charts").joinpath("page.css").read_text("utf-8")
    blocks = [dict(re.findall(r"--([\w-]+): (#\w{6})", one)) for one in sheet.split("}")]
    themes = [theme for theme in blocks if "page" in theme]
    assert len(themes) == 4  # light, dark by the reader's system, dark by choice, paper
    assert themes[1] == themes[2]
    for theme in themes:
        for ink in ("ink", "quiet", "main", "green", "red", "warn", "s0", "s1", "s2"):
            for ground in ("page", "card"):
                dark, light = sorted((luminance(theme[ink]), luminance(theme[ground])))
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground, theme)
