"""Guessing gets slower and slower, and never so slow that a name is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from commenda.identity.throttle import (
    FORGOTTEN_AFTER,
    LONGEST_BLOCK,
    Failures,
    block_after,
    one_more,
)

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def seconds(count: int, free: int = 5) -> float:
    return block_after(count, free).total_seconds()


def test_the_first_five_failures_cost_no_time() -> None:
    assert [seconds(count) for count in range(6)] == [0, 0, 0, 0, 0, 0]


def test_each_failure_after_them_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    assert [seconds(count) for count in range(6, 17)] == [
        2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900,
    ]  # fmt: skip
    assert seconds(10**9) == 900


def test_failures_in_a_row_add_up_and_block_from_the_last_one_on() -> None:
    state = Failures(0, NOW)
    for _ in range(6):
        state = one_more(state, 5, NOW)
    assert state == Failures(6, NOW, NOW + timedelta(seconds=2))
    assert state.wait(NOW + timedelta(seconds=0.5)) == timedelta(seconds=1.5)
    assert state.wait(NOW + timedelta(seconds=2)) == timedelta(0)


def test_a_quiet_hour_forgets_and_a_minute_less_does_not() -> None:
    many = Failures(12, NOW, NOW + timedelta(seconds=128))
    assert one_more(many, 5, NOW + FORGOTTEN_AFTER).count == 1
    assert one_more(many, 5, NOW + FORGOTTEN_AFTER - timedelta(minutes=1)).count == 13


@given(st.lists(st.floats(0, 7200), min_size=1, max_size=40), st.integers(0, 20))
def test_nobody_waits_longer_than_the_longest_block(pauses: list[float], free: int) -> None:
    state, now = Failures(0, NOW), NOW
    for pause in pauses:
        now += timedelta(seconds=pause)
        state = one_more(state, free, now)
        assert timedelta(0) <= state.wait(now) <= LONGEST_BLOCK
        assert bool(state.wait(now)) == (state.count > free)


def test_waiting_out_the_longest_block_does_not_start_afresh() -> None:
    assert LONGEST_BLOCK < FORGOTTEN_AFTER
