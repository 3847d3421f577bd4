"""Whoever is banned is worse than luck: held on noise, on a planted loser, and by tables."""

from __future__ import annotations

import math
from statistics import fmean, stdev

import numpy as np
import pytest

from commenda.automation.comparing import Record, compared, is_worse, tail

DAYS = [f"d{place:03d}" for place in range(250)]


def record(values: np.ndarray) -> Record:
    return {day: float(one) for day, one in zip(DAYS, values, strict=False)}


def banned(records: list[Record], error: float) -> list[int]:
    found = [
        compared(one, records[:place] + records[place + 1 :], 30)
        for place, one in enumerate(records)
    ]
    chances = [one.luck for one in found if one is not None]
    return [
        place
        for place, one in enumerate(found)
        if one is not None and is_worse(one.luck, chances, error)
    ]


@pytest.mark.parametrize(
    ("t", "freedom", "chance"),
    [
        # Student's table: one-sided 0.05, 0.025, 0.005, 0.001.
        (-2.015, 5, 0.05),
        (-2.228, 10, 0.025),
        (-2.756, 29, 0.005),
        (-3.396, 29, 0.001),
        (-1.984, 100, 0.025),
        (2.228, 10, 0.975),
        (0.0, 10, 0.5),
    ],
)
def test_the_tail_is_that_of_the_table(t: float, freedom: int, chance: float) -> None:
    assert tail(t, freedom) == pytest.approx(chance, rel=0.03)


def test_a_difference_is_of_the_same_days_in_units_of_each_deviation() -> None:
    own = {"a": 0.01, "b": -0.01, "c": 0.02, "x": 0.5}
    other = {"a": 0.04, "b": -0.02, "c": 0.02, "d": 0.01}
    found = compared(own, [other], 3)
    assert found is not None
    by = [own[day] / stdev(own.values()) - other[day] / stdev(other.values()) for day in "abc"]
    assert found.days == 3
    assert found.difference == pytest.approx(fmean(by))
    assert found.t == pytest.approx(fmean(by) / (stdev(by) / math.sqrt(3)))
    assert compared(own, [other], 4) is None, "too few in common"
    assert compared(own, [], 3) is None, "nobody to compare with"
    assert compared({"a": 0.0, "b": 0.0, "c": 0.0}, [other], 3) is None, "it never traded"


def test_holms_procedure_is_the_papers() -> None:
    # 0.05 over 4, 3, 2, 1: 0.0125, 0.0167, 0.025, 0.05.
    chances = [0.01, 0.016, 0.03, 0.04]
    assert [is_worse(one, chances, 0.05) for one in chances] == [True, True, False, False]
    assert not is_worse(0.013, [0.013, 0.9, 0.9, 0.9], 0.05)


@pytest.mark.parametrize("tails", ["normal", "heavy"])
@pytest.mark.parametrize("common", [0.0, 0.6])
def test_on_noise_it_bans_no_more_than_the_error_that_is_stated(tails: str, common: float) -> None:
    """1,000 businesses of eight equal strategies, with and without a market they share: at 5 %, 50
    are to be expected, and 71 or more (three deviations above) in one of 700 tries."""
    drawn = np.random.default_rng(17)
    wrong = 0
    for _ in range(1_000):
        shape = (9, 90)
        noise = drawn.standard_t(4, shape) if tails == "heavy" else drawn.normal(size=shape)
        returns = 0.01 * (common * noise[8] + noise[:8]) * np.arange(1, 9)[:, None]
        wrong += bool(banned([record(one) for one in returns], 0.05))
    assert wrong < 50 + 3 * math.sqrt(1_000 * 0.05 * 0.95)


def test_a_planted_loser_is_banned_and_nobody_else() -> None:
    """It loses 0.45 of its deviation a day. Against the mean of seven, whose own noise adds a
    seventh, t after 180 days is about 0.45 / sqrt(8/7) * sqrt(180) = 5.6, and 3.8 is asked at the
    error of one look of 52: 97 of 100 businesses are to be expected."""
    drawn = np.random.default_rng(23)
    found, wrong = 0, 0
    for _ in range(100):
        noise = drawn.normal(size=(8, 180)) * 0.01
        noise[3] -= 0.0045
        bans = banned([record(one) for one in noise], 0.05 / 52)
        found += 3 in bans
        wrong += len(set(bans) - {3})
    assert (found >= 90, wrong <= 1) == (True, True)
