"""What decides about stepping on live bars: how they are composed, settled, and when it is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.copying.rules import is_late, reduced
from commenda.market import Bar
from commenda.market.stored import HOLE_PATIENCE, settled
from commenda.market.track import composed

D = Decimal
NOON = 1_767_355_200  # 2026-01-02 12:00 UTC


def bar(minute: int, price: float = 100.0, volume: float = 1.0) -> Bar:
    return Bar(NOON + minute * 60, price, price + 2, price - 1, price + 1, volume)


def test_longer_bars_are_made_of_what_there_is_in_them() -> None:
    parts = [bar(0, 100, 0.1), bar(1, 104, 0.2), bar(2, 90, 0.3), bar(5, 95), bar(9, 99)]
    assert composed(parts, 60, 300) == [
        Bar(NOON, 100, 106, 89, 91, 0.6),
        Bar(NOON + 300, 95, 101, 94, 100, 2.0),
    ]
    assert composed(parts, 60, 60) == parts


def minutes(found: tuple[list[Bar], int]) -> tuple[list[int], int]:
    bars, until = found
    return [(one.ts - NOON) // 60 for one in bars], (until - NOON) // 60


def test_no_bar_is_handed_out_before_those_that_may_still_come() -> None:
    bars = [bar(0), bar(1), bar(4)]
    closed = NOON + 5 * 60
    for now in (closed, closed + HOLE_PATIENCE):
        assert minutes(settled(bars, 60, NOON, now, ())) == ([0, 1], 2)
    assert minutes(settled(bars, 60, NOON, closed + HOLE_PATIENCE + 1, ())) == ([0, 1, 4], 5)
    # The exchange has none of them, which is told at the first.
    assert minutes(settled(bars, 60, NOON, closed, [NOON + 120])) == ([0, 1, 4], 5)
    assert minutes(settled(bars, 60, NOON, closed, [NOON + 60])) == ([0, 1], 2)
    # The first that is due is missing itself.
    assert minutes(settled([bar(4)], 60, NOON + 180, closed, ())) == ([], 3)
    assert minutes(settled([], 60, NOON, closed, ())) == ([], 0)


@pytest.mark.parametrize(
    ("stands", "wanted", "traded"),
    [
        ("0", "0.5", "0"),
        ("0.5", "0.8", "0.5"),
        ("0.5", "0.3", "0.3"),
        ("0.5", "0", "0"),
        ("0.5", "-0.5", "0"),
        ("-0.5", "-0.2", "-0.2"),
        ("-0.5", "-0.9", "-0.5"),
    ],
)
def test_of_a_late_move_what_reduces_is_traded(stands: str, wanted: str, traded: str) -> None:
    assert reduced(D(stands), D(wanted)) == D(traded)


@given(st.decimals(-3, 3, places=2), st.decimals(-3, 3, places=2))
def test_a_late_move_never_increases_nor_turns(stands: Decimal, wanted: Decimal) -> None:
    traded = reduced(stands, wanted)
    assert abs(traded) <= abs(stands)
    assert traded * stands >= 0


def test_a_decision_is_late_after_five_minutes_or_its_own_bar() -> None:
    now = datetime(2026, 1, 2, 12, tzinfo=UTC)

    def late(age: timedelta, interval: int) -> bool:
        return is_late(now - age, now, interval)

    assert not late(timedelta(minutes=5), 60)
    assert late(timedelta(minutes=5, seconds=1), 60)
    assert not late(timedelta(hours=1), 3600)
    assert late(timedelta(hours=1, seconds=1), 3600)
    assert not is_late(None, now)
