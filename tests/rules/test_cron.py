"""004-08, 000-25: cron rules of five and six fields, against an independent reading of them."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.operations.cron import EITHER_DAY, checked_rule, latest, moments, next_after
from commenda.operations.schedules import preview

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
NAMES = ("second", "minute", "hour", "day", "month", "weekday")
LOW = {"second": 0, "minute": 0, "hour": 0, "day": 1, "month": 1, "weekday": 0}
HIGH = {"second": 59, "minute": 59, "hour": 23, "day": 31, "month": 12, "weekday": 7}
WORDS = {
    "month": [one.lower() for one in calendar.month_abbr if one],
    "weekday": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}


# --- An independent reading: crontab(5), one second after the other ----------------------------


def fits(text: str, name: str, value: int) -> bool:
    """Whether a field names this value; Sunday is asked for as 0 and as 7."""
    for part in text.lower().split(","):
        span, _, step = part.partition("/")
        if span == "*":
            low, high = LOW[name], HIGH[name]
        else:
            first, dash, last = span.partition("-")
            low = number(first, name)
            high = number(last, name) if dash else (HIGH[name] if step else low)
            if last == "sun" and low:  # the end of a week, as people say it: sat-sun
                high = 7
        if low <= value <= high and (value - low) % int(step or 1) == 0:
            return True
    return False


def number(word: str, name: str) -> int:
    words = WORDS.get(name, [])
    return words.index(word) + LOW[name] if word in words else int(word)


def fires(rule: str, moment: datetime) -> bool:
    texts = rule.split()
    second, minute, hour, day, month, weekday = ["0", *texts] if len(texts) == 5 else texts
    sunday_first = moment.isoweekday() % 7
    # `*/n` counts the days of the week from Sunday, 0 to 6; 7 is only another name of Sunday.
    by_weekday = fits(weekday, "weekday", sunday_first) or (
        sunday_first == 0 and not weekday.startswith("*") and fits(weekday, "weekday", 7)
    )
    by_day = fits(day, "day", moment.day)
    both = day != "*" and weekday != "*"
    return (
        fits(second, "second", moment.second)
        and fits(minute, "minute", moment.minute)
        and fits(hour, "hour", moment.hour)
        and fits(month, "month", moment.month)
        and (by_day or by_weekday if both else by_day and by_weekday)
    )


def first_day(rule: str, begin: datetime, step: timedelta, most: int) -> datetime | None:
    """The first moment of a rule on a grid, past `begin`."""
    return next(
        (at for n in range(1, most) if fires(rule, at := begin + n * step)),
        None,
    )


# --- What is drawn -----------------------------------------------------------------------------


def parts(name: str) -> st.SearchStrategy[str]:
    values = st.integers(LOW[name], HIGH[name])
    plain = values.map(str)
    words = st.sampled_from(WORDS[name]) if name in WORDS else plain
    spans = st.tuples(values, values).map(lambda two: f"{min(two)}-{max(two)}")
    steps = st.integers(1, 70).map(str)
    return st.one_of(
        plain,
        words,
        spans,
        st.tuples(spans, steps).map("/".join),
        st.tuples(plain, steps).map("/".join),
        steps.map("*/{}".format),
    )


def fields(name: str) -> st.SearchStrategy[str]:
    return st.just("*") | st.lists(parts(name), min_size=1, max_size=3).map(",".join)


BEGINS = st.integers(0, 7 * 366 * 86400).map(lambda n: MONDAY + timedelta(seconds=n))
DAY_RULES = st.tuples(*(fields(name) for name in ("day", "month", "weekday"))).map(" ".join)
TIME_RULES = st.tuples(*(fields(name) for name in ("second", "minute", "hour"))).map(" ".join)


def readable(rule: str) -> bool:
    try:  # as one that was stored: what is no longer taken is read as it was
        next_after(rule, MONDAY)
    except CommendaError as error:
        return error.code != "bad_cron_rule"
    return True


@settings(max_examples=400, deadline=None)
@given(DAY_RULES, BEGINS)
def test_days_are_those_of_an_independent_reading(days: str, begin: datetime) -> None:
    """Day by day: months of all lengths, leap years, days of the month or of the week."""
    rule = f"0 0 {days}"
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    # The 29th of February comes within four years here.
    expected = first_day(rule, midnight, timedelta(days=1), 4 * 366 + 31)
    if not readable(rule):
        assert expected is None
        return
    assert next_after(rule, midnight) == expected
    assert expected is not None
    assert next_after(rule, midnight + timedelta(hours=23)) == expected
    assert latest(rule, expected) == expected
    assert latest(rule, expected + timedelta(hours=7)) == expected


@settings(max_examples=200, deadline=None)
@given(TIME_RULES, BEGINS, st.integers(2, 4))
def test_times_are_those_of_an_independent_reading(times: str, begin: datetime, count: int) -> None:
    """Second by second, over a day and a bit."""
    rule = f"{times} * * *"
    found = list(islice(moments(rule, begin), count))
    second = begin.replace(microsecond=0)
    for moment in found:
        # Thin out what is asked second by second: minutes in which nothing can fire are skipped.
        at = second + timedelta(seconds=1)
        while at < moment:
            if not fits(times.split()[2], "hour", at.hour):
                at = at.replace(minute=0, second=0) + timedelta(hours=1)
            elif not fits(times.split()[1], "minute", at.minute):
                at = at.replace(second=0) + timedelta(minutes=1)
            else:
                assert not fires(rule, at), f"{at} was left out"
                at += timedelta(seconds=1)
        assert fires(rule, moment)
        second = moment


@settings(max_examples=100, deadline=None)
@given(TIME_RULES, DAY_RULES, BEGINS)
def test_the_latest_moment_and_the_next_one_meet(times: str, days: str, moment: datetime) -> None:
    rule = f"{times} {days}"
    if not readable(rule):
        return
    before, after = latest(rule, moment), next_after(rule, moment)
    assert before <= moment < after
    assert next_after(rule, before) == after
    assert latest(rule, after - timedelta(seconds=1)) == before
    assert before.tzinfo is UTC or before.utcoffset() == timedelta(0)


# --- Worked by hand ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("30 */5 * * * *", ["00:00:30", "00:05:30", "00:10:30"]),  # the specification's own
        ("0 * * * *", ["01:00:00", "02:00:00", "03:00:00"]),
        ("0 */4 * * *", ["04:00:00", "08:00:00", "12:00:00"]),
        ("*/20 * * * *", ["00:20:00", "00:40:00", "01:00:00"]),
        ("*/25 * * * * *", ["00:00:25", "00:00:50", "00:01:00"]),
        ("59 23 * * *", ["23:59:00"]),
    ],
)
def test_rules_of_five_and_six_fields(rule: str, expected: list[str]) -> None:
    found = islice(moments(rule, MONDAY), len(expected))
    assert [f"{moment:%H:%M:%S}" for moment in found] == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("0 0 29 2 *", ["2028-02-29", "2032-02-29"]),
        ("0 0 31 * *", ["2026-01-31", "2026-03-31", "2026-05-31"]),
        ("0 0 * * sun", ["2026-01-11", "2026-01-18"]),
        ("0 0 * * 7", ["2026-01-11", "2026-01-18"]),
        ("0 0 * * FRI-7", ["2026-01-09", "2026-01-10", "2026-01-11", "2026-01-16"]),
        ("0 0 13 * fri", ["2026-01-09", "2026-01-13", "2026-01-16"]),  # either, as in POSIX
        ("0 0 */10 * 0-6", ["2026-01-06", "2026-01-07"]),
        ("0 0 1 jan *", ["2027-01-01"]),
    ],
)
def test_days_worked_by_hand(rule: str, expected: list[str]) -> None:
    found = islice(moments(rule, MONDAY), len(expected))
    assert [f"{moment:%Y-%m-%d}" for moment in found] == expected


@pytest.mark.parametrize(
    ("rule", "field", "value"),
    [
        ("", "rule", ""),
        ("* * * *", "rule", "* * * *"),
        ("* * * * * * *", "rule", "* * * * * * *"),
        ("@daily", "rule", "@daily"),
        ("60 * * * *", "rule.minute", "60"),
        ("0 24 * * *", "rule.hour", "24"),
        ("0 0 0 * *", "rule.day", "0"),
        ("0 0 32 * *", "rule.day", "32"),
        ("0 0 1 13 *", "rule.month", "13"),
        ("0 0 1 0 *", "rule.month", "0"),
        ("0 0 * * 8", "rule.weekday", "8"),
        ("61 0 0 * * *", "rule.second", "61"),
        ("0 20-4 * * *", "rule.hour", "20-4"),
        ("*/0 * * * *", "rule.minute", "*/0"),
        ("0 0 L * *", "rule.day", "l"),
        ("0 0 15W * *", "rule.day", "15w"),
        ("0 0 * * 1#2", "rule.weekday", "1#2"),
        ("H * * * *", "rule.minute", "h"),
        ("R * * * *", "rule.minute", "r"),
        ("0 0 ? * *", "rule.day", "?"),
        ("-5 * * * *", "rule.minute", "-5"),
        ("1,,2 * * * *", "rule.minute", "1,,2"),
        ("٣ * * * *", "rule.minute", "٣"),
        ("0 0 mon * *", "rule.day", "mon"),
        ("0 0 30 2 *", "rule", "0 0 30 2 *"),
        ("0 0 31 4,6,9,11 *", "rule", "0 0 31 4,6,9,11 *"),
    ],
)
def test_a_rule_that_cannot_be_read_or_never_fires_is_refused(
    rule: str, field: str, value: str
) -> None:
    with pytest.raises(CommendaError) as refused:
        checked_rule(rule)
    assert refused.value.code == "bad_cron_rule"
    assert (refused.value.field, refused.value.value) == (field, value)
    assert refused.value.hint


def test_a_rule_that_is_too_long_is_refused() -> None:
    with pytest.raises(CommendaError, match="bad_cron_rule"):
        checked_rule(",".join(["1"] * 200) + " * * * *")


def test_a_day_that_no_month_has_fires_where_the_day_of_the_week_may() -> None:
    assert next_after("0 0 30 2 mon", MONDAY) == datetime(2026, 2, 2, tzinfo=UTC)


# --- What cannot mean what it says -------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "field", "hint"),
    [
        ("*/61 * * * *", "rule.minute", "longer than what it steps through, 60: it is only 0"),
        ("*/60 */25 * * *", "rule.hour", "it is only 0; write 0, or a step up to 24"),
        ("0 0 */32 * *", "rule.day", "it is only 1"),
        ("0 0 1 */13 *", "rule.month", "it is only 1"),
        ("0 0 * * */8", "rule.weekday", "it is only 0"),
        ("*/90 * * * * *", "rule.second", "it is only 0"),
        ("0 8-10/5 * * *", "rule.hour", "it is only 8; write 8, or a step up to 3"),
        ("50/15 * * * *", "rule.minute", "it is only 50; write 50, or a step up to 10"),
        ("0 0 31 2 *", "rule", "that day never comes"),
        ("0 0 31 2 mon", "rule", "that day never comes"),
        ("0 0 31 4,6,9,11 *", "rule", "that day never comes"),
        ("0 0 30-31 feb *", "rule", "that day never comes"),
        ("*,5 * * * *", "rule.minute", "leave out the others"),
        ("0 0 13,* * fri", "rule.day", "leave out the others"),
        ("0 0 * * fri-mon", "rule.weekday", "a range goes upwards"),
        ("30-10 * * * *", "rule.minute", "a range goes upwards"),
        ("5- * * * *", "rule.minute", "use *, numbers, ranges"),
        ("-5 * * * *", "rule.minute", "use *, numbers, ranges"),
        ("1,,2 * * * *", "rule.minute", "use *, numbers, ranges"),
        (", * * * *", "rule.minute", "use *, numbers, ranges"),
        ("*/0 * * * *", "rule.minute", "a step is at least 1"),
        ("0 0 * juno *", "rule.month", "jan to dec"),
        ("0 0 * * sunday", "rule.weekday", "sun to sat"),
        ("\u0661 * * * *", "rule.minute", "use *, numbers, ranges"),
    ],
)
def test_a_rule_is_refused_that_cannot_mean_what_it_says(rule: str, field: str, hint: str) -> None:
    with pytest.raises(CommendaError) as refused:
        checked_rule(rule)
    assert refused.value.code == "bad_cron_rule"
    assert refused.value.field == field
    assert hint in str(refused.value.hint)


@pytest.mark.parametrize(
    "rule",
    ["*/60 * * * *", "0 */24 * * *", "0 0 */31 * *", "0 0 29 2 *", "0 0 1-31 2 *", "0 0 * * 0-7/7"],
)
def test_a_step_as_long_as_its_range_and_a_day_of_some_years_are_taken(rule: str) -> None:
    assert checked_rule(rule) == rule


def test_a_rule_that_was_stored_before_is_read_as_it_was() -> None:
    assert next_after("*/61 * * * *", MONDAY) == MONDAY + timedelta(hours=1)
    assert next_after("*,5 * * * *", MONDAY) == MONDAY + timedelta(minutes=1)


def test_a_range_that_ends_with_sunday_by_its_name_is_meant() -> None:
    """The calendar: 5 January 2026 is a Monday, so the weekend after it is the 10th and 11th."""
    found = [at.day for at in islice(moments("0 0 * * sat-sun", MONDAY), 4)]
    assert found == [10, 11, 17, 18]
    assert len({at.weekday() for at in islice(moments("0 0 * * mon-sun", MONDAY), 7)}) == 7


def test_either_kind_of_day_counts_and_a_preview_says_so_with_five_moments() -> None:
    """The calendar of January and February 2026: Fridays are 9, 16, 23, 30; 13 is a Tuesday."""
    seen = preview("0  9 13 * fri", MONDAY)
    assert seen.rule == "0 9 13 * fri"
    assert seen.note == EITHER_DAY
    assert [(at.month, at.day, at.hour) for at in seen.upcoming] == [
        (1, 9, 9), (1, 13, 9), (1, 16, 9), (1, 23, 9), (1, 30, 9),
    ]  # fmt: skip
    assert preview("0 9 13 * *", MONDAY).note is None
    assert preview("0 9 * * fri", MONDAY).note is None
