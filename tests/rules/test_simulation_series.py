"""What a simulation's index and classes are made of, against values by hand."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from commenda.simulate.series import bins, chain


def test_an_index_begins_the_day_before_its_first_return_and_waits_where_there_is_none() -> None:
    growth = {"c": Decimal("1.1"), "e": Decimal("0.5")}
    assert chain(["a", "b", "c", "d", "e"], growth) == [None, 100, 110, 110, 55]
    assert chain(["a", "b"], {}) == [None, None]


@given(st.lists(st.decimals(-2, 2, allow_nan=False, places=6), min_size=1, max_size=60))
def test_classes_hold_every_value_once_and_never_straddle_zero(values: list[Decimal]) -> None:
    found = bins(values)
    assert sum(count for _, _, count in found) == len(values)
    assert len(found) <= 24
    for begin, end, count in found:
        assert sum(begin <= value < end for value in values) == count
        assert begin >= 0 or end <= 0
