"""Cron rules: which moments a rule names, in UTC. Pure.

Five fields (minute, hour, day of month, month, day of week), or six with the second before them,
as in `30 */5 * * * *`. A field is `*`, or a list of numbers, names (jan, mon), ranges and steps:
`1,15`, `mon-fri`, `sat-sun`, `*/10`, `8-18/2`, `5/15`. Sunday is 0 and 7. Where neither the day of
the month nor the day of the week is `*`, a day that fits either counts, as in POSIX crontab.

A rule is refused that cannot mean what it says: a step longer than its range (`*/61` minutes would
be hourly), a day that none of its months has, `*` beside others. One that was stored before is
still read as it always was.

What else croniter reads (`@daily`, L, W, #, ?, H, R, ranges that go backwards) is refused: these
differ from one cron to the next. It is handed lists of numbers, and does the calendar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from croniter import croniter

from commenda.kit.errors import CommendaError

LONGEST = 200
"""Characters of a rule."""
EITHER_DAY = "where both kinds of day are given, a day that fits either counts"


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    """Words for the numbers from `low` on."""


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _WEEKDAYS),
)
_TERM = re.compile(r"(?:\*|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d{1,4}))?", re.ASCII)


def checked_rule(text: str) -> str:
    """The rule with single spaces; code `bad_cron_rule` for one that cannot be read, never fires,
    or cannot mean what it says.

    >>> checked_rule("30  */5 * * * *")
    '30 */5 * * * *'
    """
    _lists(text, strict=True)
    return " ".join(text.split())


def either_day(rule: str) -> bool:
    """Whether a rule gives both kinds of day, so that either counts. Code `bad_cron_rule`."""
    _, _, _, day, _, weekday = _lists(rule).split()
    return day != "*" and weekday != "*"


def moments(rule: str, after: datetime) -> Iterator[datetime]:
    """Every moment of a rule past `after`, in order, without end. Code `bad_cron_rule`."""
    following = _calendar(rule, after)
    while True:
        moment: datetime = following.get_next()
        yield moment


def next_after(rule: str, moment: datetime) -> datetime:
    """The rule's first moment past this one. Code `bad_cron_rule`."""
    return next(moments(rule, moment))


def latest(rule: str, until: datetime) -> datetime:
    """The rule's last moment at or before this one. Code `bad_cron_rule`."""
    second = until.replace(microsecond=0) + timedelta(seconds=1)
    moment: datetime = _calendar(rule, second).get_prev()
    return moment


def _calendar(rule: str, start: datetime) -> croniter:
    return croniter(_lists(rule), start, ret_type=datetime, second_at_beginning=True)


@lru_cache(maxsize=1024)
def _lists(rule: str, *, strict: bool = False) -> str:
    """The rule in six fields, each `*` or a list of numbers. Code `bad_cron_rule`."""
    texts = rule.lower().split()
    if len(texts) not in (5, 6) or len(rule) > LONGEST:
        raise _bad(
            f"A rule has 5 or 6 fields in at most {LONGEST} characters",
            "rule",
            rule[:LONGEST],
            "such as '0 8 * * mon-fri', or with seconds first '30 */5 * * * *'",
        )
    if len(texts) == 5:
        texts.insert(0, "0")
    found = [_values(field, text, strict) for field, text in zip(_FIELDS, texts, strict=True)]
    if strict or found[5] is None:  # every month has each day of the week
        _require_a_day(rule, found[3], found[4])
    return " ".join("*" if one is None else ",".join(map(str, one)) for one in found)


def _values(field: _Field, text: str, strict: bool) -> list[int] | None:
    """The numbers that a field names; None for `*`."""
    if text == "*":
        return None
    terms = text.split(",")
    if strict and "*" in terms:
        raise _bad_field(field, text, "* is every value already: leave out the others, or it")
    values = {value for term in terms for value in _term(field, text, term, strict)}
    return sorted({0 if field.name == "weekday" and value == 7 else value for value in values})


def _term(field: _Field, text: str, term: str, strict: bool) -> range:
    read = _TERM.fullmatch(term)
    if read is None:
        raise _bad_field(field, text, "use *, numbers, ranges a-b and steps */n, joined by commas")
    step = int(read["step"] or 1)
    if not step:
        raise _bad_field(field, text, "a step is at least 1")
    if read["low"] is None:
        low, high = field.low, 6 if field.name == "weekday" else field.high
    else:
        low = _number(field, text, read["low"])
        high = low if read["step"] is None else field.high
        if read["high"] == "sun" and low:
            high = 7  # sat-sun is a weekend
        elif read["high"] is not None:
            high = _number(field, text, read["high"])
    if high < low:
        raise _bad_field(field, text, "a range goes upwards; write two, joined by a comma")
    if strict and step > (length := high - low + 1):
        only = f"a step of {step} is longer than what it steps through, {length}: it is only {low}"
        raise _bad_field(field, text, f"{only}; write {low}, or a step up to {length}")
    return range(low, high + 1, step)


def _number(field: _Field, text: str, word: str) -> int:
    if word in field.names:
        return field.low + field.names.index(word)
    value = int(word) if word.isdigit() else -1
    if not field.low <= value <= field.high:
        words = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
        raise _bad_field(field, text, f"give {field.low} to {field.high}{words}")
    return value


def _require_a_day(rule: str, days: list[int] | None, months: list[int] | None) -> None:
    if days is not None and all(
        days[0] > _DAYS_IN_MONTH[month - 1] for month in months or range(1, 13)
    ):
        raise _bad("No month of this rule has such a day", "rule", rule, "that day never comes")


def _bad_field(field: _Field, text: str, hint: str) -> CommendaError:
    return _bad(f"Not a {field.name} of a cron rule", f"rule.{field.name}", text, hint)


def _bad(message: str, field: str, value: str, hint: str) -> CommendaError:
    return CommendaError("bad_cron_rule", message).at(field, value, hint)
