"""Breakers do not flap: they open above one edge, and know calm only below another, for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from commenda.risk import Standing
from commenda.risk.hysteresis import MOST_RELAPSES, Band, Turn, turn

D = Decimal
START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BAND = Band(D(10), D(6), 5 * MINUTE)
STATES = {Turn.TRIP: "open", Turn.HALF: "half_open", Turn.CLOSE: "closed"}


def lived(values: list[int], band: Band = BAND) -> list[tuple[str, int]]:
    """(state, relapses) after each minute's value, from closed on."""
    state, since, relapses, seen = "closed", None, 0, []
    for minute, value in enumerate(values):
        after = turn(state, since, relapses, D(value), band, START + minute * MINUTE)
        if after.turn is Turn.TRIP:
            relapses = relapses + 1 if state == "half_open" else 0
        state, since = STATES.get(after.turn, state), after.calm_since
        seen.append((state, relapses))
    return seen


def test_it_opens_above_the_amount_and_not_at_it() -> None:
    assert [state for state, _ in lived([10, 10, 11, 10])] == ["closed", "closed", "open", "open"]


def test_between_the_edges_nothing_changes_and_calm_begins_anew() -> None:
    """Calm from minute 1 to 4, disturbed at 5; from 6 on calm, five minutes later half open, and
    five minutes after that closed."""
    values = [11, 6, 6, 6, 6, 7] + [6] * 11
    states = [state for state, _ in lived(values)]
    assert states[:11] == ["open"] * 11
    assert states[11] == "half_open"
    assert states[11:] == ["half_open"] * 6
    assert lived([*values, 6])[-1][0] == "closed"


def test_each_relapse_doubles_the_wait() -> None:
    seen = lived([11] + [0] * 6 + [11] + [0] * 11)
    assert seen[6][0] == "half_open"
    assert seen[7] == ("open", 1)
    assert [state for state, _ in seen[8:18]] == ["open"] * 10
    assert seen[18][0] == "half_open"
    last = Turn.HALF
    for relapses in (MOST_RELAPSES, MOST_RELAPSES + 40):
        wait = 5 * MINUTE * 2**MOST_RELAPSES
        assert turn("open", START, relapses, D(0), BAND, START + wait).turn is last


def test_without_an_edge_below_it_resets_where_it_opens() -> None:
    assert Band(D(3)).calm == 3
    assert [state for state, _ in lived([4, 3, 3, 3], Band(D(3), None, 2 * MINUTE))] == [
        "open",
        "open",
        "open",
        "half_open",
    ]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(-4, 4), min_size=1, max_size=300),
    st.integers(0, 12),
    st.integers(0, 8),
)
def test_it_opens_no_more_often_than_the_band_is_crossed(
    steps: list[int], begin: int, wait: int
) -> None:
    values = [begin]
    for step in steps:
        values.append(max(0, values[-1] + step))
    band = Band(D(10), D(6), wait * MINUTE)
    states = ["closed", *(state for state, _ in lived(values, band))]
    openings = [
        place for place, (before, after) in enumerate(pairwise(states)) if after == "open" != before
    ]
    # Upward crossings of the whole band: above the amount after it was at the lower edge.
    crossings, low = 0, True
    for value in values:
        if value > 10 and low:
            crossings, low = crossings + 1, False
        low = low or value <= 6
    assert len(openings) <= crossings
    for place in openings:
        assert values[place] > 10
    for first, second in pairwise(openings):
        calm = sum(value <= 6 for value in values[first:second])
        assert calm > wait, "between two openings lies the calm of a cooldown"
    assert set(states) <= set(Standing)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(7, 10), min_size=1, max_size=100))
def test_at_the_edge_it_never_turns(values: list[int]) -> None:
    assert {state for state, _ in lived(values)} == {"closed"}
    assert {state for state, _ in lived([11, *values])} == {"open"}
