"""When funding was due: at every interval an exchange settles at, however it changes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby, pairwise

from commenda.market.grid import DAY

HOUR = 3600
USUAL_FUNDING_STEP = 8 * HOUR
"""Seconds between funding stamps where nothing else is known."""
_LATE = 600
"""Seconds that a stamp may be off its hour and still be that hour's."""
_MOST = 100_000
"""Missing stamps named in one step: more of them are not all named."""


def missing_funding_stamps(stamps: Sequence[int]) -> list[int]:
    """The stamps (epoch seconds) that were due between the recorded ones and are missing.

    An exchange settles at whole multiples of its interval and may change it to any other, which it
    keeps for more than one step. So a step is regular where the one beside it is equal or longer;
    one that is longer than those beside it and stands alone lacks the stamps of the shorter one,
    and so do two of them that lie on no clock's grid.
    """
    places = sorted({_whole_hour(stamp) for stamp in stamps})
    found: list[int] = []
    # What lacks stamps makes the steps beside it look too short, so each is filled in at first.
    while new := _lacking(places):
        found += new
        places = sorted(places + new)
    return sorted(found)


def _lacking(places: Sequence[int]) -> list[int]:
    """What is missing in steps that are longer than those beside them; else in the others."""
    steps = [later - earlier for earlier, later in pairwise(places)]
    runs = [(step, len(list(same))) for step, same in groupby(steps)]
    longest: list[int] = []
    others: list[int] = []
    at = 0
    for i, (step, times) in enumerate(runs):
        beside = [one for one, _ in runs[max(0, i - 1) : i] + runs[i + 1 : i + 2]]
        due = _due_step(step, times, beside, places[at])
        missing = longest if step >= max(beside, default=0) else others
        for start in places[at : at + times] if due < step else ():
            missing.extend(range(start + due, start + step, max(due, step // _MOST)))
        at += times
    return longest or others


def _whole_hour(stamp: int) -> int:
    """The hour that a stamp is of, where it is no more than late for it."""
    hour = (stamp + HOUR // 2) // HOUR * HOUR
    return hour if abs(stamp - hour) <= _LATE else stamp


def _due_step(step: int, times: int, beside: Sequence[int], start: int) -> int:
    """At which step stamps were due, where they are recorded `step` apart, `times` in a row."""
    on_grid = DAY % step == 0 and start % step == 0
    shorter = [one for one in beside if one < step]
    if not shorter:  # the shortest here, or the only one
        known = step <= USUAL_FUNDING_STEP or (times > 1 and DAY % step == 0) or beside
        return step if known else USUAL_FUNDING_STEP
    if times > 2 or (times == 2 and on_grid):
        return step
    longer = [one for one in beside if one > step]
    if longer and (times > 1 or on_grid or (start + step) % longer[0] == 0):
        return step  # on the way from one interval to another
    return min(shorter)


class DueFunding:
    """The recorded stamps of one instrument, and which others were due."""

    def __init__(self, stamps: Sequence[int]) -> None:
        self._places = sorted({_whole_hour(stamp) for stamp in stamps})
        self._gaps = missing_funding_stamps(stamps)

    def first_missing(self, after: int, until: int) -> int | None:
        """The first stamp in (after, until] that was due and is not recorded.

        Before the first and after the last record, stamps are due at the step next to it.
        """
        places = self._places
        if not places:
            return due_after(after, 0, USUAL_FUNDING_STEP, until)
        before, since = USUAL_FUNDING_STEP, USUAL_FUNDING_STEP
        if len(places) > 1:
            before, since = places[1] - places[0], places[-1] - places[-2]
        early = due_after(after, places[0], before, min(until, places[0] - 1))
        if early is not None:
            return early
        inside = bisect_right(self._gaps, after)
        if inside < bisect_right(self._gaps, until):
            return self._gaps[inside]
        return due_after(max(after, places[-1]), places[-1], since, until)


def due_after(after: int, anchor: int, step: int, until: int) -> int | None:
    """The first moment in (after, until] that lies a whole number of steps from `anchor`."""
    due = anchor + ((after - anchor) // step + 1) * step
    return due if due <= until else None
