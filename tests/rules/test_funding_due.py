"""When funding was due, at intervals that change to any other, and what a run is charged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, repeat
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kernel import Costs, compiled
from commenda.kit.errors import CommendaError
from commenda.market import DueFunding, missing_funding_stamps
from commenda.strategies import Plan, read_bars, read_funding, strategy

HOUR = 3600
START = datetime(2025, 1, 1, tzinfo=UTC)

runs = st.lists(
    st.tuples(st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24]), st.integers(3, 9)),
    min_size=1,
    max_size=6,
)
"""Intervals in hours, and how many steps each is kept for."""


def stamps_of(kept: list[tuple[int, int]], first: int = 0) -> list[int]:
    steps = chain.from_iterable(repeat(hours, times) for hours, times in kept)
    return [hour * HOUR for hour in accumulate(steps, initial=first)]


@pytest.mark.parametrize(
    "kept",
    [
        [(2, 24), (1, 48)],
        [(1, 24), (2, 24)],
        [(4, 6), (2, 6), (1, 6)],
        [(6, 4), (4, 4)],
        [(8, 3), (4, 2), (1, 12), (8, 3)],
        [(1, 5), (3, 1), (4, 3)],  # onto the grid of four hours: 05:00, 08:00, 12:00
        [(8, 3), (4, 1), (1, 4)],  # four hours for a single step, on its grid
        [(24, 5)],
        [(8, 1)],
    ],
)
def test_any_interval_may_follow_any_other(kept: list[tuple[int, int]]) -> None:
    assert missing_funding_stamps(stamps_of(kept)) == []


@given(kept=runs, first=st.integers(0, 23))
def test_what_is_complete_lacks_nothing(kept: list[tuple[int, int]], first: int) -> None:
    assert missing_funding_stamps(stamps_of(kept, first)) == []


@given(kept=runs, data=st.data())
def test_a_stamp_that_is_taken_out_is_the_one_that_is_missing(
    kept: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Of a run of at least five steps, away from its ends, where a change might be meant."""
    kept = [(hours, times + 3) for hours, times in kept]
    merged = [kept[0]]
    for hours, times in kept[1:]:
        if hours == merged[-1][0]:
            merged[-1] = (hours, merged[-1][1] + times)
        else:
            merged.append((hours, times))
    stamps = stamps_of(merged)
    run = data.draw(st.integers(0, len(merged) - 1))
    begins = sum(times for _, times in merged[:run])
    out = data.draw(st.integers(begins + 2, begins + merged[run][1] - 2))
    assert missing_funding_stamps(stamps[:out] + stamps[out + 1 :]) == [stamps[out]]


@pytest.mark.parametrize(
    ("hours", "missing"),
    [
        ([0, 1, 2, 4, 5, 6], [3]),
        ([0, 2, 3, 4], [1]),  # longer than the step beside it, and alone
        ([0, 1, 2, 4], [3]),
        ([0, 1, 3, 5, 6, 7], [2, 4]),  # twice two hours, at odd hours
        ([0, 16, 32], [8, 24]),  # sixteen hours divide no day
        ([0, 4, 8, 20, 24], [12, 16]),
    ],
)
def test_a_longer_step_that_stands_alone_lacks_stamps(hours: list[int], missing: list[int]) -> None:
    found = missing_funding_stamps([hour * HOUR for hour in hours])
    assert found == [hour * HOUR for hour in missing]


def test_a_late_stamp_is_not_a_missing_one() -> None:
    """Four seconds to a minute after the hour, as exchanges book it."""
    stamps = [0, 8 * HOUR + 40, 16 * HOUR + 4, 24 * HOUR, 25 * HOUR + 60, 26 * HOUR]
    assert missing_funding_stamps(stamps[:4]) == []
    assert missing_funding_stamps([*stamps, 27 * HOUR, 28 * HOUR]) == []
    assert missing_funding_stamps([0, 8 * HOUR, 8 * HOUR + 30, 16 * HOUR]) == []


def test_beyond_the_record_stamps_are_due_at_the_step_beside_it() -> None:
    due = DueFunding(stamps_of([(4, 3), (1, 3)], 8))  # 08:00 … 20:00, 21:00, 22:00, 23:00
    assert due.first_missing(3 * HOUR, 8 * HOUR) == 4 * HOUR
    assert due.first_missing(4 * HOUR, 23 * HOUR) is None
    assert due.first_missing(4 * HOUR, 24 * HOUR) == 24 * HOUR
    assert DueFunding([]).first_missing(0, 8 * HOUR) == 8 * HOUR


@strategy(name="always_in", version="1.0.0", params=[], state_size=lambda p: 1, warmup=lambda p: 0)
@compiled
def always_in(state, bar, position, params):  # type: ignore[no-untyped-def]
    """Always all in."""
    return 1.0


def hourly(tmp_path: Path, hours: int) -> Path:
    file = tmp_path / "bybit_XYZUSDT_1h.parquet"
    stamps = [START + timedelta(hours=h) for h in range(hours)]
    prices = {name: [100.0] * hours for name in ("open", "high", "low", "close", "volume")}
    pl.DataFrame({"ts": stamps, **prices}).write_parquet(file)
    return file


def rates(tmp_path: Path, stamps: list[int]) -> Path:
    file = tmp_path / "bybit_XYZUSDT_funding.parquet"
    moments = [START + timedelta(seconds=s) for s in stamps]
    pl.DataFrame({"ts": moments, "rate": [0.0001] * len(stamps)}).write_parquet(file)
    return file


@pytest.mark.parametrize(
    ("kept", "stamps"),
    [
        ([(2, 24), (1, 48)], 72),  # two days every two hours, two days hourly
        ([(1, 48), (2, 24)], 72),
        ([(4, 6), (2, 12), (1, 48)], 66),
        ([(6, 8), (4, 12)], 20),
    ],
)
def test_a_run_is_charged_at_every_stamp(
    tmp_path: Path, kept: list[tuple[int, int]], stamps: int
) -> None:
    """96 hours at a price of 100: 10,000 units, each stamp 0.0001 · 100 · 10,000 = 100.

    Units are bought at the second bar's open, which is where the stamp of that hour is charged.
    """
    data = read_bars(hourly(tmp_path, 97))
    paid = read_funding(data.bars, rates(tmp_path, stamps_of(kept)))
    plan = Plan(always_in, {}, data, paid, Costs(fee_bps=0.0, slippage_bps=0.0), cash=1_000_000.0)
    charged = stamps - (1 if kept[0][0] == 1 else 0)  # nothing is held at 01:00 yet
    assert plan.run().metrics.funding == pytest.approx(100.0 * charged)


@pytest.mark.parametrize(
    ("without", "named"),
    [(12, "2025-01-02T00:00:00Z"), (40, "2025-01-03T16:00:00Z"), (72, "2025-01-05T00:00:00Z")],
)
def test_a_stamp_that_is_missing_is_named(tmp_path: Path, without: int, named: str) -> None:
    stamps = stamps_of([(2, 24), (1, 48)])
    data = read_bars(hourly(tmp_path, 97))
    with pytest.raises(CommendaError) as refusal:
        read_funding(data.bars, rates(tmp_path, stamps[:without] + stamps[without + 1 :]))
    assert (refusal.value.code, refusal.value.value) == ("missing_funding", named)


def test_what_is_missing_outside_of_a_run_is_no_matter_to_it(tmp_path: Path) -> None:
    stamps = stamps_of([(2, 24), (1, 48)])
    rate = rates(tmp_path, stamps[:5] + stamps[6:])  # 10:00 is not there
    late = read_bars(hourly(tmp_path, 97), since=START + timedelta(hours=10))
    assert read_funding(late.bars, rate).funding.ts.size == 67  # 12:00 to the end
    early = read_bars(hourly(tmp_path, 97), since=START + timedelta(hours=9))
    with pytest.raises(CommendaError, match="2025-01-01T10:00:00Z"):
        read_funding(early.bars, rate)
