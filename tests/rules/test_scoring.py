"""The creator's score, against records whose statistics are known by construction."""

import math
from decimal import Decimal
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.managed.scoring import (
    WEIGHTS,
    Record,
    consistency_points,
    diversification_points,
    drawdown_points,
    score,
    sortino_points,
)

D = Decimal


def navs_of(returns: list[float]) -> list[float]:
    return list(accumulate(returns, lambda nav, change: nav * (1 + change), initial=100.0))


def test_the_weights_are_those_of_the_specification() -> None:
    assert sum(WEIGHTS.values()) == 100
    assert tuple(WEIGHTS.values()) == (40, 20, 15, 15, 10)


def test_a_perfect_record_of_ninety_days_scores_fifty() -> None:
    # Never a losing day, five equal instruments, always live: 100 points times 90 / (90 + 90).
    result = score(Record(navs_of([0.001] * 90), 1.0, [20.0] * 5))
    assert (result.total, result.days) == (D("50.0000"), 90)


def test_a_longer_record_counts_more() -> None:
    # n / (n + 90): 30 days 0.25, 810 days 0.9.
    assert score(Record(navs_of([0.001] * 30), 1.0, [1.0] * 5)).total == D("25.0000")
    assert score(Record(navs_of([0.001] * 810), 1.0, [1.0] * 5)).total == D("90.0000")


def test_a_mixed_record_is_the_weighted_sum_of_its_parts() -> None:
    # Alternating +a and -b: mean (a - b) / 2, downside deviation b / sqrt 2. With
    # a = b (1 + sqrt(2/365)) the annual Sortino is exactly 1, which is 50 points of 100.
    b = 0.01
    a = b * (1 + math.sqrt(2 / 365))
    result = score(Record(navs_of([a, -b] * 105), 0.8, [5.0, 5.0]))
    assert result.sortino == D("50.0000")
    assert result.drawdown == D("100.0000")  # the deepest fall is one day's 1 %
    assert result.uptime == D("80.0000")
    assert result.diversification == D("25.0000")  # two instruments: (2 - 1) / (5 - 1)
    # 30 weeks: 15 begin with a gain (4 up, 3 down: a gain) and 15 with a loss (3 up, 4 down).
    assert result.consistency == D("50.0000")
    parts = 40 * 0.5 + 20 * 1 + 15 * 0.5 + 15 * 0.8 + 10 * 0.25
    assert float(result.total) == pytest.approx(parts * 210 / 300, abs=1e-4)


def test_sortino_of_two_is_full_marks_and_a_loser_gets_none() -> None:
    b = 0.01
    assert sortino_points([b * (1 + 2 * math.sqrt(2 / 365)), -b] * 50) == pytest.approx(100)
    assert sortino_points([b * (1 + 9 * math.sqrt(2 / 365)), -b] * 50) == 100
    assert sortino_points([0.005, -0.01] * 50) == 0


def test_a_record_without_a_loss_is_full_marks_only_if_it_gained() -> None:
    assert sortino_points([0.0, 0.001]) == 100
    assert sortino_points([0.0, 0.0]) == 0
    assert sortino_points([]) == 0


@pytest.mark.parametrize(("fall", "points"), [(0, 100), (5, 100), (17.5, 50), (30, 0), (80, 0)])
def test_drawdown_is_full_at_five_percent_and_nothing_at_thirty(fall: float, points: float) -> None:
    assert drawdown_points([100.0, 120.0, 120.0 * (1 - fall / 100), 130.0]) == pytest.approx(points)


def test_consistency_is_the_share_of_whole_weeks_that_gained() -> None:
    win, loss, rest = [0.01] * 7, [-0.01] * 7, [0.0] * 7
    assert consistency_points(win + loss + win + rest) == 50
    assert consistency_points([-0.5] * 3 + win) == 100  # the days before the first whole week
    assert consistency_points([0.01] * 6) == 0


def test_diversification_counts_effective_instruments() -> None:
    assert diversification_points([]) == 0
    assert diversification_points([7.0]) == 0
    assert diversification_points([1.0, 1.0, 1.0]) == pytest.approx(50)
    assert diversification_points([1.0] * 9) == 100
    # Shares 0.97 and three times 0.01: 1 / (0.9409 + 0.0003) = 1.06247.
    assert diversification_points([97.0, 1.0, 1.0, 1.0]) == pytest.approx(1.5618, abs=1e-3)


def test_what_a_record_says_after_death_earns_nothing() -> None:
    revived = navs_of([0.01] * 13)
    assert score(Record([100.0, -1.0, *revived], 1.0, [])).consistency == 0


def test_a_dead_strategy_keeps_its_record() -> None:
    result = score(Record([100.0, 110.0, 0.0, 0.0, 0.0], 1.0, [1.0]))
    assert (result.sortino, result.drawdown, result.days) == (0, 0, 4)


@pytest.mark.parametrize("navs", [[], [100.0]])
def test_a_creator_without_a_record_scores_nothing(navs: list[float]) -> None:
    assert score(Record(navs, 1.0, [1.0] * 5)).total == 0


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (Record([0.0, 1.0], 1.0, []), "navs"),
        (Record([1.0, math.nan], 1.0, []), "navs"),
        (Record([1.0, 1.0], 1.1, []), "uptime"),
        (Record([1.0, 1.0], 1.0, [-1.0]), "exposures"),
    ],
)
def test_a_record_that_is_not_sound_is_refused(record: Record, field: str) -> None:
    with pytest.raises(CommendaError) as refusal:
        score(record)
    assert (refusal.value.code, refusal.value.field) == ("bad_record", field)


@given(
    returns=st.lists(st.floats(-0.99, 0.99), max_size=60),
    uptime=st.floats(0, 1),
    exposures=st.lists(st.floats(0, 1e9), max_size=8),
    factor=st.sampled_from([0.125, 0.5, 4.0, 1024.0]),
)
def test_a_score_lies_between_nothing_and_a_hundred_and_knows_no_currency(
    returns: list[float], uptime: float, exposures: list[float], factor: float
) -> None:
    navs = navs_of(returns)
    result = score(Record(navs, uptime, exposures))
    parts = [result.sortino, result.drawdown, result.consistency, result.uptime]
    assert all(0 <= part <= 100 for part in [*parts, result.diversification, result.total])
    assert result.total < 100
    scaled = Record([nav * factor for nav in navs], uptime, [part * factor for part in exposures])
    assert score(scaled) == result
