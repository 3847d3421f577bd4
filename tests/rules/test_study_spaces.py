"""Spaces of parameters, and how a history is walked through."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.studies import (
    Walk,
    WalkForward,
    space_of,
    splits,
    walk_of,
)
from commenda.studies.splits import LEAST, Range
from study_outcomes import TREND, space


def test_a_space_is_written_by_ranges_steps_logs_and_choices() -> None:
    found = space("slow=20:200:10,fast=5:50,band=0.001:0.1:log,stop=0.04|0.02", exposure=2)
    fast, slow, band, stop = found.dimensions
    assert (fast.low, fast.high, fast.step, fast.whole, fast.count) == (5, 50, 1, True, 46)
    assert slow.values() == tuple(float(one) for one in range(20, 201, 10))
    assert (band.log, band.count) == (True, None)
    assert stop.choices == (0.02, 0.04)
    assert found.whole({"fast": 9})["exposure"] == 2.0
    # Read back from what it writes, it is the same.
    assert space_of(TREND, found.texts(), dict(found.fixed)) == found


def test_a_step_that_does_not_fit_ends_below_the_end() -> None:
    (band,) = space("band=0:0.1:0.03").dimensions
    assert band.values() == (0.0, 0.03, 0.06, 0.09)


@pytest.mark.parametrize(
    ("written", "code", "field"),
    [
        ("", "bad_space", "space"),
        ("fast", "bad_space", "space"),
        ("fast=5:50,fast=6:60", "bad_space", "space"),
        ("fast=50:5", "bad_space", "fast"),
        ("fast=5:50:0", "bad_space", "fast"),
        ("fast=5:50:0.5", "bad_space", "fast"),
        ("fast=5:50:1:1", "bad_space", "fast"),
        ("fast=a:b", "bad_space", "fast"),
        ("band=0:0.1:log", "bad_space", "band"),
        ("exposure=0.1:1", "bad_space", "exposure"),  # it is fixed
        ("fast=1:50", "bad_parameter", "fast"),
        ("stop=0.1|0.9", "bad_parameter", "stop"),
        ("quick=1:5", "unknown_parameter", "quick"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(written: str, code: str, field: str) -> None:
    with pytest.raises(CommendaError) as refused:
        space(written, exposure=1)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_a_grid_has_every_configuration_once_and_needs_steps() -> None:
    found = space("fast=5:8,stop=0|0.1")
    points = [tuple(point.values()) for point in found.grid()]
    assert points == [(f, s) for f in (5.0, 6.0, 7.0, 8.0) for s in (0.0, 0.1)]
    assert found.size == 8
    with pytest.raises(CommendaError) as refused:
        list(space("band=0:0.1").grid())
    assert (refused.value.code, refused.value.field) == ("endless_dimension", "band")


@given(unit=st.floats(0.0, 1.0))
def test_values_and_units_lead_to_one_another(unit: float) -> None:
    for one in space("fast=5:50,slow=20:200:10,band=0.001:0.1:log,stop=0|0.1|0.5").dimensions:
        value = one.at(unit)
        assert one.low <= value <= one.high
        assert one.at(one.unit(value)) == pytest.approx(value)
        if one.count is not None:
            assert value in one.values()


def test_the_longest_look_back_is_that_of_the_widest_corner() -> None:
    assert space("fast=5:50,slow=60:200").longest_warmup(TREND) == 200
    assert space("fast=5:50").longest_warmup(TREND) == 288  # the default of slow


def test_the_longest_look_back_of_many_choices_is_found_at_their_ends() -> None:
    """Every corner of choices would be 60 to the power of 4 look-backs, in a request."""
    sixty = "|".join(map(str, range(20, 80)))
    asked: list[Mapping[str, float]] = []

    def counted(values: Mapping[str, float]) -> float:
        asked.append(values)
        return TREND.warmup(values)

    bands = "|".join(f"{0.0001 * n:.4f}" for n in range(1, 61))
    wide = space(f"fast={sixty},slow={sixty},band={bands},stop={bands}")
    assert wide.longest_warmup(dataclasses.replace(TREND, warmup=counted)) == 79
    assert len(asked) == 2**4


walks = st.builds(WalkForward, st.sampled_from(Walk), st.integers(2, 8), st.integers(0, 60))


@given(bars=st.integers(500, 5_000), walk=walks, purge=st.integers(0, 100))
def test_what_learns_never_sees_what_is_tested(bars: int, walk: WalkForward, purge: int) -> None:
    try:
        found = splits(bars, walk, purge)
    except CommendaError:
        assume(False)
        return
    assert len(found) == walk.folds
    for number, split in enumerate(found):
        assert 0 <= split.test.start < split.test.stop <= bars
        for one in split.train:
            assert one.stop - one.start >= LEAST
            if walk.kind is Walk.PURGED and one.stop <= split.test.start:
                assert split.test.start - one.stop >= purge
            elif one.stop <= split.test.start:
                assert split.test.start - one.stop >= purge + walk.embargo
            else:  # behind the test, its look-back ends after it, and the embargo beside
                assert one.start - split.test.stop >= purge + walk.embargo
        if number:
            assert split.test.start == found[number - 1].test.stop  # tests follow one another
    assert found[-1].test.stop == bars
    if walk.kind is not Walk.PURGED:
        # The last range is never learned on.
        assert all(one.stop <= found[-1].test.start for split in found for one in split.train)
    else:
        assert found[0].test.start == 0


def test_rolling_and_anchored_windows_by_hand() -> None:
    # 800 bars in 5 + 3 pieces of 100: tested on the last five, 20 bars left out before each.
    rolling = splits(800, WalkForward(Walk.ROLLING, 5, embargo=5), purge=15)
    assert [(one.train[0], one.test) for one in rolling][:2] == [
        (Range(0, 280), Range(300, 400)),
        (Range(100, 380), Range(400, 500)),
    ]
    anchored = splits(800, WalkForward(Walk.ANCHORED, 5, embargo=5), purge=15)
    assert [one.train[0] for one in anchored] == [
        Range(0, stop) for stop in (280, 380, 480, 580, 680)
    ]
    purged = splits(800, WalkForward(Walk.PURGED, 4, embargo=5), purge=15)
    assert purged[1] == ((Range(0, 185), Range(420, 800)), Range(200, 400))


def test_walks_that_make_no_sense_are_refused() -> None:
    assert walk_of("anchored:6", 50) == WalkForward(Walk.ANCHORED, 6, 50)
    assert walk_of("purged").folds == 5
    for text in ("backward:5", "rolling:x", "rolling:1", "rolling:51"):
        with pytest.raises(CommendaError, match="Not a walk"):
            walk_of(text)
    with pytest.raises(CommendaError, match="Not a walk"):
        WalkForward(embargo=-1)
    with pytest.raises(CommendaError) as refused:
        splits(800, WalkForward(folds=5), purge=290)
    assert (refused.value.code, refused.value.field) == ("short_history", "walk_forward")
