"""How many bars a year has, as the calendar of the data has it: what ratios are annualised by."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from commenda.kit.errors import CommendaError

DAY = timedelta(days=1)
SESSIONS_A_YEAR = 252
"""Days on which a stock exchange trades in a year: the usual number."""
_SATURDAY = 2
"""1970-01-01, day 0, was a Thursday."""


class Calendar(StrEnum):
    """Bars every day of 365; on the days of sessions only, 252 of them; or a number given."""

    EVERY_DAY = "every_day"
    SESSIONS = "sessions"
    GIVEN = "given"


class Year(NamedTuple):
    """How many periods a year has, and by which calendar."""

    periods: float
    calendar: Calendar


def year_of(opens: npt.NDArray[np.int64], interval: timedelta, given: float | None = None) -> Year:
    """The year of bars that open at `opens` (nanoseconds UTC, ascending), or the number `given`.

    Bars of a day or less that left out every Saturday (UTC) they span are of sessions: 252 days of
    as many bars as the middle one of their days has. Others are of a market that is always open,
    and have 365 days over `interval`. Code `bad_periods` for a number that is not above 0.
    """
    if given is not None:
        if not 0.0 < given < float("inf"):
            raise CommendaError("bad_periods", "Not a number of periods a year").at(
                "periods_per_year", given, "give a number above 0, such as 252, or leave it out"
            )
        return Year(given, Calendar.GIVEN)
    days = opens.astype("datetime64[ns]").astype("datetime64[D]").astype(np.int64)
    if interval <= DAY and days.size:
        traded, bars = np.unique(days, return_counts=True)
        spanned = np.arange(traded[0] + 1, traded[-1])
        if (spanned % 7 == _SATURDAY).any() and not (traded % 7 == _SATURDAY).any():
            return Year(SESSIONS_A_YEAR * float(np.median(bars)), Calendar.SESSIONS)
    return Year(365 * DAY / interval, Calendar.EVERY_DAY)
