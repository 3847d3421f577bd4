"""Exact money: what is split adds up, what is rounded says so, what is wrong is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.kit.money import (
    amount,
    floor_to,
    from_units,
    number,
    quantise,
    real,
    round_to_total,
    split,
    split_amount,
    to_units,
    whole,
)

D = Decimal
weights = st.lists(st.integers(0, 10**12), min_size=1, max_size=30).filter(any)


# --- splitting -------------------------------------------------------------------------------


def test_largest_remainder_with_two_decimals() -> None:
    """Vector AL2. Source: packagist customergauge/remainder: 92, 93, 70 are 0.36, 0.37, 0.27."""
    parts = split_amount(D(1), [D(92), D(93), D(70)], [0, 1, 2], 2)
    assert parts == [D("0.36"), D("0.37"), D("0.27")]


@given(st.integers(-(10**25), 10**25), weights)
def test_the_parts_add_up_and_each_is_within_a_unit_of_its_due(
    total: int, given_weights: list[int]
) -> None:
    parts = split(total, given_weights, range(len(given_weights)))
    assert sum(parts) == total
    whole = sum(given_weights)
    for part, weight in zip(parts, given_weights, strict=True):
        assert abs(part - Fraction(total * weight, whole)) < 1
        assert part * total >= 0
        assert weight or not part, "nothing for no weight"


@given(st.integers(0, 10**9), weights)
def test_the_greater_remainders_are_rounded_up(total: int, given_weights: list[int]) -> None:
    """Hamilton's rule, checked without sorting: nobody below was passed over."""
    whole = sum(given_weights)
    parts = split(total, given_weights, range(len(given_weights)))
    rests = [Fraction(total * w, whole) % 1 for w in given_weights]
    floors = [total * w // whole for w in given_weights]
    up = [rest for rest, part, floor in zip(rests, parts, floors, strict=True) if part > floor]
    down = [rest for rest, part, floor in zip(rests, parts, floors, strict=True) if part == floor]
    assert not up or not down or min(up) >= max(down)


@given(st.integers(0, 10**9), st.permutations(range(6)))
def test_ties_go_by_the_key_and_not_by_the_place(total: int, keys: list[int]) -> None:
    parts = dict(zip(keys, split(total, [7] * 6, keys), strict=True))
    assert [parts[key] for key in range(6)] == split(total, [7] * 6, range(6))
    assert sorted(parts.values(), reverse=True) == [parts[key] for key in range(6)]


def test_equal_remainders_go_to_the_larger_weight_first() -> None:
    # 2 units over 1 : 3 are 0.5 and 1.5: the remainders are equal, the larger weight gets it.
    assert split(2, [1, 3], ["a", "b"]) == [0, 2]


@pytest.mark.parametrize("nothing", [[], [0], [0, 0]])
def test_there_must_be_something_to_split_by(nothing: list[int]) -> None:
    with pytest.raises(CommendaError) as caught:
        split(1, nothing, range(len(nothing)))
    assert caught.value.code == "nothing_to_split_by"


@given(
    st.decimals("-1e15", "1e15", places=8),
    st.lists(st.decimals("0", "1e6", places=18), min_size=1, max_size=10).filter(any),
)
def test_decimals_are_split_to_the_last_unit(total: Decimal, by: list[Decimal]) -> None:
    parts = split_amount(total, by, range(len(by)), 8)
    assert sum(parts) == total
    assert all(part == quantise(part, 8) for part in parts)


# --- rounding to a known total ---------------------------------------------------------------


@given(st.lists(st.decimals("-1e9", "1e9", places=14), min_size=1, max_size=20), st.data())
def test_signed_parts_are_rounded_to_a_known_total(
    exact: list[Decimal], data: st.DataObject
) -> None:
    scaled = sum((Fraction(value) for value in exact), Fraction(0)) * 10**8
    total = data.draw(st.sampled_from([int(scaled // 1), -int(-scaled // 1)]))
    units = round_to_total(total, exact, 8, range(len(exact)))
    assert sum(units) == total
    for unit, value in zip(units, exact, strict=True):
        assert abs(unit - Fraction(value) * 10**8) < 1 or len(exact) == 1


@given(st.lists(st.decimals("-1e3", "1e3", places=14), min_size=1, max_size=20))
def test_a_total_that_the_parts_cannot_round_to_is_refused(exact: list[Decimal]) -> None:
    floor = sum(int((value * 10**8).to_integral_value("ROUND_FLOOR")) for value in exact)
    for total in (floor - 1, floor + len(exact) + 1):
        with pytest.raises(CommendaError) as caught:
            round_to_total(total, exact, 8, range(len(exact)))
        assert caught.value.code == "parts_disagree"


# --- units and scales ------------------------------------------------------------------------


@given(st.integers(-(10**37), 10**37), st.integers(0, 18))
def test_units_and_back(units: int, scale: int) -> None:
    assert to_units(from_units(units, scale), scale) == units


def test_units_refuse_what_they_cannot_hold() -> None:
    with pytest.raises(CommendaError) as caught:
        to_units(D("0.000000001"), 8)
    assert caught.value.code == "excess_scale"


@given(st.decimals("-1e12", "1e12", places=6), st.sampled_from(["0.001", "1", "0.5", "10"]))
def test_floor_to_goes_toward_zero(number: Decimal, step: str) -> None:
    floored = floor_to(number, D(step))
    assert floored % D(step) == 0
    assert abs(floored) <= abs(number)
    assert abs(number - floored) < D(step)


@given(st.decimals("-1e19", "1e19", places=18))
def test_quantise_is_half_even_and_exact(number: Decimal) -> None:
    rounded = quantise(number, 8)
    assert abs(Fraction(rounded) - Fraction(number)) <= Fraction(1, 2 * 10**8)
    assert rounded == round(Fraction(number) * 10**8) / D(10**8)
    assert quantise(number, 8, ROUND_HALF_EVEN) == rounded


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("NaN", "not_finite"),
        ("sNaN", "not_finite"),
        ("Infinity", "not_finite"),
        ("-Infinity", "not_finite"),
        (D("1e20"), "amount_overflow"),
        (D("-1e20"), "amount_overflow"),
        (D("1e999999"), "amount_overflow"),
        ("0.000000001", "excess_scale"),
        (D("1e-999999"), "excess_scale"),
        ("ten", "not_a_number"),
        ("", "not_a_number"),
        (None, "not_a_number"),
    ],
)
def test_an_amount_from_outside_is_refused_with_a_code(value: Any, code: str) -> None:
    with pytest.raises(CommendaError) as caught:
        amount(value, "USDT")
    assert caught.value.code == code


@given(st.decimals("-99999999999999999999", "99999999999999999999", places=8))
def test_every_amount_within_the_scale_is_taken_as_it_is(number: Decimal) -> None:
    assert amount(f"{number:f}", "USDT") == number


def test_an_unknown_asset_is_refused() -> None:
    with pytest.raises(CommendaError) as caught:
        amount(1, "DOGE")
    assert caught.value.code == "unknown_asset"


@given(st.decimals("1e19", "9e19", places=18), st.decimals("0.1", "9", places=18))
def test_products_are_exact_in_threads_that_start_later(a: Decimal, b: Decimal) -> None:
    """The default context keeps 28 digits, which would lose decimals of a large amount."""
    assume(a and b)
    products: list[Decimal] = []
    thread = threading.Thread(target=lambda: products.append(a * b))
    thread.start()
    thread.join()
    assert Fraction(products[0]) == Fraction(a) * Fraction(b)


@pytest.mark.parametrize("text", ["0", "12", "-12.5", "+0.00000001", ".5", "5.", "007"])
def test_a_number_is_written_in_ascii_digits_with_at_most_one_point(text: str) -> None:
    assert number(text) == Decimal(text)


@pytest.mark.parametrize(
    "text", ["١٢", "１２", "1_0", "1 ", " 1", "\t1", "", ".", "1.2.3", "1,5", "+"]
)
@pytest.mark.parametrize("read", [number, whole, real])
def test_what_only_python_takes_for_a_number_is_none(
    read: Callable[[str], object], text: str
) -> None:
    with pytest.raises(ValueError, match="write"):
        read(text)


@pytest.mark.parametrize("text", ["1e3", "1E+4", "0E-8"])
def test_an_amount_has_no_exponent(text: str) -> None:
    with pytest.raises(ValueError, match="at most one point"):
        number(text)
    with pytest.raises(CommendaError) as refused:
        amount(text, "USDT")
    assert refused.value.code == "not_a_number"


def test_a_measured_number_may_have_an_exponent() -> None:
    assert real("5e-4") == 0.0005
    assert real("1E+6") == 1_000_000.0
